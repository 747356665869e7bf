"""Models as JSON: a class is `{"class": name, …fields}`, and a tuple is a list.

Nothing in a file is ever run or imported: a name means a class of rnnjax, or one that the reader
passes.
"""

import dataclasses
from typing import Any

from .. import attention, cells, engine, layers


def known_classes() -> dict[str, type]:
    """The classes of rnnjax that a model consists of, by their public names."""
    return {
        f"{package.__name__}.{name}": value
        for package in (attention, cells, layers, engine)
        for name, value in vars(package).items()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }


def to_json(value: Any) -> Any:
    """A model, or the value of a field, as JSON.

    Raises:
        ValueError: if JSON has no form for it.

    Examples:
        >>> to_json(layers.Pool("last"))
        {'class': 'rnnjax.layers.Pool', 'how': 'last'}
    """
    if isinstance(value, tuple):
        return [to_json(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise ValueError(
            "expected a model whose fields are numbers, strings, None, tuples and other models, "
            f"got {value!r}; can it be given by a name, such as 'relu'?"
        )
    names = {cls: name for name, cls in known_classes().items()}
    fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return {"class": names.get(type(value), type(value).__name__)} | fields


def from_json(written: Any, known: dict[str, type]) -> Any:
    """The value that `to_json` wrote.

    Raises:
        ValueError: if a class is not known, or its fields are others or have wrong values.
    """
    if isinstance(written, list):
        return tuple(from_json(entry, known) for entry in written)
    if not isinstance(written, dict):
        return written
    fields = {name: from_json(value, known) for name, value in written.items() if name != "class"}
    name = written.get("class")
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            "expected a model made of classes of rnnjax and of those passed as classes=, "
            f"got {name!r}; is it a class of your own?"
        )
    try:
        return known[name](**fields)
    except TypeError as error:
        raise ValueError(f"expected the fields of {name}, got {sorted(fields)}: {error}") from None


def with_tuples(size: Any) -> Any:
    """An `input_size` as it was, since JSON makes lists of tuples."""
    if isinstance(size, dict):
        return {name: with_tuples(value) for name, value in size.items()}
    return tuple(map(with_tuples, size)) if isinstance(size, list) else size
