"""Packages that come with an extra alone."""

import importlib
from typing import Any

_PACKAGES = {"PIL": "Pillow", "mido": "mido", "sklearn": "scikit-learn"}


def optional(module: str, purpose: str, extra: str = "apps") -> Any:
    """A module of a package that is not always installed.

    Raises:
        ValueError: in one line, if it is missing.

    Examples:
        >>> optional("no_such", "to play", "games")
        Traceback (most recent call last):
        ValueError: expected the package no_such to play, got none: pip install 'rnnjax[games]'
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise ValueError(
            f"expected the package {_PACKAGES.get(name, name)} {purpose}, got none: "
            f"pip install 'rnnjax[{extra}]'"
        ) from None
