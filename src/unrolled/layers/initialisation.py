"""First values for a layer that has to remember: how long the gates keep, and what the recurrent weights do to a length."""
import math

import torch
from torch import nn

from unrolled.layers.parameters import load_weights, named_weights


def chrono(layer: nn.Module, longest: float) -> nn.Module:
    """Start the gates of an LSTM for memories of up to ``longest`` steps, in place; returns the layer.

    A unit whose forget gate stands at f keeps for about 1 / (1 - f) steps. Each unit is given a span of its own, uniform
    between 1 and ``longest - 1``: ``b_f = log u``. Its input gate writes as slowly: ``b_i = -b_f``.

    The spans are drawn by torch's global generator.

    Source: Tallec & Ollivier 2018, the chrono initialisation.

    Raises:
        TypeError: a layer without a forget gate, or several layers at once.
        ValueError: a longest span that is not a number above 2.
    """
    if getattr(layer, "kind", None) != "lstm":
        raise TypeError(f"only an LSTM has forget gates, got {type(layer).__name__}")
    if isinstance(longest, bool) or not isinstance(longest, (int, float)) or not 2 < longest < math.inf:
        raise ValueError(f"the longest span is a number of steps above 2, not {longest!r}")
    weights = named_weights(layer)
    spans = torch.empty(layer.num_hiddens).uniform_(1, longest - 1)           # (hidden,)
    weights["b_f"].copy_(spans.log())
    weights["b_i"].copy_(-spans.log())
    return load_weights(layer, weights)


def orthogonal(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """Make each recurrent weight matrix ``gain`` times a random orthogonal one, in place; returns the layer.

    Such a matrix turns a vector and changes its length by the gain alone (Saxe et al. 2014).

    Raises:
        TypeError: no single layer of ours.
    """
    weights = named_weights(layer)
    for name, value in weights.items():
        if name.startswith("W_h"):
            nn.init.orthogonal_(value, gain)                                  # (hidden, hidden)
    return load_weights(layer, weights)
