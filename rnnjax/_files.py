"""Files that are written whole or not at all."""

import os
import threading
from pathlib import Path
from typing import Any


def check_path(path: Any) -> Path:
    """The path of a file.

    Raises:
        ValueError: if it is empty or no path.

    Examples:
        >>> check_path("models/song.safetensors").name
        'song.safetensors'
    """
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise ValueError(f"expected the path of a file, got {path!r}")
    return Path(path)


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file, which takes its place at once or not at all.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     replace_file(Path(folder, "song.txt"), b"la la la")
        ...     Path(folder, "song.txt").read_text()
        'la la la'
    """
    # Two writers of one file must not share the file that they prepare.
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
