"""The progress of `fit`: a bar on a terminal, a line a round elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ._history import Record, describe


class Display:
    """Progress on a terminal as a bar below a line for each round, elsewhere as these lines.

    Args:
        steps: number of steps of the whole run; `None` where it is not known.
        done: number of those that an earlier part of it has done.
        quiet: whether to show nothing.

    Examples:
        >>> with Display(steps=10) as display:
        ...     display.round({"step": 10, "loss": 0.5})
        compiling the training step
        step 10   loss 0.5
    """

    def __init__(self, steps: int | None, done: int = 0, *, quiet: bool = False):
        self._quiet = quiet
        self._console = _console()
        columns = [TimeRemainingColumn()] * (steps is not None)
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TextColumn("{task.description}"),
            *columns,
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("compiling", total=steps, completed=done)

    def __enter__(self) -> "Display":
        self._bar.start()
        if self._bar.disable:
            self.say("compiling the training step")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Counts one more step."""
        self._bar.update(self._task, advance=1, description="")

    def round(self, record: Record) -> None:
        """Shows a round that is over."""
        self.say(describe(record))

    def say(self, line: str) -> None:
        """Shows a line."""
        if not self._quiet:
            self._console.print(line, markup=False)


def _console() -> Console:
    """The console; in a notebook one of plain lines, which stay with the page."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_jupyter:
        return console
    # The kernel's output passes for a terminal, but a page cannot move its cursor.
    return Console(highlight=False, soft_wrap=True, force_jupyter=False, force_terminal=False)
