"""Cho et al. 2014, version 1 of the preprint: the reset comes after the recurrent product."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def gru(params, h, x, activation, gate_activation):
    w_x, w_h, b, b_hn = params
    size = len(h)
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]

    def from_input(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + bias(b, k)

    def from_state(block, j):
        return dot(h, w_h[:, block * size + j])

    new = np.zeros(size)
    for j in range(size):
        r = gate(from_input(0, j) + from_state(0, j))
        z = gate(from_input(1, j) + from_state(1, j))
        n = f(from_input(2, j) + r * (from_state(2, j) + bias(b_hn, j)))
        new[j] = (1 - z) * n + z * h[j]
    return new, new
