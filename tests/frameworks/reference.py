"""The LSTM language model, its gradients and its training in NumPy alone, written from the equations in plain loops.

What every framework is held against, and itself held against the golden file (test_reference.py). Parameters go by their
names, ``{"W_xi": (d, h), …}``; the weights of a whole model as in ``unrolled.frameworks.arrays``.
"""
import json
from pathlib import Path

import numpy as np

from unrolled.frameworks import experiment
from unrolled.frameworks.arrays import LAYER, NAMES

GATES = "ifoc"


def golden() -> dict:
    """The golden file of the LSTM, its numbers as float64 arrays: see tests/golden/make_golden.py."""
    def read(value):
        if isinstance(value, dict):
            return {name: read(inner) for name, inner in value.items()}
        return np.array(value, dtype="float64")      # strings of digits become numbers

    content = json.loads((Path(__file__).parents[1] / "golden" / "lstm.json").read_text())
    steps = content.pop("steps")
    return read(content) | {"outputs": np.stack([np.array(step["H"], dtype="float64") for step in steps])}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(p, inputs, state=None):
    """inputs (steps, batch, d), or (steps, batch) tokens -> outputs (steps, batch, h), (H, C), and what ``backward`` needs."""
    num_inputs, num_hiddens = p["W_xi"].shape
    X = inputs if np.issubdtype(inputs.dtype, np.floating) else np.eye(num_inputs)[inputs]
    H, C = np.zeros((2, X.shape[1], num_hiddens)) if state is None else state
    steps = []
    for x in X:
        i, f, o, c = (x @ p[f"W_x{k}"] + H @ p[f"W_h{k}"] + p[f"b_{k}"] for k in GATES)
        I, F, O, C_tilde = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(c)
        before = H, C
        C = F * C + I * C_tilde
        H = O * np.tanh(C)
        steps.append((x, *before, I, F, O, C_tilde, C, H))
    return np.stack([step[-1] for step in steps]), (H, C), steps


def backward(p, steps, d_outputs, d_H=0.0, d_C=0.0):
    """The gradient of a loss, given its derivatives by the outputs and the last state.

    Returns: by the parameters (a dict), by the inputs (steps, batch, d), by the initial state (H, C).
    """
    gradients, d_inputs = {name: np.zeros(value.shape) for name, value in p.items()}, []
    for (x, H, C, I, F, O, C_tilde, C_after, _), d_output in zip(reversed(steps), reversed(d_outputs)):
        d_H = d_H + d_output
        d_C = d_C + d_H * O * (1 - np.tanh(C_after) ** 2)
        d_scores = {"i": d_C * C_tilde * I * (1 - I), "f": d_C * C * F * (1 - F),
                    "o": d_H * np.tanh(C_after) * O * (1 - O), "c": d_C * I * (1 - C_tilde ** 2)}
        for k, d in d_scores.items():
            gradients[f"W_x{k}"] += x.T @ d
            gradients[f"W_h{k}"] += H.T @ d
            gradients[f"b_{k}"] += d.sum(0)
        d_inputs.insert(0, sum(d @ p[f"W_x{k}"].T for k, d in d_scores.items()))
        d_H, d_C = sum(d @ p[f"W_h{k}"].T for k, d in d_scores.items()), d_C * F
    return gradients, np.stack(d_inputs), (d_H, d_C)


def layer(arrays):
    """The layer's parameters, by the equations' names."""
    return {name[len(LAYER):]: value for name, value in arrays.items() if name.startswith(LAYER)}


def logits(arrays, tokens, state=None):
    """tokens (steps, batch) -> logits (steps, batch, tokens), (H, C)."""
    outputs, state, _ = forward(layer(arrays), tokens, state)
    return outputs @ arrays["head.weight"].T + arrays["head.bias"], state


def loss(arrays, tokens, targets):
    """The mean cross-entropy, in nats per token, and its gradient by name."""
    outputs, _, steps = forward(layer(arrays), tokens)
    scores = outputs @ arrays["head.weight"].T + arrays["head.bias"]
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    one_hot = np.eye(p.shape[-1])[targets]
    d_scores = (p - one_hot) / targets.size
    by_layer, _, _ = backward(layer(arrays), steps, d_scores @ arrays["head.weight"])
    gradients = {LAYER + name: value for name, value in by_layer.items()}
    gradients |= {"head.weight": np.einsum("tbv,tbh->vh", d_scores, outputs), "head.bias": d_scores.sum((0, 1))}
    return -np.log((p * one_hot).sum(-1)).mean(), gradients


def clipped(gradients, largest):
    """The gradients, scaled where their common norm is above ``largest``."""
    norm = np.sqrt(sum((g ** 2).sum() for g in gradients.values()))
    return {name: g * min(1, largest / norm) for name, g in gradients.items()}


def evaluate(arrays, windows):
    """Mean nats per token."""
    (tokens, targets), = experiment.batches(windows, len(windows))
    return loss(arrays, tokens, targets)[0]


def train(arrays, train_windows, validation_windows, settings, seed=0):
    """As every framework's ``train``, without dropout: the weights afterwards, and (training, validation) loss of each epoch."""
    assert not settings.dropout
    arrays = {name: arrays[name].astype("float64") for name in NAMES}
    m, v = ({name: np.zeros(value.shape) for name, value in arrays.items()} for _ in range(2))
    steps, step, rows = settings.steps(len(train_windows)), 0, []
    for epoch in range(settings.epochs):
        total = 0.0
        order = experiment.order(len(train_windows), seed, epoch)
        for tokens, targets in experiment.batches(train_windows, settings.batch_size, order):
            value, gradients = loss(arrays, tokens, targets)
            total += value * targets.size
            rate, gradients = settings.rate(step, steps), clipped(gradients, settings.clip)
            step += 1
            for name, g in gradients.items():
                if settings.optimizer == "sgd":
                    arrays[name] = arrays[name] - rate * g
                else:
                    m[name], v[name] = 0.9 * m[name] + 0.1 * g, 0.999 * v[name] + 0.001 * g ** 2
                    moved = m[name] / (1 - 0.9 ** step) / (np.sqrt(v[name] / (1 - 0.999 ** step)) + 1e-8)
                    arrays[name] = arrays[name] - rate * moved
        rows.append((total / train_windows[:, 1:].size, evaluate(arrays, validation_windows)))
    return arrays, rows


def generate(arrays, prefix, num_tokens):
    """The likeliest tokens after the prefix."""
    tokens, state, written = np.array(prefix)[:, None], None, []
    for _ in range(num_tokens):
        scores, state = logits(arrays, tokens, state)
        written.append(int(scores[-1, 0].argmax()))
        tokens = np.array([[written[-1]]])
    return written
