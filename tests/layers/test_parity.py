"""Scratch and torch.nn are the same function: outputs, states and all gradients, over random shapes."""
from typing import NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from unrolled.equations import gru_step, lstm_step, rnn_step
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch
from unrolled.layers.parameters import from_torch, load_weights

PAIRS = [(LSTMScratch, nn.LSTM), (GRUScratch, nn.GRU), (RNNScratch, nn.RNN)]
CONCISE = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}
STEP = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Case(NamedTuple):
    steps: int
    batch: int
    num_inputs: int
    num_hiddens: int
    with_state: bool
    tokens: bool
    seed: int


cases = st.builds(Case, st.integers(1, 12), st.integers(1, 5), st.integers(1, 8), st.integers(1, 9), st.booleans(),
                  st.booleans(), st.integers(0, 2**31))
edges = [Case(1, 1, 1, 1, False, False, 0), Case(1, 1, 3, 4, True, True, 1), Case(1, 4, 3, 4, True, False, 2),
         Case(12, 1, 3, 4, False, True, 3), Case(40, 3, 28, 32, True, True, 4)]


def over_cases(test):
    for case in edges:
        test = example(case=case)(test)
    return settings(max_examples=40, deadline=None, derandomize=True)(given(case=cases)(test))


def draw(case, state_names, dtype, device):
    """Inputs for ours and for torch.nn, initial states or None, and random weights for what comes out."""
    torch.manual_seed(case.seed)
    shape = (case.steps, case.batch)
    if case.tokens:
        ours = torch.randint(case.num_inputs, shape, device=device)                  # (steps, batch)
        theirs = nn.functional.one_hot(ours, case.num_inputs).to(dtype)              # (steps, batch, inputs)
    else:
        ours = torch.randn(*shape, case.num_inputs, dtype=dtype, device=device, requires_grad=True)
        theirs = ours.detach().clone().requires_grad_()
    random = lambda *leading: torch.randn(*leading, case.num_hiddens, dtype=dtype, device=device)   # noqa: E731
    state = [random(case.batch) for _ in state_names] if case.with_state else None
    return ours, theirs, state, random(*shape), [random(case.batch) for _ in state_names]


def leaves(state):
    return None if state is None else tuple(s.clone().requires_grad_() for s in state)


def backward(outputs, state, probe, state_probes):
    """The gradient of a loss that looks at every output and at every final state."""
    ((outputs * probe).sum() + sum((s * p).sum() for s, p in zip(state, state_probes, strict=True))).backward()


def assert_same(ours, theirs, tolerance, what):
    """No entry differs by more than the tolerance, relative to the largest entry where that is above 1."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, what
    largest = max(1.0, theirs.abs().max().item())
    assert (ours - theirs).abs().max().item() <= tolerance * largest, what


def call_torch(module, inputs, state):
    """torch.nn's layer by our call: one leading axis for layers on each state, LSTM alone with a pair."""
    if state is not None:
        state = tuple(s[None] for s in state)
        state = state if isinstance(module, nn.LSTM) else state[0]
    outputs, state = module(inputs, state)
    return outputs, tuple(s[0] for s in (state if isinstance(module, nn.LSTM) else (state,)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scratch, torch_class", PAIRS)
def test_scratch_is_torch(scratch, torch_class, dtype, device):
    @over_cases
    def compare(case):
        inputs, their_inputs, state, *probes = draw(case, scratch.state_names, dtype, device)
        module = torch_class(case.num_inputs, case.num_hiddens, dtype=dtype, device=device)   # two random biases
        layer = load_weights(scratch(case.num_inputs, case.num_hiddens, dtype=dtype, device=device), from_torch(module))
        our_state, their_state = leaves(state), leaves(state)
        outputs, final = layer(inputs, our_state)
        their_outputs, their_final = call_torch(module, their_inputs, their_state)
        backward(outputs, final, *probes)
        backward(their_outputs, their_final, *probes)

        same = lambda ours, theirs, what: assert_same(ours, theirs, TOLERANCE[dtype], what)   # noqa: E731
        same(outputs, their_outputs, "outputs")
        for name, ours, theirs in zip(layer.state_names, final, their_final, strict=True):
            same(ours, theirs, f"final {name}")
        for name, gradient in from_torch(module, gradients=True).items():
            same(getattr(layer, name).grad, gradient, f"gradient of {name}")
        if not case.tokens:
            same(inputs.grad, their_inputs.grad, "gradient of the inputs")
        for name, ours, theirs in zip(layer.state_names, our_state or (), their_state or (), strict=False):
            same(ours.grad, theirs.grad, f"gradient of the initial {name}")

    with torch.backends.cudnn.flags(allow_tf32=False):
        compare()


@pytest.mark.parametrize("torch_class", CONCISE)
def test_concise_is_torch(torch_class):
    concise, dtype = CONCISE[torch_class], torch.float64

    @over_cases
    def compare(case):
        inputs, their_inputs, state, *probes = draw(case, concise.state_names, dtype, "cpu")
        layer = concise(case.num_inputs, case.num_hiddens, dtype=dtype)
        module = torch_class(case.num_inputs, case.num_hiddens, dtype=dtype)
        module.load_state_dict(layer.rnn.state_dict())
        our_state, their_state = leaves(state), leaves(state)
        outputs, final = layer(inputs, our_state)
        their_outputs, their_final = call_torch(module, their_inputs, their_state)
        backward(outputs, final, *probes)
        backward(their_outputs, their_final, *probes)
        torch.testing.assert_close((outputs, final), (their_outputs, their_final), rtol=0, atol=0)
        for ours, theirs in zip(layer.rnn.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)
        for ours, theirs in zip(our_state or (), their_state or ()):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)

    compare()


@pytest.mark.parametrize("scratch", [scratch for scratch, _ in PAIRS])
def test_scratch_is_its_equations(scratch):
    """A loop of the pure step, eight products and no look-up over the whole text, gives the layer's numbers."""
    dtype = torch.float64

    @over_cases
    def compare(case):
        inputs, one_hot, state, *_ = draw(case, scratch.state_names, dtype, "cpu")
        layer = scratch(case.num_inputs, case.num_hiddens, sigma=0.7, dtype=dtype)
        parameters = dict(layer.named_parameters())
        outputs, final = layer(inputs, state)
        for X in (inputs, one_hot):                                    # a token, and its one-hot vector
            current = state or [torch.zeros(case.batch, case.num_hiddens, dtype=dtype) for _ in final]
            for t in range(case.steps):
                step = STEP[layer.kind](X[t], *current, parameters)
                current = [getattr(step, name) for name in layer.state_names]
                torch.testing.assert_close(outputs[t], step.H, rtol=0, atol=1e-12)
            torch.testing.assert_close(final, tuple(current), rtol=0, atol=1e-12)

    compare()


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("scratch", [scratch for scratch, _ in PAIRS])
def test_gradcheck(scratch, tokens):
    """The gradients equal differences of the layer's own outputs, by torch.autograd.gradcheck."""
    torch.manual_seed(0)
    layer = scratch(3, 2, sigma=0.7, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    inputs = torch.randint(3, (3, 2)) if tokens else torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    state = leaves([torch.randn(2, 2, dtype=torch.float64) for _ in layer.state_names])

    def function(inputs, *rest):
        values, state = dict(zip(names, rest)), rest[len(names):]
        outputs, final = torch.func.functional_call(layer, values, (inputs, state))
        return outputs, *final

    assert torch.autograd.gradcheck(function, (inputs, *layer.parameters(), *state))
