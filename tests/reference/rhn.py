"""Zilly et al. 2017, with the coupled carry gate c = 1 - t."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def rhn(params, h, x, depth, activation, gate_activation):
    w_x, w_h, b = params
    f, gate = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    size = len(h)
    for layer in range(depth):

        def net(k, layer=layer, state=h):
            from_input = dot(x, w_x[:, k]) if layer == 0 else 0.0
            layer_bias = 0.0 if b is None else bias(b[layer], k)
            return from_input + dot(state, w_h[layer][:, k]) + layer_bias

        new = np.zeros(size)
        for j in range(size):
            t = gate(net(size + j))
            new[j] = f(net(j)) * t + h[j] * (1 - t)
        h = new
    return h, h
