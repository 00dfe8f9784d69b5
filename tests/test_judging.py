"""What predictions are worth, against cases whose answer is known."""
import math

import pytest
import torch

from unrolled import judging
from unrolled.judging import best_share, mixed, predictions, reliability, repetition, surprise
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import Streams
from unrolled.training import evaluate


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LanguageModel(LSTM(5, 7), 5, dropout=0.5)


def test_the_stream_is_one_whatever_the_blocks(model, monkeypatch):
    tokens = torch.randint(5, (40,), generator=torch.Generator().manual_seed(1))
    logits = model.eval()(tokens[:-1, None])[0][:, 0].double()
    by_hand = -logits.log_softmax(-1)[range(39), tokens[1:]] / math.log(2)
    monkeypatch.setattr(judging, "BLOCK", 7)
    assert surprise(model.train(), tokens).equal(surprise(model, tokens)) and model.training
    torch.testing.assert_close(surprise(model, tokens), by_hand, rtol=1e-5, atol=1e-6)
    assert predictions(model, tokens).exp().sum(-1).allclose(torch.ones(39, dtype=torch.float64))
    assert evaluate(model, Streams(tokens, 1, 6)) / math.log(2) == pytest.approx(by_hand.mean().item(), rel=1e-5)


def test_two_predictors_as_one():
    one, other = torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0])
    assert mixed(one, other, 1).equal(one) and mixed(one, other, 0).equal(other)
    assert mixed(one, other, 0.5).allclose(torch.full((2,), -math.log2((1 / 2 + 1 / 8) / 2)))
    assert best_share(one, other) == 0.5 and best_share(one, one + 1) == 1


def test_reliability_of_a_known_case():
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
    seen = reliability(p, torch.tensor([0, 1, 1, 0]), bins=5)
    assert seen.number.tolist() == [0, 0, 1, 1, 2] and seen.stated[0].isnan()
    assert seen.true[2:].tolist() == [1, 1, 0.5] and seen.stated[2:].tolist() == pytest.approx([0.5, 0.7, 0.9])
    assert seen.error == pytest.approx((0.5 + 0.3 + 2 * 0.4) / 4)


def test_one_who_draws_from_what_it_states_is_calibrated():
    draw = torch.Generator().manual_seed(0)
    p = torch.rand(50_000, 6, generator=draw).softmax(-1) ** 3
    p /= p.sum(-1, keepdim=True)
    assert reliability(p, torch.multinomial(p, 1, generator=draw)[:, 0]).error < 0.01
    assert reliability((p ** 3) / (p ** 3).sum(-1, keepdim=True), torch.multinomial(p, 1, generator=draw)[:, 0]).error > 0.1


def test_repetition():
    assert repetition("abcd", 2) == 0 and repetition("abababab", 2) == pytest.approx(1 - 2 / 7)
    assert repetition("the cat the cat".split(), 2) == pytest.approx(1 / 3)


def test_bad_input(model):
    with pytest.raises(ValueError, match="one row of two tokens or more, got shape"):
        surprise(model, torch.tensor([1]))
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        mixed(torch.ones(2), torch.ones(3), 0.5)
    with pytest.raises(ValueError, match="between 0 and 1, got 1.5"):
        mixed(torch.ones(2), torch.ones(2), 1.5)
    with pytest.raises(ValueError, match="got shapes"):
        reliability(torch.ones(2, 2), torch.ones(3))
    with pytest.raises(ValueError, match="3 tokens has no 4-grams"):
        repetition("abc", 4)
