"""Text as a sequence of words."""

import re

from .._checks import check_flag, check_instance

# A word is letters, digits and underscores, with apostrophes and hyphens inside: "isn't",
# "well-made". Any other character that is no space is a word of its own.
_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def tokenize(text: str, *, lower: bool = False) -> list[str]:
    r"""The words and punctuation marks of a text.

    They are the matches of the regular expression `\w+(?:['’-]\w+)*|[^\w\s]`: letters and digits
    with apostrophes and hyphens inside, or one character that is neither these nor a space.

    Args:
        text: any text.
        lower: whether to give small letters only.

    Raises:
        ValueError: if it is no text.

    Examples:
        >>> tokenize("It isn't half-bad, really!", lower=True)
        ['it', "isn't", 'half-bad', ',', 'really', '!']
    """
    text = check_instance("text", text, str)
    return _WORD.findall(text.lower() if check_flag("lower", lower) else text)
