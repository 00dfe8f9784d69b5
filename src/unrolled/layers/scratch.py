"""RNN, GRU and LSTM from scratch: nothing but tensors, one loop over the steps.

All three are called alike, ``outputs, state = layer(inputs, state=None)``:

    inputs   (steps, batch, num_inputs) floating, or (steps, batch) integer tokens (one-hot as look-up)
    outputs  (steps, batch, num_hiddens), the hidden state of every step
    state    (H, C) for the LSTM, (H,) for the others, each (batch, num_hiddens); None stands for zeros
"""
import torch
from torch import Tensor, nn

from unrolled.equations import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, parameter_shapes, times
from unrolled.layers.checks import check_inputs, check_sizes, check_state


class _Scratch(nn.Module):
    """What the three share: named parameters, their first values, checks, the zero state."""

    names: tuple[str, ...]
    kind: str
    state_names = ("H",)

    def __init__(self, num_inputs, num_hiddens, *, sigma=0.01, dtype=None, device=None):
        super().__init__()
        check_sizes(num_inputs, num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        for name, shape in parameter_shapes(self.names, num_inputs, num_hiddens).items():
            value = torch.zeros(shape, dtype=dtype, device=device)
            if name.startswith("W"):
                value.normal_(std=sigma)
            self.register_parameter(name, nn.Parameter(value))

    def check(self, inputs, state):
        """The inputs, and the state or zeros in its place."""
        weight = getattr(self, self.names[0])
        inputs = check_inputs(inputs, self.num_inputs, weight.dtype)
        if state is None:
            zeros = torch.zeros(inputs.shape[1], self.num_hiddens, dtype=weight.dtype, device=weight.device)
            state = (zeros,) * len(self.state_names)
        check_state(state, self.state_names, inputs.shape[1], self.num_hiddens, weight.dtype)
        return inputs, tuple(state)

    def side_by_side(self, *names):
        """The named parameters in one tensor, joined along their last axis."""
        return torch.cat([getattr(self, name) for name in names], dim=-1)

    def extra_repr(self):
        return f"{self.num_inputs}, {self.num_hiddens}"


class LSTMScratch(_Scratch):
    """The LSTM layer (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    Args:
        num_inputs: d, the width of an input, or the number of tokens.
        num_hiddens: h, the number of memory cells.
        forget_bias: first value of every entry of ``b_f`` (Gers et al. 2000; Jozefowicz et al. 2015).
        sigma: standard deviation of the Gaussian weights; the other biases are 0.
        dtype, device: of the parameters, as in torch.
    """

    names, kind, state_names = LSTM_PARAMETERS, "lstm", ("H", "C")

    def __init__(self, num_inputs, num_hiddens, *, forget_bias=0.0, sigma=0.01,
                 dtype=None, device=None):
        super().__init__(num_inputs, num_hiddens, sigma=sigma, dtype=dtype, device=device)
        nn.init.constant_(self.b_f, forget_bias)

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None):
        inputs, (H, C) = self.check(inputs, state)               # H, C (batch, hidden)
        # Side by side, the four weights need one product, not four.
        W_x = self.side_by_side("W_xi", "W_xf", "W_xo", "W_xc")  # (inputs, 4 hidden)
        W_h = self.side_by_side("W_hi", "W_hf", "W_ho", "W_hc")  # (hidden, 4 hidden)
        b = self.side_by_side("b_i", "b_f", "b_o", "b_c")        # (4 hidden,)
        # No input waits for a state: their product leaves the loop.
        from_inputs = times(inputs, W_x) + b                     # (steps, batch, 4 hidden)
        outputs = []
        for from_input in from_inputs.unbind():                  # (batch, 4 hidden)
            i, f, o, c = (from_input + H @ W_h).chunk(4, dim=1)  # (batch, hidden) each
            I, F, O = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o)
            C_tilde = torch.tanh(c)                              # (batch, hidden)
            C = F * C + I * C_tilde                              # (batch, hidden)
            H = O * torch.tanh(C)                                # (batch, hidden)
            outputs.append(H)
        return torch.stack(outputs), (H, C)                      # (steps, batch, hidden)


class GRUScratch(_Scratch):
    """The GRU layer (Cho et al. 2014) as cuDNN and PyTorch compute it: see ``equations.gru_step``.

    Args: as for ``LSTMScratch``, without the forget bias.
    """

    names, kind = GRU_PARAMETERS, "gru"

    def forward(self, inputs: Tensor, state: tuple[Tensor] | None = None):
        inputs, (H,) = self.check(inputs, state)                        # H (batch, hidden)
        W_x = self.side_by_side("W_xr", "W_xz", "W_xh")                 # (inputs, 3 hidden)
        W_h = self.side_by_side("W_hr", "W_hz", "W_hh")                 # (hidden, 3 hidden)
        b_x = self.side_by_side("b_r", "b_z", "b_h")                    # (3 hidden,)
        from_inputs = times(inputs, W_x) + b_x                          # (steps, batch, 3 hidden)
        outputs = []
        for from_input in from_inputs.unbind():                         # (batch, 3 hidden)
            x_r, x_z, x_h = from_input.chunk(3, dim=1)                  # (batch, hidden) each
            h_r, h_z, h_h = (H @ W_h).chunk(3, dim=1)                   # (batch, hidden) each
            R, Z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)   # (batch, hidden) each
            H_tilde = torch.tanh(x_h + R * (h_h + self.b_hh))           # (batch, hidden)
            H = Z * H + (1 - Z) * H_tilde                               # (batch, hidden)
            outputs.append(H)
        return torch.stack(outputs), (H,)                               # (steps, batch, hidden)


class RNNScratch(_Scratch):
    """The plain recurrent layer with tanh (Elman 1990).

    Args: as for ``LSTMScratch``, without the forget bias.
    """

    names, kind = RNN_PARAMETERS, "rnn"

    def forward(self, inputs: Tensor, state: tuple[Tensor] | None = None):
        inputs, (H,) = self.check(inputs, state)                        # H (batch, hidden)
        from_inputs = times(inputs, self.W_xh) + self.b_h               # (steps, batch, hidden)
        outputs = []
        for from_input in from_inputs.unbind():                         # (batch, hidden)
            H = torch.tanh(from_input + H @ self.W_hh)                  # (batch, hidden)
            outputs.append(H)
        return torch.stack(outputs), (H,)                               # (steps, batch, hidden)
