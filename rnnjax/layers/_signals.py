"""The signals of a batch of sequences, and checks of them."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Int, Key, PyTree

from .._masks import check_signals, first_valid, stop_where_nothing_counts, valid_steps
from .._trees import where, zeros_like


class Signals(NamedTuple):
    """The signals of a batch of sequences on its way through layers; `None` for absent ones.

    Examples:
        >>> Signals(lengths=jax.numpy.array([1, 3])).valid(3).astype(int)
        Array([[1, 0, 0],
               [1, 1, 1]], dtype=int32)
    """

    lengths: Int[Array, "b"] | None = None  # number of valid steps
    mask: Bool[Array, "b t"] | None = None  # which steps are valid
    resets: Bool[Array, "b t"] | None = None  # before which steps the carry starts afresh
    key: Key[Array, ""] | None = None  # the source of noise; without one there is none
    context: PyTree = None  # input of a sequence besides its steps, such as a memory

    def valid(self, steps: int) -> Bool[Array, "b t"] | None:
        """The mask of lengths and mask together; `None` if every step is valid."""
        mask = valid_steps(steps, self.lengths, None if self.mask is None else self.mask.T)
        return None if mask is None else mask.T

    def clean(self, xs: PyTree) -> PyTree:
        """The inputs with each sequence's first valid entry at its masked steps.

        At a fixed value, such as zero, a layer may have no derivative, and zero times infinity is
        NaN.
        """
        valid = self.valid(num_steps(xs))
        if valid is None or num_steps(xs) == 0:
            return xs
        first = first_valid(valid.T, jax.tree.map(lambda a: a.swapaxes(0, 1), xs))
        return where(valid, xs, jax.tree.map(lambda a: a[:, None], first))

    def zero(self, ys: PyTree) -> PyTree:
        """The outputs, with zeros at masked steps."""
        valid = self.valid(num_steps(ys))
        return ys if valid is None else where(valid, ys, zeros_like(ys))

    def guard(self, params: PyTree, xs: PyTree) -> PyTree:
        """The parameters, without a gradient if no step of no sequence is valid."""
        return stop_where_nothing_counts(self.valid(num_steps(xs)), params)

    def check(self, xs: PyTree) -> None:
        """Raises a `ValueError` unless the signals fit inputs `[B, T, …]`."""
        batch, steps = jax.tree.leaves(xs)[0].shape[:2]
        signals = self.lengths, self.mask, self.resets
        check_signals(steps, (batch,), *signals, time_major=False)


def check_inputs(num_feature_axes: int, xs: PyTree) -> None:
    """Raises a `ValueError` unless all arrays are `[B, T, …]` with so many feature axes."""
    shapes = [x.shape for x in jax.tree.leaves(xs)]
    axes = "".join(f", F{k}" for k in range(1, num_feature_axes + 1))
    axes = ", features" if num_feature_axes == 1 else axes
    fit = all(len(shape) == 2 + num_feature_axes for shape in shapes)
    if not shapes or not fit or any(shape[:2] != shapes[0][:2] for shape in shapes):
        raise ValueError(
            f"expected inputs [B, T{axes}], got {', '.join(str(list(s)) for s in shapes) or xs}; "
            "a single sequence needs a batch axis, xs[None], and scalars a feature axis, "
            "xs[..., None]"
        )


def num_steps(xs: PyTree) -> int:
    """The number of steps of inputs `[B, T, …]`."""
    return jax.tree.leaves(xs)[0].shape[1]
