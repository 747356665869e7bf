"""The page: scripts, style and weights in one text of HTML."""

import json
import re
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jaxtyping import PyTree

from .._checks import brief, check_choice, check_instance
from .._files import check_path, replace_file
from ..layers import Layer
from ._model import as_json, demo

PANELS = ("flow", "gate", "cliff", "learn", "plane", "write")
_NUMBERS = ("random", "cells", "time", "learning", "files", "language", "writing")
_PARTS = ("state", "controls", "axes", "draw")
SCRIPTS = (*_NUMBERS, *_PARTS, *(f"panels/{panel}" for panel in PANELS), "shell")
_PAGE = Path(__file__).with_name("page")


def page(
    model: Layer | None = None,
    params: PyTree = None,
    *,
    units: Sequence[str] | None = None,
    snapshots: Sequence[tuple[str, PyTree]] = (),
    name: str = "",
) -> str:
    """The lab as one HTML page, with the weights of a character model that writes.

    The page needs no server and no network: it opens by a double click, and can be mailed. Weights
    are rounded to float16.

    Args:
        model: a model of characters, `Sequential((Embedding, RNN, …, Dense))` or `Tied`, as
            `rnnjax text train` builds it; by default the one of the package.
        params: its parameters after training.
        units: the character of every token, in their order.
        snapshots: labels with the parameters of earlier stages of training, the earliest first,
            such as `[("step 100", params_100)]`.
        name: the name of the model on the page; by default its cell and its size.

    Raises:
        ValueError: if the page's scripts do not run such a model; if the parameters or the units
            do not belong to it; or if there are parameters, units or snapshots without a model.

    Examples:
        >>> import jax, rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding, Sequential
        >>> model = Sequential((Embedding(3, 4), RNN(rnnjax.GRU(8)), Dense(3)))
        >>> html = page(model, model.init(jax.random.key(0)), units="abc", name="three letters")
        >>> html[:15], "three letters" in html
        ('<!DOCTYPE html>', True)
    """
    check_instance("name", name, str)
    if model is not None:
        stages = [*_pairs(snapshots), ("trained", params)]
        return _assembled(as_json(model, [] if units is None else units, stages, name))
    if params is not None or units is not None or not isinstance(snapshots, tuple) or snapshots:
        raise ValueError("expected a model with params, units and snapshots, got None")
    shipped = demo()
    pairs = zip(shipped.snapshots.items(), shipped.bits, strict=True)
    stages = [(f"{label}, {bits:.2f} bits", params) for (label, params), bits in pairs]
    name = name or "an LSTM of 128 units, trained on Python's documentation"
    carried = as_json(shipped.model, shipped.units, stages, name)
    return _assembled(carried | {"unit": shipped.unit})


def save(path: str | Path, *arguments: Any, **options: Any) -> Path:
    """Write the lab as an HTML file.

    Args:
        path: the path of the file; an existing file is replaced.
        arguments: the model and its parameters, as `page` takes them.
        options: as of `page`.

    Returns:
        The path.

    Raises:
        ValueError: if it is no path; otherwise as `page`.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save(f"{folder}/lab.html").name
        'lab.html'
    """
    path = check_path(path)
    replace_file(path, page(*arguments, **options).encode())
    return path


def show(panel: str = "flow", **state: str | float | bool) -> Any:
    """Open a panel of the lab: in a notebook below the cell, elsewhere in the browser.

    The output of a notebook holds the whole page, so that it works where there is no kernel, too.

    Args:
        panel: "flow", "gate", "cliff", "learn", "plane" or "write".
        state: settings of the panel, by the names that its address has, such as `radius=1.2`.

    Returns:
        In a notebook, an object that it displays; elsewhere the path of the page.

    Raises:
        ValueError: if there is no such panel, or a setting is no text, number or boolean.

    Examples:
        >>> show("flow", cell="LSTM", radius=1.2)  # doctest: +SKIP
        PosixPath('/tmp/lab-1x2y3z.html')
        >>> show("flows")
        Traceback (most recent call last):
        ValueError: expected panel to be 'flow', 'gate', 'cliff', ... or 'write', got 'flows'
    """
    check_choice("panel", panel, PANELS)
    for setting, value in state.items():
        if not isinstance(value, str | int | float):
            raise ValueError(
                f"expected {setting} to be a text, a number or a boolean, got {brief(value)}"
            )
    # Only one panel has a use for the weights, which are larger than all the rest.
    html = page() if panel == "write" else _assembled(None)
    words = {k: str(v).lower() if isinstance(v, bool) else v for k, v in state.items()}
    address = escape(urlencode({"panel": panel} | words), quote=True)
    html = html.replace("<html", f'<html data-state="{address}"', 1)
    if _in_notebook():
        return _Frame(html)
    with tempfile.NamedTemporaryFile("wb", suffix=".html", prefix="lab-", delete=False) as file:
        file.write(html.encode())
    webbrowser.open(Path(file.name).as_uri())
    return Path(file.name)


class _Frame:
    """A page that a notebook displays, and stores."""

    def __init__(self, html: str):
        # Converters of notebooks take these signs for Markdown and formulas.
        signs = {ord(sign): f"&#{ord(sign)};" for sign in "\n$`["}
        self._srcdoc = escape(html).translate(signs)

    def __repr__(self) -> str:
        return "The lab, a page"

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 760px; border: 0"
        return f'<iframe title="The lab" style="{style}" srcdoc="{self._srcdoc}"></iframe>'


def _in_notebook() -> bool:
    """Whether this runs in a kernel, which displays HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _pairs(snapshots: Any) -> list[tuple[str, Any]]:
    """Labels and parameters."""
    listed: list = [*snapshots] if isinstance(snapshots, list | tuple) else [None]
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in listed):
        raise ValueError(
            "expected snapshots to be pairs of a label and parameters, such as "
            f"[('step 100', params)], got {brief(snapshots)}"
        )
    return listed


def _read(name: str) -> str:
    return (_PAGE / name).read_text("utf-8")


def _assembled(model: dict[str, Any] | None) -> str:
    """The page, with a model or without; comments stay in the files of the package."""
    scripts = (re.sub(r"^ *//.*\n", "", _read(f"{name}.js"), flags=re.M) for name in SCRIPTS)
    html = _read("lab.html").replace("/*STYLE*/", _read("lab.css"), 1)
    script = "\n".join(f"<script>\n{script}</script>" for script in scripts)
    html = html.replace("<!--SCRIPTS-->", script, 1)
    # A "<" in the data could end the element.
    data = json.dumps(model, ensure_ascii=False).replace("<", "\\u003c")
    data = f'<script type="application/json" id="model">{data}</script>'
    return html.replace("<!--MODEL-->", data, 1)
