"""Windows as batches of a model: values, observed flags and covariates at every step."""

from typing import Any

import numpy as np

from .._checks import check_instance
from ..data import Batch
from ._gaps import as_past, as_series, filled
from ._windows import Window


def direct_batch(window: Window) -> Batch:
    """The batch for a model that gives the whole horizon at once.

    An input has the last observed values, a flag for each that says whether it is of this very
    step, and the covariates: `[B, L + H, 2 F + C]`. The horizon is one more gap, whose covariates
    are known. Targets are the values of the horizon, `[B, H]` or `[B, H, F]`, and the gaps among
    them do not count in the loss.

    Args:
        window: the windows.

    Raises:
        ValueError: if it is no `Window`, or its parts do not fit together.

    Examples:
        >>> batch = direct_batch(Window(np.array([[5.0, np.nan, 7.0]]), np.array([[8.0]])))
        >>> batch.inputs[0].tolist(), batch.targets.tolist()
        ([[5.0, 1.0], [5.0, 0.0], [7.0, 1.0], [7.0, 0.0]], [[8.0]])
    """
    past, future, known = _parts(window)
    hidden = np.concatenate([past, np.full_like(future, np.nan)], axis=1)
    inputs = _features(filled(hidden, 1)[0], ~np.isnan(hidden), known)
    return Batch(inputs, *_targets(future))


def step_batch(window: Window) -> Batch:
    """The batch for a model that gives, at each step, the distribution of the value there.

    An input has the values before it, the last observed ones, a flag for each that says whether
    it was observed one step before, and the covariates of the step itself:
    `[B, L + H, 2 F + C]`. Targets are the values of all steps, `[B, L + H]` or `[B, L + H, F]`,
    and gaps do not count in the loss. `decoding.sample_paths` takes these inputs.

    Args:
        window: the windows.

    Raises:
        ValueError: if it is no `Window`, or its parts do not fit together.

    Examples:
        >>> batch = step_batch(Window(np.array([[5.0, np.nan]]), np.array([[7.0, 8.0]])))
        >>> batch.inputs[0].tolist(), batch.targets.tolist()
        ([[0.0, 0.0], [5.0, 1.0], [5.0, 0.0], [7.0, 1.0]], [[5.0, 0.0, 7.0, 8.0]])
    """
    past, future, known = _parts(window)
    whole = np.concatenate([past, future], axis=1)
    values, seen = filled(whole, 1)[0], ~np.isnan(whole)
    before = [np.concatenate([np.zeros_like(a[:, :1]), a[:, :-1]], axis=1) for a in (values, seen)]
    return Batch(_features(before[0], before[1], known), *_targets(whole))


def _parts(window: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    check_instance("window", window, Window, "one of forecast_windows(…)")
    past, future = as_past(window.past), as_series("future", window.future, 2)
    known = None if window.known is None else as_series("known", window.known, 2)
    lead = len(past), past.shape[1] + future.shape[1]
    fit = future.ndim == past.ndim and (len(past), *past.shape[2:]) == (
        len(future),
        *future.shape[2:],
    )
    if not fit or known is not None and (known.ndim != 3 or known.shape[:2] != lead):
        shapes = [None if a is None else list(a.shape) for a in (past, future, known)]
        raise ValueError(
            "expected a window of past [B, L, F], future [B, H, F] and known [B, L + H, C] or "
            f"None, got {shapes}"
        )
    return past, future, known


def _features(values: np.ndarray, seen: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    lead = values.shape[:2]
    parts = [values.reshape(*lead, -1), seen.reshape(*lead, -1).astype(values.dtype)]
    return np.concatenate([*parts, *([] if known is None else [known])], axis=-1)


def _targets(values: np.ndarray) -> tuple[np.ndarray, None, None, None, np.ndarray]:
    """Targets, no lengths, no mask, no resets, and the mask of the loss."""
    seen = ~np.isnan(values)
    return np.where(seen, values, 0), None, None, None, seen
