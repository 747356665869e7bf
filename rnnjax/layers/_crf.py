"""The conditional random field: scores of tags, and of tags that follow each other."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._masks import reverse_resets
from ._constraints import Constraints
from ._layer import Layer
from ._signals import Signals

NEVER = -1e4


class CRFParams(NamedTuple):
    """Parameters of `CRF`."""

    transitions: Float[Array, "k k"]  # score of tag j after tag i, in row i
    start: Float[Array, "k"]  # score of the first tag
    end: Float[Array, "k"]  # score of the last tag


class CRF(Layer[CRFParams]):
    """A linear-chain conditional random field: scores `[B, T, K]` to potentials `[B, T, K, K]`.

        potentials[t, i, j] = transitions[i, j] + x[t, j]     score of tag j at t after tag i
        potentials[first, i, j] = start[j] + x[first, j]      for every i
        potentials[last, i, j] += end[j]

    The probability of a sequence of tags is the softmax of its summed potentials over all
    sequences of tags. `losses.crf_loss` is its negative logarithm, `decoding.viterbi` gives the
    likeliest tags, `decoding.crf_marginals` the probability of each tag.

    The step before a valid step is the last valid one before it. A reset starts a new sequence
    in the same row, so potentials depend on later steps: the layer is not causal.

    Args:
        size: number of tags K, which is also the number of input features.
        constraints: which tags may follow each other, such as `bio_constraints`; others have a
            score of -10,000, low enough never to be chosen, and finite, so that gradients are.

    Raises:
        ValueError: if the constraints are of another number of tags.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import Bidirectional, Dense, Sequential
        >>> model = Sequential((Bidirectional(rnnjax.LSTM(8)), Dense(5), CRF(5)))
        >>> params = model.init(jax.random.key(0), 3)
        >>> model.apply(params, jnp.ones((2, 7, 3)))[1].shape
        (2, 7, 5, 5)

    Reference:
        J. Lafferty, A. McCallum, F. Pereira, Conditional random fields, ICML 2001; Z. Huang,
        W. Xu, K. Yu, Bidirectional LSTM-CRF models for sequence tagging, 2015.
    """

    size: int
    _: KW_ONLY
    constraints: Constraints | None = None

    causal = False
    output_size = property(lambda self: (self.size, self.size))

    def __post_init__(self):
        super().__post_init__()
        if self.constraints is not None and self.constraints.size != self.size:
            raise ValueError(
                f"expected constraints of {self.size} tags, got {self.constraints.size}"
            )

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> CRFParams:
        if input_size != self.size:
            raise ValueError(
                f"expected an input_size of {self.size}, a score for each tag, got {input_size}; "
                f"Dense({self.size}) makes scores of features"
            )
        vector = jnp.zeros(self.size, dtype)
        return CRFParams(jnp.zeros((self.size, self.size), dtype), vector, vector)

    def run(self, params, xs, carry, signals: Signals):
        first, last = _borders(signals, xs.shape[:2])
        with jax.numpy_dtype_promotion("standard"):
            dtype = jnp.result_type(xs, params.transitions, jnp.float32)
        xs, params = xs.astype(dtype), self._constrained(params, dtype)
        scores = xs + jnp.where(last[..., None], params.end[None, None], 0)
        start, transitions = params.start[None, None, None], params.transitions[None, None]
        return (), jnp.where(first[..., None, None], start, transitions) + scores[:, :, None]

    def _constrained(self, params: CRFParams, dtype: Any) -> CRFParams:
        """The parameters, with `NEVER` for whatever is not allowed."""
        rules = self.constraints
        allowed = (None,) * 3 if rules is None else (rules.transitions, rules.start, rules.end)
        return CRFParams(
            *(
                jnp.asarray(a, dtype) if yes is None else jnp.where(np.array(yes), a, NEVER)
                for a, yes in zip((p.astype(dtype) for p in params), allowed, strict=True)
            )
        )


def _borders(
    signals: Signals, shape: tuple[int, int]
) -> tuple[Bool[Array, "b t"], Bool[Array, "b t"]]:
    """Where sequences start, and where they end."""
    valid = signals.valid(shape[1])
    valid = jnp.ones(shape, bool) if valid is None else valid
    rank = jnp.cumsum(valid, 1)
    first, last = rank == 1, rank == rank[:, -1:]
    if signals.resets is not None and shape[1]:
        first |= signals.resets
        last |= reverse_resets(signals.resets.T, valid.T).T
    return valid & first, valid & last
