"""Forecasting: windows of series, reversible scaling, baselines, and tests on the past.

A series is an array `[T]`, or `[T, F]` with F features, and NaN marks a gap.

* Windows: `forecast_windows` gives batches of `Window`, a past and the future behind it.
* Batches of `fit` and `evaluate`: `direct_batch`, for a model that gives the whole horizon at once,
  and `step_batch`, for one that gives the distribution of the next value.
* Scales: `Scaling`, of a whole series or of each window, with its inverse.
* Baselines: `seasonal_naive`, `LinearForecast`; `seasonal_error`, the unit of `losses.mase`.
* Tests on the past: `backtest` from rolling origins; `leaks` finds a forecast that has seen the
  future.

Likelihoods and scores are in `rnnjax.losses`, sampled paths are `decoding.sample_paths`.
"""

from ._backtest import Backtest as Backtest
from ._backtest import backtest as backtest
from ._inputs import direct_batch as direct_batch
from ._inputs import step_batch as step_batch
from ._leaks import leaks as leaks
from ._linear import LinearForecast as LinearForecast
from ._naive import seasonal_error as seasonal_error
from ._naive import seasonal_naive as seasonal_naive
from ._scaling import Scaling as Scaling
from ._windows import Window as Window
from ._windows import forecast_windows as forecast_windows
