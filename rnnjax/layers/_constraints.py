"""Which tags may follow each other, and the scheme BIO of tags of spans."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

from .._checks import brief
from .._static import Static


class Constraints(Static):
    """Which of K tags may start a sequence, follow each other, and end it, for `CRF`.

    Args:
        transitions: K rows of K truth values; whether tag `j` may follow tag `i` is in row `i`.
        start: whether each tag may be the first; by default any.
        end: whether each tag may be the last; by default any.

    Raises:
        ValueError: if something is no tuple of truth values, or the numbers of tags differ.

    Examples:
        >>> alternating = Constraints(((False, True), (True, False)), start=(True, False))
        >>> alternating
        Constraints(2 tags, 2 forbidden transitions)
    """

    transitions: tuple[tuple[bool, ...], ...]
    _: KW_ONLY
    start: tuple[bool, ...] | None = None
    end: tuple[bool, ...] | None = None

    size = property(lambda self: len(self.transitions))

    def __post_init__(self):
        rows = self.transitions if isinstance(self.transitions, tuple) else ()
        if not rows or not all(_flags(row, len(rows)) for row in rows):
            raise ValueError(
                "expected transitions to be K tuples of K truth values each, got "
                f"{brief(self.transitions)}"
            )
        for name in ("start", "end"):
            flags = getattr(self, name)
            if flags is not None and not _flags(flags, len(rows)):
                raise ValueError(
                    f"expected {name} to be a tuple of {len(rows)} truth values, got {brief(flags)}"
                )
        super().__post_init__()

    def __repr__(self) -> str:
        forbidden = sum(not allowed for row in self.transitions for allowed in row)
        return f"Constraints({self.size} tags, {forbidden} forbidden transitions)"


def bio_constraints(tags: Sequence[str]) -> Constraints:
    """The constraints of the scheme IOB2, in which `B-X` starts a span of type X.

    `I-X` is inside a span, so it follows `B-X` or `I-X`, and is never first. `O` is outside.

    Args:
        tags: the name of each tag, such as the entries of a vocabulary.

    Raises:
        ValueError: if a tag is neither "O", nor "B" or "I" with a type, or occurs twice.

    Examples:
        >>> constraints = bio_constraints(("O", "B-NP", "I-NP"))
        >>> constraints.start, constraints.transitions[0]
        ((True, True, False), (True, True, False))

    Reference:
        E. Tjong Kim Sang, J. Veenstra, Representing text chunks, EACL 1999.
    """
    listed = tags if isinstance(tags, Sequence) and not isinstance(tags, str) else ()
    parts = [split_tag(tag) for tag in listed]
    if not parts or len(set(parts)) < len(parts):
        raise ValueError(f"expected a list of different tags, at least one, got {brief(tags)}")
    follows = tuple(
        tuple(to != "I" or (own != "O" and kind == inside) for to, inside in parts)
        for own, kind in parts
    )
    return Constraints(follows, start=tuple(to != "I" for to, _ in parts))


def split_tag(tag: Any) -> tuple[str, str]:
    """A tag's letter, "B", "I" or "O", and its type.

    Raises:
        ValueError: if it is no such tag.

    Examples:
        >>> split_tag("B-NP"), split_tag("O")
        (('B', 'NP'), ('O', ''))
    """
    letter, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if letter not in ("B", "I") and tag != "O":
        raise ValueError(
            f"expected a tag 'O', 'B-…' or 'I-…' with the type of its span, got {brief(tag)}; is "
            "it of another scheme, such as IOBES?"
        )
    return letter, kind


def _flags(flags: Any, count: int) -> bool:
    """Whether something is a tuple of so many truth values."""
    return (
        isinstance(flags, tuple)
        and len(flags) == count
        and all(isinstance(flag, bool) for flag in flags)
    )
