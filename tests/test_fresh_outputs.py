"""The comparison of stored outputs of notebooks with those of a fresh run."""

import importlib.util
import json
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / "docs" / "fresh.py"
spec = importlib.util.spec_from_file_location("fresh", PATH)
assert spec and spec.loader
fresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fresh)


def notebook(path, *texts, tags=(), pictures=0):
    """A notebook of one cell that printed these texts, in as many pieces."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [text]} for text in texts]
    outputs += [{"data": {"image/png": "", "text/plain": "<Figure at 0x1>"}}] * pictures
    cell = {"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": outputs}
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, cell]}))
    return path


def compare(tmp_path, old, new, **options):
    stored = notebook(tmp_path / "a.ipynb", *old, **options)
    return list(fresh.differences(stored, notebook(tmp_path / "b.ipynb", *new, **options)))


@pytest.mark.parametrize(
    "old, new",
    [
        (["F1 0.93 of 20 words"], ["F1 0.91 of 20 words"]),
        (["a\n", "b\n"], ["a\nb\n"]),
        (["compiling the training step\nstep 50   loss 0.2\nend"], ["step 50   loss 9\nend"]),
    ],
)
def test_near_numbers_pieces_and_progress_are_no_difference(tmp_path, old, new):
    assert not compare(tmp_path, old, new)


@pytest.mark.parametrize(
    "old, new",
    [(["F1 0.93"], ["F1 0.4"]), (["F1 0.93"], ["R2 0.93"]), (["1 of 2"], ["1 of 2, 3"])],
)
def test_other_words_and_numbers_are_found(tmp_path, old, new):
    (found,) = compare(tmp_path, old, new)
    assert found.startswith("a.ipynb, cell 1:\n--- stored\n+++ fresh\n")
    assert not compare(tmp_path, old, new, tags=["varies"])


def test_a_missing_picture_is_found(tmp_path):
    stored = notebook(tmp_path / "a.ipynb", pictures=1, tags=["varies"])
    (found,) = fresh.differences(stored, notebook(tmp_path / "b.ipynb", tags=["varies"]))
    assert found == "a.ipynb, cell 1: 1 pictures, fresh 0"
