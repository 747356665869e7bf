"""Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def lstm(params, carry, x, activation, gate_activation):
    w_x, w_h, b = params
    h, c = carry
    size = len(h)
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]

    def net(block, j):
        k = block * size + j
        return dot(x, w_x[:, k]) + dot(h, w_h[:, k]) + bias(b, k)

    new_h, new_c = np.zeros(size), np.zeros(size)
    for j in range(size):
        input_gate = gate(net(0, j))
        forget_gate = gate(net(1, j))
        candidate = f(net(2, j))
        output_gate = gate(net(3, j))
        new_c[j] = forget_gate * c[j] + input_gate * candidate
        new_h[j] = output_gate * f(new_c[j])
    return carry._replace(h=new_h, c=new_c), new_h
