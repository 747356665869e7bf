"""The page: its scripts, its controls, its size."""

import re
from typing import Any

import pytest
from lab_node import PAGE, close, run_scripts

from rnnjax import lab
from rnnjax.lab._page import PANELS, SCRIPTS

FILES = sorted(PAGE.rglob("*.js"))
MODEL = re.compile(r'<script type="application/json" id="model">.*?</script>', re.S)


@pytest.fixture(scope="module")
def html() -> str:
    return lab.page()


# The text of the page


def test_the_page_without_weights_is_small(html):
    assert len(MODEL.sub("", html).encode()) <= 104_000


def test_the_page_contains_every_script_and_refers_to_nothing(html):
    names = {path.relative_to(PAGE).with_suffix("").as_posix() for path in FILES}
    assert names == {*SCRIPTS}
    for path in FILES:
        code = [line for line in path.read_text().splitlines() if not re.match(" *//", line)]
        assert "\n".join(code) in html, path
    assert (PAGE / "lab.css").read_text() in html
    page = MODEL.sub("", html)
    assert not re.search(r"https?:|//[a-z]+\.[a-z]|\bimport\b.*from|\bfetch\(|@import|url\(", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scripts_are_short(path):
    text = path.read_text()
    lines = text.splitlines()
    assert lines[0] == '"use strict";' and lines[1].startswith("//")
    assert max(map(len, lines)) <= 100
    assert len(lines) < (200 if path.parent.name == "panels" else 300)
    for function in re.findall(r"^function .*?^}", text, re.S | re.M):
        assert function.count("\n") < 40, function.splitlines()[0]


# The scripts of panels only register them; what they need of a browser here is an address.
BROWSER = """
globalThis.location = { hash: "" };
const dataset = { state: "radius=1e3&cell=GRU&on=true" };
const documentElement = { dataset };
globalThis.document = { documentElement, getElementById: () => ({ textContent: "null" }) };
"""
REGISTERED = """
const specs = (panel) => panel.controls.map(({ when, ...spec }) => (
  { ...spec, shown: when ? PANELS.length > 0 : true }));
const parse = ([spec, text]) => parseControl(spec, text);
return {
  panels: PANELS.map((panel) => ({ name: panel.name, title: panel.title, about: panel.about,
    controls: specs(panel) })),
  parsed: given.parse.map(parse),
  read: readControls(given.read),
  numbers: given.numbers.map(formatNumber),
  ticks: given.ticks.map(([log, ...range]) => (log ? logTicks : linearTicks)(...range)),
};
"""
SLIDER = {"min": 0, "max": 3, "value": 1}
PARSE = [
    ((SLIDER, "2.5"), 2.5),
    ((SLIDER, "99"), 3),
    ((SLIDER, "-1"), 0),
    ((SLIDER, "fast"), 1),
    ((SLIDER, ""), 1),
    ((SLIDER, None), 1),
    (({"choices": ["a", "b"], "value": "a"}, "b"), "b"),
    (({"choices": ["a", "b"], "value": "a"}, "c"), "a"),
    (({"value": False}, "1"), True),
    (({"value": True}, "0"), False),
    (({"text": True, "value": "x"}, ""), ""),
]
READ = [
    {"name": "radius", **SLIDER},
    {"name": "cell", "choices": ["LSTM", "GRU"], "value": "LSTM"},
    {"name": "on", "value": False},
    {"name": "absent", "value": True},
    {"action": "restart"},
]
NUMBERS = {0: "0", 3e-15: "3 × 10⁻¹⁵", -2.54e7: "−2.5 × 10⁷", 0.12345: "0.123", 1234.5: "1234.5"}
TICKS = [
    ((False, 0, 200, 5), {0: "0", 50: "50", 100: "100", 150: "150", 200: "200"}),
    ((False, -0.5, 0.5, 5), {-0.4: "−0.4", -0.2: "−0.2", 0: "0", 0.2: "0.2", 0.4: "0.4"}),
    ((False, 31.5, -0.5, 3), {0: "0", 10: "10", 20: "20", 30: "30"}),
    ((True, 0.04, 2, 5), {0.05: "0.05", 0.1: "0.1", 0.2: "0.2", 0.5: "0.5", 1: "1", 2: "2"}),
    ((True, 1.1, 1.9, 3), {1.2: "1.2", 1.4: "1.4", 1.6: "1.6", 1.8: "1.8"}),
    ((True, 1e-9, 2, 5), {1e-8: "10⁻⁸", 1e-6: "10⁻⁶", 1e-4: "10⁻⁴", 1e-2: "10⁻²", 1: "1"}),
]


@pytest.fixture(scope="module")
def registered() -> dict[str, Any]:
    given = {
        "parse": [case for case, _ in PARSE],
        "read": READ,
        "numbers": list(NUMBERS),
        "ticks": [case for case, _ in TICKS],
    }
    return run_scripts(SCRIPTS[:-1], REGISTERED, given, before=BROWSER)


def test_panels_and_controls_are_described(registered):
    panels = registered["panels"]
    assert sorted(panel["name"] for panel in panels) == sorted(PANELS)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["about"][-1] in ".?"
        names = [control.get("name") or control["action"] for control in panel["controls"]]
        assert len({*names}) == len(names)
        for control in panel["controls"]:
            assert control["label"] and "rows" not in control["label"]
            if "choices" in control:
                assert control["value"] in control["choices"]
            elif "min" in control:
                assert control["min"] <= control["value"] <= control["max"]
                assert not control.get("log") or control["min"] > 0
    # An entry of the address means the same in every panel, or at least no other kind of thing.
    assert "panel" not in {c.get("name") for panel in panels for c in panel["controls"]}


def test_an_address_is_read_with_care(registered):
    assert registered["parsed"] == [expected for _, expected in PARSE]
    assert registered["read"] == {"radius": 3, "cell": "GRU", "on": True, "absent": True}


def test_numbers_and_ticks_are_readable(registered):
    assert registered["numbers"] == list(NUMBERS.values())
    for found, (_, expected) in zip(registered["ticks"], TICKS, strict=True):
        close([value for value, _ in found], list(expected))
        assert [text for _, text in found] == list(expected.values())
