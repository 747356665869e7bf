"""Translation: an encoder, a decoder with attention, and beam search."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from rich.console import Console
from rich.markup import escape

from .. import cells
from .._checks import Rate
from ..attention import MultiHead
from ..data import Vocabulary
from ..layers import (
    RNN,
    Attend,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    EncoderDecoder,
    Sequential,
)
from ..losses import accuracy, cross_entropy
from ..training import Fit, SequenceObjective
from ..training import evaluate as held_out_loss
from ._application import Settings, compare, draw_figure, load_model, save_model, train_model
from ._translation._figure import draw
from ._translation._pairs import UNKNOWN, Pair, Pairs, Side, Sides, batches, multi30k, numbers, own
from ._translation._translate import translate

SETS = {"numbers": numbers, "multi30k": multi30k}
_SIDES = ("source", "target")
_CELLS = {"gru": cells.GRU, "lstm": cells.LSTM}


class Config(Settings):
    """The settings of a translator.

    Args:
        data: "numbers", German and English number words; "multi30k", German and English
            descriptions of pictures; or a table of two columns, source and target (.tsv, .csv).
        cell: kind of recurrent layers.
        hidden: units of the decoder, and of the encoder's directions together.
        embedding: features of a word, and of the decoder's last layer.
        heads: number of heads of the attention, which divides `hidden`.
        dropout: rate after embeddings and before the output.
        least: how often a word occurs at least; others are unknown.
        label_smoothing: share of each target that is spread over all words.
    """

    data: str = "numbers"
    minutes: float = 1.5
    batch: int = 64
    cell: Literal["gru", "lstm"] = "gru"
    hidden: int = 128
    embedding: int = 64
    heads: int = 4
    dropout: Rate = 0.2
    least: int = 2
    label_smoothing: Rate = 0.0


def load(config: Config) -> Pairs:
    """The data of a run."""
    make = SETS.get(config.data)
    return make(config.seed) if make else own(Path(config.data), config.seed)


def build(config: Config, source: int, target: int) -> EncoderDecoder:
    """The model: target tokens `[B, T]`, and source tokens as the context, to logits."""
    cell, noise = _CELLS[config.cell], Dropout(config.dropout)
    directions = Bidirectional(cell(config.hidden // 2))
    encoder = Sequential((Embedding(source, config.embedding), noise, directions, noise))
    summary = config.hidden * (2 if config.cell == "lstm" else 1)
    decoder = Sequential(
        embedding=Embedding(target, config.embedding),
        noise=noise,
        rnn=RNN(cells.Bridge(cell(config.hidden), summary)),
        attend=Attend(MultiHead(config.heads, config.hidden), config.hidden, config.embedding),
        noise_out=noise,
        logits=Dense(target),
    )
    return EncoderDecoder(encoder, decoder)


def objective(model: EncoderDecoder, config: Config) -> SequenceObjective:
    """The quantity to minimise, in nats per target token."""
    smooth = partial(cross_entropy, label_smoothing=config.label_smoothing)
    return SequenceObjective(model, smooth)


def learn(config: Config, pairs: Pairs, sides: Sides, model: EncoderDecoder) -> Fit:
    """Trains; the best state has the lowest cross-entropy on the validation pairs."""
    feed = batches(pairs.train, sides, config.batch, config.seed)
    valid = batches(pairs.valid, sides, config.batch)
    plain = SequenceObjective(model, cross_entropy)

    def held_out(state: Any) -> dict[str, float]:
        found = held_out_loss(plain, state.params, valid, metrics={"accuracy": accuracy})
        return found | {"perplexity": float(np.exp(found["loss"]))}

    params, every = model.init(jax.random.key(config.seed)), max(feed.per_epoch, 100)
    goal = objective(model, config)
    return train_model(config, goal, params, feed, evaluate=held_out, eval_every=every)


def results(pairs: Sequence[Pair], model: EncoderDecoder, params: Any, sides: Sides) -> dict:
    """The test numbers: perplexity by token, and BLEU of the translations."""
    from sacrebleu import corpus_bleu

    plain = SequenceObjective(model, cross_entropy)
    loss = held_out_loss(plain, params, batches(pairs, sides, 50))
    sources, targets = zip(*pairs, strict=True)
    found = translate(model, params, sides, sources)
    exact = np.mean([a == b for a, b in zip(found, targets, strict=True)])
    bleu = corpus_bleu(found, [list(targets)]).score
    return {"perplexity": float(np.exp(loss)), "BLEU": bleu, "exact": float(exact)}


def train(config: Config, *, out: Path = Path("runs/translation")) -> None:
    """Train a translator, and compare it with the source as it is.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
    """
    from sacrebleu import corpus_bleu

    pairs = load(config)
    sides = pairs.sides(config.least)
    model = build(config, *(len(side.vocabulary) for side in sides))
    sizes = [len(part) for part in pairs[:3]]
    print(
        f"{sizes[0]:,} pairs to learn from, {sizes[1]:,} to validate, {sizes[2]:,} to test; "
        f"{len(sides[0].vocabulary):,} and {len(sides[1].vocabulary):,} tokens"
    )
    run = learn(config, pairs, sides, model)
    found = results(pairs.test, model, run.best.params, sides)
    copied = corpus_bleu([x for x, _ in pairs.test], [[y for _, y in pairs.test]]).score
    rows = {"the source as it is": copied, "this network, beam of 5": found["BLEU"]}
    compared = compare("test pairs", "BLEU", rows, "{:.1f}".format)
    compared["perplexity"] = {"this network": found["perplexity"]}
    print(f"perplexity {found['perplexity']:.2f} by token; {found['exact']:.1%} are exact")
    words = {name: list(side.vocabulary.entries) for name, side in zip(_SIDES, sides, strict=True)}
    extra = {
        "data": config.data,
        "seed": config.seed,
        "by_words": [*pairs.by_words],
        "compared": compared,
        **words,
    }
    path = save_model(out, model, run.best.params, **extra)
    for source, target in pairs.test[:3]:
        use(source, model=out)
        print(f"true    {target}")
    print(f"\nmodel   {path}")
    draw_figure(out / "attention.png", draw, model, run.best.params, sides, pairs.test[:4])


def evaluate(model: Path = Path("runs/translation"), *, data: str | None = None) -> None:
    """Report the test numbers of a trained translator.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    network, params, sides, extra = _trained(model)
    pairs = load(Config(data=data or extra["data"], seed=extra["seed"]))
    for name, value in results(pairs.test, network, params, sides).items():
        print(f"{name}: {value:.3f}")


def use(sentence: str, *, model: Path = Path("runs/translation"), width: int = 5) -> None:
    """Translate a sentence.

    Args:
        sentence: words with spaces between them, as in the training data.
        model: folder that `train` wrote.
        width: number of hypotheses of the beam search.
    """
    network, params, sides, _ = _trained(model)
    if not sentence.strip():
        raise ValueError("expected a sentence, got an empty one")
    new = sorted({word for word in sides[0].split(sentence) if word not in sides[0].vocabulary})
    found = translate(network, params, sides, [sentence], width=width)[0]
    console = Console(highlight=False, soft_wrap=True)
    if new:
        console.print(f"unknown {escape(' '.join(new))}")
    console.print(f"source  {escape(sentence)}\n[bold]found   {escape(found)}[/]")


def _trained(folder: Path) -> tuple[EncoderDecoder, Any, Sides, dict]:
    network, params, extra = load_model(folder, "translation")
    source, target = (
        Side(Vocabulary(tuple(extra[name]), unknown=UNKNOWN), by_words)
        for name, by_words in zip(_SIDES, extra["by_words"], strict=True)
    )
    return network, params, (source, target), extra


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
