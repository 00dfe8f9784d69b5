"""The layers from scratch: their parameters, their first values, and what they leave to one product."""
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unrolled.equations import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, parameter_shapes
from unrolled.layers import GRUScratch, LSTMScratch, RNNScratch

NAMES = {LSTMScratch: LSTM_PARAMETERS, GRUScratch: GRU_PARAMETERS, RNNScratch: RNN_PARAMETERS}
SCRATCH = list(NAMES)


@pytest.mark.parametrize("cls", SCRATCH)
def test_parameters_are_named_and_shaped_as_in_the_equations(cls):
    layer = cls(5, 3)
    shapes = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    assert tuple(shapes) == NAMES[cls]
    assert shapes == parameter_shapes(NAMES[cls], 5, 3)
    assert (layer.num_inputs, layer.num_hiddens) == (5, 3)
    assert repr(layer) == f"{cls.__name__}(5, 3)"


def test_kinds_and_states():
    assert [(cls.kind, cls.state_names) for cls in SCRATCH] == [("lstm", ("H", "C")), ("gru", ("H",)), ("rnn", ("H",))]


@pytest.mark.parametrize("cls", SCRATCH)
def test_weights_are_drawn_in_the_order_of_their_names(cls):
    torch.manual_seed(7)
    layer = cls(4, 3, sigma=0.2, dtype=torch.float64)
    torch.manual_seed(7)
    for name, shape in parameter_shapes(NAMES[cls], 4, 3).items():
        expected = torch.zeros(shape, dtype=torch.float64)
        if name.startswith("W"):
            expected.normal_(std=0.2)
        assert torch.equal(getattr(layer, name), expected), name


@pytest.mark.parametrize("cls", SCRATCH)
def test_the_weights_have_the_standard_deviation_that_was_asked_for(cls):
    torch.manual_seed(0)
    for sigma, layer in ((0.01, cls(200, 100)), (0.5, cls(200, 100, sigma=0.5))):
        for name, parameter in layer.named_parameters():
            if name.startswith("W"):
                assert parameter.std().item() == pytest.approx(sigma, rel=0.03)
                assert parameter.mean().item() == pytest.approx(0, abs=0.03 * sigma)


def test_the_forget_bias_fills_b_f_alone():
    torch.manual_seed(0)
    plain = LSTMScratch(4, 3)
    torch.manual_seed(0)
    open_gate = LSTMScratch(4, 3, forget_bias=1.5)
    assert torch.equal(plain.b_f, torch.zeros(3)) and torch.equal(open_gate.b_f, torch.full((3,), 1.5))
    for name in set(LSTM_PARAMETERS) - {"b_f"}:
        assert torch.equal(getattr(plain, name), getattr(open_gate, name)), name


@pytest.mark.parametrize("cls", SCRATCH)
def test_the_state_is_the_last_output_and_lets_the_layer_go_on(cls):
    torch.manual_seed(0)
    layer = cls(6, 4, sigma=0.7, dtype=torch.float64)
    tokens = torch.randint(6, (9, 2))
    outputs, state = layer(tokens)
    assert outputs.shape == (9, 2, 4) and all(s.shape == (2, 4) for s in state)
    assert torch.equal(state[0], outputs[-1])
    first, between = layer(tokens[:5])
    kept = [s.clone() for s in between]
    second, last = layer(tokens[5:], list(between))                    # a list will do as well
    torch.testing.assert_close(torch.cat([first, second]), outputs, rtol=0, atol=1e-15)
    torch.testing.assert_close(last, state, rtol=0, atol=1e-15)
    assert all(torch.equal(a, b) for a, b in zip(kept, between)), "the state that was given has changed"


@pytest.mark.parametrize("cls", SCRATCH)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_tokens_of_every_integer_type(cls, dtype):
    layer = cls(6, 4)
    tokens = torch.randint(6, (5, 2))
    assert torch.equal(layer(tokens.to(dtype))[0], layer(tokens)[0])


class Recorder(TorchDispatchMode):
    """Writes down the name of every operation that torch carries out."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("cls", SCRATCH)
@pytest.mark.parametrize("tokens", [False, True])
def test_one_product_a_step_and_one_for_all_inputs(cls, tokens):
    layer = cls(6, 4)
    with Recorder() as recorder:
        layer(torch.randint(6, (10, 2)) if tokens else torch.randn(10, 2, 6))
    products = [name for name in recorder.names if name in ("mm", "addmm", "bmm", "matmul")]
    assert len(products) == 10 + (not tokens)
    assert recorder.names.count("embedding") == tokens
    assert not {"one_hot", "scatter", "scatter_"} & set(recorder.names)
