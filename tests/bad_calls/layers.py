"""Layers: their fields, and `init`, `init_carry` and `apply` of each."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import GRU, LSTM
from rnnjax import layers as la

from .kinds import (
    Argument,
    array,
    call,
    cell,
    choice,
    dtype,
    features,
    flag,
    key,
    layer,
    lengths,
    method,
    number,
    optional_key,
    params,
    rate,
    shape,
    signal,
    size,
    tree,
)

KEY = jax.random.key(0)
B, T, F = 2, 5, 3
XS = np.ones((B, T, F), "float32")
TOKENS = np.ones((B, T), int)
MASK = np.ones((B, T), bool)
LAYERS = (None, (), [la.Dense(3)], la.Dense, (la.Dense,), (GRU(3),), "text", la.Dense(3), (None,))
RUN = {"return_sequences": flag(True), "method": method()}
INIT = {"w_init": choice("zeros", None), "b_init": choice("zeros", None)}
CELLS = cell(GRU(4)).bad[1:]
MODEL = (la.RNN(LSTM(3)), la.Dense(2))

CONSTRUCTORS = [
    call("rnnjax.layers.Dense", la.Dense, size=size(2), use_bias=flag(True), **INIT),
    call("rnnjax.layers.LayerNorm", la.LayerNorm, epsilon=number(1e-5, 0.0, -1.0)),
    call("rnnjax.layers.Dropout", la.Dropout, rate=rate(0.5), per_sequence=flag(True)),
    call("rnnjax.layers.Embedding", la.Embedding, vocabulary=size(7), size=size(2)),
    call("rnnjax.layers.Pool", la.Pool, how=choice("mean", None)),
    call("rnnjax.layers.RNN", la.RNN, cell=cell(LSTM(4)), reverse=flag(True), **RUN),
    call(
        "rnnjax.layers.Bidirectional",
        la.Bidirectional,
        cell=cell(GRU(4)),
        **RUN,
        merge=choice("sum", None),
        backward=Argument(None, CELLS),
    ),
    call(
        "rnnjax.layers.Sequential",
        la.Sequential,
        layers=Argument(MODEL, LAYERS),
        names=Argument(("a", "b"), ("ab", ("a",), ("a", "a"), 3, (1, 2), ["a", "b"])),
    ),
]


def methods(row):
    """The functions of a layer that a user calls."""
    made = row.function(**{name: value.good for name, value in row.arguments.items()})
    tokens = isinstance(made, la.Embedding)
    xs = TOKENS if tokens else XS
    drawn = jax.eval_shape(lambda: made.init(KEY, F))
    drawn = jax.tree.map(lambda a: jnp.ones(a.shape, a.dtype), drawn)
    optional = isinstance(made, la.Embedding | la.Dropout | la.Pool)
    sizes = features() if not optional else Argument(F, ("3", 1.5, True, 0, -1))
    yield call(f"{row.name}.init", made.init, key=key(), input_size=sizes, dtype=dtype())
    yield call(f"{row.name}.init_carry", made.init_carry, params=drawn, batch_shape=shape((2,)))
    outside = (XS,) if tokens else (XS[..., :2], XS + 1j, XS.tolist())
    carry = made.init_carry(drawn, (B,))
    others = jax.tree.map(lambda a: a[:1], carry) if jax.tree.leaves(carry) else np.ones(2)
    yield call(
        f"{row.name}.apply",
        made.apply,
        params=params(drawn) if jax.tree.leaves(drawn) else Argument((), ("text", XS, (XS,))),
        xs=array(xs, xs[0], 1.0, *(outside if jax.tree.leaves(drawn) else ())),
        carry=tree(carry, others, np.ones((3, 3))),
        lengths=lengths(np.array([5, 2]), T),
        mask=signal(MASK),
        resets=signal(MASK),
        key=optional_key(),
        context=Argument(None, ("text", XS)),
    )


SUMMARY = {"model": layer(la.Dense(3)), "input_size": features(), "dtype": dtype()}

CALLS = [
    *CONSTRUCTORS,
    *(each for row in CONSTRUCTORS for each in methods(row)),
    call("rnnjax.layers.summary", la.summary, **SUMMARY),
]
