"""Checks the built site: links, anchors, texts of images; it loads nothing from elsewhere."""

import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from build import PACKAGES, SITE, public_names

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src")}


class Page(NamedTuple):
    """What a page has: anchors, links as (tag, attribute, value), and images without a text."""

    anchors: Counter[str]
    links: list[tuple[str, str, str]]
    silent: list[str]


class Reader(HTMLParser):
    """Collects the parts of a page."""

    def __init__(self):
        super().__init__()
        self.page = Page(Counter(), [], [])

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.page.anchors[found.get("id", "")] += 1
        for name in ("href", "src"):
            if name in found:
                self.page.links.append((tag, name, found[name]))
        if tag == "img" and not found.get("alt", "").strip():
            self.page.silent.append(found.get("src", ""))


def read(file: Path) -> Page:
    """The parts of a page."""
    reader = Reader()
    reader.feed(file.read_text())
    return reader.page


def faults() -> Iterator[str]:
    """A line for each fault of the site."""
    files = (file for file in SITE.rglob("*.html") if file.name != "404.html")
    pages = {file: read(file) for file in files if file.relative_to(SITE) != Path("lab.html")}
    for file, page in pages.items():
        name = file.relative_to(SITE)
        for tag, attribute, address in page.links:
            if "://" in address or address.startswith(("//", "data:", "mailto:", "javascript:")):
                if (tag, attribute) in LOADS and not address.startswith("data:"):
                    yield f"{name} loads {address}"
                continue
            path, _, anchor = unquote(address).partition("#")
            there = (file.parent / path).resolve() if path else file
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file():
                yield f"{name} links to {address}, which is not there"
            elif anchor and there in pages and anchor not in pages[there].anchors:
                yield f"{name} links to {address}, whose anchor is not there"
        yield from (f"{name} shows {image} without a text" for image in page.silent)
    anchors = sum((page.anchors for page in pages.values()), Counter())
    public = [f"rnnjax.{package}.{name}" for package in PACKAGES for name in public_names(package)]
    for name in public:
        if anchors[name] != 1:
            yield f"{name} has {anchors[name]} anchors, 1 expected"


if __name__ == "__main__":
    found = [*faults()]
    print(*found, f"{len(found)} faults", sep="\n")
    sys.exit(bool(found))
