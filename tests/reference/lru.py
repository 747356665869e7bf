"""Orvieto et al. 2023: complex units that turn and decay."""

import cmath
import math

import numpy as np

from .functions import dot


def lru(params, h, x):
    nu, theta, gamma, w_x_re, w_x_im, w_c_re, w_c_im, skip = params
    new = np.zeros(len(nu), complex)
    for j in range(len(nu)):
        a = cmath.exp(complex(-math.exp(nu[j]), math.exp(theta[j])))
        drive = complex(dot(x, w_x_re[:, j]), dot(x, w_x_im[:, j]))
        new[j] = a * h[j] + math.exp(gamma[j]) * drive
    w_c = w_c_re + 1j * w_c_im
    y = [dot(new, w_c[:, k]).real + skip[k] * x[k] for k in range(len(skip))]
    return new, np.array(y)
