"""One step of each network against arithmetic by hand; the layers stand on it in layers/test_parity.py."""
import math

import pytest
import torch

from unrolled.equations import (GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, GRUStep, LSTMStep, RNNStep,
                                gru_step, lstm_step, parameter_shapes, rnn_step, times)

KINDS = [("lstm", LSTM_PARAMETERS, lstm_step, 2), ("gru", GRU_PARAMETERS, gru_step, 1), ("rnn", RNN_PARAMETERS, rnn_step, 1)]
DOUBLE = {"dtype": torch.float64}


def draw(names, num_inputs, num_hiddens, batch=2, states=1, seed=0):
    torch.manual_seed(seed)
    parameters = {name: torch.randn(shape, **DOUBLE)
                  for name, shape in parameter_shapes(names, num_inputs, num_hiddens).items()}
    return parameters, [torch.randn(batch, num_hiddens, **DOUBLE) for _ in range(states)]


def scalars(parameters):
    """The parameters of one input and one unit as plain numbers."""
    return {name: value.item() for name, value in parameters.items()}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_names_stand_in_the_order_of_the_equations():
    assert LSTM_PARAMETERS == ("W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c")
    assert GRU_PARAMETERS == ("W_xr", "W_hr", "b_r", "W_xz", "W_hz", "b_z", "W_xh", "W_hh", "b_h", "b_hh")
    assert RNN_PARAMETERS == ("W_xh", "W_hh", "b_h")
    assert LSTMStep._fields == ("I", "F", "O", "C_tilde", "C", "H")
    assert GRUStep._fields == ("R", "Z", "H_tilde", "H") and RNNStep._fields == ("H",)


def test_shapes():
    assert parameter_shapes(GRU_PARAMETERS, 5, 3) == {
        "W_xr": (5, 3), "W_hr": (3, 3), "b_r": (3,), "W_xz": (5, 3), "W_hz": (3, 3), "b_z": (3,),
        "W_xh": (5, 3), "W_hh": (3, 3), "b_h": (3,), "b_hh": (3,)}


def test_lstm_by_hand():
    parameters, (H, C) = draw(LSTM_PARAMETERS, 1, 1, batch=1, states=2)
    p, x, h, c = scalars(parameters), 0.6, H.item(), C.item()
    i = sigmoid(x * p["W_xi"] + h * p["W_hi"] + p["b_i"])
    f = sigmoid(x * p["W_xf"] + h * p["W_hf"] + p["b_f"])
    o = sigmoid(x * p["W_xo"] + h * p["W_ho"] + p["b_o"])
    c_tilde = math.tanh(x * p["W_xc"] + h * p["W_hc"] + p["b_c"])
    new_c = f * c + i * c_tilde
    step = lstm_step(torch.tensor([[x]], **DOUBLE), H, C, parameters)
    assert [v.item() for v in step] == pytest.approx([i, f, o, c_tilde, new_c, o * math.tanh(new_c)], rel=1e-14)


def test_gru_by_hand():
    parameters, (H,) = draw(GRU_PARAMETERS, 1, 1, batch=1)
    p, x, h = scalars(parameters), 0.6, H.item()
    r = sigmoid(x * p["W_xr"] + h * p["W_hr"] + p["b_r"])
    z = sigmoid(x * p["W_xz"] + h * p["W_hz"] + p["b_z"])
    h_tilde = math.tanh(x * p["W_xh"] + p["b_h"] + r * (h * p["W_hh"] + p["b_hh"]))
    step = gru_step(torch.tensor([[x]], **DOUBLE), H, parameters)
    assert [v.item() for v in step] == pytest.approx([r, z, h_tilde, z * h + (1 - z) * h_tilde], rel=1e-14)


def test_rnn_by_hand():
    parameters, (H,) = draw(RNN_PARAMETERS, 1, 1, batch=1)
    p, x, h = scalars(parameters), 0.6, H.item()
    step = rnn_step(torch.tensor([[x]], **DOUBLE), H, parameters)
    assert step.H.item() == pytest.approx(math.tanh(x * p["W_xh"] + h * p["W_hh"] + p["b_h"]), rel=1e-14)


@pytest.mark.parametrize("kind, names, step, states", KINDS)
def test_a_token_is_its_one_hot_vector(kind, names, step, states):
    parameters, state = draw(names, 5, 3, batch=4, states=states)
    tokens = torch.tensor([0, 4, 2, 4])
    one_hot = torch.eye(5, **DOUBLE)[tokens]                            # (4, 5)
    torch.testing.assert_close(tuple(step(tokens, *state, parameters)), tuple(step(one_hot, *state, parameters)),
                               rtol=0, atol=1e-14)
    assert torch.equal(times(tokens, parameters[names[0]]), one_hot @ parameters[names[0]])


@pytest.mark.parametrize("kind, names, step, states", KINDS)
def test_a_step_is_pure(kind, names, step, states):
    parameters, state = draw(names, 5, 3, states=states)
    X = torch.randn(2, 5, **DOUBLE)
    before = [tensor.clone() for tensor in (X, *state, *parameters.values())]
    first, second = step(X, *state, parameters), step(X, *state, parameters)
    assert all(value.shape == (2, 3) for value in first)
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert all(torch.equal(a, b) for a, b in zip(before, (X, *state, *parameters.values())))


def test_a_cell_that_keeps_and_a_cell_that_lets_go():
    """Forget gate 1 and input gate 0 keep the cell state; the other way round it is replaced."""
    parameters = {name: torch.zeros(shape, **DOUBLE) for name, shape in parameter_shapes(LSTM_PARAMETERS, 1, 1).items()}
    H, C, X = torch.zeros(1, 1, **DOUBLE), torch.full((1, 1), 3.0, **DOUBLE), torch.ones(1, 1, **DOUBLE)
    keep = parameters | {"b_f": torch.tensor([40.0], **DOUBLE), "b_i": torch.tensor([-40.0], **DOUBLE)}
    assert lstm_step(X, H, C, keep).C.item() == pytest.approx(3.0, rel=1e-15)
    replace = parameters | {"b_f": torch.tensor([-40.0], **DOUBLE), "b_i": torch.tensor([40.0], **DOUBLE),
                            "b_c": torch.tensor([0.5], **DOUBLE)}
    assert lstm_step(X, H, C, replace).C.item() == pytest.approx(math.tanh(0.5), rel=1e-15)
