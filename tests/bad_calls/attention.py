"""Attention: the fields of each kind, and the functions of their base."""

import jax
import numpy as np

from rnnjax import attention as at

from .kinds import Argument, array, call, features, flag, key, size

Q, M = 3, 3
SOURCE = at.Source(np.ones((2, 5, M), "float32"), np.array([5, 2]))
BAD_SOURCES = (
    *(None, "text", 3, SOURCE.values, (SOURCE.values, None)),
    *(SOURCE._replace(values=bad) for bad in ("text", np.ones(3), np.ones((2, 5, M), int))),
    *(SOURCE._replace(lengths=bad) for bad in (np.ones(3, int), np.ones((2, 5), int))),
)

CONSTRUCTORS = [
    call("rnnjax.attention.Additive", at.Additive, size=size(4)),
    call("rnnjax.attention.Dot", at.Dot, scaled=flag(True)),
    call("rnnjax.attention.General", at.General),
    call(
        "rnnjax.attention.MultiHead",
        at.MultiHead,
        heads=Argument(2, (*size(2).bad, 3)),
        size=size(4),
    ),
]


def methods(row):
    """The functions of an attention that a user calls."""
    made = row.function(**{name: value.good for name, value in row.arguments.items()})
    params = made.init(jax.random.key(0), Q, M)
    sizes = {"query_size": features(Q), "memory_size": features(M)}
    yield call(f"{row.name}.init", made.init, key=key(), **sizes)
    sources = Argument(SOURCE, BAD_SOURCES)
    yield call(f"{row.name}.prepare", made.prepare, params=params, source=sources)
    query = array(np.ones((2, Q), "float32"), 3)
    memory = Argument(made.prepare(params, SOURCE), (None, "text", SOURCE))
    yield call(f"{row.name}.read", made.read, params=params, query=query, memory=memory)


CALLS = [*CONSTRUCTORS, *(each for row in CONSTRUCTORS for each in methods(row))]
