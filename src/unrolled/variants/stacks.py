"""The memory cell's line turned from time into depth: residual and highway layers, beside one that has neither.

All are called like a recurrent layer, so that they go into ``layers.Stacked`` with the others. Those that look at
each step alone have the empty state ``()``.
"""
import torch
from torch import Tensor, nn

from unrolled.equations import times
from unrolled.layers.checks import check_inputs
from unrolled.layers.scratch import _Scratch


def _numbers(inputs: Tensor, what: str) -> None:
    if isinstance(inputs, Tensor) and not inputs.is_floating_point():
        raise TypeError(f"{what} carries its inputs on, so they are numbers, not {inputs.dtype} tokens: put a layer below it")


class Dense(_Scratch):
    """``tanh(X W_xh + b_h)``, at each step alone: a layer without a line.

    Args: as for ``LSTMScratch``, without the forget bias.
    """

    names, kind, state_names = ("W_xh", "b_h"), "dense", ()

    def forward(self, inputs: Tensor, state: tuple[()] | None = None):
        inputs, state = self.check(inputs, state)
        return torch.tanh(times(inputs, self.W_xh) + self.b_h), state       # (steps, batch, hidden)


class Highway(_Scratch):
    """A highway layer (Srivastava et al. 2015, eq. 3): coupled gates along the depth, with the inputs as the cell::

        T = sigmoid(X W_xt + b_t)
        Y = T * tanh(X W_xh + b_h) + (1 - T) * X

    Args:
        width: of inputs and outputs.
        gate_bias: first value of ``b_t``; below 0, so that the layer begins by carrying (section 2.2 there).
        sigma, dtype, device: as for ``LSTMScratch``.
    """

    names, kind, state_names = ("W_xh", "b_h", "W_xt", "b_t"), "highway", ()

    def __init__(self, width, *, gate_bias=-1.0, sigma=0.01, dtype=None, device=None):
        super().__init__(width, width, sigma=sigma, dtype=dtype, device=device)
        nn.init.constant_(self.b_t, gate_bias)

    def forward(self, inputs: Tensor, state: tuple[()] | None = None):
        _numbers(inputs, "a highway layer")
        inputs, state = self.check(inputs, state)
        new = torch.tanh(inputs @ self.W_xh + self.b_h)                     # (steps, batch, width)
        T = torch.sigmoid(inputs @ self.W_xt + self.b_t)                    # (steps, batch, width)
        return T * new + (1 - T) * inputs, state


class Residual(nn.Module):
    """Any layer, and its inputs added to its outputs (He et al. 2016, eq. 1; over LSTM layers: Wu et al. 2016).

    Args:
        layer: with as many inputs as hidden units.
        norm: whether the layer sees its inputs normalised (Ba et al. 2016), as in today's residual networks.

    The state is the layer's.

    Raises:
        ValueError: a layer whose inputs and outputs differ in width.
    """

    kind = "residual"

    def __init__(self, layer: nn.Module, *, norm: bool = False):
        super().__init__()
        if layer.num_inputs != layer.num_hiddens:
            raise ValueError(f"a residual layer adds its inputs to its outputs, but {layer.num_inputs} inputs "
                             f"cannot be added to {layer.num_hiddens} outputs")
        like = next(layer.parameters())
        self.layer, self.state_names = layer, layer.state_names
        self.num_inputs = self.num_hiddens = layer.num_hiddens
        self.norm = nn.LayerNorm(layer.num_inputs, dtype=like.dtype, device=like.device) if norm else nn.Identity()

    def forward(self, inputs: Tensor, state=None):
        _numbers(inputs, "a residual layer")
        check_inputs(inputs, self.num_inputs, next(self.parameters()).dtype)
        outputs, state = self.layer(self.norm(inputs), state)
        return inputs + outputs, state                                      # (steps, batch, hidden)
