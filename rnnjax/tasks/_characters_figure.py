"""The picture of a training run."""

from pathlib import Path

from ._characters import Progress


def draw(path: Path, history: list[Progress], baselines: dict[str, float], clip: float) -> None:
    """Draws the learning curve over the baselines, and the gradient norm before clipping."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps = [point.step for point in history]
    held_out = {p.step: p.held_out for p in history if p.held_out is not None}
    smooth, low = _smooth([point.loss for point in history]), min(held_out.values())
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(8, 6.5), sharex=True, height_ratios=[2, 1], layout="constrained"
    )
    above.plot(steps, [point.loss for point in history], lw=0.6, color="C0", alpha=0.35)
    above.plot(steps, smooth, color="C0", label="training (smoothed)")
    above.plot(list(held_out), list(held_out.values()), "o-", color="C3", label="held-out")
    for (name, value), style in zip(baselines.items(), (":", "--", "-."), strict=False):
        above.axhline(value, ls=style, color="0.4", lw=1, label=f"{name}: {value:.2f}")
    above.set_ylim(min(low, *smooth) - 0.15, 5.0)
    above.set_ylabel("loss (bits per character)")
    above.set_title(f"A recurrent network learns text: {low:.2f} bits per held-out character")
    above.legend(fontsize=9)

    below.semilogy(steps, [point.gradient_norm for point in history], lw=0.8, color="C2")
    below.axhline(clip, ls="--", color="0.4", lw=1, label=f"clipped to {clip:g}")
    below.set_xlabel("training step (windows)")
    below.set_ylabel("gradient norm\nbefore clipping")
    below.legend(fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _smooth(values: list[float]) -> list[float]:
    """Exponential average over about a fortieth of the values, unbiased at the start."""
    keep = 1 - 1 / max(len(values) / 40, 2)
    average, weight, out = 0.0, 0.0, []
    for value in values:
        average = keep * average + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        out.append(average / weight)
    return out
