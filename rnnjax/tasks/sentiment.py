"""Sentiment: the label of a short text, by a bidirectional LSTM over its words."""

from pathlib import Path
from typing import Any, Literal

import jax

from .. import cells
from .._checks import Rate
from ..data import Vocabulary, tokenize
from ..layers import (
    AttentionPool,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Layer,
    Pool,
    Sequential,
    TokenDropout,
)
from ..losses import cross_entropy
from ..training import Fit, SequenceObjective
from ._application import Settings, compare, draw_figure, load_model, save_model, train_model
from ._sentiment._decisions import Classifier, batches, decide, share_right, show
from ._sentiment._figure import draw
from ._sentiment._naive_bayes import majority, naive_bayes
from ._sentiment._reviews import Reviews, film_reviews, made_reviews, own_reviews

SETS = {"made": made_reviews, "films": film_reviews}
UNKNOWN = "<unk>"


class Config(Settings):
    """The settings of a classifier of texts.

    Args:
        data: "made", reviews from a grammar; "films", sentences of film reviews; or a .csv or .tsv
            file with the columns text and label.
        hidden: units of the recurrent layer in each direction.
        embedding: features of a word.
        pool: one vector a text, by the largest value of every feature, or by attention.
        hidden_words: share of the words that a training step replaces by the unknown one.
        embedding_dropout: rate of the features of words.
        dropout: rate of the features of texts.
        least: number of texts to learn from in which a word of the vocabulary occurs at least.
    """

    data: str = "made"
    minutes: float = 1.0
    batch: int = 64
    learning_rate: float = 5e-3
    hidden: int = 100
    embedding: int = 100
    pool: Literal["max", "attention"] = "max"
    hidden_words: Rate = 0.02
    embedding_dropout: Rate = 0.2
    dropout: Rate = 0.5
    least: int = 2


def load(config: Config) -> Reviews:
    """The data of a run."""
    return SETS[config.data]() if config.data in SETS else own_reviews(config.data)


def build(config: Config, vocabulary: int, classes: int) -> Layer:
    """The model: tokens `[B, T]` to logits `[B, classes]`."""
    # Small vectors, so that a word that is seen a few times leaves the start.
    words = Embedding(vocabulary, config.embedding, scale=0.1)
    hide = TokenDropout(config.hidden_words)
    both = Bidirectional(cells.LSTM(config.hidden))
    pool = Pool("max") if config.pool == "max" else AttentionPool(config.hidden)
    noise = Dropout(config.embedding_dropout), Dropout(config.dropout)
    return Sequential((hide, words, noise[0], both, pool, noise[1], Dense(classes)))


def objective(model: Layer) -> SequenceObjective:
    """The quantity to minimise, in nats per text."""
    return SequenceObjective(model, cross_entropy)


def learn(config: Config, reviews: Reviews, vocabulary: Vocabulary, model: Layer) -> Fit:
    """Trains; the best state has the highest accuracy on the validation texts."""
    feed = batches(reviews.train, vocabulary, reviews.labels, config.batch, config.seed)

    def held_out(state: Any) -> dict[str, float]:
        now = Classifier(model, state.params, vocabulary, reviews.labels)
        right = share_right(now, reviews.valid)
        return {"loss": 1 - right, "accuracy": right}

    params = model.init(jax.random.key(config.seed), None)
    return train_model(
        config, objective(model), params, feed, evaluate=held_out, eval_every=feed.per_epoch
    )


def train(config: Config, *, out: Path = Path("runs/sentiment")) -> None:
    """Train on labelled texts, and show which words decide.

    Args:
        config: settings of model and training.
        out: folder for the model and the figure.
    """
    reviews = load(config)
    words = (each.words for each in reviews.train)
    vocabulary = Vocabulary.of(words, unknown=UNKNOWN, least=config.least)
    model = build(config, len(vocabulary), len(reviews.labels))
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in reviews.parts().items())
    print(f"texts: {sizes}; {len(vocabulary):,} words; labels {', '.join(reviews.labels)}")
    params = learn(config, reviews, vocabulary, model).best.params
    classifier = Classifier(model, params, vocabulary, reviews.labels)
    rows = {
        "most frequent label": majority(reviews.train, reviews.test),
        "naive Bayes, words and pairs": naive_bayes(reviews.train, reviews.test),
        "this network": share_right(classifier, reviews.test),
    }
    compared = compare("test texts", "accuracy", rows)
    extra = {"data": config.data, "compared": compared}
    extra |= {"vocabulary": list(vocabulary.entries), "labels": list(reviews.labels)}
    path = save_model(out, model, params, **extra)
    shown = [each for each in reviews.test if 8 <= len(each.words) <= 16][:4] or reviews.test[:1]
    decisions = [decide(classifier, each.words) for each in shown]
    for decision in decisions:
        show(decision)
    print(f"\nmodel   {path}")
    draw_figure(out / "words.png", draw, decisions, [each.label for each in shown])


def evaluate(model: Path = Path("runs/sentiment"), *, data: str | None = None) -> None:
    """Report the accuracy of a trained network on labelled texts.

    Args:
        model: folder that `train` wrote.
        data: as for `train`, by default the same; its test texts count, of another file all.
    """
    classifier, extra = _trained(model)
    reviews = load(Config(data=data or extra["data"]))
    ours = data in (None, extra["data"], *SETS)
    texts = reviews.test if ours else [*reviews.train, *reviews.valid, *reviews.test]
    if other := sorted({each.label for each in texts} - set(classifier.labels)):
        known = ", ".join(classifier.labels)
        raise ValueError(f"expected the labels {known}, got {', '.join(other)} in {data}")
    print(f"accuracy {share_right(classifier, texts):.3f} on {len(texts):,} texts")


def use(text: str, *, model: Path = Path("runs/sentiment")) -> None:
    """Decide about a text, with the words that moved the decision.

    Args:
        text: a sentence or a few.
        model: folder that `train` wrote.
    """
    classifier, _ = _trained(model)
    words = tokenize(text, lower=True)
    show(decide(classifier, words))
    if strange := [word for word in dict.fromkeys(words) if word not in classifier.vocabulary]:
        print(f"  not in the vocabulary: {', '.join(strange)}")


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}


def _trained(folder: Path) -> tuple[Classifier, Any]:
    """The classifier that `train` wrote, and the rest of its file."""
    model, params, extra = load_model(folder, "sentiment")
    vocabulary = Vocabulary(tuple(extra["vocabulary"]), unknown=UNKNOWN)
    return Classifier(model, params, vocabulary, extra["labels"]), extra
