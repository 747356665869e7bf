"""Cho et al. 2014, version 3 of the preprint: the reset comes before the recurrent product."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def resetbeforegru(params, h, x, activation, gate_activation):
    w_x, w_h, w_hn, b = params
    size = len(h)
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]

    def from_input(k):
        return dot(x, w_x[:, k]) + bias(b, k)

    reset = [gate(from_input(j) + dot(h, w_h[:, j])) * h[j] for j in range(size)]
    new = np.zeros(size)
    for j in range(size):
        z = gate(from_input(size + j) + dot(h, w_h[:, size + j]))
        n = f(from_input(2 * size + j) + dot(reset, w_hn[:, j]))
        new[j] = (1 - z) * n + z * h[j]
    return new, new
