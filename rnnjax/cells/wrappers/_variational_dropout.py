"""Dropout with one mask for all steps."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Key

from ..._checks import Rate
from ..._trees import inexact, replace_inexact
from ..._wrapper import Wrapper
from ._noise import dropout_mask, split_key


class VariationalWeights(NamedTuple):
    """Weights of `VariationalDropout`; without a key there are no masks."""

    cell: Any  # as the cell inside has them
    masks: list[Float[Array, "*batch _"]] | None  # one for each real array of the carry
    keys: Key[Array, "*batch"] | None  # of the masks of the inputs, one a row


class VariationalDropout(Wrapper):
    """Dropout of the carry in the recurrent products, with one mask for all steps.

        s      = recur(mask * carry, project(input_mask * x))
        carry' = update(carry, s)

    Each row of a batch has its own masks; `update` sees the whole carry. Kept values are divided
    by `1 - rate`. Without a key nothing is dropped. In a stack, wrap the parts.

    Args:
        cell: the cell inside.
        rate: probability of dropping a value of the carry, at least 0 and below 1.
        input_rate: the same of the input.

    Raises:
        ValueError: if `rate` is above 0 and the cell has no recurrent product, or `input_rate`
            and the inputs are tokens.

    Examples:
        >>> import jax.numpy as jnp, rnnjax
        >>> cell = rnnjax.cells.VariationalDropout(rnnjax.LSTM(8), rate=0.25, input_rate=0.1)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 2, 3)), key=jax.random.key(1))
        >>> ys.shape
        (10, 2, 8)

    Reference:
        Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural
        networks, NeurIPS 2016.
    """

    rate: Rate
    _: KW_ONLY
    input_rate: Rate = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.rate and not self.num_products:
            raise ValueError(
                f"expected a cell with recurrent products, got {self.cell}; of a stack, wrap the "
                "parts, and around other cells use input_rate with a rate of 0"
            )
        if self.input_rate and not self.num_feature_axes:
            raise ValueError(f"expected input_rate 0 with {self.cell}, whose inputs are tokens")

    def inner(self, weights):
        return weights.cell

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> VariationalWeights:
        carry_key, input_key, inner = split_key(key, 3)
        weights = self.cell.prepare(params, context=context, key=inner, batch_shape=batch_shape)
        masks = keys = None
        if key is not None and self.rate:
            carry = jax.eval_shape(lambda w: self.cell.init_carry(w, batch_shape), weights)
            arrays = inexact(carry)
            masks = [
                dropout_mask(k, self.rate, a.shape, a.dtype)
                for k, a in zip(split_key(carry_key, len(arrays)), arrays, strict=True)
            ]
        if key is not None and self.input_rate:
            # The size of the input is not known yet.
            keys = jax.random.split(input_key, batch_shape)
        return VariationalWeights(weights, masks, keys)

    def project(self, weights, xs, *noise):
        return super().project(weights, self._dropped(weights, xs), *noise)

    def elements(self, weights, xs, *noise):
        return super().elements(weights, self._dropped(weights, xs), *noise)

    def recur(self, weights, carry, z, *s):
        if weights.masks is not None:
            pairs = zip(inexact(carry), weights.masks, strict=True)
            carry = replace_inexact(carry, [_masked(a, mask) for a, mask in pairs])
        return super().recur(weights, carry, z, *s)

    def _dropped(self, weights, xs):
        if weights.keys is None:
            return xs
        features = xs.shape[xs.ndim - self.num_feature_axes :]

        def draw(key):
            return dropout_mask(key, self.input_rate, features, xs.dtype)

        mask = jax.vmap(draw)(weights.keys.reshape(-1))
        return _masked(xs, mask.reshape(*weights.keys.shape, *features))


def _masked(a: Float[Array, "*lead _"], mask: Float[Array, "*batch _"]) -> Float[Array, "*lead _"]:
    return a * mask.reshape((1,) * (a.ndim - mask.ndim) + mask.shape).astype(a.dtype)
