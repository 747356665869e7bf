"""Tables as text, for `print` and notebooks."""

import io

from rich.console import Console
from rich.table import Table


def as_text(table: Table, width: int = 100) -> str:
    """The lines of a table, no wider than so many characters.

    Examples:
        >>> print(as_text(Table("step", "loss")))
        ┏━━━━━━┳━━━━━━┓
        ┃ step ┃ loss ┃
        ┡━━━━━━╇━━━━━━┩
        └──────┴──────┘
    """
    file = io.StringIO()
    # In a notebook rich would show the table on the page and write nothing, or write colours.
    console = Console(
        file=file,
        width=width,
        markup=False,
        highlight=False,
        force_jupyter=False,
        force_terminal=False,
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").splitlines())
