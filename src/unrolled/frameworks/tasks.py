"""What is asked of every framework alike. Each function is given a framework's module first; only NumPy is needed.

Weights are those of ``frameworks.arrays``.
"""
import dataclasses
import time

import numpy as np

from unrolled.frameworks.experiment import Settings
from unrolled.history import Row


def carry(framework, weights: dict, kind: str) -> dict:
    """The weights after a way into the framework and out again."""
    return framework.to_arrays(framework.from_arrays(weights, kind))


def own_start(framework, num_tokens: int, num_hiddens: int, kind: str = "concise", seed: int = 0) -> dict:
    """First weights, as the framework draws them where nobody says how."""
    return framework.to_arrays(framework.new_model(num_tokens, num_hiddens, kind, seed))


def read(framework, weights: dict, kind: str, tokens: np.ndarray) -> tuple:
    """Logits (steps, batch, tokens) and the last state (H, C) of a model after tokens (steps, batch)."""
    return framework.read(framework.from_arrays(weights, kind), tokens)


def evaluate(framework, weights: dict, kind: str, windows: np.ndarray) -> float:
    """Mean loss of a model in nats per token over all windows, each from a zero state."""
    return framework.evaluate(framework.from_arrays(weights, kind), windows)


def write(framework, weights: dict, kind: str, prefix_ids: list[int], num_tokens: int) -> list[int]:
    """The token ids that a model adds to a prefix, each the likeliest."""
    return framework.generate(framework.from_arrays(weights, kind), prefix_ids, num_tokens)


def wait(framework, weights: dict, kind: str, windows: np.ndarray, settings: Settings) -> float:
    """The seconds that a training needs before its first step, compiling above all.

    A process compiles once: only a first call finds the whole wait.
    """
    model, ended = framework.from_arrays(weights, kind, dropout=settings.dropout), []
    began = time.perf_counter()
    row, = framework.train(model, windows, None, dataclasses.replace(settings, epochs=1), 0,
                           lambda row: ended.append(time.perf_counter()))
    return ended[0] - began - row.seconds


def train(framework, weights: dict, kind: str, train_windows: np.ndarray, validation_windows: np.ndarray | None,
          settings: Settings, seed: int = 0) -> tuple[list[Row], dict]:
    """A training's record, and the weights it ends with."""
    model = framework.from_arrays(weights, kind, dropout=settings.dropout)
    rows = framework.train(model, train_windows, validation_windows, settings, seed)
    return rows, framework.to_arrays(model)


def about(framework) -> tuple[dict[str, str], str]:
    """Versions, and the device in words."""
    return framework.versions(), framework.device()
