"""Checks of models that write or stream."""

from typing import Any

from ..layers import Embedding, Sequential, Tied
from ..layers._layer import check_layer


def check_streams(model: Any) -> None:
    """Raises a `ValueError` unless a model has an output for every step, from no later one."""
    check_layer("model", model)
    if not model.causal:
        raise ValueError(f"expected a model that needs no later step, got {model}")


def check_writes(model: Any) -> int | None:
    """The number of tokens that a model reads; `None` where it is not known.

    Raises:
        ValueError: unless the model streams, reads tokens, and can read every token it writes.
    """
    check_streams(model)
    if model.num_feature_axes:
        raise ValueError(
            f"expected a model of tokens, such as one that starts with an Embedding, got {model}"
        )
    first = model
    while isinstance(first, Sequential | Tied):
        first = first.embedding if isinstance(first, Tied) else first.layers[0]
    if not isinstance(first, Embedding):
        return None
    if isinstance(model.output_size, int) and model.output_size > first.vocabulary:
        raise ValueError(
            f"expected logits of at most the {first.vocabulary} tokens of {first}, got "
            f"{model.output_size} from {model}"
        )
    return first.vocabulary
