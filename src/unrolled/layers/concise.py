"""RNN, GRU and LSTM from torch.nn, called like ours and speaking of parameters by our names."""
import math

import torch
from torch import Tensor, nn

from unrolled.equations import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS
from unrolled.layers import engines
from unrolled.layers.checks import check_inputs, check_lengths, check_sizes, check_state, check_states


class _Concise(nn.Module):
    """A torch.nn layer behind the call ``outputs, state = layer(inputs, state=None)``."""

    names: tuple[str, ...]
    kind: str
    torch_class: type[nn.RNNBase]
    state_names = ("H",)

    def __init__(self, num_inputs, num_hiddens, *, torch_class=None, **options):
        super().__init__()
        check_sizes(num_inputs, num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        self.rnn = (torch_class or self.torch_class)(num_inputs, num_hiddens, **options)

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...] | None = None):
        weight = self.rnn.weight_ih_l0                                  # (gates * hidden, inputs)
        inputs = check_inputs(inputs, self.num_inputs, weight.dtype)
        if not inputs.is_floating_point():                              # torch.nn wants the one-hot vectors
            inputs = nn.functional.one_hot(inputs, self.num_inputs)     # (steps, batch, inputs)
            inputs = inputs.to(weight.dtype)
        if state is not None:
            check_state(state, self.state_names, inputs.shape[1], self.num_hiddens, weight.dtype)
            state = state[0][None]                                      # (1, batch, hidden): one layer
        outputs, H = self.rnn(inputs, state)                            # (steps, batch, hidden)
        # Under autocast torch.nn may answer in 16 bits; what comes out can always go in again.
        return outputs.to(weight.dtype), (H[0].to(weight.dtype),)


class LSTM(_Concise):
    """torch.nn.LSTM, computed by PyTorch itself or by another engine.

    Args:
        num_inputs, num_hiddens: d and h.
        num_layers, bidirectional: as in torch.nn.LSTM; two directions give outputs (steps, batch, 2 h).
        forget_bias: first value of the forget gate's bias, the sum of torch's two;
            ``None`` keeps PyTorch's own uniform draw.
        engine: one of ``unrolled.layers.engines``; the parameters are the same for all.
        segment: ``None`` keeps the gates and states of all steps for the way back. A number keeps the states after every
            so many steps, and computes the gates between them again: little more memory than the inputs and outputs
            themselves, and the time of another way forward (Chen et al. 2016, "Training deep nets with sublinear memory
            cost"; Gruslys et al. 2016, "Memory-efficient backpropagation through time"). "auto" takes the square root
            of the steps, as the first of them does. Outputs and gradients are the same, but for rounding.
        dtype, device: of the parameters, as in torch.

    The state is (H, C), or a tuple of these in PyTorch's order: layer by layer, forward before backward.
    """

    names, kind, torch_class = LSTM_PARAMETERS, "lstm", nn.LSTM
    state_names = ("H", "C")

    def __init__(self, num_inputs, num_hiddens, *, num_layers=1, bidirectional=False, forget_bias=None,
                 engine="vendor", segment=None, dtype=None, device=None):
        if segment not in (None, "auto") and (type(segment) is not int or segment < 1):
            raise ValueError(f'segment is None, "auto" or a number of steps, at least 1; got {segment!r}')
        super().__init__(num_inputs, num_hiddens, num_layers=num_layers, bidirectional=bidirectional,
                         torch_class=nn.LSTM if engine == "vendor" else engines.OpenLSTM, dtype=dtype, device=device)
        engines.choose(engine, self.rnn.weight_hh_l0)            # built now, not in the first step; or an error
        self.engine, self.segment = engine, segment
        self.bidirectional, self.states = bidirectional, num_layers * (1 + bidirectional)
        if self.states > 1:
            self.state_names = (LSTM.state_names,) * self.states
        if forget_bias is not None:
            forget = slice(num_hiddens, 2 * num_hiddens)         # torch's order: i, f, c, o
            with torch.no_grad():
                for name, value in self.rnn.named_parameters():
                    if name.startswith("bias"):
                        value[forget] = forget_bias if name.startswith("bias_ih") else 0

    def forward(self, inputs: Tensor, state=None, lengths: Tensor | None = None):
        """lengths (batch,): where each example ends; outputs after it are 0, the last state is that of its end."""
        dtype = self.rnn.weight_ih_l0.dtype
        inputs = check_inputs(inputs, self.num_inputs, dtype)
        if lengths is not None:
            lengths = check_lengths(lengths, *inputs.shape[:2]).to(inputs.device)
        if state is not None:
            states = check_states(state, self.state_names, inputs.shape[1], self.num_hiddens, dtype)
            state = tuple(torch.stack(values) for values in zip(*states))   # (layers, batch, hidden) each
        segment = math.isqrt(len(inputs) - 1) + 1 if self.segment == "auto" else self.segment
        outputs, state = engines.compute(self.engine, self.rnn, inputs, state, lengths, segment)
        # Under autocast torch.nn may answer in 16 bits; what comes out can always go in again.
        states = tuple(zip(*(values.to(dtype).unbind() for values in state)))
        return outputs.to(dtype), states if self.states > 1 else states[0]


class GRU(_Concise):
    """torch.nn.GRU, one layer. Args: num_inputs, num_hiddens; dtype, device as in torch."""

    names, kind, torch_class = GRU_PARAMETERS, "gru", nn.GRU


class RNN(_Concise):
    """torch.nn.RNN with tanh, one layer. Args: num_inputs, num_hiddens; dtype, device as in torch."""

    names, kind, torch_class = RNN_PARAMETERS, "rnn", nn.RNN
