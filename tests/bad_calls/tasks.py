"""Tasks: synthetic ones, baselines, and the settings of applications."""

import numpy as np

from rnnjax import tasks as ta
from rnnjax.tasks import adding, chorales, text

from .kinds import Argument, array, call, choice, key, number, optional_size, rate, size

ROLLS = [np.ones((4, 88)), np.ones((3, 88))]
rolls = Argument(ROLLS, (None, 3, "text", [], [3], ["text"], [np.ones(88)]))
positive = number(1.0, 0.0, -1.0)

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
        text=Argument(None, (3,)),
        cell=choice("gru"),
        hidden=size(3),
        layers=size(1),
        embedding=size(2),
        dropout=rate(0.1),
        minutes=positive,
        steps=optional_size(None),
        batch=size(2),
        window=size(3),
        learning_rate=positive,
        clip=positive,
        seed=size(0, least=0),
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
