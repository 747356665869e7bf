"""A library's cell as a contestant: weights converted by `rnnjax.interop`, networks derived."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _case import Case, problem
from _compare import Call

CHAIN = 100  # steps in one timed streaming call


@dataclass(frozen=True)
class Peer:
    """A cell as a library has it.

    Attributes:
        name: the cell, and how it is run.
        convert: `(cell, params) -> theirs`, from the parameters of our cell.
        run: `(theirs, xs, lengths, reverse) -> ys`, the cell over time, time-major. Outputs
            beyond the lengths are free.
        step: `(theirs, carry, x) -> carry` with the carry in our order.
        lengths: whether sequences may end at different steps.
        network: `(theirs, xs, lengths) -> ys` of all layers, where a library has that.
    """

    name: str
    convert: Callable[[Any, Any], Any]
    run: Callable[..., Any]
    step: Callable[..., Any] | None = None
    lengths: bool = True
    network: Callable[..., Any] | None = None


@dataclass(frozen=True)
class JaxContestant:
    """A peer in a case.

    Attributes:
        family: the library.
        peer: its cell.
        case: the case to compute.
        dtype: of weights and inputs; float32 by default.
        matmul: the value of `jax.default_matmul_precision`.
        options: options of the compiler.
        queue: number of calls that are waited for together.
        tolerance: the error that this precision excuses.
    """

    family: str
    peer: Peer
    case: Case
    dtype: str = "float32"
    matmul: str | None = None
    options: Any = None
    queue: int = 1
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        return self.peer.name

    def prepare(self, what: str) -> Call:
        numbers = jax.device_get(problem(self.case))
        convert, params = partial(self.peer.convert, self.case.ours), numbers.params

        def to_ours(grads: Any) -> Any:
            return self._cells(lambda params, grads: adjoint(convert, params)(grads), params, grads)

        wide = jax.enable_x64(self.dtype == "float64")
        with wide, jax.default_matmul_precision(self.matmul):
            theirs = self._arrays(self._cells(convert, params))
            if what == "step" and self.peer.step:
                args = (theirs[0][0], self._arrays(numbers.carry), self._arrays(numbers.xs[0]))
                return self._compiled(self.peer.step, args, chain=CHAIN)
            args = (theirs, self._arrays(numbers.xs), problem(self.case).lengths)
            if what == "forward":
                return self._compiled(self._forward, args)
            return self._compiled(self._gradient, args, to_ours)

    def _cells(self, function: Callable[..., Any], *trees: Any) -> Any:
        """A function of every cell's parameters, one member after the other."""

        def of_cell(*trees):
            if not self.case.members:
                return function(*trees)
            members = [
                function(*(jax.tree.map(itemgetter(member), tree) for tree in trees))
                for member in range(self.case.members)
            ]
            return jax.tree.map(lambda *arrays: np.stack(arrays), *members)

        return tuple(tuple(map(of_cell, *layers)) for layers in zip(*trees, strict=True))

    def _arrays(self, tree: Any) -> Any:
        return jax.tree.map(lambda a: jnp.asarray(a, self.dtype), tree)

    def _compiled(self, function, args, to_ours=lambda result: result, chain=0) -> Call:
        jax.clear_caches()  # The trace of another contestant must not shorten this one.
        start = time.perf_counter()
        compiled: Any = jax.jit(function).lower(*args).compile(compiler_options=self.options)
        compile_s = time.perf_counter() - start

        def run():
            found, given = None, args
            for _ in range(chain or self.queue):
                found = compiled(*given)
                if chain:
                    given = (args[0], jax.block_until_ready(found), args[2])
            return found

        return Call(
            run,
            lambda: to_ours(jax.device_get(compiled(*args))),
            count=chain or self.queue,
            compile_s=compile_s,
            temp_bytes=compiled.memory_analysis().temp_size_in_bytes,
        )

    def _gradient(self, theirs, xs, lengths):
        def loss(theirs):
            squares = jnp.square(self._forward(theirs, xs, lengths))
            return jnp.mean(squares, dtype=jnp.promote_types(self.dtype, "float32"))

        return jax.grad(loss)(theirs)

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


def adjoint(convert: Callable[[Any], Any], params: Any) -> Callable[[Any], Any]:
    """The transpose of a conversion: from gradients in their layout to those in ours.

    Each entry of theirs must be a multiple of one entry of ours, plus a constant. Two probes
    find which: ones, and the numbers of our entries. The gradient in a parameter that theirs
    does not have is `None`.
    """
    leaves, structure = jax.tree.flatten(params)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])

    def tree(flat: np.ndarray) -> Any:
        parts = np.split(flat, ends[:-1])
        shaped = (part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True))
        return structure.unflatten(list(shaped))

    def probe(flat: np.ndarray) -> np.ndarray:
        return _flat(convert(tree(flat)))

    constants = probe(np.zeros(ends[-1]))
    factors = probe(np.ones(ends[-1])) - constants
    numbered = probe(np.arange(1.0, ends[-1] + 1)) - constants
    sources = np.rint(numbered / np.where(factors, factors, np.inf)).astype(int) - 1
    used = sources >= 0

    def to_ours(grads: Any) -> Any:
        weights = (factors * _flat(grads))[used]
        ours = np.bincount(sources[used], weights, minlength=ends[-1])
        counts = np.bincount(sources[used], minlength=ends[-1])
        return jax.tree.map(lambda a, n: a if n.any() else None, tree(ours), tree(counts))

    return to_ours


def _flat(tree: Any) -> np.ndarray:
    leaves = jax.tree.leaves(tree)
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in leaves])
