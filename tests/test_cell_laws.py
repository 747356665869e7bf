"""Every row of the table obeys the laws and equals its reference, at a cost that is watched."""

import importlib
import inspect
import pkgutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import reference
from cases import CASES, assert_close, at, each_case, random_carry, random_params

import rnnjax
from rnnjax import Cell
from rnnjax._trees import inexact, pullback
from rnnjax.engine._choice import NATIVE_WEIGHTS
from rnnjax.testing import check_cell

SECONDS_OF_A_ROW = 15


def oracle(cell: Cell) -> Callable:
    """The reference function of a cell, given those of the cell's fields that it asks for."""
    function = getattr(reference, type(cell).__name__.lower())
    _, _, _, *names = inspect.signature(function).parameters
    asked = (name for name in names if name != "context")
    return partial(function, **{name: _translate(getattr(cell, name)) for name in asked})


def _translate(field):
    if isinstance(field, tuple):
        return tuple(map(_translate, field))
    return oracle(field) if isinstance(field, Cell) else field


def test_every_row_is_too_small_to_be_compiled_unless_that_is_wanted():
    """Without `RNNJAX_NATIVE=1` the laws are those of XLA's loops."""
    for case in CASES:
        shapes = jax.eval_shape(
            lambda case=case: case.cell.init(jax.random.key(0), case.input_size)
        )
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) < NATIVE_WEIGHTS


@each_case
def test_laws(case, record_property):
    start = time.process_time()
    check_cell(
        case.cell,
        case.input_size,
        context=case.context,
        draw=case.draw,
        reference=oracle(case.cell),
    )
    seconds = time.process_time() - start
    record_property("row", (case.id, seconds))
    assert seconds < SECONDS_OF_A_ROW, "few compilations: check much in each"


# A user's own cell may promote as it likes, also inside a wrapper.
OURS = [
    case
    for case in CASES
    if type(case.cell).__module__.startswith("rnnjax.") and not isinstance(case.input_size, dict)
]


@pytest.mark.parametrize("case", OURS, ids=lambda case: case.id)
def test_strict_flags(case):
    """No rank or dtype is promoted implicitly, and no tracer leaks, with masks and noise."""
    context = jax.tree.map(
        lambda a: a.astype(jnp.float32) if jnp.issubdtype(a.dtype, jnp.floating) else a,
        case.context,
    )

    def gradient(key, xs, mask, resets):
        params = case.cell.init(key, case.input_size)

        def run(params, xs):
            signals = {"mask": mask, "resets": resets, "key": key, "context": context}
            return rnnjax.scan(case.cell, params, xs, **signals)

        out = run(params, xs)
        return pullback(run, params, xs)(inexact(out))

    axes = case.input_size if isinstance(case.input_size, tuple) else (case.input_size,)
    xs = jax.ShapeDtypeStruct((4, 3, *axes), jnp.float32)
    signal = jax.ShapeDtypeStruct((4, 3), bool)
    with (
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
        jax.checking_leaks(),
    ):
        jax.eval_shape(gradient, jax.random.key(0), xs, signal, signal)


def cells_of_the_package() -> Iterator[type]:
    for module in pkgutil.walk_packages(rnnjax.cells.__path__, "rnnjax.cells."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, Cell) and not inspect.isabstract(found):
                yield found


NAMED = {
    cell.__name__: cell
    for cell in cells_of_the_package()
    if cell.__name__ in vars(rnnjax.cells) and cell is not rnnjax.Wrapper
}


@pytest.mark.parametrize("cell", NAMED.values(), ids=NAMED)
def test_cell_has_a_row_and_a_reference(cell):
    assert any(type(case.cell) is cell for case in CASES), "add a row to tests/cases.py"
    assert hasattr(reference, cell.__name__.lower()), "add a function to tests/reference"


def test_rows_are_found_by_the_names_of_their_cells():
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.id.split("-")[0] == type(case.cell).__name__ for case in CASES)


@pytest.mark.parametrize("path", ["simple/_elman.py", "simple/_indrnn.py", "linear/_min_gru.py"])
def test_a_copy_works_outside_the_package(path, tmp_path, monkeypatch):
    """With public imports in the place of relative ones, and nothing else changed."""
    file = Path(rnnjax.cells.__path__[0]) / path
    source = file.read_text().replace("from ..._numerics import", "from rnnjax import")
    source = source.replace("from ..._core import", "from rnnjax import")
    source = source.replace("from .._options import", "from rnnjax.cells import")
    source = source.replace("from ...initializers import", "from rnnjax.initializers import")
    assert "from ." not in source
    name = f"copy_of{file.stem}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    cells = [value for value in vars(module).values() if _is_cell_of(value, name)]
    assert len(cells) == 1 and not issubclass(cells[0], rnnjax.Elman)
    check_cell(cells[0](2), input_size=1)


def _is_cell_of(value, module):
    return isinstance(value, type) and issubclass(value, Cell) and value.__module__ == module


# The laws themselves: each must fail for a cell that breaks it.


class Mixing(rnnjax.Elman):
    """Lets the rows of a batch see each other."""

    def update(self, weights, carry, s):
        return super().update(weights, carry, s - s.mean(0))


class Multiplying(rnnjax.Elman):
    """Holds a product in `update`."""

    def update(self, weights, carry, s):
        return super().update(weights, carry, s @ weights.w_h)


class Narrowing(rnnjax.Elman):
    """Loses precision on the way."""

    def update(self, weights, carry, s):
        return super().update(weights, carry, s.astype(jnp.bfloat16)).astype(s.dtype)


class Stopping(rnnjax.Elman):
    """Has a gradient that is not its derivative."""

    def update(self, weights, carry, s):
        return super().update(weights, jax.lax.stop_gradient(carry), jax.lax.stop_gradient(s) + s)


class Nameless(rnnjax.Elman):
    """Has parameters without names."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return tuple(super().init(key, input_size, dtype=dtype))

    def project(self, weights, xs):
        return super().project(rnnjax.cells.ElmanParams(*weights), xs)

    def recur(self, weights, carry, z):
        return super().recur(rnnjax.cells.ElmanParams(*weights), carry, z)


class Misnamed(Nameless):
    """Calls a factor of a product something else."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        w_x, kernel, b = super().init(key, input_size, dtype=dtype)
        return {"a": w_x, "b": kernel, "c": b}

    def project(self, weights, xs):
        return super().project(tuple(weights.values()), xs)

    def recur(self, weights, carry, z):
        return super().recur(tuple(weights.values()), carry, z)


class Growing(rnnjax.Elman):
    """Leaves with a carry of another dtype than it entered with."""

    def update(self, weights, carry, s):
        return super().update(weights, carry, s).astype(jnp.complex64)


@pytest.mark.parametrize(
    ("cell", "law"),
    [
        (Mixing(3), "A batch equals its rows"),
        (Multiplying(3), "No product is inside `update`"),
        (Narrowing(3), "derivatives of a step|precision"),
        (Stopping(3), "derivatives of a step equal finite differences"),
        (Nameless(3), "named by their role"),
        (Misnamed(3), "named by their role"),
        (Growing(3), "carries and outputs are at least float32"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_a_cell_that_breaks_a_law_is_told_which(cell, law):
    with pytest.raises(Exception) as error:
        check_cell(cell, 2)
    assert any(part in error.value.__notes__[-1] for part in law.split("|"))


def test_a_wrong_reference_is_seen():
    def wrong(params, carry, x):
        carry, y = oracle(rnnjax.Elman(3))(params, carry, x)
        return carry, y + 1e-6

    with pytest.raises(AssertionError):
        check_cell(rnnjax.Elman(3), 2, reference=wrong)


def test_random_arguments_have_no_zero():
    for case in CASES[:5]:
        with jax.enable_x64(True):
            params = random_params(case)
            assert all((a != 0).all() for a in inexact((params, random_carry(case, params, 2))))
    assert_close(at(jnp.ones(3), 0), jnp.ones(()))
