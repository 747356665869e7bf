"""Is the gradient of an LSTM layer faster than Flax Linen's?

Both compute the same function of the same weights: `rnnjax.scan` of `LSTM`, and `nn.RNN` of
`nn.OptimizedLSTMCell`, the faster of Linen's two LSTM cells, as it comes and with eight steps
unrolled. The gradient is that of `mean(ys**2)` in all weights.
"""

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from _harness import Measurement, agree, compare, main

import rnnjax
from rnnjax.cells import LSTMParams

GATES = "ifgo"


def to_flax(params: LSTMParams) -> dict:
    """Our weights in the layout of `nn.OptimizedLSTMCell`, which has them gate by gate."""
    w_x, w_h, b = (jnp.split(a, 4, axis=-1) for a in params)
    cell = {f"i{gate}": {"kernel": w} for gate, w in zip(GATES, w_x, strict=True)}
    for gate, w, bias in zip(GATES, w_h, b, strict=True):
        cell[f"h{gate}"] = {"kernel": w, "bias": bias}
    return {"params": {"cell": cell}}


def from_flax(variables: dict) -> LSTMParams:
    """The inverse of `to_flax`; it maps gradients, too."""
    cell = variables["params"]["cell"]
    kernels = ([cell[side + gate]["kernel"] for gate in GATES] for side in "ih")
    biases = [cell[f"h{gate}"]["bias"] for gate in GATES]
    return LSTMParams(*(jnp.concatenate(blocks, axis=-1) for blocks in (*kernels, biases)))


def gradient(forward):
    """The gradient of the mean square of the outputs in all weights."""
    return jax.grad(lambda params, xs: jnp.mean(forward(params, xs) ** 2))


def contestants(hidden_size: int):
    """Functions of `(params, xs)`, and what turns our parameters into theirs and back."""

    def ours(params, xs):
        return rnnjax.scan(rnnjax.LSTM(hidden_size), params, xs)[1]

    def flax(unroll):
        return nn.RNN(nn.OptimizedLSTMCell(hidden_size), time_major=True, unroll=unroll).apply

    yield "rnnjax", ours, lambda params: params, lambda params: params
    yield "flax", flax(1), to_flax, from_flax
    yield "flax, unroll=8", flax(8), to_flax, from_flax


def measure(smoke: bool, repeats: int) -> Iterator[Measurement]:
    """Checks and times values and gradients at two sizes."""
    batch, steps = (4, 16) if smoke else (32, 128)
    for size in (8, 16) if smoke else (128, 256):
        key_params, key_b, key_xs = jax.random.split(jax.random.key(0), 3)
        params = rnnjax.LSTM(size).init(key_params, size)
        params = params._replace(b=jax.random.normal(key_b, params.b.shape))
        xs = jax.random.normal(key_xs, (steps, batch, size))

        forwards, gradients, values, derivatives = {}, {}, {}, {}
        for name, forward, to_theirs, to_ours in contestants(size):
            args = (to_theirs(params), xs)
            forwards[name] = (forward, args)
            gradients[name] = (gradient(forward), args)
            values[name] = jax.jit(forward)(*args)
            derivatives[name] = to_ours(jax.jit(gradient(forward))(*args))
        agree(values["rnnjax"], values, tolerance=1e-5)
        agree(derivatives["rnnjax"], derivatives, tolerance=1e-4)

        sizes = f"B={batch} T={steps} I=H={size}"
        yield from compare(f"forward {sizes}", forwards, repeats=repeats)
        yield from compare(f"gradient {sizes}", gradients, repeats=repeats)


if __name__ == "__main__":
    main(__file__, __doc__, measure)
