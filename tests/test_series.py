"""Real series: what they are, how they are cut, scaled and seen through windows."""
import sys

import numpy
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from statsmodels import datasets

from unrolled.series import Scaler, SeriesWindows, load_series, split_series


def walk(n=40, d=1, seed=0):
    """A series that wanders, (n, d) float64."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).cumsum(0) + 100


def test_co2_is_the_monthly_mean_of_what_was_measured():
    series, weeks = load_series("co2"), datasets.co2.load_pandas().data["co2"]
    assert series.values.shape == (526, 1) and series.values.dtype == torch.float32 and len(series) == 526
    assert series.unit == "ppm" and series.period == 12 and "Keeling" in series.source
    for k in (0, 100, 525):
        year, month = divmod(round(series.times[k].item() * 12), 12)
        measured = [v for day, v in weeks.items() if (day.year, day.month) == (year, month + 1) and not numpy.isnan(v)]
        assert series.values[k].item() == pytest.approx(numpy.mean(measured), abs=1e-4)


def test_months_without_a_measurement_lie_between_their_neighbours_and_are_marked():
    series = load_series()
    gaps = series.filled.nonzero()[:, 0].tolist()
    weeks = datasets.co2.load_pandas().data["co2"].dropna()
    months = {(day.year, day.month) for day in weeks.index}
    every = pandas.period_range("1958-03", "2001-12", freq="M")
    assert gaps == [k for k, month in enumerate(every) if (month.year, month.month) not in months]
    v = series.values[:, 0]
    assert v[3].item() == pytest.approx((v[2] + v[4]).item() / 2, abs=1e-4)
    torch.testing.assert_close(v[71:74], v[70] + (v[74] - v[70]) * torch.tensor([0.25, 0.5, 0.75]))


def test_sunspots_are_yearly():
    series = load_series("sunspots")
    assert series.values.shape == (309, 1) and series.times.tolist() == list(range(1700, 2009))
    assert series.values[0].item() == 5 and not series.filled.any() and series.period == 11


def test_an_unknown_series_and_a_missing_package_are_said(monkeypatch):
    with pytest.raises(ValueError, match="there is no series 'tides'; there are co2 and sunspots"):
        load_series("tides")
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(ModuleNotFoundError, match="`pip install statsmodels` brings it"):
        load_series("co2")


def test_the_split_is_in_time_and_whole():
    values = walk()
    past, future = split_series(values, 7)
    assert len(future) == 7 and torch.cat([past, future]).equal(values)
    assert past.data_ptr() == values.data_ptr()                            # a view
    for bad in (0, 40, -1):
        with pytest.raises(ValueError, match="of 40 values, 1 to 39 can be held out"):
            split_series(values, bad)


@given(st.integers(0, 12), st.integers(1, 3), st.integers(0, 99))
def test_scaling_and_back(lag, d, seed):
    values = walk(40, d, seed)
    scaler = Scaler.fit(values[:30], lag)
    scaled = scaler.scale(values)
    assert scaled.shape == (40 - lag, d)
    own = scaler.scale(values[:30])
    torch.testing.assert_close(own.mean(0), torch.zeros(d, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(own.square().mean(0), torch.ones(d, dtype=torch.float64))
    # from the first values on, and each from the true value before
    for before in ([values[:lag], values[:40 - lag]] if lag else [None]):
        torch.testing.assert_close(scaler.inverse(scaled, before), values[lag:])


def test_a_scaler_against_numpy():
    values = walk()
    changes = numpy.diff(values.numpy(), axis=0)
    scaler = Scaler.fit(values, lag=1)
    expected = (changes - changes.mean()) / changes.std()
    torch.testing.assert_close(scaler.scale(values), torch.tensor(expected))
    steps = torch.tensor([[0.5], [-1.0]], dtype=torch.float64)
    added = values[-1] + torch.tensor(numpy.cumsum(steps.numpy() * changes.std() + changes.mean(), axis=0))
    torch.testing.assert_close(scaler.inverse(steps, values[-1:]), added)


def test_many_paths_come_back_at_once():
    values = walk(30, 2)
    scaler = Scaler.fit(values, lag=2)
    paths = torch.randn(5, 4, 2, dtype=torch.float64)                      # (horizon, samples, d)
    together = scaler.inverse(paths, values[-2:])
    for k in range(4):
        torch.testing.assert_close(together[:, k], scaler.inverse(paths[:, k], values[-2:]))


def test_values_after_the_fit_change_nothing():
    values = walk()
    other = values.clone()
    other[30:] += 1000
    one, two = Scaler.fit(values[:30], 1), Scaler.fit(other[:30], 1)
    assert one.mean.equal(two.mean) and one.scale(values)[:29].equal(two.scale(other)[:29])


@pytest.mark.parametrize("call, error, words", [
    (lambda: Scaler.fit([1, 2]), TypeError, r"values are a tensor of shape \(n, d\), not list"),
    (lambda: Scaler.fit(torch.zeros(3)), ValueError, r"floats of shape \(n, d\), got torch.float32 of shape \(3,\)"),
    (lambda: Scaler.fit(torch.zeros(3, 1, dtype=torch.int64)), ValueError, "got torch.int64"),
    (lambda: Scaler.fit(torch.tensor([[1.0], [torch.nan]])), ValueError, "got 1 that are not: fill the gaps first"),
    (lambda: Scaler.fit(walk(), -1), ValueError, "a lag is a whole number of steps, 0 or more, not -1"),
    (lambda: Scaler.fit(walk(), 1.5), ValueError, "a lag is a whole number"),
    (lambda: Scaler.fit(walk(3), 2), ValueError, "a scaler of lag 2 needs at least 4 values, got 3"),
    (lambda: Scaler.fit(torch.ones(9, 1)), ValueError, "never changes has no scale"),
    (lambda: Scaler.fit(walk(), 1).inverse(torch.zeros(3, 1)), ValueError, "start from 1 to 3 known values, got 0"),
    (lambda: Scaler.fit(walk(), 1).inverse(torch.zeros(3, 1), walk(4)), ValueError, "1 to 3 known values, got 4"),
    (lambda: SeriesWindows(walk(), 0), ValueError, "num_steps is a whole number of at least 1, not 0"),
    (lambda: SeriesWindows(walk(), 2, horizon=0), ValueError, "horizon is a whole number of at least 1, not 0"),
    (lambda: SeriesWindows(walk(5), 5), ValueError, "a window of 5 steps with its targets needs 6 values, got 5"),
])
def test_bad_input_is_said(call, error, words):
    with pytest.raises(error, match=words):
        call()


@given(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 5)), st.integers(1, 2))
def test_windows_and_what_comes_after(num_steps, horizon, d):
    values = walk(20, d)
    windows = SeriesWindows(values, num_steps, horizon)
    assert len(windows) == 20 - num_steps - (horizon or 1) + 1
    for k in range(len(windows)):
        inputs, targets = windows[k]
        assert inputs[:, 0].equal(values[k:k + num_steps])                 # (T, d)
        after = values[k + 1:k + 1 + num_steps] if horizon is None else values[k + num_steps:k + num_steps + horizon]
        assert targets[:, 0].equal(after)
    some, _ = windows[[0, len(windows) - 1]]
    assert some.shape == (num_steps, 2, d)
    assert windows[:1][0].equal(windows[0][0])


def test_windows_are_a_view():
    values = walk()
    windows = SeriesWindows(values, 8)
    assert windows.view.untyped_storage().data_ptr() == values.untyped_storage().data_ptr()
    values[8] = 7
    assert windows[0][1][-1].item() == 7
    assert repr(windows) == "SeriesWindows(32 of 8 steps, targets one step later)"
    assert repr(SeriesWindows(values, 8, 3)) == "SeriesWindows(30 of 8 steps, targets 3 after them)"


def test_batches_hold_each_window_once():
    values = torch.arange(30.0)[:, None]
    windows = SeriesWindows(values, 4)
    starts = lambda **how: [int(s) for inputs, _ in windows.batches(7, **how) for s in inputs[0, :, 0]]   # noqa: E731
    shuffled = [starts(shuffle=True, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert starts() == list(range(26)) == sorted(shuffled[0])
    assert shuffled[0] == shuffled[1] != shuffled[2]
