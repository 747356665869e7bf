"""Cells: their fields, and `init`, `init_carry` and `step` of each."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import GRU, LSTM, Elman, Jordan, ProjectedLSTM, Record, ResetBeforeGRU, Residual, Stack
from rnnjax import cells as c
from rnnjax.attention import Additive
from rnnjax.layers import Dense

from .kinds import (
    Argument,
    array,
    call,
    cell,
    choice,
    dtype,
    features,
    flag,
    image,
    key,
    number,
    rate,
    shape,
    size,
    tree,
    weights,
)

KEY = jax.random.key(0)
AFFINE = {
    "use_bias": flag(True),
    "w_x_init": choice("glorot_uniform", None),
    "w_h_init": choice("orthogonal", None),
    "b_init": choice("zeros", None),
}
GATED = {
    **AFFINE,
    "activation": choice("tanh", None),
    "gate_activation": choice("sigmoid", None),
}
MEMORY = {**GATED, "forget_bias": number(1.0)}
H = {"hidden_size": size(4)}
PARTS = (None, (), [Elman(4)], LSTM, (LSTM,), (Dense(3),), ("text",), (Elman(4), None), "text")
RATES = Argument((0.1, 0.2), ("high", None, (0.1, 1.0), ("a",), [0.1], -0.1, 1.0, np.nan))

CONSTRUCTORS = [
    call("rnnjax.cells.Elman", Elman, **H, **AFFINE, activation=choice("tanh", None)),
    call(
        "rnnjax.cells.IndRNN",
        c.IndRNN,
        **H,
        **{**AFFINE, "w_h_init": choice("zeros", None)},
        activation=choice("relu", None),
    ),
    call(
        "rnnjax.cells.Jordan",
        Jordan,
        **H,
        **AFFINE,
        output_size=size(2),
        activation=choice("tanh", None),
        output_activation=choice("tanh", None),
        w_o_init=choice("zeros", None),
    ),
    call("rnnjax.cells.LSTM", LSTM, **H, **MEMORY),
    call(
        "rnnjax.cells.ProjectedLSTM",
        ProjectedLSTM,
        **H,
        **MEMORY,
        projection_size=size(2),
        w_p_init=choice("zeros", None),
    ),
    call(
        "rnnjax.cells.ConvLSTM",
        c.ConvLSTM,
        **MEMORY,
        channels=size(2),
        kernel_size=size(3),
        image_size=Argument((4, 5), (None, 4, (4,), (4, 0), (4, 1.5), [4, 5], ("a", 4))),
    ),
    call(
        "rnnjax.cells.ConvGRU",
        c.ConvGRU,
        **GATED,
        channels=size(2),
        kernel_size=size(3),
        image_size=Argument((4, 5), (None, 4, (4,), (4, 0), (4, 1.5), [4, 5], ("a", 4))),
    ),
    call("rnnjax.cells.GRU", GRU, **H, **GATED),
    call("rnnjax.cells.ResetBeforeGRU", ResetBeforeGRU, **H, **GATED),
    call("rnnjax.cells.RHN", c.RHN, **H, **GATED, depth=size(2), transform_bias=number(-2.0)),
    call("rnnjax.cells.MinGRU", c.MinGRU, **H),
    call(
        "rnnjax.cells.LRU",
        c.LRU,
        **H,
        output_size=size(3),
        min_radius=number(0.1, -1.0, 1.0),
        max_radius=number(0.9, 1.5, 0.0),
        max_phase=number(6.0, 0.0, -1.0),
    ),
    call(
        "rnnjax.cells.EchoState",
        c.EchoState,
        **H,
        output_size=size(3),
        leak=number(0.5, 0, 1.5),
        spectral_radius=number(0.9, -1.0),
        density=number(0.5, 0.0, 2.0),
        input_scale=number(1.0, -1.0),
    ),
    call("rnnjax.cells.Hopfield", c.Hopfield, hidden_size=size(3)),
    call("rnnjax.cells.SynchronousHopfield", c.SynchronousHopfield, hidden_size=size(3)),
    call(
        "rnnjax.cells.ModernHopfield",
        c.ModernHopfield,
        hidden_size=size(3),
        num_patterns=size(2),
        beta=number(1.0, 0.0, -1.0),
    ),
    call(
        "rnnjax.cells.AttentionDecoder",
        c.AttentionDecoder,
        cell=cell(GRU(4)),
        attention=Argument(Additive(2), (None, 2, "dot", Additive)),
        memory_size=size(3),
        with_attended=flag(True),
    ),
    call("rnnjax.cells.Stack", Stack, parts=Argument((LSTM(4), GRU(4)), PARTS), skip=flag(False)),
    call("rnnjax.cells.Residual", Residual, cell=cell(GRU(3))),
    call("rnnjax.cells.Zoneout", c.Zoneout, cell=cell(LSTM(3)), rate=RATES),
    call(
        "rnnjax.cells.VariationalDropout",
        c.VariationalDropout,
        cell=cell(LSTM(3)),
        rate=rate(0.1),
        input_rate=rate(0.1),
    ),
    call("rnnjax.cells.RecurrentDropout", c.RecurrentDropout, cell=cell(LSTM(3)), rate=rate(0.1)),
    call("rnnjax.cells.WeightDrop", c.WeightDrop, cell=cell(LSTM(3)), rate=rate(0.1)),
    call("rnnjax.cells.LearnedCarry", c.LearnedCarry, cell=cell(LSTM(3))),
    call("rnnjax.cells.Bridge", c.Bridge, cell=cell(LSTM(3)), summary_size=size(2)),
    call("rnnjax.cells.Record", Record, cell=cell(LSTM(3))),
]


def methods(row):
    """The functions of a cell that a user calls."""
    made = row.function(**{name: value.good for name, value in row.arguments.items()})
    is_image = made.num_feature_axes == 3
    given = (4, 5, 3) if is_image else 3
    params = jax.eval_shape(lambda: made.init(KEY, given))
    params = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), params)
    yield call(
        f"{row.name}.init",
        made.init,
        key=key(),
        dtype=dtype(),
        input_size=image(given) if is_image else features(given),
    )
    if made.takes_context:
        return
    ready = made.prepare(params)
    carry = made.init_carry(ready, (2,))
    yield call(f"{row.name}.init_carry", made.init_carry, weights=ready, batch_shape=shape((2,)))
    x = np.ones((2, *np.atleast_1d(given)), "float32")
    yield call(
        f"{row.name}.step",
        made.step,
        weights=weights(ready),
        carry=array(carry, made.init_carry(ready, (3,)), made.init_carry(ready)),
        x=array(x, 1.0, x[..., :-1], (), x + 1j)._replace(
            bad=array(x)[1][1:] + (1.0, x[..., :-1], (), x + 1j)
        ),
    )


SIGNS = np.array([[1, -1, 1], [1, 1, -1]])
signs = array(SIGNS, 1.0, SIGNS[0], SIGNS[:, :2], 2 * SIGNS, SIGNS * 1j)
MEMORIES = [
    call("rnnjax.cells.Hopfield.hebb", c.Hopfield(3).hebb, patterns=signs),
    call("rnnjax.cells.Hopfield.pseudo_inverse", c.Hopfield(3).pseudo_inverse, patterns=signs),
    call(
        "rnnjax.cells.ModernHopfield.store",
        c.ModernHopfield(3, 2).store,
        patterns=array(SIGNS, 1.0, SIGNS[:1], SIGNS[:, :2], SIGNS * 1j),
    ),
    call(
        "rnnjax.cells.Hopfield.energy",
        c.Hopfield(3).energy,
        params=c.Hopfield(3).hebb(SIGNS),
        h=array(np.ones((4, 3)), np.ones((4, 2)), 1.0),
        x=tree(np.ones((4, 3)), np.ones((4, 2)), 1.0),
    ),
    call(
        "rnnjax.cells.ModernHopfield.energy",
        c.ModernHopfield(3, 2).energy,
        params=c.ModernHopfield(3, 2).store(SIGNS),
        h=array(np.ones((4, 3)), np.ones((4, 2)), 1.0),
        x=tree(np.ones((4, 3)), np.ones((4, 2)), 1.0),
    ),
]

CALLS = [*CONSTRUCTORS, *MEMORIES, *(each for row in CONSTRUCTORS for each in methods(row))]
