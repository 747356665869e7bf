"""Windows of series: a past, and the future behind it."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .._checks import brief, check_positive
from ..data import Batches
from ._gaps import as_series
from ._scaling import Scaling


class Window(NamedTuple):
    """Windows of series: what was known at the origin, and what came. NaN marks a gap."""

    past: Float[np.ndarray, "b l *f"]  # the context
    future: Float[np.ndarray, "b h *f"]  # the horizon; NaN throughout where it is to come
    # Covariates of all `L + H` steps that are known beforehand, such as the hour.
    known: Float[np.ndarray, "b t c"] | None = None

    def scaled(self, scaling: Scaling) -> "Window":
        """The windows in the scale of a model, such as `Scaling.fit(window.past, 1)`."""
        return self._replace(past=scaling.apply(self.past), future=scaling.apply(self.future))


def forecast_windows(
    series: Any,
    context: int,
    horizon: int,
    batch_size: int,
    *,
    known: Any = None,
    stride: int = 1,
    seed: int | None = None,
) -> Batches[Window]:
    """All windows of one or several series, in batches of `Window`.

    `forecast_windows(…).map(direct_batch)` is data for `fit` and `evaluate`. Windows are cut when
    a batch is asked for, so they take no memory.

    Args:
        series: an array `[T]` or `[T, F]`, or a list of such arrays, of any lengths. NaN is a gap.
        context: number of steps of the past.
        horizon: number of steps of the future.
        batch_size: number of windows of a batch.
        known: covariates known beforehand, `[T, C]`, or a list of them, one for each series.
        stride: number of steps from a window to the next one.
        seed: of a new order every epoch, without the rest that fills no batch. By default
            windows come in order, and the last batch may be smaller.

    Raises:
        ValueError: if shapes do not fit together, or there is no window, or with a seed no batch.

    Examples:
        >>> for window in forecast_windows(np.arange(6.0), 3, 2, batch_size=2):
        ...     print(window.past.tolist(), window.future.tolist())
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]] [[3.0, 4.0], [4.0, 5.0]]
    """
    arrays = _list("series", series)
    covariates = None if known is None else _list("known", known, arrays)
    context, horizon = check_positive("context", context), check_positive("horizon", horizon)
    batch_size, steps = check_positive("batch_size", batch_size), context + horizon
    stride = check_positive("stride", stride)
    starts, before = [], 0
    for array in arrays:
        starts.append(before + np.arange(0, len(array) - steps + 1, stride))
        before += len(array)
    first = np.concatenate(starts)
    if len(first) < (1 if seed is None else batch_size):
        raise ValueError(
            f"expected series of at least {steps} steps, context and horizon, with windows for a "
            f"batch of {batch_size}, got lengths {brief([len(a) for a in arrays])}"
        )
    order = _order(len(first), seed)
    values = np.concatenate(arrays)
    beside = None if covariates is None else np.concatenate(covariates)

    def make(epoch: int, index: int) -> Window:
        chosen = order(epoch)[index * batch_size : (index + 1) * batch_size]
        place = first[chosen, None] + np.arange(steps)
        whole = values[place]
        return Window(
            whole[:, :context], whole[:, context:], None if beside is None else beside[place]
        )

    return Batches(make, -(-len(first) // batch_size) if seed is None else len(first) // batch_size)


def _order(count: int, seed: int | None) -> Any:
    """The order of the windows in an epoch."""
    if seed is None:
        return lambda epoch: np.arange(count)
    seed, cache = check_positive("seed", seed, least=0), {}

    def order(epoch: int) -> np.ndarray:
        if epoch not in cache:
            cache.clear()
            cache[epoch] = np.random.default_rng((seed, epoch)).permutation(count)
        return cache[epoch]

    return order


def _list(name: str, data: Any, like: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """Arrays of one dtype and one shape of a step; covariates of the lengths of the series."""
    several = isinstance(data, list | tuple) and len(data) and np.ndim(data[0]) > 0
    arrays = [as_series(name, a) for a in (data if several else [data])]
    axes = {a.ndim for a in arrays}
    if len({a.shape[1:] for a in arrays}) > 1 or not axes <= ({1, 2} if like is None else {2}):
        shapes = ", ".join(str(list(a.shape)) for a in arrays)
        form = "[T], or all [T, F]" if like is None else "[T, C]"
        raise ValueError(f"expected {name} to be {form}, got {brief(shapes)}")
    if like is not None and [len(a) for a in arrays] != [len(a) for a in like]:
        raise ValueError(
            f"expected {name} of the lengths of the series, {brief([len(a) for a in like])}, got "
            f"{brief([len(a) for a in arrays])}"
        )
    dtype = np.result_type(*arrays)
    return [a.astype(dtype, copy=False) for a in arrays]
