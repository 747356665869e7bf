"""Jaeger 2001, with the leak of 2007: a fixed reservoir and a linear readout."""

import math

import numpy as np

from .functions import dot


def echostate(params, h, x, leak):
    inlet, reservoir, w_o, b_o = params
    outputs, size = range(len(b_o)), len(h)
    if x is None:
        x = [dot(h, w_o[:, k]) + b_o[k] for k in outputs]
    new = np.zeros(size)
    for j in range(size):
        excited = math.tanh(dot(x, inlet[:, j]) + dot(h, reservoir[:, j]))
        new[j] = (1 - leak) * h[j] + leak * excited
    return new, np.array([dot(new, w_o[:, k]) + b_o[k] for k in outputs])
