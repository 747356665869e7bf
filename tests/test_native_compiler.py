"""The compiler of the native loop: where it is missing or broken, the loop of XLA runs."""

import os
import shutil
import stat
import subprocess
import sys
import warnings
from functools import partial
from itertools import count
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from cases import assert_close
from native_loops import draw, needs_compiler, why_not

from rnnjax import Elman, scan
from rnnjax.engine import Loop, NativeLoop
from rnnjax.engine.native import _compiler

WORKER = Path(__file__).with_name("native_worker.py")
# Narrower vectors than this machine may have; of other machines only their own are known.
NARROWER = ("x86-64-v3", "x86-64") if os.uname().machine == "x86_64" else ("native",)
SIZES = count(3)  # each test has a loop of its own, which was not compiled before
OUTPUT = 'while [ "$1" != "-o" ]; do shift; done\n'  # then $2 is the file to write


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("RNNJAX_NATIVE", "CXX", "RNNJAX_CXXFLAGS"):
        monkeypatch.delenv(name, raising=False)


def script(folder, body, name="compiler"):
    """A compiler that is a script of the shell."""
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / name
    file.write_bytes(b"#!/bin/sh\n" + body.encode())
    file.chmod(0o755)
    return file


def real():
    return " ".join(_compiler.compiler())


def run():
    """Runs a new loop, which must give the right numbers; the obstacle before and after it."""
    cell = Elman(next(SIZES))
    args = draw(cell, 2, dtype=jnp.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (before,) = why_not(cell, *args)
        found = jax.jit(partial(scan, cell, method=NativeLoop()))(*args)
        (after,) = why_not(cell, *args)
    assert_close(found, jax.jit(partial(scan, cell, method=Loop()))(*args), jnp.float32)
    return before, after


def test_without_a_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(_compiler, "find_spec", lambda name: None)
    before, after = run()
    assert before == after
    assert "no C++ compiler is installed" in before


def test_turned_off(monkeypatch):
    monkeypatch.setenv("RNNJAX_NATIVE", "0")
    assert run() == ("RNNJAX_NATIVE=0 turns compiled loops off",) * 2


# The scripts of broken compilers, and a part of the reason that `explain` gives.
BROKEN = {
    "an error": ("echo 'loop.cc:1: error: no good' >&2; exit 1", "no good"),
    "no message": ("exit 1", "no message"),
    "a message in Latin-1": ("printf 'error: caf\\351\\n' >&2; exit 1", "caf"),
    "no file": ("exit 0", "failed"),
    "an empty file": (OUTPUT + ': > "$2"', "cannot be loaded"),
    "garbage": (OUTPUT + 'echo garbage > "$2"', "cannot be loaded"),
    "killed": ("kill -9 $$", "failed"),
    "does not end": ("exec sleep 60", "failed"),
}


FEW = ("an error", "a message in Latin-1", "garbage", "does not end")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in FEW)) for kind in BROKEN],
)
def test_a_broken_compiler(kind, tmp_path, monkeypatch):
    """The reason is given after the first loop that could not be compiled."""
    body, reason = BROKEN[kind]
    monkeypatch.setattr(_compiler, "SECONDS", 1)
    monkeypatch.setenv("CXX", str(script(tmp_path, body)))
    before, after = run()
    assert before is None or "compiler" in before
    assert after and reason in after
    assert len(after) < 300 and "\n" not in after


@pytest.mark.slow
def test_a_compiler_that_cannot_be_started(tmp_path, monkeypatch):
    file = script(tmp_path, "")
    file.write_text("#!/nonexistent/shell\n")
    monkeypatch.setenv("CXX", str(file))
    _, after = run()
    assert after and "failed" in after


@needs_compiler
def test_a_file_without_the_handler(tmp_path, monkeypatch):
    body = f"{OUTPUT}echo 'int f() {{ return 0; }}' | {real()} -x c++ -shared -fPIC - -o \"$2\""
    monkeypatch.setenv("CXX", str(script(tmp_path, body)))
    _, after = run()
    assert after and "cannot be loaded" in after


@needs_compiler
@pytest.mark.parametrize("name", ["CXX", "RNNJAX_CXXFLAGS"])
@pytest.mark.parametrize("value", ["g++ 'unclosed", "-fno-such-option-at-all"])
def test_words_that_make_no_command(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    before, after = run()
    is_compiler = name == "CXX" and not value.startswith("g++")  # is not found, so others are tried
    assert (before or after) or is_compiler


@needs_compiler
@pytest.mark.slow
def test_a_compiler_that_is_not_there_is_passed_over(monkeypatch):
    monkeypatch.setenv("CXX", "/nonexistent/compiler -O1")
    assert run() == (None, None)


@needs_compiler
def test_a_command_with_options_and_spaces(tmp_path, monkeypatch):
    log = tmp_path / "log"
    file = script(tmp_path / "a folder", f'echo "$*" >> "{log}"\nexec {real()} "$@"', "my c++")
    monkeypatch.setenv("CXX", f"'{file}' -DNAME='a b'")
    assert run() == (None, None)
    assert "-DNAME=a b" in log.read_text()


# The folder of objects.


def contents(folder):
    return sorted(path.name for path in folder.rglob("*"))


@needs_compiler
def test_objects_are_kept_for_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run() == (None, None)
    assert stat.S_IMODE((tmp_path / "rnnjax").stat().st_mode) == 0o700
    (name,) = contents(tmp_path / "rnnjax")
    assert name.endswith(".so")


def a_file(folder):
    (folder / "rnnjax").write_text("")


def a_home_that_is_a_file(folder):
    folder.rmdir()
    folder.write_text("")


def open_to_all(folder):
    (folder / "rnnjax").mkdir()
    (folder / "rnnjax").chmod(0o777)


def open_to_a_group(folder):
    (folder / "rnnjax").mkdir()
    (folder / "rnnjax").chmod(0o770)


@needs_compiler
@pytest.mark.parametrize(
    "spoil",
    [
        open_to_all,
        pytest.param(a_file, marks=pytest.mark.slow),
        pytest.param(a_home_that_is_a_file, marks=pytest.mark.slow),
        pytest.param(open_to_a_group, marks=pytest.mark.slow),
    ],
)
def test_a_folder_that_will_not_do(spoil, tmp_path, monkeypatch):
    """The objects are then in a folder of this process."""
    home = tmp_path / "home"
    home.mkdir()
    spoil(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    before = contents(tmp_path)
    assert run() == (None, None)
    assert contents(tmp_path) == before


@needs_compiler
def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    """Permissions do not bind the superuser, so the refusal is made."""

    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_compiler.tempfile, "TemporaryFile", refuse)
    assert run() == (None, None)
    assert contents(tmp_path / "rnnjax") == []


@needs_compiler
def test_a_folder_that_is_removed_between_two_loops(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert run() == (None, None)
    shutil.rmtree(tmp_path / "home")
    run()


@needs_compiler
def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_compiler.os, "replace", replace)
    run()


# Processes.


def start(what, home, flags="", **more):
    environment = os.environ | {
        "PYTHONPATH": f"{WORKER.parent.parent}:{WORKER.parent}",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XDG_CACHE_HOME": str(home),
        "XLA_FLAGS": flags,
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", WORKER, what],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def counting(tmp_path):
    """A compiler that writes a line for each call, and the function that counts them."""
    log = tmp_path / "log"
    file = script(tmp_path, f'echo called >> "{log}"\nexec {real()} "$@"')
    return str(file), lambda: len(log.read_text().splitlines())


@needs_compiler
@pytest.mark.slow
def test_another_process_compiles_nothing_unless_the_object_is_damaged(tmp_path):
    compiler, calls = counting(tmp_path)
    home = tmp_path / "home"
    first = end(start("once", home, CXX=compiler))
    assert first[0] == "1" and calls() == 2  # forwards and back
    path, _ = (home / "rnnjax").glob("*.so")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert end(start("once", home, CXX=compiler)) == first and calls() == 3
    assert end(start("once", home, CXX=compiler)) == first and calls() == 3


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:4096], lambda data: data[:-1]],
    ids=["empty", "a page", "a byte short"],
)
def test_a_damaged_object_is_made_again(damage, tmp_path):
    compiler, calls = counting(tmp_path)
    home = tmp_path / "home"
    first = end(start("once", home, CXX=compiler))
    path, _ = (home / "rnnjax").glob("*.so")
    path.write_bytes(damage(path.read_bytes()))
    assert end(start("once", home, CXX=compiler)) == first and calls() == 3


@needs_compiler
@pytest.mark.slow
def test_a_mended_compiler_is_used_by_the_next_process(tmp_path):
    home, compiler = tmp_path / "home", script(tmp_path, OUTPUT + 'echo garbage > "$2"')
    assert end(start("once", home, CXX=str(compiler)))[0] == "0"
    script(tmp_path, f'exec {real()} "$@"')
    assert end(start("once", home, CXX=str(compiler)))[0] == "1"


@needs_compiler
@pytest.mark.slow
def test_two_processes_compile_at_once(tmp_path):
    processes = [start("once", tmp_path / "home") for _ in range(2)]
    first, second = map(end, processes)
    assert first == second and first[0] == "1"


@needs_compiler
@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit(tmp_path):
    found = {end(start("threads", tmp_path, NPROC=count))[1] for count in "1237"}
    assert len(found) == 1


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("machine", NARROWER)
def test_narrower_vectors_give_the_same(machine, monkeypatch):
    monkeypatch.setenv("RNNJAX_CXXFLAGS", f"-march={machine}")
    assert run() == (None, None)


@needs_compiler
@pytest.mark.slow
def test_two_devices(tmp_path):
    flags = "--xla_force_host_platform_device_count=2"
    end(start("devices", tmp_path, flags))
