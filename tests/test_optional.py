"""Packages that come with an extra: without one, there is a clear line."""

import sys
from pathlib import Path

import numpy as np
import pytest

from rnnjax.data import Batch, read_midi
from rnnjax.tasks._digits import sklearn_digits
from rnnjax.tasks._longterm._linear import linear_accuracy
from rnnjax.tasks._memory._patterns import read_images
from rnnjax.tasks._video._clips import write_gif

ROWS = Batch(np.eye(2)[..., None], np.arange(2))
CALLS = {
    "mido": lambda: read_midi("song.mid"),
    "sklearn.datasets": sklearn_digits,
    "sklearn.linear_model": lambda: linear_accuracy(ROWS, ROWS, ROWS),
    "PIL.Image": lambda: read_images(Path(".")),
    "PIL": lambda: write_gif(Path("clip.gif"), np.zeros((1, 2, 2))),
}


@pytest.mark.parametrize("module", CALLS)
def test_a_missing_package_is_one_clear_line(module, monkeypatch):
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r"^expected the package .* pip install 'rnnjax\[\w+\]'$"):
        CALLS[module]()
