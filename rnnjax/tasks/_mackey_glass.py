"""The Mackey-Glass series: chaos of one variable with a delay."""

import numpy as np
from jaxtyping import Float

from .._checks import check_number, check_positive

_SUBSTEPS = 10  # of a unit of time


def mackey_glass(
    steps: int, *, tau: int = 17, start: float = 1.2, discard: int = 1000
) -> Float[np.ndarray, "time"]:
    """The series of Mackey and Glass, one value per unit of time, in float64.

        dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)

    It is integrated by the classical Runge-Kutta method in steps of 0.1; the delayed value between
    two steps is of the cubic Hermite interpolation. It is chaotic for a tau above 16.8.

    Args:
        steps: number of values T.
        tau: the delay in units of time.
        start: the value of x before the time 0; different ones give different series.
        discard: units of time before the first value, in which x reaches the attractor.

    Raises:
        ValueError: if `start` is negative, or a number of steps is none.

    Examples:
        >>> mackey_glass(4).round(3).tolist()
        [0.947, 0.901, 0.858, 0.817]

    Reference:
        M. C. Mackey, L. Glass, Oscillation and chaos in physiological control systems, Science 197,
        1977.
    """
    steps, tau = check_positive("steps", steps), check_positive("tau", tau)
    discard = check_positive("discard", discard, least=0)
    if check_number("start", start) < 0:
        raise ValueError(f"expected start to be at least 0, got {start!r}")
    x = _integrate(float(start), tau * _SUBSTEPS, (discard + steps - 1) * _SUBSTEPS)
    return np.array(x[discard * _SUBSTEPS :: _SUBSTEPS])


def _integrate(start: float, lag: int, count: int) -> list[float]:
    """The values at all steps, in Python's numbers, which are faster than NumPy's one by one."""
    h = 1 / _SUBSTEPS
    x, slopes = [start], []
    for i in range(count):
        now, before, middle, after = x[i], start, start, start
        if i >= lag:
            before, after = x[i - lag], x[i - lag + 1]
            middle = (before + after) / 2 + h / 8 * (slopes[i - lag] - slopes[i - lag + 1])
        first = _slope(now, before)
        second = _slope(now + h / 2 * first, middle)
        third = _slope(now + h / 2 * second, middle)
        fourth = _slope(now + h * third, after)
        slopes.append(first)
        x.append(now + h / 6 * (first + 2 * second + 2 * third + fourth))
    return x


def _slope(x: float, delayed: float) -> float:
    return 0.2 * delayed / (1 + delayed**10) - 0.1 * x
