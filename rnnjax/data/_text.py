"""Text as a sequence of characters."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from .._checks import brief, check_instance
from .._static import Static


def load_text(path: str | Path | None = None) -> str:
    """The text of a UTF-8 file, by default the documentation that ships inside Python.

    Raises:
        ValueError: in one line, if the file does not exist, is empty, or is not UTF-8.

    Examples:
        >>> len(load_text()) > 100_000
        True
    """
    if path is None:
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name] for name in sorted(topics))
    if not isinstance(path, str | Path):
        raise ValueError(f"expected the path of a text file, got {path!r}")
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
    """The vocabulary of a text's characters; the token of a character is its index.

    Args:
        characters: the characters, each once.

    Raises:
        ValueError: if a character is repeated, or there is none.

    Examples:
        >>> alphabet = Alphabet.of("banana")
        >>> alphabet.encode("nab").tolist(), alphabet.decode([2, 0, 1])
        ([2, 0, 1], 'nab')
    """

    characters: str

    def __post_init__(self):
        super().__post_init__()
        found = self.characters
        if not isinstance(found, str) or not found or len(set(found)) < len(found):
            raise ValueError(
                f"expected different characters, at least one, got {found!r}; Alphabet.of takes a "
                "text"
            )

    @classmethod
    def of(cls, text: str) -> "Alphabet":
        """The alphabet of a text.

        Raises:
            ValueError: if it is no text, or empty.
        """
        return cls("".join(sorted(set(check_instance("text", text, str)))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Int[np.ndarray, "time"]:
        """The tokens of a text.

        Raises:
            ValueError: if it is no text, or has characters outside the alphabet.
        """
        check_instance("text", text, str)
        token = {character: index for index, character in enumerate(self.characters)}
        unknown = "".join(sorted(set(text) - set(token)))
        if unknown:
            raise ValueError(f"expected characters of the training text, got {unknown!r} too")
        return np.array([token[character] for character in text], np.int32)

    def decode(self, tokens) -> str:
        """The text of a sequence of tokens.

        Raises:
            ValueError: if they are no list of tokens of the alphabet.
        """
        try:
            tokens = np.asarray(tokens)
        except ValueError:
            raise ValueError(
                f"expected a list of tokens, got {brief(tokens)}; one sequence is decoded at a time"
            ) from None
        last = len(self) - 1
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise ValueError(
                f"expected a list of tokens, got {tokens.dtype}{list(tokens.shape)}; one sequence "
                "is decoded at a time"
            )
        if tokens.size and not 0 <= tokens.min() <= tokens.max() <= last:
            raise ValueError(
                f"expected tokens from 0 to {last}, got {tokens.min()} … {tokens.max()}; is there "
                "padding among them?"
            )
        return "".join(self.characters[token] for token in tokens)
