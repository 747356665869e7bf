"""Diagnostics; pictures take whatever matplotlib does."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import GRU, LSTM
from rnnjax import diagnostics as d
from rnnjax.layers import RNN

from .kinds import Argument, array, call, cell, function, key, layer, lengths, params, size, tree

T, B, F = 5, 2, 3
CELL = LSTM(2)
PARAMS = CELL.init(jax.random.key(0), F)
XS = np.ones((T, B, F), "float32")
CARRY = CELL.init_carry(PARAMS, (B,))
RUN = {
    "cell": cell(CELL),
    "params": params(PARAMS),
    "xs": array(XS, XS[0, 0, 0], XS[..., :2], XS + 1j),
    "carry": tree(CARRY, jax.tree.map(lambda a: a[:1], CARRY), CARRY.h),
    "lengths": lengths(np.array([5, 2]), T),
}
EYES = jnp.ones((3, 2, 2))
MATRICES = array(EYES, EYES[..., :1], 1.0)
MODEL = RNN(GRU(2))
INSIDE = MODEL.init(jax.random.key(0), F)

CALLS = [
    call("rnnjax.diagnostics.gradient_flow", d.gradient_flow, **RUN, loss=function(jnp.sum)),
    call("rnnjax.diagnostics.memory_horizon", d.memory_horizon, **RUN),
    call("rnnjax.diagnostics.step_jacobians", d.step_jacobians, **RUN),
    call(
        "rnnjax.diagnostics.lyapunov_exponents",
        d.lyapunov_exponents,
        **RUN,
        key=key(),
        count=size(1),
    ),
    call("rnnjax.diagnostics.gate_histograms", d.gate_histograms, **RUN, bins=size(5)),
    call("rnnjax.diagnostics.log_singular_values", d.log_singular_values, jacobians=MATRICES),
    call(
        "rnnjax.diagnostics.log_product_singular_values",
        d.log_product_singular_values,
        jacobians=MATRICES,
    ),
    call("rnnjax.diagnostics.eigenvalues", d.eigenvalues, w=array(EYES[0], EYES)),
    call("rnnjax.diagnostics.spectral_radius", d.spectral_radius, w=array(EYES[0], EYES)),
    call("rnnjax.diagnostics.gradient_norms", d.gradient_norms, gradients=tree({"w": EYES})),
    call(
        "rnnjax.diagnostics.recurrent_part",
        d.recurrent_part,
        model=layer(MODEL),
        params=INSIDE,
        xs=XS,
        name=Argument(None, ("nonsense", 7, 1.5)),
    ),
]
