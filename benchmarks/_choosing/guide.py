"""The text of `docs/choosing.md` behind its introduction, from the record."""

from typing import Any

from . import tables
from .analysis import MEMORY, PAIRS_OF_CHANCE, SUBJECTS, Comparison
from .findings import findings
from .networks import BLOCK, WIDTH
from .rule import budget, rule
from .tasks import LEARNT, PER_STEP, SECONDS, TASKS
from .training import BATCH, RATES, ROUNDS, SEEDS

Lines = list[str]
FIGURE = "../benchmarks/results/choosing.cpu.png"
ALT = "Test numbers of every cell and seed, on every task"


def guide(rows: list[dict[str, Any]], about: dict[str, Any], footer: str) -> Lines:
    """All sections.

    Args:
        rows: the measurements of the record.
        about: its first line.
        footer: the machine, the versions and the date, as below the tables of the benchmarks.
    """
    found = Comparison(rows)
    sections = {
        "How it was measured": _method(found, about),
        "The numbers": _numbers(found, footer),
        "What the numbers show": findings(found),
        "What they do not show": _limits(found),
        "A rule of thumb": rule(found),
    }
    return [line for head, lines in sections.items() for line in (f"## {head}", "", *lines, "")]


def _method(found: Comparison, about: dict[str, Any]) -> Lines:
    members, scale = len(RATES) * SEEDS, about["scale"]
    sizes = [result.units for result in found.results.values()]
    counts = [result.updates for result in found.results.values()]
    pairs = SEEDS * SEEDS
    return [
        f"{len(found.cells)} cells, {len(TASKS)} tasks, {SEEDS} seeds. All cells have the same "
        "network around them, the same number of parameters, the same time and the same tuning.",
        "",
        *tables.of_tasks(),
        "",
        f"* **Network.** Numbers pass a `Dense` layer of {WIDTH} rectified units, tokens an "
        f"`Embedding` of {WIDTH} features. Two blocks follow, each the cell and another such "
        "`Dense` layer, whose output is added to the block's input; cells that are linear need "
        "that layer. A last `Dense` layer reads every step, or the last one.",
        f"* **Size.** A block has about {BLOCK:,} parameters, so a cell with more weights a unit "
        f"has fewer units: {min(sizes)} to {max(sizes)}. Other options are the cells' defaults. "
        "All weights of `EchoState` count, those that stay random, too.",
        f"* **Time.** A cell has {scale * SECONDS:.0f} seconds of one core for a task, and "
        f"{scale * PER_STEP:.2g} for each step of the adding problem, validation included and "
        f"compiling excluded. {members} networks share them, so each has a {members}th. The "
        f"number of updates follows from the time of one: {min(counts):,} to {max(counts):,}. A "
        "cell whose updates are cheap gets more of them.",
        f"* **Tuning.** The learning rates are {', '.join(f'{rate:g}' for rate in RATES)}. Adam's "
        "falls to zero as a cosine; gradients are clipped to norm 1. "
        f"An update has {BATCH} sequences.",
        f"* **Choice.** The state of a network is the best of {ROUNDS} on validation sequences; "
        "the rate has the best mean over seeds there. All numbers are of test sequences.",
        f"* **Learnt.** The adding problem counts as learnt where the error of the middle seed is "
        f"below {LEARNT:g}; always answering the mean has an error of 0.167. A cell learns *up to* "
        "a length if it learns that one and all shorter ones; after the first that it does not "
        "learn it meets no longer ones (—).",
        "* **Level with the best.** The best cell has the best median. Each seed of another cell "
        "is compared with each of its seeds: a cell that wins at most "
        f"{PAIRS_OF_CHANCE * pairs:.0f} of the {pairs} pairs is behind, by the one-sided test of "
        "Mann and Whitney at 5 %. Any other cell is level with the best.",
    ]


def _numbers(found: Comparison, footer: str) -> Lines:
    return [
        f"The median of {SEEDS} seeds, and half their range. Cells that are level with the best "
        "are in bold.",
        "",
        *tables.of_results(found),
        "",
        "The adding problem by its length: the median error, and the seeds that have learnt it.",
        "",
        *tables.of_adding(found),
        "",
        f"![{ALT}]({FIGURE})",
        "",
        footer,
    ]


def _limits(found: Comparison) -> Lines:
    return [
        f"* Networks are small and training is short: at most {budget(found):.2g} seconds of a "
        "core for one network. A cell that learns slowly may be ahead at the end of an hour.",
        "* An update costs what it costs on one core of a CPU. Cells that are linear in their "
        "carry gain from hardware that computes all steps at once.",
        "* Two blocks and no dropout: deep or large networks need other settings. `IndRNN` and "
        "`LRU` were made for more blocks.",
        f"* The {len(SUBJECTS)} subjects, of which *{MEMORY}* is the adding problem at all "
        "lengths, decide on the rule. Other data may decide otherwise.",
    ]
