"""Weights move between ours and torch.nn's, both ways, without loss."""
import pytest
import torch
from torch import nn

from unrolled.equations import LSTM_PARAMETERS
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.layers.parameters import from_torch, load_weights, named_weights, to_torch

SCRATCH = {LSTMScratch: nn.LSTM, GRUScratch: nn.GRU, RNNScratch: nn.RNN}
CONCISE = {LSTMScratch: LSTM, GRUScratch: GRU, RNNScratch: RNN}
ALL = [*SCRATCH, *CONCISE.values()]


def distinct(weights):
    """Other weights of the same shapes, every entry different from every other."""
    numbers = iter(torch.randperm(10_000).double() / 1000)
    return {name: torch.stack([next(numbers) for _ in range(w.numel())]).view(w.shape).to(w)
            for name, w in weights.items()}


def assert_equal(left, right):
    assert list(left) == list(right)
    for name in left:
        assert torch.equal(left[name], right[name]), name


@pytest.mark.parametrize("cls", SCRATCH)
def test_ours_to_torch_and_back(cls):
    weights = distinct(named_weights(cls(4, 3, dtype=torch.float64)))
    module = SCRATCH[cls](4, 3, dtype=torch.float64)
    assert to_torch(weights, module) is module
    assert_equal(from_torch(module), weights)


@pytest.mark.parametrize("cls", SCRATCH)
def test_torch_to_ours_and_back_is_the_same_function(cls):
    """The two biases become their sum, which torch's layer cannot tell from the pair."""
    torch.manual_seed(0)
    before, after = SCRATCH[cls](4, 3, dtype=torch.float64), SCRATCH[cls](4, 3, dtype=torch.float64)
    layer = load_weights(cls(4, 3, dtype=torch.float64), from_torch(before))
    to_torch(named_weights(layer), after)
    inputs = torch.randn(6, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(after(inputs), before(inputs), rtol=0, atol=1e-14)


@pytest.mark.parametrize("cls", ALL)
def test_named_weights_come_back_through_load_weights(cls):
    layer, other = cls(4, 3, dtype=torch.float64), cls(4, 3, dtype=torch.float64)
    weights = distinct(named_weights(layer))
    assert load_weights(other, weights) is other
    assert_equal(named_weights(other), weights)
    assert list(weights) == list(layer.names)


@pytest.mark.parametrize("scratch, concise", CONCISE.items())
def test_scratch_and_concise_exchange_weights(scratch, concise):
    ours, theirs = scratch(4, 3, sigma=1, dtype=torch.float64), concise(4, 3, dtype=torch.float64)
    load_weights(theirs, named_weights(ours))
    assert_equal(named_weights(theirs), named_weights(ours))
    tokens = torch.randint(4, (5, 2))
    torch.testing.assert_close(theirs(tokens), ours(tokens), rtol=0, atol=1e-14)


@pytest.mark.parametrize("cls", ALL)
def test_named_weights_are_copies(cls):
    layer = cls(4, 3)
    for weight in named_weights(layer).values():
        assert not weight.requires_grad
        weight.fill_(99)
    assert all((weight != 99).all() for weight in named_weights(layer).values())


def test_the_layout_of_torch_gate_by_gate():
    """Torch's rows are i, f, c, o; ours are told apart by a number each."""
    module = nn.LSTM(2, 3)
    with torch.no_grad():
        for k in range(4):
            module.weight_ih_l0[3 * k:3 * k + 3] = k
            module.weight_hh_l0[3 * k:3 * k + 3] = 10 + k
            module.bias_ih_l0[3 * k:3 * k + 3], module.bias_hh_l0[3 * k:3 * k + 3] = 100 * k, k
    for k, letter in enumerate("ifco"):
        weights = from_torch(module)
        assert torch.equal(weights[f"W_x{letter}"], torch.full((2, 3), float(k)))
        assert torch.equal(weights[f"W_h{letter}"], torch.full((3, 3), 10.0 + k))
        assert torch.equal(weights[f"b_{letter}"], torch.full((3,), 101.0 * k))


def test_our_bias_goes_into_one_of_torchs_and_the_other_is_zero():
    module = to_torch(distinct(named_weights(LSTMScratch(2, 3))), nn.LSTM(2, 3))
    assert module.bias_hh_l0.abs().max() == 0 < module.bias_ih_l0.abs().max()


def test_the_gru_keeps_the_bias_inside_its_reset_gate():
    weights = distinct(named_weights(GRUScratch(2, 3)))
    module = to_torch(weights, nn.GRU(2, 3))
    assert torch.equal(module.bias_hh_l0, torch.cat([torch.zeros(6), weights["b_hh"]]))
    assert torch.equal(module.bias_ih_l0[-3:], weights["b_h"])


@pytest.mark.parametrize("cls", SCRATCH)
def test_gradients_have_the_names_too(cls):
    module = SCRATCH[cls](2, 3)
    with pytest.raises(ValueError, match=r"weight_ih_l0 has no gradient: call backward\(\) on a loss first"):
        from_torch(module, gradients=True)
    module(torch.randn(4, 2, 2))[0].sum().backward()
    gradients = from_torch(module, gradients=True)
    assert {name: g.shape for name, g in gradients.items()} == {n: w.shape for n, w in from_torch(module).items()}
    assert torch.equal(gradients[cls.names[0]], module.weight_ih_l0.grad[:3].T)


# What is refused

@pytest.mark.parametrize("cls", ALL)
def test_missing_unknown_and_misshapen_weights(cls):
    layer = cls(4, 3)
    before, weights = named_weights(layer), distinct(named_weights(layer))
    first, last = cls.names[0], cls.names[-1]
    wrong = {name: w for name, w in weights.items() if name != last} | {"W_q": torch.zeros(1)}
    with pytest.raises(ValueError) as error:
        load_weights(layer, wrong)
    assert str(error.value) == f"expected the weights {', '.join(cls.names)}; missing: {last}; unknown: W_q"
    with pytest.raises(ValueError, match=rf"missing: {last}; unknown: none"):
        load_weights(layer, {name: w for name, w in weights.items() if name != last})
    with pytest.raises(ValueError, match=r"missing: none; unknown: W_q"):
        load_weights(layer, weights | {"W_q": torch.zeros(1)})
    with pytest.raises(ValueError, match=rf"{first} has shape \(4, 3\), got \(3, 4\)"):
        load_weights(layer, weights | {first: weights[first].T})
    with pytest.raises(ValueError, match=rf"{last} has shape \(3,\), got \(1, 3\)"):
        load_weights(layer, weights | {last: weights[last][None]})
    assert_equal(named_weights(layer), before)                          # nothing half-loaded


@pytest.mark.parametrize("module, sentence", [
    (nn.LSTM(2, 3, num_layers=2), "expected one layer in one direction, with biases and no projection, got LSTM"),
    (nn.GRU(2, 3, bidirectional=True), "expected one layer in one direction.*got GRU"),
    (nn.RNN(2, 3, bias=False), "expected one layer in one direction.*got RNN"),
    (nn.LSTM(2, 3, proj_size=1), "expected one layer in one direction.*got LSTM"),
    (nn.RNN(2, 3, nonlinearity="relu"), "expected an RNN with tanh, got one with relu"),
])
def test_torch_layers_that_have_no_counterpart(module, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_torch(module)
    with pytest.raises(ValueError, match=sentence):
        to_torch({}, module)


def test_things_that_are_no_layer():
    with pytest.raises(TypeError, match="expected a torch.nn.LSTM, GRU or RNN, got Linear"):
        from_torch(nn.Linear(2, 3))
    for thing in (nn.Linear(2, 3), nn.LSTM(2, 3), Stacked([LSTM(2, 3)])):
        sentence = f"expected one RNN, GRU or LSTM layer of unrolled.layers, got {type(thing).__name__}"
        with pytest.raises(TypeError, match=sentence):
            named_weights(thing)
        with pytest.raises(TypeError, match=sentence):
            load_weights(thing, dict.fromkeys(LSTM_PARAMETERS))
