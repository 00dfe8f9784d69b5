"""Counting baselines: n-grams with Witten-Bell and with Kneser-Ney smoothing.

A perplexity means little until one knows what counting alone would reach.
"""
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

TOO_FEW = (0.5, 1.0, 1.5)               # the discounts where the counts of counts do not give them


class _NGram:
    """What both have in common: counted successors of every context, and a walk from the empty context to the longest.

    Attributes:
        successors: context -> token -> count, for every context of the training text with fewer than ``order`` tokens.
    """

    def __init__(self, tokens: Sequence[int], order: int, num_tokens: int):
        if order < 1:
            raise ValueError(f"an n-gram has order 1 or more, not {order}")
        tokens = [int(token) for token in tokens]
        if len(tokens) < order:
            raise ValueError(f"a {order}-gram needs at least {order} tokens to count, got {len(tokens)}")
        self.order, self.num_tokens = order, num_tokens
        self.successors = defaultdict(Counter)
        for t, token in enumerate(tokens):
            for length in range(min(order - 1, t) + 1):
                self.successors[tuple(tokens[t - length:t])][token] += 1

    def _smoothed(self, token: int, context: tuple[int, ...], p: float) -> float:
        """p(token | context) for a context that was seen, where the one without its first token says ``p``."""
        raise NotImplementedError

    def probability(self, token: int, context: Sequence[int]) -> float:
        """p(token | the last ``order - 1`` tokens of the context)."""
        context = tuple(context)[max(0, len(context) - self.order + 1):]
        p = 1 / self.num_tokens
        for start in range(len(context), -1, -1):           # from the empty context to the longest
            if context[start:] not in self.successors:      # nor has a longer one been seen
                break
            p = self._smoothed(token, context[start:], p)
        return p

    def losses(self, tokens: Sequence[int], context: Sequence[int] = ()) -> list[float]:
        """Negative log probability of each token, in nats, read as one stream after ``context``."""
        context = [int(token) for token in context][-(self.order - 1):] if self.order > 1 else []
        stream = context + [int(token) for token in tokens]
        return [-math.log(self.probability(stream[t], stream[max(0, t - self.order + 1):t]))
                for t in range(len(context), len(stream))]

    def loss(self, tokens: Sequence[int], context: Sequence[int] = ()) -> float:
        """The mean of ``losses``."""
        if not len(tokens):
            raise ValueError("the loss of an empty text is not defined: expected at least one token")
        losses = self.losses(tokens, context)
        return sum(losses) / len(losses)


class WittenBell(_NGram):
    """An n-gram model that trusts a context as far as it has seen it (Witten & Bell 1991, method C).

    After a context ``s`` with ``N`` occurrences and ``T`` distinct successors,

        p(w | s) = (count(s w) + T p(w | s without its first token)) / (N + T),

    down to the uniform distribution over ``num_tokens`` below the empty context.

    Args:
        tokens: the training text as token ids, one sequence.
        order: the n of the n-gram, at least 1.
        num_tokens: size of the vocabulary.
    """

    def _smoothed(self, token, context, p):
        seen = self.successors[context]
        return (seen[token] + len(seen) * p) / (seen.total() + len(seen))


class KneserNey(_NGram):
    """An n-gram model that takes a little from every count and gives it to the shorter context (Kneser & Ney 1995).

    In the interpolated form of Chen & Goodman 1999. After a context ``s``,

        p(w | s) = (max(0, c(s w) - D) + (what D took from all counts after s) p(w | s without its first token)) / sum_v c(s v),

    down to the uniform distribution over ``num_tokens``. In the highest order c is the count. In every lower one c(s w) is
    the number of *different* tokens that stand before ``s w``: a shorter context is asked only where a longer one does not
    know, and what has followed it in many surroundings is the better guess there.

    Args:
        tokens, order, num_tokens: as for ``WittenBell``.
        discount: one D for all counts, between 0 and 1. None is the modified form: a D for counts of 1, of 2, and of 3 and
            more, for each length of context, from its counts of counts. Where these are too few to say, as for the letters
            alone, they are 0.5, 1 and 1.5.

    Attributes:
        successors: context -> token -> c.
        discounts: the three of each length of context, the shortest first.

    Raises:
        ValueError: as for ``WittenBell``, or a discount outside of [0, 1].
    """

    def __init__(self, tokens: Sequence[int], order: int, num_tokens: int, discount: float | None = None):
        if discount is not None and not 0 <= discount <= 1:
            raise ValueError(f"a discount lies between 0 and 1, got {discount!r}")
        super().__init__(tokens, order, num_tokens)
        counts = [defaultdict(Counter) for _ in range(order)]           # by the length of the context
        for context, seen in self.successors.items():
            if len(context) == order - 1:
                counts[order - 1][context] = seen
            if context:                                                 # one more token that stands before the rest
                counts[len(context) - 1][context[1:]].update(dict.fromkeys(seen, 1))
        self.discounts = [(discount,) * 3 if discount is not None else _estimated(each.values()) for each in counts]
        self.successors = {context: seen for each in counts for context, seen in each.items()}
        self.totals = {context: (seen.total(), sum(self._discount(count, context) for count in seen.values()))
                       for context, seen in self.successors.items()}    # the sum of c, and what D takes from it

    def _discount(self, count: int, context: tuple[int, ...]) -> float:
        return self.discounts[len(context)][min(count, 3) - 1]

    def _smoothed(self, token, context, p):
        count, (total, taken) = self.successors[context][token], self.totals[context]
        return (count - (self._discount(count, context) if count else 0) + taken * p) / total


def _estimated(successors: Iterable[Counter]) -> tuple[float, float, float]:
    """The discounts of counts of 1, of 2, and of 3 and more, from how many counts are 1, 2, 3 and 4 (Chen & Goodman 1999)."""
    n = Counter(count for seen in successors for count in seen.values())
    if not all(n[k] for k in (1, 2, 3, 4)):
        return TOO_FEW
    Y = n[1] / (n[1] + 2 * n[2])
    discounts = tuple(k - (k + 1) * Y * n[k + 1] / n[k] for k in (1, 2, 3))
    return discounts if min(discounts) >= 0 else TOO_FEW
