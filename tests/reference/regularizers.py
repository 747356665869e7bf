"""Regularisers in evaluation; the cell inside is the function of its cell.

Dropped values are scaled while training, so that evaluation of the dropouts is the cell alone.
Zoneout's is the expectation over its masks.
"""

import numpy as np


def zoneout(params, carry, x, cell, rate):
    """Of a cell whose output is the first array of its carry, or reads all of it."""
    new, y = cell(params, carry, x)
    if isinstance(carry, np.ndarray):
        mixed = rate * carry + (1 - rate) * new
        return mixed, mixed
    rates = rate if isinstance(rate, tuple) else (rate,) * len(carry)
    mixed = type(carry)(*map(_mix, rates, carry, new))
    if isinstance(y, dict):  # that of `clocks`
        return mixed, {"sum": mixed[1][0] + mixed[0], "product": mixed[1][1] * mixed[2]}
    return mixed, mixed[0]


def _mix(rate, old, new):
    """The expectation; integers count on."""
    if isinstance(old, tuple):
        return type(old)(*(_mix(rate, a, b) for a, b in zip(old, new, strict=True)))
    return (
        new if np.issubdtype(np.asarray(old).dtype, np.integer) else rate * old + (1 - rate) * new
    )


def variationaldropout(params, carry, x, cell):
    return cell(params, carry, x)


def recurrentdropout(params, carry, x, cell):
    return cell(params, carry, x)


def weightdrop(params, carry, x, cell):
    return cell(params, carry, x)


def learnedcarry(params, carry, x, cell):
    """After the first step; where it starts is no matter of a step."""
    return cell(params.cell, carry, x)
