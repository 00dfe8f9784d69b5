"""The counting baseline: probabilities that add up, and a hand-worked case."""
import math
import random

import pytest

from unrolled.ngram import WittenBell


def test_hand_worked_bigram():
    model = WittenBell([0, 1, 0, 1, 0, 2], order=2, num_tokens=3)
    # empty context: N = 6, T = 3, p(1) = (2 + 3 * 1/3) / 9; after 0: N = 3, T = 2, count(0 1) = 2
    unigram = (2 + 3 * (1 / 3)) / 9
    assert model.probability(1, [0]) == pytest.approx((2 + 2 * unigram) / 5)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_add_up_after_any_context(order):
    draw = random.Random(order)
    tokens = [draw.randrange(6) for _ in range(300)]
    model = WittenBell(tokens, order, num_tokens=8)                # two tokens never seen
    for context in ([], [7], [0, 1, 2, 3, 4], tokens[-10:], [7, 7, 7]):
        assert sum(model.probability(k, context) for k in range(8)) == pytest.approx(1)


def test_loss_reads_one_stream_with_its_context():
    model = WittenBell([0, 1, 2] * 20, order=3, num_tokens=3)
    by_hand = -sum(math.log(model.probability(k, c)) for k, c in [(0, [1, 2]), (1, [2, 0])]) / 2
    assert model.loss([0, 1], context=[0, 1, 2]) == pytest.approx(by_hand)
    assert WittenBell([0, 1], 1, 2).loss([0, 1], context=[1]) == pytest.approx(math.log(2))


def test_a_longer_context_helps_on_text_with_structure():
    tokens = [0, 0, 1, 1] * 100
    assert WittenBell(tokens, 3, 2).loss(tokens) < WittenBell(tokens, 2, 2).loss(tokens) < math.log(2)


def test_bad_input():
    with pytest.raises(ValueError, match="order 1 or more, not 0"):
        WittenBell([1, 2], 0, 3)
    with pytest.raises(ValueError, match="a 4-gram needs at least 4 tokens to count, got 2"):
        WittenBell([1, 2], 4, 3)
    with pytest.raises(ValueError, match="at least one token"):
        WittenBell([1, 2], 1, 3).loss([])
