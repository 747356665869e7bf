"""Tagging: the chunks of a sentence, by words, characters, a bidirectional LSTM and a CRF."""

from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from .. import cells
from .._checks import Rate
from ..layers import CRF, Bidirectional, Dense, Dropout, Layer, Sequential, bio_constraints
from ..losses import SpanScores, crf_loss, span_scores
from ..training import Fit, SequenceObjective
from ._application import Settings, compare, draw_figure, load_model, save_model, train_model
from ._tagging._chunks import Sentence, Sentences, conll2000, made_chunks, most_frequent, own_chunks
from ._tagging._figure import draw
from ._tagging._tagger import (
    LETTERS,
    Tokens,
    WordEncoder,
    batches,
    bracketed,
    tag,
    word_encoder,
    words_of,
)

SETS = {"made": made_chunks, "conll2000": conll2000}


class Config(Settings):
    """The settings of a tagger.

    Args:
        data: "made", sentences from a grammar; "conll2000", newspaper sentences in chunks; or a
            file with a word a line: the word first, its tag last, an empty line behind a sentence.
        hidden: units of an LSTM over words in each direction.
        layers: number of LSTMs over words.
        embedding: features of a word.
        characters: features of a character, and units of the LSTM over them in each direction.
        dropout: rate before and after every LSTM over words.
        hidden_words: share of the words that a training step replaces by the unknown word.
        least: number of times that a word of the vocabulary occurs at least.
    """

    data: str = "made"
    minutes: float = 1.5
    clip: float = 5.0
    hidden: int = 150
    layers: int = 1
    embedding: int = 100
    characters: int = 25
    dropout: Rate = 0.5
    hidden_words: Rate = 0.05
    least: int = 2


def load(config: Config) -> Sentences:
    """The data of a run."""
    return SETS[config.data]() if config.data in SETS else own_chunks(config.data)


def build(config: Config, tokens: Tokens) -> Layer:
    """The model: tokens of words and characters `[B, T, 1 + N]` to potentials `[B, T, K, K]`."""
    words = word_encoder(tokens, config.embedding, config.characters, config.hidden_words)
    noise, tags = Dropout(config.dropout), tokens.tags.entries
    recurrent = (Bidirectional(cells.LSTM(config.hidden)), noise) * config.layers
    crf = CRF(len(tags), constraints=bio_constraints(tags))
    return Sequential((words, noise, *recurrent, Dense(len(tags)), crf))


def objective(model: Layer) -> SequenceObjective:
    """The quantity to minimise, in nats per sentence."""
    return SequenceObjective(model, crf_loss)


def score(model: Layer, params: Any, tokens: Tokens, sentences: list[Sentence]) -> SpanScores:
    """How the chunks that a model finds agree with the true ones."""
    found = tag(model, params, tokens, [sentence.words for sentence in sentences])
    return span_scores(found, [sentence.tags for sentence in sentences])


def learn(config: Config, sentences: Sentences, tokens: Tokens, model: Layer) -> Fit:
    """Trains; the best state has the highest F1 on the validation sentences."""
    feed = batches(sentences.train, tokens, config.batch, config.seed)

    def held_out(state: Any) -> dict[str, float]:
        f1 = score(model, state.params, tokens, sentences.valid).f1
        return {"loss": 1 - f1, "f1": f1}

    params = model.init(jax.random.key(config.seed), 1 + LETTERS)
    return train_model(
        config, objective(model), params, feed, evaluate=held_out, eval_every=feed.per_epoch
    )


def train(config: Config, *, out: Path = Path("runs/tagging")) -> None:
    """Train a tagger, and compare it with the most frequent tag of each word.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
    """
    sentences = load(config)
    tokens = Tokens.of(sentences.train, config.least)
    model = build(config, tokens)
    sizes = ", ".join(f"{len(part)} {name}" for name, part in sentences._asdict().items())
    print(f"sentences: {sizes}; {len(tokens.words)} words, {len(tokens.tags)} tags")
    params = learn(config, sentences, tokens, model).best.params
    found = score(model, params, tokens, sentences.test)
    baseline = most_frequent(sentences.train, sentences.test)
    simple = span_scores(baseline, [sentence.tags for sentence in sentences.test]).f1
    rows = {"most frequent tag of a word": simple, "this network": found.f1}
    compared = compare("test sentences", "F1 of chunks", rows, "{:.2%}".format)
    extra = {"data": config.data, "tokens": tokens.to_entries(), "compared": compared}
    print(f"\nmodel   {save_model(out, model, params, 1 + LETTERS, **extra)}")
    draw_figure(out / "transitions.png", draw, params[-1], tokens.tags.entries)


def evaluate(model: Path = Path("runs/tagging"), *, data: str | None = None) -> None:
    """Report precision, recall and F1 of a trained tagger on the test sentences.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    network, params, extra = load_model(model, "tagging", (WordEncoder,))
    sentences = load(Config(data=data or extra["data"]))
    tokens = Tokens.from_entries(extra["tokens"])
    for name, value in score(network, params, tokens, sentences.test)._asdict().items():
        print(f"{name:10} {value:.2%}")


def use(sentence: str, *, model: Path = Path("runs/tagging")) -> None:
    """Put the chunks of a sentence in brackets.

    Args:
        sentence: words and punctuation marks.
        model: folder that `train` wrote.
    """
    network, params, extra = load_model(model, "tagging", (WordEncoder,))
    words, tokens = words_of(sentence), Tokens.from_entries(extra["tokens"])
    tags = tag(network, params, tokens, [words])[0]
    Console(highlight=False).print(bracketed(words, tags), soft_wrap=True)


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
