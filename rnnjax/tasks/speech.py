"""Speech: the words of a recording, by log-mel features, bidirectional LSTMs and CTC."""

from pathlib import Path
from typing import Any

import jax

from .. import cells
from .._checks import Rate
from ..data import Vocabulary, read_wav
from ..layers import Bidirectional, Dense, Dropout, Layer, Sequential, SpecAugment
from ..losses import ctc_loss
from ..training import Fit, SequenceObjective
from ..training import evaluate as held_out_loss
from ._application import Settings, compare, draw_figure, load_model, save_model, train_model
from ._speech._dialled import dialled
from ._speech._digits import spoken_digits
from ._speech._figure import draw
from ._speech._recordings import recordings
from ._speech._transcribe import results, transcribe, word_error_rate
from ._speech._utterances import Speech, Utterance, batches, features, nearest_mean

SETS = {"dialled": dialled, "digits": spoken_digits}


class Config(Settings):
    """The settings of a recogniser.

    Args:
        data: "dialled", made telephone numbers; "digits", the free spoken digits, single and in
            strings; or a folder of WAV files with `transcripts.tsv`: a file name, a tab, words.
        hidden: units of a recurrent layer in each direction.
        layers: number of recurrent layers.
        mels: bands of the spectrum.
        dropout: rate after every recurrent layer.
        time_width: largest number of frames that SpecAugment hides at once, each of 20 ms.
        frequency_width: largest number of bands that it hides at once.
    """

    data: str = "dialled"
    hidden: int = 64
    layers: int = 2
    mels: int = 40
    dropout: Rate = 0.2
    time_width: int = 5
    frequency_width: int = 6


def load(data: str, seed: int = 0, rate: int | None = None) -> Speech:
    """The data of a run; recordings of one's own at `rate`, by default that of the first."""
    return SETS[data](seed) if data in SETS else recordings(Path(data), seed, rate)


def build(config: Config, classes: int) -> Layer:
    """The model: features `[B, T, mels]` to logits `[B, T, classes]`."""
    recurrent = (Bidirectional(cells.LSTM(config.hidden)), Dropout(config.dropout))
    noise = {"time_width": config.time_width, "frequency_width": config.frequency_width}
    augment = SpecAugment(**noise, time_share=0.2)
    return Sequential((augment, *recurrent * config.layers, Dense(classes)))


def objective(model: Layer) -> SequenceObjective:
    """The quantity to minimise, in nats per utterance."""
    return SequenceObjective(model, ctc_loss)


def learn(config: Config, speech: Speech, model: Layer) -> Fit:
    """Trains; the best state has the lowest loss on the validation utterances."""
    feed = batches(speech.train, speech, config.mels, config.batch, config.seed)
    valid = batches(speech.valid, speech, config.mels, config.batch)
    inputs, loss = features(speech.valid, speech.rate, config.mels), objective(model)

    def held_out(state: Any) -> dict[str, float]:
        found = transcribe(model, state.params, inputs, speech.vocabulary)
        errors = word_error_rate(speech.valid, found)
        return {"loss": held_out_loss(loss, state.params, valid), "word_error_rate": errors}

    params = model.init(jax.random.key(config.seed), config.mels)
    return train_model(config, loss, params, feed, evaluate=held_out, eval_every=200)


def train(config: Config, *, out: Path = Path("runs/speech")) -> None:
    """Train a recogniser, and compare it with the nearest mean spectrum on single words.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
    """
    speech = load(config.data, config.seed)
    model = build(config, len(speech.vocabulary))
    sizes = {name: len(getattr(speech, name)) for name in ("train", "valid", "test")}
    print(f"utterances: {sizes}; {len(speech.vocabulary) - 1} labels at {speech.rate} Hz")
    params = learn(config, speech, model).best.params
    found = results(speech, model, params, config.mels)
    show = "{:.2%}".format
    errors = {"no words at all": 1.0, "this network": found["word error rate"]}
    compared = compare("test utterances", "word error rate", errors, show)
    if speech.single_test:
        right = {
            "nearest mean spectrum": nearest_mean(speech, config.mels),
            "this network": found["accuracy of single words"],
        }
        compared |= compare("single words of the test", "accuracy of single words", right, show)
    extra = {"data": config.data, "seed": config.seed, "mels": config.mels, "rate": speech.rate}
    extra |= {"labels": [*speech.vocabulary.entries], "compared": compared}
    path = save_model(out, model, params, config.mels, **extra)
    print(f"\nmodel   {path}")
    draw_figure(out / "alignment.png", draw, speech, model, params, config.mels)


def evaluate(model: Path = Path("runs/speech"), *, data: str | None = None) -> None:
    """Report the test numbers of a trained recogniser.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    network, params, extra = load_model(model, "speech")
    speech = load(data or extra["data"], extra["seed"], extra["rate"])
    speech = speech._replace(vocabulary=Vocabulary(tuple(extra["labels"])))
    for name, value in results(speech, network, params, extra["mels"]).items():
        print(f"{name}: {value:.2%}")


def use(wav: Path | None = None, *, model: Path = Path("runs/speech"), number: int = 0) -> None:
    """Write down the words of a recording.

    Args:
        wav: the file; by default an utterance of the test, whose words are shown, too.
        model: folder that `train` wrote.
        number: of the utterance.
    """
    network, params, extra = load_model(model, "speech")
    rate, vocabulary = extra["rate"], Vocabulary(tuple(extra["labels"]))
    if wav is None:
        test = load(extra["data"], extra["seed"], rate).test
        said = test[number % len(test)]
        print(f"said   {' '.join(said.words)}")
    else:
        said = Utterance(read_wav(wav, rate).samples, ())
    inputs = features([said], rate, extra["mels"])
    print(f"heard  {transcribe(network, params, inputs, vocabulary)[0] or '(no words)'}")


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
