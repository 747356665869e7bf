"""What `fit` shows on a terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ._history import Record, describe


class Display:
    """A bar that shows the steps done, above it a line for each round; quiet off a terminal.

    Args:
        steps: number of steps of the whole run.
        done: number of those that an earlier part of it has done.

    Examples:
        >>> with Display(steps=10) as display:
        ...     display.advance()
    """

    def __init__(self, steps: int, done: int = 0):
        console = Console(highlight=False)
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=done)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """One step more is under way."""
        self._bar.advance(self._task)

    def round(self, record: Record) -> None:
        """A round is over."""
        if not self._bar.disable:
            self._bar.console.print(describe(record))
