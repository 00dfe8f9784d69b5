"""A recurrent forecaster: any layer, and a head that says what comes next and how sure it is."""
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from unrolled.device import one_thread
from unrolled.models.language import evaluating
from unrolled.series import Scaler

MOST = 12.0                # log variances lie between -12 and 12: no spread is 0, none is beyond all bounds


class Forecast(NamedTuple):
    """What is expected, and between what most of it should lie; in the units of the history."""

    mean: Tensor           # (horizon, d)
    low: Tensor            # (horizon, d)
    high: Tensor           # (horizon, d)


class Forecaster(nn.Module):
    """Predicts the next value of every series at every step, as a Gaussian: a mean and a spread.

    Args:
        layer: a recurrent layer, or several as ``Stacked``; it has an input for each series.

    Raises:
        TypeError: a layer that does not say its ``num_inputs`` and ``num_hiddens``.
    """

    def __init__(self, layer: nn.Module):
        super().__init__()
        if lacking := [name for name in ("num_inputs", "num_hiddens") if not hasattr(layer, name)]:
            raise TypeError(f"a recurrent layer has num_inputs and num_hiddens; {type(layer).__name__} lacks "
                            f"{' and '.join(lacking)}")
        like = next(layer.parameters())
        self.layer, self.num_series = layer, layer.num_inputs
        self.head = nn.Linear(layer.num_hiddens, 2 * layer.num_inputs, dtype=like.dtype, device=like.device)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, inputs: Tensor, state=None) -> tuple[Normal, object]:
        """inputs (T, n, d) -> the next values' distribution, and the state."""
        outputs, state = self.layer(inputs, state)                  # (T, n, h)
        mean, log_variance = self.head(outputs).chunk(2, dim=-1)    # (T, n, d) each
        spread = torch.exp(log_variance.clamp(-MOST, MOST) / 2)
        return Normal(mean, spread, validate_args=False), state

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log likelihood of each target in nats, (steps, batch, d)."""
        distribution, _ = self(inputs)
        return -distribution.log_prob(targets)

    def one_step(self, values: Tensor, scaler: Scaler | None = None, level: float = 0.9) -> Forecast:
        """Each value predicted from all those before it.

        Args:
            values: (n, d); in original units where there is a scaler, else as the model was trained.
            level: the share of the values that should lie between low and high.

        Returns:
            Forecasts of ``values[lag + 1:]``, each (n - lag - 1, d), where lag is the scaler's (0 without one).
        """
        lag, inputs = self._scaled(values, scaler, level)
        with evaluating(self), one_thread():
            distribution, _ = self(inputs[:-1, None])                     # (n - lag - 1, 1, d)
        mean, spread = distribution.mean[:, 0], distribution.stddev[:, 0]
        reach = math.sqrt(2) * torch.erfinv(torch.tensor(level)).item() * spread
        back = [mean, mean - reach, mean + reach]
        if scaler is not None:
            back = [scaler.inverse(one.to(values.device), values[1:len(values) - lag] if lag else None) for one in back]
        return Forecast(*back)

    def forecast(self, history: Tensor, horizon: int, samples: int = 200, *, scaler: Scaler | None = None,
                 level: float = 0.9, seed: int = 0) -> Forecast:
        """The next ``horizon`` values, from many paths that are drawn step by step.

        Each path draws a value from the predicted distribution and takes it for the next input, so the
        uncertainty of a step goes into all later ones.

        Args:
            history: (n, d), in original units where there is a scaler.
            samples: how many paths.
            level: the share of the paths that lies between low and high.
            seed: the same seed gives the same paths. The global generators are not touched.

        Raises:
            ValueError: a number below 1, a level outside (0, 1), or a history that is too short.
        """
        for name, number in (("horizon", horizon), ("samples", samples)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")
        lag, inputs = self._scaled(history, scaler, level)
        paths = self.paths(inputs, horizon, samples, seed)                # (horizon, samples, d)
        if scaler is not None:
            paths = scaler.inverse(paths.to(history.device), history[len(history) - lag:] if lag else None)
        tail = (1 - level) / 2
        return Forecast(paths.mean(1), paths.quantile(tail, 1), paths.quantile(1 - tail, 1))

    def paths(self, inputs: Tensor, horizon: int, samples: int, seed: int = 0) -> Tensor:
        """inputs (steps, d), as the model was trained -> drawn continuations, (horizon, samples, d)."""
        generator = torch.Generator().manual_seed(seed)
        drawn = []
        with evaluating(self), one_thread():
            distribution, state = self(inputs[:, None].expand(-1, samples, -1))
            while True:
                mean, spread = distribution.mean[-1], distribution.stddev[-1]              # (samples, d)
                noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device="cpu").to(mean.device)
                drawn.append(mean + spread * noise)
                if len(drawn) == horizon:
                    return torch.stack(drawn)
                distribution, state = self(drawn[-1][None], state)

    def _scaled(self, values: Tensor, scaler: Scaler | None, level: float) -> tuple[int, Tensor]:
        """The lag, and what the layer takes."""
        if not 0 < level < 1:
            raise ValueError(f"a level lies between 0 and 1, got {level!r}")
        lag = 0 if scaler is None else scaler.lag
        if len(values) < lag + 2:
            raise ValueError(f"a forecast needs at least {lag + 2} values before it, got {len(values)}")
        inputs = values if scaler is None else scaler.scale(values)
        return lag, inputs.to(self.device, self.head.weight.dtype)
