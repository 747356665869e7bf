"""Sak, Senior and Beaufays 2014, without peepholes and without an unprojected output."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def projectedlstm(params, carry, x, activation, gate_activation):
    w_x, w_h, b, w_p = params
    h, c = carry
    size = len(c)
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]

    def net(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + dot(h, w_h[:, k]) + bias(b, k)

    m, new_c = np.zeros((2, size))
    for j in range(size):
        new_c[j] = gate(net(1, j)) * c[j] + gate(net(0, j)) * f(net(2, j))
        m[j] = gate(net(3, j)) * f(new_c[j])
    new_h = np.array([dot(m, w_p[:, k]) for k in range(len(h))])
    return carry._replace(h=new_h, c=new_c), new_h
