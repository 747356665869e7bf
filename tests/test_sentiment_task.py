"""The application `sentiment`: its data, its baselines, what its network decides, its command."""

import re
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest

from rnnjax.data import Vocabulary
from rnnjax.layers import Dense, Embedding, Pool, Sequential
from rnnjax.tasks._command import main
from rnnjax.tasks._sentiment._decisions import (
    Classifier,
    batches,
    coloured,
    decide,
    moved_most,
    share_right,
)
from rnnjax.tasks._sentiment._naive_bayes import majority, naive_bayes
from rnnjax.tasks._sentiment._reviews import made_reviews, review, split

SMALL = ["--hidden", "8", "--embedding", "8", "--batch", "8", "--learning-rate", "0.02"]


@pytest.fixture(scope="module")
def made():
    return made_reviews()


@pytest.fixture
def table(tmp_path):
    """A table of texts with three labels, which one word decides."""
    rng = np.random.default_rng(0)
    path, lines = tmp_path / "own.csv", ["id,label,text"]
    for number in range(120):
        label = ("good", "bad", "so so")[number % 3]
        words = [*rng.choice(["the", "film", "of", "it"], 3), {"so so": "fair"}.get(label, label)]
        lines.append(f'{number},{label},"{" ".join(rng.permutation(words))}, n{number % 40}"')
    path.write_text("\n".join(lines))
    return path


def run(*arguments):
    return main(["sentiment", *map(str, arguments)])


# Data


def test_made_reviews_are_the_same_every_time_and_of_new_texts_in_the_test(made):
    assert made == made_reviews()
    sizes = len(made.train), len(made.valid), len(made.test)
    assert sizes == (9600, 1200, 1200) and made.labels == ("negative", "positive")
    texts = [each.words for part in made[:3] for each in part]
    assert len(set(texts)) >= len(texts) - 5  # they differ as texts, few in spaces alone
    assert abs(np.mean([each.label == "positive" for each in made.train]) - 0.5) < 0.02


def test_no_word_of_the_made_reviews_decides_alone(made):
    labels = defaultdict(Counter)
    for each in made.train:
        for word in set(each.words):
            labels[word][each.label] += 1
    shares = {w: c["positive"] / c.total() for w, c in labels.items() if c.total() > 300}
    assert {"not", "never", "but", "although", "nobody"} <= set(shares)
    for word in ("not", "never", "but", "although", "nobody", "hardly", "n't", "isn't"):
        assert abs(shares.get(word, 0.5) - 0.5) < 0.1
    assert max(abs(share - 0.5) for share in shares.values()) < 0.25
    assert naive_bayes(made.train, made.test) < 0.7


def test_a_split_is_of_all_texts_and_always_the_same():
    every = [review(f"text {n}", "ab"[n % 2]) for n in range(57)]
    parts = split(every)
    assert [len(part) for part in parts[:3]] == [47, 5, 5] and parts == split(every)
    assert sorted(each for part in parts[:3] for each in part) == sorted(every)


# Baselines


def test_naive_bayes_is_the_rule_of_bayes():
    train = [review("a good film", "+"), review("good good fun", "+"), review("a bad film", "-")]
    # Of 11 different words and pairs, 5 and 4 occur in the positive texts and 5 in the negative.
    positive, negative = 5 + 4 + 11, 5 + 11
    cases = {
        "good": (2 / 3 * 3 / positive, 1 / 3 * 1 / negative),
        "bad": (2 / 3 * 1 / positive, 1 / 3 * 2 / negative),
        "film": (2 / 3 * 2 / positive, 1 / 3 * 2 / negative),
        "a bad": (2 / 3 * 2 * 1 * 1 / positive**3, 1 / 3 * 2 * 2 * 2 / negative**3),
        "good bad": (2 / 3 * 3 * 1 / positive**2, 1 / 3 * 1 * 2 / negative**2),
        "never seen": (2 / 3, 1 / 3),
    }
    assert {plus > minus for plus, minus in cases.values()} == {True, False}
    for text, (plus, minus) in cases.items():
        likeliest = "+" if plus > minus else "-"
        assert naive_bayes(train, [review(text, likeliest)]) == 1
    test = [review("bad", label) for label in "++-"]
    assert naive_bayes(train, test) == pytest.approx(1 / 3)
    assert majority(train, test) == pytest.approx(2 / 3)


# Decisions


def classifier(classes=3):
    """A small network with random parameters."""
    vocabulary = Vocabulary(("<unk>", "a", "good", "film"), unknown="<unk>")
    model = Sequential((Embedding(4, 5), Pool("max"), Dense(classes)))
    params = model.init(jax.random.key(3), None)
    return Classifier(model, params, vocabulary, ("x", "y", "z")[:classes])


@pytest.mark.parametrize("classes", [2, 3])
def test_the_influence_of_a_word_is_the_change_without_it(classes):
    network = classifier(classes)
    words = ["a", "good", "film", "indeed"]

    def log_odds(words, label=None):
        table = np.asarray(network.params[0].table, np.float64)
        rows = table[network.vocabulary.encode(words)]
        w, b = (np.asarray(a, np.float64) for a in network.params[2])
        p = np.exp((rows.max(0) if len(words) else np.zeros(5)) @ w + b)
        p /= p.sum()
        label = p.argmax() if label is None else label
        return label, p[label], np.log(p[label] / (1 - p[label]))

    found = decide(network, words)
    label, probability, full = log_odds(words)
    assert found.label == network.labels[label]
    assert found.probability == pytest.approx(probability, rel=1e-5)
    without = [log_odds(words[:i] + words[i + 1 :], label)[2] for i in range(4)]
    np.testing.assert_allclose(found.influence, full - np.array(without), rtol=1e-4, atol=1e-5)
    only = decide(network, ["good"])
    label, _, full = log_odds(["good"])
    np.testing.assert_allclose(only.influence, [full - log_odds([], label)[2]], rtol=1e-4)


def test_words_are_shown_by_how_far_they_moved_the_decision():
    decision = decide(classifier(), ["a", "good", "film"])
    decision = decision._replace(influence=np.array([0.05, -2.0, 3.0]))
    assert moved_most(decision, 2) == "film +3.0, good -2.0"
    text = coloured(decision)
    styles = [str(span.style) for span in text.spans]
    assert text.plain == "a good film " and styles == ["dim", "bold red", "bold green"]
    none = decision._replace(influence=np.zeros(3))
    assert [str(span.style) for span in coloured(none).spans] == ["dim"] * 3


def test_every_text_is_in_one_batch_and_counts_once():
    rng, network = np.random.default_rng(0), classifier()
    texts = [
        review(["a", "good", "film", "bad"][n % 4] + " a" * rng.integers(60), "xyz"[n % 3])
        for n in range(50)
    ]
    feed = batches(texts, network.vocabulary, network.labels, 8)
    counted = [(np.asarray(batch.lengths), np.asarray(batch.loss_mask)) for batch in feed]
    lengths = np.concatenate([lengths[mask] for lengths, mask in counted])
    assert sorted(lengths) == sorted(len(each.words) for each in texts)
    right = [decide(network, each.words).label == each.label for each in texts]
    assert share_right(network, texts) == pytest.approx(np.mean(right))


# The command


def test_train_evaluate_use(tmp_path, table, capsys):
    out = tmp_path / "out"
    options = ["--data", table, "--steps", 60, "--out", out, "--pool", "attention"]
    assert run("train", *options, *SMALL) == 0
    printed = capsys.readouterr().out
    assert "96 to learn from, 12 to choose by, 12 to report" in printed
    assert "labels bad, good, so so" in printed and "eval accuracy" in printed
    numbers = dict(re.findall(r"│ ([a-zA-Z, ]+?) +│ +(\d\.\d+) │", printed))
    assert set(numbers) == {"most frequent label", "naive Bayes, words and pairs", "this network"}
    assert float(numbers["this network"]) > 0.9 > float(numbers["most frequent label"])
    assert printed.count("moved most by") == 1  # no text has 8 words
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "words.png"}
    assert (out / "words.png").read_bytes().startswith(b"\x89PNG")

    assert run("evaluate", "--model", out) == 0
    expected = f"accuracy {numbers['this network']} on 12 texts\n"
    assert capsys.readouterr().out == expected
    again = tmp_path / "again.csv"
    again.write_text(table.read_text())
    assert run("evaluate", "--model", out, "--data", again) == 0
    assert re.fullmatch(r"accuracy (0\.9\d+|1\.000) on 120 texts\n", capsys.readouterr().out)
    assert run("evaluate", "--model", out, "--data", "made") == 1
    printed = capsys.readouterr().out
    assert "expected the labels bad, good, so so, got negative, positive in made" in printed

    assert run("use", "--model", out, "The film of it: good, but strange!") == 0
    printed = capsys.readouterr().out
    assert re.search(r"good \(0\.\d\d\)  the film of it : good , but strange !", printed)
    assert re.search(r"moved most by good \+\d", printed)
    assert "not in the vocabulary: :, but, strange, !" in printed
    assert run("use", "--model", out, " ") == 1
    assert "expected a text with at least one word" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", None, "expected 'made', 'films' or a .csv or .tsv file"),
        ("a.csv", "", "which is empty"),
        ("a.tsv", "sentence\tlabel\nx\ty\n", "expected the columns text, label in"),
        ("a.csv", "text,label\nx,y,z\n", "got 3 in line 2"),
        ("a.csv", "text,label\nx,y\n", "expected at least two different labels, got y"),
        ("a.csv", "text,label\n" + "x,y\n" * 30, "expected at least two different labels, got y"),
        ("a.txt", "text\n", "ends in .csv or .tsv"),
    ],
)
def test_bad_data_gets_one_clear_line(tmp_path, capsys, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert run("train", "--data", path, "--out", tmp_path / "out") == 1
    [line] = capsys.readouterr().out.strip().splitlines()
    assert message in line and not (tmp_path / "out").exists()


def test_evaluate_and_use_need_a_trained_model(tmp_path, capsys):
    for command in (["evaluate"], ["use", "a film"]):
        assert run(*command, "--model", tmp_path) == 1
        assert "expected a model that 'rnnjax sentiment train' wrote" in capsys.readouterr().out
