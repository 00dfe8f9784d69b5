"""How far back: sources and models whose memory is known."""
import math

import pytest
import torch

from unrolled.horizon import effect_of_a_token, mutual_information
from unrolled.layers import LSTM
from unrolled.models import LanguageModel


def test_a_coin_tells_nothing_and_a_repeated_text_everything():
    coin = torch.randint(4, (20_000,), generator=torch.Generator().manual_seed(0))
    again = coin[:50].repeat(400)
    assert mutual_information(coin, [1, 2, 7]).abs().max() < 2e-3
    p = torch.bincount(again) / len(again)
    assert mutual_information(again, [50]).item() == pytest.approx(-(p * p.log2()).sum().item(), abs=1e-2)


def test_a_noisy_copy_tells_what_its_channel_lets_through():
    draw = torch.Generator().manual_seed(0)
    source = torch.randint(2, (200_000,), generator=draw)
    pairs = torch.stack([source, source ^ (torch.rand(len(source), generator=draw) < 0.1)], 1).flatten()
    # half of all neighbours are such a pair, the others have nothing to do with each other
    together = 0.5 * 0.9 + 0.5 * 0.5
    expected = 1 + together * math.log2(together) + (1 - together) * math.log2(1 - together)
    assert mutual_information(pairs, [1]).item() == pytest.approx(expected, abs=3e-3)


def test_the_effect_of_a_token_is_the_divergence_of_what_follows():
    torch.manual_seed(0)
    model = LanguageModel(LSTM(6, 5, dtype=torch.float64), 6)
    tokens, others = torch.randint(6, (12, 3)), torch.tensor([1, 2, 3])
    effect = effect_of_a_token(model, tokens, 4, others)
    changed = tokens.clone()
    changed[4] = others
    p, q = (model(text)[0].softmax(-1) for text in (tokens, changed))
    torch.testing.assert_close(effect, (p * (p / q).log2()).sum(-1)[4:])
    assert effect.shape == (8, 3) and not effect_of_a_token(model, tokens, 4, tokens[4]).any()


def test_bad_input():
    model = LanguageModel(LSTM(6, 5), 6)
    with pytest.raises(ValueError, match="of 4 steps with 2 texts one is replaced by as many tokens, got step 4"):
        effect_of_a_token(model, torch.zeros(4, 2, dtype=torch.long), 4, torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="between 1 and 2, got"):
        mutual_information(torch.tensor([1, 2, 3]), [3])
