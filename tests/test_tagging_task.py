"""The application `tagging`: data, baseline, model, and the commands as a person meets them."""

import gzip
import re

import jax
import numpy as np
import pytest
from cases import random_like

from rnnjax.interop import read_extra
from rnnjax.losses import span_scores
from rnnjax.tasks import tagging
from rnnjax.tasks._command import main
from rnnjax.tasks._tagging import _chunks
from rnnjax.tasks._tagging._chunks import (
    Sentence,
    iob2,
    made_chunks,
    most_frequent,
    own_chunks,
)
from rnnjax.tasks._tagging._tagger import LETTERS, Tokens, batches, bracketed, tag, words_of

SMALL = ["--hidden", "8", "--embedding", "4", "--characters", "3", "--batch", "8"]
FIRST = "The DT I-NP\nbank NN I-NP\n! . O\n\nplans VBZ B-VP\nRome NNP B-NP\n. . O\n\n"


def run(*arguments):
    return main(["tagging", *map(str, arguments)])


@pytest.fixture
def columns(tmp_path):
    path = tmp_path / "tags.txt"
    path.write_text(FIRST * 12)
    return path


def test_train_evaluate_use(tmp_path, columns, capsys):
    out = tmp_path / "out"
    assert run("train", "--data", columns, "--steps", 4, "--out", out, *SMALL) == 0
    printed = capsys.readouterr().out
    assert "20 train, 2 valid, 2 test" in printed and "eval f1" in printed
    assert "most frequent tag" in printed and "100.00%" in printed  # so few words are no riddle
    result = re.search(r"this network +│ +(\d+\.\d\d)%", printed)
    f1 = read_extra(out / "model.safetensors")["compared"]["F1 of chunks"]["this network"]
    assert result and 100 * f1 == pytest.approx(float(result[1]), abs=0.01)
    assert (out / "transitions.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    assert f"f1         {f1:.2%}" in capsys.readouterr().out
    assert run("use", "--model", out, "The bank [x] plans.") == 0
    shown = capsys.readouterr().out
    assert re.sub(r"\[(NP|VP) | \]|\]|\[", "", shown).split() == ["The", "bank", "x", "plans", "."]
    assert run("use", "--model", out, " ") == 1
    assert "expected a sentence of at least one word" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content, message",
    [
        (
            None,
            "expected 'made', 'conll2000' or a file with a word and its tag a line, got no file",
        ),
        (b"", "expected a text file with some text"),
        (b"caf\xe9 B-NP\n", "expected a text file in UTF-8"),
        (b"bank\n", "expected at least two columns, word and tag, in .*, got 1"),
        (b"bank B-NP\nplans\n", "expected 2 columns in every line"),
        (b"bank NN\n", "expected a tag 'O', .* got 'NN'; .*, in the last column of"),
        (FIRST.encode() * 3, "expected at least 20 sentences, got 6"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, content, message):
    path = tmp_path / "tags.txt"
    if content is not None:
        path.write_bytes(content)
    assert run("train", "--data", path, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])


def test_own_files_may_be_in_iob1_and_compressed(tmp_path, columns):
    path = tmp_path / "tags.txt.gz"
    path.write_bytes(gzip.compress(columns.read_bytes()))
    sentences = own_chunks(str(path))
    assert sentences == own_chunks(str(columns))
    assert Sentence(("The", "bank", "!"), ("B-NP", "I-NP", "O")) in sentences.train
    found = iob2(["I-a", "I-a", "B-a", "I-b", "O", "I-b"])
    assert found == ("B-a", "I-a", "B-a", "B-b", "O", "B-b")
    assert iob2(["I", "I", "O"]) == ("B", "I", "O")


def test_conll_2000_is_checked_by_the_checksum_of_its_text(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    (tmp_path / "tagging").mkdir()
    (tmp_path / "tagging" / "train.txt.gz").write_bytes(gzip.compress(FIRST.encode()))
    with pytest.raises(ValueError, match=r"expected a file with SHA-256 82033cd7.* got "):
        _chunks.conll2000()
    monkeypatch.setattr(_chunks, "data_file", lambda name, **_: tmp_path / name)
    for name, times in (("train", 15), ("test", 2)):
        path = tmp_path / "tagging" / f"{name}.txt.gz"
        path.write_bytes(gzip.compress(FIRST.encode() * times))
    found = _chunks.conll2000()
    assert [len(part) for part in found] == [27, 3, 4]


def test_made_sentences_are_in_bio_and_need_more_than_their_words():
    sentences = made_chunks()
    assert [len(part) for part in sentences] == [2400, 300, 300]
    everything = [each for part in sentences for each in part]
    assert len({each.words for each in everything}) == len(everything)
    assert all(iob2(each.tags) == each.tags for each in everything)
    assert sentences == made_chunks()
    kinds = {tag for each in everything for tag in each.tags}
    assert {"O", "B-NP", "I-NP", "B-VP", "I-VP", "B-PP", "B-SBAR", "B-ADVP", "B-ADJP"} <= kinds
    simple = most_frequent(sentences.train, sentences.test)
    assert 0.5 < span_scores(simple, [each.tags for each in sentences.test]).f1 < 0.7


def test_the_most_frequent_tag_of_a_word_and_of_all():
    train = [Sentence(("a", "b", "a", "c"), ("B-x", "O", "O", "O")), Sentence(("a",), ("B-x",))]
    assert most_frequent(train, [Sentence(("a", "b", "new"), ("O",) * 3)]) == [("B-x", "O", "O")]


def test_tokens_are_of_words_in_small_letters_and_of_characters():
    train = [Sentence(("The", "the", "A1", "a2"), ("O", "B-NP", "I-NP", "O"))]
    tokens = Tokens.of(train, least=2)
    assert set(tokens.words.entries) == {"<unk>", "the", "a0"}
    found = tokens.encode(["THE", "new", "abcdefghijklmnopqrstT"])
    assert found.shape == (3, 1 + LETTERS)
    assert found[:, 0].tolist() == [tokens.words["the"], 0, 0]
    assert found[0, 1] == tokens.characters["T"] and not found[0, 4:].any()
    assert found[1, 1] == tokens.characters["<unk>"] and (found[2, 1:] != 0).all()
    assert found[2, -1] == tokens.characters["T"]  # the ends of a long word count
    assert Tokens.from_entries(tokens.to_entries()) == tokens


def test_sentences_are_split_as_the_treebank_does():
    found = words_of("Mr. Lee's plan (of the U.S. bank) doesn't cost 1,000.5%.")
    assert " ".join(found) == "Mr. Lee 's plan ( of the U.S. bank ) does n't cost 1,000.5 % ."
    assert words_of("a well-made plan .") == ["a", "well-made", "plan", "."]
    assert bracketed(["a", "[b]", "c"], ["B-NP", "I-NP", "O"]) == r"[bold]\[NP[/] a \[b]] c"


def test_tags_come_back_in_the_order_of_the_sentences():
    config = tagging.Config(hidden=4, embedding=3, characters=2, least=1)
    sentences = own(["a b c", "d", "e f", "g h i j"] * 20)
    tokens = Tokens.of(sentences, least=1)
    model = tagging.build(config, tokens)
    params = model.init(jax.random.key(1), 1 + LETTERS)
    params = random_like(1, params)
    words = [each.words for each in sentences]
    together = tag(model, params, tokens, words)
    alone = [tag(model, params, tokens, [one])[0] for one in words[:4]]
    assert together == alone * 20 and len({*map(tuple, alone)}) > 1
    feed = batches(sentences, tokens, 8)
    assert sum(np.sum(np.asarray(batch.lengths)) for batch in feed) == sum(map(len, words))


def own(texts):
    """Sentences whose tags alternate."""
    every = [tuple(text.split()) for text in texts]
    return [Sentence(one, (("O", "B-x") * len(one))[: len(one)]) for one in every]
