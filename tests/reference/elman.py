"""Elman 1990: the hidden units see the input and a copy of their own last values."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def elman(params, h, x, activation):
    w_x, w_h, b = params
    f = ACTIVATIONS[activation]
    size = len(h)
    new = [f(dot(x, w_x[:, j]) + dot(h, w_h[:, j]) + bias(b, j)) for j in range(size)]
    return np.array(new), np.array(new)
