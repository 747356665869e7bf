"""Cells of other libraries: a table for each library, and one way to read and write by it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._arguments import check_params
from .._checks import check_arrays
from .._core import Cell
from ..cells import (
    GRU,
    LSTM,
    Elman,
    ElmanParams,
    GRUParams,
    LSTMParams,
    ProjectedLSTM,
    ProjectedLSTMParams,
    ResetBeforeGRU,
    ResetBeforeGRUParams,
)
from ._layout import Blocks, Layout, faults, pack, unpack, without_biases
from ._tree import as_numpy


def _ours(gates: str) -> Layout:
    return {name: f"{name} {gates}" for name in ("w_x", "w_h", "b")}


# Our own cells, laid out as in any other library.
OURS: dict[type[Cell], tuple[Any, Layout]] = {
    Elman: (ElmanParams, _ours("h")),
    GRU: (
        GRUParams,
        _ours("rzn") | {"b": "b rz b_x n", "b_hn": "b_h n"},
    ),
    ResetBeforeGRU: (
        ResetBeforeGRUParams,
        _ours("rzn") | {"w_h": "w_h rz", "w_hn": "w_h n"},
    ),
    LSTM: (LSTMParams, _ours("ifgo")),
    ProjectedLSTM: (ProjectedLSTMParams, _ours("ifgo") | {"w_p": "w_p p"}),
}


class Form(NamedTuple):
    """The layout of one kind of cell in a library, and the activations that it may have."""

    cell: type[Cell]
    layout: Layout
    activations: Sequence[str] | None = ("tanh",)  # `None` for any
    gate_activations: Sequence[str] | None = ("sigmoid",)


class Peer(NamedTuple):
    """A library: its name, its kinds of cells, and the ways in which they differ from ours."""

    name: str
    forms: tuple[Form, ...]
    transposed: bool = False  # weights are `[outputs, inputs]`
    biased: bool = False  # every cell has biases
    forget_bias: float = 0.0  # added to the forget gate when a cell runs
    notes: Mapping[type[Cell], str] = {}  # the variant that it has of a missing cell

    def read(
        self,
        arrays: Mapping[str, Any],
        *,
        kinds: Collection[type[Cell]] = (),
        activation: str | None = None,
        gate_activation: str = "sigmoid",
        ending: str = "",
    ) -> tuple[Cell, Any]:
        """The cell in arrays of the library, with its parameters.

        Args:
            arrays: the arrays by name.
            kinds: the kinds of cells to choose from; by default all of the library.
            activation: the activation; by default the first of the form.
            gate_activation: the activation of gates.
            ending: the end of the names in messages.
        """
        given = {name: self._turned(as_numpy(name, a)) for name, a in arrays.items()}
        form, wrong = self._best(given, kinds, ending)
        if wrong:
            raise ValueError(
                f"expected the arrays of one recurrent cell ({self._names(kinds)}), got "
                f"{'; '.join(wrong)}"
            )
        blocks = self._shifted(unpack(given, form.layout), self.forget_bias)
        if activation is None:
            activation = (form.activations or ("tanh",))[0]
        cell, params = to_cell(form.cell, blocks, activation, gate_activation)
        self._check_options(cell, form)
        return cell, params

    def write(self, cell: Cell, params: Any) -> dict[str, np.ndarray]:
        """The arrays of the library for a cell with its parameters."""
        form = next((form for form in self.forms if form.cell is type(cell)), None)
        if form is None:
            note = self.notes.get(type(cell), "")
            raise ValueError(
                f"expected one of {self._names()}, as {self.name} has, got {cell!r}{note}"
            )
        self._check_options(cell, form)
        blocks = self._shifted(from_cell(cell, params), -self.forget_bias)
        arrays = pack(blocks, form.layout)
        return {name: np.array(self._turned(a), order="C") for name, a in arrays.items()}

    def _turned(self, array: np.ndarray) -> np.ndarray:
        return array.T if self.transposed else array

    def _names(self, kinds: Collection[type[Cell]] = ()) -> str:
        cells = [form.cell for form in self.forms if not kinds or form.cell in kinds]
        return ", ".join(dict.fromkeys(cell.__name__ for cell in cells))

    def _best(
        self, arrays: Mapping[str, np.ndarray], kinds: Collection[type[Cell]], ending: str
    ) -> tuple[Form, list[str]]:
        """The form that fits the arrays best, and its faults."""
        forms = [form for form in self.forms if not kinds or form.cell in kinds]
        if not self.biased:
            forms += [form._replace(layout=without_biases(form.layout)) for form in forms]
        options: Any = {"transposed": self.transposed, "ending": ending}
        found = [(form, faults(arrays, form.layout, **options)) for form in forms]
        return min(found, key=lambda f: (len(f[0].layout.keys() ^ arrays.keys()), len(f[1])))

    def _shifted(self, blocks: Blocks, amount: float) -> Blocks:
        if amount and (bias := blocks.get(("b_x", "f"))) is not None:
            return blocks | {("b_x", "f"): bias + bias.dtype.type(amount)}
        return blocks

    def _check_options(self, cell: Any, form: Form) -> None:
        """Raises unless the library has the activations of a cell, and cells without biases."""
        pairs = (
            (cell.activation, form.activations),
            (getattr(cell, "gate_activation", None), form.gate_activations),
        )
        if any(name and names is not None and name not in names for name, names in pairs):
            activations, gates = (" or ".join(map(repr, names or ())) for _, names in pairs)
            raise ValueError(
                f"expected the activation {activations} and gates with {gates}, as {self.name} "
                f"has them, got {cell!r}"
            )
        if self.biased and not cell.use_bias:
            raise ValueError(
                f"expected a cell with biases, as all of {self.name} have, got {cell!r}"
            )


def to_cell(
    kind: type[Cell], blocks: Blocks, activation: str, gate_activation: str
) -> tuple[Cell, Any]:
    """The cell of that kind that has these blocks, with its parameters."""
    params_type, layout = OURS[kind]
    arrays = {name: jnp.asarray(a) for name, a in pack(blocks, layout).items()}
    params = params_type(**(dict.fromkeys(params_type._fields) | arrays))
    options: Any = {"activation": activation, "use_bias": "b" in arrays}
    if kind is not Elman:
        options["gate_activation"] = gate_activation
    sizes = arrays["w_p"].shape if "w_p" in arrays else arrays["w_h"].shape[:1]
    return kind(*sizes, **options), params


def from_cell(cell: Cell, params: Any) -> Blocks:
    """The blocks of a cell of ours.

    Raises:
        ValueError: if the parameters are not the cell's.
    """
    check_arrays("params", params)
    inputs = (*getattr(getattr(params, "w_x", None), "shape", ()), 1)[0]
    check_params(cell, params, jax.ShapeDtypeStruct((1, inputs), jnp.float32))
    arrays = {name: np.asarray(a) for name, a in params._asdict().items() if a is not None}
    _, layout = OURS[type(cell)]
    return unpack(arrays, {name: layout[name] for name in arrays})
