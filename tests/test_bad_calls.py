"""Bad calls of every public function are refused in a sentence, before anything is compiled."""

import inspect
import re

import jax
import pytest
from bad_calls import (
    attention,
    cells,
    data,
    decoding,
    diagnostics,
    engine,
    flax,
    forecasting,
    initializers,
    interop,
    lab,
    layers,
    losses,
    tasks,
    training,
)
from bad_calls.kinds import Argument
from test_project import NAMES

from rnnjax._checks import brief

TABLES = (
    *(initializers, attention, cells, engine, layers, losses, data, flax, interop, decoding),
    *(diagnostics, training, forecasting, lab, tasks),
)
CALLS = [row for table in TABLES for row in table.CALLS]

# Sentences of JAX, NumPy and Python that a message of ours never holds.
FOREIGN = re.compile(
    r"Shapes must be|unexpected PRNG|not a valid JAX type|interpreting argument|zip\(\) argument"
    r"|object has no attribute|inhomogeneous|could not convert|contracting dim"
)

# Public callables that take nothing to check.
NOTHING_TO_CHECK = {
    "rnnjax.Static": "a base class",
    "rnnjax.Cell": "an abstract base class; the rows of the cells have its functions",
    "rnnjax.Wrapper": "a base class; the rows of the wrappers have its functions",
    "rnnjax.cells.AffineCell": "an abstract base class",
    "rnnjax.cells.GatedCell": "an abstract base class",
    "rnnjax.cells.MemoryCell": "an abstract base class",
    "rnnjax.attention.Attention": "an abstract base class",
    "rnnjax.engine.Method": "an abstract base class",
    "rnnjax.layers.Layer": "an abstract base class; the rows of the layers have its functions",
    "rnnjax.layers.Pointwise": "an abstract base class",
    **{
        name: "a picture: matplotlib checks the curves"
        for name in NAMES
        if name.startswith("rnnjax.diagnostics.plot_")
    },
    **{
        name: "a function of an application, which takes its Config"
        for name in NAMES
        if name.startswith("rnnjax.tasks.") and name.count(".") == 3
    },
    "rnnjax.lab.demo": "takes nothing",
    "rnnjax.training.check_finite": "called by fit, with its own values",
    "rnnjax.training.label_by_role": "names of any tree",
    "rnnjax.training.decay_mask": "names of any tree",
    "rnnjax.flax.linen.named": "names of any tree",
    "rnnjax.testing.assert_close": "compares any two trees, of NumPy, too",
    "rnnjax.testing.at": "indexes as NumPy does",
    "rnnjax.testing.cast": "a tool of the laws, for trees of NumPy, too",
    "rnnjax.testing.stacked": "a tool of the laws, for trees of NumPy, too",
}


def values(row):
    return {k: a.good if isinstance(a, Argument) else a for k, a in row.arguments.items()}


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row.name)
def test_the_valid_call_is_valid(row):
    if any(row in table.CALLS for table in (training, forecasting, tasks, flax, interop, lab)):
        # These compute with known values.
        row.function(**values(row))
    elif row.name != "rnnjax.testing.check_cell":  # takes seconds, and has tests of its own
        jax.eval_shape(lambda: [*jax.tree.leaves(row.function(**values(row)))] and None)


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row.name)
def test_a_bad_argument_is_refused_in_a_sentence(row):
    found = []
    for name, argument in row.arguments.items():
        for bad in argument.bad if isinstance(argument, Argument) else ():
            problem = answer(row.function, values(row) | {name: bad})
            if problem:
                found.append(f"{name}={brief(bad)}: {problem}")
    assert not found, "\n" + "\n".join(found)


def answer(function, arguments):
    """The fault of the answer to a bad call; `None` if there is none."""
    try:
        function(**arguments)
    except ValueError as error:
        text = str(error)
        fits = "expected" in text and "got" in text and not FOREIGN.search(text.split(", got")[0])
        return None if fits else f"ValueError: {text[:200]}"
    except Exception as error:  # whatever else is raised is the fault that is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "accepted"


def is_data(value):
    """A NamedTuple, a mapping or an alias: it holds data, and whoever takes it checks it."""
    return inspect.isclass(value) and issubclass(value, tuple)


def test_every_public_callable_has_a_row():
    rows = {id(row.function) for row in CALLS}
    missing = [
        name
        for name, value in NAMES.items()
        if id(value) not in rows
        and name not in {row.name for row in CALLS}
        and not is_data(value)
        and not any(NAMES.get(reason) is value for reason in NOTHING_TO_CHECK)
    ]
    assert missing == []
    assert set(NOTHING_TO_CHECK) <= set(NAMES)


def test_an_accepted_call_is_found():
    assert answer(lambda x: x, {"x": 1}) == "accepted"
    assert answer(lambda x: len(x), {"x": 1}) == "TypeError: object of type 'int' has no len()"
    assert "ValueError: invalid literal" in str(answer(lambda x: int(x), {"x": "a"}))
