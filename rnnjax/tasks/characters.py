"""Trains a character-level language model on real text, and lets it write.

python -m rnnjax.tasks.characters train --text book.txt --minutes 10
python -m rnnjax.tasks.characters generate --prompt "Once upon a time"
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ..decoding import generate
from ._characters import (
    CELLS,
    CharacterModel,
    Progress,
    Split,
    Training,
    held_out_bits,
    load,
    save,
    split,
    train,
)
from ._characters_figure import draw
from ._ngram import ngram_bits
from ._text import Alphabet, load_text


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    Examples:
        >>> main(["generate", "--out", "no/such/folder"])
        expected a model saved by 'train' at no/such/folder/model.safetensors: ...
        1
    """
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        options.run(options, console)
    except ValueError as error:
        console.print(escape(str(error)), soft_wrap=True)
        return 1
    return 0


def _run_train(options: argparse.Namespace, console: Console) -> None:
    """Trains, compares with the baselines, writes a sample, the parameters and the figure."""
    text = load_text(options.text)
    alphabet = Alphabet.of(text)
    how = _from_options(Training, options)
    data = split(alphabet.encode(text), how.window)
    prompt = text[-len(data.held_out) :][:40] if options.prompt is None else options.prompt
    _encode_prompt(alphabet, prompt)
    model = _from_options(CharacterModel, options, characters=alphabet.characters)

    console.print(
        f"{model.cell.upper()}, {model.layers} x {model.hidden} units, on {len(data.train):,} "
        f"characters; {len(data.held_out):,} are held out"
    )
    baselines = _baselines(data, len(alphabet))
    history = _watch(model, data, how, console)
    if not history:
        raise ValueError("stopped before the first step: nothing was learnt")
    params = history[-1].params
    result = held_out_bits(model.layer(), params, data.held_out, how.window)
    history[-1] = history[-1]._replace(held_out=result)

    _compare(console, baselines, result)
    _write(console, model, params, prompt, options)
    options.out.mkdir(parents=True, exist_ok=True)
    save(options.out / "model.safetensors", model, params)
    console.print(f"\nparameters  {options.out / 'model.safetensors'}")
    if importlib.util.find_spec("matplotlib") is None:
        console.print("figure      none: it needs matplotlib (pip install 'rnnjax[plots]')")
    else:
        draw(options.out / "learning_curve.png", history, baselines, how.clip)
        console.print(f"figure      {options.out / 'learning_curve.png'}")


def _run_generate(options: argparse.Namespace, console: Console) -> None:
    """Loads a trained model and continues the prompt."""
    model, params = load(options.out / "model.safetensors")
    prompt = model.characters[-1] if options.prompt is None else options.prompt
    _write(console, model, params, prompt, options)


def _watch(model: CharacterModel, data: Split, how: Training, console: Console) -> list[Progress]:
    """Trains with a live display; Ctrl-C ends it early and keeps what was learnt."""
    history: list[Progress] = []
    columns: list[ProgressColumn] = [
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.description}"),
    ]
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("compiling", total=1.0)
        try:
            for now in train(model.layer(), data, how):
                if history:  # only the newest parameters are worth their memory
                    history[-1] = history[-1]._replace(params=None)
                history.append(now)
                speed = _speed(history, len(data.train), how)
                bar.update(task, completed=now.fraction, description=_describe(now, speed))
                if now.held_out is not None:
                    console.print(
                        f"step {now.step:>5}   {now.seconds:>5.0f} s   training {now.loss:.3f}   "
                        f"held-out [bold]{now.held_out:.3f}[/] bits per character"
                    )
        except KeyboardInterrupt:
            if history:
                console.print(f"interrupted after step {len(history)}; keeping what was learnt")
    return history


def _speed(history: list[Progress], length: int, how: Training) -> float:
    """Characters per second over the last steps."""
    first, last = history[max(0, len(history) - 50)], history[-1]
    rows = min(how.batch, length // (how.window + 1))
    done = (last.step - first.step) * rows * how.window
    return done / max(last.seconds - first.seconds, 1e-9)


def _describe(now: Progress, speed: float) -> str:
    left = now.seconds * (1 - now.fraction) / max(now.fraction, 1e-3)
    return (
        f"step {now.step}   loss {now.loss:.3f} bits   {speed:,.0f} tokens/s   "
        f"{int(left) // 60}:{int(left) % 60:02d} left"
    )


def _baselines(data: Split, vocabulary: int) -> dict[str, float]:
    """What counting achieves on the same split."""
    orders = {"unigram": 1, "trigram": 3, "interpolated 5-gram": 5}
    return {
        name: ngram_bits(data.train, data.held_out, order=order, vocabulary=vocabulary)
        for name, order in orders.items()
    }


def _compare(console: Console, baselines: dict[str, float], result: float) -> None:
    table = Table("held-out text", "bits per character", title="Lower is better")
    table.columns[1].justify = "right"
    for name, value in baselines.items():
        table.add_row(name, f"{value:.3f}")
    table.add_row("this network", f"{result:.3f}", style="bold")
    console.print(table)


def _write(console: Console, model: CharacterModel, params: Any, prompt: str, options: Any) -> None:
    """Prints the prompt, and how the model goes on."""
    tokens = _encode_prompt(model.alphabet, prompt)
    sample = generate(
        model.layer(),
        params,
        tokens,
        jax.random.key(options.seed),
        length=options.length,
        temperature=options.temperature,
    )
    console.print(f"[bold]{escape(prompt)}[/]{escape(model.alphabet.decode(sample))}")


def _encode_prompt(alphabet: Alphabet, prompt: str) -> Any:
    if not prompt:
        raise ValueError("expected a prompt of at least one character, got an empty one")
    return alphabet.encode(prompt)


def _from_options(kind: Any, options: argparse.Namespace, **given: Any) -> Any:
    """An instance of a dataclass, its fields taken from the options of the same names."""
    names = [name for name in kind.__dataclass_fields__ if name not in given]
    return kind(**given, **{name: getattr(options, name) for name in names})


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m rnnjax.tasks.characters", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(required=True)

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text, formatter_class=formatter)
        sub.set_defaults(run=run)
        sub.add_argument("--out", type=Path, default="runs/characters", help="folder of the model")
        sub.add_argument("--prompt", help="text to continue")
        sub.add_argument("--length", type=int, default=400, help="characters to write")
        sub.add_argument("--temperature", type=float, default=0.7, help="below 1: less surprise")
        sub.add_argument("--seed", type=int, default=0, help="of all that is random")
        return sub

    sub = command("train", _run_train, "train on a text, and let the network write")
    sub.add_argument("--text", help="a UTF-8 file; by default Python's own documentation")
    sub.add_argument("--cell", choices=CELLS, default="lstm", help="kind of recurrent layer")
    sub.add_argument("--hidden", type=int, default=256, help="units of every recurrent layer")
    sub.add_argument("--layers", type=int, default=1, help="number of recurrent layers")
    sub.add_argument("--embedding", type=int, default=64, help="features of a character")
    sub.add_argument("--dropout", type=float, default=0.3, help="rate between layers")
    sub.add_argument("--minutes", type=float, default=3.0, help="time budget of training")
    sub.add_argument("--steps", type=int, help="number of steps, instead of a time budget")
    sub.add_argument("--batch", type=int, default=16, help="streams learnt side by side")
    sub.add_argument("--window", type=int, default=64, help="characters a gradient flows back")
    sub.add_argument("--learning-rate", type=float, default=4e-3, help="the highest rate")
    sub.add_argument("--clip", type=float, default=1.0, help="largest gradient norm")
    command("generate", _run_generate, "continue a prompt with a trained network")
    return parser


if __name__ == "__main__":
    sys.exit(main())
