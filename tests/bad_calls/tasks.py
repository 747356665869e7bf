"""Tasks: synthetic ones, baselines, and the settings of applications."""

import numpy as np

from rnnjax import tasks as ta
from rnnjax.tasks import adding, chorales, speech, tagging, text, translation

from .kinds import Argument, array, call, choice, flag, key, number, optional_size, rate, size

ROLLS = [np.ones((4, 88)), np.ones((3, 88))]
rolls = Argument(ROLLS, (None, 3, "text", [], [3], ["text"], [np.ones(88)]))
positive = number(1.0, 0.0, -1.0)
SETTINGS = {
    "data": Argument("documentation", (3, None)),
    "minutes": positive,
    "steps": optional_size(None),
    "batch": size(2),
    "learning_rate": positive,
    "weight_decay": rate(0.0),
    "clip": positive,
    "seed": size(0, least=0),
}

CALLS = [
    call("rnnjax.tasks.Adding", ta.Adding, steps=Argument(5, (*size(5).bad, 1))),
    call("rnnjax.tasks.Adding.sample", ta.Adding(5).sample, key=key(), batch_size=size(2)),
    call("rnnjax.tasks.CopyMemory", ta.CopyMemory, delay=size(3), length=size(2), symbols=size(4)),
    call("rnnjax.tasks.CopyMemory.sample", ta.CopyMemory(3).sample, key=key(), batch_size=size(2)),
    call("rnnjax.tasks.next_frames", ta.next_frames, rolls=rolls, steps=optional_size(None)),
    call("rnnjax.tasks.frame_baselines", ta.frame_baselines, train=rolls, held_out=rolls),
    call(
        "rnnjax.tasks.ngram_bits",
        ta.ngram_bits,
        train=array(np.arange(5), np.ones(5), np.ones((2, 3), int), np.arange(3, 8), -np.arange(5)),
        held_out=array(np.arange(5), np.ones(5), np.arange(3, 8)),
        order=Argument(2, (*size(2).bad, 6)),
        vocabulary=size(5),
    ),
    call(
        "rnnjax.tasks.text.Config",
        text.Config,
        **SETTINGS,
        unit=choice("words"),
        cell=choice("gru"),
        hidden=size(3),
        layers=size(1),
        embedding=size(2),
        tied=flag(True),
        dropout=rate(0.1),
        per_sequence=flag(True),
        weight_drop=rate(0.1),
        window=size(3),
        average=rate(0.1),
    ),
    call(
        "rnnjax.tasks.tagging.Config",
        tagging.Config,
        **SETTINGS,
        hidden=size(4),
        layers=size(1),
        embedding=size(2),
        characters=size(2),
        dropout=rate(0.1),
        hidden_words=rate(0.1),
        least=size(1),
    ),
    call(
        "rnnjax.tasks.speech.Config",
        speech.Config,
        **SETTINGS,
        hidden=size(4),
        layers=size(1),
        mels=size(4),
        dropout=rate(0.1),
        time_width=size(2, least=0),
        frequency_width=size(2, least=0),
    ),
    call(
        "rnnjax.tasks.translation.Config",
        translation.Config,
        **SETTINGS,
        cell=choice("gru"),
        hidden=size(4),
        embedding=size(2),
        dropout=rate(0.1),
        least=size(1),
        label_smoothing=rate(0.1),
    ),
    call(
        "rnnjax.tasks.adding.Config",
        adding.Config,
        length=Argument(5, (*size(5).bad, 1)),
        hidden=size(3),
        updates=size(3),
        batch=size(2),
        learning_rate=positive,
        clip=positive,
        seeds=size(1),
    ),
    call(
        "rnnjax.tasks.chorales.Config",
        chorales.Config,
        hidden=size(3),
        epochs=size(3),
        batch=size(2),
        seeds=size(1),
    ),
]
