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
_registered: dict[str, ctypes.CDLL] = {}
_failures: dict[str, str] = {}  # by source file
_broken: dict[tuple[str, ...], str] = {}  # by compiler


class CompilerError(Exception):
    """The reason why there is no object."""


def obstacle() -> str | None:
    """The reason why nothing can be compiled here, or `None`."""
    if os.environ.get("RNNJAX_NATIVE") == "0":
        return "RNNJAX_NATIVE=0 turns compiled loops off"
    if os.name != "posix":
        return "compiled loops need POSIX threads"
    try:
        command = _command()
    except ValueError as error:
        return f"CXX or RNNJAX_CXXFLAGS is not what a shell could read: {error}"
    if not compiler():
        return "no C++ compiler is installed: none of $CXX, " + ", ".join(NAMES) + ", ziglang"
    return _broken.get(command)


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
    text = "\0".join([source, *_command(), *_circumstances(compiler()[0])])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def target(source: str) -> str:
    """The name under which XLA calls the handler `rnnjax_loop` of a source file.

    Raises:
        CompilerError: if it cannot be compiled or loaded.
    """
    if reason := obstacle():
        raise CompilerError(reason)
    key = _key(source)
    with _lock:
        if key in _failures:
            raise CompilerError(_failures[key])
        try:
            return _register(key, source)
        except (CompilerError, OSError) as error:
            _failures[key] = str(error)
            raise CompilerError(_failures[key]) from error


@lru_cache(maxsize=8)
def _circumstances(binary: str) -> tuple[str, ...]:
    """What else an object depends on: the headers, the compiler, jaxlib and the processor."""
    headers = [*sorted(HEADERS.glob("*.h")), Path(jax.ffi.include_dir(), "xla/ffi/api/c_api.h")]
    found = os.stat(binary)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        processor = platform.processor()
    texts = [header.read_text() for header in headers]
    return (*texts, f"{found.st_size} {found.st_mtime_ns}", platform.machine(), processor)


def _register(key: str, source: str) -> str:
    name = f"rnnjax_loop_{key}"
    if key not in _registered:
        stored = _stored(key)
        library = _load(stored) if stored else None
        if library is None and (library := _load(_build(key, source))) is None:
            _broken[_command()] = f"the objects of the compiler {compiler()[0]} cannot be loaded"
            raise CompilerError(_broken[_command()])
        handler = jax.ffi.pycapsule(library.rnnjax_loop)
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
        _registered[key] = library
    return name


def _load(path: Path) -> ctypes.CDLL | None:
    """The library, if it has a handler; otherwise the file is removed."""
    try:
        library = ctypes.CDLL(str(path))
        found = hasattr(library, "rnnjax_loop")
    except OSError:
        found = False
    if found:
        return library
    path.unlink(missing_ok=True)
    return None


def _build(key: str, source: str) -> Path:
    folder = _folder()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch, "loop.so")
        if reason := _call(source, built):
            if _call("int rnnjax_loop;", Path(scratch, "probe.so")):
                _broken[_command()] = reason
            raise CompilerError(reason)
        path = folder / f"{key}-{_digest(built)}.so"
        os.replace(built, path)
    return path


def _call(source: str, built: Path) -> str | None:
    """Compiles a file; returns the reason why there is no object."""
    command = _command()
    if command in _broken:
        return _broken[command]
    file = built.with_suffix(".cc")
    file.write_text(source)
    includes = ["-iquote", str(HEADERS), f"-I{jax.ffi.include_dir()}"]
    words = [*command, *includes, str(file), "-o", str(built), "-lm", "-lpthread"]
    failed = f"the compiler {command[0]} failed: "
    try:
        done = subprocess.run(
            words, capture_output=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        _broken[command] = failed + f"it took more than {SECONDS} seconds"
        return _broken[command]
    except OSError as error:
        return failed + str(error)
    if done.returncode == 0 and built.is_file():
        return None
    lines = done.stderr.splitlines()
    return failed + next(iter([*(line for line in lines if "error" in line), *lines]), "no message")


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
    folder = Path(home, "rnnjax")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.getuid() and not found.st_mode & 0o022:
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError:
        pass
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="rnnjax-")
