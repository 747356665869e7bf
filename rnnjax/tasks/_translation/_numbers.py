"""Numbers in words, German and English: pairs to translate that are made here."""

import numpy as np

_WORDS = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn",
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen",
    "twenty thirty forty fifty sixty seventy eighty ninety",
)
_GERMAN, _GERMAN_TENS, _ENGLISH, _ENGLISH_TENS = (words.split() for words in _WORDS)


def german(number: int) -> str:
    """A number from 0 to 999 999 in German, where it is one word.

    Examples:
        >>> german(21_301)
        'einundzwanzigtausenddreihunderteins'
    """
    return _german(number) + "s" * (number % 100 == 1)


def _german(number: int) -> str:
    if number < 20:
        return _GERMAN[number]
    if number < 100:
        tens, ones = _GERMAN_TENS[number // 10 - 2], number % 10
        return f"{_GERMAN[ones]}und{tens}" if ones else tens
    value, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    many, rest = divmod(number, value)
    return _german(many) + name + (_german(rest) if rest else "")


def english(number: int) -> str:
    """A number from 0 to 999 999 in English.

    Examples:
        >>> english(21_301)
        'twenty-one thousand three hundred one'
    """
    if number < 20:
        return _ENGLISH[number]
    if number < 100:
        tens, ones = _ENGLISH_TENS[number // 10 - 2], number % 10
        return f"{tens}-{_ENGLISH[ones]}" if ones else tens
    value, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, value)
    return f"{english(many)} {name}" + (f" {english(rest)}" if rest else "")


def number_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Different numbers below a million, German and English; all lengths are about as frequent.

    Examples:
        >>> number_pairs(1, seed=5)
        [('achtzigtausendfünfhundert', 'eighty thousand five hundred')]
    """
    random, numbers = np.random.default_rng(seed), {}
    while len(numbers) < count:
        numbers[int(random.integers(10 ** random.integers(2, 7)))] = None
    return [(german(number), english(number)) for number in numbers]
