"""Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

import math

import numpy as np

from .functions import dot, sigmoid


def lstm(params, carry, x):
    w_x, w_h, b = params
    h, c = carry
    size = len(h)

    def net(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + dot(h, w_h[:, k]) + b[k]

    new_h, new_c = np.zeros(size), np.zeros(size)
    for j in range(size):
        input_gate = sigmoid(net(0, j))
        forget_gate = sigmoid(net(1, j))
        candidate = math.tanh(net(2, j))
        output_gate = sigmoid(net(3, j))
        new_c[j] = forget_gate * c[j] + input_gate * candidate
        new_h[j] = output_gate * math.tanh(new_c[j])
    return carry._replace(h=new_h, c=new_c), new_h
