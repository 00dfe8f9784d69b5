"""RNN, GRU and LSTM of torch.nn against the clock, in turns, so that noise falls on all alike."""
import statistics
import time
from collections.abc import Iterator

import torch

from unrolled.device import synchronize
from unrolled.layers import GRU, LSTM, RNN

KINDS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def training(layer, inputs):
    """Forward and backward, as in one training step: the gradient of every weight."""
    outputs, _ = layer(inputs)                              # (steps, batch, hidden)
    outputs.sum().backward()


@torch.no_grad()
def reading(layer, inputs):
    """Inference where the whole sequence is there: one call."""
    layer(inputs)


@torch.no_grad()
def writing(layer, inputs):
    """Inference where each input is known only after the step before: a call a step, the state handed on."""
    state = None
    for X in inputs.split(1):                               # (1, batch, inputs)
        _, state = layer(X, state)


WORKS = {"training": training, "reading": reading, "writing": writing}


def turns(work: str, num_inputs: int, num_hiddens: int, steps: int, batch: int, *, seconds: float = 0.5,
          device=None) -> Iterator[dict[str, float]]:
    """Yield, turn after turn, the seconds that each kind took; at least two turns, then until the time is up.

    Args:
        work: "training", "reading" or "writing".
        num_inputs, num_hiddens, steps, batch: the sizes; the inputs are random numbers.
        seconds: how long to go on.
        device: the CPU unless told.
    """
    device = torch.device(device or "cpu")
    with torch.random.fork_rng(devices=[]):                 # the reader's own draws stay what they were
        layers = {kind: layer(num_inputs, num_hiddens).to(device) for kind, layer in KINDS.items()}
        inputs = torch.randn(steps, batch, num_inputs).to(device)
    for layer in layers.values():
        WORKS[work](layer, inputs)                          # the first call is slower than all others
    synchronize(device)
    end, done = time.perf_counter() + seconds, 0
    while done < 2 or time.perf_counter() < end:
        turn = {}
        for kind, layer in layers.items():
            start = time.perf_counter()
            WORKS[work](layer, inputs)
            synchronize(device)
            turn[kind] = time.perf_counter() - start
        yield turn
        done += 1


def summary(taken: list[dict[str, float]]) -> dict:
    """Of several turns: the median seconds of each kind, and quartiles of the ratio to the RNN of the same turn."""
    def rounded(value):
        return float(f"{value:.4g}")

    return {"seconds": {kind: rounded(statistics.median(turn[kind] for turn in taken)) for kind in KINDS},
            "ratio": {kind: [rounded(q) for q in statistics.quantiles([turn[kind] / turn["rnn"] for turn in taken], n=4,
                                                                     method="inclusive")] for kind in KINDS}}
