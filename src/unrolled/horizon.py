"""How far back: what a token of the past still changes, and how much of it there is to know."""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.models import LanguageModel, evaluating


def effect_of_a_token(model: LanguageModel, tokens: Tensor, at: int, others: Tensor) -> Tensor:
    """How much the predictions change, at every later step, when one token of the past is another.

    Both texts go on alike after it, so that what differs is in the state alone. The change is the Kullback-Leibler
    divergence of the predictions, in bits: what it would cost to believe the changed past.

    Args:
        tokens: (steps, batch) integers, texts side by side.
        at: the step whose token is replaced.
        others: (batch,) what stands there instead.

    Returns:
        (steps - at, batch): entry k is of the prediction k tokens later, 0 right after the token itself.
    """
    if not 0 <= at < len(tokens) or others.shape != tokens.shape[1:]:
        raise ValueError(f"of {len(tokens)} steps with {tokens.shape[1]} texts one is replaced by as many tokens, got step {at} "
                         f"and {tuple(others.shape)}")
    changed = tokens.clone()
    changed[at] = others
    with evaluating(model):
        p, q = (model(text.to(model.device))[0][at:].cpu().double().log_softmax(-1) for text in (tokens, changed))
    return (p.exp() * (p - q)).sum(-1).clamp_min(0) / math.log(2)


def mutual_information(tokens: Tensor, distances: Sequence[int]) -> Tensor:
    """Bits that a token tells about the one so many tokens later, each distance by itself: (distances,).

    Counted, and less what a text of this length seems to tell by chance (Miller 1955). No model is asked: this is what
    there is to be remembered, pair by pair, whoever remembers it.
    """
    tokens = tokens.cpu().long()
    if any(not 0 < d < len(tokens) for d in distances):
        raise ValueError(f"distances lie between 1 and {len(tokens) - 1}, got {list(distances)}")
    size, bits = int(tokens.max()) + 1, []
    for d in distances:
        pairs = torch.bincount(tokens[:-d] * size + tokens[d:], minlength=size * size).view(size, size).double()
        p = pairs / pairs.sum()
        rows, columns = p.sum(1, keepdim=True), p.sum(0, keepdim=True)
        seen = p > 0
        chance = ((rows > 0).sum() - 1) * ((columns > 0).sum() - 1) / (2 * pairs.sum() * math.log(2))
        bits.append((p[seen] * (p / (rows * columns))[seen].log2()).sum() - chance)
    return torch.stack(bits)
