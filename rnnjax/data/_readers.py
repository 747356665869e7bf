"""Files of text: whole, by lines, as tables, and in columns."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from .._checks import brief


def load_text(path: str | Path | None = None) -> str:
    """The text of a UTF-8 file, by default the documentation that ships inside Python.

    Args:
        path: the file; one whose name ends in `.gz` is decompressed.

    Raises:
        ValueError: in one line, if the file does not exist, is empty, or is not UTF-8.

    Examples:
        >>> len(load_text()) > 100_000
        True
    """
    if path is not None:
        return _text(path)
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file, empty ones too, without their ends.

    Args:
        path: a UTF-8 file, which may be compressed: `.gz`.

    Raises:
        ValueError: in one line, as `load_text`.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "lines.txt")
        ...     _ = path.write_text("one film\\nanother film\\n")
        ...     read_lines(path)
        ['one film', 'another film']
    """
    # Other separators that `splitlines` knows occur inside the lines of corpora.
    lines = re.split("\r\n|\n|\r", _text(path))
    return lines if lines[-1] else lines[:-1]


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> list[list[str]]:
    """The rows of a table: of commas if the name ends in `.csv`, of tabs if it ends in `.tsv`.

    Fields between commas may be quoted; between tabs a quote is a character like others. Empty
    lines are left out.

    Args:
        path: a UTF-8 file, which may be compressed: `.csv.gz`.
        columns: names of the columns to give, which the first row must have; by default all
            rows are given, the first too, with all columns.

    Raises:
        ValueError: in one line, as `load_text`; or if the name ends otherwise, a column is missing,
            or a row has another number of columns than the first.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "reviews.csv")
        ...     _ = path.write_text('id,label,text\\n7,good,"warm, and funny"\\n')
        ...     read_table(path, ("text", "label"))
        [['warm, and funny', 'good']]
    """
    form = _FORMS.get(_suffix(path))
    text = _text(path)
    if form is None:
        raise ValueError(f"expected a table that ends in .csv or .tsv, got {path}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, **form)
    rows = []
    try:
        for row in reader:
            if row:
                _check_width(path, reader.line_num, row, rows)
                rows.append(row)
    except csv.Error as error:
        raise ValueError(
            f"expected a table of separated fields, got {path}, line {reader.line_num}: {error}"
        ) from None
    if not rows:
        raise ValueError(f"expected a table with rows, got {path}, which has none")
    return rows if columns is None else _chosen(path, columns, rows)


def read_columns(path: str | Path) -> list[list[list[str]]]:
    """The sentences of a file with a word a line, as in the shared tasks of CoNLL.

    A line holds the columns of a word, such as the word, its part of speech and its tag, separated
    by tabs where there are some, else by spaces. An empty line ends a sentence. Lines of
    `-DOCSTART-` are left out.

    Args:
        path: a UTF-8 file, which may be compressed: `.gz`.

    Returns:
        For each sentence the rows of its words, each a list of columns.

    Raises:
        ValueError: in one line, as `load_text`; or if there is no word, or lines have different
            numbers of columns.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "tags.txt")
        ...     _ = path.write_text("He PRP\\nreckons VBZ\\n\\nYes UH\\n")
        ...     read_columns(path)
        [[['He', 'PRP'], ['reckons', 'VBZ']], [['Yes', 'UH']]]
    """
    sentences: list[list[list[str]]] = [[]]
    first: list[list[str]] = []
    for number, line in enumerate(read_lines(path), 1):
        row = line.split("\t" if "\t" in line.strip() else None)
        if row and row[0] != "-DOCSTART-":
            _check_width(path, number, row, first)
            first = first or [row]
            sentences[-1].append(row)
        elif sentences[-1]:
            sentences.append([])
    if not first:
        raise ValueError(f"expected a file with a word a line, got {path}, which has none")
    return sentences if sentences[-1] else sentences[:-1]


_FORMS = {
    ".csv": {"delimiter": ","},
    ".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE},
}


def _suffix(path: str | Path) -> str:
    """The end of a file's name, in small letters, without that of its compression."""
    return Path(str(path).lower().removesuffix(".gz")).suffix


def _text(path: str | Path) -> str:
    """The text of a file, without a byte-order mark."""
    if not isinstance(path, str | Path):
        raise ValueError(f"expected the path of a text file, got {brief(path)}")
    path = Path(path)
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
        text = content.decode("utf-8").removeprefix("\ufeff")
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise ValueError(f"expected a text file in gzip, got {path}, which is not") from None
    except OSError as error:
        raise ValueError(f"expected a text file, got {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected a text file in UTF-8, got {path}, whose byte {error.start} is not UTF-8"
        ) from None
    if not text:
        raise ValueError(f"expected a text file with some text, got {path}, which is empty")
    return text


def _check_width(path: str | Path, line: int, row: list[str], rows: list[list[str]]) -> None:
    """Raises a `ValueError` unless a row has as many columns as the first one."""
    if rows and len(row) != len(rows[0]):
        raise ValueError(
            f"expected {len(rows[0])} columns in every line of {path}, as in its first, got "
            f"{len(row)} in line {line}"
        )


def _chosen(path: str | Path, columns: Sequence[str], rows: list[list[str]]) -> list[list[str]]:
    """The columns of a table by the names in its first row."""
    head, *rows = rows
    names = isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns)
    if not names or not columns or not set(columns) <= set(head):
        raise ValueError(
            f"expected the columns {', '.join(map(str, columns)) if names else brief(columns)} in "
            f"{path}, got a first row of {brief(', '.join(head))}; the first row names the columns"
        )
    if not rows:
        raise ValueError(f"expected a table with rows below the first, got {path}, with none")
    places = [head.index(name) for name in columns]
    return [[row[place] for place in places] for row in rows]
