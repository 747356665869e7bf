"""Cells made of cells; a part is the function of its cell, or a function of features."""

import numpy as np


def stack(params, carry, x, parts, skip):
    carries, outputs, y = [], [], x
    for part, part_params in zip(parts, params, strict=True):
        if isinstance(part_params, tuple) and not part_params:
            y = np.asarray(part(y))
            continue
        y = np.concatenate([x, y]) if skip and carries else y
        new, y = part(part_params, carry[len(carries)], y)
        carries.append(new)
        outputs.append(y)
    return tuple(carries), np.concatenate(outputs) if skip else y


def residual(params, carry, x, cell):
    carry, y = cell(params, carry, x)
    return carry, x + y


def record(params, carry, x, cell):
    carry, y = cell(params, carry, x)
    return carry, (y, carry)
