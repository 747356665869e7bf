"""Vocabularies of characters and of words, and the words of a text."""

import pickle
import time
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest

from rnnjax.data import Vocabulary, load_text, tokenize

SENTENCES = [["the", "film", "is", "the", "best"], ["is", "the", "film", "bad"], []]


@pytest.mark.parametrize("sequences", [["hello wörld", "llo"], SENTENCES], ids=["texts", "words"])
def test_entries_are_in_the_order_of_their_counts_then_of_the_alphabet(sequences):
    vocabulary = Vocabulary.of(sequences)
    counts = Counter(entry for sequence in sequences for entry in sequence)
    keys = [(-counts[entry], entry) for entry in vocabulary.entries]
    assert keys == sorted(keys) and set(vocabulary.entries) == set(counts)
    assert len(vocabulary) == len(counts)


def test_a_round_trip():
    letters, words = Vocabulary.of(["hello wörld"]), Vocabulary.of(SENTENCES)
    assert "".join(letters.decode(letters.encode("wörld hello"))) == "wörld hello"
    for sentence in SENTENCES:
        tokens = words.encode(sentence)
        assert tokens.dtype == np.int32 and tokens.shape == (len(sentence),)
        assert words.decode(tokens) == sentence
        assert [words[word] for word in sentence] == tokens.tolist()
    assert letters.encode("").shape == (0,) and letters.decode([]) == []
    assert letters == Vocabulary.of("hello wörld")  # a text is the sequence of its characters


def test_specials_come_first_once_and_need_not_occur():
    options: Any = {"specials": ["<pad>", "is"], "unknown": "<unk>"}
    vocabulary = Vocabulary.of(SENTENCES, **options)
    assert vocabulary.entries == ("<unk>", "<pad>", "is", "the", "film", "bad", "best")
    again = Vocabulary.of(SENTENCES, specials=("<pad>", "<unk>"), unknown="<unk>", largest=4)
    assert again.entries == ("<pad>", "<unk>", "the", "film")
    assert again.encode(["the", "worst", "film"]).tolist() == [2, 1, 3]
    assert again["worst"] == 1 and "worst" not in again and "film" in again and 3 not in again


def test_rare_entries_are_left_out():
    assert Vocabulary.of(SENTENCES, least=3).entries == ("the",)
    with pytest.raises(ValueError, match="at least one and none empty, got ()"):
        Vocabulary.of(SENTENCES, least=4)
    with pytest.raises(ValueError, match="expected largest to be an integer of at least 2, got 1"):
        Vocabulary.of(SENTENCES, specials=("<pad>",), unknown="<unk>", largest=1)


def test_strings_that_are_no_entries_are_named():
    message = "expected entries of the vocabulary, got 'x', 'z' too; did the sequences"
    with pytest.raises(ValueError, match=message):
        Vocabulary.of(["hello wörld"]).encode("hezlox")
    with pytest.raises(ValueError, match="'j', … too"):
        Vocabulary(("1",)).encode("abcdefghijkl1")


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([0, -1], "expected tokens from 0 to 2, got -1 … 0; is there padding"),
        ([3], "expected tokens from 0 to 2, got 3 … 3"),
        ([0.0], r"expected a list of tokens, got float64\[1\]"),
        ([[0, 1]], r"expected a list of tokens, got int64\[1, 2\]"),
        ([[0], [0, 1]], "one sequence is decoded at a time"),
        ("abc", "expected a list of tokens, got <U3"),
        (1, "expected a list of tokens, got int64"),
    ],
)
def test_only_tokens_are_decoded(tokens, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(("a", "b", "c")).decode(tokens)


def test_a_vocabulary_is_a_value():
    one, other = (Vocabulary.of(SENTENCES, unknown="<unk>") for _ in range(2))
    one.encode(["bad"])  # fills the table of tokens of one of them
    assert one == other == pickle.loads(pickle.dumps(one)) and hash(one) == hash(other)
    assert one != Vocabulary(one.entries)
    assert jax.tree.leaves(one) == []


def test_a_million_characters_and_words_take_a_moment():
    text = (load_text() * 4)[:1_000_000]
    words = tokenize(text)
    start = time.process_time()
    for sequence in (text, words):
        vocabulary = Vocabulary.of([sequence], unknown=None)
        tokens = vocabulary.encode(sequence)
        assert vocabulary.decode(tokens[:50]) == list(sequence[:50])
    assert time.process_time() - start < 5  # a look through the entries for each takes minutes


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        (" \n\t", []),
        ("It's good.", ["It's", "good", "."]),
        ("well-made, isn’t it?!", ["well-made", ",", "isn’t", "it", "?", "!"]),
        ("'quoted' -- and-so-on-", ["'", "quoted", "'", "-", "-", "and-so-on", "-"]),
        ("café 3.5 <unk>", ["café", "3", ".", "5", "<", "unk", ">"]),
    ],
)
def test_words_of_a_text(text, words):
    assert tokenize(text) == words
    assert tokenize(text.upper(), lower=True) == [word.lower() for word in words]
