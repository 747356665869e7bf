"""`python -m rnnjax.lab` writes the page to runs/lab.html, and opens it."""

import webbrowser
from pathlib import Path

from . import save

if __name__ == "__main__":
    folder = Path("runs")
    folder.mkdir(exist_ok=True)
    webbrowser.open(save(folder / "lab.html").resolve().as_uri())
