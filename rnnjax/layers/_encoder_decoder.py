"""A sequence that is made from another one."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._checks import check_instance
from .._trees import inexact
from ..attention import Source
from ._embedding import Embedding
from ._layer import Layer
from ._sequential import Sequential
from ._signals import Signals


class EncoderDecoderParams(NamedTuple):
    """Parameters of `EncoderDecoder`."""

    encoder: Any  # parameters of the encoder
    decoder: Any  # parameters of the decoder
    embedding: Any = ()  # `()` where encoder and decoder have their own


class EncoderDecoder(Layer[EncoderDecoderParams]):
    """A decoder that reads the outputs of an encoder: target inputs `[B, T]` to logits.

    The context is the source sequence, `Source(values, lengths)`. The decoder gets the context
    `Source(outputs of the encoder, lengths, summary)`, for cells and layers that attend; the
    summary is the final carry of the encoder, for `cells.Bridge`. Target inputs are the true
    tokens, shifted by one (teacher forcing); `ScheduledSampling` replaces some of them.

    With `hand_over` the decoder starts from the final carry of the encoder as it is, images too,
    and may do without the context. The layers of both with a memory are alike then.

    To decode, `encode` the source once and continue with the decoder:
    `generate(decoder, own, start, context=memory)`, or `beam_search`; with `hand_over` from the
    carry `memory.summary`.

    Args:
        encoder: a layer of source sequences.
        decoder: a causal layer of target sequences that takes a context.
        embedding: an embedding that source and target share; by default encoder and decoder
            take tokens themselves.
        hand_over: whether the decoder starts from the final carry of the encoder, which is the
            summary then.

    Raises:
        ValueError: if the decoder takes no context without `hand_over` or needs later steps, or
            the encoder gives no sequence, or no carry to hand over.

    Examples:
        >>> from rnnjax import GRU, attention, cells
        >>> from rnnjax.layers import RNN, Attend, Bidirectional, Dense
        >>> encoder = Sequential((Embedding(50, 8), Bidirectional(GRU(16))))
        >>> rnn, attend = RNN(cells.Bridge(GRU(16), 32)), Attend(attention.General(), 32, 16)
        >>> model = EncoderDecoder(encoder, Sequential((Embedding(60, 8), rnn, attend, Dense(60))))
        >>> params, source = model.init(jax.random.key(0)), Source(jnp.ones((2, 9), int))
        >>> model.apply(params, jnp.ones((2, 5), int), context=source)[1].shape
        (2, 5, 60)

    Reference:
        I. Sutskever, O. Vinyals, Q. Le, Sequence to sequence learning with neural networks,
        NeurIPS 2014; K. Cho et al., Learning phrase representations using RNN encoder-decoder for
        statistical machine translation, EMNLP 2014.
    """

    encoder: Layer
    decoder: Layer
    _: KW_ONLY
    embedding: Embedding | None = None
    hand_over: bool = False

    takes_context = True
    causal = property(lambda self: self.decoder.causal)
    has_memory = property(lambda self: self.decoder.has_memory)
    output_size = property(lambda self: self.decoder.output_size)

    @property
    def num_feature_axes(self) -> int:
        return self.decoder.num_feature_axes if self.embedding is None else 0

    def __post_init__(self):
        super().__post_init__()
        check_instance("encoder", self.encoder, Layer, "Bidirectional(GRU(64))")
        check_instance("decoder", self.decoder, Layer, "Sequential((…))")
        if self.embedding is not None:
            check_instance("embedding", self.embedding, Embedding, "Embedding(1000, 64)")
        if not (self.decoder.takes_context or self.hand_over) or not self.decoder.causal:
            raise ValueError(
                "expected a causal decoder that takes a context, such as one with Attend or "
                f"cells.Bridge, or hand_over=True, got {self.decoder}"
            )
        if self.hand_over and not (self.encoder.has_memory and self.decoder.has_memory):
            raise ValueError(
                f"expected an encoder and a decoder with memory, to hand a carry over, got "
                f"{self.encoder} and {self.decoder}"
            )
        if not self.encoder.keeps_time or self.encoder.takes_context:
            raise ValueError(f"expected an encoder of one whole sequence, got {self.encoder}")

    def init(
        self, key, input_size=None, *, source_size: Any = None, dtype: Any = jnp.float32
    ) -> EncoderDecoderParams:
        keys = jax.random.split(key, 3)
        if self.embedding is None:
            shared = ()
        else:
            shared = self.embedding.init(keys[2], dtype=dtype)
            input_size = source_size = self.embedding.size
        source_size = input_size if source_size is None else source_size
        return EncoderDecoderParams(
            self.encoder.init(keys[0], source_size, dtype=dtype),
            self.decoder.init(keys[1], input_size, dtype=dtype),
            shared,
        )

    def init_carry(self, params, batch_shape=()):
        return self.decoder.init_carry(params.decoder, batch_shape)

    def check(self, params, xs, carry):
        """The kind of the parameters; encoder and decoder check their own."""
        check_instance("params", params, EncoderDecoderParams)

    def encode(self, params: EncoderDecoderParams, source: Source, key: Any = None) -> Source:
        """The context of the decoder: the memory to attend to, and its summary.

        Args:
            params: parameters of the whole model.
            source: the source sequences `[B, S, …]` and their lengths.
            key: the source of noise, such as dropout; without one there is none.

        Raises:
            ValueError: if the source is no `Source`, or where `apply` of the encoder raises one.
        """
        check_instance("params", params, EncoderDecoderParams)
        if not isinstance(source, Source):
            raise ValueError(
                f"expected the context to be a Source of values and lengths, got "
                f"{type(source).__name__}"
            )
        _, encoder, own = self.parts(params)[0]
        carry, values = encoder.apply(own, source.values, lengths=source.lengths, key=key)
        return Source(values, source.lengths, carry if self.hand_over else _summary(carry))

    def run(self, params, xs, carry, signals: Signals):
        keys = (None, None) if signals.key is None else jax.random.split(signals.key)
        memory = self.encode(params, signals.context, keys[0])
        _, decoder, own = self.parts(params)[1]
        carry = memory.summary if self.hand_over and carry is None else carry
        decoder.check(own, xs, carry)
        context = memory if decoder.takes_context else None
        return decoder.run(own, xs, carry, signals._replace(key=keys[1], context=context))

    def parts(self, params: EncoderDecoderParams) -> list[tuple[str, Layer, PyTree]]:
        """The encoder and the decoder, each a layer of its own, with their parameters."""
        pairs = ("encoder", self.encoder, params.encoder), ("decoder", self.decoder, params.decoder)
        if self.embedding is None:
            return [*pairs]
        return [
            (name, Sequential((self.embedding, layer)), (params.embedding, own))
            for name, layer, own in pairs
        ]


def _summary(carry: Any) -> Array | None:
    """The arrays of a carry, side by side."""
    arrays = [a.reshape(a.shape[0], -1) for a in inexact(carry)]
    return jnp.concatenate(arrays, axis=-1) if arrays else None
