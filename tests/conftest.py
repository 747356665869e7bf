import os
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling many small programs is what takes the time here. What XLA makes of a program is tested
# all the same: only the code generator below it does less. The slow tests have all of it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Compiled programs are kept for the next run of the tests, which then takes a third of the time.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / "build" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Only these import other libraries: the scripts that made stored numbers, and live comparisons.
collect_ignore_glob = ["make_*.py", "live"]


@pytest.fixture(autouse=True)
def objects(monkeypatch, tmp_path_factory):
    """The folder of compiled loops: one for all tests of a session, never the user's."""
    folder = tmp_path_factory.getbasetemp() / "objects"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def x64():
    """Computes in float64."""
    import jax

    with jax.enable_x64(True):
        yield


def pytest_sessionfinish(session):
    """With RNNJAX_NO_SKIPS a skipped test is a failure: CI has a compiler, a browser and AVX2."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("RNNJAX_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """The CPU seconds that the laws of each row of the table cost."""
    rows = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "row" and report.when == "call"
    ]
    if rows:
        terminalreporter.section("CPU seconds of the laws of a cell")
        for name, seconds in sorted(rows, key=lambda row: -row[1]):
            terminalreporter.write_line(f"{seconds:5.1f}  {name}")
