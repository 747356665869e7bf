"""Files of data: found, downloaded and checked."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from rnnjax.data import data_file

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


def test_a_file_of_an_archive_is_downloaded_alone(cache, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a/file.bin", CONTENT)
        archive.writestr("a/other.bin", b"others")
    url = (tmp_path / "all.zip").as_uri()
    path = data_file("file.bin", url=f"{url}#a/file.bin", sha256=SHA256)
    assert path == cache / "file.bin" and path.read_bytes() == CONTENT
    with pytest.raises(OSError, match="expected to download file:.*no item named 'absent'"):
        data_file("b.bin", url=f"{url}#absent", sha256=SHA256)
    (tmp_path / "all.zip").write_bytes(CONTENT)
    with pytest.raises(OSError, match="expected to download file:.*not a zip file"):
        data_file("c.bin", url=f"{url}#a/file.bin", sha256=SHA256)


def test_a_checksum_may_be_of_a_part_of_a_file(cache, origin):
    checksum = hashlib.sha256(CONTENT[5:]).hexdigest()
    where = {"url": origin.as_uri(), "sha256": checksum}
    for _ in range(2):  # downloaded, then found
        path = data_file("a", **where, part=lambda content: content[5:])
        assert path.read_bytes() == CONTENT
    with pytest.raises(ValueError, match="expected a file with SHA-256"):
        data_file("a", **where)


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
