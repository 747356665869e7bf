"""A small grammar of reviews, in which the words alone do not decide.

A negation turns a word around from any distance, the clause behind "but" outweighs the one before
it, and each of these is as frequent in positive as in negative reviews.
"""

import re
from collections.abc import Sequence
from typing import Any

from numpy.random import Generator


def _listed(text: str) -> list[str]:
    return [" ".join(entry.split()) for entry in text.split("|")]


_PARTS = _listed("""plot|acting|script|music|ending|cast|dialogue|photography|pacing|humour|story
    |direction|beginning|soundtrack|editing""")
_WORKS = _listed("film|movie|picture|comedy|thriller|drama|sequel|show|book")
_GOOD = _listed("""good|great|wonderful|funny|moving|brilliant|charming|clever|touching|gripping
    |fresh|delightful|superb|witty|beautiful|memorable|engaging|honest|thrilling|excellent
    |enjoyable|interesting|fantastic|amazing|perfect|lovely|fun|hilarious|exciting|warm""")
_BAD = _listed("""bad|awful|boring|dull|tedious|clumsy|predictable|shallow|flat|stale|silly
    |lifeless|annoying|pointless|weak|terrible|dreadful|tiresome|messy|slow|forgettable|empty
    |pretentious|horrible|poor|stupid|ugly|confusing|lazy|cheap""")
_JOY = _listed("masterpiece|delight|joy|triumph|pleasure")
_MESS = _listed("waste of time|mess|disaster|disappointment|bore")
_LIKE = [("love", "loved"), ("like", "liked"), ("enjoy", "enjoyed"), ("admire", "admired")]
_HATE = [("hate", "hated"), ("dislike", "disliked"), ("regret", "regretted"), ("loathe", "loathed")]
_VERY = _listed("very|really|so|truly|terribly|incredibly|that|particularly")
_NOT = _listed("""not|never|not at all|hardly|far from|anything but|by no means|not even
    |in no way""")
_ASIDES = _listed("to be honest|if you ask me|as far as i can tell|in the end|i must say")
_NEUTRAL = _listed("""i saw it on a rainy tuesday with my sister|it runs for two hours
    |we watched it at home|it was shot in paris over three weeks|my brother chose it
    |the cinema was full|i had read the book before|they made it in five weeks
    |it is set in the north|my friends and i went on friday night|it takes place on a ship
    |this is the second part""")


def made_review(rng: Generator, positive: bool) -> str:
    """A review of one or two clauses that count, among neutral ones."""
    main, kind = _clause(rng, positive), rng.random()
    if kind < 0.15:
        main = f"{main} {_one(rng, [',', ', and', 'and'])} {_clause(rng, positive)}"
    elif kind < 0.55:
        other = _clause(rng, not positive)
        main = _one(
            rng,
            [
                f"{other} , but {main}",
                f"although {other} , {main}",
                f"{main} , although {other}",
                f"{other} ; still , {main}",
                f"{main} , even though {other}",
            ],
        )
    sentences = [main]
    while rng.random() < 0.35 and len(sentences) < 3:
        sentences.insert(rng.integers(len(sentences) + 1), _one(rng, _NEUTRAL))
    text = " . ".join(sentences) + _one(rng, [" .", " !", ""])
    return re.sub(r"\ba (?=[aeiou]|honest)", "an ", text)


def _clause(rng: Generator, positive: bool) -> str:
    negated = rng.random() < 0.5
    word = _one(rng, _GOOD if positive != negated else _BAD)
    word = f"{_one(rng, _VERY)} {word}" if rng.random() < 0.4 else word
    base, past = _one(rng, _LIKE if positive != negated else _HATE)
    noun = _one(rng, _JOY if positive != negated else _MESS)
    advise = "recommend" if positive != negated else "avoid"
    part = f"{_one(rng, ['the', 'its'])} {_one(rng, _PARTS)}"
    work = _one(rng, _WORKS)
    part = _one(rng, [part, f"{_one(rng, ['the', 'this'])} {work}", "it"])
    aside = f", {_one(rng, _ASIDES)} , " if rng.random() < 0.25 else ""
    verb = _one(rng, ["is", "was"])
    return _one(
        rng,
        [
            f"{part} {verb} {aside}{_one(rng, _NOT)} {word}",
            f"{part} {verb}n't {aside}{word}",
            f"{part} {verb} {aside}not {word} at all",
            f"{part} {verb} {aside}{_one(rng, _NOT)} a {noun}",
            f"i would {aside}{_one(rng, ['not', 'never', 'hardly'])} {advise} {part}",
            f"i did {aside}not {base} {part}",
            f"i {_one(rng, ['never', 'hardly'])} {past} {part}",
            f"i {_one(rng, ['do not', 'did not', 'cannot'])} {aside}find {part} {word}",
            f"nobody {aside}would call {part} {word}",
            f"{_one(rng, ['not', 'anything but', 'by no means'])} {aside}a {word} {work}",
        ]
        if negated
        else [
            f"{part} {verb} {aside}{word}",
            f"{part} {verb} {aside}simply {word}",
            f"{part} {verb} {word} {aside}from the first minute to the last",
            f"{part} {verb} {aside}a {_one(rng, ['real', 'complete', 'true'])} {noun}",
            f"i would {aside}{_one(rng, ['surely', 'always'])} {advise} {part}",
            f"i {aside}{past} {part}",
            f"i {aside}{_one(rng, ['always', 'really'])} {past} {part}",
            f"i {_one(rng, ['find', 'found'])} {aside}{part} {word}",
            f"everybody {aside}would call {part} {word}",
            f"{_one(rng, ['what', 'this is', 'simply'])} {aside}a {word} {work}",
        ],
    )


def _one(rng: Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]
