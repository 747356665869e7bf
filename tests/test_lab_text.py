"""The lab's page and the character models that it carries."""

import html
import json
import re
import runpy
import webbrowser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lab_node import run_scripts

from rnnjax import GRU, LSTM, Elman, Record, lab, scan
from rnnjax.cells import WeightDrop
from rnnjax.data import load_text
from rnnjax.decoding import generate
from rnnjax.lab import _model, _page
from rnnjax.layers import RNN, Dense, Dropout, Embedding, Sequential, Tied
from rnnjax.losses import bits, cross_entropy

LETTERS = "abcdefg"
SCRIPTS = ("random", "cells", "time", "files", "language")
WRITE = """
return given.map(({carried, prompt, length}) => {
  const {tensors} = readSafetensors(fromBase64(carried.snapshots.at(-1).weights));
  const model = languageModel(carried.units, tensors);
  let step = {state: model.start()};
  for (const letter of prompt) step = model.step(carried.units.indexOf(letter), step.state);
  const {logits} = step;
  let text = "";
  for (let n = 0; n < length; n++) {
    const token = drawToken(randomStream(0), probabilities(step.logits, 0));
    text += carried.units[token];
    step = model.step(token, step.state);
  }
  return {text, logits};
});
"""


def carried(page):
    """The model that a page carries."""
    found = re.search(r'<script type="application/json" id="model">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def drawn(model, seed=4):
    """Random parameters, as float16 holds them, far enough apart that no two logits are close."""
    params = model.init(jax.random.key(seed))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    leaves = [2 * a + 0.5 * jax.random.normal(key, a.shape) for a, key in pairs]
    return structure.unflatten([a.astype(jnp.float16).astype(jnp.float32) for a in leaves])


first, last = Embedding(7, 5), Dense(7)
MODELS = {
    "two layers": Sequential((first, Dropout(0.5), RNN(GRU(6)), Dropout(0.5), RNN(LSTM(8)), last)),
    "named, dropped, no bias": Sequential(
        letters=first,
        rnn=RNN(WeightDrop(GRU(6, use_bias=False), 0.5)),
        head=Sequential((Dropout(0.1), Dense(7, use_bias=False))),
    ),
    "tied": Tied(Embedding(7, 6), RNN(Elman(6))),
    "tied, of another size": Tied(Embedding(7, 4), Sequential((RNN(LSTM(6)), Dense(4)))),
}
PARAMS = {name: drawn(model) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def written():
    """The texts and logits of the page's scripts, by the model."""
    shipped = {"carried": carried(lab.page()), "prompt": "The value", "length": 200}
    given = {
        name: {
            "carried": carried(lab.page(model, PARAMS[name], units=LETTERS)),
            "prompt": "deaf",
            "length": 200,
        }
        for name, model in MODELS.items()
    } | {"shipped": shipped}
    return dict(zip(given, run_scripts(SCRIPTS, WRITE, [*given.values()]), strict=True))


def test_the_shipped_model_writes_as_generate_does(written):
    model, units, snapshots, *_ = lab.demo()
    prompt = [units.index(letter) for letter in "The value"]
    tokens = generate(model, snapshots["trained"], prompt, length=200, temperature=0)
    text = "".join(units[token] for token in tokens.tolist())
    assert written["shipped"]["text"] == text
    assert len(set(text)) > 10


@pytest.mark.parametrize("name", MODELS)
def test_a_page_carries_a_users_model(name, written):
    tokens = jnp.array([[LETTERS.index(letter) for letter in "deaf"]])
    _, logits = MODELS[name].apply(PARAMS[name], tokens)
    np.testing.assert_allclose(written[name]["logits"], logits[0, -1], rtol=2e-5, atol=2e-5)
    assert np.ptp(written[name]["logits"]) > 1


def test_a_model_of_two_layers_writes_as_generate_does(written):
    prompt = [LETTERS.index(letter) for letter in "deaf"]
    model, params = MODELS["two layers"], PARAMS["two layers"]
    tokens = generate(model, params, prompt, length=200, temperature=0).tolist()
    assert written["two layers"]["text"] == "".join(LETTERS[token] for token in tokens)
    assert len(set(tokens)) > 4


def test_the_shipped_model_is_small_and_its_snapshots_improve():
    model, units, snapshots, claimed, about, _ = lab.demo()
    assert _model.DEMO.stat().st_size < 1_000_000
    assert len(snapshots) == 5 and claimed == tuple(sorted(claimed, reverse=True))
    assert f"{claimed[-1]:.3f} bits per character" in about
    text = [letter for letter in load_text()[-4000:] if letter in units]
    tokens = jnp.array([units.index(letter) for letter in text])[None]

    @jax.jit
    def nats(params):
        _, logits = model.apply(params, tokens[:, :-1])
        return cross_entropy(logits, tokens[:, 1:])

    measured = [bits(float(nats(params))) for params in snapshots.values()]
    assert measured == sorted(measured, reverse=True)
    assert measured[0] > 6 and measured[-1] < 2.5
    np.testing.assert_allclose(measured, claimed, atol=0.5)


def test_a_unit_of_the_shipped_model_follows_quotation_marks():
    model, units, snapshots, _, _, unit = lab.demo()
    layer, (embedding, params, *_) = model.layers[1], snapshots["trained"]
    assert isinstance(layer, RNN)
    text = 'The value of "x" and the "name" of an attribute, "y" or "__init__()", is a string. ' * 8
    xs = jnp.asarray(embedding.table)[jnp.array([units.index(letter) for letter in text])]
    _, (_, carries) = scan(Record(layer.cell), params, xs)
    memory = carries.c[:, unit - 1]
    inside = np.array([text[: k + 1].count('"') % 2 for k in range(len(text))])
    assert abs(np.corrcoef(memory, inside)[0, 1]) > 0.6
    assert carried(lab.page())["unit"] == unit


def test_snapshots_and_a_name_are_on_the_page():
    model, params = MODELS["tied"], PARAMS["tied"]
    early = jax.tree.map(lambda a: 0 * a, params)
    page = lab.page(model, params, units=LETTERS, snapshots=[("start", early)], name="<b>")
    found = carried(page)
    assert [snapshot["label"] for snapshot in found["snapshots"]] == ["start", "trained"]
    assert found["name"] == "<b>" and "<b>" not in page.split('id="model">')[1][:9]
    assert carried(lab.page(model, params, units=LETTERS))["name"] == "Elman, 1 × 6 units"


def test_a_page_is_whole():
    page = lab.page()
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert page.count("<script>") == page.count("</script>") - 1 == len(_page.SCRIPTS)
    for left in ("/*STYLE*/", "<!--SCRIPTS-->", "<!--MODEL-->", "\n//"):
        assert left not in page
    weights = json.dumps(carried(page), ensure_ascii=False)
    assert not re.search(r"https?://", page.replace(weights, ""))


def test_the_frame_in_the_notebook_is_the_page_of_today(monkeypatch):
    """If this fails, execute the notebook again, so that it stores the page as it is."""
    monkeypatch.setattr(_page, "_in_notebook", lambda: True)
    path = Path(__file__).parent.parent / "notebooks" / "vanishing_gradients.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    (cell,) = (cell for cell in cells if "lab.show(" in "".join(cell["source"]))
    assert "".join(cell["source"]) == 'lab.show("flow", cell="Elman", radius=1.0, steps=100)'
    frame = lab.show("flow", cell="Elman", radius=1.0, steps=100)._repr_html_()
    assert "".join(cell["outputs"][0]["data"]["text/html"]) == frame


def test_a_notebook_gets_a_frame_that_needs_no_kernel(monkeypatch):
    monkeypatch.setattr(_page, "_in_notebook", lambda: True)
    frame = lab.show("gate", step=3, pause=True)._repr_html_()
    found = re.fullmatch(r'<iframe [^>]* srcdoc="([^"]*)"></iframe>', frame, re.S)
    assert found and not set("\n$`[") & set(found[1])  # for converters of notebooks
    page = html.unescape(found[1])
    assert '<html data-state="panel=gate&amp;step=3&amp;pause=true" ' in page
    # Only one panel has a use for the weights.
    assert carried(page) is None and len(page) < 200_000
    frame = lab.show("write", prompt='"&')._repr_html_()
    page = html.unescape(frame.split('srcdoc="')[1])
    assert 'data-state="panel=write&amp;prompt=%22%26"' in page and carried(page)


def test_elsewhere_it_opens_the_browser(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    path = lab.show("plane", radius=0.5)
    assert opened == [path.as_uri()] and 'data-state="panel=plane&amp;radius' in path.read_text()
    path.unlink()
    monkeypatch.chdir(tmp_path)
    runpy.run_module("rnnjax.lab", run_name="__main__")
    assert opened[1] == (tmp_path / "runs" / "lab.html").as_uri()
    assert (tmp_path / "runs" / "lab.html").read_text() == lab.page()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": RNN(LSTM(6))}, "a model that the page can run, .* got RNN"),
        ({"model": Sequential((first, RNN(LSTM(6), reverse=True), last))}, "model that the page"),
        ({"units": ["the", "cat"]}, "units to be the characters .* models of words"),
        ({"units": "abc"}, "units to be 7 different characters, .* got 3; were they made"),
        ({"params": PARAMS["two layers"]}, "expected params to hold the parameters of the model"),
        ({"model": None}, "expected a model with params, units and snapshots, got None"),
        ({"snapshots": [PARAMS["tied"]]}, "snapshots to be pairs of a label and parameters"),
        ({"name": None}, "expected name to be a str, got None"),
    ],
)
def test_bad_calls_are_refused_in_a_sentence(change, message):
    good = {"model": MODELS["tied"], "params": PARAMS["tied"], "units": LETTERS}
    with pytest.raises(ValueError, match=message):
        lab.page(**good | change)
