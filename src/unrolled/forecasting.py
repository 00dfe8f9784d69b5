"""Training a forecaster, what it has to beat, and how to measure whether it does."""
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.device import one_thread
from unrolled.models import Forecaster, evaluating
from unrolled.series import SeriesWindows
from unrolled.training import NotFinite, clip_gradients, no_subnormals


@dataclass(frozen=True)
class Fitted:
    """How a training went. Losses are in nats per value, of the scaled series, a Gaussian's density: they may be negative."""

    train_loss: list[float]
    validation_loss: list[float]

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept; the first is 1."""
        return 1 + min(range(len(self.validation_loss)), key=self.validation_loss.__getitem__)


def fit_forecaster(model: Forecaster, values: Tensor, *, num_steps: int = 36, num_validation: int = 36,
                   epochs: int = 80, batch_size: int = 32, lr: float = 0.01, clip: float = 1.0,
                   patience: int = 12, seed: int = 0) -> Fitted:
    """Train by the likelihood of the next value; keep the weights that were best on the last values.

    The first half of each window warms the state up and is not scored. After each epoch the model reads the
    whole of ``values`` and is scored on the last ``num_validation`` of them, which it never trains on.

    Args:
        values: (n, d), scaled: the training part and nothing of the future.
        patience: stop after so many epochs without a better validation loss.
        seed: of the order of the windows. The weights' first draw is the caller's (``torch.manual_seed``).

    Raises:
        ValueError: too few values for one window before the validation, or a number below 1.
        NotFinite: the loss or a gradient is not finite.
    """
    numbers = {"num_validation": num_validation, "epochs": epochs, "batch_size": batch_size, "patience": patience}
    if bad := [name for name, number in numbers.items() if number < 1]:
        raise ValueError(f"{bad[0]} is 1 or more, not {numbers[bad[0]]!r}")
    values = values.to(model.device, model.head.weight.dtype)
    windows = SeriesWindows(values[:max(0, len(values) - num_validation)], num_steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    fitted, best = Fitted([], []), None
    for _ in range(epochs):
        model.train()
        with no_subnormals(), one_thread():
            losses = [_step(model, optimizer, clip, *batch)
                      for batch in windows.batches(batch_size, shuffle=True, generator=generator)]
        with evaluating(model), one_thread():
            validation = model.loss(values[:-1, None], values[1:, None])[-num_validation:].mean().item()
        fitted.train_loss.append(sum(losses) / len(losses))
        fitted.validation_loss.append(validation)
        if fitted.best_epoch == len(fitted.validation_loss):
            best = copy.deepcopy(model.state_dict())
        if len(fitted.validation_loss) - fitted.best_epoch >= patience:
            break
    model.load_state_dict(best)
    return fitted


def _step(model: Forecaster, optimizer, clip: float, inputs: Tensor, targets: Tensor) -> float:
    loss = model.loss(inputs, targets)[len(inputs) // 2:].mean()
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), clip)
    if not (math.isfinite(loss.item()) and math.isfinite(norm)):
        raise NotFinite("the forecaster's loss or gradient is not finite: are the values scaled, and is the learning rate low?")
    optimizer.step()
    return loss.item()


def persistence(history: Tensor, horizon: int) -> Tensor:
    """As it is now, so it stays: (n, d) -> (horizon, d)."""
    return history[-1:].expand(horizon, -1)


def drift(history: Tensor, horizon: int) -> Tensor:
    """The line from the first value through the last one, drawn on: (n, d) -> (horizon, d)."""
    slope = (history[-1] - history[0]) / (len(history) - 1)
    return history[-1] + slope * _ahead(history, horizon)


def seasonal_naive(history: Tensor, horizon: int, period: int) -> Tensor:
    """As it was a period ago: (n, d) -> (horizon, d)."""
    return history[-period:].repeat(-(-horizon // period), 1)[:horizon]


def seasonal_drift(history: Tensor, horizon: int, period: int) -> Tensor:
    """As it was a period ago, and moved on as far as the last period moved: (n, d) -> (horizon, d)."""
    periods = torch.ceil(_ahead(history, horizon) / period)               # (horizon, 1)
    return seasonal_naive(history, horizon, period) + periods * (history[-1] - history[-1 - period])


def _ahead(history: Tensor, horizon: int) -> Tensor:
    """1, 2, …, horizon as a column."""
    return torch.arange(1, horizon + 1, dtype=history.dtype, device=history.device)[:, None]


def one_step(baseline: Callable, values: Tensor, num_test: int, *args) -> Tensor:
    """The last ``num_test`` values, each predicted by a baseline from all those before it: (num_test, d).

    ``args`` go to the baseline after the horizon, such as the period.
    """
    ends = range(len(values) - num_test, len(values))
    return torch.cat([baseline(values[:end], 1, *args) for end in ends])


def mae(predicted: Tensor, true: Tensor) -> float:
    """The mean absolute error."""
    _check_alike(predicted, true)
    return (predicted - true).abs().mean().item()


def rmse(predicted: Tensor, true: Tensor) -> float:
    """The root of the mean squared error."""
    _check_alike(predicted, true)
    return (predicted - true).square().mean().sqrt().item()


def coverage(low: Tensor, high: Tensor, true: Tensor) -> float:
    """Which share of the values lies between ``low`` and ``high``."""
    _check_alike(low, true)
    _check_alike(high, true)
    return ((low <= true) & (true <= high)).cpu().double().mean().item()


def _check_alike(one: Tensor, other: Tensor) -> None:
    """Else (n,) and (n, 1) would be compared each with each, and nobody would notice."""
    if one.shape != other.shape:
        raise ValueError(f"errors compare values one by one: the shapes {tuple(one.shape)} and {tuple(other.shape)} differ")
