"""What predictions are worth: the surprise of a text, two predictors as one, calibration, repetition."""
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.models import LanguageModel, evaluating

BLOCK = 4096                    # steps at a time: the logits of a whole book would not fit everywhere


def predictions(model: LanguageModel, tokens: Tensor) -> Tensor:
    """What the model expects at each token but the first, as log probabilities in nats, on the CPU.

    The text is read as one stream: from its first token to its last, and the state is never reset.

    Args:
        tokens: (steps,) integers, at least two.

    Returns:
        (steps - 1, tokens)
    """
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"a text to predict is one row of two tokens or more, got shape {tuple(tokens.shape)}")
    parts, state = [], None
    with evaluating(model):
        for inputs in tokens[:-1, None].to(model.device).split(BLOCK):              # (steps, 1)
            logits, state = model(inputs, state)                                    # (steps, 1, tokens)
            parts.append(logits[:, 0].cpu().double().log_softmax(-1))               # Apple's GPUs know no double
    return torch.cat(parts)


def surprise(model: LanguageModel, tokens: Tensor) -> Tensor:
    """Bits of each token but the first, read as one stream: (steps - 1,). Their mean is the bits per token."""
    expected = predictions(model, tokens)
    return -expected.gather(1, tokens[1:, None].cpu().long())[:, 0] / math.log(2)


def mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Bits of each token where ``share`` of the probability comes from one predictor and the rest from the other.

    Args:
        one, other: (tokens,) bits of the same tokens by each.
    """
    if one.shape != other.shape:
        raise ValueError(f"both predictors have bits of the same tokens, got shapes {tuple(one.shape)} and {tuple(other.shape)}")
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, got {share!r}")
    return -(share * torch.exp2(-one) + (1 - share) * torch.exp2(-other)).log2()


def best_share(one: Tensor, other: Tensor, grid: int = 100) -> float:
    """The share of ``one`` with which both together need the fewest bits, in steps of 1 / grid: chosen on a validation text."""
    return min((k / grid for k in range(grid + 1)), key=lambda share: mixed(one, other, share).mean().item())


class Reliability(NamedTuple):
    """Stated against true, each (bins,); a bin with no prediction in it is nan.

    Attributes:
        stated: the mean probability of the predictions in the bin.
        true: which part of them came true.
        number: how many they are.
        error: the expected calibration error, the mean difference of stated and true over all predictions, without its sign.
    """

    stated: Tensor
    true: Tensor
    number: Tensor
    error: float


def reliability(probabilities: Tensor, targets: Tensor, bins: int = 10) -> Reliability:
    """Whether a likeliest token that is given the probability p comes in the share p of all cases (Guo et al. 2017).

    Args:
        probabilities: (predictions, tokens).
        targets: (predictions,) what came.
        bins: of equal width between 0 and 1.
    """
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1] or not len(targets):
        raise ValueError("probabilities are (predictions, tokens) and targets (predictions,), got shapes "
                         f"{tuple(probabilities.shape)} and {tuple(targets.shape)}")
    p, guess = probabilities.double().max(1)                            # (predictions,) each
    place = (p * bins).long().clamp(max=bins - 1)
    number = torch.bincount(place, minlength=bins)
    stated = torch.bincount(place, p, minlength=bins) / number
    true = torch.bincount(place, (guess == targets).double(), minlength=bins) / number
    error = ((stated - true).abs().nan_to_num() * number).sum() / number.sum()
    return Reliability(stated, true, number, error.item())


def repetition(tokens: Sequence, n: int) -> float:
    """Which part of a text's n-grams has stood in it before: 0 where each is new, near 1 where it goes in circles."""
    if len(tokens) < n or n < 1:
        raise ValueError(f"a text of {len(tokens)} tokens has no {n}-grams")
    grams = Counter(tuple(tokens[k:k + n]) for k in range(len(tokens) - n + 1))
    return 1 - len(grams) / grams.total()
