"""Cho et al. 2014: version 1 of the preprint resets after the recurrent product, 3 before."""

import math

import numpy as np

from .functions import dot, sigmoid


def gru(params, h, x, reset_after):
    w_x, w_h, b, b_hn, w_hn = params
    size = len(h)

    def from_input(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + b[k]

    def from_state(block, j, state):
        return dot(state, w_h[:, block * size + j])

    r = [sigmoid(from_input(0, j) + from_state(0, j, h)) for j in range(size)]
    z = [sigmoid(from_input(1, j) + from_state(1, j, h)) for j in range(size)]
    new = np.zeros(size)
    for j in range(size):
        if reset_after:
            recurrent = r[j] * (from_state(2, j, h) + b_hn[j])
        else:
            recurrent = dot([r[k] * h[k] for k in range(size)], w_hn[:, j])
        candidate = math.tanh(from_input(2, j) + recurrent)
        new[j] = (1 - z[j]) * candidate + z[j] * h[j]
    return new, new
