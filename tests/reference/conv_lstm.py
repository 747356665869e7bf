"""Shi et al. 2015, without peepholes: sums over a window around each pixel."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def window_sum(image, kernel, row, column):
    height, width, _ = image.shape
    total = np.zeros(kernel.shape[-1])
    before = (len(kernel) - 1) // 2
    for i, weights in enumerate(kernel):
        for j, weight in enumerate(weights):
            y, x = row + i - before, column + j - before
            if 0 <= y < height and 0 <= x < width:
                total += [dot(image[y, x], weight[:, k]) for k in range(len(total))]
    return total


def convlstm(params, carry, image, activation, gate_activation):
    w_x, w_h, b = params
    h, c = carry
    height, width, size = h.shape
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    new_h, new_c = np.zeros((2, height, width, size))
    for row in range(height):
        for column in range(width):
            at = row, column
            net = window_sum(image, w_x, *at) + window_sum(h, w_h, *at)
            net = [net[k] + bias(b, k) for k in range(4 * size)]
            for j in range(size):
                i, forget, g, o = net[j::size]
                new_c[row, column, j] = gate(forget) * c[row, column, j] + gate(i) * f(g)
                new_h[row, column, j] = gate(o) * f(new_c[row, column, j])
    return carry._replace(h=new_h, c=new_c), new_h
