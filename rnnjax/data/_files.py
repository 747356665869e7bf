"""Real data: the place of a file, its download, and its checksum."""

import hashlib
import os
import re
from collections.abc import Callable
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen
from zipfile import BadZipFile, ZipFile

from .._checks import brief, check_function, check_instance
from .._files import replace_file

FOLDER = "RNNJAX_DATA"


def data_file(
    name: str, *, url: str, sha256: str, part: Callable[[bytes], bytes] | None = None
) -> Path:
    """The path of a file of real data, which is downloaded at its first use.

    The environment variable `RNNJAX_DATA` names the folder of the file; nothing is written
    there. Without it, the folder is `rnnjax` in the user's cache (`XDG_CACHE_HOME`, by default
    `~/.cache`), and a missing file is downloaded to it, whole or not at all.

    Args:
        name: the path of the file in the folder, such as "music/JSB_Chorales.mat".
        url: the source of the download; `….zip#name` for a file of an archive.
        sha256: the checksum of the only content to accept.
        part: a function of the content that gives the bytes of the checksum, such as the files of
            an archive that is packed anew for every download; by default all of it.

    Raises:
        OSError: in one line, if the file is missing and cannot be downloaded.
        ValueError: in one line, if its content has another checksum, or the arguments are no
            name, address and checksum.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> content = b"la la la"
        >>> checksum = hashlib.sha256(content).hexdigest()
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "song.txt").write_bytes(content)
        ...     with patch.dict(os.environ, RNNJAX_DATA=folder):
        ...         path = data_file("song.txt", url="https://example.org", sha256=checksum)
        >>> path.name
        'song.txt'
    """
    if not check_instance("name", name, str):
        raise ValueError("expected name to be the path of a file in the folder, got ''")
    if not isinstance(url, str) or "://" not in url:
        raise ValueError(f"expected url to be an address like https://…, got {brief(url)}")
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"expected sha256 to be 64 hexadecimal digits, got {brief(sha256)}")
    checked = check_function("part", bytes if part is None else part)
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
        _check(checked(content), sha256, url)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    else:
        _check(checked(content), sha256, str(path))
    return path


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnjax"


def _download(url: str, path: Path) -> bytes:
    address, _, member = url.partition("#")
    try:
        with urlopen(address, timeout=60) as response:
            content = response.read()
        return ZipFile(BytesIO(content)).read(member) if member else content
    except (OSError, HTTPException, BadZipFile, KeyError) as error:
        raise OSError(
            f"expected to download {url}, got {error}; the file can also be put at {path}"
        ) from None


def _check(content: bytes, sha256: str, source: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"expected a file with SHA-256 {sha256}, got {found}, from {source}")
