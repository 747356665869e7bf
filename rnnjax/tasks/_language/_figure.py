"""The picture of a training run."""

from pathlib import Path

from ...training._history import Record
from ._units import measure


def draw(
    path: Path, history: list[Record], baselines: dict[str, float], clip: float, unit: str
) -> None:
    """Draws the learning curve over the baselines, and the gradient norm before clipping."""
    from matplotlib.figure import Figure

    steps = [record["step"] for record in history]
    held_out = [measure(record["eval_loss"], unit)[1] for record in history]
    training = [measure(record["loss"], unit)[1] for record in history]
    name, by_characters = measure(0.0, unit)[0], unit == "characters"
    figure = Figure(figsize=(8, 6.5), layout="constrained", dpi=150)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    above.plot(steps, training, ".-", color="C0", label="training, with dropout")
    above.plot(steps, held_out, "o-", color="C3", label="held out")
    for (model, value), style in zip(baselines.items(), (":", "--", "-."), strict=False):
        above.axhline(value, ls=style, color="0.4", lw=1, label=f"{model}: {value:.2f}")
    above.set(
        ylabel=f"loss ({name})" if by_characters else name,
        yscale="linear" if by_characters else "log",
        title=f"A recurrent network learns text: {held_out[-1]:.2f} {name}, held out",
    )
    above.legend(fontsize=9)

    norms = [record["gradient_norm"] for record in history]
    below.plot(steps, norms, ".-", color="C2", label="mean of a round")
    below.axhline(clip, ls="--", color="0.4", lw=1, label=f"clipped to {clip:g}")
    below.set_xlabel("training step (windows)")
    below.set_ylabel("gradient norm\nbefore clipping")
    below.set_ylim(bottom=0)
    below.legend(fontsize=9)
    figure.savefig(path)
