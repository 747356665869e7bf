"""The console command `rnnjax TASK COMMAND …`."""

import importlib
import sys

from rich.console import Console
from rich.markup import escape

TASKS = {
    "text": "learn to write from a text",
    "sentiment": "learn to label texts, such as praise and blame",
    "tagging": "learn to find the chunks of sentences",
    "translation": "learn to translate sentences",
    "video": "learn to continue clips of moving digits, or to tell motions apart",
    "speech": "learn to write down the words of recordings",
    "music": "learn to continue music, chord by chord",
    "forecast": "learn to forecast series",
    "memory": "recall pictures from damaged ones, or continue a chaotic series",
    "longterm": "learn to remember over hundreds of steps",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    Examples:
        >>> main(["--help"])
        usage: rnnjax TASK COMMAND …
        ...
          text         learn to write from a text
        ...
    """
    task, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    console = Console(highlight=False)
    if task not in TASKS:
        console.print("usage: rnnjax TASK COMMAND …\n\ntasks, each with the option --help:")
        for name, summary in TASKS.items():
            console.print(f"  {name:12} {summary}")
        return 0 if task in ("", "-h", "--help") else 1
    try:
        import tyro
    except ImportError:
        console.print("the command line needs tyro: pip install 'rnnjax\\[apps]'")
        return 1
    module = importlib.import_module(f"rnnjax.tasks.{task}")
    try:
        tyro.extras.subcommand_cli_from_dict(
            module.COMMANDS,
            prog=f"rnnjax {task}",
            description=TASKS[task].capitalize() + ".",
            args=rest,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs),
        )
    except (ValueError, OSError) as error:
        console.print(escape(str(error)), soft_wrap=True)
        return 1
    return 0
