"""Input and output embeddings that are the same."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_instance
from .._numerics import add_bias, matmul
from ._embedding import Embedding
from ._layer import Layer
from ._signals import Signals


class TiedParams(NamedTuple):
    """Parameters of `Tied`."""

    embedding: Any  # parameters of the embedding
    body: Any  # parameters of the body
    b: Float[Array, "v"]


class Tied(Layer[TiedParams]):
    """A language model whose output weights are its embedding: tokens `[B, T]` to logits.

        logits = body(embedding(tokens)) table^T + b

    Args:
        embedding: the embedding of the tokens, with a `scale` of about `1 / sqrt(E)`, so that the
            first logits are small.
        body: a layer that maps `[B, T, E]` to itself, where `E` is the size of the embedding.

    Raises:
        ValueError: if the body gives features of another size, or no sequences.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN
        >>> model = Tied(Embedding(50, 8, scale=0.3), RNN(rnnjax.GRU(8)))
        >>> params = model.init(jax.random.key(0))
        >>> model.apply(params, jnp.ones((2, 5), int))[1].shape
        (2, 5, 50)

    Reference:
        O. Press, L. Wolf, Using the output embedding to improve language models, EACL 2017.
    """

    embedding: Embedding
    body: Layer

    num_feature_axes = 0
    output_size = property(lambda self: self.embedding.vocabulary)
    causal = property(lambda self: self.body.causal)
    has_memory = property(lambda self: self.body.has_memory)
    takes_context = property(lambda self: self.body.takes_context)
    runs_backward = property(lambda self: self.body.runs_backward)

    def __post_init__(self):
        super().__post_init__()
        check_instance("embedding", self.embedding, Embedding, "Embedding(1000, 64)")
        check_instance("body", self.body, Layer, "RNN(GRU(64))")
        size = self.body.output_size
        if not self.body.keeps_time or size not in (None, self.embedding.size):
            raise ValueError(
                f"expected a body with {self.embedding.size} output features at every step, as "
                f"the embedding has, got {self.body}"
            )

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> TiedParams:
        key_embedding, key_body = jax.random.split(key)
        embedding = self.embedding.init(key_embedding, dtype=dtype)
        body = self.body.init(key_body, self.embedding.size, dtype=dtype)
        return TiedParams(embedding, body, jnp.zeros(self.embedding.vocabulary, dtype))

    def init_carry(self, params, batch_shape=()):
        return self.body.init_carry(params.body, batch_shape)

    def check(self, params, xs, carry):
        """The kind of the parameters; the body checks its own."""
        check_instance("params", params, TiedParams)

    def run(self, params, xs, carry, signals: Signals):
        xs = self.embedding.transform(params.embedding, xs)
        self.body.check(params.body, xs, carry)
        carry, ys = self.body.run(params.body, xs, carry, signals)
        logits = matmul(ys, params.embedding.table.T)
        return carry, add_bias(logits, params.b.astype(logits.dtype))
