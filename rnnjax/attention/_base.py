"""The base of attentions, and the memory that they read."""

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar, cast, final

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float

from .._checks import brief, check_array, check_instance
from .._masks import check_signals, valid_steps
from .._numerics import along, carry_dtype
from .._static import Static, derived

Params = TypeVar("Params")

# Finite, so that a row without memory stays finite.
_NO_ATTENTION = -1e30


class Source(NamedTuple):
    """A sequence beside the one that a model runs over, such as the memory that it attends to.

    It is the `context` of cells and layers: of an `EncoderDecoder` the source sequence, of the
    decoder in it the outputs of the encoder.
    """

    values: Any  # features `[*batch, S, M]`, or tokens `[*batch, S]`
    lengths: Any = None  # number of valid values `[*batch]`, by default all
    summary: Any = None  # `[*batch, N]`, of the whole sequence, for `cells.Bridge`


class Memory(NamedTuple):
    """A memory to read: the values, without their padding, and their keys."""

    values: Float[Array, "*batch heads s m"]
    keys: Float[Array, "*batch heads s a"]
    valid: Bool[Array, "*batch 1 s"] | None


class Attention(Static, ABC, Generic[Params]):
    """The base of attentions. A subclass gives `init`, `scores`, and the projections that it has.

    Examples:
        >>> from rnnjax.attention import Dot
        >>> attention = Dot()
        >>> source = Source(jnp.array([[[1.0], [3.0], [9.0]]]), jnp.array([2]))
        >>> attended, weights = attention.read((), jnp.zeros((1, 1)), attention.prepare((), source))
        >>> attended, weights
        (Array([[2.]], dtype=float32), Array([[0.5, 0.5, 0. ]], dtype=float32))
    """

    heads = derived(lambda self: 1)
    """Number of independent weightings."""

    @abstractmethod
    def init(self, key: Any, query_size: int, memory_size: int, *, dtype: Any = None) -> Params:
        """Draws parameters for queries and values of so many features."""

    @abstractmethod
    def scores(self, params: Params, query: Array, keys: Array) -> Float[Array, "*lead heads s"]:
        """How well keys `[*lead, heads, s, a]` fit a query `[*lead, heads, a]`."""

    def output_size(self, memory_size: int) -> int:
        """Number of features of the attended value."""
        return memory_size

    def query(self, params: Params, query: Array) -> Float[Array, "*lead q"]:
        """The projection of queries `[*lead, features]`, of all heads together."""
        return query

    def keys(self, params: Params, values: Array) -> Float[Array, "*lead s k"]:
        """The keys of values `[*lead, s, features]`, of all heads together."""
        return values

    def values(self, params: Params, values: Array) -> Float[Array, "*lead s v"]:
        """The values to take the mean of, of all heads together."""
        return values

    @final
    def prepare(self, params: Params, source: Source) -> Memory:
        """The memory that `read` takes. Values in the padding affect no result.

        Args:
            params: parameters, from `init`.
            source: values `[*batch, S, features]` and their lengths.

        Raises:
            ValueError: if the values are no real numbers with these axes.
        """
        values, valid = _without_padding(source)
        keys = self._by_head(self.keys(params, values))
        return Memory(self._by_head(self.values(params, values)), keys, valid)

    @final
    def read(
        self, params: Params, query: Float[Array, "*lead q"], memory: Memory
    ) -> tuple[Float[Array, "*lead v"], Float[Array, "*lead s"]]:
        """The attended value for each query, and the weights, as a mean over the heads.

        Args:
            params: parameters, from `init`.
            query: features `[*lead, Q]`; the axes of the batch are the last of `lead`.
            memory: from `prepare`.

        Returns:
            The attended value, zeros where no value is valid, and weights that sum to 1, or to 0
            there.

        Raises:
            ValueError: if the query is no array of real numbers, or the memory not from `prepare`.
        """
        query = check_array("query", query)
        if not query.ndim or not jnp.issubdtype(query.dtype, jnp.floating):
            raise ValueError(
                f"expected queries [*lead, features] of real floating numbers, got {brief(query)}"
            )
        check_instance("memory", memory, Memory, "attention.prepare(params, source)")
        return self.read_projected(params, self.query(params, query), memory)

    @final
    def read_projected(
        self, params: Params, query: Float[Array, "*lead k"], memory: Memory
    ) -> tuple[Float[Array, "*lead v"], Float[Array, "*lead s"]]:
        """`read` for a query that `query` has projected."""
        query = query.reshape(*query.shape[:-1], self.heads, -1)
        like = query[..., None]  # of as many axes as the scores of all values
        score = self.scores(params, query, along(memory.keys, like))
        score = jnp.broadcast_to(score, (*query.shape[:-1], memory.keys.shape[-2]))
        if memory.valid is not None:
            score = jnp.where(along(memory.valid, score), score, _NO_ATTENTION)
        p = checkpoint_name(jax.nn.softmax(score), "attention")
        if memory.valid is not None:
            p = jnp.where(along(memory.valid, p), p, 0)
        attended = (p[..., None, :] @ along(memory.values, like))[..., 0, :]
        return attended.reshape(*query.shape[:-2], -1), p.mean(-2)

    def _by_head(self, features: Float[Array, "*lead s n"]) -> Float[Array, "*lead heads s m"]:
        split = features.reshape(*features.shape[:-1], self.heads, -1)
        return split.swapaxes(-2, -3)


def _without_padding(source: Any) -> tuple[Array, Bool[Array, "*batch 1 s"] | None]:
    """The values, zeros in the padding, and which are valid: `None` where all are."""
    if not isinstance(source, Source):
        raise ValueError(f"expected a Source of values and lengths, got {type(source).__name__}")
    values = check_array("the values of a Source", source.values)
    if values.ndim < 2 or not jnp.issubdtype(values.dtype, jnp.floating):
        raise ValueError(
            "expected values [*batch, S, features] of real floating numbers, got "
            f"{values.dtype}{list(values.shape)}"
        )
    values = values.astype(carry_dtype(values.dtype))
    if source.lengths is None:
        return values, None
    *batch, steps, _ = values.shape
    lengths = check_array("lengths", source.lengths)
    check_signals(steps, tuple(batch), lengths, time_major=False)
    valid = jnp.moveaxis(cast(Array, valid_steps(steps, lengths)), 0, -1)
    # Zero times NaN would be NaN.
    return jnp.where(valid[..., None], values, 0), valid[..., None, :]
