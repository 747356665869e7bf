"""Ballas et al. 2016, equations 5 to 8, with biases: sums over a window around each pixel."""

import numpy as np

from .conv_lstm import window_sum
from .functions import ACTIVATIONS, bias


def convgru(params, h, image, activation, gate_activation):
    w_x, w_h, w_hn, b = params
    height, width, size = h.shape
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    pixels = list(np.ndindex(height, width))
    reset, keep, new = np.zeros((3, height, width, size))
    for at in pixels:
        net = window_sum(image, w_x, *at)[: 2 * size] + window_sum(h, w_h, *at)
        gates = [gate(net[k] + bias(b, k)) for k in range(2 * size)]
        reset[at], keep[at] = gates[:size] * h[at], gates[size:]
    for at in pixels:
        net = window_sum(image, w_x, *at)[2 * size :] + window_sum(reset, w_hn, *at)
        for j in range(size):
            n = f(net[j] + bias(b, 2 * size + j))
            new[at][j] = (1 - keep[at][j]) * n + keep[at][j] * h[at][j]
    return new, new
