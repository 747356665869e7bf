"""The users' cells of `cases.py`."""

import math

import numpy as np

from .functions import dot, sigmoid


def leaky(params, h, x):
    w, leak = params
    h = np.array([sigmoid(leak[j]) * h[j] + dot(x, w[:, j]) for j in range(len(h))])
    return h, np.tanh(h)


def clocks(params, carry, x):
    slow, (level, trace), _, step = carry
    new_slow, new_level, new_trace = np.zeros((3, len(slow)))
    for j in range(len(slow)):
        new_level[j] = math.tanh(dot(x["u"], params["w_u"][:, j]) + dot(slow, params["w_s"][:, j]))
        new_trace[j] = trace[j] / 2 + new_level[j] * dot(x["v"], params["w_v"][:, j])
        new_trace[j] *= 2 if step % 2 else 1
        new_slow[j] = math.cos(slow[j]) + new_trace[j]
    fast = carry.fast._replace(level=new_level, trace=new_trace)
    y = {"sum": new_level + new_slow, "product": new_trace * slow}
    return carry._replace(slow=new_slow, fast=fast, before=slow, step=step + 1), y


def gated(params, carry, x):
    w_x, w_h, leak, gain, _ = params
    h, c, _ = carry
    new_h, new_c, s = np.zeros((3, len(h)))
    for j in range(len(h)):
        z = dot(x, w_x[:, j])
        s[j] = math.tanh(z) * dot(h, w_h[:, j]) + z
        new_c[j] = sigmoid(leak[j]) * c[j] + math.tanh(s[j])
        new_h[j] = gain[j] * math.sin(new_c[j])
    return carry._replace(h=new_h, c=new_c, s=s), new_h + s


def loggap(params, carry, x):
    new = np.zeros(len(carry.h))
    for j in range(len(new)):
        s = dot(np.log(x["x"]), params["w_x"][:, j]) + dot(carry.h, params["w_h"][:, j])
        new[j] = math.tanh(s + params["b"][j] * math.log(x["t"][0] - carry.last[0]))
    new_carry = carry._replace(h=new, last=x["t"])
    return new_carry, new


def tokens(params, h, x):
    new = np.zeros(len(h))
    for j in range(len(h)):
        recurrent = sum(h[i] * params["w_h"][i, j] for i in range(len(h)) if params["wired"][i, j])
        new[j] = math.tanh(params["table"][x, j] + recurrent) * (2 if x % 2 else 1)
    return new, new
