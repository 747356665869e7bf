"""Every cell equals NumPy code that was written from its paper, and no cell is forgotten."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
import reference
from cases import (
    CASES,
    assert_close,
    at,
    each_case,
    random_carry,
    random_inputs,
    random_params,
    stacked,
)

import rnnjax
from rnnjax import Cell


def oracle(cell: Cell) -> Callable:
    """The reference function of a cell, given those of the cell's fields that it asks for."""
    function = getattr(reference, type(cell).__name__.lower())
    _, _, _, *names = inspect.signature(function).parameters
    return partial(function, **{name: _translate(getattr(cell, name)) for name in names})


def _translate(field):
    if isinstance(field, tuple):
        return tuple(map(_translate, field))
    return oracle(field) if isinstance(field, Cell) else field


def cells_of_the_package() -> Iterator[type]:
    for module in pkgutil.walk_packages(rnnjax.cells.__path__, "rnnjax.cells."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, Cell) and not inspect.isabstract(found):
                yield found


def unroll(step: Callable, params: Any, carry: Any, xs: Any, steps: int) -> Any:
    """The carries and outputs of one sequence, one step after the other."""
    history = []
    for t in range(steps):
        carry, y = step(params, carry, at(xs, t))
        history.append((carry, y))
    return stacked(history)


@each_case
def test_cell_equals_its_reference(case):
    steps, batch = 6, 3
    with jax.enable_x64(True):
        params = random_params(case)
        carry = random_carry(case, params, batch)
        xs = random_inputs(case, steps, batch)
        final, (ys, carries) = rnnjax.scan(case.cell, params, xs, carry, return_carries=True)

        step = oracle(case.cell)
        params, carry, xs = jax.tree.map(np.asarray, (params, carry, xs))
        rows = [
            unroll(step, params, at(carry, row), at(xs, (slice(None), row)), steps)
            for row in range(batch)
        ]
        assert_close((carries, ys), stacked(rows, axis=1))
        assert_close(final, at(carries, -1))


NAMED = {cell.__name__: cell for cell in cells_of_the_package()}


@pytest.mark.parametrize("cell", NAMED.values(), ids=NAMED)
def test_cell_has_a_row_and_a_reference(cell):
    assert any(type(case.cell) is cell for case in CASES), "add a row to tests/cases.py"
    assert hasattr(reference, cell.__name__.lower()), "add a function to tests/reference"


def test_rows_are_found_by_the_names_of_their_cells():
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.id.split("-")[0] == type(case.cell).__name__ for case in CASES)
