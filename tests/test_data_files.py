"""Files of data: found, downloaded and checked; text and its alphabet."""

import hashlib
import subprocess
import sys
from typing import Any

import pytest

from rnnjax.data import Alphabet, data_file, load_text

CONTENT = b"some data"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, which is the one in use."""
    monkeypatch.delenv("RNNJAX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rnnjax"


@pytest.fixture
def origin(tmp_path):
    """A file to download."""
    path = tmp_path / "origin.bin"
    path.write_bytes(CONTENT)
    return path


# Files


def test_a_file_is_downloaded_once_and_kept(cache, origin):
    first = data_file("some/file.bin", url=origin.as_uri(), sha256=SHA256)
    assert first == cache / "some" / "file.bin" and first.read_bytes() == CONTENT
    assert list(first.parent.iterdir()) == [first]
    origin.unlink()
    assert data_file("some/file.bin", url=origin.as_uri(), sha256=SHA256) == first


def test_the_folder_of_the_environment_comes_first_and_is_not_written_to(
    cache, origin, tmp_path, monkeypatch
):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("RNNJAX_DATA", str(folder))
    with pytest.raises(OSError, match="expected a.bin in the folder that RNNJAX_DATA names") as e:
        data_file("a.bin", url=origin.as_uri(), sha256=SHA256)
    assert "\n" not in str(e.value) and str(folder / "a.bin") in str(e.value)
    assert list(folder.iterdir()) == [] and not cache.exists()
    (folder / "a.bin").write_bytes(CONTENT)
    assert data_file("a.bin", url="file:///nowhere", sha256=SHA256) == folder / "a.bin"


def test_another_content_is_refused_and_not_kept(cache, origin):
    with pytest.raises(ValueError, match=f"expected a file with SHA-256 {'0' * 64}, got {SHA256}"):
        data_file("a.bin", url=origin.as_uri(), sha256="0" * 64)
    assert not cache.exists()
    path = data_file("a.bin", url=origin.as_uri(), sha256=SHA256)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=f"expected a file with SHA-256 {SHA256}") as error:
        data_file("a.bin", url=origin.as_uri(), sha256=SHA256)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_failed_download_names_the_place_of_the_file(cache, origin):
    origin.unlink()
    with pytest.raises(OSError, match="expected to download file:.*can also be put at") as error:
        data_file("a.bin", url=origin.as_uri(), sha256=SHA256)
    assert str(cache / "a.bin") in str(error.value) and "\n" not in str(error.value)
    assert not cache.exists()


def test_importing_downloads_nothing(cache):
    code = "import urllib.request as u; u.urlopen = None; import rnnjax.tasks, sys; "
    code += "assert not {'scipy.io', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not cache.exists()


# Text


def test_alphabet_round_trip_and_unknown_characters():
    alphabet = Alphabet.of("hello wörld")
    assert alphabet.decode(alphabet.encode("wörld hello")) == "wörld hello"
    assert alphabet.decode(alphabet.encode("")) == alphabet.decode([]) == ""
    with pytest.raises(ValueError, match=r"expected characters of the training text, got 'xz'"):
        alphabet.encode("hezlox")


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([0, -1], "expected tokens from 0 to 2, got -1 … 0; is there padding"),
        ([3], "expected tokens from 0 to 2, got 3 … 3"),
        ([0.0], r"expected a list of tokens, got float64\[1\]"),
        ([[0, 1]], r"expected a list of tokens, got int64\[1, 2\]"),
        ("abc", "expected a list of tokens, got <U3"),
        (1, "expected a list of tokens, got int64"),
    ],
)
def test_only_tokens_are_decoded(tokens, message):
    with pytest.raises(ValueError, match=message):
        Alphabet("abc").decode(tokens)


@pytest.mark.parametrize("characters", ["", "aa", ("a", "b"), None])
def test_an_alphabet_has_each_character_once(characters):
    with pytest.raises(ValueError, match="expected different characters, at least one, got"):
        Alphabet(characters)


def test_default_text_is_the_documentation_of_python():
    assert 'The "if" statement' in load_text()


@pytest.mark.parametrize(
    "content, message",
    [(None, "No such file"), (b"", "which is empty"), (b"caf\xe9", "whose byte 3 is not UTF-8")],
)
def test_bad_text_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_text(path)
    assert "expected a text file" in str(error.value) and "\n" not in str(error.value)


def test_a_path_is_a_path():
    wrong: Any = 3
    with pytest.raises(ValueError, match="expected the path of a text file, got 3"):
        load_text(wrong)
