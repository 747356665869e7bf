"""Readers of text files: whole, lines, tables, columns; bad files are refused in one line."""

import csv
import gzip
import io
import random
from pathlib import Path
from typing import Any

import pytest

from rnnjax.data import load_text, read_columns, read_lines, read_table

READERS = {"text": load_text, "lines": read_lines, "table": read_table, "columns": read_columns}


@pytest.fixture
def write(tmp_path):
    """A function that writes a file and gives its path."""

    def file(content: str | bytes, name: str = "file.tsv") -> Path:
        content = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return file


def message(read, *arguments):
    """The message of the error that a reader raises: one line."""
    with pytest.raises(ValueError, match="^expected") as error:
        read(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# Files that hold no text


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_bad_files_are_refused_in_one_line(read, write, tmp_path):
    missing = tmp_path / "missing.tsv"
    assert f"expected a text file, got {missing}: No such file" in message(read, missing)
    assert f"{tmp_path}: Is a directory" in message(read, tmp_path)
    assert "which is empty" in message(read, write(b""))
    assert "which is empty" in message(read, write("\ufeff"))
    assert "whose byte 3 is not UTF-8" in message(read, write(b"caf\xe9"))
    assert "whose byte 3 is not UTF-8" in message(read, write(b"caf\xe9", "a.tsv.gz"))
    whole = write("some text " * 50, "b.tsv.gz").read_bytes()
    damaged = whole[:20] + b"\xff" * 10 + whole[30:]
    for number, content in enumerate((b"plain", whole[:-9], damaged)):
        path = tmp_path / f"{number}.tsv.gz"
        path.write_bytes(content)
        assert "expected a text file in gzip" in message(read, path)
    wrong: Any = 3
    assert "expected the path of a text file, got 3" in message(read, wrong)


def test_default_text_is_the_documentation_of_python():
    assert 'The "if" statement' in load_text()


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_text_is_what_the_file_holds_without_a_byte_order_mark(write, name):
    assert load_text(str(write("\ufeffcafé\r\n\ufeff", name))) == "café\r\n\ufeff"


# Lines


@pytest.mark.parametrize(
    "text, lines",
    [
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\n", ["a", "b"]),
        ("\n\n a \n\n", ["", "", " a ", ""]),
        ("one\x0bline\x0c\x85\u2028\x1c here\n", ["one\x0bline\x0c\x85\u2028\x1c here"]),
    ],
)
def test_lines_end_where_a_line_ends_and_nowhere_else(write, text, lines):
    assert read_lines(write(text)) == lines


# Tables


def test_a_table_is_what_was_written(write):
    rng = random.Random(0)
    rows = [["".join(rng.choices('ab ",\u2028é\n', k=5)) + "!" for _ in range(3)] for _ in range(9)]
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    assert read_table(write(written.getvalue(), "a.csv")) == rows
    assert read_table(write(written.getvalue(), "a.CSV.gz")) == rows
    rows = [["".join(rng.choices('ab ",\u2028é', k=5)) + "!" for _ in range(3)] for _ in range(9)]
    lines = "\n\n".join("\t".join(row) for row in rows)
    assert read_table(write(lines, "a.tsv")) == rows


def test_columns_of_a_table_are_chosen_by_name(write):
    path = write("id,label,text\n1,good,fine\n2,bad,dull\n", "a.csv")
    assert read_table(path, ("text", "label")) == [["fine", "good"], ["dull", "bad"]]
    found = message(read_table, path, ("text", "rating"))
    assert "expected the columns text, rating in" in found
    assert "got a first row of 'id, label, text'" in found
    assert "rows below the first" in message(read_table, write("a,b\n", "b.csv"), ("a",))


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("a.csv", "a,b\nc,d\n\ne\n", "expected 2 columns in every line of .*got 1 in line 4"),
        ("a.csv", 'a,b\n"c\n\nd",e\nf,g,h\n', "got 3 in line 5"),
        ("a.tsv", 'a\tb\n"c\td\te\n', "got 3 in line 2"),
        ("a.csv", 'a,b\nc,"d\n', r"line 2: unexpected end of data"),
        ("a.csv", "\n\n", "which has none"),
        ("a.txt", "a,b\n", "expected a table that ends in .csv or .tsv, got .*a.txt"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(write, name, content, expected):
    with pytest.raises(ValueError, match=expected):
        read_table(write(content, name))


# Columns

CONLL = """-DOCSTART- -X-

He PRP B-NP
# # B-NP

-DOCSTART- -X-
  \t
 reckons   VBZ B-VP\x20
"""


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_sentences_end_at_empty_lines(write, name, end):
    sentences = [[["He", "PRP", "B-NP"], ["#", "#", "B-NP"]], [["reckons", "VBZ", "B-VP"]]]
    assert read_columns(write(CONLL.rstrip("\n") + end, name)) == sentences


def test_columns_between_tabs_may_hold_spaces_or_nothing(write):
    assert read_columns(write("New York\tB\t\nis\t\tx\n")) == [
        [["New York", "B", ""], ["is", "", "x"]]
    ]


def test_a_line_with_other_columns_is_named(write):
    assert "expected 2 columns in every line" in message(read_columns, write("a B\n\nc\n"))
    assert "got 1 in line 3" in message(read_columns, write("a B\n\nc\n"))
    assert "which has none" in message(read_columns, write("\n-DOCSTART-\n\n"))
