"""The experiment that all frameworks run: the same windows in the same order, and the same settings.

Only NumPy is needed.
"""
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Settings:
    """How a training goes.

    Attributes:
        optimizer: "sgd" or "adamw" (betas 0.9 and 0.999, epsilon 1e-8, no weight decay).
        lr: learning rate; with a schedule, its highest value.
        clip: largest global norm of the gradient.
        one_cycle: whether the rate rises and falls over all steps (``rate``).
        dropout: of the hidden states before the head, while training.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    clip: float = 1.0
    one_cycle: bool = False
    dropout: float = 0.0

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"the optimizer is sgd or adamw, not {self.optimizer!r}")
        for name in ("epochs", "batch_size", "lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is positive, not {getattr(self, name)!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1), got {self.dropout!r}")

    def steps(self, num_windows: int) -> int:
        """Of the whole training."""
        return self.epochs * math.ceil(num_windows / self.batch_size)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0.

        With ``one_cycle`` (Smith & Topin 2018) it goes up from lr/25 over the first 30 % and down to lr/250,000, by
        cosines: PyTorch's ``OneCycleLR``, whose other defaults these are.
        """
        if not self.one_cycle:
            return self.lr
        low, end, peak = self.lr / 25, self.lr / 25e4, 0.3 * steps - 1
        a, b, share = (low, self.lr, step / peak) if step <= peak else (self.lr, end, (step - peak) / (steps - 1 - peak))
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share))


SOURCE = Settings(epochs=50, batch_size=1024, optimizer="sgd", lr=4.0)
RECIPE = Settings(epochs=8, batch_size=128, optimizer="adamw", lr=0.02, one_cycle=True, dropout=0.2)
QUICK = Settings(epochs=1, batch_size=64, optimizer="adamw", lr=0.15, one_cycle=True)
RECIPES = {"source": SOURCE, "better": RECIPE, "quick": QUICK}


def windows(ids: np.ndarray, num_steps: int = 32, start: int = 0, stop: int | None = None) -> np.ndarray:
    """All windows of a text with their targets, (windows, num_steps + 1), as a view.

    Raises:
        ValueError: ids that are not (tokens,) integers, or too few of them.
    """
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids are a NumPy array of shape (tokens,), integers; got {getattr(ids, 'shape', type(ids).__name__)}")
    if len(ids) <= num_steps:
        raise ValueError(f"a window of {num_steps} steps and its targets needs {num_steps + 1} tokens, got {len(ids)}")
    return np.lib.stride_tricks.sliding_window_view(ids, num_steps + 1)[start:stop]


def batches(windows: np.ndarray, batch_size: int, order: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every window once: (inputs, targets), each (steps, batch) int32, in this order of the windows."""
    order = np.arange(len(windows)) if order is None else order
    for begin in range(0, len(order), batch_size):
        chosen = np.ascontiguousarray(windows[order[begin:begin + batch_size]].T, dtype=np.int32)
        yield chosen[:-1], chosen[1:]


def order(num_windows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the windows in an epoch, the same for every framework."""
    return np.random.default_rng([seed, epoch]).permutation(num_windows)
