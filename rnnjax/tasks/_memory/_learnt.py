"""A memory as `train` writes and draws it, whatever its kind."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Learnt(NamedTuple):
    """A model, further entries of its file, and figures: a function and its arguments by name."""

    cell: Any
    params: Any
    input_size: int
    extra: dict[str, Any]
    figures: dict[str, tuple[Callable[..., None], *tuple[Any, ...]]]
