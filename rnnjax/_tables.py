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
    Console(file=file, width=width, markup=False, highlight=False).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").splitlines())
