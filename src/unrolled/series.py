"""Real time series, cut into past and future, scaled by the past alone, and seen through windows."""
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True)
class Series:
    """A measured series at equal distances in time.

    Attributes:
        name: "co2" or "sunspots".
        values: (n, 1) float32, in ``unit``.
        times: (n,) float64, in years; the middle of each month or year lies half a step later.
        unit: what the values are measured in.
        period: after how many steps the pattern comes again, at least roughly.
        filled: (n,) booleans, True where nothing was measured and the value lies on a line between its neighbours.
        source: who measured it.
    """

    name: str
    values: Tensor
    times: Tensor
    unit: str
    period: int
    filled: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.values)


def load_series(name: str = "co2") -> Series:
    """A series that comes with the package statsmodels; nothing is downloaded.

    Args:
        name: "co2", carbon dioxide in the air above Mauna Loa, 1958 to 2001: weekly samples, here as means of
            each month; a month without any lies on the line between its neighbours. Or "sunspots", the yearly
            sunspot number, 1700 to 2008.

    Raises:
        ValueError: there is no such series.
        ModuleNotFoundError: statsmodels is not installed; the sentence says how to install it.
    """
    if name not in LOADERS:
        raise ValueError(f"there is no series {name!r}; there are {' and '.join(LOADERS)}")
    try:
        from statsmodels import datasets
    except ModuleNotFoundError:
        raise ModuleNotFoundError("the series come with the package statsmodels, which is not installed here: "
                                  "`pip install statsmodels` brings it") from None
    return LOADERS[name](datasets)


def _co2(datasets) -> Series:
    weeks = datasets.co2.load_pandas().data["co2"]
    months = weeks.resample("MS").mean()                                  # the mean of what was measured in it
    missing = torch.tensor(months.isna().to_numpy())
    values = torch.tensor(months.interpolate().to_numpy().copy(), dtype=torch.float32)[:, None]
    first = months.index[0]
    times = first.year + (first.month - 1 + torch.arange(len(months), dtype=torch.float64)) / 12
    return Series("co2", values, times, "ppm", 12, missing,
                  "Keeling and Whorf 2004, flask air samples at Mauna Loa (SIO network)")


def _sunspots(datasets) -> Series:
    data = datasets.sunspots.load_pandas().data
    values = torch.tensor(data["SUNACTIVITY"].to_numpy().copy(), dtype=torch.float32)[:, None]
    times = torch.tensor(data["YEAR"].to_numpy().copy(), dtype=torch.float64)
    return Series("sunspots", values, times, "sunspot number", 11, torch.zeros(len(values), dtype=torch.bool),
                  "SIDC, Royal Observatory of Belgium, yearly sunspot number")


LOADERS = {"co2": _co2, "sunspots": _sunspots}


def split_series(values: Tensor, num_test: int) -> tuple[Tensor, Tensor]:
    """Cut in time: all but the last ``num_test`` values, and those. Nothing is shuffled, nothing is shared.

    Args:
        values: (n, d).

    Raises:
        ValueError: a part would be empty, or values of another shape.
    """
    _check_values(values)
    if not 0 < num_test < len(values):
        raise ValueError(f"of {len(values)} values, 1 to {len(values) - 1} can be held out, not {num_test!r}")
    return values[:-num_test], values[-num_test:]


@dataclass(frozen=True)
class Scaler:
    """Values or their changes, shifted and stretched to mean 0 and standard deviation 1; and the way back.

    Made by ``Scaler.fit`` from the past alone.

    Attributes:
        mean, std: (d,) of what was fitted.
        lag: 0 scales the values themselves; 1 the change since the step before; 12 the change since the same
            month of the year before.
    """

    mean: Tensor
    std: Tensor
    lag: int = field(default=0)

    @classmethod
    def fit(cls, values: Tensor, lag: int = 0) -> "Scaler":
        """Take mean and standard deviation of these values, or of their changes.

        Args:
            values: (n, d), only those that a forecaster may know.

        Raises:
            TypeError, ValueError: no floating tensor (n, d), too short, not finite, or constant.
        """
        _check_values(values)
        if not isinstance(lag, Integral) or lag < 0:
            raise ValueError(f"a lag is a whole number of steps, 0 or more, not {lag!r}")
        if len(values) < lag + 2:
            raise ValueError(f"a scaler of lag {lag} needs at least {lag + 2} values, got {len(values)}")
        changes = _changes(values, lag)
        mean, std = changes.mean(0), changes.std(0, correction=0)
        if not (std > 0).all():
            raise ValueError("a series that never changes has no scale")
        return cls(mean, std, lag)

    def scale(self, values: Tensor) -> Tensor:
        """values (n, d) -> (n - lag, d), of mean 0 and standard deviation 1 where they are those of ``fit``."""
        _check_values(values)
        return (_changes(values, self.lag) - self.mean) / self.std

    def inverse(self, scaled: Tensor, before: Tensor | None = None) -> Tensor:
        """Back in the original units: the same shape as ``scaled``.

        Args:
            scaled: (n, …, d).
            before: where there is a lag: the values that the changes start from, (lag, d) or up to (n, d), oldest
                first. Change k starts from ``before[k]``; where these end, from the results themselves.

        Raises:
            ValueError: fewer values before than the lag, or more than there are changes to add.
        """
        steps = scaled * self.std + self.mean                             # (n, …, d)
        if not self.lag:
            return steps
        known = 0 if before is None else len(before)
        if known < self.lag or (known > len(steps) and known > self.lag):
            raise ValueError(f"{len(steps)} changes over {self.lag} steps start from {self.lag} to "
                             f"{max(self.lag, len(steps))} known values, got {known}")
        start = list(before.reshape(known, *[1] * (steps.ndim - before.ndim), *before.shape[1:]))
        result: list[Tensor] = []
        for k, step in enumerate(steps):
            result.append(step + (start[k] if k < known else result[k - self.lag]))
        return torch.stack(result)


class SeriesWindows:
    """All windows of ``num_steps`` values, and what comes after.

    As with ``text.Windows``, the windows are a view: however many overlap, the values are stored once.

    Args:
        values: (n, d) floats.
        num_steps: T, the length of a window.
        horizon: ``None``: each step's target is the value one step later. A number: the targets are the next
            ``horizon`` values after the window.

    Attributes:
        view: (windows, d, T + what comes after), a view of ``values``.

    Raises:
        TypeError, ValueError: values that are not (n, d) floats, a number below 1, a series too short for one window.
    """

    def __init__(self, values: Tensor, num_steps: int, horizon: int | None = None):
        _check_values(values)
        for name, number in (("num_steps", num_steps), ("horizon", 1 if horizon is None else horizon)):
            if not isinstance(number, Integral) or number < 1:
                raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")
        length = num_steps + (horizon or 1)
        if len(values) < length:
            raise ValueError(f"a window of {num_steps} steps with its targets needs {length} values, got {len(values)}")
        self.values, self.num_steps, self.horizon = values, num_steps, horizon
        self.view = values.unfold(0, length, 1)                           # (windows, d, length), no copy

    def __len__(self) -> int:
        return len(self.view)

    def __repr__(self) -> str:
        after = "one step later" if self.horizon is None else f"{self.horizon} after them"
        return f"SeriesWindows({len(self)} of {self.num_steps} steps, targets {after})"

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        """(inputs, targets) of the windows that an integer, a slice or a row of them names.

        inputs (T, batch, d); targets (T, batch, d), or (horizon, batch, d) where there is a horizon.
        """
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.view.device).reshape(-1)     # one number is a batch of one
        chosen = self.view[index].permute(2, 0, 1)                        # (length, batch, d)
        return chosen[:self.num_steps], chosen[1 if self.horizon is None else self.num_steps:]

    def batches(self, batch_size: int, *, shuffle: bool = False,
                generator: torch.Generator | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Every window once, ``batch_size`` at a time, in order or in one drawn from ``generator``."""
        order = torch.randperm(len(self), generator=generator, device="cpu") if shuffle else torch.arange(len(self), device="cpu")
        return (self[index] for index in order.to(self.view.device).split(batch_size))


def _changes(values: Tensor, lag: int) -> Tensor:
    return values[lag:] - values[:-lag] if lag else values


def _check_values(values: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise TypeError(f"values are a tensor of shape (n, d), not {type(values).__name__}")
    if values.ndim != 2 or not values.is_floating_point():
        raise ValueError(f"values are floats of shape (n, d), got {values.dtype} of shape {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError(f"values are finite, got {int((~values.isfinite()).sum())} that are not: fill the gaps first")
