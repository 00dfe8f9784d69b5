"""The counting baselines: probabilities that add up, hand-worked cases, and nltk's models of the same counts."""
import functools
import math
import random
from collections import Counter

import nltk.lm
import pytest
from nltk.lm.models import InterpolatedLanguageModel
from nltk.lm.smoothing import KneserNey as NltkKneserNey
from nltk.lm.smoothing import WittenBell as NltkWittenBell
from nltk.util import everygrams

from unrolled.ngram import TOO_FEW, KneserNey, WittenBell

KINDS = [WittenBell, KneserNey, functools.partial(KneserNey, discount=0.75)]


def test_hand_worked_bigram():
    model = WittenBell([0, 1, 0, 1, 0, 2], order=2, num_tokens=3)
    # empty context: N = 6, T = 3, p(1) = (2 + 3 * 1/3) / 9; after 0: N = 3, T = 2, count(0 1) = 2
    unigram = (2 + 3 * (1 / 3)) / 9
    assert model.probability(1, [0]) == pytest.approx((2 + 2 * unigram) / 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_add_up_after_any_context(kind, order):
    draw = random.Random(order)
    tokens = [draw.randrange(6) for _ in range(300)]
    model = kind(tokens, order, num_tokens=8)                       # two tokens never seen
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


# nltk's models of the same name end at the share of a token alone (or of its continuations) and know no vocabulary; ours go
# one level further down, to the uniform distribution. Everything above that level is nltk's own here.

class WittenBellToUniform(NltkWittenBell):
    def unigram_score(self, word):
        N, T = self.counts.unigrams.N(), len(self.counts.unigrams)
        return N / (N + T) * super().unigram_score(word) + T / (N + T) / SIZE


class KneserNeyToUniform(NltkKneserNey):
    def unigram_score(self, word):
        seen, total = self._continuation_counts(word)
        kinds = sum(self._continuation_counts(w)[0] > 0 for w in self.counts.unigrams)
        return (max(0, seen - self.discount) + self.discount * kinds / SIZE) / total


SIZE, LETTERS = 8, "abcdefgh"                      # nltk wants its tokens as words
DRAW = random.Random(1)
# Six tokens of eight; it ends as it begins, so that its first tokens stand after another too: nltk divides their share away.
TEXT = [DRAW.choice([0, 0, 0, 1, 1, 2, 3, 4, 5]) for _ in range(150)]
TEXT += TEXT[:5]


def words(tokens):
    return tuple(LETTERS[token] for token in tokens)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("ours, theirs, params", [
    (WittenBell, WittenBellToUniform, {}),
    (functools.partial(KneserNey, discount=0.75), KneserNeyToUniform, {"discount": 0.75}),
    (functools.partial(KneserNey, discount=0.1), KneserNeyToUniform, {"discount": 0.1})])
def test_it_says_what_nltk_says(ours, theirs, params, order):
    model = ours(TEXT, order, SIZE)
    if theirs is KneserNeyToUniform:
        params = params | {"order": order}
    judge = InterpolatedLanguageModel(theirs, order, params=params, vocabulary=nltk.lm.Vocabulary(LETTERS))
    judge.fit([everygrams(words(TEXT), max_len=order)])
    seen = [TEXT[k:k + order - 1] for k in range(0, 140, 7)]
    for context in [*seen, [7] * (order - 1), [7, *TEXT[:order - 2]], [5] * (order - 1), []]:
        for token in range(SIZE):
            theirs = judge.unmasked_score(LETTERS[token], words(context))
            assert model.probability(token, context) == pytest.approx(theirs, rel=1e-12)


def test_nltks_own_models_say_the_same_but_for_what_the_uniform_distribution_gets():
    """Their class as it is: it differs from ours by the weight of the level below it, and by nothing else."""
    judge = nltk.lm.WittenBellInterpolated(2, vocabulary=nltk.lm.Vocabulary(LETTERS))
    judge.fit([everygrams(words(TEXT), max_len=2)])
    model, N, T = WittenBell(TEXT, 2, SIZE), len(TEXT), len(set(TEXT))
    for context, token in [(0, 1), (3, 0), (5, 7)]:
        after = judge.counts[words([context])]
        weight = len(after) / (len(after) + after.N())
        share = judge.counts.unigrams.freq(LETTERS[token])
        down = (N * share + T / SIZE) / (N + T)
        assert model.probability(token, [context]) == pytest.approx(
            judge.unmasked_score(LETTERS[token], words([context])) + weight * (down - share), rel=1e-12)


def by_the_definition(text, order, size, token, context):
    """Modified Kneser-Ney, each count looked up in the text itself."""
    def grams(n):
        return [tuple(text[k:k + n]) for k in range(len(text) - n + 1)]

    def c(n):                                       # of every n-gram: its count, or how many different tokens precede it
        return Counter(grams(n)) if n == order else Counter(gram[1:] for gram in set(grams(n + 1)))

    p = 1 / size
    for n in range(1, order + 1):
        counts, before = c(n), tuple(context[len(context) - n + 1:]) if n > 1 else ()
        how_many = Counter(counts.values())
        D = TOO_FEW
        if all(how_many[k] for k in (1, 2, 3, 4)):
            Y = how_many[1] / (how_many[1] + 2 * how_many[2])
            found = tuple(k - (k + 1) * Y * how_many[k + 1] / how_many[k] for k in (1, 2, 3))
            D = found if min(found) >= 0 else TOO_FEW
        after = [count for gram, count in counts.items() if gram[:-1] == before]
        if not after:
            return p
        taken = sum(D[min(count, 3) - 1] for count in after)
        mine = counts[(*before, token)]
        p = (mine - (D[min(mine, 3) - 1] if mine else 0) + taken * p) / sum(after)
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_modified_form_is_its_definition(order):
    model = KneserNey(TEXT, order, SIZE)
    for k in range(0, 120, 13):
        for context in (TEXT[k:k + 3], [7, *TEXT[k:k + 2]], [2, 7, 7]):
            for token in range(SIZE):
                assert model.probability(token, context) == pytest.approx(
                    by_the_definition(TEXT, order, SIZE, token, context), rel=1e-12)
    assert (order < 4) or any(each != TOO_FEW for each in model.discounts)          # it was estimated somewhere


def test_bad_input():
    with pytest.raises(ValueError, match="a discount lies between 0 and 1, got 2"):
        KneserNey([1, 2], 1, 3, discount=2)
    with pytest.raises(ValueError, match="order 1 or more, not 0"):
        WittenBell([1, 2], 0, 3)
    with pytest.raises(ValueError, match="a 4-gram needs at least 4 tokens to count, got 2"):
        WittenBell([1, 2], 4, 3)
    with pytest.raises(ValueError, match="at least one token"):
        WittenBell([1, 2], 1, 3).loss([])
