"""Models on disk: a safetensors file whose metadata describes the model of its arrays.

The arrays have readable names, such as `0.w_x`. The metadata is a line of JSON: the model, the size
of its inputs, anything that the user adds, and a digest of all that and of the arrays.
"""

import hashlib
import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._arguments import same_kind
from .._checks import brief
from .._core import Cell
from .._files import check_path, replace_file
from .._trees import named_leaves
from ..layers import Layer
from ._model import from_json, known_classes, to_json, with_tuples
from ._safetensors import read_safetensors

_ENTRY = "rnnjax"
_FORMAT = 2
_FILE = "a file that rnnjax.interop.save wrote"


def save(
    path: str | Path,
    model: Cell | Layer,
    params: PyTree,
    input_size: PyTree = None,
    *,
    extra: Any = None,
) -> None:
    """Writes a model with its parameters as a safetensors file, whole or not at all.

    Args:
        path: the path of the file; an existing file is replaced.
        model: a cell or a layer, of rnnjax or your own, whose fields are numbers, strings,
            `None`, tuples, and other such models; so give functions by their names.
        params: its parameters, in any dtype.
        input_size: the `input_size` of `model.init`; `None` for a model of tokens.
        extra: anything that JSON can hold, such as a vocabulary or settings; `read_extra` reads
            it.

    Raises:
        ValueError: if the parameters are not like those of `model.init`, or not all finite; or if
            JSON has no form for a field or for `extra`.

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
    path = check_path(path)
    leaves = named_leaves(params, alone="params").items()
    arrays = {name: np.array(a, order="C") for name, a in leaves}
    check_named(arrays, expected_params(model, input_size), "params")
    input_size = json.loads(json.dumps(input_size, default=operator.index))
    about = {"format": _FORMAT, "model": to_json(model), "input_size": input_size, "extra": extra}
    _check_json(about)
    about["digest"] = _digest(about, arrays)
    replace_file(path, as_bytes(arrays, {_ENTRY: json.dumps(about)}))


def load(path: str | Path, classes: Iterable[type] = ()) -> tuple[Any, PyTree]:
    """The model and the parameters that `save` wrote.

    Args:
        path: the path of the file.
        classes: your own classes in the model; those of rnnjax are known.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file, or is damaged; if a class of the model is not known;
            and, by name, for every array that is missing, is not the model's, has another shape,
            or is not finite.

    Examples:
        >>> import rnnjax
        >>> from tempfile import TemporaryDirectory
        >>> cell = rnnjax.LSTM(8)
        >>> with TemporaryDirectory() as folder:
        ...     save(f"{folder}/cell.safetensors", cell, cell.init(jax.random.key(0), 3), 3)
        ...     load(f"{folder}/cell.safetensors")[0]
        LSTM(8)
    """
    known = known_classes() | _by_name(classes)
    about, arrays = _read(path)
    with _naming(path):
        model = from_json(about["model"], known)
        expected = expected_params(model, with_tuples(about["input_size"]))
        check_named(arrays, expected, "it")
        names = named_leaves(expected, alone="params")
        leaves = [_as_jax(name, arrays[name]) for name in names]
        return model, jax.tree.structure(expected).unflatten(leaves)


def read_extra(path: str | Path) -> Any:
    """The `extra` that `save` wrote; `None` where there was none.

    Args:
        path: the path of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file, or is damaged.

    Examples:
        >>> import rnnjax
        >>> from tempfile import TemporaryDirectory
        >>> cell = rnnjax.LSTM(8)
        >>> with TemporaryDirectory() as folder:
        ...     path, params = f"{folder}/cell.safetensors", cell.init(jax.random.key(0), 3)
        ...     save(path, cell, params, 3, extra={"alphabet": "abc"})
        ...     read_extra(path)
        {'alphabet': 'abc'}
    """
    return _read(path)[0]["extra"]


def _by_name(classes: Any) -> dict[str, type]:
    found = list(classes) if isinstance(classes, Iterable) else [classes]
    if found == [classes] or not all(isinstance(cls, type) for cls in found):
        raise ValueError(f"expected classes to be a list of classes, got {brief(classes)}")
    return {cls.__name__: cls for cls in found}


# The file.


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metadata, and the arrays by name."""
    metadata, arrays = read_safetensors(path, expected=_FILE)
    with _naming(path, f"expected {_FILE}, got {path}"):
        about = json.loads(metadata.get(_ENTRY, "null"))
        if not isinstance(about, dict) or about.get("format") != _FORMAT:
            raise ValueError(f"its metadata has no entry {_ENTRY!r} of format {_FORMAT}")
        if lacking := {"model", "input_size", "extra", "digest"} - about.keys():
            raise ValueError(f"its metadata lacks {', '.join(sorted(lacking))}")
        if about["digest"] != _digest(about, arrays):
            raise ValueError("it is damaged: its digest belongs to other content")
        return about, arrays


@contextmanager
def _naming(path: str | Path, what: str = "") -> Iterator[None]:
    """Puts the name of the file before the message of an error, which is kept short."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        reason = reason if len(reason) < 1000 else f"{reason[:700]} … {reason[-200:]}"
        raise ValueError(f"{what or f'cannot load {path}'}: {reason}") from None


def _digest(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of the metadata, and of names, dtypes, shapes and bytes of the arrays."""
    content = {name: value for name, value in about.items() if name != "digest"}
    kinds = [[name, str(arrays[name].dtype), arrays[name].shape] for name in sorted(arrays)]
    digest = hashlib.sha256(json.dumps([content, kinds], sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _check_json(about: Mapping[str, Any]) -> None:
    """Raises unless JSON gives back the `extra` as it is."""
    extra = about["extra"]
    try:
        same = json.loads(json.dumps(extra)) == extra
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise ValueError(
            "expected extra to be what JSON can hold: texts, finite numbers, True, False, None, "
            f"lists, and dictionaries by texts, got {str(extra)[:200]}; a tuple becomes a list"
        )


# The parameters, by name.


def expected_params(model: Any, input_size: Any) -> Any:
    """The shapes of the parameters that `model.init` gives."""
    try:
        return jax.eval_shape(lambda: model.init(jax.random.key(0), input_size))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a model and the input_size that its parameters were drawn with, "
            f"got {model!r} and {input_size!r}: {error}"
        ) from None


def check_named(arrays: dict[str, np.ndarray], expected: Any, where: str) -> None:
    """Raises unless there is an array for every expected name, of its shape, and no other."""
    shapes = named_leaves(expected, alone="params")
    faults = [f"no {name}" for name in shapes if name not in arrays]
    for name, array in arrays.items():
        short = name if len(name) < 80 else f"{name[:60]}…"
        if name not in shapes:
            faults.append(f"{short}, which the model does not have")
        elif fault := _fault(array, shapes[name]):
            faults.append(f"{short} {fault}")
    if faults:
        raise ValueError(
            f"expected {where} to hold the parameters of the model, got {', '.join(faults)}"
        )


def _fault(array: np.ndarray, expected: Any) -> str | None:
    if array.shape != expected.shape:
        return f"of shape {list(array.shape)} instead of {list(expected.shape)}"
    if not same_kind(array.dtype, expected.dtype):
        return f"of {array.dtype} instead of {expected.dtype}"
    if jnp.issubdtype(array.dtype, jnp.inexact) and not np.isfinite(array).all():
        return "with entries that are not finite"
    return None


def _as_jax(name: str, array: np.ndarray) -> jax.Array:
    leaf = jnp.asarray(array)
    if leaf.dtype != array.dtype:
        raise ValueError(
            f"expected arrays that JAX can hold, got {name} of {array.dtype}; is "
            "jax_enable_x64 off?"
        )
    return leaf
