"""Layers: their fields, and `init`, `init_carry` and `apply` of each."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import GRU, LSTM
from rnnjax import layers as la
from rnnjax.attention import Dot, Source
from rnnjax.cells import Bridge

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

TAGS = ("O", "B-NP", "I-NP")
BAD_TAGS = (None, 3, "O", (), ("O", "O"), ("O", "S-NP"), (1, 2), (None,), {"O"})
SUM = la.Sequential((la.Embedding(7, 2), la.Pool("max")))
INSIDE = Argument(SUM, (*layer(SUM).bad, la.Embedding(7, 2)))
RULES = Argument(la.bio_constraints(TAGS), ("BIO", 3, TAGS, la.Constraints))
ROWS = ((True, False), (True, True))
ALLOWED = Argument((True, False), ("ab", 3, (True,), [True, False], (1, 0)))

CONSTRUCTORS = [
    call("rnnjax.layers.Dense", la.Dense, size=size(2), use_bias=flag(True), **INIT),
    call(
        "rnnjax.layers.Conv",
        la.Conv,
        channels=size(2),
        kernel_size=size(3),
        stride=size(2),
        activation=choice("relu", None),
        use_bias=flag(True),
        **INIT,
    ),
    call("rnnjax.layers.Flatten", la.Flatten),
    call("rnnjax.layers.GLU", la.GLU, size=size(2)),
    call("rnnjax.layers.Skip", la.Skip, layer=layer(la.GLU(3))),
    call("rnnjax.layers.CRF", la.CRF, size=Argument(3, (*size(3).bad, 2)), constraints=RULES),
    call("rnnjax.layers.PerStep", la.PerStep, layer=INSIDE, padding=size(0, least=0)),
    call("rnnjax.layers.LayerNorm", la.LayerNorm, epsilon=number(1e-5, 0.0, -1.0)),
    call("rnnjax.layers.Dropout", la.Dropout, rate=rate(0.5), per_sequence=flag(True)),
    call(
        "rnnjax.layers.SpecAugment",
        la.SpecAugment,
        time_width=size(2, least=0),
        frequency_width=size(2, least=0),
        time_masks=size(2),
        frequency_masks=size(2),
        time_share=number(1.0, 0.0, -1.0, 1.5),
    ),
    call(
        "rnnjax.layers.Embedding", la.Embedding, vocabulary=size(7), size=size(2), scale=number(0.1)
    ),
    call("rnnjax.layers.TokenDropout", la.TokenDropout, rate=rate(0.5), token=size(1, least=0)),
    call("rnnjax.layers.Pool", la.Pool, how=choice("mean", None)),
    call("rnnjax.layers.AttentionPool", la.AttentionPool, size=size(2)),
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
    inside = isinstance(made, la.PerStep)
    tokens = inside or isinstance(made, la.Embedding | la.TokenDropout)
    images = made.num_feature_axes == 3
    sides = (4, 5) if images else ()
    given = (*sides, F) if images else F
    xs = XS.astype(int) if inside else TOKENS if tokens else XS
    xs = np.ones((B, T, *sides, F), "float32") if images else xs
    drawn = jax.eval_shape(lambda: made.init(KEY, given))
    drawn = jax.tree.map(lambda a: jnp.ones(a.shape, a.dtype), drawn)
    optional = tokens or isinstance(made, la.Dropout | la.Pool | la.SpecAugment)
    sizes = features() if not optional else Argument(F, ("3", 1.5, True, 0, -1))
    if images:
        sizes = image(given)
        sizes = sizes if jax.tree.leaves(drawn) else Argument(given, sizes.bad[1:])
    yield call(f"{row.name}.init", made.init, key=key(), input_size=sizes, dtype=dtype())
    yield call(f"{row.name}.init_carry", made.init_carry, params=drawn, batch_shape=shape((2,)))
    outside = (XS,) if tokens else (xs[..., :2], xs + 1j, XS.tolist())
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


ENCODER = la.Sequential((la.Embedding(7, 2), la.Bidirectional(GRU(2))))
DECODER = la.Sequential((la.Embedding(7, 2), la.RNN(Bridge(GRU(3), 4)), la.Dense(7)))
TRANSLATOR = la.EncoderDecoder(ENCODER, DECODER)
PARAMS = TRANSLATOR.init(KEY)
SOURCE = Source(np.ones((B, 4), int), np.array([4, 2]))
FRAMES = np.ones((B, T, 4), "float32")
NO_SOURCES = ("text", XS, SOURCE.values, SOURCE._replace(lengths=np.ones(3, int)))
WITH_CONTEXT = [
    call(
        "rnnjax.layers.Attend",
        la.Attend,
        attention=Argument(Dot(), (None, 2, "dot", Dot)),
        memory_size=size(3),
        size=size(2),
    ),
    call(
        "rnnjax.layers.EncoderDecoder",
        la.EncoderDecoder,
        encoder=Argument(ENCODER, (*layer(ENCODER).bad, la.Pool("mean"))),
        decoder=Argument(DECODER, (*layer(DECODER).bad, la.Dense(3), ENCODER)),
        embedding=Argument(None, (3, "text", la.Dense(3))),
        hand_over=flag(False),
    ),
    call(
        "rnnjax.layers.Tied",
        la.Tied,
        embedding=Argument(la.Embedding(7, 4), (None, 3, la.Dense(4))),
        body=Argument(la.RNN(GRU(4)), (*layer(None).bad, la.RNN(GRU(3)), la.Pool("mean"))),
    ),
    call("rnnjax.layers.NADE", la.NADE, size=size(4), hidden=size(2), **INIT),
    call(
        "rnnjax.layers.NADE.apply",
        la.NADE(4, 2).apply,
        params=params(la.NADE(4, 2).init(KEY, F)),
        xs=array(XS, XS[0], XS[..., :2]),
        context=array(FRAMES, FRAMES[..., 1:], FRAMES[:1], FRAMES + 1j, (FRAMES,), Source(FRAMES)),
    ),
    call(
        "rnnjax.layers.Attend.apply",
        la.Attend(Dot(), F, 2).apply,
        params=params(la.Attend(Dot(), F, 2).init(KEY, F)),
        xs=array(XS, XS[0], XS[..., :2]),
        context=Argument(
            Source(XS), (None, "text", XS, Source(TOKENS), Source(XS[:1]), Source(XS[..., :2]))
        ),
    ),
    call(
        "rnnjax.layers.EncoderDecoder.apply",
        TRANSLATOR.apply,
        params=Argument(PARAMS, (None, "text", (), PARAMS[:2], PARAMS.encoder)),
        xs=array(TOKENS, TOKENS[0], XS),
        context=Argument(SOURCE, (None, *NO_SOURCES)),
    ),
    call(
        "rnnjax.layers.EncoderDecoder.encode",
        TRANSLATOR.encode,
        params=Argument(PARAMS, (None, "text", ())),
        source=Argument(SOURCE, (None, *NO_SOURCES)),
        key=optional_key(),
    ),
]

SUMMARY = {"model": layer(la.Dense(3)), "input_size": features(), "dtype": dtype()}

CALLS = [
    call("rnnjax.layers.bio_constraints", la.bio_constraints, tags=Argument(TAGS, BAD_TAGS)),
    call(
        "rnnjax.layers.Constraints",
        la.Constraints,
        transitions=Argument(
            ROWS, (None, 3, "text", (), [*ROWS], ROWS[:1], (0, 1), ((1, 0), (0, 1)))
        ),
        start=ALLOWED,
        end=ALLOWED,
    ),
    *CONSTRUCTORS,
    *WITH_CONTEXT,
    *(each for row in CONSTRUCTORS for each in methods(row)),
    call("rnnjax.layers.summary", la.summary, **SUMMARY),
]
