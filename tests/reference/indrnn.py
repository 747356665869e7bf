"""Li et al. 2018: the hidden units see the input and their own last value alone."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def indrnn(params, h, x, activation):
    w_x, u, b = params
    f = ACTIVATIONS[activation]
    new = [f(dot(x, w_x[:, j]) + u[j] * h[j] + bias(b, j)) for j in range(len(h))]
    return np.array(new), np.array(new)
