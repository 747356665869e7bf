"""Bahdanau et al. 2015: additive attention; the memory is that of one sequence."""

import math

import numpy as np

from .functions import dot


def attentiondecoder(params, carry, x, cell, context):
    inner, w_q, w_k, w_v = params
    h = getattr(carry.cell, "h", carry.cell)
    values = context.values if context.lengths is None else context.values[: context.lengths]

    def score(value):
        units = [math.tanh(dot(h, w_q[:, a]) + dot(value, w_k[:, a])) for a in range(w_q.shape[1])]
        return dot(units, w_v[:, 0])

    weights = np.array([math.exp(score(value)) for value in values])
    attended = np.zeros(w_k.shape[0])
    for weight, value in zip(weights, values, strict=True):
        attended = attended + weight / weights.sum() * value
    new, y = cell(inner, carry.cell, np.concatenate([x, attended]))
    return carry._replace(cell=new, attended=attended), y
