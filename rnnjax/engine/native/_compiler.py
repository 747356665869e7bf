"""A C++ compiler: found, called, and its objects kept.

| variable | meaning |
|---|---|
| `RNNJAX_NATIVE` | `0` compiles nothing, `1` every loop that can be compiled, however small |
| `CXX` | the compiler, with options if need be |
| `RNNJAX_CXXFLAGS` | more options, such as `-march=x86-64-v3` |
| `XDG_CACHE_HOME` | where the folder of built objects is, by default `~/.cache` |

Nothing is compiled or written before a loop is first used.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import jax

HEADERS = Path(__file__).parent
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-w"),
    # Not -ffast-math: NaN and infinities stay what they are.
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    *("-fvisibility=hidden", "-fno-exceptions", "-fno-rtti"),
)
NAMES = ("c++", "g++", "clang++")
SECONDS = 120  # after which a compiler counts as broken

_lock = Lock()
_failures: dict[str, str] = {}


class CompilerError(Exception):
    """The reason why there is no object."""


def obstacle() -> str | None:
    """The reason why nothing can be compiled here, or `None`."""
    if os.environ.get("RNNJAX_NATIVE") == "0":
        return "RNNJAX_NATIVE=0 turns compiled loops off"
    if not compiler():
        return "no C++ compiler is installed: none of $CXX, " + ", ".join(NAMES) + ", ziglang"
    return None


def wanted() -> bool:
    """Whether every loop is to be compiled that can be."""
    return os.environ.get("RNNJAX_NATIVE") == "1"


def compiler() -> tuple[str, ...]:
    """The command of the compiler; empty if there is none."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@lru_cache(maxsize=8)
def _find(named: str, path: str) -> tuple[str, ...]:
    for words in (shlex.split(named), *([name] for name in NAMES)):
        found = shutil.which(words[0], path=path) if words else None
        if found:
            return (found, *words[1:])
    return (sys.executable, "-m", "ziglang", "c++") if find_spec("ziglang") else ()


def failure(source: str) -> str | None:
    """The reason why a source file could not be compiled before, or `None`."""
    return _failures.get(_key(source))


def _command() -> tuple[str, ...]:
    return (*compiler(), *FLAGS, *shlex.split(os.environ.get("RNNJAX_CXXFLAGS", "")))


def _key(source: str) -> str:
    text = "\0".join([source, *_command(), *_circumstances()])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def target(source: str) -> str:
    """The name under which XLA calls the handler `rnnjax_loop` of a source file.

    Raises:
        CompilerError: if it cannot be compiled or loaded.
    """
    command, key = _command(), _key(source)
    with _lock:
        if key in _failures:
            raise CompilerError(_failures[key])
        try:
            return _register(key, source, command)
        except CompilerError as error:
            _failures[key] = str(error)
            raise


@cache
def _circumstances() -> tuple[str, ...]:
    """What else an object depends on: the headers, the compiler, jaxlib and the processor."""
    headers = [*sorted(HEADERS.glob("*.h")), Path(jax.ffi.include_dir(), "xla/ffi/api/c_api.h")]
    binary = os.stat(compiler()[0])
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        processor = platform.processor()
    texts = [header.read_text() for header in headers]
    return (*texts, f"{binary.st_size} {binary.st_mtime_ns}", platform.machine(), processor)


_registered: dict[str, ctypes.CDLL] = {}


def _register(key: str, source: str, command: tuple[str, ...]) -> str:
    name = f"rnnjax_loop_{key}"
    if key not in _registered:
        path = _stored(key) or _build(key, source, command)
        try:
            library = ctypes.CDLL(str(path))
            handler = jax.ffi.pycapsule(library.rnnjax_loop)
        except (OSError, AttributeError) as error:
            raise CompilerError(f"the compiled loop cannot be loaded: {error}") from error
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
        _registered[key] = library
    return name


def _build(key: str, source: str, command: tuple[str, ...]) -> Path:
    folder = _folder()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file, built = Path(scratch, "loop.cc"), Path(scratch, "loop.so")
        file.write_text(source)
        includes = [f"-I{HEADERS}", f"-I{jax.ffi.include_dir()}"]
        words = [*command, *includes, str(file), "-o", str(built), "-lm", "-lpthread"]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompilerError(f"the compiler {command[0]} failed: {error}") from error
        if done.returncode or not built.is_file():
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            reason = (lines or done.stderr.splitlines() or ["no message"])[0]
            raise CompilerError(f"the compiler {command[0]} failed: {reason}")
        path = folder / f"{key}-{_digest(built)}.so"
        os.replace(built, path)
    return path


def _stored(key: str) -> Path | None:
    """The object of an earlier process, if it is whole; a damaged one is removed."""
    for path in _folder().glob(f"{key}-*.so"):
        try:
            if path.stem == f"{key}-{_digest(path)}":
                return path
            path.unlink()
        except OSError:
            continue
    return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


def _folder() -> Path:
    """The user's folder of objects, or one of this process where nobody else may write."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return _usable(home)


@lru_cache(maxsize=8)
def _usable(home: str) -> Path:
    folder = Path(home, "rnnjax")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if (not hasattr(os, "getuid") or found.st_uid == os.getuid()) and not found.st_mode & 0o022:
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError:
        pass
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="rnnjax-")
