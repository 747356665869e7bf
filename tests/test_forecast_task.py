"""The application `forecast`: its series, its networks, its command."""

import csv
import re
from datetime import datetime

import jax
import numpy as np
import pytest
from cases import random_like

from rnnjax.forecasting import LinearForecast, leaks
from rnnjax.interop import read_extra
from rnnjax.tasks import forecast
from rnnjax.tasks._command import main
from rnnjax.tasks._forecast import _network, _scores, _series
from rnnjax.tasks._forecast._series import Clock, Table, made_series, read_series
from rnnjax.tasks._forecast._write import beyond, figure_windows

SMALL = ["--hidden", "6", "--context", "24", "--horizon", "7", "--batch", "8", "--samples", "20"]


def run(*arguments):
    return main(["forecast", *map(str, arguments)])


def config(**options):
    return forecast.Config(hidden=6, context=24, horizon=7, batch=8, samples=20, **options)


@pytest.fixture
def sales(tmp_path):
    """A file of 200 days, with empty cells and a day that is left out."""
    path, rng = tmp_path / "sales.csv", np.random.default_rng(0)
    rows = []
    for day, time in enumerate(np.arange("2024-01-01", "2024-07-19", dtype="datetime64[D]")):
        if day != 50:
            numbers = np.sin(2 * np.pi * day / 7 + np.array([0, 2])) + 0.1 * rng.normal(size=2)
            cells = [f"{x:.4f}" if rng.uniform() > 0.05 else "" for x in 20 + 3 * numbers]
            rows.append(f"{time},{cells[0]},{cells[1]}")
    path.write_text("day,north,south\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("model", ["paths", "direct"])
def test_train_evaluate_use(tmp_path, sales, capsys, model):
    out = tmp_path / "out"
    arguments = ["--data", sales, "--model", model, "--steps", 4, "--out", out, *SMALL]
    assert run("train", *arguments) == 0
    printed = capsys.readouterr().out
    assert "2 series of 200 steps, season 7, " in printed and "eval loss" in printed
    measure = "CRPS" if model == "paths" else "MAE"
    assert measure in printed and "linear map" in printed and "last season" in printed
    compared = read_extra(out / "model.safetensors")["compared"]
    shown = re.findall(r"this network +│ +(\d+\.\d+)", printed)
    assert float(shown[0]) == pytest.approx(compared["MSE"]["this network"], abs=1e-3)
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    found = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert set(found) == (
        {"CRPS", "coverage", "MSE", "MAE"} if measure == "CRPS" else {"MSE", "MAE"}
    )
    assert float(found["MSE"]) == pytest.approx(compared["MSE"]["this network"], abs=1e-3)
    assert run("use", "--model", out, "--out", tmp_path / "next.csv") == 0
    head, *rows = csv.reader((tmp_path / "next.csv").read_text().splitlines())
    assert head[:2] == ["time", "series"] and len(rows) == 14
    assert [row[:2] for row in rows[6:8]] == [
        ["2024-07-25 00:00:00", "north"],
        ["2024-07-19 00:00:00", "south"],
    ]
    numbers = np.array([row[2:] for row in rows], float)
    assert ((numbers > 10) & (numbers < 30)).all()
    if model == "paths":
        assert head[2:] == ["mean", "0.1", "0.25", "0.5", "0.75", "0.9"]
        assert (np.diff(numbers[:, 1:], axis=1) >= 0).all()
    else:
        capsys.readouterr()
        assert run("use", "--model", out) == 0
        assert len(capsys.readouterr().out.splitlines()) == 15


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "expected 'made', 'etth1' or a .csv or .tsv file with a header, got no file"),
        (
            "day,a\n2024-01-01,x\n",
            "expected numbers or empty cells behind the times in .*, got 'x'",
        ),
        ("day,a\n", "expected rows of numbers below a header, got none"),
        ("day,a\n2024-01-01,1\n2024-01-01,2\n", "that rise by equal steps"),
        ("day,a\n2024-01-01,1\nnext,2\n", "expected times such as 2024-01-31 15:00 in .*'next'"),
        ("a\n" + "1\n" * 40, "expected train series of at least 31 steps, .* got 28"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, content, message):
    path = tmp_path / "series.csv"
    if content is not None:
        path.write_text(content)
    assert run("train", "--data", path, "--steps", 2, "--out", tmp_path / "out", *SMALL) == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])


def test_a_file_may_have_times_or_none_and_gaps(tmp_path, sales):
    table = read_series(sales)
    assert table.names == ("north", "south") and table.values.shape == (200, 2)
    assert np.isnan(table.values[50]).all() and 0.02 < np.isnan(table.values).mean() < 0.12
    assert table.clock == Clock(datetime(2024, 1, 1), 86400, 0, (7,)) and table.season == 7
    assert table.clock.label(200) == "2024-07-19 00:00:00" and table.cuts == (140, 160, 200)
    path = tmp_path / "plain.tsv"
    path.write_text("a\tb\n1\t\n3\t4.5\n")
    table = read_series(path)
    np.testing.assert_array_equal(table.values, np.array([[1, np.nan], [3, 4.5]]))
    assert table.clock == Clock() and table.season == 1 and table.clock.label(7) == "7"
    assert table.clock.known(5).shape == (5, 0)
    path.write_text("month\ta\n2023-11\t1\n2023-12\t2\n2024-02\t4\n")
    table = read_series(path)
    assert table.values[:, 0].tolist()[:2] == [1, 2] and len(table.values) == 4
    assert table.season == 12 and table.clock.label(4) == "2024-03" and table.clock.phase == 10


def test_the_clock_knows_the_hour_and_the_day_of_the_week(tmp_path):
    path = tmp_path / "hours.csv"
    times = np.arange("2024-02-28T22", "2024-03-02T03", dtype="datetime64[h]")  # a Wednesday
    path.write_text("time,a\n" + "".join(f"{time},1\n" for time in times.astype(str)))
    clock = read_series(path).clock
    assert clock.periods == (24, 168) and clock.phase == 2 * 24 + 22
    known = clock.known(len(times))
    hours = np.array([datetime.fromisoformat(str(t)).hour for t in times.astype("datetime64[s]")])
    np.testing.assert_allclose(known[:, 0], np.sin(2 * np.pi * hours / 24), atol=1e-5)
    np.testing.assert_allclose(known[:, 2], np.cos(2 * np.pi * hours / 24), atol=1e-5)


def test_the_standard_split_is_of_months_of_30_days(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    (tmp_path / "series").mkdir()
    path = tmp_path / "series" / "ETTh1.csv"
    path.write_text("date,OT\n2016-07-01 00:00:00,1\n2016-07-01 01:00:00,2\n")
    with pytest.raises(ValueError, match=r"expected a file with SHA-256 f18de3ad.* got "):
        _series.etth1()
    monkeypatch.setattr(_series, "data_file", lambda name, **_: tmp_path / name)
    table = _series.etth1()
    assert table.cuts == (8640, 11520, 14400) and table.season == 24
    values = np.random.default_rng(0).normal(size=(17420, 1)).astype("float32")
    rows = _network.Rows.of(table._replace(values=values))
    # As many windows as are published: all whose horizon lies in the test months.
    some = forecast.Config(context=336, horizon=96)
    for part, count in (("train", 8640 - 431), ("valid", 2880 - 95), ("test", 2880 - 95)):
        data = rows.windows(part, some)
        assert sum(len(window.past) for window in data) == count
        if part == "test":
            np.testing.assert_array_equal(data(0).future[0], rows.series[0][11520:11616])
    np.testing.assert_allclose(rows.series[0][:8640].std(), 1, rtol=1e-4)


def test_made_series_have_gaps_seasons_and_a_fixed_form():
    table = made_series()
    np.testing.assert_array_equal(table.values, made_series().values)
    assert table.values.shape == (5000, 8) and 0.03 < np.isnan(table.values).mean() < 0.1
    rows = _network.Rows.of(table)
    some = forecast.Config()
    test = rows.windows("test", some, stride=24)
    last, season = (_scores.errors(_scores.repeat(24, m), test)["MAE"] for m in (1, 24))
    assert season < 0.8 * last


@pytest.mark.parametrize("model", ["paths", "direct"])
def test_nothing_leaks_from_the_future_into_a_forecast(model):
    rng = np.random.default_rng(0)
    series = (np.sin(np.arange(120) / 3) + 0.1 * rng.normal(size=120)).astype("float32")
    some = config(model=model, data="made")
    network = forecast.build(some, 7)
    params = random_like(1, jax.eval_shape(lambda: network.init(jax.random.key(0), 4)))

    def made(values):
        clock = Clock(None, 0, 0, (7,))
        table = Table(values[:, None], ("a",), clock, (84, 96, 120))
        rows = _network.Rows.of(table)
        line = LinearForecast.fit(rows.windows("train", some))
        found = _scores.Forecaster(network, params, model, samples=3)
        first = rows.windows("test", some)(0)
        return line.w, found.points(first)[0] if model == "direct" else found.paths(first)[:, 0]

    assert not leaks(made, series, 96)
    assert leaks(made, series, 95)  # the last value of the past matters


def test_a_direct_network_is_a_linear_map_and_more():
    some = config(model="direct")
    network = forecast.build(some, 7)
    params = network.init(jax.random.key(0), 4)
    line = LinearForecast(np.random.default_rng(0).normal(size=(24, 7)), np.arange(7.0))
    start = _network.initial(network, jax.random.key(0), 4, line)
    xs = np.random.default_rng(1).normal(size=(3, 31, 4)).astype("float32")
    apply = jax.jit(lambda params, xs: network.apply(params, xs)[1])
    found = apply(start, xs)
    np.testing.assert_allclose(found, xs[:, :24, 0] @ line.w + line.b, rtol=1e-4, atol=1e-5)
    params = random_like(1, params)
    slopes = np.asarray(jax.jit(jax.grad(lambda x: network.apply(params, x)[1].sum()))(xs))
    assert not slopes[:, 24:, :2].any()  # values and flags of the horizon
    assert slopes[:, 24:, 2:].any() and slopes[:, :24].any((0, 1)).all()


def test_forecasts_beyond_the_end_are_in_the_units_of_each_series():
    rng = np.random.default_rng(0)
    values = (np.array([10.0, 1000]) + np.array([1, 100]) * rng.normal(size=(60, 2))).astype("f4")
    table = Table(values, ("a", "b"), Clock(None, 0, 0, (7,)), (42, 48, 60))
    some = config(model="direct")
    network = forecast.build(some, 7)
    params = random_like(1, jax.eval_shape(lambda: network.init(jax.random.key(0), 4)))
    found = _scores.Forecaster(network, params, "direct")
    both = beyond(table, 24, 7, found)
    alone = beyond(table._replace(values=values[:, 1:], names=("b",)), 24, 7, found)
    assert both.shape == (2, 7)
    np.testing.assert_allclose(both[1], alone[0], rtol=1e-5)
    with pytest.raises(ValueError, match="expected at least 24 rows, the context, got 20"):
        beyond(table._replace(values=values[:20]), 24, 7, found)
    window, forecasts, line, name, unit = figure_windows(
        some, table, _network.Rows.of(table), LinearForecast(params.w, params.b), found
    )
    np.testing.assert_allclose(window.past[0, -1], values[47, 1], rtol=1e-5)
    assert forecasts.shape == line.shape and (name, unit) == ("b", "steps")
