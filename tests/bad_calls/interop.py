"""Weights in and out: files, artifacts, and the arrays of other libraries."""

from contextlib import suppress
from tempfile import TemporaryDirectory

import jax
import numpy as np

from rnnjax import LSTM, interop
from rnnjax.layers import RNN, Dense

from .kinds import OBJECTS, Argument, call, cell, choice, features, flag, layer, params, rate

KEY = jax.random.key(0)
F, H = 3, 4
CELL, LAYER = LSTM(H), RNN(LSTM(H))
PARAMS = CELL.init(KEY, F)

path = Argument("model", (None, "", 3, 1.5, b"model", ["model"]))
model = Argument(CELL, (None, "LSTM", 3, LSTM, (CELL,)))
# Libraries' layers are cells over time; a single layer without a cell is none of them.
recurrent = Argument(LAYER, (*layer(LAYER).bad, CELL, Dense(3)))
either = Argument(CELL, (*model.bad, Dense(3)))
names = Argument((), (None, 3, "carry", "nope", ["nope"], [3], [["carry"]]))
classes = Argument((), (None, 3, "LSTM", LSTM, [CELL], ["LSTM"]))
extra = Argument({"a": [1]}, (object(), (1, 2), np.nan, {1: 2}, {"a"}, np.ones(2), LSTM))


def saved(path, **arguments):
    """Writes into a folder that goes away again."""
    with TemporaryDirectory() as folder:
        interop.save(f"{folder}/model" if path == "model" else path, **arguments)


def read(function):
    """A reader, which finds a file with a model at the path "model"."""

    def of_path(path, **arguments):
        with TemporaryDirectory() as folder:
            interop.save(f"{folder}/model", CELL, PARAMS, F)
            return function(f"{folder}/model" if path == "model" else path, **arguments)

    return of_path


def saved_onnx(path, **arguments):
    """Without the package onnx, arguments are checked all the same."""
    with TemporaryDirectory() as folder, suppress(ImportError):
        interop.save_onnx(f"{folder}/model" if path == "model" else path, **arguments)


def instead(one):
    """Values that must be refused in the place of an array."""
    shapes = (one[..., :-1, :-1], one[..., None], 1.0, 3)
    kinds = (one.astype(kind) for kind in ("int32", bool, "complex64", str, object))
    return ("text", OBJECTS, [[1.0], [2.0, 3.0]], *shapes, *kinds)


def weights(good, name):
    """Arrays by name; a text may be the path of a file."""
    one = good[name]
    others = (
        None,
        3,
        "",
        (),
        [],
        {},
        LSTM,
        CELL,
        np.ones(3),
        {"nope": one},
        {3: one},
        good | {3: one},
    )
    return Argument(
        good, (*others, good | {"nope": one}, *(good | {name: a} for a in instead(one)))
    )


def inside(argument, name):
    """The same arrays inside of another mapping."""
    return Argument({name: argument.good}, (*argument.bad, *({name: a} for a in argument.bad)))


TORCH = {"weight_ih": np.ones((4 * H, F)), "weight_hh": np.ones((4 * H, H))}
KERAS = [np.ones((F, 4 * H)), np.ones((H, 4 * H)), np.ones(4 * H)]
ONNX = {"op_type": "LSTM", "W": np.ones((1, 4 * H, F)), "R": np.ones((1, 4 * H, H))}
HAIKU = {"w": np.ones((F + H, 4 * H)), "b": np.ones(4 * H)}
NNX = {"dense_i/kernel": np.ones((H, H)), "dense_i/bias": np.ones(H)}
NNX["dense_h/kernel"] = NNX["dense_i/kernel"]
FLAX = {"i/kernel": np.ones((H, H)), "i/bias": np.ones(H), "h/kernel": np.ones((H, H))}

activation = choice("tanh")
attributes = (
    {"nope": 1},
    {"direction": "up"},
    {"activations": ["Elu"]},
    {"activations": 3},
    {"activations": [["Tanh"]] * 3},
    {"linear_before_reset": "x"},
    {"hidden_size": 9},
    {"hidden_size": "4"},
    3,
)

CALLS = [
    call(
        "rnnjax.interop.save",
        saved,
        path=path,
        model=Argument(CELL, (*model.bad, LSTM(5))),
        params=params(PARAMS),
        input_size=features(F),
        extra=extra,
    ),
    call("rnnjax.interop.load", read(interop.load), path=path, classes=classes),
    call("rnnjax.interop.read_extra", read(interop.read_extra), path=path),
    call(
        "rnnjax.interop.export_model",
        interop.export_model,
        model=Argument(LAYER, (*layer(LAYER).bad, CELL)),
        params=params(PARAMS),
        input_size=features(F),
        extra_inputs=names,
        platforms=Argument(("cpu",), (3, "cpu", ("nope",), (3,), ())),
    ),
    call(
        "rnnjax.interop.save_onnx",
        saved_onnx,
        path=path,
        model=recurrent,
        params=params(PARAMS),
        input_size=Argument(F, features(F).bad),
        extra_inputs=names,
    ),
    call(
        "rnnjax.interop.from_torch",
        interop.from_torch,
        source=weights(TORCH, "weight_ih"),
        prefix=Argument("", (None, 3, "nope.", ["a"])),
        activation=choice(None, "sigmoid"),
        dropout=rate(0.0),
    ),
    call("rnnjax.interop.to_torch", interop.to_torch, model=either, params=params(PARAMS)),
    call("rnnjax.interop.from_equinox", interop.from_equinox, source=weights(TORCH, "weight_ih")),
    call("rnnjax.interop.to_equinox", interop.to_equinox, cell=cell(CELL), params=params(PARAMS)),
    call(
        "rnnjax.interop.from_keras",
        interop.from_keras,
        source=Argument(
            KERAS,
            (None, 3, "text", (), [], {}, LSTM, CELL, np.ones(3), [3], KERAS[:1], KERAS[::-1])
            + tuple([a, *KERAS[1:]] for a in (None, *instead(KERAS[0]))),
        ),
        activation=activation,
        reset_after=flag(True),
        merge_mode=choice("concat", None, "mean"),
    ),
    call("rnnjax.interop.to_keras", interop.to_keras, layer=recurrent, params=params(PARAMS)),
    call(
        "rnnjax.interop.from_haiku",
        interop.from_haiku,
        params=inside(weights(HAIKU, "w"), "lstm/linear"),
    ),
    call(
        "rnnjax.interop.to_haiku",
        interop.to_haiku,
        cell=cell(CELL),
        params=params(PARAMS),
        name=Argument("lstm", (3, "", ["lstm"])),
    ),
    call(
        "rnnjax.interop.from_linen",
        interop.from_linen,
        params=weights(FLAX, "i/kernel"),
        activation=activation,
    ),
    call(
        "rnnjax.interop.from_nnx",
        interop.from_nnx,
        source=weights(NNX, "dense_i/kernel"),
        activation=activation,
    ),
    call("rnnjax.interop.to_linen", interop.to_linen, model=either, params=params(PARAMS)),
    call(
        "rnnjax.interop.to_nnx",
        interop.to_nnx,
        model=either,
        params=params(PARAMS),
        optimized=flag(False),
    ),
    call(
        "rnnjax.interop.from_onnx",
        interop.from_onnx,
        source=Argument(
            ONNX,
            (*weights(ONNX, "W").bad, *(ONNX | {"attributes": each} for each in attributes))
            + (
                ONNX | {"op_type": "Gemm"},
                ONNX | {"op_type": 3},
                ONNX | {"b": 1},
                ONNX | {"R": ONNX["R"][0]},
            ),
        ),
        name=Argument(None, (3, ["a"])),
    ),
    call("rnnjax.interop.to_onnx", interop.to_onnx, layer=recurrent, params=params(PARAMS)),
]
