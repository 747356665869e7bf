"""The code of the README and of the pages is run, and prints the output that is shown below it.

A block starts afresh, unless the line above it is `<!-- continues -->`. A block of text below a
block of code is its output, in which `...` stands for anything.
"""

import doctest
import io
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(
    r"^(?P<continues><!-- continues -->\n+)?```python\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

Block = tuple[int, str, str]


def stories(text: str) -> list[list[Block]]:
    """Blocks as `(line, code, output)`, each together with those that continue it."""
    found: list[list[Block]] = []
    for match in BLOCK.finditer(text):
        line = text[: match.start("code")].count("\n")
        block = (line, match["code"], match["output"] or "")
        if match["continues"]:
            found[-1].append(block)
        else:
            found.append([block])
    return found


def play(story: list[Block], page: Path = README) -> None:
    """Runs the blocks in one module; errors point at the lines of the page."""
    module = ModuleType("page")
    # Importable, because pickling an instance looks its class up there.
    sys.modules["page"] = module
    try:
        for line, code, expected in story:
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile("\n" * line + code, page, "exec"), vars(module))
            found = printed.getvalue()
            same = doctest.OutputChecker().check_output(expected, found, OPTIONS)
            assert same, f"{page.name}, line {line}: expected\n{expected}\ngot\n{found}"
    finally:
        del sys.modules["page"]


PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
STORIES = [
    pytest.param(page, story, id=f"{page.relative_to(ROOT)} line {story[0][0]}")
    for page in PAGES
    if page.exists()
    for story in stories(page.read_text())
]


def test_there_is_a_readme_with_code():
    assert stories(README.read_text()), "expected at least one ```python block"


@pytest.mark.parametrize("page, story", STORIES)
def test_the_code_on_the_page_runs(page, story, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    play(story, page)


EXAMPLE = """
```python
x = 1
```
Text.
<!-- continues -->
```python
print(x + 1)
```

```text
2
```
```python
assert "x" not in globals()
```
```sh
this is not Python
```
"""


def test_blocks_continue_only_where_the_page_says_so():
    first, second = stories(EXAMPLE)
    assert [line for line, *_ in first] == [2, 7] and len(second) == 1
    play(first)
    play(second)


@pytest.mark.parametrize(
    "code, output, error",
    [
        ("print(1 + 1)\n", "3\n", AssertionError),
        ("print(1 + 1)\n", "", AssertionError),
        ("x = 1\n", "1\n", AssertionError),
        ("x = 1 / 0\n", "", ZeroDivisionError),
    ],
)
def test_code_that_is_wrong_fails(code, output, error):
    with pytest.raises(error):
        play([(3, code, output)])
