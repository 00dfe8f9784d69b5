"""The layers around torch.nn; that they equal it stands in test_parity.py."""
import pytest
import torch
from torch import nn

from unrolled.layers import GRU, LSTM, RNN
from unrolled.layers.parameters import named_weights

CONCISE = {LSTM: nn.LSTM, GRU: nn.GRU, RNN: nn.RNN}


@pytest.mark.parametrize("cls", CONCISE)
def test_the_layer_wraps_torchs_own(cls):
    torch.manual_seed(3)
    layer = cls(5, 3, dtype=torch.float64)
    torch.manual_seed(3)
    module = CONCISE[cls](5, 3, dtype=torch.float64)
    assert type(layer.rnn) is CONCISE[cls] and (layer.num_inputs, layer.num_hiddens) == (5, 3)
    for ours, theirs in zip(layer.rnn.parameters(), module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_kinds_and_states():
    assert [(cls.kind, cls.state_names) for cls in CONCISE] == [("lstm", ("H", "C")), ("gru", ("H",)), ("rnn", ("H",))]


@pytest.mark.parametrize("cls", CONCISE)
def test_the_state_is_the_last_output_and_lets_the_layer_go_on(cls):
    torch.manual_seed(0)
    layer = cls(6, 4, dtype=torch.float64)
    tokens = torch.randint(6, (9, 2))
    outputs, state = layer(tokens)
    assert outputs.shape == (9, 2, 4) and all(s.shape == (2, 4) for s in state)
    assert torch.equal(state[0], outputs[-1])
    first, between = layer(tokens[:5])
    second, last = layer(tokens[5:], between)
    torch.testing.assert_close(torch.cat([first, second]), outputs, rtol=0, atol=1e-15)
    torch.testing.assert_close(last, state, rtol=0, atol=1e-15)


def test_the_forget_bias_is_the_sum_of_torchs_two():
    torch.manual_seed(0)
    plain = LSTM(4, 3)
    torch.manual_seed(0)
    open_gate = LSTM(4, 3, forget_bias=1.5)
    before, after = named_weights(plain), named_weights(open_gate)
    assert torch.equal(after.pop("b_f"), torch.full((3,), 1.5))
    assert not torch.equal(before.pop("b_f"), torch.zeros(3))           # PyTorch's own draw, kept
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_forget_bias_of_zero_is_not_none():
    assert torch.equal(named_weights(LSTM(4, 3, forget_bias=0))["b_f"], torch.zeros(3))
