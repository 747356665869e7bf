"""Sak, Senior and Beaufays 2014, without peepholes and without an unprojected output."""

import math

import numpy as np

from .functions import dot, sigmoid


def projectedlstm(params, carry, x):
    w_x, w_h, b, w_p = params
    h, c = carry
    size = len(c)

    def net(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + dot(h, w_h[:, k]) + b[k]

    m, new_c = np.zeros((2, size))
    for j in range(size):
        new_c[j] = sigmoid(net(1, j)) * c[j] + sigmoid(net(0, j)) * math.tanh(net(2, j))
        m[j] = sigmoid(net(3, j)) * math.tanh(new_c[j])
    new_h = np.array([dot(m, w_p[:, k]) for k in range(len(h))])
    return carry._replace(h=new_h, c=new_c), new_h
