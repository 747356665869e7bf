"""Windows of series, scales, baselines, backtests, leaks: against loops and closed forms."""

import numpy as np
import pytest

from rnnjax.data import Batch
from rnnjax.forecasting import (
    LinearForecast,
    Scaling,
    Window,
    backtest,
    direct_batch,
    forecast_windows,
    leaks,
    seasonal_error,
    seasonal_naive,
    step_batch,
)

RNG = np.random.default_rng(3)
L, H = 4, 3


def gappy(*shape, share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    values = 5 + rng.standard_normal(shape)
    values[rng.uniform(size=shape) < share] = np.nan
    return values


def carried(values):
    """The last observed value at each step, 0 before the first: a loop over one series."""
    last, found = 0.0, []
    for value in values:
        last = last if np.isnan(value) else value
        found.append(last)
    return np.array(found)


# Windows


@pytest.mark.parametrize("stride", [1, 2])
def test_windows_are_all_of_every_series_and_never_cross(stride):
    series, known = [gappy(n, 2, seed=n) for n in (9, 5, 8)], [RNG.normal(size=(9, 3))]
    known += [RNG.normal(size=(5, 3)), RNG.normal(size=(8, 3))]
    expected = [
        (one[s : s + L], one[s + L : s + L + H], beside[s : s + L + H])
        for one, beside in zip(series, known, strict=True)
        for s in range(0, len(one) - L - H + 1, stride)
    ]
    data = forecast_windows(series, L, H, 2, known=known, stride=stride)
    found = [row for w in data for row in zip(w.past, w.future, np.asarray(w.known), strict=True)]
    assert len(found) == len(expected) == (5 if stride == 1 else 3)
    for pair in zip(found, expected, strict=True):
        for a, b in zip(*pair, strict=True):
            np.testing.assert_array_equal(a, b)
    one = forecast_windows(series[0][:, 0], L, H, 8)(0)
    assert one.past.shape == (3, L) and one.future.shape == (3, H) and one.known is None


def test_shuffled_windows_come_once_an_epoch_in_another_order():
    data = forecast_windows(np.arange(20.0), L, H, 7, seed=1)
    assert data.per_epoch == 2
    epochs = [np.concatenate([data(2 * e + k).past[:, 0] for k in (0, 1)]) for e in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(14))
    assert (epochs[0] != epochs[1]).any() and (data(0).past == data(0).past).all()


def test_too_short_a_series_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"at least 7 steps, context and horizon.* got .*\[6\]"):
        forecast_windows(np.arange(6.0), L, H, 1)
    with pytest.raises(ValueError, match="expected known of the lengths of the series"):
        forecast_windows(np.arange(9.0), L, H, 1, known=np.zeros((8, 1)))
    with pytest.raises(ValueError, match=r"expected series to be \[T\], or all \[T, F\]"):
        forecast_windows([np.zeros(9), np.zeros((9, 1))], L, H, 1)
    with pytest.raises(ValueError, match="expected a window of past"):
        direct_batch(Window(np.zeros((2, L)), np.zeros((3, H))))


# Inputs of models


@pytest.mark.parametrize("features", [(), (2,)])
def test_a_direct_batch_has_filled_values_flags_and_covariates_and_no_future(features):
    past, future = gappy(2, L, *features), gappy(2, H, *features, seed=1)
    known = RNG.normal(size=(2, L + H, 3))
    batch = direct_batch(Window(past, future, known))
    F = features[0] if features else 1
    assert batch.inputs.shape == (2, L + H, 2 * F + 3)
    wide = past.reshape(2, L, F)
    for row in range(2):
        for f in range(F):
            values = carried([*wide[row, :, f], *[np.nan] * H])
            np.testing.assert_array_equal(batch.inputs[row, :, f], values)
            flags = [*~np.isnan(wide[row, :, f]), *[False] * H]
            np.testing.assert_array_equal(batch.inputs[row, :, F + f], flags)
    np.testing.assert_array_equal(batch.inputs[..., 2 * F :], known)
    np.testing.assert_array_equal(batch.loss_mask, ~np.isnan(future))
    np.testing.assert_array_equal(batch.targets, np.nan_to_num(future))
    other = direct_batch(Window(past, 9 - future, known))
    np.testing.assert_array_equal(batch.inputs, other.inputs)  # no input is of the horizon


def test_a_step_batch_has_the_value_before():
    past, future, known = gappy(2, L), gappy(2, H, seed=1), RNG.normal(size=(2, L + H, 1))
    batch = step_batch(Window(past, future, known))
    whole = np.concatenate([past, future], 1)
    for row in range(2):
        np.testing.assert_array_equal(batch.inputs[row, 1:, 0], carried(whole[row])[:-1])
        np.testing.assert_array_equal(batch.inputs[row, 1:, 1], ~np.isnan(whole[row, :-1]))
    assert not batch.inputs[:, 0, :2].any()
    np.testing.assert_array_equal(batch.inputs[..., 2:], known)
    np.testing.assert_array_equal(batch.targets, np.nan_to_num(whole))
    np.testing.assert_array_equal(batch.loss_mask, ~np.isnan(whole))
    assert isinstance(batch, Batch) and not np.isnan(batch.inputs).any()


def test_batches_map_a_function_over_the_same_positions():
    data = forecast_windows(gappy(30), L, H, 4, seed=2)
    mapped = data.map(direct_batch)
    assert mapped.per_epoch == data.per_epoch
    for position in (0, data.per_epoch + 1):
        expected = direct_batch(data(position)).inputs
        np.testing.assert_array_equal(mapped(position).inputs, expected)


# Scales


@pytest.mark.parametrize("center", ["mean", "last"])
@pytest.mark.parametrize("axis, shape", [(0, (9,)), (0, (9, 3)), (1, (5, 9)), (1, (5, 9, 3))])
def test_a_scaling_ignores_gaps_and_has_an_inverse(center, axis, shape):
    values = 100 + 20 * gappy(*shape)
    scaling = Scaling.fit(values, axis, center=center)
    if center == "mean":
        middle = np.nanmean(values, axis, keepdims=True)
    else:
        middle = np.take(np.apply_along_axis(carried, axis, values), [-1], axis)
    np.testing.assert_allclose(scaling.center, middle, rtol=1e-12)
    np.testing.assert_allclose(scaling.scale, np.nanstd(values, axis, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(scaling.inverse(scaling.apply(values)), values, rtol=1e-14)
    paths = RNG.normal(size=(6, *shape))  # with an axis in front
    back = np.stack([scaling.inverse(path) for path in paths])
    np.testing.assert_array_equal(scaling.inverse(paths), back)
    shift = Scaling.fit(values, axis, center=center, spread=False)
    np.testing.assert_allclose(shift.apply(values), values - middle, rtol=1e-12)


def test_a_quantile_goes_back_as_the_values_do():
    past = 3 + 2 * gappy(5, 40)
    scaling = Scaling.fit(past, 1, least=0.1)
    paths = RNG.normal(size=(50, 5, H))
    for level in (0.1, 0.5, 0.9):
        inside = scaling.inverse(np.quantile(paths, level, axis=0))
        np.testing.assert_allclose(inside, np.quantile(scaling.inverse(paths), level, axis=0))


def test_what_does_not_vary_and_what_is_missing_have_a_scale_above_0():
    values = np.array([[2.0, 2.0, 2.0], [np.nan] * 3, [1.0, 1.0, 1.2]])
    assert Scaling.fit(values, 1).scale[:2, 0].tolist() == [1, 1]
    assert Scaling.fit(values, 1).center[:2, 0].tolist() == [2, 0]
    scale = Scaling.fit(values, 1, least=0.5).scale
    assert scale[:, 0].tolist() == [0.5, 0.5, 0.5]
    big = Scaling.fit(np.float32(1e6) + np.arange(4, dtype=np.float32))
    np.testing.assert_allclose(big.scale, np.std(np.arange(4)), rtol=1e-6)


# Baselines


def test_the_seasonal_last_value_is_the_newest_of_its_phase():
    past, season = gappy(6, 11, 2, share=0.4), 3
    found = seasonal_naive(past, 7, season)
    for row in range(6):
        for f in range(2):
            for step in range(7):
                places = range((11 + step) % season, 11, season)
                seen = [past[row, t, f] for t in places if not np.isnan(past[row, t, f])]
                expected = seen[-1] if seen else carried(past[row, :, f])[-1]
                assert found[row, step, f] == expected
    assert seasonal_naive([[1.0, 4.0, np.nan]], 2).tolist() == [[4, 4]]
    with pytest.raises(ValueError, match="at least a season of 12 steps, got 11"):
        seasonal_naive(past, 7, 12)


def test_the_unit_of_mase_is_the_error_of_the_seasonal_last_value():
    series = gappy(40, 2)
    expected = np.nanmean(np.abs(series[5:] - series[:-5]), axis=0)
    np.testing.assert_allclose(seasonal_error(series, 5), expected)
    with pytest.raises(ValueError, match="values 5 steps apart"):
        seasonal_error(np.arange(5.0), 5)


def windows_of(past, future, batch=16):
    return [Window(past[k : k + batch], future[k : k + batch]) for k in range(0, len(past), batch)]


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_linear_map_is_least_squares_around_the_last_value(ridge):
    past, future = gappy(60, L, share=0.2), RNG.normal(size=(60, H))
    line = LinearForecast.fit(windows_of(past, future), ridge)
    x = np.apply_along_axis(carried, 1, past)
    x, y = x - x[:, -1:], future - x[:, -1:]
    # The ridge as further rows: sqrt(60 ridge) times a weight is to be 0.
    a = np.concatenate([x, np.ones((60, 1))], 1)
    a = np.concatenate([a, np.sqrt(60 * ridge) * np.eye(L, L + 1)])
    fitted = np.linalg.lstsq(a, np.concatenate([y, np.zeros((L, H))]), rcond=None)[0]
    # Around the last value, its own weight is free; predictions do not depend on it.
    expected = x @ fitted[:-1] + fitted[-1] + np.apply_along_axis(carried, 1, past)[:, -1:]
    np.testing.assert_allclose(line.predict(past), expected, rtol=1e-5)


def test_missing_targets_do_not_count_in_the_linear_map():
    past, future = RNG.normal(size=(200, L)), gappy(200, H, share=0.1)
    found = LinearForecast.fit(windows_of(past, future), 0).predict(past)
    x = np.concatenate([past - past[:, -1:], np.ones((200, 1))], 1)
    for h in range(H):
        seen = ~np.isnan(future[:, h])
        y = future[seen, h] - past[seen, -1]
        exact = x @ np.linalg.lstsq(x[seen], y, rcond=None)[0] + past[:, -1]
        np.testing.assert_allclose(found[:, h], exact, atol=1e-5)


def test_features_share_the_linear_map():
    past, future = RNG.normal(size=(30, L, 2)), RNG.normal(size=(30, H, 2))
    line = LinearForecast.fit([Window(past, future)])
    rows = [np.concatenate([a[..., 0], a[..., 1]]) for a in (past, future)]
    np.testing.assert_allclose(line.w, LinearForecast.fit([Window(*rows)]).w, rtol=1e-9)
    np.testing.assert_allclose(line.predict(past)[..., 1], line.predict(past[..., 1]))
    with pytest.raises(ValueError, match="expected a past of 4 steps, got 5"):
        line.predict(np.zeros((1, 5)))


# Tests on the past


def test_a_backtest_gives_what_was_known_and_no_more():
    series, known = gappy(12, 2), RNG.normal(size=(12, 1))
    seen = []

    def forecast(history, covariates):
        seen.append((history.copy(), covariates))
        history[:] = 0  # its own copy
        return np.full((5, H, 2), len(seen))

    result = backtest(forecast, series, H, first=5, stride=2, known=known)
    assert result.origins.tolist() == [5, 7, 9]
    for origin, (history, covariates), target in zip(
        result.origins, seen, result.targets, strict=True
    ):
        assert history.base is None and covariates.base is None
        np.testing.assert_array_equal(history, series[:origin])
        np.testing.assert_array_equal(covariates, known[: origin + H])
        np.testing.assert_array_equal(target, series[origin : origin + H])
    assert result.forecasts.shape == (3, 5, H, 2) and result.forecasts[2].max() == 3
    with pytest.raises(ValueError, match=r"forecasts of shape \[3, 2\]"):
        backtest(lambda history: np.zeros(H), series, H, first=5)
    with pytest.raises(ValueError, match="a series of at least 15 steps"):
        backtest(lambda history: np.zeros((H, 2)), series, H, first=12)


ORIGIN = 40


def pipeline(series, *, scale_to=ORIGIN, shift=0, fill=False):
    """A scale, a fit and a forecast, with faults to plant."""
    if fill:  # a line through the gap, from both of its ends
        places = np.flatnonzero(~np.isnan(series))
        series = np.interp(np.arange(len(series)), places, series[places])
    scaling = Scaling.fit(series[:scale_to])
    scaled = scaling.apply(series)
    line = LinearForecast.fit(forecast_windows(scaled[: ORIGIN + shift], L, H, 8))
    return scaling.inverse(line.predict(scaled[None, ORIGIN - L : ORIGIN]))


@pytest.mark.parametrize(
    "fault", [{"scale_to": None}, {"shift": 1}, {"fill": True}], ids=lambda fault: [*fault][0]
)
def test_a_planted_leak_is_found(fault):
    series = np.sin(np.arange(60.0)) + 0.1 * RNG.normal(size=60)
    series[ORIGIN - 2 : ORIGIN + 2] = np.nan
    assert not leaks(pipeline, series, ORIGIN)
    assert leaks(lambda series: pipeline(series, **fault), series, ORIGIN)


def test_what_is_not_repeatable_is_no_evidence():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected a forecast that is repeatable"):
        leaks(lambda series: series[:3] + rng.normal(), np.arange(6.0), 3)
    assert leaks(lambda series: {"a": series[:3], "b": series[3]}, np.arange(6.0), 3)
    assert not leaks(lambda series: {"a": series[:3]}, np.arange(6.0), 3)
