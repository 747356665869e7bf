"""Scalar functions."""

import math


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def relu(a):
    return max(a, 0.0)


ACTIVATIONS = {"tanh": math.tanh, "sigmoid": sigmoid, "relu": relu}


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))
