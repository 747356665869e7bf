"""Is a Flax model faster with our module in the place of Flax's own?

The model is a recurrent network with a linear map of every output on top, in NNX through
`nnx.jit` and in Linen through `jax.jit`; training is a step of Adam on a squared error. All start
from the same weights, and three losses must agree. Flax's own networks are as they come, an
`OptimizedLSTMCell` or a `GRUCell` in `RNN`; NNX's GRU has no `b_hn`, so ours in NNX does not train
it here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from _case import Case
from _compare import Call, Program, compare
from _harness import Run, Scale, main
from _record import Measurement
from flax import nnx

from rnnjax import interop
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx

WHATS = ("NNX forward", "NNX training", "Linen forward", "Linen training")
FLAX = {
    "LSTM": (nnx.OptimizedLSTMCell, nn.OptimizedLSTMCell),
    "GRU": (nnx.GRUCell, nn.GRUCell),
}
Functions = tuple[Callable[[], Any], Callable[[], Any]]  # the outputs, and a step's loss


def cases(scale: Scale) -> Iterator[Case]:
    """Two sizes of each cell."""
    if scale == "smoke":
        yield Case("GRU", 2, 5, 4, 4)
        return
    for cell in FLAX:
        yield from (Case(cell, 32, 128, hidden, hidden) for hidden in (128, 256))


def measure(case: Case, run: Run) -> list[Measurement]:
    """A model with our module, and one with Flax's, in both frameworks."""
    found = [Program(whose, partial(program, case, whose)) for whose in ("rnnjax", "Flax")]
    return compare(case, found, WHATS, repeats=run.repeats)


def program(case: Case, whose: str, what: str) -> Call:
    """The forward pass or the training step of a model."""
    in_nnx, in_linen = FLAX[case.cell]
    theirs = in_nnx(case.inputs, case.hidden, rngs=nnx.Rngs(0))
    params = interop.from_nnx(theirs)[1]
    framework, what = what.split()
    if framework == "NNX":
        module: Any = nnx.RNN(theirs)
        if whose == "rnnjax":
            module = rnx.RNN(case.ours, case.inputs, rngs=nnx.Rngs(0))
            nnx.update(module.params, nnx.state(params))
        functions = nnx_model(module, case)
    elif whose == "rnnjax":
        functions = linen_model(rln.RNN(case.ours), rln.named(params), case)
    else:
        tree = {"cell": interop.to_linen(case.ours, params)}
        functions = linen_model(nn.RNN(in_linen(case.hidden)), tree, case)
    forward, training = functions
    if what == "forward":
        return Call(forward)
    return Call(training, lambda: [training() for _ in range(3)])


def nnx_model(rnn: nnx.Module, case: Case) -> Functions:
    """A model around an NNX module."""
    xs, weights = numbers(case)
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

    return partial(forward, model, xs), partial(training, model, optimizer, xs)


def linen_model(rnn: nn.Module, params: Any, case: Case) -> Functions:
    """A model around a Linen module."""
    xs, weights = numbers(case)
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

    return partial(forward, params, xs), step


def numbers(case: Case) -> tuple[jax.Array, jax.Array]:
    """Inputs, and the weights on top."""
    keys = jax.random.split(jax.random.key(0))
    xs = jax.random.normal(keys[0], (case.batch, case.steps, case.inputs))
    return xs, jax.random.normal(keys[1], (case.hidden, 8)) / case.hidden**0.5


def squared_error(ys: Any) -> jax.Array:
    """The squared error of outputs that should be one."""
    return jnp.mean((ys - 1) ** 2)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    main(__file__, __doc__, cases, measure, repeats=31)
