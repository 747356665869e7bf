"""Elman 1990: the hidden units see the input and a copy of their own last values."""

import numpy as np

from .functions import ACTIVATIONS, dot


def elman(params, h, x, activation):
    w_x, w_h, b = params
    f = ACTIVATIONS[activation]
    new = np.array([f(dot(x, w_x[:, j]) + dot(h, w_h[:, j]) + b[j]) for j in range(len(b))])
    return new, new
