"""Writes the site to `build/site`: the pages here, the notebooks, the records, the reference.

The pages are assembled in `build/pages`. A link between files of the project becomes one between
pages; a link to a file that is no page, such as a source, becomes its text. Formulas become MathML.
Nothing is loaded from the network, by this script or by the site.
"""

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import nbformat
from latex2mathml.converter import convert as to_mathml
from nbconvert import MarkdownExporter

import rnnjax.lab

ROOT = Path(__file__).resolve().parent.parent
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
PACKAGES = (
    *("attention", "cells", "data", "decoding", "diagnostics", "engine", "flax", "flax.linen"),
    *("flax.nnx", "forecasting", "initializers", "interop", "lab", "layers", "losses", "testing"),
    *("training",),
)
# Files outside docs/ that are pages, and where.
PLACES = {
    "benchmarks/README.md": "reference/benchmarks.md",
    "CHANGELOG.md": "reference/changelog.md",
}
FENCES = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$([^$\n]+?)\$(?![\d$])", re.DOTALL)


def place(file: Path) -> Path | None:
    """The path in the site of a file of the project; `None` where it has none.

    Examples:
        >>> place(ROOT / "docs" / "learn" / "gates.md"), place(ROOT / "notebooks" / "text.ipynb")
        (PosixPath('learn/gates.md'), PosixPath('notebooks/text.md'))
    """
    if not file.is_relative_to(ROOT) or not file.is_file():
        return None
    name = file.relative_to(ROOT)
    if name.as_posix() in PLACES:
        return Path(PLACES[name.as_posix()])
    folder, *rest = name.parts
    if folder == "docs" and file.suffix in (".md", ".css", ".png"):
        return Path(*rest)
    if folder == "notebooks" and file.suffix == ".ipynb":
        return name.with_suffix(".md")
    if folder == "benchmarks" and file.suffix == ".png":
        return Path("reference", *rest)
    return None


def page(text: str, source: Path, figures: Collection[str] = ()) -> str:
    """The text of a page from that of a file: its links and formulas, outside code.

    Args:
        text: the text of the file, in Markdown.
        source: the path of the file.
        figures: addresses that are not of files of the project.
    """
    here = place(source)
    assert here is not None

    def link(match: re.Match[str]) -> str:
        image, words, address = match.groups()
        if address in figures or re.match(r"[a-z]+:|#|(\.\./)?lab\.html", address):
            return match[0]
        path, mark, part = address.partition("#")
        there = place((source.parent / path).resolve())
        if there is None:
            return words
        return f"{image}[{words}]({os.path.relpath(there, here.parent)}{mark}{part})"

    def name(piece: str) -> str:
        """A name of the library in code becomes a link to its place in the reference."""
        there = anchors().get(piece[1:-1].removeprefix("rnnjax."))
        return f"[{piece}]({os.path.relpath(there, here.parent)})" if there else piece

    pieces = FENCES.split(LINK.sub(link, text))
    pieces[::2] = [MATH.sub(formula, piece) for piece in pieces[::2]]
    inside = [before.endswith("[") for before in pieces[:-1:2]]  # of a link already
    pieces[1::2] = [
        piece if skip else name(piece) for piece, skip in zip(pieces[1::2], inside, strict=True)
    ]
    return "".join(pieces)


def public_names(package: str) -> Iterator[str]:
    """Every class and function that a package re-exports or defines."""
    module = importlib.import_module(f"rnnjax.{package}")
    for node in ast.parse(inspect.getsource(module)).body:
        names = [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [alias.name for alias in node.names if alias.asname == alias.name]
        for name in names:
            value = getattr(module, name)
            if name[0] != "_" and (inspect.isclass(value) or inspect.isfunction(value)):
                yield name


@cache
def anchors() -> dict[str, str]:
    """The address of every public name, such as `cells.LSTM`; those of `rnnjax` alone, too."""
    found = {
        f"{package}.{name}": f"reference/{package}.md#rnnjax.{package}.{name}"
        for package in PACKAGES
        for name in public_names(package)
    }
    tops = {name: f"reference/rnnjax.md#rnnjax.{name}" for name in ("scan", "explain", "restart")}
    return found | tops


def formula(match: re.Match[str]) -> str:
    """A formula in MathML."""
    block = match[1] is not None
    found = to_mathml((match[1] or match[2]).strip(), display="block" if block else "inline")
    # Bare, it would end the paragraph, for Markdown takes `math` to be a block.
    return f"\n\n{found}\n\n" if block else f"<span>{found}</span>"


def notebook(file: Path) -> Iterator[tuple[Path, str | bytes]]:
    """The page of a notebook, with its stored outputs, and its figures."""
    cells = nbformat.read(file, as_version=4)
    body, resources = MarkdownExporter().from_notebook_node(
        cells, {"unique_key": file.stem, "output_files_dir": file.stem}
    )
    heading = ""
    lines = []
    for line in body.splitlines():
        heading = line.lstrip("# ") if re.match(r"#+ ", line) else heading
        lines.append(re.sub(r"!\[(png|svg)?\]", f"![Figure: {heading}]", line))
    there = place(file)
    assert there is not None
    figures = resources["outputs"]
    yield there, page("\n".join(lines) + "\n", file, figures)
    for name, data in figures.items():
        yield there.parent / name, data


def reference(package: str) -> str:
    """The page of a package: all public names, by mkdocstrings."""
    return f"# rnnjax.{package}\n\n::: rnnjax.{package}\n"


def assemble() -> Iterator[tuple[Path, str | bytes]]:
    """Every file of the site's source, by its path."""
    for name in ("docs/**/*.md", "benchmarks/README.md", "CHANGELOG.md"):
        for file in sorted(ROOT.glob(name)):
            there = place(file)
            assert there is not None
            yield there, page(file.read_text(), file)
    for name in ("docs/**/*.css", "docs/**/*.png", "benchmarks/results/*.png"):
        for file in sorted(ROOT.glob(name)):
            there = place(file)
            assert there is not None
            yield there, file.read_bytes()
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        yield from notebook(file)
    for package in PACKAGES:
        yield Path("reference", f"{package}.md"), reference(package)
    yield Path("reference", "rnnjax.md"), "# rnnjax\n\n::: rnnjax\n"
    yield Path("lab.html"), rnnjax.lab.page()


def main() -> None:
    """Assembles the pages and builds the site; any warning is an error."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name, content in assemble():
        if (PAGES / name.with_suffix(".md")).exists():
            raise ValueError(f"expected a page of its own for {name}, got a second one")
        (PAGES / name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (PAGES / name).write_bytes(data)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
