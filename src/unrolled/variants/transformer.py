"""A small Transformer with the call of a recurrent layer: what it carries from call to call are its last keys and values."""
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from unrolled.equations import times
from unrolled.layers.checks import check_inputs, check_sizes
from unrolled.variants.checks import check_parts


class _Block(nn.Module):
    """Attention and two dense layers, each on normalised inputs and added to them."""

    def __init__(self, width: int, num_heads: int, feedforward: int, **kind):
        super().__init__()
        self.num_heads = num_heads
        self.norm_attention, self.norm_dense = nn.LayerNorm(width, **kind), nn.LayerNorm(width, **kind)
        self.queries_keys_values, self.mix = nn.Linear(width, 3 * width, **kind), nn.Linear(width, width, **kind)
        self.widen, self.narrow = nn.Linear(width, feedforward, **kind), nn.Linear(feedforward, width, **kind)

    def forward(self, X: Tensor, bias: Tensor, past) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """X (steps, batch, width), bias (heads, steps, past + steps), past K and V (batch, heads, past, d) each."""
        three = self.queries_keys_values(self.norm_attention(X)).chunk(3, dim=2)
        Q, K, V = (x.unflatten(2, (self.num_heads, -1)).permute(1, 2, 0, 3) for x in three)     # (batch, heads, steps, d)
        K, V = torch.cat([past[0], K], dim=2), torch.cat([past[1], V], dim=2)                   # (batch, heads, past + steps, d)
        Y = scaled_dot_product_attention(Q, K, V, attn_mask=bias)                               # (batch, heads, steps, d)
        X = X + self.mix(Y.permute(2, 0, 1, 3).flatten(2))                                      # (steps, batch, width)
        return X + self.narrow(relu(self.widen(self.norm_dense(X)))), (K, V)


class Transformer(nn.Module):
    """A causal Transformer (Vaswani et al. 2017, eqs. 1 and 2) that normalises first (Xiong et al. 2020, section 3).

    Each step attends to itself and to the ``context - 1`` before it. Where a step stands is told by a learned number for
    each head and each distance, added to the scores and shared by all blocks (Raffel et al. 2020, section 2.1). So
    the layer can go on for ever, like a recurrent one: its state are the keys and values of the last ``context - 1`` steps
    (Dai et al. 2019, section 3.2, keep the hidden states), for each block a pair (K, V), (batch, heads, steps so far, d).

    Args:
        num_inputs, num_hiddens: d, or the number of tokens, and the width of every block.
        num_blocks, num_heads: the heads divide num_hiddens.
        context: how many steps a step can see, itself included.
        feedforward: width between the two dense layers; four times num_hiddens unless told.
        dtype, device: of the parameters, as in torch.

    Raises:
        ValueError: sizes that do not fit.
    """

    kind = "transformer"

    def __init__(self, num_inputs, num_hiddens, *, num_blocks=2, num_heads=4, context=64, feedforward=None,
                 dtype=None, device=None):
        super().__init__()
        check_sizes(num_inputs, num_hiddens)
        if num_heads < 1 or num_hiddens % num_heads:
            raise ValueError(f"{num_hiddens} hidden units cannot be shared out among {num_heads} heads")
        if context < 1 or num_blocks < 1:
            raise ValueError(f"a Transformer has at least one block and sees at least one step, not {num_blocks} and {context}")
        kind = {"dtype": dtype, "device": device}
        self.num_inputs, self.num_hiddens, self.num_heads, self.context = num_inputs, num_hiddens, num_heads, context
        self.state_names = (("K", "V"),) * num_blocks
        self.embedding = nn.Parameter(torch.randn(num_inputs, num_hiddens, **kind) / math.sqrt(num_hiddens))
        self.distances = nn.Parameter(torch.zeros(num_heads, context, **kind))
        self.blocks = nn.ModuleList(_Block(num_hiddens, num_heads, feedforward or 4 * num_hiddens, **kind)
                                    for _ in range(num_blocks))
        self.norm = nn.LayerNorm(num_hiddens, **kind)

    def check_memory(self, state, batch: int) -> tuple:
        """The keys and values of each block, or none in their place; or raise as ``check_parts`` does."""
        heads, d, blocks = self.num_heads, self.num_hiddens // self.num_heads, len(self.blocks)
        if state is None:
            return ((self.embedding.new_zeros(batch, heads, 0, d),) * 2,) * blocks
        expected = (f"a state is a pair (K, V) for each of {blocks} blocks, "
                    f"each ({batch}, {heads}, at most {self.context - 1}, {d})")
        if not isinstance(state, (tuple, list)) or len(state) != blocks:
            came = f"{len(state)} of them" if isinstance(state, (tuple, list)) else type(state).__name__
            raise ValueError(f"{expected}, got {came}")
        past = min([self.context - 1, *(value.shape[2] for value in state[0] if isinstance(value, Tensor) and value.ndim == 4)])
        for pair in state:
            check_parts(pair, expected, ((batch, heads, past, d),) * 2, self.embedding.dtype)
        return tuple(state)

    def bias(self, steps: int, past: int) -> Tensor:
        """What is added to the scores, (heads, steps, past + steps): by distance, -infinity for what cannot be seen."""
        here = torch.arange(past, past + steps, device=self.distances.device)
        distance = here[:, None] - torch.arange(past + steps, device=here.device)                   # (steps, past + steps)
        hidden = (distance < 0) | (distance >= self.context)
        return self.distances[:, distance.clamp(0, self.context - 1)].masked_fill(hidden, -math.inf)

    def forward(self, inputs: Tensor, state=None):
        inputs = check_inputs(inputs, self.num_inputs, self.embedding.dtype)
        state = self.check_memory(state, inputs.shape[1])
        bias = self.bias(len(inputs), state[0][0].shape[2])
        X, states = times(inputs, self.embedding), []                                               # (steps, batch, hidden)
        for block, past in zip(self.blocks, state):
            X, (K, V) = block(X, bias, past)
            kept = max(0, K.shape[2] - self.context + 1)
            states.append((K[:, :, kept:], V[:, :, kept:]))
        return self.norm(X), tuple(states)
