"""Hopfield 1982, one unit after the other; Little 1974, all at once; Ramsauer et al. 2021."""

import math

import numpy as np

from .functions import dot


def _new(h, w, x, j):
    s = dot(h, w[:, j]) + (0 if x is None else x[j])
    return h[j] if s == 0 else math.copysign(1, s)


def hopfield(params, h, x):
    (w,) = params
    h = np.array(h)
    for j in range(len(h)):
        h[j] = _new(h, w, x, j)
    return h, h


def synchronoushopfield(params, h, x):
    (w,) = params
    new = np.array([_new(h, w, x, j) for j in range(len(h))])
    return new, new


def modernhopfield(params, h, x, beta):
    (patterns,) = params
    weights = [math.exp(beta * dot(pattern, h)) for pattern in patterns]
    total = sum(weights)
    new = np.zeros(len(h)) if x is None else np.array(x)
    for weight, pattern in zip(weights, patterns, strict=True):
        for j in range(len(h)):
            new[j] += weight / total * pattern[j]
    return new, new
