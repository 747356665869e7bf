"""Everybody who can run a recurrent cell in JAX, each in a module of its own.

A peer gives one cell over time, one step of it, and the way of our parameters into its layout
and of its gradients back. Stacks, both directions, ensembles and gradients are derived from
that, the same for all.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
from _case import Case, problem
from _clock import seconds
from _measure import CHAIN, What
from _memory import memory

MODULES = {
    "rnnjax": "_ours",
    "lax.scan": "_plain",
    "Flax Linen": "_linen",
    "Flax NNX": "_nnx",
    "Haiku": "_haiku",
    "Equinox": "_equinox",
    "Keras": "_keras",
}
ONE_DIRECTION = "rnnjax, one direction"  # in a case of both directions, for comparison
EVERY_CORE = ", every core a device"  # after the name of a family that is divided among them


def identity(params: Any) -> Any:
    """The way of parameters that need no change."""
    return params


@dataclass(frozen=True)
class Peer:
    """A cell as a library has it.

    Attributes:
        name: which cell, and how it is run.
        run: `(theirs, xs, lengths, reverse) -> ys`, the cell over time, time-major; what it
            gives beyond the lengths does not matter. `None` where there are no lengths.
        step: `(theirs, carry, x) -> carry` with the carry in our order.
        to_theirs: from the parameters of our cell to theirs.
        to_ours: from gradients in their parameters to those in ours; `None` for a parameter
            that they do not have.
        fit: makes our parameters such that they have them.
        lengths: whether sequences may end at different steps.
        network: `(theirs, xs, lengths) -> ys` of all layers, where a library has that.
    """

    name: str
    run: Callable[..., Any]
    step: Callable[..., Any]
    to_theirs: Callable[[Any], Any] = identity
    to_ours: Callable[[Any], Any] = identity
    fit: Callable[[Any], Any] = identity
    lengths: bool = True
    network: Callable[..., Any] | None = None


def missing() -> list[str]:
    """The libraries that are not installed."""
    return [family for family in MODULES if _module(family) is None]


def contestants(case: Case, *families: str) -> "list[JaxContestant]":
    """All peers who can compute the case, ours first; only of these families, if any."""
    return [
        JaxContestant(family, peer, case)
        for family in MODULES
        if not families or family in families
        for peer in _peers(family, case)
        if peer.lengths or not case.lengths
    ]


def _peers(family: str, case: Case) -> Iterator[Peer]:
    module = _module(family)
    return iter(()) if module is None else module.peers(case)


def _module(family: str) -> Any:
    try:
        return import_module(f"{__name__}.{MODULES[family]}")
    except ImportError:
        return None


@dataclass(frozen=True)
class JaxContestant:
    """A peer in a case.

    Attributes:
        family: the library.
        peer: its cell.
        case: what to compute.
        place: puts the arguments where they are to lie, if that is not one device.
    """

    family: str
    peer: Peer
    case: Case
    place: Callable[[Any], Any] = identity

    @property
    def name(self) -> str:
        return self.peer.name

    @property
    def fit(self) -> Callable[[Any], Any]:
        return self.peer.fit

    def prepare(self, what: What, fit: Callable[[Any], Any] | None = None) -> "JaxCall":
        peer, numbers = self.peer, problem(self.case)
        params = self._cells(fit or peer.fit, numbers.params)
        theirs = self._cells(peer.to_theirs, params)
        if what == "step":
            return JaxCall(peer.step, (theirs[0][0], numbers.carry, numbers.xs[0]), chain=CHAIN)
        args = self.place((theirs, numbers.xs, numbers.lengths))
        if what == "forward":
            return JaxCall(self._forward, args)
        return JaxCall(self._gradient, args, lambda grads: self._cells(peer.to_ours, grads))

    def _cells(self, convert: Callable[[Any], Any], params: Any) -> Any:
        convert = jax.vmap(convert) if self.case.members else convert
        # Compiled as one, since operation by operation takes a compilation each.
        return jax.jit(lambda tree: tuple(tuple(map(convert, layer)) for layer in tree))(params)

    def _gradient(self, theirs, xs, lengths):
        return jax.grad(lambda theirs: jnp.mean(self._forward(theirs, xs, lengths) ** 2))(theirs)

    def _forward(self, theirs, xs, lengths):
        if not self.case.members:
            return self._network(theirs, xs, lengths)
        axes = (0, None if self.case.shared else 0, None)
        return jax.vmap(self._network, in_axes=axes)(theirs, xs, lengths)

    def _network(self, theirs, xs, lengths):
        if self.peer.network is not None:
            return self.peer.network(theirs, xs, lengths)
        for layer in theirs:
            ys = [
                self.peer.run(cell, xs, lengths, reverse)
                for cell, reverse in zip(layer, (False, True), strict=False)
            ]
            xs = ys[0] if len(ys) == 1 else jnp.concatenate(ys, axis=-1)
        if lengths is None:
            return xs
        valid = jnp.arange(len(xs))[:, None] < lengths
        return jnp.where(valid[..., None], xs, 0)


class JaxCall:
    """A compiled function with its arguments; with a `chain`, each call gets the last carry."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        to_ours: Callable[[Any], Any] = identity,
        chain: int = 0,
    ):
        self.args, self.to_ours, self.chain = args, to_ours, chain
        jax.clear_caches()  # What another contestant has traced would come for free.
        start = time.perf_counter()
        self.call = jax.jit(function).lower(*args).compile()
        self.compile_s = time.perf_counter() - start
        analysis: Any = self.call.memory_analysis()
        self.temp_bytes = analysis.temp_size_in_bytes

    def result(self) -> Any:
        return jax.device_get(self.to_ours(self.call(*self.args)))

    def seconds(self) -> float:
        return seconds(self._run) / (self.chain or 1)

    def memory(self) -> tuple[int, int] | None:
        return memory(self._run)

    def _run(self) -> None:
        if not self.chain:
            jax.block_until_ready(self.call(*self.args))
            return
        theirs, carry, x = self.args
        for _ in range(self.chain):
            carry = jax.block_until_ready(self.call(theirs, carry, x))
