"""What torch.nn.LSTM computes (layers, directions, texts of several lengths), each layer and direction by one engine."""
import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.layers.engines.choice import choose, engine
from unrolled.layers.engines.segments import in_segments

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def compute(name: str, module: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, Tensor] | None, lengths: Tensor | None = None,
            segment: int | None = None):
    """``module(inputs, state)`` by the engine of that name.

    Args:
        inputs: (steps, batch, inputs) numbers, or (steps, batch) tokens.
        state: (layers * directions, batch, hidden) each, or None for zeros.
        lengths: (batch,) the steps of each example. What follows them is padding: outputs there are 0, the last state
            is that of the end, and the other direction begins at the end.
        segment: after how many steps the states are kept, what lies between being computed again on the way back;
            None keeps all.
    """
    name = choose(name, module.weight_hh_l0, inputs.shape[1])
    if name == "vendor" and segment is None:
        return _vendor(module, inputs, state, lengths)
    batch = inputs.shape[1]
    directions = ("", "_reverse") if module.bidirectional else ("",)
    if state is None:
        zeros = module.weight_hh_l0.new_zeros(module.num_layers * len(directions), batch, module.hidden_size)
        state = zeros, zeros
    texts, last = Texts(len(inputs), lengths), []
    for layer in range(module.num_layers):
        outputs = []
        for direction in directions:
            weights = [getattr(module, f"{each}_l{layer}{direction}") for each in NAMES]
            work, weights = (_by_torch, weights) if name == "vendor" else _by_engine(name, inputs, texts, *weights)
            work = work if segment is None else functools.partial(in_segments, work, segment)
            here = texts.reverse(inputs) if direction else inputs
            result, H, C = work(here, texts.over, *(values[len(last)] for values in state), *weights)
            if lengths is not None:
                H = result[lengths - 1, torch.arange(batch, device=lengths.device)]
            outputs.append(texts.reverse(result) if direction else result)
            last.append((H, C))
        inputs = torch.cat(outputs, dim=-1) if module.bidirectional else outputs[0]
    H, C = (torch.stack(values) for values in zip(*last))
    return inputs, (H, C)


def _by_engine(name: str, inputs: Tensor, texts: "Texts", W_x: Tensor, W_h: Tensor, b_x: Tensor, b_h: Tensor):
    """``outputs, H, C = work(inputs, over, H, C, *weights)`` by a module, and the weights. In the padding, what the inputs add
    is what holds C as it is: the input gate shut and the forget gate open, whatever H adds to them."""
    sequence, bias = engine(name).sequence, b_x + b_h
    if texts.over is not None:
        shut, hidden = torch.full_like(bias, -math.inf), len(bias) // 4
        hold = torch.cat([shut[:hidden], -shut[:hidden], torch.zeros_like(shut[:hidden]), shut[:hidden]])

    def numbers(inputs, over, H, C, W_x, bias, W_h):
        x = functional.linear(inputs, W_x, bias)                            # (steps, batch, 4 hidden)
        return finish(x if over is None else torch.where(over[..., None], hold.to(x.dtype), x), over, H, C, W_h)

    def tokens(inputs, over, H, C, table, W_h):
        return finish((inputs if over is None else torch.where(over, len(table) - 1, inputs), table), over, H, C, W_h)

    def finish(x, over, H, C, W_h):
        outputs, H, C = sequence(x, H, C, W_h)
        return outputs if over is None else outputs.masked_fill(over[..., None], 0), H, C

    if inputs.is_floating_point():
        return numbers, (W_x, bias, W_h)
    table = W_x.T + bias                                                    # (num_tokens, 4 hidden)
    return tokens, (table if texts.over is None else torch.cat([table, hold[None]]), W_h)


def _by_torch(inputs: Tensor, over: Tensor | None, H: Tensor, C: Tensor, *weights: Tensor):
    """The same by the function behind torch.nn.LSTM, which leaves the padding out."""
    inputs, how = _numbers(inputs, weights[0]), (weights, True, 1, 0.0, True, False)    # with biases, a layer, no dropout
    if over is None:
        outputs, H, C = torch.lstm(inputs, (H[None], C[None]), *how, False)
        return outputs, H[0], C[0]
    left = (~over).sum(0)                                                   # (batch,) steps until the end
    packed = pack_padded_sequence(inputs, left.clamp(min=1).cpu(), enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    values, *ends = torch.lstm(packed.data, packed.batch_sizes, (H[order][None], C[order][None]), *how)
    outputs, _ = pad_packed_sequence(packed._replace(data=values), total_length=len(inputs))
    H, C = (torch.where(left[:, None] > 0, end[0, back], start) for end, start in zip(ends, (H, C)))
    return outputs.masked_fill(over[..., None], 0), H, C


def _numbers(inputs: Tensor, W_x: Tensor) -> Tensor:
    """(steps, batch, inputs): torch's layer wants tokens as one-hot vectors."""
    return inputs if inputs.is_floating_point() else functional.one_hot(inputs, W_x.shape[1]).to(W_x.dtype)


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


def _vendor(module, inputs, state, lengths):
    inputs = _numbers(inputs, module.weight_ih_l0)
    if lengths is None:
        return module(inputs, state)
    packed = pack_padded_sequence(inputs, lengths.cpu(), enforce_sorted=False)
    outputs, state = module(packed, state)
    return pad_packed_sequence(outputs, total_length=len(inputs))[0], state
