"""The plot of `scaling.py`."""

from pathlib import Path

from _measure import Measurement
from matplotlib.figure import Figure

CEILING = "matrix products alone"
AXES = {"steps": "steps T", "batch": "sequences in a batch B", "hidden": "units H (= inputs I)"}


def draw(measurements: list[Measurement], out: Path) -> None:
    """Training time against each size, the others as in the first case."""
    base = measurements[0].case
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, (field, label) in zip(panels, AXES.items(), strict=True):
        others = [name for name in AXES if name != field]
        along = [
            m
            for m in measurements
            if all(getattr(m.case, other) == getattr(base, other) for other in others)
        ]
        along.sort(key=lambda m: getattr(m.case, field))
        for family in dict.fromkeys(m.family for m in measurements):
            _curve(panel, field, [m for m in along if m.family == family])
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("one gradient, median and quartiles [ms]")
    panels[0].legend()
    figure.suptitle(f"{_seen(measurements)}\n{base}, but for the size on the axis")
    figure.savefig(out, dpi=120)


def _curve(panel, field: str, along: list[Measurement]) -> None:
    sizes = [getattr(m.case, field) for m in along]
    family = along[0].family
    style = {"color": "black", "linestyle": "--"} if family == CEILING else {"marker": "o"}
    (line,) = panel.plot(sizes, [m.median for m in along], label=family, **style)
    quartiles = [m.quartile_1 for m in along], [m.quartile_3 for m in along]
    panel.fill_between(sizes, *quartiles, alpha=0.2, color=line.get_color())


def _seen(measurements: list[Measurement]) -> str:
    ceiling = {m.case: m.median for m in measurements if m.family == CEILING}
    times = [m.median / ceiling[m.case] for m in measurements if m.family == "rnnjax"]
    return (
        f"The gradient of an LSTM takes {min(times):.2g} to {max(times):.2g} times as long as "
        "its matrix products would if no step had to wait for the one before"
    )
