"""RNN, GRU and LSTM from torch.nn, called like ours and speaking of parameters by our names."""
import torch
from torch import Tensor, nn

from unrolled.equations import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS
from unrolled.layers.checks import check_inputs, check_sizes, check_state


class _Concise(nn.Module):
    """A torch.nn layer behind the call ``outputs, state = layer(inputs, state=None)``."""

    names: tuple[str, ...]
    kind: str
    torch_class: type[nn.RNNBase]
    state_names = ("H",)

    def __init__(self, num_inputs, num_hiddens, *, dtype=None, device=None):
        super().__init__()
        check_sizes(num_inputs, num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        self.rnn = self.torch_class(num_inputs, num_hiddens, dtype=dtype, device=device)

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...] | None = None):
        weight = self.rnn.weight_ih_l0                                  # (gates * hidden, inputs)
        inputs = check_inputs(inputs, self.num_inputs, weight.dtype)
        if not inputs.is_floating_point():                              # torch.nn wants the one-hot vectors
            inputs = nn.functional.one_hot(inputs, self.num_inputs)     # (steps, batch, inputs)
            inputs = inputs.to(weight.dtype)
        if state is not None:
            check_state(state, self.state_names, inputs.shape[1], self.num_hiddens, weight.dtype)
            state = tuple(s[None] for s in state)                       # (1, batch, hidden): one layer
        outputs, state = self.run(inputs, state)                        # (steps, batch, hidden)
        # Under autocast torch.nn may answer in 16 bits; what comes out can always go in again.
        return outputs.to(weight.dtype), tuple(s[0].to(weight.dtype) for s in state)

    def run(self, inputs, state):
        outputs, H = self.rnn(inputs, None if state is None else state[0])
        return outputs, (H,)


class LSTM(_Concise):
    """torch.nn.LSTM, one layer.

    Args:
        num_inputs, num_hiddens: d and h.
        forget_bias: first value of the forget gate's bias, the sum of torch's two;
            ``None`` keeps PyTorch's own uniform draw.
        dtype, device: of the parameters, as in torch.
    """

    names, kind, torch_class = LSTM_PARAMETERS, "lstm", nn.LSTM
    state_names = ("H", "C")

    def __init__(self, num_inputs, num_hiddens, *, forget_bias=None,
                 dtype=None, device=None):
        super().__init__(num_inputs, num_hiddens, dtype=dtype, device=device)
        if forget_bias is not None:
            forget = slice(num_hiddens, 2 * num_hiddens)         # torch's order: i, f, c, o
            with torch.no_grad():
                self.rnn.bias_ih_l0[forget] = forget_bias
                self.rnn.bias_hh_l0[forget] = 0

    def run(self, inputs, state):
        return self.rnn(inputs, state)


class GRU(_Concise):
    """torch.nn.GRU, one layer. Args: num_inputs, num_hiddens; dtype, device as in torch."""

    names, kind, torch_class = GRU_PARAMETERS, "gru", nn.GRU


class RNN(_Concise):
    """torch.nn.RNN with tanh, one layer. Args: num_inputs, num_hiddens; dtype, device as in torch."""

    names, kind, torch_class = RNN_PARAMETERS, "rnn", nn.RNN
