"""The pairs of snippets on the pages, of another library and of rnnjax, compute the same numbers.

The blocks ```py of a page are one program. Two that follow `<!-- pair -->` are compared in every
variable that both assign at their top level.
"""

import ast
import os
import re
from pathlib import Path
from types import ModuleType

os.environ["KERAS_BACKEND"] = "jax"

import jax
import numpy as np
import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^(<!-- pair -->\n+)?```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COUNTS = {"from_flax.md": 4, "from_keras.md": 5, "from_pytorch.md": 5, "serving.md": 1}

# Keras's own, in `get_weights` with a new NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def assigned(code):
    """The names that a block assigns, outside of its functions."""
    tree = ast.parse(code)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.Lambda | ast.comprehension)
        for node in ast.walk(function)
    }
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Store) and id(n) not in inner} - {"_"}


def plain(value):
    """The arrays in a value, by their places; `None` for anything else, such as a model."""
    leaves = jax.tree.leaves_with_path(value)
    arrays = {path: getattr(leaf, "detach", lambda leaf=leaf: leaf)() for path, leaf in leaves}
    try:
        found = {path: np.asarray(a) for path, a in arrays.items()}
    except (TypeError, ValueError):
        return None
    return found if all(a.dtype.kind in "biufc" for a in found.values()) else None


def play(text):
    """Runs the blocks of a page. The compared values: for each pair the two sides, by name."""
    module = vars(ModuleType("page"))
    pairs, theirs = [], None
    for match in BLOCK.finditer(text):
        exec(compile("\n" * text[: match.start(2)].count("\n") + match[2], "page", "exec"), module)
        values = {name: plain(module[name]) for name in sorted(assigned(match[2]))}
        if match[1]:
            theirs = values
        elif theirs is not None:
            common = [name for name in theirs.keys() & values.keys() if theirs[name]]
            pairs.append({name: (theirs[name], values[name]) for name in common})
            theirs = None
    return pairs


def check(pairs):
    for pair in pairs:
        assert "y" in pair
        for name, (theirs, ours) in pair.items():
            assert ours is not None and theirs.keys() == ours.keys(), name
            for path, expected in theirs.items():
                assert ours[path].shape == expected.shape, name
                np.testing.assert_allclose(ours[path], expected, 1e-4, 1e-6, err_msg=name)


@pytest.mark.parametrize("name", COUNTS)
def test_pairs_on_the_page_compute_the_same(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs = play((PAGES / name).read_text())
    print({name: [sorted(pair) for pair in pairs]})
    assert len(pairs) == COUNTS[name]
    check(pairs)


def test_every_page_with_a_pair_is_run():
    with_pairs = {page.name for page in PAGES.parent.rglob("*.md") if "```py\n" in page.read_text()}
    assert with_pairs == COUNTS.keys()


PAIR = """<!-- pair -->
```py
y, z = np.ones(2), 5
```

```py
y, w = {}, 1
```
"""


@pytest.mark.parametrize(
    "ours", ["np.zeros(2)", "np.ones(3)", "np.ones((1, 2))", "[np.ones(2)]", "'text'"]
)
def test_a_pair_that_differs_fails(ours):
    imports = "```py\nimport numpy as np\n```\n"
    check(play(imports + PAIR.format("np.full(2, 1 + 1e-6)")))
    with pytest.raises(AssertionError):
        check(play(imports + PAIR.format(ours)))
