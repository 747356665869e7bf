"""Jordan 1986: the hidden units see the input and the network's last output."""

import numpy as np

from .functions import ACTIVATIONS, bias, dot


def jordan(params, y, x, activation, output_activation):
    w_x, w_y, b_h, w_o, b_o = params
    f, g = ACTIVATIONS[activation], ACTIVATIONS[output_activation]
    hidden = [f(dot(x, w_x[:, j]) + dot(y, w_y[:, j]) + bias(b_h, j)) for j in range(w_x.shape[1])]
    output = np.array([g(dot(hidden, w_o[:, k]) + bias(b_o, k)) for k in range(len(y))])
    return output, output
