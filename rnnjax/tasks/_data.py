"""Real data: where a file is kept, where it comes from, and whether it is the right one."""

import hashlib
import os
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

FOLDER = "RNNJAX_DATA"


def data_file(name: str, *, url: str, sha256: str) -> Path:
    """The path of a file of real data, which is downloaded the first time it is wanted.

    It is looked for in the folder that the environment variable `RNNJAX_DATA` names. Where that
    is not set, it is kept in `rnnjax` in the user's cache folder (`XDG_CACHE_HOME`, by default
    `~/.cache`), and put there, whole or not at all, if it is missing.

    Args:
        name: its place in the folder, such as "music/JSB_Chorales.mat".
        url: where to download it from.
        sha256: the checksum of the only content to accept.

    Raises:
        OSError: in one line, if the file is not there and cannot be had.
        ValueError: in one line, if its content is another.

    Examples:
        >>> from unittest.mock import patch
        >>> content = b"la la la"
        >>> checksum = hashlib.sha256(content).hexdigest()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "song.txt").write_bytes(content)
        ...     with patch.dict(os.environ, RNNJAX_DATA=folder):
        ...         path = data_file("song.txt", url="https://example.org", sha256=checksum)
        >>> path.name
        'song.txt'
    """
    folder = os.environ.get(FOLDER)
    path = (Path(folder) if folder else _cache()) / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if folder:
            raise FileNotFoundError(
                f"expected {name} in the folder that {FOLDER} names, got no file {path}; without "
                f"{FOLDER} it is downloaded from {url}"
            ) from None
        content = _download(url, path)
        _check(content, sha256, url)
        _write(path, content)
    else:
        _check(content, sha256, str(path))
    return path


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnjax"


def _download(url: str, path: Path) -> bytes:
    try:
        with urlopen(url, timeout=60) as response:
            return response.read()
    except (OSError, HTTPException) as error:
        raise OSError(
            f"expected to download {url}, got {error}; the file can also be put at {path}"
        ) from None


def _check(content: bytes, sha256: str, source: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"expected a file with SHA-256 {sha256}, got {found}, from {source}")


def _write(path: Path, content: bytes) -> None:
    """Under another name first, so that nobody ever reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        new.write_bytes(content)
        new.replace(path)
