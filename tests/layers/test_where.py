"""Every tensor is made where the layer lives, and of the layer's dtype."""
import pytest
import torch

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights

ALL = (LSTMScratch, LSTM, GRUScratch, GRU, RNNScratch, RNN)
DEVICES = ["cpu", "meta", *(["cuda"] if torch.cuda.is_available() else [])]
every_layer = pytest.mark.parametrize("cls", ALL)


def stacked(num_inputs, num_hiddens, **where):
    return Stacked([LSTMScratch(num_inputs, 5, **where), GRU(5, num_hiddens, **where)], dropout=0.5)


def flat(state):
    return [state] if isinstance(state, torch.Tensor) else [tensor for inner in state for tensor in flat(inner)]


@pytest.mark.parametrize("cls", [*ALL, stacked])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("where", DEVICES)
@pytest.mark.parametrize("elsewhere", ["cpu", "meta"])
def test_nothing_is_made_elsewhere(cls, tokens, where, elsewhere):
    """torch's default device is a trap here: a tensor made without saying where would land on it and not fit."""
    layer = cls(3, 4, device=where, dtype=torch.float64)
    inputs = (torch.zeros(6, 2, dtype=torch.long, device=where) if tokens
              else torch.zeros(6, 2, 3, dtype=torch.float64, device=where, requires_grad=True))
    with torch.device(elsewhere):
        outputs, state = layer(inputs)
        _, state = layer(inputs, state)
        outputs.sum().backward()
    gradients = [p.grad for p in layer.parameters() if p.grad is not None] + ([] if tokens else [inputs.grad])
    for tensor in (outputs, *flat(state), *layer.parameters(), *gradients):
        assert tensor.device.type == where and tensor.dtype == torch.float64
    assert outputs.shape == (6, 2, 4)


@every_layer
def test_the_default_device_and_dtype_are_torchs(cls):
    with torch.device("meta"):
        assert all(p.is_meta for p in cls(3, 4).parameters())
    assert all(p.device.type == "cpu" and p.dtype == torch.float32 for p in cls(3, 4).parameters())


@every_layer
def test_a_layer_moves_as_a_whole(cls):
    layer = cls(3, 4).to(torch.float64)
    outputs, state = layer(torch.zeros(5, 2, dtype=torch.long))
    assert all(tensor.dtype == torch.float64 for tensor in (outputs, *state))
    with torch.device("meta"):
        outputs, state = layer.to_empty(device="meta")(torch.zeros(5, 2, dtype=torch.long))
    assert all(tensor.is_meta for tensor in (outputs, *state))


@every_layer
def test_weights_move_where_the_default_device_is_another(cls):
    layer, other = cls(3, 4), cls(3, 4)
    with torch.device("meta"):
        weights = named_weights(layer)
        load_weights(other, weights)
    assert all(w.device.type == "cpu" for w in weights.values())
    assert all(torch.equal(w, named_weights(other)[name]) for name, w in weights.items())


def test_the_forget_bias_where_the_default_device_is_another():
    with torch.device("meta"):
        layers = LSTM(3, 4, forget_bias=2, device="cpu"), LSTMScratch(3, 4, forget_bias=2, device="cpu")
    assert all(torch.equal(named_weights(layer)["b_f"], torch.full((4,), 2.0)) for layer in layers)
