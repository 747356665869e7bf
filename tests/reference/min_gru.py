"""Feng et al. 2024, section 3.1: gate and candidate see the input alone."""

import numpy as np

from .functions import dot, sigmoid


def mingru(params, h, x):
    w_x, b = params
    size = len(h)
    new = np.zeros(size)
    for j in range(size):
        z = sigmoid(dot(x, w_x[:, j]) + b[j])
        candidate = dot(x, w_x[:, size + j]) + b[size + j]
        new[j] = (1 - z) * h[j] + z * candidate
    return new, new
