"""The README's code is run as it stands there.

A block starts afresh, unless the line above it is `<!-- continues -->`. Blocks with `>>>` are
run as doctests.
"""

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(
    r"^(?P<continues><!-- continues -->\n+)?```(?:python|pycon)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DOCTEST_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

Block = tuple[int, str]


def stories(text: str) -> list[list[Block]]:
    """Blocks as `(line, code)`, each together with those that continue it."""
    found: list[list[Block]] = []
    for match in BLOCK.finditer(text):
        block = (text[: match.start("code")].count("\n"), match["code"])
        if match["continues"]:
            found[-1].append(block)
        else:
            found.append([block])
    return found


def play(story: list[Block]) -> None:
    """Runs the blocks in one module; errors point at the lines of the README."""
    module = ModuleType("readme")
    # Importable, because pickling an instance looks its class up there.
    with patch.dict(sys.modules, readme=module):
        for line, code in story:
            run_block(vars(module), line, code)


def run_block(namespace: dict[str, object], line: int, code: str) -> None:
    if ">>> " in code:
        test = doctest.DocTestParser().get_doctest(code, namespace, "README", "README.md", line)
        doctest.DebugRunner(optionflags=DOCTEST_OPTIONS).run(test, clear_globs=False)
        namespace.update(test.globs)
    else:
        exec(compile("\n" * line + code, README, "exec"), namespace)


STORIES = stories(README.read_text()) if README.exists() else []


def test_there_is_a_readme_with_code():
    assert STORIES, "expected README.md, with at least one ```python block"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"line {story[0][0]}")
def test_the_code_in_the_readme_runs(story, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    play(story)


EXAMPLE = """
```python
x = 1
```
Text.
<!-- continues -->
```python
>>> x + 1
2
```
```python
assert "x" not in globals()
```
```text
this is not code
```
"""


def test_blocks_continue_only_where_the_readme_says_so():
    first, second = stories(EXAMPLE)
    assert [line for line, _ in first] == [2, 7] and len(second) == 1
    play(first)
    play(second)


@pytest.mark.parametrize(
    "code, error",
    [(">>> 1 + 1\n3\n", doctest.DocTestFailure), ("x = 1 / 0\n", ZeroDivisionError)],
)
def test_code_that_is_wrong_fails(code, error):
    with pytest.raises(error):
        play([(3, code)])
