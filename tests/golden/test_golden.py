"""Everything against the golden files, and the golden files against themselves."""
import json
import runpy
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mpmath import mp, mpf

from unrolled.equations import (GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, gru_step, lstm_step,
                                parameter_shapes, rnn_step)
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch
from unrolled.layers.parameters import from_torch, load_weights

FOLDER = Path(__file__).parent
KINDS = ("lstm", "gru", "rnn")
NAMES = {"lstm": LSTM_PARAMETERS, "gru": GRU_PARAMETERS, "rnn": RNN_PARAMETERS}
STEP = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
LAYERS = (LSTMScratch, LSTM, GRUScratch, GRU, RNNScratch, RNN)


@pytest.fixture(scope="module")
def maker():
    return runpy.run_path(str(FOLDER / "make_golden.py"))


def read(kind):
    """A golden file, its numbers as float64 tensors."""
    def tensors(value):
        if not isinstance(value, dict):
            return torch.tensor(floats(value), dtype=torch.float64)
        return {name: tensors(inner) for name, inner in value.items()}

    def floats(value):
        return [floats(inner) for inner in value] if isinstance(value, list) else float(value)

    content = json.loads((FOLDER / f"{kind}.json").read_text())
    steps = content.pop("steps")
    return tensors(content) | {"steps": [tensors(values) for values in steps]}


def track(golden):
    """Leaves for the parameters, the inputs and the initial state."""
    return [{name: value.clone().requires_grad_() for name, value in golden[part].items()}
            for part in ("parameters", "initial")] + [golden["inputs"].clone().requires_grad_()]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def check_gradients(golden, parameters, inputs, initial):
    expected = golden["gradients"]
    assert set(parameters) | {"inputs", "initial"} == set(expected)
    for name, gradient in parameters.items():
        close(gradient, expected[name])
    close(inputs.grad, expected["inputs"])
    for name, state in initial.items():
        close(state.grad, expected["initial"][name])


# The files

def test_the_files_are_made_again_the_same(maker, tmp_path):
    maker["main"](tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gru.json", "lstm.json", "rnn.json"]
    for path in tmp_path.iterdir():
        assert path.read_text() == (FOLDER / path.name).read_text(), f"{path.name} is not what the script makes"


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_differences_of_the_loss(maker, kind):
    """At 50 digits a central difference is good for 30: one entry of every tensor, and of both states."""
    found, start, width = maker["golden"](kind), maker["given"](kind), mpf(10) ** -20
    places = [(("parameters", name), (name,)) for name in NAMES[kind]] + [(("inputs",), ("inputs",))]
    places += [(("initial", name), ("initial", name)) for name in start["initial"]]
    for path, gradient_path in places:
        gradient, index = found["gradients"], []
        for name in gradient_path:
            gradient = gradient[name]
        while isinstance(gradient, list):
            index.append(len(gradient) - 1 if len(index) % 2 else 0)
            gradient = gradient[index[-1]]
        loss = []
        for sign in (1, -1):
            moved = deepcopy(start)
            row = moved
            for key in (*path, *index[:-1]):
                row = row[key]
            row[index[-1]] += sign * width
            loss.append(maker["golden"](kind, moved)["loss"])
        assert mp.almosteq((loss[0] - loss[1]) / (2 * width), gradient, abs_eps=mpf(10) ** -25), path


@pytest.mark.parametrize("kind", KINDS)
def test_names_shapes_and_digits(kind):
    golden, text = read(kind), (FOLDER / f"{kind}.json").read_text()
    steps, batch, num_inputs = golden["inputs"].shape
    num_hiddens = golden["probe"].shape[2]
    assert {name: tuple(value.shape) for name, value in golden["parameters"].items()} == parameter_shapes(
        NAMES[kind], num_inputs, num_hiddens)
    assert tuple(golden["parameters"]) == NAMES[kind]
    assert len(golden["steps"]) == steps and golden["probe"].shape == (steps, batch, num_hiddens)
    for values in (golden["initial"], golden["final"], *golden["steps"]):
        assert all(value.shape == (batch, num_hiddens) for value in values.values())
    for name, value in golden["gradients"].items():
        if name != "initial":
            assert value.shape == (golden["inputs"] if name == "inputs" else golden["parameters"][name]).shape

    def numbers(value):
        inner = value.values() if isinstance(value, dict) else value
        return [value] if isinstance(value, str) else [number for v in inner for number in numbers(v)]

    for number in numbers(json.loads(text)):
        digits = number.split("e")[0].lstrip("-").replace(".", "").lstrip("0")
        assert len(digits) >= 17, number


# The equations and the layers

@pytest.mark.parametrize("kind", KINDS)
def test_equations(kind):
    golden = read(kind)
    parameters, initial, inputs = track(golden)
    state, outputs = tuple(initial.values()), []
    for X, expected in zip(inputs, golden["steps"], strict=True):
        step = STEP[kind](X, *state, parameters)
        assert step._fields == tuple(expected)
        for name in expected:
            close(getattr(step, name), expected[name])
        state = tuple(getattr(step, name) for name in initial)
        outputs.append(step.H)
    close(dict(zip(initial, state)), golden["final"])
    loss = (torch.stack(outputs) * golden["probe"]).sum()
    close(loss, golden["loss"])
    loss.backward()
    check_gradients(golden, {name: p.grad for name, p in parameters.items()}, inputs, initial)


@pytest.mark.parametrize("cls", LAYERS)
def test_layers(cls):
    golden = read(cls.kind)
    _, initial, inputs = track(golden)
    layer = load_weights(cls(inputs.shape[2], golden["probe"].shape[2], dtype=torch.float64), golden["parameters"])
    outputs, state = layer(inputs, tuple(initial.values()))
    close(outputs, torch.stack([values["H"] for values in golden["steps"]]))
    assert layer.state_names == tuple(initial)
    close(dict(zip(initial, state)), golden["final"])
    loss = (outputs * golden["probe"]).sum()
    close(loss, golden["loss"])
    loss.backward()
    gradients = (from_torch(layer.rnn, gradients=True) if hasattr(layer, "rnn")
                 else {name: p.grad for name, p in layer.named_parameters()})
    check_gradients(golden, gradients, inputs, initial)
