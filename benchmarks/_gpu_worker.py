"""A process that computes for this one: it may fail, crash or hang without taking us along."""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

LIVES = 3  # processes that may be lost before nobody tries any more


class Failed(Exception):
    """Why there is no answer, in one line."""


def first_line(error: BaseException) -> str:
    """An error as it stands in a record."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


class Worker:
    """Answers by `module.answer(*request)` in another process, which starts when needed.

    `module.hello()` tells once what it is and has; `environment` holds before `module` is
    imported.
    """

    def __init__(self, module: str, environment: Mapping[str, str]):
        self._module, self._environment = module, dict(environment)
        self._process: Any = None
        self._lives, self._failed = LIVES, "it never started"
        self.about: dict[str, Any] = {}

    def start(self) -> None:
        """Starts the process, and does not wait for it."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        args = (theirs, self._module, self._environment)
        self._process = context.Process(target=_serve, args=args, daemon=True)
        self._process.start()
        theirs.close()
        self._greeted = False

    def greet(self, timeout: float) -> dict[str, Any]:
        """What the process says of itself."""
        self.ask((), timeout)
        return self.about

    def ask(self, request: tuple[Any, ...], timeout: float) -> Any:
        """The answer to `request`, `None` to none; raises `Failed` where there is no answer."""
        end = time.monotonic() + timeout
        if self._process is None:
            if not self._lives:
                raise Failed(f"given up: {self._failed}")
            self.start()
        if not self._greeted:
            self.about = self._receive(end)
            self._greeted = True
        if not request:
            return None
        try:
            self._connection.send(request)
        except OSError:
            raise self._lost(f"the process ended, {self._code()}") from None
        return self._receive(end)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _receive(self, end: float) -> Any:
        try:
            if not self._connection.poll(max(0.0, end - time.monotonic())):
                raise self._lost("it took too long")
            good, answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost(f"the process ended, {self._code()}") from None
        if good is None:  # It cannot even start.
            self._lives = 1
            raise self._lost(answer)
        if not good:
            raise Failed(answer)
        return answer

    def _code(self) -> str:
        self._process.join(5)
        return f"exit code {self._process.exitcode}"

    def _lost(self, why: str) -> Failed:
        self.close()
        self._lives, self._failed = self._lives - 1, why
        return Failed(why)


def _serve(connection: Any, module: str, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    try:
        imported = import_module(module)
        connection.send((True, imported.hello()))
    # Whatever a library raises when it is imported is news for the record, not the end of the run.
    except Exception as error:
        connection.send((None, first_line(error)))
        return
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(_answer(imported.answer, request))


def _answer(answer: Callable[..., Any], request: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, answer(*request)
    # A contestant may fail in any way; its row says how, and the others go on.
    except Exception as error:
        return False, first_line(error)
