"""The benchmarks' harness, and that what their README shows comes from the records."""

import ast
from pathlib import Path

import jax.numpy as jnp
import pytest
from _harness import Measurement, agree, compare, verdicts
from _tables import READMES, filled, markdown

README = READMES[-1]
SCRIPTS = sorted(README.parent.glob("[a-z]*.py"))


def test_agree_accepts_rounding_and_rejects_more():
    reference = {"a": jnp.array([1.0, 100.0])}
    agree(reference, {"rounded": {"a": jnp.array([1.0001, 100.0])}}, tolerance=1e-5)
    for wrong in (jnp.array([1.1, 100.0]), jnp.array([jnp.nan, 100.0]), jnp.ones(3)):
        with pytest.raises(ValueError, match="expected wrong to"):
            agree(reference, {"wrong": {"a": wrong}}, tolerance=1e-5)


def test_compare_measures_every_contestant_against_the_first():
    x = jnp.ones((64, 64))
    contestants = {"sum": (jnp.sum, (x,)), "product": (jnp.matmul, (x, x))}
    first, second = compare("case", contestants, repeats=5)
    assert (first.contestant, second.contestant) == ("sum", "product")
    assert first.ratio == 1.0 and second.ratio == second.median / first.median
    for m in (first, second):
        assert 0 < m.minimum <= m.quartile_1 <= m.median <= m.quartile_3
        assert m.compile_s > 0 and m.temp_bytes >= 0 and m.repeats == 5


def example() -> list[Measurement]:
    return [
        Measurement("case", "ours", 25, 1.0, 1.5, 2.0, 2.5, 1.0, 0.5, 1_500_000),
        Measurement("case", "slow", 25, 5.0, 5.5, 6.0, 6.5, 3.0, 0.5, 0),
        Measurement("case", "slower", 25, 7.0, 7.5, 8.0, 8.5, 4.0, 0.5, 0),
    ]


def test_the_verdict_is_against_the_best_of_the_others():
    assert list(verdicts(example())) == [
        "case: ours is 3.00 times as fast as slow, the best of the others"
    ]


def test_a_record_becomes_a_table():
    record = {
        "question": "Is it fast?",
        "date": "2026-01-01",
        "commit": "0123456789abcdef",
        "dirty": True,
        "device": "cpu",
        "cpu": "a processor",
        "cores": 2,
        "versions": {"jax": "0.12"},
        "measurements": [measurement._asdict() for measurement in example()],
    }
    table = markdown(record)
    assert "| case | ours | 2 | 1.5 … 2.5 | 1 | 1.00 | 0.50 | 1.5 |\n" in table
    assert "commit 0123456789 with changes" in table


def test_the_tables_are_those_of_the_records():
    for readme in READMES:
        assert readme.read_text() == filled(readme.read_text()), "run benchmarks/_tables.py"


def test_a_table_without_a_record_is_empty():
    block = "<!-- table: nothing -->\nold\n<!-- end -->"
    assert filled(block, Path("nowhere")) == "<!-- table: nothing -->\n<!-- end -->"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_readme_tells_what_a_script_asks(script):
    question = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0]
    assert f"| `{script.name}` | {question} |" in README.read_text()
    assert f"<!-- table: {script.stem}." in README.read_text()
