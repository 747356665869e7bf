"""How does the cost grow with steps, batch and units, and how near is the machine's ceiling?

The ceiling is the time of the matrix products of the case on this machine if nothing keeps them
apart: one product over all steps forward, two and that of the states backward. No recurrence can
reach it, since a step must wait for the one before.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
from _case import Case, problem
from _compare import Call, Program, compare
from _harness import Run, Scale, main
from _peers import OURS, PLAIN, TORCH
from _record import Measurement, save_figure

CEILING = "matrix products alone"
AXES = {"steps": "steps T", "batch": "sequences in a batch B", "hidden": "units H (= inputs I)"}


def cases(scale: Scale) -> Iterator[Case]:
    """From one point in three directions."""
    if scale == "smoke":
        yield from (Case("LSTM", 2, steps, 4, 4) for steps in (4, 8))
        return
    base = Case("LSTM", 32, 128, 128, 128)
    steps, batches, units = (32, 512), (1, 8, 128), (32, 64, 256)
    if scale == "full":
        steps, batches, units = (32, 64, 256, 512, 1024), (1, 4, 8, 64, 128, 256), (*units, 512)
    yield base
    yield from (replace(base, steps=size) for size in steps)
    yield from (replace(base, batch=size) for size in batches)
    yield from (replace(base, inputs=size, hidden=size) for size in units)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Ours, PyTorch's and a plain scan in training, and the ceiling."""
    found = run.contestants(case, OURS, PLAIN, TORCH)
    ceiling = Program(CEILING, lambda what: products(case), "all steps at once")
    return compare(case, found, ("training",), repeats=run.repeats, unchecked=[ceiling])


def products(case: Case) -> Call:
    """The matrix products of an LSTM's gradient, all steps at once."""
    numbers = problem(case)
    params = numbers.params[0][0]
    xs = numbers.xs.reshape(-1, case.inputs)
    hs = jnp.resize(xs, (len(xs), case.hidden))

    @jax.jit
    def run(w_x, w_h, xs, hs):
        ys = xs @ w_x + hs @ w_h
        return xs.T @ ys, hs.T @ ys, ys @ w_h.T

    return Call(lambda: run(params.w_x, params.w_h, xs, hs))


def draw(measurements: list[Measurement], out: Path) -> None:
    """Training time against each size, the others as in the first case; next to the record."""
    from matplotlib.figure import Figure

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
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks(sorted({getattr(m.case, field) for m in along}))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("one gradient, median and quartiles [ms]")
    panels[0].legend()
    figure.suptitle(f"{_summary(measurements)}\n{base}, except for the size on the axis")
    save_figure(figure, out)


def _curve(panel, field: str, along: list[Measurement]) -> None:
    sizes = [getattr(m.case, field) for m in along]
    family = along[0].family
    style = {"color": "black", "linestyle": "--"} if family == CEILING else {"marker": "o"}
    (line,) = panel.plot(sizes, [m.median for m in along], label=family, **style)
    quartiles = [m.quartile_1 for m in along], [m.quartile_3 for m in along]
    panel.fill_between(sizes, *quartiles, alpha=0.2, color=line.get_color())


def _summary(measurements: list[Measurement]) -> str:
    median = {(m.case, m.family): m.median or 1.0 for m in measurements}
    times = [
        median[case, OURS] / median[case, CEILING] for case, family in median if family == OURS
    ]
    return (
        f"The gradient of an LSTM takes {min(times):.2g} to {max(times):.2g} times as long as "
        "its matrix products would if no step had to wait for the one before"
    )


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, finish=draw)
