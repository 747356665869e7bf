"""Scalar functions."""

import math


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def relu(a):
    return max(a, 0.0)


def identity(a):
    return a


ACTIVATIONS = {"tanh": math.tanh, "sigmoid": sigmoid, "relu": relu, "identity": identity}


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def bias(b, j):
    return 0.0 if b is None else b[j]
