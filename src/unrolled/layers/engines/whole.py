"""What torch.nn.LSTM computes (layers, directions, texts of several lengths), each layer and direction by one engine."""
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.layers.engines.choice import choose, engine

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def compute(name: str, module: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, Tensor] | None, lengths: Tensor | None = None):
    """``module(inputs, state)`` by the engine of that name.

    Args:
        inputs: (steps, batch, inputs) numbers, or (steps, batch) tokens.
        state: (layers * directions, batch, hidden) each, or None for zeros.
        lengths: (batch,) the steps of each example. What follows them is padding: outputs there are 0, the last state
            is that of the end, and the other direction begins at the end.
    """
    name = choose(name, module.weight_hh_l0)
    if name == "vendor":
        return _vendor(module, inputs, state, lengths)
    sequence, batch = engine(name).sequence, inputs.shape[1]
    directions = ("", "_reverse") if module.bidirectional else ("",)
    if state is None:
        zeros = module.weight_hh_l0.new_zeros(module.num_layers * len(directions), batch, module.hidden_size)
        state = zeros, zeros
    texts, last = Texts(len(inputs), lengths), []
    for layer in range(module.num_layers):
        outputs = []
        for direction in directions:
            W_x, W_h, b_x, b_h = (getattr(module, f"{name}_l{layer}{direction}") for name in NAMES)
            H, C = (values[len(last)] for values in state)
            here = texts.reverse(inputs) if direction else inputs
            result, H, C = sequence(texts.held(here, W_x, b_x + b_h), H, C, W_h)
            if lengths is not None:
                result = result.masked_fill(texts.over[..., None], 0)
                H = result[lengths - 1, torch.arange(batch, device=lengths.device)]
            outputs.append(texts.reverse(result) if direction else result)
            last.append((H, C))
        inputs = torch.cat(outputs, dim=-1) if module.bidirectional else outputs[0]
    H, C = (torch.stack(values) for values in zip(*last))
    return inputs, (H, C)


class OpenLSTM(nn.RNNBase):
    """torch.nn.LSTM under another name: torch.compile looks into no module of that one, not even for its weights."""

    def __init__(self, *sizes, **options):
        super().__init__("LSTM", *sizes, **options)

    forward, check_forward_args = nn.LSTM.forward, nn.LSTM.check_forward_args
    get_expected_cell_size, permute_hidden = nn.LSTM.get_expected_cell_size, nn.LSTM.permute_hidden


class Texts:
    """Where each example of a batch ends.

    Attributes:
        over: (steps, batch) whether the example has ended before this step; None where all are as long as the batch.
    """

    def __init__(self, steps: int, lengths: Tensor | None):
        self.over = None
        if lengths is not None:
            steps = torch.arange(steps, device=lengths.device)[:, None]
            self.over = steps >= lengths                                    # (steps, batch)
            self.order = torch.where(self.over, steps, lengths - 1 - steps)

    def reverse(self, values: Tensor) -> Tensor:
        """Each example backwards, its padding left where it is. Its own inverse."""
        if self.over is None:
            return values.flip(0)
        order = self.order if values.ndim == 2 else self.order[..., None].expand_as(values)
        return values.gather(0, order)

    def held(self, inputs: Tensor, W_x: Tensor, bias: Tensor):
        """What the inputs add to the gates' sums, as an engine wants it; in the padding, what holds C as it is:
        the input gate shut and the forget gate open, whatever H adds to them."""
        hold = None
        if self.over is not None:
            shut, hidden = torch.full_like(bias, -math.inf), len(bias) // 4
            hold = torch.cat([shut[:hidden], -shut[:hidden], torch.zeros_like(shut[:hidden]), shut[:hidden]])
        if inputs.is_floating_point():
            x = functional.linear(inputs, W_x, bias)                        # (steps, batch, 4 hidden)
            return x if hold is None else torch.where(self.over[..., None], hold.to(x.dtype), x)
        table = W_x.T + bias                                                # (num_tokens, 4 hidden)
        if hold is None:
            return inputs, table
        return torch.where(self.over, len(table), inputs), torch.cat([table, hold[None]])


def _vendor(module, inputs, state, lengths):
    if not inputs.is_floating_point():                                      # torch.nn wants the one-hot vectors
        inputs = functional.one_hot(inputs, module.input_size).to(module.weight_ih_l0.dtype)    # (steps, batch, inputs)
    if lengths is None:
        return module(inputs, state)
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths.cpu(), enforce_sorted=False)
    outputs, state = module(packed, state)
    return nn.utils.rnn.pad_packed_sequence(outputs, total_length=len(inputs))[0], state
