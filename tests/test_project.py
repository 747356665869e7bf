"""Tests about the project itself: what imports what, sizes, documentation, manners, tooling."""

import ast
import dataclasses
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnjax

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rnnjax"
SCRIPTS = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))

# Imports run from a later line to an earlier one; those who share a line are strangers.
ORDER = (
    {"_checks", "_files", "_optional", "_sharding", "_tables", "_trees"},
    {"_static", "_numerics", "_masks", "_shapes", "_hooks"},
    {"_core"},
    {"_wrapper", "_arguments"},
    {"initializers"},
    {"attention"},
    {"cells"},
    {"engine"},
    {"layers", "testing"},
    {"losses", "data", "flax", "interop", "decoding", "diagnostics"},
    {"training", "forecasting"},
    {"lab"},
    {"tasks"},
    {"__main__"},
)
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}

LONGEST_FILE = 400
LONGEST_FUNCTION = 40
LONGEST_PROTOCOL = 220
LONGEST_CELL = 130
# A stack holds parts of three kinds; the decoder attends.
LONGEST_CELLS = {"_stack.py": 200, "_attention.py": 175}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, **options
    )


# Imports


def wrong_imports(module: Path, source: str) -> list[str]:
    """The imports in `module`, a path such as `rnnjax/cells/_gru.py`, that break the order."""
    part = module.with_suffix("").parts[1]
    if part not in RANK:
        return [f"{module}: {part} has no place in the order of imports"]
    return [
        f"{module}:{line}: {part} imports {name}"
        for line, name in imports_of_ours(module, source)
        if (target := name.split(".")[1]) != part and RANK.get(target, len(ORDER)) >= RANK[part]
    ]


def imports_of_ours(module: Path, source: str) -> Iterator[tuple[int, str]]:
    """Every import from this package, relative or not, as line and absolute name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.parent.parts[: len(module.parts) - node.level] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, f"{name}.") for name in names if name.split(".")[0] == "rnnjax")


def test_imports_run_in_one_direction():
    modules = [path.relative_to(ROOT) for path in sources("rnnjax")]
    modules.remove(Path("rnnjax/__init__.py"))
    assert [w for m in modules for w in wrong_imports(m, (ROOT / m).read_text())] == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("rnnjax/cells/_options.py", "from ..engine import scan"),
        ("rnnjax/cells/gated/_gru.py", "from ...engine._scan import scan"),
        ("rnnjax/cells/gated/_gru.py", "from ... import engine"),
        ("rnnjax/cells/__init__.py", "from ..layers import Dense"),
        ("rnnjax/cells/gated/_gru.py", "def f():\n    import rnnjax.engine"),
        ("rnnjax/cells/gated/_gru.py", "from rnnjax.training import fit"),
        ("rnnjax/cells/gated/_gru.py", "import rnnjax"),
        ("rnnjax/cells/gated/_gru.py", "from rnnjax import LSTM"),
        ("rnnjax/initializers.py", "from .cells import GRU"),
        ("rnnjax/flax/nnx.py", "from ..interop import to_torch"),
        ("rnnjax/engine/_scan.py", "from ..testing import check_cell"),
        ("rnnjax/testing.py", "from .layers import RNN"),
        ("rnnjax/_core.py", "from . import initializers"),
        ("rnnjax/_core.py", "from ._wrapper import Wrapper"),
        ("rnnjax/_static.py", "from ._numerics import matmul"),
        ("rnnjax/_utils.py", ""),
    ],
)
def test_an_import_against_the_direction_is_found(module, source):
    assert len(wrong_imports(Path(module), source)) == 1


@pytest.mark.parametrize(
    "module, source",
    [
        ("rnnjax/cells/gated/_gru.py", "import jax\nfrom jax import numpy"),
        ("rnnjax/cells/gated/_gru.py", "from ..._core import Cell\nfrom .._options import draw"),
        ("rnnjax/cells/__init__.py", "from .gated._gru import GRU\nfrom . import gated"),
        ("rnnjax/_wrapper.py", "from ._core import Cell\nfrom ._static import derived"),
        ("rnnjax/testing.py", "from .engine import scan"),
        ("rnnjax/flax/nnx.py", "from flax import nnx\nimport flax.linen\nfrom .. import layers"),
        ("rnnjax/tasks/text.py", "from rnnjax.training import fit"),
        ("rnnjax/initializers.py", "from ._core import Cell"),
    ],
)
def test_an_import_in_the_direction_passes(module, source):
    assert wrong_imports(Path(module), source) == []


# Sizes


def test_files_are_short():
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sources("rnnjax", "tests", "benchmarks")
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert found == {}


def test_the_protocol_is_short():
    assert len((PACKAGE / "_core.py").read_text().splitlines()) <= LONGEST_PROTOCOL


CELL_FILES = sorted((PACKAGE / "cells").glob("*/_[a-z]*.py"))


@pytest.mark.parametrize("path", CELL_FILES, ids=lambda path: path.stem)
def test_a_cell_file_is_short_and_has_one_cell(path):
    source = path.read_text()
    assert len(source.splitlines()) <= LONGEST_CELLS.get(path.name, LONGEST_CELL)
    defined = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    exported = [getattr(rnnjax.cells, name) for name in defined if hasattr(rnnjax.cells, name)]
    bases = {rnnjax.cells.MemoryCell}
    assert sum(issubclass(cls, rnnjax.Cell) and cls not in bases for cls in exported) <= 1


def test_functions_are_short():
    found = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": lines
        for path in sources("rnnjax", "tests", "benchmarks")
        for function, lines in functions(ast.parse(path.read_text()))
        if lines > LONGEST_FUNCTION
    }
    assert found == {}


def functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, int]]:
    """Every function, and the number of lines of its body without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            end = node.end_lineno or node.lineno
            yield node, end - body[0].lineno + 1 if body else 0


# Documentation


def public_modules() -> Iterator[Any]:
    yield rnnjax
    for info in pkgutil.walk_packages(rnnjax.__path__, "rnnjax."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield importlib.import_module(info.name)


def public_names() -> dict[str, Any]:
    """Classes and functions: those a package exports, and those a module of its own defines."""
    return {
        f"{module.__name__}.{name}": value
        for module in public_modules()
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and (getattr(value, "__module__", None) or "").split(".")[0] == "rnnjax"
        and (hasattr(module, "__path__") or value.__module__ == module.__name__)
    }


MODULES = {module.__name__: module for module in public_modules()}
NAMES = public_names()


def test_public_names_are_found():
    assert {"rnnjax.scan", "rnnjax.cells.LSTM", "rnnjax.initializers.orthogonal"} <= set(NAMES)


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_has_a_docstring(name):
    assert MODULES[name].__doc__


def is_tuple(name: str) -> bool:
    """Whether a name is that of a NamedTuple: parameters, a state, a result."""
    return inspect.isclass(NAMES[name]) and issubclass(NAMES[name], tuple)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring_and_unless_it_is_a_tuple_an_example(name):
    text = NAMES[name].__doc__ or ""
    assert text and not text.startswith(f"{NAMES[name].__name__}(")
    # A function of an application, `rnnjax.tasks.NAME`, is shown by its command.
    application = name.startswith("rnnjax.tasks.") and name.count(".") == 3
    assert ">>> " in text or is_tuple(name) or application
    assert not re.search(r"^ *Example:", text, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isclass(NAMES[name])])
def test_the_fields_of_a_public_class_are_documented(name):
    fields = own_fields(NAMES[name])
    # A field with another default is described where it was declared first.
    texts = "\n".join(base.__doc__ or "" for base in NAMES[name].__mro__)
    documented = re.findall(r"^ *(\w+):", texts, re.MULTILINE)
    if is_tuple(name):
        # By a shape, or a comment behind the field or on the line above it.
        source = inspect.getsource(NAMES[name])
        documented += re.findall(r"^ *(\w+): .*(?:\w\[\w+, \"|#)", source, re.MULTILINE)
        documented += re.findall(r"^ *#.*\n *(\w+):", source, re.MULTILINE)
    assert [field for field in fields if field not in documented] == []


def own_fields(cls: type) -> list[str]:
    """The fields that a dataclass or NamedTuple declares itself, but for private ones."""
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        names = list(getattr(cls, "_fields", ()))
    declared = inspect.get_annotations(cls)
    return [name for name in names if name in declared and not name.startswith("_")]


# Manners


QUIET = """
import sys, jax
before = dict(jax.config.values)
import rnnjax
assert dict(jax.config.values) == before, "importing rnnjax changes the configuration of JAX"
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized(), "importing rnnjax initialises a backend"
heavy = {"matplotlib", "flax", "orbax", "scipy.io", "torch"} & set(sys.modules)
assert not heavy, f"importing rnnjax imports {heavy}"
"""


def test_importing_is_quiet():
    done = run(sys.executable, "-W", "error", "-c", QUIET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", sources("rnnjax"), ids=lambda path: path.name)
def test_no_print_no_assert_no_all(path):
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    command_line = "tasks" in path.parts
    has_laws = path.match("rnnjax/testing/*")
    assert "__all__" not in names
    assert "print" not in names or command_line
    assert has_laws or not any(isinstance(node, ast.Assert) for node in ast.walk(tree))


# Each is written so that it does not match itself.
NOT_FOR_THE_PUBLIC = (
    re.compile(r"(?<![\w.~}>-])/(?:home|root|work|Users)/"),
    re.compile(r"pythonhosted\.org|pypi\.org/simple|artifactor[y]|devp[i]\b"),
    re.compile(r"index[-_]url|find[-_]links"),
)


def files_of_the_project() -> list[Path]:
    """What git tracks or would track; outside a checkout, what is not hidden."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z")
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(ROOT).parts)
    ]


def test_no_file_names_a_place_on_somebodys_machine():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files_of_the_project()
        for pattern in NOT_FOR_THE_PUBLIC
        for match in pattern.finditer(path.read_text(errors="ignore"))
    ]
    assert found == []


def test_the_patterns_find_what_they_are_for():
    for text in ("see " + "/home" + "/me/data", "--index" + "-url x", "at '/wo" + "rk/main'"):
        assert any(pattern.search(text) for pattern in NOT_FOR_THE_PUBLIC)
    for text in ("https://example.org/home/page", "src/work/x"):
        assert not any(pattern.search(text) for pattern in NOT_FOR_THE_PUBLIC)


# Tooling


MAKE = shutil.which("make") or "make"  # found before a test puts another PATH


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Inside `make test`, these would pass on what the outer make was told.
    outer = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "FIND_PYTHONS", "VENV")
    inherited = {name: value for name, value in os.environ.items() if name not in outer}
    return run(MAKE, "--no-print-directory", *arguments, env=inherited | environment)


def test_make_help_lists_every_documented_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([\w-]+):.*## ", makefile, re.MULTILINE)
    phony = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", makefile, re.MULTILINE)[0]
    phony = phony.replace("\\\n", " ").split()
    assert targets == phony
    assert re.findall(r"^make ([\w-]+)", make().stdout, re.MULTILINE) == targets


def test_every_benchmark_is_run_by_make_bench_smoke():
    recipe = make("--dry-run", "bench-smoke").stdout
    assert SCRIPTS and [path for path in SCRIPTS if f"benchmarks/{path.name}" not in recipe] == []
    assert "--smoke" in recipe


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_benchmark_asks_a_question(script):
    assert (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0].endswith("?")


def test_make_takes_the_newest_python_that_runs(tmp_path):
    tools(tmp_path, "sh", "sort", "uniq")
    executable(tmp_path / "python3.14", "exit 127")
    executable(tmp_path / "python3.13", f'exec "{sys.executable}" "$@"')
    executable(tmp_path / "python3", "exec python3.14")
    found = make("pythons", PATH=str(tmp_path), PYENV_ROOT=str(tmp_path)).stdout
    version = ".".join(map(str, sys.version_info[:3]))
    assert found == f"{version} {os.path.realpath(sys.executable)}\n"


def test_make_says_in_one_line_that_there_is_no_python(tmp_path):
    tools(tmp_path, "sh", "sort", "uniq", "head", "cut")
    nowhere = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    done = make("test", f"VENV={tmp_path / 'venv'}", **nowhere)
    message, verdict = done.stderr.splitlines()
    assert message.startswith("no Python 3.11")
    assert verdict.startswith("make: ***") and done.returncode != 0


def tools(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)


def executable(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
