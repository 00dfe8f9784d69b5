"""Several layers, called like one."""
import pytest
import torch
from torch import nn

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked, detach_state
from unrolled.layers.parameters import from_torch, load_weights

DOUBLE = {"dtype": torch.float64}


def torchs_layer(module, k):
    """Layer k of a torch.nn module as a module of one layer."""
    single = type(module)(module.input_size if k == 0 else module.hidden_size, module.hidden_size, **DOUBLE)
    with torch.no_grad():
        for name, parameter in single.named_parameters():
            parameter.copy_(getattr(module, name.replace("l0", f"l{k}")))
    return single


@pytest.mark.parametrize("scratch, torch_class", [(LSTMScratch, nn.LSTM), (GRUScratch, nn.GRU), (RNNScratch, nn.RNN)])
@pytest.mark.parametrize("with_state", [False, True])
def test_a_stack_is_torchs_num_layers(scratch, torch_class, with_state):
    torch.manual_seed(0)
    module = torch_class(4, 3, num_layers=3, **DOUBLE)
    stack = Stacked([load_weights(scratch(module.input_size if k == 0 else 3, 3, **DOUBLE),
                                  from_torch(torchs_layer(module, k))) for k in range(3)])
    inputs = torch.randn(6, 2, 4, **DOUBLE)
    states = [torch.randn(3, 2, 3, **DOUBLE) for _ in scratch.state_names] if with_state else None
    theirs = tuple(states) if with_state and torch_class is nn.LSTM else (states[0] if with_state else None)
    expected, last = module(inputs, theirs)
    outputs, state = stack(inputs, tuple(tuple(s[k] for s in states) for k in range(3)) if with_state else None)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    last = last if torch_class is nn.LSTM else (last,)
    for k in range(3):
        torch.testing.assert_close(state[k], tuple(s[k] for s in last), rtol=0, atol=1e-12)


def test_attributes_and_tokens():
    stack = Stacked([LSTMScratch(6, 5), GRU(5, 4), RNN(4, 3)])
    assert (stack.num_inputs, stack.num_hiddens, stack.kind) == (6, 3, "stacked")
    assert stack.state_names == (("H", "C"), ("H",), ("H",))
    assert len(stack.layers) == 3 and len(list(stack.parameters())) == 12 + 4 + 4
    outputs, state = stack(torch.randint(6, (7, 2)))
    assert outputs.shape == (7, 2, 3)
    assert [[tuple(s.shape) for s in layer_state] for layer_state in state] == [[(2, 5)] * 2, [(2, 4)], [(2, 3)]]


def test_a_stack_may_hold_a_stack_and_go_on():
    torch.manual_seed(0)
    stack = Stacked([Stacked([GRUScratch(6, 5, sigma=0.7, **DOUBLE), LSTM(5, 4, **DOUBLE)]), LSTM(4, 3, **DOUBLE)])
    tokens = torch.randint(6, (8, 2))
    outputs, state = stack(tokens)
    first, between = stack(tokens[:3])
    second, last = stack(tokens[3:], between)
    torch.testing.assert_close(torch.cat([first, second]), outputs, rtol=0, atol=1e-15)
    torch.testing.assert_close(last, state, rtol=0, atol=1e-15)


def test_dropout_acts_between_layers_and_only_in_training():
    torch.manual_seed(0)
    bottom, top = LSTM(4, 200), LSTM(200, 3)
    stack = Stacked([bottom, top], dropout=0.5)
    inputs = torch.randn(5, 2, 4)
    seen = []
    top.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    whole, _ = bottom(inputs)
    outputs, state = stack.train()(inputs)
    dropped = seen[-1] == 0
    assert 0.4 < dropped.double().mean() < 0.6
    torch.testing.assert_close(seen[-1][~dropped], 2 * whole[~dropped])  # what is kept is scaled up
    assert torch.equal(state[0][0], whole[-1])                          # neither states nor the top are touched
    assert torch.equal(outputs, top(seen[-1])[0])
    stack.eval()(inputs)
    assert torch.equal(seen[-1], whole)
    one = Stacked([bottom], dropout=0.5).train()
    assert torch.equal(one(inputs)[0], whole)


def test_detach_state_cuts_every_history():
    leaf = torch.ones(2, 3, requires_grad=True)
    state = ((leaf * 2, leaf * 3), (leaf * 4,))
    (a, b), (c,) = detach_state(state)
    for before, after in zip((*state[0], *state[1]), (a, b, c)):
        assert before.requires_grad and not after.requires_grad and torch.equal(before, after)
    assert detach_state(None) is None
    assert isinstance(detach_state([leaf]), tuple)


def test_what_is_refused():
    with pytest.raises(ValueError, match="a stack has at least one layer, got none"):
        Stacked([])
    with pytest.raises(ValueError, match="layer 2 takes 3 inputs, but layer 1 below it has 4 hidden units"):
        Stacked([LSTM(6, 5), LSTM(5, 4), LSTM(3, 2)])
    for dropout in (1, -0.1, 1.5):
        with pytest.raises(ValueError, match=rf"dropout is a probability in \[0, 1\), got {dropout}"):
            Stacked([LSTM(3, 4)], dropout=dropout)
    with pytest.raises(TypeError, match="a stack is made of layers of unrolled.layers, got LSTM"):
        Stacked([nn.LSTM(3, 4)])


@pytest.mark.parametrize("state, came", [((None,), "1"), ((), "0"), (torch.zeros(2, 3), "Tensor"), ([None] * 3, "3")])
def test_a_state_of_another_number_of_layers(state, came):
    stack = Stacked([LSTM(3, 4), LSTM(4, 4)])
    with pytest.raises(ValueError, match=f"the state of this stack is a tuple of 2 layers' states, got {came}"):
        stack(torch.zeros(5, 2, 3), state)
