"""The axes along which a constant of a loop varies.

A weight that was broadcast to the rows of a batch is still the same for all of them.
"""

from typing import Any

from ._rules import ELEMENTWISE, SAME
from ._values import Constant


def variation(equation: Any, name: str, var: Any, given: list[Constant]) -> tuple[bool, ...]:
    """The axes along which the result of an equation of constants is not constant."""
    shape = var.aval.shape
    if name == "broadcast_in_dim":
        varies = [False] * len(shape)
        for constant in given:
            dims = equation.params["broadcast_dimensions"]
            for axis, along in zip(dims, constant.varies, strict=True):
                varies[axis] = along
        return tuple(varies)
    if name in ("reshape", "squeeze", "expand_dims"):
        (constant,) = given
        long = [along for along, n in zip(constant.varies, constant.shape, strict=True) if n != 1]
        if [n for n in shape if n != 1] == [n for n in constant.shape if n != 1]:
            rest = iter(long)
            return tuple(n != 1 and next(rest) for n in shape)
    if name in ELEMENTWISE | SAME | {"convert_element_type", "select_n", "integer_pow"}:
        arrays = [constant for constant in given if constant.shape]
        if all(constant.shape == shape for constant in arrays):
            return tuple(any(c.varies[axis] for c in arrays) for axis in range(len(shape)))
    return tuple(n > 1 for n in shape)
