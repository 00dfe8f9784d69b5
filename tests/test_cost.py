"""What is counted, against what torch does: parameters, products, and the tensors that autograd keeps."""
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from unrolled.cost import Cost, cost, kept_values
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch

SCRATCH = {"rnn": RNNScratch, "gru": GRUScratch, "lstm": LSTMScratch}
LIBRARY = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
SIZES = [(5, 7, 4, 3), (1, 1, 1, 1), (28, 32, 9, 2)]


def multiply_adds(work) -> int:
    """Half of the floating-point operations that torch counts in what ``work`` does."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("kind", SCRATCH)
@pytest.mark.parametrize("d, h, steps, batch", SIZES)
def test_parameters_are_those_of_real_layers(kind, d, h, steps, batch):
    counts = cost(kind, d, h)
    assert counts.parameters == sum(p.numel() for p in SCRATCH[kind](d, h).parameters())
    assert counts.stored_parameters == sum(p.numel() for p in LIBRARY[kind](d, h).parameters())


@pytest.mark.parametrize("kind", SCRATCH)
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("d, h, steps, batch", SIZES)
def test_multiply_adds_are_those_that_torch_makes(kind, tokens, d, h, steps, batch):
    layer = SCRATCH[kind](d, h)
    inputs = torch.randint(d, (steps, batch)) if tokens else torch.randn(steps, batch, d)
    counts, results = cost(kind, d, h, steps, batch, tokens=tokens), []
    assert multiply_adds(lambda: results.append(layer(inputs)[0].sum())) == counts.multiply_adds_forward
    assert multiply_adds(lambda: results[0].backward()) == counts.multiply_adds_backward


@pytest.mark.parametrize("kind", SCRATCH)
def test_a_layer_on_another_also_pays_for_the_gradient_of_its_inputs(kind):
    d, h, steps, batch = 5, 7, 4, 3
    outputs = SCRATCH[kind](d, h)(torch.randn(steps, batch, d, requires_grad=True))[0].sum()
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    more = multiply_adds(outputs.backward) - cost(kind, d, h, steps, batch).multiply_adds_backward
    assert more == steps * batch * boxes * d * h


@pytest.mark.parametrize("kind", ["rnn", "gru"])
def test_the_library_does_the_same_arithmetic(kind):
    """torch counts nothing in its LSTM on a CPU, which runs on another library (oneDNN)."""
    layer, inputs = LIBRARY[kind](5, 7), torch.randn(4, 3, 5)
    counts, results = cost(kind, 5, 7, 4, 3), []
    assert multiply_adds(lambda: results.append(layer(inputs)[0].sum())) == counts.multiply_adds_forward
    assert multiply_adds(lambda: results[0].backward()) == counts.multiply_adds_backward


@pytest.mark.parametrize("kind, more, border", [("rnn", 0, 1), ("gru", 1, 0), ("lstm", 1, 0)])
def test_autograd_keeps_what_is_counted_and_what_the_docstring_adds(kind, more, border):
    """``more``: (batch, hidden) blocks a step that are elementwise functions of others, 1 - Z and tanh(C).
    ``border``: the RNN keeps its first state beside one for each step."""
    d, h, steps, batch = 5, 7, 4, 3
    layer = SCRATCH[kind](d, h)
    state = tuple(torch.randn(batch, h) for _ in layer.state_names)
    weights, kept = {p.untyped_storage().data_ptr() for p in layer.parameters()}, {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(torch.randn(steps, batch, d), state)
    sizes = [t.untyped_storage().nbytes() // t.element_size() for p, t in kept.items() if p not in weights]
    blocks = sizes.count(batch * h)                                 # the others: inputs, and weights side by side
    assert blocks * batch * h == steps * batch * (kept_values(kind, h) + more * h) + border * batch * h
    assert cost(kind, d, h, steps, batch).training_values == steps * batch * kept_values(kind, h)


@pytest.mark.parametrize("kind", SCRATCH)
def test_inference_keeps_the_state(kind):
    with torch.no_grad():
        _, state = SCRATCH[kind](5, 7)(torch.randn(4, 3, 5))
    assert cost(kind, 5, 7, 400, 3).inference_values == sum(s.numel() for s in state)


def test_one_three_four():
    rnn, gru, lstm = (cost(kind, 28, 32, 32, 1024) for kind in SCRATCH)
    assert lstm == Cost(7808, 7936, 251_658_240, 381_681_664, 6_291_456, 65_536)
    for name in ("stored_parameters", "multiply_adds_forward", "multiply_adds_backward"):
        assert getattr(rnn, name) * 3 == getattr(gru, name) and getattr(rnn, name) * 4 == getattr(lstm, name)
    assert rnn.parameters * 4 == lstm.parameters and gru.parameters == rnn.parameters * 3 + 32


def test_what_is_not_counted_says_so():
    with pytest.raises(ValueError, match="the kind is one of rnn, gru, lstm, not 'lmst'"):
        cost("lmst", 1, 1)
    for bad in (0, -1, 1.5, True, "3", None):
        with pytest.raises(ValueError, match="steps is a whole number of at least 1, not"):
            cost("rnn", 1, 1, steps=bad)
        with pytest.raises(ValueError, match="num_hiddens is a whole number"):
            kept_values("gru", bad)
