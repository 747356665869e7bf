"""The pages of the site: links into the lab, the table of equations, the glossary."""

import functools
import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

import rnnjax
from rnnjax.tasks._command import TASKS, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "docs").rglob("*.md")}
LAB = re.compile(r"lab\.html#([^)\"\s]+)")
ROW = re.compile(r"^\| \[[^\]]*\]\(\.\./lab\.html#(panel=flow[^)]+)\) \| (.+?) \|$", re.MULTILINE)

# The panels' scripts without a page around them; the model that writes is an empty one.
MODEL = {"units": ["a"], "name": "", "snapshots": [{"label": "a", "model": {"layers": []}}]}
MODEL["snapshots"][0]["model"]["layers"] = [{"cell": {"name": "LSTM"}, "units": 4}]
STAGE = """
globalThis.location = { hash: "" };
globalThis.addEventListener = () => {};
globalThis.document = { getElementById: () => ({ textContent: JSON.stringify(MODEL) }),
  documentElement: { dataset: {} }, body: { dataset: {} } };
"""
DRIVER = """
function fault(address) {
  const { panel, ...state } = Object.fromEntries(address);
  const found = PANELS.find(({ name }) => name === panel);
  if (!found) return `no panel ${panel}`;
  for (const [name, text] of Object.entries(state)) {
    const spec = found.controls.find((control) => control.name === name);
    if (!spec) return `no control ${name}`;
    const value = parseControl(spec, text);
    if (text !== String(value)) return `${name}=${text} is read as ${value}`;
  }
  return null;
}
function flowRatio(address) {
  const { panel, ...state } = Object.fromEntries(address);
  const { controls } = PANELS.find(({ name }) => name === panel);
  const values = controls.filter(({ name }) => name).map((spec) => [
    spec.name, parseControl(spec, spec.name in state ? state[spec.name] : null)]);
  const { norms } = flowResult(Object.fromEntries(values));
  return formatNumber(norms[0] / norms.at(-1));
}
console.log(JSON.stringify({ faults: LINKS.map(fault), ratios: ROWS.map(flowRatio) }));
"""


@pytest.fixture(scope="module")
def lab():
    """Links into the lab with their faults, and rows of tables with what the lab shows."""
    node = pytest.importorskip("lab_node")
    texts = {name: path.read_text() for name, path in PAGES.items()}
    links = [(name, link) for name, text in texts.items() for link in LAB.findall(text)]
    rows = [(name, *row) for name, text in texts.items() for row in ROW.findall(text)]
    given = {
        "MODEL": MODEL,
        "LINKS": [parse_qsl(link, keep_blank_values=True) for _, link in links],
        "ROWS": [parse_qsl(link) for _, link, _ in rows],
    }
    scripts = (path for path in rnnjax.lab._page.SCRIPTS if path != "shell")
    source = [f"const {name} = {json.dumps(value)};" for name, value in given.items()]
    source += [STAGE, *((node.PAGE / f"{name}.js").read_text() for name in scripts), DRIVER]
    done = subprocess.run([node.NODE, "-"], input="\n".join(source), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {"links": links, "rows": rows, **json.loads(done.stdout)}


def test_links_into_the_lab_are_experiments(lab):
    assert len(lab["links"]) > 30
    wrong = [(*link, fault) for link, fault in zip(lab["links"], lab["faults"], strict=True)]
    assert [entry for entry in wrong if entry[-1]] == []


def test_numbers_beside_links_are_what_the_lab_shows(lab):
    assert len(lab["rows"]) > 10
    found = [(*row, ratio) for row, ratio in zip(lab["rows"], lab["ratios"], strict=True)]
    assert [entry for entry in found if entry[2] != entry[3]] == []


PARTS = "attention cells data decoding diagnostics engine flax forecasting initializers interop"
PARTS = f"rnnjax {PARTS} lab layers losses tasks testing training".replace(" ", "|")
NAME = re.compile(rf"`((?:{PARTS})(?:\.[A-Za-z]\w*)+)[`(]")


def resolves(name: str) -> bool:
    """Whether the library has a name, such as `training.fit`."""
    value = rnnjax
    for part in name.removeprefix("rnnjax.").split("."):
        value = getattr(value, part, None)
    return value is not None


def test_names_on_the_pages_exist():
    found = [
        (page, name) for page, path in PAGES.items() for name in NAME.findall(path.read_text())
    ]
    assert len(found) > 50
    assert [(page, name) for page, name in found if not resolves(name)] == []


def table_of_cells(text: str) -> dict[str, str]:
    """The sources of the rows whose first column is a cell."""
    rows = re.findall(r"^ *\| `(?:cells\.)?(\w+)` \|.*\| *([^|]*?) *\|$", text, re.MULTILINE)
    return dict(rows)


def test_every_cell_has_its_equations():
    page = table_of_cells(PAGES["docs/reference/equations.md"].read_text())
    assert page == table_of_cells(rnnjax.cells.__doc__ or "")
    concrete = {
        name
        for name, value in vars(rnnjax.cells).items()
        if isinstance(value, type) and issubclass(value, rnnjax.Cell)
        if not name.startswith("_") and value.__doc__ and not value.__doc__.startswith("Base ")
    }
    assert page.keys() == concrete


@pytest.mark.parametrize(
    "file, entry",
    [
        ("CITATION.cff", "version: {}\n"),
        ("docs/reference/citation.md", "version = {{{}}}"),
        ("CHANGELOG.md", "## {}"),
    ],
)
def test_the_version_is_written_everywhere(file, entry):
    assert entry.format(rnnjax.__version__) in (ROOT / file).read_text()


USE = {page.stem: page.read_text() for page in (ROOT / "docs/use").glob("*.md")}
USE = {name: re.sub(r"\\\n *", "", text) for name, text in USE.items()}  # a command in one line
COMMAND = re.compile(r"^rnnjax (\w+) (.+?)(?: +#.*)?$", re.MULTILINE)


def test_every_application_has_a_page_and_all_are_alike():
    assert USE.keys() - {"index"} == TASKS.keys()
    sections = ["## Commands", "## What it reaches", "## How it works"]
    for name in TASKS:
        assert re.findall("^## .+", USE[name], re.MULTILINE) == sections, name
        assert f"(../../notebooks/{name}.ipynb)" in USE[name] and f"]({name}.md)" in USE["index"]
        verbs = {words.split()[0] for _, words in COMMAND.findall(USE[name])}
        assert verbs == {"train", "evaluate", "use"}, name


@pytest.mark.parametrize("name", TASKS)
def test_the_commands_on_the_pages_are_understood(name, monkeypatch):
    module = importlib.import_module(f"rnnjax.tasks.{name}")
    met = []

    def noted(command):
        return functools.wraps(command)(lambda *_, **options: met.append(command))

    known = {verb: noted(command) for verb, command in module.COMMANDS.items()}
    monkeypatch.setattr(module, "COMMANDS", known)
    for task, words in COMMAND.findall(USE[name]):
        assert main([task, *shlex.split(words)]) == 0, words
        assert task == name and met.pop() is module.COMMANDS[words.split()[0]].__wrapped__
