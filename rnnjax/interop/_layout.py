"""How a peer lays a recurrence out: which part of `Gates` each of its arrays is.

A `Layout` is a table: for the name of every array, the field of `Gates` that it holds, and which
of its gates, in the peer's order. "b" is the one bias of a peer that has no second.
"""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from .._core import Cell
from ._gates import OURS, Gates, to_cell

Layout = dict[str, tuple[str, str]]


def without_biases(layout: Layout) -> Layout:
    """What is left of a layout where a peer is told to have no bias."""
    return {name: entry for name, entry in layout.items() if entry[0].startswith("w")}


def unpack(
    arrays: Mapping[str, Any], layouts: Iterable[Layout], *, transposed: bool = False
) -> Gates:
    """The gates in a peer's arrays, read by the layout that fits them.

    Of two biases the one that a layout lacks is zero. `transposed` says that the weights are
    `[outputs, inputs]`.
    """
    arrays = {name: np.asarray(a).T if transposed else np.asarray(a) for name, a in arrays.items()}
    layout = min(layouts, key=lambda a: (len(a.keys() ^ arrays.keys()), len(_faults(arrays, a))))
    if faults := _faults(arrays, layout, transposed):
        raise ValueError(f"expected the arrays of one recurrent cell, got {'; '.join(faults)}")
    blocks = {
        ("b_x" if field == "b" else field, gate): block
        for name, (field, gates) in layout.items()
        for gate, block in zip(gates, np.split(arrays[name], len(gates), axis=-1), strict=True)
    }
    order = OURS[sum(field == "w_h" for field, _ in blocks)]
    w = blocks["w_h", order[0]]
    zeros = np.zeros(w.shape[-1], w.dtype)
    w_x, w_h, b_x, b_h = (
        np.stack([blocks.get((field, gate), zeros) for gate in order], axis=-2)
        for field in ("w_x", "w_h", "b_x", "b_h")
    )
    biased = layout != without_biases(layout)
    return Gates(w_x, w_h, np.stack([b_x, b_h]) if biased else None)


def read(
    arrays: Mapping[str, Any],
    layouts: Iterable[Layout],
    *,
    transposed: bool = False,
    **options: Any,
) -> tuple[Cell, Any]:
    """The cell in a peer's arrays, with its parameters; `options` are those of `to_cell`."""
    return to_cell(unpack(arrays, layouts, transposed=transposed), **options)


def pack(gates: Gates, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays of a peer, without biases for a cell without."""
    order = OURS[gates.w_x.shape[-2]]
    fields = {"w_x": gates.w_x, "w_h": gates.w_h}
    if gates.biases is not None:
        b_x, b_h = gates.biases
        fields |= {"b_x": b_x, "b_h": b_h, "b": b_x + b_h}
    return {
        name: np.concatenate([fields[field][..., order.index(g), :] for g in word], axis=-1)
        for name, (field, word) in layout.items()
        if field in fields
    }


def _faults(
    arrays: Mapping[str, np.ndarray], layout: Layout, transposed: bool = False
) -> list[str]:
    """What in the arrays is not as the layout says."""
    if names := layout.keys() ^ arrays.keys():
        return [f"no {name}" if name in layout else f"an unknown {name}" for name in sorted(names)]
    rows = {field: (*arrays[name].shape, 0)[0] for name, (field, _) in layout.items()}
    faults = []
    for name, (field, gates) in layout.items():
        columns = len(gates) * rows["w_h"]
        expected = (rows[field], columns) if field.startswith("w") else (columns,)
        shapes = arrays[name].shape, expected
        if shapes[0] != shapes[1]:
            got, wanted = (list(shape[::-1] if transposed else shape) for shape in shapes)
            faults.append(f"{name} of shape {got} instead of {wanted}")
    return faults


def flat(tree: Any) -> dict[str, Any]:
    """The arrays of nested mappings, by their path."""
    if not isinstance(tree, Mapping):
        raise ValueError(
            f"expected a mapping of names to arrays, got {type(tree).__name__}; "
            "did you pass a module without its parameters?"
        )
    leaves = jax.tree.leaves_with_path(dict(tree))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): a for path, a in leaves}


def nested(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays in mappings by module: what stands in front of the last "/" of their path."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    for path, a in arrays.items():
        module, name = posixpath.split(path)
        tree.setdefault(module, {})[name] = a
    return tree
