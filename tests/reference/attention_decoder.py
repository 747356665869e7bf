"""Attention, and the cells that read a context; the memory is that of one sequence."""

import math

import numpy as np

from .functions import dot


def weights_of(scores):
    likelihoods = np.array([math.exp(score) for score in scores])
    return likelihoods / likelihoods.sum()


def mean(weights, values):
    return np.array([dot(weights, column) for column in np.transpose(values)])


def product(x, w):
    return np.array([dot(x, column) for column in np.transpose(w)])


def additive(params, q, values, attention):
    """Bahdanau et al. 2015."""
    w_q, w_k, w_s = params
    units = [np.tanh(product(q, w_q) + product(v, w_k)) for v in values]
    weights = weights_of([dot(unit, w_s[:, 0]) for unit in units])
    return mean(weights, values), weights


def dotproduct(params, q, values, attention):
    """Luong et al. 2015."""
    scale = math.sqrt(len(q)) if attention.scaled else 1
    weights = weights_of([dot(q, v) / scale for v in values])
    return mean(weights, values), weights


def general(params, q, values, attention):
    """Luong et al. 2015."""
    weights = weights_of([dot(q, product(v, params.w_k)) for v in values])
    return mean(weights, values), weights


def multihead(params, q, values, attention):
    """Vaswani et al. 2017."""
    w_q, w_k, w_v = params
    width = attention.size // attention.heads
    heads, weights = [], []
    for head in range(attention.heads):
        own = slice(head * width, (head + 1) * width)
        query = product(q, w_q[:, own])
        scores = [dot(query, product(v, w_k[:, own])) / math.sqrt(width) for v in values]
        weights.append(weights_of(scores))
        heads.append(mean(weights[-1], [product(v, w_v[:, own]) for v in values]))
    return np.concatenate(heads), np.mean(weights, axis=0)


ATTENTIONS = {"Additive": additive, "Dot": dotproduct, "General": general, "MultiHead": multihead}


def attend(params, q, attention, source):
    """The mean of the values for one query, and the weights of all, zeros in the padding."""
    values = source.values if source.lengths is None else source.values[: source.lengths]
    attended, weights = ATTENTIONS[type(attention).__name__](params, q, values, attention)
    return attended, np.concatenate([weights, np.zeros(len(source.values) - len(values))])


def attentiondecoder(params, carry, x, cell, attention, with_attended, context):
    h = getattr(carry.cell, "h", carry.cell)
    attended, p = attend(params.attention, h, attention, context)
    new, y = cell(params.cell, carry.cell, np.concatenate([x, attended]))
    y = np.concatenate([y, attended]) if with_attended else y
    return carry._replace(cell=new, attended=attended, p=p), y


def bridge(params, carry, x, cell, context=None):
    """After the first step, which alone depends on the context."""
    return cell(params.cell, carry, x)
