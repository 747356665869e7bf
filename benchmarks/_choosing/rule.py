"""The rule of thumb: its sentences are chosen by the record, and contradict custom if that does."""

from .analysis import MEMORY, SUBJECTS, Comparison
from .findings import listed
from .tasks import LENGTHS, OTHERS
from .training import RATES, SEEDS

Lines = list[str]
CUSTOM = ("LSTM", "GRU")  # the usual advice
CHEAP = 0.8  # of the first choice's time, from which on a cell counts as cheaper
NAMES = {MEMORY: "long memory", **{task: OTHERS[task].title for task in OTHERS}}


def rule(found: Comparison) -> Lines:
    """Numbered advice, whether it is the usual one, and a sentence to keep."""
    steps = [_start(found), _exceptions(found), _memory(found), _time(found)]
    numbered = [f"{place}. {text}" for place, text in enumerate(steps, 1)]
    seconds = f"Networks here had up to {budget(found):.2g} seconds of training: "
    seconds += "with more, compare again."
    keep = ['!!! tip "To keep"', "", f"    {to_keep(found)} {seconds}"]
    return [*numbered, "", _custom(found), "", *keep]


def budget(found: Comparison) -> float:
    """The most seconds of a core that one network had."""
    return max(result.seconds for result in found.results.values()) / (len(RATES) * SEEDS)


def first(found: Comparison) -> str:
    """The cell that is level with the best on the most subjects; of several, the cheapest."""
    return max(found.cells, key=lambda cell: (found.score[cell], -found.cost.get(cell, 1.0)))


def cheaper(found: Comparison) -> str | None:
    """The widest of the cells that cost clearly less than the first choice, if there is one."""
    limit = CHEAP * found.cost.get(first(found), 1.0)
    cells = [cell for cell in found.cells if found.cost.get(cell, limit + 1) <= limit]
    cells = [cell for cell in cells if found.score[cell]]
    return max(cells, key=lambda cell: (found.score[cell], -found.cost[cell]), default=None)


def exceptions(found: Comparison) -> dict[str, list[str]]:
    """The subjects in which the first choice is behind, by the cell that is best there."""
    start, others = first(found), {}
    for subject, level in found.levels.items():
        if level and start not in level:
            others.setdefault(level[0], []).append(subject)
    return others


def to_keep(found: Comparison) -> str:
    """The whole rule in a sentence."""
    start, quick = first(found), cheaper(found)
    text, others = f"Start with `{start}`", _others(found)
    text += f"; take {', '.join(others)}" if others else ""
    text += f"; where time is short, take `{quick}`" if quick else ""
    return f"{text}."


def _others(found: Comparison) -> Lines:
    """The exceptions in words."""
    return [
        f"`{cell}` for {listed((NAMES[s] for s in subjects), '')}"
        for cell, subjects in exceptions(found).items()
    ]


def _count(found: Comparison, cell: str) -> str:
    return f"{found.score[cell]} of {len(SUBJECTS)} subjects"


def _start(found: Comparison) -> str:
    start = first(found)
    mine = listed((NAMES[s] for s, level in found.levels.items() if start in level), "")
    rivals = [cell for cell in found.cells if found.score[cell] == found.score[start]]
    rivals.remove(start)
    if 2 * found.score[start] > len(SUBJECTS):
        text = f"**Start with `{start}`.** It is level with the best in {_count(found, start)}"
    else:
        text = f"**No cell is a safe first choice.** The widest, `{start}`, is level with the best "
        text += f"in only {_count(found, start)}"
    text += f": {mine}." if mine else "."
    if rivals:
        verbs = ("is", "costs") if len(rivals) == 1 else ("are", "cost")
        return f"{text} {listed(rivals)} {verbs[0]} so in as many, and {verbs[1]} more."
    return f"{text} No other cell is so in as many."


def _exceptions(found: Comparison) -> str:
    parts = _others(found)
    if not parts:
        return "**No subject here needs another cell.**"
    return f"**Change the cell where the data ask for it:** {'; '.join(parts)}."


def _memory(found: Comparison) -> str:
    text = "**Count the steps that must be remembered.**"
    least, most = min(found.reach.values()), max(found.reach.values())
    if not most:
        return f"{text} In this time no cell learns to remember over {LENGTHS[0]} steps."
    if least == most:
        return f"{text} Up to {most} steps every cell here remembers."
    able = [cell for cell in found.cells if found.reach[cell] == most]
    verb = "remembers" if len(able) == 1 else "remember"
    text += f" Up to {least} steps every cell here remembers." if least else ""
    return f"{text} Up to {most} steps, the most here, only {listed(able)} {verb}."


def _time(found: Comparison) -> str:
    start, quick = first(found), cheaper(found)
    if quick is None:
        text = (
            f"**Time is no reason for another cell:** none that takes less than {CHEAP:g} of the "
        )
        return f"{text}time of `{start}` is level with the best anywhere."
    ratio = found.cost[quick] / found.cost[start]
    text = f"**Where time is short, take `{quick}`:** an update takes {ratio:.2f} of the time of "
    return f"{text}`{start}`, and it is level with the best in {_count(found, quick)}."


def _custom(found: Comparison) -> str:
    start, advice = first(found), f"The usual advice, `{CUSTOM[0]}` or `{CUSTOM[1]}`,"
    if start in CUSTOM:
        return f"{advice} agrees with these numbers."
    scores = [found.score.get(cell, 0) for cell in CUSTOM]
    judged = "nearly agrees" if found.score[start] - max(scores) <= 1 else "does not agree"
    counts = listed((f"`{c}` in {score}" for c, score in zip(CUSTOM, scores, strict=True)), "")
    text = f"{advice} {judged} with these numbers: {counts} of {len(SUBJECTS)} subjects"
    return f"{text}, next to {found.score[start]} of `{start}`."
