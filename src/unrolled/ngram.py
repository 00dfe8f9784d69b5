"""A counting baseline: n-grams with Witten-Bell smoothing.

A perplexity means little until one knows what counting alone would reach.
"""
import math
from collections import Counter, defaultdict
from collections.abc import Sequence


class WittenBell:
    """An n-gram model that trusts a context as far as it has seen it (Witten & Bell 1991, method C).

    After a context ``s`` with ``N`` occurrences and ``T`` distinct successors,

        p(w | s) = (count(s w) + T p(w | s without its first token)) / (N + T),

    down to the uniform distribution over ``num_tokens`` below the empty context.

    Args:
        tokens: the training text as token ids, one sequence.
        order: the n of the n-gram, at least 1.
        num_tokens: size of the vocabulary.
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

    def probability(self, token: int, context: Sequence[int]) -> float:
        """p(token | the last ``order - 1`` tokens of the context)."""
        context = tuple(context)[max(0, len(context) - self.order + 1):]
        p = 1 / self.num_tokens
        for start in range(len(context), -1, -1):           # from the empty context to the longest
            seen = self.successors.get(context[start:])
            if seen is None:                                # a longer one has not been seen either
                break
            p = (seen[token] + len(seen) * p) / (seen.total() + len(seen))
        return p

    def loss(self, tokens: Sequence[int], context: Sequence[int] = ()) -> float:
        """Mean negative log probability of the tokens, in nats, read as one stream after ``context``."""
        if not len(tokens):
            raise ValueError("the loss of an empty text is not defined: expected at least one token")
        context = [int(token) for token in context][-(self.order - 1):] if self.order > 1 else []
        stream = context + [int(token) for token in tokens]
        skip = len(context)
        return -sum(math.log(self.probability(stream[t], stream[max(0, t - self.order + 1):t]))
                    for t in range(skip, len(stream))) / (len(stream) - skip)
