"""Weights on disk: a safetensors file that also says what model its arrays belong to.

The arrays have readable names, such as `0.w_x`. The model is a line of JSON in the file's
metadata: classes by name, with their fields. Nothing in a file is ever run or imported: a name
stands for a class of rnnjax, or for one that the reader passes.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path
from jaxtyping import PyTree

from .. import cells, engine, layers
from .._core import Cell
from ..layers import Layer

_ENTRY = "rnnjax"
_FORMAT = 1


def save(path: str | Path, model: Cell | Layer, params: PyTree, input_size: PyTree = None) -> None:
    """Writes a model with its parameters as a safetensors file, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        model: a cell or a layer, of rnnjax or your own, whose fields are numbers, strings,
            `None`, tuples, and other such models; so give functions by their names.
        params: its parameters, in any dtype.
        input_size: what `model.init` drew them with; `None` for a model of tokens.

    Raises:
        ValueError: if the parameters are not such as `model.init` gives, or not all finite, or
            if a field cannot be written.

    Examples:
        >>> import rnnjax, safetensors.numpy
        >>> from tempfile import TemporaryDirectory
        >>> cell = rnnjax.LSTM(8)
        >>> with TemporaryDirectory() as folder:
        ...     save(f"{folder}/cell.safetensors", cell, cell.init(jax.random.key(0), 3), 3)
        ...     sorted(safetensors.numpy.load_file(f"{folder}/cell.safetensors"))
        ['b', 'w_h', 'w_x']
    """
    from safetensors.numpy import save as as_bytes

    # The bytes of an array are written as they lie in memory, which must be in order.
    arrays = {name: np.array(a, order="C") for name, a in _named(params).items()}
    _check(arrays, _expected(model, input_size), "params")
    about = {"format": _FORMAT, "model": _written(model), "input_size": input_size}
    replace_file(Path(path), as_bytes(arrays, {_ENTRY: json.dumps(about)}))


def load(path: str | Path, classes: Iterable[type] = ()) -> tuple[Any, PyTree]:
    """The model and the parameters that `save` wrote.

    Args:
        path: of the file.
        classes: your own classes that the model is made of; those of rnnjax are known.

    Raises:
        ValueError: if it is not such a file, or is damaged; if the model is made of a class that
            is not known; and, by name, for every array that is missing, is none of the model's,
            has another shape, or is not finite.

    Examples:
        >>> import rnnjax
        >>> from tempfile import TemporaryDirectory
        >>> cell = rnnjax.LSTM(8)
        >>> with TemporaryDirectory() as folder:
        ...     save(f"{folder}/cell.safetensors", cell, cell.init(jax.random.key(0), 3), 3)
        ...     load(f"{folder}/cell.safetensors")[0]
        LSTM(8)
    """
    about, arrays = _read(Path(path))
    model = _model(about["model"], _known() | {cls.__name__: cls for cls in classes})
    expected = _expected(model, _with_tuples(about["input_size"]))
    _check(arrays, expected, path)
    leaves = [_as_is(name, arrays[name]) for name in _named(expected)]
    return model, jax.tree.structure(expected).unflatten(leaves)


# The file.


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file, which takes its place at once or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What stands in the metadata, and the arrays by name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(_ENTRY, "null"))
            if not isinstance(about, dict) or about.get("format") != _FORMAT:
                raise ValueError(f"its metadata has no entry {_ENTRY!r} of format {_FORMAT}")
            names = file.keys()
            return about, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError) as error:
        message = f"expected a file that rnnjax.interop.save wrote, got {path}: {error}"
        raise ValueError(message) from None


# Models as JSON: a class is {"class": name, fields…}, a tuple is a list.


def _known() -> dict[str, type]:
    """The classes of rnnjax that a model is made of, by their public names."""
    return {
        f"{package.__name__}.{name}": value
        for package in (cells, layers, engine)
        for name, value in vars(package).items()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }


def _written(value: Any) -> Any:
    """A model, or what stands in a field of one, as JSON has it."""
    if isinstance(value, tuple):
        return [_written(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise ValueError(
            "expected a model whose fields are numbers, strings, None, tuples and other models, "
            f"got {value!r}; can a name stand for it, such as 'relu'?"
        )
    names = {cls: name for name, cls in _known().items()}
    fields = {f.name: _written(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return {"class": names.get(type(value), type(value).__name__)} | fields


def _model(written: Any, known: dict[str, type]) -> Any:
    """What `_written` wrote, as it was."""
    if isinstance(written, list):
        return tuple(_model(entry, known) for entry in written)
    if not isinstance(written, dict):
        return written
    fields = {name: _model(value, known) for name, value in written.items() if name != "class"}
    name = written.get("class")
    if name not in known:
        raise ValueError(
            "expected a model made of classes of rnnjax and of those passed as classes=, "
            f"got {name!r}; is it a class of your own?"
        )
    try:
        return known[name](**fields)
    except TypeError as error:
        raise ValueError(f"expected the fields of {name}, got {sorted(fields)}: {error}") from None


def _with_tuples(size: Any) -> Any:
    """An `input_size` as it was, since JSON makes lists of tuples."""
    if isinstance(size, dict):
        return {name: _with_tuples(value) for name, value in size.items()}
    return tuple(map(_with_tuples, size)) if isinstance(size, list) else size


# The parameters, by name.


def _named(tree: Any) -> dict[str, Any]:
    leaves = tree_leaves_with_path(tree)
    named = {keystr(path, simple=True, separator=".") or "params": leaf for path, leaf in leaves}
    if len(named) < len(leaves):
        raise ValueError(f"expected parameters of different names, got one twice in {list(named)}")
    return named


def _expected(model: Any, input_size: Any) -> Any:
    """The shapes of the parameters that `model.init` gives."""
    try:
        return jax.eval_shape(lambda: model.init(jax.random.key(0), input_size))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a model and the input_size that its parameters were drawn with, "
            f"got {model!r} and {input_size!r}: {error}"
        ) from None


def _check(arrays: dict[str, np.ndarray], expected: Any, where: Any) -> None:
    """Raises unless there is an array for every expected name, of its shape, and no other."""
    shapes = _named(expected)
    faults = [f"no {name}" for name in shapes if name not in arrays]
    for name, array in arrays.items():
        if name not in shapes:
            faults.append(f"{name}, which the model does not have")
        elif fault := _fault(array, shapes[name]):
            faults.append(f"{name} {fault}")
    if faults:
        raise ValueError(
            f"expected {where} to hold the parameters of the model, got {', '.join(faults)}"
        )


def _fault(array: np.ndarray, expected: Any) -> str | None:
    if array.shape != expected.shape:
        return f"of shape {list(array.shape)} instead of {list(expected.shape)}"
    inexact = jnp.issubdtype(array.dtype, jnp.inexact)
    if inexact != jnp.issubdtype(expected.dtype, jnp.inexact):
        return f"of {array.dtype} instead of {expected.dtype}"
    return "with entries that are not finite" if inexact and not np.isfinite(array).all() else None


def _as_is(name: str, array: np.ndarray) -> jax.Array:
    leaf = jnp.asarray(array)
    if leaf.dtype != array.dtype:
        raise ValueError(
            f"expected arrays that JAX can hold, got {name} of {array.dtype}; is "
            "jax_enable_x64 off?"
        )
    return leaf
