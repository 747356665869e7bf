"""Forecasting: windows, scales, baselines, tests on the past."""

import numpy as np

from rnnjax import forecasting as fo

from .kinds import OBJECTS, TEXTS, Argument, call, choice, flag, function, number, size

T, L, H = 9, 3, 2
SERIES = np.arange(T, dtype="float64")
PAST, FUTURE = np.ones((2, L)), np.ones((2, H))
WINDOW = fo.Window(PAST, FUTURE, np.ones((2, L + H, 1)))
ODD = (None, "text", TEXTS, OBJECTS, [[1.0, 2.0], [3.0]], SERIES + 1j, 1.5, object())
LINE = fo.LinearForecast.fit([WINDOW])


def series(*more):
    return Argument(SERIES, (*ODD, *more))


def past(*more):
    return Argument(PAST, (*ODD, SERIES, PAST[:, :0], PAST[..., None, None], *more))


window = Argument(WINDOW, (None, "text", PAST, (PAST, FUTURE), WINDOW._replace(past=None)))
windows = Argument(
    WINDOW,
    (*window.bad, *(WINDOW._replace(**{k: v}) for k in ("future", "known") for v in (1.0, SERIES))),
)
NOT_NEGATIVE = number(0.1, -1.0)

CALLS = [
    call(
        "rnnjax.forecasting.forecast_windows",
        fo.forecast_windows,
        series=series(SERIES[:4], np.ones((9, 2, 2)), [SERIES, np.ones((9, 2))], []),
        context=Argument(L, (*size(L).bad, 8)),
        horizon=Argument(H, (*size(H).bad, 7)),
        batch_size=size(2),
        known=Argument(np.ones((T, 2)), (*ODD[1:], SERIES, np.ones((4, 2)))),
        stride=size(1),
        seed=Argument(0, size(0, least=0).bad[1:]),
    ),
    call("rnnjax.forecasting.direct_batch", fo.direct_batch, window=windows),
    call("rnnjax.forecasting.step_batch", fo.step_batch, window=windows),
    call(
        "Scaling.fit",
        fo.Scaling.fit,
        values=series(),
        axis=Argument(0, (*size(0, least=0).bad, 1)),
        center=choice("mean"),
        spread=flag(True),
        least=NOT_NEGATIVE,
    ),
    call(
        "rnnjax.forecasting.seasonal_naive",
        fo.seasonal_naive,
        past=past(),
        horizon=size(H),
        season=Argument(2, (*size(2).bad, 4)),
    ),
    call(
        "rnnjax.forecasting.seasonal_error",
        fo.seasonal_error,
        series=series(np.full(T, np.nan)),
        season=Argument(2, (*size(2).bad, 9)),
    ),
    call("LinearForecast.predict", LINE.predict, past=past(PAST[:, 1:])),
    call(
        "LinearForecast.fit",
        lambda windows, ridge: fo.LinearForecast.fit(windows, ridge),
        windows=Argument([WINDOW], ([], [WINDOW._replace(past=SERIES)])),
        ridge=NOT_NEGATIVE,
    ),
    call(
        "rnnjax.forecasting.backtest",
        fo.backtest,
        forecast=Argument(
            lambda past, known: np.ones(H), (*function(abs).bad, lambda past, known: np.ones(3))
        ),
        series=series(SERIES[:4]),
        horizon=size(H),
        first=Argument(L, (*size(L).bad, 8)),
        stride=size(1),
        known=Argument(np.ones((T, 2)), (*ODD[1:], SERIES, np.ones((4, 2)))),
    ),
    call(
        "rnnjax.forecasting.leaks",
        fo.leaks,
        forecast=function(lambda series: series[0]),
        series=series(),
        origin=Argument(L, (*size(L).bad, T)),
        seed=size(0, least=0),
    ),
]
