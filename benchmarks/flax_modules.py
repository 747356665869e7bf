"""Is a Flax model faster with our module in the place of Flax's own?

The model is a recurrent network with a linear map of every output on top, in NNX through
`nnx.jit` and in Linen through `jax.jit`; training is a step of Adam on a squared error. All start
from the same weights. Flax's own networks are as they come, an `OptimizedLSTMCell` or a `GRUCell`
in `RNN`; NNX's GRU has no `b_hn`, so ours in NNX does not train it here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import _rows
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from _case import CELLS
from _measure import agree
from flax import nnx

from rnnjax import interop
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx

SIZES = ((32, 128, 128), (32, 128, 256))
Size = tuple[int, int, int]
Programs = dict[str, Callable[[], Any]]  # by what they compute
FLAX = {
    "LSTM": (nnx.OptimizedLSTMCell, nn.OptimizedLSTMCell),
    "GRU": (nnx.GRUCell, nn.GRUCell),
}


def contestants(cell: str, size: Size) -> Iterator[tuple[str, str, Programs]]:
    """Framework, whose module, and programs that give the outputs and the loss."""
    _, _, units = size
    in_nnx, in_linen = FLAX[cell]
    theirs = in_nnx(units, units, rngs=nnx.Rngs(0))
    ours, params = CELLS[cell](units), interop.from_nnx(theirs)[1]
    module = rnx.RNN(ours, units, rngs=nnx.Rngs(0))
    nnx.update(module.params, nnx.state(params))
    yield "NNX", "rnnjax", nnx_programs(module, size)
    yield "NNX", "Flax", nnx_programs(nnx.RNN(theirs), size)
    tree = {"cell": interop.to_linen(ours, params)}
    yield "Linen", "rnnjax", linen_programs(rln.RNN(ours), rln.named(params), size)
    yield "Linen", "Flax", linen_programs(nn.RNN(in_linen(units)), tree, size)


def nnx_programs(rnn: nnx.Module, size: Size) -> Programs:
    """Of a model around an NNX module."""
    xs, weights = problem(size)
    readout = nnx.Linear(*weights.shape, rngs=nnx.Rngs(0))
    readout.kernel[...] = weights
    model = nnx.Sequential(rnn, readout)
    trained = nnx.All(nnx.Param, nnx.Not(nnx.PathContains("b_hn")))
    optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=trained)

    @nnx.jit
    def forward(model, xs):
        return model(xs)

    @nnx.jit
    def training(model, optimizer, xs):
        loss, gradient = nnx.value_and_grad(
            lambda model: squared_error(model(xs)), argnums=nnx.DiffState(0, trained)
        )(model)
        optimizer.update(model, gradient)
        return loss

    return {
        "forward": partial(forward, model, xs),
        "training": partial(training, model, optimizer, xs),
    }


def linen_programs(rnn: nn.Module, params: Any, size: Size) -> Programs:
    """Of a model around a Linen module."""
    xs, weights = problem(size)
    model, optimizer = nn.Sequential([rnn, nn.Dense(weights.shape[1])]), optax.adam(1e-3)
    readout = {"kernel": weights, "bias": jnp.zeros(weights.shape[1])}
    params = {"layers_0": params, "layers_1": readout}
    state = [params, optimizer.init(params)]

    @jax.jit
    def forward(params, xs):
        return model.apply({"params": params}, xs)

    @jax.jit
    def training(params, opt_state, xs):
        loss, gradient = jax.value_and_grad(
            lambda params: squared_error(model.apply({"params": params}, xs))
        )(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    def step():
        *state[:], loss = training(*state, xs)
        return loss

    return {"forward": partial(forward, params, xs), "training": step}


def problem(size: Size) -> tuple[jax.Array, jax.Array]:
    """Inputs, and the weights of the readout."""
    batch, steps, units = size
    keys = jax.random.split(jax.random.key(0))
    xs = jax.random.normal(keys[0], (batch, steps, units))
    return xs, jax.random.normal(keys[1], (units, 8)) / units**0.5


def squared_error(ys: Any) -> jax.Array:
    """That of outputs which should be one."""
    return jnp.mean((ys - 1) ** 2)


def rows(cell: str, size: Size, repeats: int) -> Iterator[dict[str, str]]:
    """A row of the table for each contestant, forward and in training."""
    found = [(f"{whose} in {kind}", kind, calls) for kind, whose, calls in contestants(cell, size)]
    for what, steps in (("forward", 1), ("training", 3)):
        programs = {name: calls[what] for name, _, calls in found}
        results = {name: [call() for _ in range(steps)] for name, call in programs.items()}
        for kind in ("NNX", "Linen"):
            theirs = f"Flax in {kind}"
            agree(results[f"rnnjax in {kind}"], {theirs: results[theirs]}, tolerance=1e-4)
        agree(results["Flax in NNX"][0], {"Linen": results["Flax in Linen"][0]}, tolerance=1e-4)
        times = _rows.quartiles(programs, repeats)
        for name, kind, _ in found:
            lower, median, upper = times[name]
            batch, length, units = size
            yield {
                "case": f"{cell} B={batch} T={length} I=H={units}",
                "ms of": what,
                "model": name,
                "median ms": f"{median:.3g}",
                "quartiles": f"{lower:.3g} … {upper:.3g}",
                "Flax ÷ this": f"{times[f'Flax in {kind}'][1] / median:.2f}",
            }


def main() -> None:
    """Prints the table and writes the record."""
    jax.config.update("jax_platforms", "cpu")
    options = _rows.options(__doc__)
    cases = [(cell, size) for cell in FLAX for size in SIZES]
    cases = [("GRU", (2, 5, 4))] if options.smoke else cases
    repeats = 2 if options.smoke else options.repeats or 31
    found = [row for case in cases for row in rows(*case, repeats)]
    _rows.keep(_rows.place(__file__, options), options.question, found, repeats=repeats)


if __name__ == "__main__":
    main()
