"""Fitting a forecaster, the baselines, and the measures."""
import numpy
import pytest
import torch

from unrolled import forecasting
from unrolled.forecasting import coverage, drift, fit_forecaster, mae, one_step, persistence, rmse, seasonal_drift, seasonal_naive
from unrolled.layers import LSTM
from unrolled.models import Forecaster
from unrolled.training import NotFinite


def wave(n=160):
    return torch.sin(torch.arange(n) * 0.6)[:, None]


def made(seed=0):
    torch.manual_seed(seed)
    return Forecaster(LSTM(1, 8))


def test_a_wave_is_learnt():
    model, values = made(), wave()
    before = model.loss(values[:-1, None], values[1:, None]).mean().item()
    fitted = fit_forecaster(model, values[:130], num_steps=20, num_validation=20, epochs=40, lr=0.02)
    guess = model.one_step(values).mean[-30:]
    assert fitted.validation_loss[fitted.best_epoch - 1] == min(fitted.validation_loss) < before - 1
    assert mae(guess, values[-30:]) < 0.25 * mae(one_step(persistence, values, 30), values[-30:])


def test_the_best_weights_come_back_and_it_stops_with_patience(monkeypatch):
    model, values = made(), wave(60)
    seen = []
    monkeypatch.setattr(Forecaster, "state_dict", lambda self, *a, _own=Forecaster.state_dict, **k: seen.append(1) or _own(self, *a, **k))
    fitted = fit_forecaster(model, values, num_steps=10, num_validation=10, epochs=300, lr=0.3, patience=3)
    assert len(fitted.validation_loss) == len(fitted.train_loss) == fitted.best_epoch + 3 < 300
    assert seen
    with torch.no_grad():
        now = model.loss(values[:-1, None], values[1:, None])[-10:].mean().item()
    assert now == pytest.approx(min(fitted.validation_loss), abs=1e-5)


def test_equal_seeds_give_equal_weights():
    weights = []
    for seed in (0, 0, 1):
        model = made()
        fit_forecaster(model, wave(80), num_steps=10, num_validation=10, epochs=2, seed=seed)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])


def test_the_validation_tail_is_never_trained_on():
    """Other values in the tail: the same weights after an epoch."""
    weights = []
    for tail in (0.0, 5.0):
        values = wave(80).clone()
        values[-10:] += tail
        model = made()
        fit_forecaster(model, values, num_steps=10, num_validation=10, epochs=1)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert weights[0].equal(weights[1])


def test_the_gradient_is_clipped(monkeypatch):
    asked = []
    monkeypatch.setattr(forecasting, "clip_gradients", lambda parameters, norm: asked.append(norm) or 0.0)
    fit_forecaster(made(), wave(60), num_steps=10, num_validation=10, epochs=1, clip=0.7)
    assert set(asked) == {0.7}


def test_what_is_not_finite_is_said():
    model = made()
    with torch.no_grad():
        model.head.bias.fill_(torch.nan)
    with pytest.raises(NotFinite, match="are the values scaled"):
        fit_forecaster(model, wave(60), num_steps=10, num_validation=10, epochs=1)


@pytest.mark.parametrize("options, words", [
    ({"epochs": 0}, "epochs is 1 or more, not 0"),
    ({"num_validation": 0}, "num_validation is 1 or more, not 0"),
    ({"num_validation": 99}, "needs 11 values, got 0"),
    ({"num_validation": 55}, "needs 11 values, got 5"),
])
def test_bad_numbers_are_said(options, words):
    with pytest.raises(ValueError, match=words):
        fit_forecaster(made(), wave(60), **({"num_steps": 10} | options))


def test_baselines_by_hand():
    history = torch.tensor([1.0, 5.0, 3.0, 2.0, 6.0, 4.0])[:, None]        # a period of 3 that rises by 1
    row = lambda values: values[:, 0].tolist()                              # noqa: E731
    assert row(persistence(history, 2)) == [4, 4]
    assert row(seasonal_naive(history, 4, 3)) == [2, 6, 4, 2]
    assert row(seasonal_drift(history, 7, 3)) == [3, 7, 5, 4, 8, 6, 5]      # it rises on
    assert row(drift(history, 2)) == pytest.approx([4.6, 5.2])


def test_a_baseline_one_step_ahead_sees_all_before_and_no_more():
    values = torch.arange(10.0)[:, None] ** 2
    assert one_step(persistence, values, 3).equal(values[6:9])
    assert one_step(seasonal_naive, values, 3, 4).equal(values[3:6])


def test_measures_against_numpy():
    a, b = torch.randn(9, 2), torch.randn(9, 2)
    gap = a.numpy() - b.numpy()
    assert mae(a, b) == pytest.approx(numpy.abs(gap).mean(), rel=1e-5)
    assert rmse(a, b) == pytest.approx(numpy.sqrt((gap ** 2).mean()), rel=1e-5)
    low, high = torch.tensor([0.0, 0, 0, 0]), torch.tensor([1.0, 1, 1, 1])
    assert coverage(low, high, torch.tensor([0.0, 0.5, 1.0, 1.1])) == 0.75
    with pytest.raises(ValueError, match=r"the shapes \(3,\) and \(3, 1\) differ"):
        mae(torch.zeros(3), torch.zeros(3, 1))
