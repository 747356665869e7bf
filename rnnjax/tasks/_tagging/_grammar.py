"""A small grammar of English sentences in chunks, in which a word alone does not decide its tag.

Nouns are also verbs ("plans"), participles stand before nouns and behind auxiliaries, "that" begins
a clause or a noun phrase, "to" an infinitive or a place, and neighbours may belong together or
not. Many words are made up; only their endings say what they are.
"""

from collections.abc import Sequence
from typing import Any

from numpy.random import Generator

Chunk = tuple[str, list[str]]  # a type, "O" for none, and words

# Nouns in singular and plural, which are verbs: plain, in third person, past, participle.
_BOTH = [
    word.split()
    for word in """plan plans planned planning|report reports reported reporting
|offer offers offered offering|change changes changed changing|trade trades traded trading
|increase increases increased increasing|order orders ordered ordering|claim claims claimed claiming
|share shares shared sharing|price prices priced pricing|move moves moved moving
|need needs needed needing|cut cuts cut cutting|test tests tested testing|use uses used using
|estimate estimates estimated estimating""".replace("\n", "").split("|")
]
_NOUNS = [
    word.split()
    for word in """company companies|market markets|bank banks|year years|city cities|river rivers
|letter letters|teacher teachers|song songs|machine machines|house houses""".replace(
        "\n", ""
    ).split("|")
]
_WORDS = {
    kind: words.split()
    for kind, words in {
        "adjective": "new old small large strong early late rising planned trading reported dry",
        "preposition": "of in on with for from to by at under after",
        "when": "yesterday again soon often there",
        "modal": "will would may can should could",
        "mass": "oil water money gold music bread coal time",
        "month": "May June August Monday Friday",
        "onset": "b c d f g l m n p r s t v br tr st pl",
        "coda": "b d l m n r t v nd rt lm",
    }.items()
}
# As a subject and as an object, and whether in plural.
_PRONOUNS = [("it", "it", False), ("he", "him", False), ("she", "her", False)]
_PRONOUNS += [("they", "them", True), ("we", "us", True)]
_DETERMINERS = [("the", None), ("a", False), ("this", False), ("that", False), ("its", None)]
_DETERMINERS += [("these", True), ("some", True), ("many", True), ("no", None)]


def made_sentence(rng: Generator) -> list[Chunk]:
    """A sentence of one or two clauses, in chunks."""
    found = [("ADVP", [_adverb(rng)]), ("O", [","])] if rng.random() < 0.15 else []
    found += _clause(rng)
    if rng.random() < 0.3:
        found += [("O", [","])] * (rng.random() < 0.5)
        found += [("O", [_one(rng, ["and", "but", "or"])]), *_clause(rng)]
    first = found[0][1]
    first[0] = first[0][0].upper() + first[0][1:]
    return [*found, ("O", [_one(rng, [".", ".", ".", "?", ";"])])]


def _clause(rng: Generator, depth: int = 0) -> list[Chunk]:
    subject, plural = _noun_phrase(rng, first=True)
    kind = rng.random()
    if kind < 0.15:
        very = [_one(rng, ["very", "too", "rather"])] * (rng.random() < 0.5)
        rest = [("VP", [_be(rng, plural)]), ("ADJP", [*very, _adjective(rng)])]
    elif kind < 0.3 and depth < 2:
        says = _one(rng, ["said", "thought", "believed", "reported", "claimed"])
        that = [("SBAR", ["that"])] * (rng.random() < 0.7)
        return [*subject, ("VP", [says]), *that, *_clause(rng, depth + 1)]
    else:
        rest = [("VP", _verb_phrase(rng, plural))]
        objects = 2 if rng.random() < 0.12 else rng.random() < 0.75
        rest += [chunk for _ in range(objects) for chunk in _noun_phrase(rng)[0]]
    if rng.random() < 0.1:
        rest += [("PP", [_one(rng, ["in", "on", "by"])]), ("NP", [_one(rng, _WORDS["month"])])]
    while rng.random() < 0.4:
        rest += [("PP", [_one(rng, _WORDS["preposition"])]), *_noun_phrase(rng)[0]]
    if rng.random() < 0.15:
        rest.append(("ADVP", [_one(rng, [*_WORDS["when"], _adverb(rng)])]))
    return [*subject, *rest]


def _noun_phrase(rng: Generator, first: bool = False) -> tuple[list[Chunk], bool]:
    """A noun phrase of one or two chunks, a subject or not, and whether it is in plural."""
    kind = rng.random()
    if kind < 0.12:
        subject, other, plural = _one(rng, _PRONOUNS)
        return [("NP", [subject if first else other])], plural
    if kind < 0.27:
        title, firm = rng.random() < 0.4, _one(rng, ["Corp.", "Inc.", "Bank"])
        name = ["Mr.", _name(rng)] if title else [_name(rng), *[firm] * (rng.random() < 0.5)]
        if rng.random() < 0.3:
            return [
                ("NP", name),
                ("NP", ["'s", *_nominal(rng, plural := rng.random() < 0.4)]),
            ], plural
        return [("NP", name)], False
    if kind < 0.35:
        number = str(rng.integers(2, 2000))
        many = ["$", number, _one(rng, ["million", "billion"])]
        return [("NP", many if rng.random() < 0.4 else [number, *_nominal(rng, True)])], True
    if kind < 0.43:
        adjective = [_adjective(rng)] * (rng.random() < 0.3)
        return [("NP", [*adjective, _one(rng, [*_WORDS["mass"], _stem(rng)])])], False
    if kind < 0.56:
        second = ["and", *_nominal(rng, True)] if rng.random() < 0.2 else []
        return [("NP", [*_nominal(rng, True), *second])], True
    determiner, plural = _one(rng, _DETERMINERS)
    plural = bool(rng.random() < 0.4) if plural is None else plural
    return [("NP", [determiner, *_nominal(rng, plural)])], plural


def _nominal(rng: Generator, plural: bool) -> list[str]:
    adjectives = [_adjective(rng) for _ in range(rng.integers(0, 3))]
    noun = [_noun(rng, False)] * (rng.random() < 0.2)
    return [*adjectives, *noun, _noun(rng, plural)]


def _verb_phrase(rng: Generator, plural: bool) -> list[str]:
    adverb = [_one(rng, ["often", "soon", _adverb(rng)])] * (rng.random() < 0.2)
    plain, third, past, going = _verb(rng)
    now = _one(rng, [plain if plural else third, past])
    has = _one(rng, ["have" if plural else "has", "had"])
    wants = _one(rng, ["want" if plural else "wants", "plan" if plural else "plans", "needed"])
    return _one(
        rng,
        [
            [*adverb, now],
            [now],
            [_one(rng, _WORDS["modal"]), *["not"] * (rng.random() < 0.3), *adverb, plain],
            [_be(rng, plural), *adverb, going],
            [_be(rng, plural), *adverb, past],
            [has, *adverb, past],
            [has, "been", *adverb, going],
            [wants, "to", *adverb, plain],
            [_be(rng, plural), "expected", "to", plain],
        ],
    )


def _be(rng: Generator, plural: bool) -> str:
    return _one(rng, ["are", "were"] if plural else ["is", "was"])


def _noun(rng: Generator, plural: bool) -> str:
    made = _stem(rng) + _one(rng, ["tion", "ment", "er", "ness", ""])
    made = [made, f"{made}{'es' if made.endswith('s') else 's'}"]
    return _one(rng, [_one(rng, _NOUNS), _one(rng, _BOTH), made])[plural]


def _verb(rng: Generator) -> list[str]:
    stem = _stem(rng)
    return _one(rng, [_one(rng, _BOTH), [stem + end for end in ("ize", "izes", "ized", "izing")]])


def _adjective(rng: Generator) -> str:
    return _one(
        rng, [_one(rng, _WORDS["adjective"]), _stem(rng) + _one(rng, ["ous", "ive", "al", "ful"])]
    )


def _adverb(rng: Generator) -> str:
    return _stem(rng) + _one(rng, ["ly", "ously", "ively"])


def _name(rng: Generator) -> str:
    return (_stem(rng) + _one(rng, ["", "", "son", "ton", "er"])).capitalize()


def _stem(rng: Generator) -> str:
    parts = [_one(rng, _WORDS["onset"]) + _one(rng, "aeiou")]
    if rng.random() < 0.5:
        parts.append(_one(rng, "dlmnrtv") + _one(rng, "aeiou"))
    return "".join(parts) + _one(rng, _WORDS["coda"])


def _one(rng: Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]
