"""Character models as a page carries them: float16 safetensors, in base64, under plain names."""

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import brief, check_instance
from .._files import replace_file
from .._trees import named_leaves
from ..cells import GRU, LSTM, Elman, RecurrentDropout, VariationalDropout, WeightDrop
from ..interop._disk import check_named, expected_params
from ..interop._model import from_json, known_classes, to_json
from ..interop._safetensors import read_safetensors
from ..layers import RNN, Dense, Dropout, Embedding, Layer, Sequential, Tied

DEMO = Path(__file__).with_name("demo.safetensors")
_NOISE = (RecurrentDropout, VariationalDropout, WeightDrop)
_MODELS = (
    "Sequential((Embedding, RNN, …, Dense)) or Tied(Embedding, …), with Dropout between them, of "
    "LSTM, GRU or Elman cells with the usual activations"
)


class Demo(NamedTuple):
    """The character model of the package, and its stages of training."""

    model: Sequential  # tokens to logits
    units: tuple[str, ...]  # the character of every token
    snapshots: dict[str, PyTree]  # parameters by the stage of training, the last one trained
    bits: tuple[float, ...]  # held-out bits per character of every snapshot
    about: str  # the text and the training, in a sentence
    unit: int  # the unit, counted from 1, whose memory follows quotation marks


@lru_cache(maxsize=1)
def demo() -> Demo:
    """The character model that ships with the package.

    It is an LSTM of 128 units, trained for eighteen minutes on the documentation of Python 3.13,
    with 1.694 bits per character on the tenth that is held out.

    Examples:
        >>> shipped = demo()
        >>> shipped.model.layers[1], list(shipped.snapshots)[-1]
        (RNN(LSTM(128)), 'trained')
    """
    metadata, arrays = read_safetensors(DEMO)
    about = json.loads(metadata["rnnjax"])
    model = from_json(about["model"], known_classes())
    expected = expected_params(model, None)
    names, structure = [*named_leaves(expected)], jax.tree.structure(expected)
    snapshots = {
        label: structure.unflatten([arrays[f"{k}.{n}"].astype(np.float32) for n in names])
        for k, label in enumerate(about["snapshots"])
    }
    units, bits = tuple(about["units"]), tuple(about["bits"])
    return Demo(model, units, snapshots, bits, about["about"], about["unit"])


def write_demo(path: Path, shipped: Demo) -> None:
    """Writes the file that `demo` reads."""
    from safetensors.numpy import save as as_bytes

    arrays = {
        f"{k}.{name}": np.asarray(array, np.float16)
        for k, params in enumerate(shipped.snapshots.values())
        for name, array in named_leaves(params).items()
    }
    about = shipped._asdict() | {
        "model": to_json(shipped.model),
        "snapshots": [*shipped.snapshots],
    }
    replace_file(path, as_bytes(arrays, {"rnnjax": json.dumps(about)}))


def as_json(
    model: Layer, units: Sequence[str], snapshots: Sequence[tuple[str, PyTree]], name: str
) -> dict[str, Any]:
    """The model as the scripts read it.

    Raises:
        ValueError: if the scripts do not run such a model, or something does not belong to it.
    """
    check_instance(
        "model", model, Layer, "Sequential((Embedding(90, 32), RNN(LSTM(64)), Dense(90)))"
    )
    recurrent = [part for part, _ in _parts(model, None) if isinstance(part, RNN)]
    cell = _bare(recurrent[0].cell)
    written = [
        {"label": check_instance("label", label, str), "weights": _base64(model, params)}
        for label, params in snapshots
    ]
    default = f"{type(cell).__name__}, {len(recurrent)} × {cell.hidden_size} units"
    units = _checked_units(units, model.output_size)
    return {"name": name or default, "units": units, "snapshots": written}


def _checked_units(units: Any, vocabulary: Any) -> list[str]:
    """The characters of the tokens, as a list."""
    listed = [*units] if isinstance(units, str | Sequence) else None
    if listed is None or not all(isinstance(unit, str) and len(unit) == 1 for unit in listed):
        raise ValueError(
            "expected units to be the characters of the tokens, in their order, got "
            f"{brief(units)}; models of words or pieces have no page"
        )
    if len(set(listed)) != len(listed) or len(listed) != vocabulary:
        raise ValueError(
            f"expected units to be {vocabulary} different characters, one for each token of the "
            f"model, got {len(set(listed))}; were they made from another text?"
        )
    return listed


def _base64(model: Layer, params: PyTree) -> str:
    """The parameters as the text of a file of safetensors."""
    from safetensors.numpy import save as as_bytes

    leaves = named_leaves(params, alone="params").items()
    arrays = {name: np.asarray(array) for name, array in leaves}
    check_named(arrays, expected_params(model, None), "params")
    tensors = {
        f"{_place(model, k)}.{name}": array
        for k, (part, params) in enumerate(_parts(model, params))
        if not isinstance(part, Dropout)
        for name, array in named_leaves(params).items()
    }
    tensors |= {"b": params.b} if isinstance(model, Tied) else {}
    tensors = {name: _as_half(name, array) for name, array in tensors.items()}
    return base64.b64encode(as_bytes(tensors)).decode()


def _as_half(name: str, array: Any) -> np.ndarray:
    """An array in float16, in the order of its rows."""
    largest, limit = np.abs(array).max(initial=0), np.finfo(np.float16).max
    if largest > limit:
        raise ValueError(
            f"expected params of at most {limit}, as float16 has them, got {largest} in {name}"
        )
    return np.ascontiguousarray(array, np.float16)


def _place(model: Layer, k: int) -> str:
    """The path of the part at place `k`: "0", "1", …, or "embedding", "body.0", …."""
    if not isinstance(model, Tied):
        return str(k)
    return f"body.{k - 1}" if k else "embedding"


def _parts(model: Layer, params: Any) -> list[tuple[Layer, Any]]:
    """The layers in their order, with their parameters, where the scripts run the model.

    Raises:
        ValueError: if they do not.
    """
    if isinstance(model, Tied):
        first, body = (None, None) if params is None else (params.embedding, params.body)
        parts = [(model.embedding, first), *_flat(model.body, body)]
    else:
        parts = _flat(model, params)
    first, *middle = (part for part, _ in parts)
    # Tied weights give the logits themselves, behind a map to features or not.
    ends = bool(middle) and isinstance(middle[-1], Dense)
    middle = middle[:-1] if ends else middle
    fits = isinstance(first, Embedding) and (ends or isinstance(model, Tied))
    if not fits or not all(map(_runs, middle)) or not any(isinstance(p, RNN) for p in middle):
        raise ValueError(f"expected a model that the page can run, {_MODELS}, got {brief(model)}")
    return parts


def _flat(layer: Layer, params: Any) -> list[tuple[Layer, Any]]:
    """The parts of a layer, those of a Sequential in their order."""
    if not isinstance(layer, Sequential):
        return [(layer, params)]
    return [pair for _, part, p in layer.parts(params) for pair in _flat(part, p)]


def _runs(layer: Layer) -> bool:
    """Whether the page runs a layer between the embedding and the logits."""
    if isinstance(layer, Dropout):
        return True
    if not isinstance(layer, RNN) or layer.reverse or not layer.return_sequences:
        return False
    cell = _bare(layer.cell)
    if type(cell) not in (LSTM, GRU, Elman) or cell.activation != "tanh":
        return False
    return isinstance(cell, Elman) or cell.gate_activation == "sigmoid"


def _bare(cell: Any) -> Any:
    """The cell inside of noise, which acts in training only."""
    while isinstance(cell, _NOISE):
        cell = cell.cell
    return cell
