"""The forecaster: a Gaussian a step, predictions that know only the past, and paths into the future."""
import math

import numpy
import pytest
import torch
from torch import nn

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.models import Forecaster
from unrolled.series import Scaler

ALL = (RNNScratch, GRUScratch, LSTMScratch, RNN, GRU, LSTM)


def series(n=30, d=1, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).cumsum(0) + 50


def made(d=1, h=6, seed=0, layer=LSTM, **options):
    torch.manual_seed(seed)
    return Forecaster(layer(d, h, **options))


@pytest.mark.parametrize("layer", ALL)
@pytest.mark.parametrize("d", [1, 3])
def test_shapes_and_state_of_every_layer(layer, d):
    model, inputs = made(d, layer=layer), torch.randn(7, 4, d)
    whole, _ = model(inputs)
    assert whole.mean.shape == whole.stddev.shape == (7, 4, d)
    first, state = model(inputs[:3])
    second, _ = model(inputs[3:], state)
    torch.testing.assert_close(torch.cat([first.mean, second.mean]), whole.mean)
    torch.testing.assert_close(torch.cat([first.stddev, second.stddev]), whole.stddev)


def test_several_layers_and_another_dtype():
    model = Forecaster(Stacked([LSTM(2, 5, dtype=torch.float64), GRU(5, 4, dtype=torch.float64)]))
    assert model(torch.zeros(3, 1, 2, dtype=torch.float64))[0].mean.dtype == torch.float64
    with pytest.raises(TypeError, match="Linear lacks num_inputs and num_hiddens"):
        Forecaster(nn.Linear(1, 2))


def test_the_loss_is_the_gaussian_formula_and_so_are_its_gradients():
    model = made(2, dtype=torch.float64)
    inputs, targets = (torch.randn(5, 3, 2, dtype=torch.float64) for _ in range(2))
    outputs, _ = model.layer(inputs)
    raw = outputs @ model.head.weight.T + model.head.bias
    mu, log_variance = raw[..., :2], raw[..., 2:]
    expected = (targets - mu) ** 2 / (2 * log_variance.exp()) + log_variance / 2 + math.log(2 * math.pi) / 2
    torch.testing.assert_close(model.loss(inputs, targets), expected)
    weights = list(model.parameters())
    for one, other in zip(torch.autograd.grad(model.loss(inputs, targets).sum(), weights, retain_graph=True),
                          torch.autograd.grad(expected.sum(), weights)):
        torch.testing.assert_close(one, other)


def test_the_spread_stays_within_bounds():
    model = made()
    for bias in (1e4, -1e4):
        nn.init.constant_(model.head.bias, bias)
        spread = model(torch.zeros(2, 1, 1))[0].stddev
        assert spread.isfinite().all() and (spread > 0).all()


@pytest.mark.parametrize("lag", [None, 0, 1, 3])
def test_one_step_predicts_each_value_from_those_before_it(lag):
    model, values = made(), series()
    scaler = None if lag is None else Scaler.fit(values[:20], lag)
    mean, low, high = model.one_step(values, scaler)
    first = (lag or 0) + 1
    assert mean.shape == (30 - first, 1) and (low < mean).all() and (mean < high).all()
    for t in (first, 17, 29):                     # by hand: read all before t, and predict
        scaled = values[:t] if lag is None else scaler.scale(values[:t])
        guess = model(scaled[:, None])[0].mean[-1, 0].detach()
        if lag is not None:
            guess = guess * scaler.std + scaler.mean + (values[t - lag] if lag else 0)
        torch.testing.assert_close(mean[t - first], guess)
    other = values.clone()
    other[20:] += 100                             # another future
    assert model.one_step(other, scaler).mean[:21 - first].equal(mean[:21 - first])
    assert not model.one_step(other, scaler).mean[21 - first:].equal(mean[21 - first:])


def test_the_interval_has_the_asked_level():
    model, values = made(), series()
    for level, z in ((0.5, 0.6744898), (0.9, 1.6448536), (0.95, 1.9599640)):
        mean, low, high = model.one_step(values, level=level)
        spread = model(values[:-1, None])[0].stddev[:, 0].detach()
        torch.testing.assert_close(high - mean, z * spread, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(mean - low, high - mean, atol=1e-5, rtol=1e-4)


def test_a_path_goes_on_from_its_own_draws():
    model, inputs = made(2), torch.randn(6, 2)
    paths = model.paths(inputs, 4, 3, seed=5)
    draws, seen = torch.Generator().manual_seed(5), inputs[:, None].expand(-1, 3, -1)
    for k in range(4):
        distribution, _ = model(seen)             # reads everything anew
        drawn = distribution.mean[-1] + distribution.stddev[-1] * torch.randn(3, 2, generator=draws)
        torch.testing.assert_close(paths[k], drawn.detach(), atol=1e-5, rtol=1e-4)
        seen = torch.cat([seen, paths[k][None]])


@pytest.mark.parametrize("lag", [None, 0, 1, 3])
def test_a_forecast_is_mean_and_quantiles_of_the_paths(lag):
    model, history = made(), series()
    scaler = None if lag is None else Scaler.fit(history, lag)
    mean, low, high = model.forecast(history, 5, 50, scaler=scaler, level=0.8, seed=3)
    paths = model.paths(history if lag is None else scaler.scale(history), 5, 50, seed=3)
    if lag is not None:
        paths = paths * scaler.std + scaler.mean
        if lag:
            line = list(history[-lag:].unsqueeze(1).expand(-1, 50, -1))
            for step in paths:
                line.append(line[-lag] + step)
            paths = torch.stack(line[lag:])
    torch.testing.assert_close(mean, paths.mean(1))
    for got, q in ((low, 0.1), (high, 0.9)):
        torch.testing.assert_close(got, torch.tensor(numpy.quantile(paths.numpy(), q, axis=1)).float(), rtol=1e-4, atol=1e-4)


def test_equal_seeds_equal_paths_and_nothing_global_is_touched():
    model, history = made().train(), series()
    before = torch.get_rng_state()
    one, two, three = (model.forecast(history, 4, 20, seed=s).mean for s in (0, 0, 1))
    assert one.equal(two) and not one.equal(three)
    assert torch.get_rng_state().equal(before) and model.training


@pytest.mark.parametrize("call, words", [
    (lambda m: m.forecast(series(), 0), "horizon is a whole number of at least 1, not 0"),
    (lambda m: m.forecast(series(), 3, 1.5), "samples is a whole number of at least 1, not 1.5"),
    (lambda m: m.forecast(series(), 3, level=1.0), "a level lies between 0 and 1, got 1.0"),
    (lambda m: m.one_step(series(1)), "needs at least 2 values before it, got 1"),
    (lambda m: m.one_step(series(4), Scaler.fit(series(), 3)), "needs at least 5 values before it, got 4"),
])
def test_bad_input_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call(made())
