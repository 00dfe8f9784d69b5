"""Bad input is refused in one sentence that says what came and what was expected, by every layer alike."""
import pytest
import torch

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked

ALL = (LSTMScratch, LSTM, GRUScratch, GRU, RNNScratch, RNN)
every_layer = pytest.mark.parametrize("cls", ALL)


def refused(error, sentence, function, *args):
    """The call raises just that, and that sentence is all it says."""
    with pytest.raises(error) as caught:
        function(*args)
    assert type(caught.value) is error and str(caught.value) == sentence


@every_layer
@pytest.mark.parametrize("shape", [(), (5,), (5, 2), (5, 3), (5, 2, 4), (5, 3, 2), (5, 2, 3, 1)])
def test_numbers_of_the_wrong_shape(cls, shape):
    refused(ValueError, f"inputs have shape (steps, batch, 3), got {shape}", cls(3, 4), torch.zeros(shape))


@every_layer
@pytest.mark.parametrize("shape", [(), (5,), (5, 2, 3)])
def test_tokens_of_the_wrong_shape(cls, shape):
    refused(ValueError, f"integer tokens have shape (steps, batch), got {shape}",
            cls(3, 4), torch.zeros(shape, dtype=torch.long))


@every_layer
@pytest.mark.parametrize("shape", [(0, 2), (5, 0), (0, 2, 3), (5, 0, 3)])
def test_nothing_to_read(cls, shape):
    refused(ValueError, f"inputs have at least one step and one example, got shape {shape}",
            cls(3, 4), torch.zeros(shape, dtype=torch.long if len(shape) == 2 else torch.float32))


@every_layer
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.complex64])
def test_numbers_of_another_dtype(cls, dtype):
    refused(TypeError, f"inputs are integer tokens or torch.float32 like the weights, got {dtype}",
            cls(3, 4), torch.zeros(5, 2, 3, dtype=dtype))


@every_layer
@pytest.mark.parametrize("inputs, came", [([[0, 1]], "list"), ("it has", "str"), (None, "NoneType")])
def test_what_is_no_tensor(cls, inputs, came):
    refused(TypeError, f"inputs are a tensor, not {came}", cls(3, 4), inputs)


@every_layer
@pytest.mark.parametrize("token", [3, 99, -1])
def test_a_token_that_the_layer_does_not_know(cls, token):
    tokens = torch.zeros(5, 2, dtype=torch.long)
    tokens[3, 1] = token
    refused(ValueError, f"token ids lie between 0 and 2, got {token}", cls(3, 4), tokens)


@every_layer
@pytest.mark.parametrize("tokens", [False, True])
def test_a_bad_state(cls, tokens):
    layer = cls(3, 4)
    inputs = torch.zeros(5, 2, dtype=torch.long) if tokens else torch.zeros(5, 2, 3)
    names = cls.state_names
    expected = "a state is (H, C), each (2, 4)" if len(names) == 2 else "a state is (H,), each (2, 4)"
    zeros = lambda *shape, **like: tuple(torch.zeros(*shape, **like) for _ in names)        # noqa: E731
    refused(TypeError, f"{expected}, got Tensor", layer, inputs, torch.zeros(2, 4))
    refused(TypeError, f"{expected}, got dict", layer, inputs, {"H": torch.zeros(2, 4)})
    refused(TypeError, f"{expected}, got a tuple of Tensor, NoneType", layer, inputs, (torch.zeros(2, 4), None))
    refused(ValueError, f"{expected}, got 3 tensors", layer, inputs, (torch.zeros(2, 4),) * 3)
    refused(ValueError, f"{expected}, got 0 tensors", layer, inputs, ())
    refused(ValueError, f"{expected}, got H of shape (3, 4)", layer, inputs, zeros(3, 4))
    refused(ValueError, f"{expected}, got H of shape (2, 5)", layer, inputs, zeros(2, 5))
    refused(ValueError, f"{expected}, got H of shape (1, 2, 4)", layer, inputs, zeros(1, 2, 4))
    refused(TypeError, "a state is torch.float32 like the weights, got H of torch.float64",
            layer, inputs, zeros(2, 4, dtype=torch.float64))
    if len(names) == 2:
        refused(ValueError, f"{expected}, got C of shape (1, 4)", layer, inputs, (torch.zeros(2, 4), torch.zeros(1, 4)))
        refused(ValueError, f"{expected}, got 1 tensors", layer, inputs, (torch.zeros(2, 4),))


@every_layer
@pytest.mark.parametrize("size", [0, -3, 2.5, "32", True, None])
def test_sizes(cls, size):
    refused(ValueError, f"num_inputs is a whole number of at least 1, not {size!r}", cls, size, 4)
    refused(ValueError, f"num_hiddens is a whole number of at least 1, not {size!r}", cls, 3, size)


def test_a_stack_speaks_for_the_layer_that_refuses():
    stack = Stacked([LSTM(3, 4), GRU(4, 4)])
    refused(ValueError, "inputs have shape (steps, batch, 3), got (5, 2, 4)", stack, torch.zeros(5, 2, 4))
    state = ((torch.zeros(2, 4), torch.zeros(2, 4)), (torch.zeros(1, 4),))
    refused(ValueError, "a state is (H,), each (2, 4), got H of shape (1, 4)", stack, torch.zeros(5, 2, 3), state)
