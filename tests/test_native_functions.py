"""The vectors and elementary functions of compiled loops, against NumPy in more digits."""

import ctypes
import platform
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from native_loops import needs_compiler

from rnnjax.engine.native import _compiler

pytestmark = needs_compiler
# Later options count: here warnings are errors, functions are visible, and -march varies.
FLAGS = [flag for flag in _compiler.FLAGS if flag != "-w"]
FLAGS += ["-Wall", "-Wextra", "-Werror", "-fvisibility=default"]
X86 = platform.machine().lower() in ("x86_64", "amd64")
MACHINES = ["native", "x86-64-v3", "x86-64"] if X86 else ["native"]
CASES = [(name, "float32") for name in MACHINES]
if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps / 1000:
    CASES += [("native", "float64")]
POINTS = 100_000
MOST = 4  # units in the last place
MORE_DIGITS = {"float32": np.float64, "float64": np.longdouble}


def _logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(np.signbit(x), e, 1) / (1 + e)


def _erf_and_erfc(x):
    """A power series for small numbers, a continued fraction for large ones."""
    small, large = np.minimum(np.abs(x), 2), np.maximum(np.abs(x), 2)
    term = total = small
    for n in range(1, 64):
        term = term * (2 * small * small / (2 * n + 1))
        total = total + term
    fraction = large
    for n in range(64, 0, -1):
        fraction = large + n / (2 * fraction)
    root_of_pi = np.sqrt(np.arccos(-np.ones_like(x)))
    erf = np.exp(-small * small) * 2 * total / root_of_pi
    erfc = np.exp(-large * large) / (fraction * root_of_pi)
    erf, erfc = (np.where(np.abs(x) < 2, *pair) for pair in ((erf, 1 - erfc), (1 - erf, erfc)))
    return np.copysign(erf, x), np.where(x < 0, 2 - erfc, erfc)


# Each function in more digits, with the interval in which half of the points are.
UNARY = {
    "exp": (np.exp, -110, 95),
    "expm1": (np.expm1, -30, 95),
    "log": (np.log, 0, 4),
    "log1p": (np.log1p, -1, 4),
    "tanh": (np.tanh, -12, 12),
    "logistic": (_logistic, -110, 110),
    "erf": (lambda x: _erf_and_erfc(x)[0], -5, 5),
    "erfc": (lambda x: _erf_and_erfc(x)[1], -5, 9),
    "sin": (np.sin, -30, 30),
    "cos": (np.cos, -30, 30),
    "tan": (np.tan, -30, 30),
    "atan": (np.arctan, -10, 10),
    "asin": (np.arcsin, -1, 1),
    "acos": (np.arccos, -1, 1),
    "sinh": (np.sinh, -20, 20),
    "cosh": (np.cosh, -20, 20),
    "asinh": (np.arcsinh, -20, 20),
    "acosh": (np.arccosh, 1, 20),
    "atanh": (np.arctanh, -1, 1),
    "sqrt": (np.sqrt, 0, 10),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0, 10),
    "cbrt": (np.cbrt, -10, 10),
    "exp2": (np.exp2, -150, 130),
    "floor": (np.floor, -100, 100),
    "ceil": (np.ceil, -100, 100),
    "abs": (np.abs, -100, 100),
    "sign": (lambda x: np.where(x == 0, x, np.sign(x)), -100, 100),
}
BINARY = {
    "pow": (np.power, -10, 10),
    "atan2": (np.arctan2, -10, 10),
    "max": (np.maximum, -10, 10),
    "min": (np.minimum, -10, 10),
    "rem": (np.fmod, -10, 10),
}
TABLE = UNARY | BINARY

SOURCE = """
#include "functions.h"
using namespace rnn;

template <class T> long left(long n) { return n < Lanes<T>::n ? n : Lanes<T>::n; }

#define ONE(T, name)                                                                \\
  extern "C" void name##_##T(const T* x, const T*, T* y, long n) {                  \\
    for (long i = 0; i < n; i += Lanes<T>::n) {                                     \\
      const long k = left<T>(n - i);                                                \\
      store(y + i, name<T>(load(x + i, k)), k);                                     \\
    }                                                                               \\
  }
#define TWO(T, name)                                                                \\
  extern "C" void name##_##T(const T* x, const T* z, T* y, long n) {                \\
    for (long i = 0; i < n; i += Lanes<T>::n) {                                     \\
      const long k = left<T>(n - i);                                                \\
      store(y + i, name<T>(load(x + i, k), load(z + i, k)), k);                     \\
    }                                                                               \\
  }
#define TAIL(T)                                                                     \\
  extern "C" long lanes_##T() { return Lanes<T>::n; }                               \\
  extern "C" void tail_##T(const T* x, T* whole, T* part, long n) {                 \\
    const V<T> v = load(x, n);                                                      \\
    store(whole, v);                                                                \\
    store(part, v, n);                                                              \\
  }
TAIL(float)
TAIL(double)
extern "C" long has_avx2() {
#if defined(__AVX2__) && defined(__FMA__)
  return 1;
#else
  return 0;
#endif
}
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    lines = [SOURCE]
    for names, macro in ((UNARY, "ONE"), (BINARY, "TWO")):
        lines += [f"{macro}({kind}, {name})" for name in names for kind in ("float", "double")]
    source = folder / "functions.cc"
    source.write_text("\n".join(lines))

    @cache
    def library(machine):
        if machine == "x86-64-v3" and not library("native").has_avx2():
            # A code of another processor's instructions can be built here, but not run.
            pytest.skip("the processor has no AVX2, and would stop at the first instruction of it")
        built = folder / f"{machine}.so"
        words = [*_compiler.compiler(), *FLAGS, f"-march={machine}"]
        words += ["-iquote", str(_compiler.HEADERS), str(source)]
        subprocess.run([*words, "-o", str(built), "-lm"], check=True, timeout=120)
        return ctypes.CDLL(str(built))

    return library


def _kind(dtype):
    return {"float32": "float", "float64": "double"}[dtype]


def _call(library, name, dtype, x, z):
    y = np.full_like(x, 77)
    function = library[f"{name}_{_kind(dtype)}"]
    function(*(a.ctypes.data_as(ctypes.c_void_p) for a in (x, z, y)), ctypes.c_long(x.size))
    return y


def _edges(dtype):
    """Special numbers, and numbers around the ends of ranges."""
    info = np.finfo(dtype)
    powers = [info.tiny, 2 * info.tiny, info.eps, info.max / 2, info.max, 1 / info.eps]
    ends = [np.log(info.max), -np.log(info.tiny), -np.log(info.smallest_subnormal)]
    plain = [0, 0.5, 1, 1.5, 2, 2.5, 3, 2 / 3, 4 / 3, 9, 10, 19, 20, 40, np.log(2) / 2, np.inf]
    positive = np.array([*powers, *ends, *plain], dtype)
    with np.errstate(over="ignore"):
        near = [np.nextafter(positive, np.array(side, dtype)) for side in (0, np.inf)]
    positive = np.concatenate([positive, *near])
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def _points(dtype, low, high, seed):
    """Numbers of an interval, numbers of all magnitudes, and the edges."""
    rng = np.random.default_rng(seed)
    some = rng.uniform(low, high, POINTS // 2).astype(dtype)
    any_bits = np.frombuffer(rng.bytes(some.nbytes), dtype)
    return np.concatenate([some, any_bits, _edges(dtype)])


@cache
def _case(name, dtype):
    """Two arguments, and the result in more digits."""
    function, low, high = TABLE[name]
    x, z = (_points(dtype, low, high, seed) for seed in (1, 2))
    arguments = [x]
    if name == "log":  # it takes denormal numbers for zeros
        x[np.abs(x) < np.finfo(dtype).tiny] = 0
    if name in BINARY:
        # Whole numbers too, and each pair of edges.
        pairs = [a.ravel() for a in np.meshgrid(_edges(dtype), _edges(dtype))]
        x = np.concatenate([x, x[:1000], pairs[0]])
        z = np.concatenate([z, np.rint(z[:1000]), pairs[1]])
        arguments = [x, z]
    with np.errstate(all="ignore"):
        return x, z, function(*(a.astype(MORE_DIGITS[dtype]) for a in arguments))


def _units(y, expected, dtype):
    """The errors in units in the last place; infinite where NaN or an infinity is missed."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max))
        error = np.abs(y.astype(expected.dtype) - expected) / unit
    same = (y == rounded) | (np.isnan(y) & np.isnan(rounded))
    special = np.where(same, 0, np.inf)
    return np.where(np.isfinite(y) & np.isfinite(rounded), error, special)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("machine", "dtype"), CASES)
def test_a_function_is_within_four_units(build, machine, dtype, name):
    x, z, expected = _case(name, dtype)
    y = _call(build(machine), name, dtype, x, z)
    units = _units(y, expected, dtype)
    if name == "logistic":  # it may be 0 where the result is denormal
        tiny = np.finfo(dtype).tiny
        units = np.where((np.abs(expected) < tiny) & (y >= 0) & (y <= tiny), 0, units)
    worst = int(np.argmax(units))
    assert units[worst] <= MOST, (x[worst], z[worst], y[worst], expected[worst])
    if name not in ("max", "min"):  # which of two zeros is greater is nowhere said
        zero = (expected == 0) & (y == 0)
        np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize(("machine", "dtype"), CASES)
def test_ends_of_ranges(build, machine, dtype):
    def value(name, x):
        x = np.array([x], dtype)
        return _call(build(machine), name, dtype, x, x)[0]

    info = np.finfo(dtype)
    far = 2 * np.log(info.max)
    assert value("log", info.smallest_subnormal) == -np.inf  # as XLA on a CPU
    assert value("logistic", -far) == 0
    assert value("logistic", far) == value("tanh", far) == 1
    assert value("tanh", -far) == value("expm1", -far) == -1
    assert value("exp", far) == value("expm1", far) == np.inf
    assert value("exp", -far) == 0
    assert value("exp", 0) == 1
    assert value("log", 1) == 0


@pytest.mark.parametrize(("machine", "dtype"), CASES)
def test_tanh_and_logistic_rise_and_stay_in_their_ranges(build, machine, dtype):
    x = np.linspace(-45, 45, POINTS).astype(dtype)
    for name, least in (("tanh", -1), ("logistic", 0)):
        y = _call(build(machine), name, dtype, x, x)
        assert y.min() >= least
        assert y.max() == 1
        assert np.all(np.diff(y) >= -4 * np.spacing(np.abs(y[1:])))


@pytest.mark.parametrize(("machine", "dtype"), CASES)
def test_the_first_lanes(build, machine, dtype):
    library = build(machine)
    lanes = library[f"lanes_{_kind(dtype)}"]()
    x = np.arange(1, lanes + 1, dtype=dtype)
    for n in range(lanes + 1):
        whole, part = np.full(lanes, 7, dtype), np.full(lanes + 1, 7, dtype)
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (x, whole, part)]
        library[f"tail_{_kind(dtype)}"](*pointers, ctypes.c_long(n))
        np.testing.assert_array_equal(whole, np.where(np.arange(lanes) < n, x, 0))
        np.testing.assert_array_equal(part, np.where(np.arange(lanes + 1) < n, [*x, 0], 7))


# The memory after a page belongs to no one: an access ends the process.
PAGES = """
import ctypes, mmap, sys
library = ctypes.CDLL(sys.argv[1])
page = mmap.PAGESIZE
pages = mmap.mmap(-1, 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
protect = ctypes.CDLL(None).mprotect
assert protect(ctypes.c_void_p(start + page), ctypes.c_size_t(page), 0) == 0
whole = (ctypes.c_char * 64)()
for kind, size in (("float", 4), ("double", 8)):
    for n in range(library["lanes_" + kind]() + 1):
        end = ctypes.c_void_p(start + page - n * size)
        library["tail_" + kind](end, whole, end, ctypes.c_long(n))
print("done")
"""


@pytest.mark.parametrize("machine", MACHINES)
def test_other_memory_is_not_touched(build, machine):
    words = [sys.executable, "-c", PAGES, build(machine)._name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr
