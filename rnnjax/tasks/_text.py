"""Text as a sequence of characters."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from .._static import Static


def load_text(path: str | Path | None = None) -> str:
    """The text in a UTF-8 file, or by default the documentation that ships inside Python.

    Raises:
        ValueError: in one line, if there is no such file, or it is empty or not UTF-8.

    Examples:
        >>> len(load_text()) > 100_000
        True
    """
    if path is None:
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name] for name in sorted(topics))
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ValueError(f"expected a text file, got {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected a text file in UTF-8, got {path}, whose byte {error.start} is not UTF-8"
        ) from None
    if not text:
        raise ValueError(f"expected a text file with some text, got {path}, which is empty")
    return text


class Alphabet(Static):
    """The characters of a text, in order; the token of a character is its place.

    Args:
        characters: the characters, each once.

    Examples:
        >>> alphabet = Alphabet.of("banana")
        >>> alphabet.encode("nab").tolist(), alphabet.decode([2, 0, 1])
        ([2, 0, 1], 'nab')
    """

    characters: str

    @classmethod
    def of(cls, text: str) -> "Alphabet":
        """The alphabet of a text."""
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Int[np.ndarray, "time"]:
        """The tokens of a text; a `ValueError` names characters that are not in the alphabet."""
        token = {character: place for place, character in enumerate(self.characters)}
        unknown = "".join(sorted(set(text) - set(token)))
        if unknown:
            raise ValueError(f"expected characters of the training text, got {unknown!r} too")
        return np.array([token[character] for character in text], np.int32)

    def decode(self, tokens) -> str:
        """The text of a sequence of tokens."""
        return "".join(self.characters[token] for token in tokens)
