"""The users' cells of `cases.py`."""

import math

import numpy as np

from .functions import dot, sigmoid


def leaky(params, h, x):
    w, leak = params
    h = np.array([sigmoid(leak[j]) * h[j] + dot(x, w[:, j]) for j in range(len(h))])
    return h, np.tanh(h)


def clocks(params, carry, x):
    slow, (level, trace) = carry
    new_slow, new_level, new_trace = np.zeros((3, len(slow)))
    for j in range(len(slow)):
        new_level[j] = math.tanh(dot(x["u"], params["u"][:, j]) + dot(slow, params["s"][:, j]))
        new_trace[j] = trace[j] / 2 + new_level[j] * dot(x["v"], params["v"][:, j])
        new_slow[j] = math.cos(slow[j]) + new_trace[j]
    fast = carry.fast._replace(level=new_level, trace=new_trace)
    y = {"sum": new_level + new_slow, "product": new_trace * slow}
    return carry._replace(slow=new_slow, fast=fast), y


def gated(params, carry, x):
    w_x, w_h, leak, gain, _ = params
    h, c = carry
    new_h, new_c, y = np.zeros((3, len(h)))
    for j in range(len(h)):
        z = dot(x, w_x[:, j])
        s = math.tanh(z) * dot(h, w_h[:, j]) + z
        new_c[j] = sigmoid(leak[j]) * c[j] + math.tanh(s)
        new_h[j] = gain[j] * math.sin(new_c[j])
        y[j] = new_h[j] + s
    return carry._replace(h=new_h, c=new_c), y
