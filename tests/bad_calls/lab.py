"""The lab: pages of models, and panels."""

from tempfile import TemporaryDirectory
from unittest.mock import patch

import jax

from rnnjax import GRU, LSTM, cells, lab
from rnnjax.layers import RNN, Bidirectional, Dense, Embedding, Sequential

from .kinds import Argument, call, choice, layer, params

first, last = Embedding(3, 4), Dense(3)
MODEL = Sequential((first, RNN(GRU(5)), last))
PARAMS = MODEL.init(jax.random.key(0))
UNITS = "abc"
# Layers that the scripts do not have.
OTHERS = (
    RNN(LSTM(5)),
    Sequential((first, last)),
    Sequential((first, RNN(GRU(5)))),
    *(
        Sequential((first, other, last))
        for other in (
            Bidirectional(GRU(5)),
            RNN(GRU(5), reverse=True),
            RNN(GRU(5), return_sequences=False),
            RNN(cells.ResetBeforeGRU(5)),
            RNN(LSTM(5, activation="relu")),
            RNN(LSTM(5, gate_activation="hard_sigmoid")),
            RNN(cells.Zoneout(GRU(5), 0.1)),
        )
    ),
)

model = Argument(MODEL, (*layer(MODEL).bad, *OTHERS))
units = Argument(UNITS, (None, 3, "ab", "abb", "abcd", ["a", "b", "the"], ["a", "b", 3], LSTM))
stages = ([("early", PARAMS), PARAMS], [(3, PARAMS)], [("early", None)], {"early": PARAMS})
snapshots = Argument([("early", PARAMS)], (None, 3, "early", LSTM, *stages))
trained = Argument(PARAMS, (*params(PARAMS).bad, jax.tree.map(lambda a: a + 1e5, PARAMS)))
name = Argument("mine", (None, 3, ["mine"]))


def saved(path, **arguments):
    """Writes into a folder that goes away again."""
    with TemporaryDirectory() as folder:
        lab.save(f"{folder}/page.html" if path == "page" else path, **arguments)


def shown(panel, **state):
    """Opens no browser."""
    with patch("webbrowser.open"):
        lab.show(panel, **state).unlink()


CALLS = [
    call(
        "rnnjax.lab.page",
        lab.page,
        model=model,
        params=trained,
        units=units,
        snapshots=snapshots,
        name=name,
    ),
    call(
        "rnnjax.lab.save",
        saved,
        path=Argument("page", (None, "", 3, b"page", ["page"])),
        model=model,
        params=trained,
        units=units,
    ),
    call(
        "rnnjax.lab.show",
        shown,
        panel=choice("flow", "flows"),
        radius=Argument(1.0, (None, [1.0], LSTM)),
    ),
]
