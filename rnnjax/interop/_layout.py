"""Layouts: tables of the parts of a recurrence in the arrays of a library.

A recurrence consists of blocks: for each gate, its part of a weight or of a bias. A layout lists
the blocks of every array in their order on the last axis. Conversion is `unpack` by one layout
and `pack` by another.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

# For the name of each array its blocks: a product or bias and gates, as "w_h ifgo" or "b rz b_x n".
# A capital letter marks a gate of the other sign; "b" is the sum of both biases.
Layout = dict[str, str]
Blocks = dict[tuple[str, str], np.ndarray]

# Axes of a block for I inputs, H units and P outputs.
AXES = {"w_x": "IH", "w_h": "PH", "w_p": "HP", "b_x": "H", "b_h": "H", "b": "H"}


def places(entry: str) -> list[tuple[str, str]]:
    """The blocks that an entry of a layout lists.

    Examples:
        >>> places("b rz b_x n")
        [('b', 'r'), ('b', 'z'), ('b_x', 'n')]
    """
    words = entry.split()
    return [(f, g) for f, gates in zip(words[::2], words[1::2], strict=True) for g in gates]


def without_biases(layout: Layout) -> Layout:
    """The weights of a layout."""
    return {name: entry for name, entry in layout.items() if entry.startswith("w")}


def unpack(arrays: Mapping[str, np.ndarray], layout: Layout) -> Blocks:
    """The blocks in arrays of a layout; one bias of both products counts as the first.

    Examples:
        >>> blocks = unpack({"w_rec": np.array([[1.0, 2.0]])}, {"w_rec": "w_h rZ"})
        >>> blocks["w_h", "z"]
        array([[-2.]])
    """
    blocks = {}
    for name, entry in layout.items():
        parts = np.split(arrays[name], len(places(entry)), axis=-1)
        for (field, gate), part in zip(places(entry), parts, strict=True):
            key = "b_x" if field == "b" else field, gate.lower()
            blocks[key] = -part if gate.isupper() else part
    return blocks


def pack(blocks: Blocks, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays of a layout, without biases if there is no block of one; a missing one is zero."""
    biases = [block for (field, _), block in blocks.items() if field.startswith("b")]

    def block(field, gate):
        keys = [(f, gate.lower()) for f in (("b_x", "b_h") if field == "b" else (field,))]
        found = [blocks[key] for key in keys if key in blocks] or [np.zeros_like(biases[0])]
        total = found[0] if len(found) == 1 else found[0] + found[1]
        return -total if gate.isupper() else total

    return {
        name: np.concatenate([block(*place) for place in places(entry)], axis=-1)
        for name, entry in (layout if biases else without_biases(layout)).items()
    }


def faults(
    arrays: Mapping[str, np.ndarray], layout: Layout, *, transposed: bool = False, ending: str = ""
) -> list[str]:
    """The differences between arrays and a layout, in words.

    Args:
        arrays: the arrays, with features on the last axis.
        layout: the layout.
        transposed: whether shapes are written the other way round.
        ending: the end of every name.
    """
    if names := layout.keys() ^ arrays.keys():
        return [
            f"{'no' if name in layout else 'an unknown'} {name}{ending}" for name in sorted(names)
        ]
    axes = {name: (len(places(e)), AXES[places(e)[0][0]]) for name, e in layout.items()}
    sizes = {kind[0]: (*arrays[name].shape, 0)[0] for name, (_, kind) in axes.items() if kind[1:]}
    sizes = {"H": sizes["P"]} | sizes
    found = []
    for name, (count, (*first, last)) in axes.items():
        array, expected = arrays[name], (*(sizes[a] for a in first), count * sizes[last])
        if array.shape != expected:
            got, wanted = (list(s[::-1] if transposed else s) for s in (array.shape, expected))
            found.append(f"{name}{ending} of shape {got} instead of {wanted}")
        if not jnp.issubdtype(array.dtype, jnp.floating):
            found.append(f"{name}{ending} of {array.dtype} instead of real numbers")
    return found
