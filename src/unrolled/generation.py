"""Letting a language model write: greedy, with a temperature, among the top k."""
from collections.abc import Iterator

import torch
from torch import Tensor

from unrolled.models import LanguageModel
from unrolled.text import Vocabulary


def _check(model, vocab, prefix, num_tokens, temperature, top_k):
    if len(vocab) != model.num_tokens:
        raise ValueError(f"the model has {model.num_tokens} tokens and the vocabulary {len(vocab)}")
    if not prefix:
        raise ValueError("the prefix is empty: the model needs at least one token to begin with")
    if num_tokens < 0:
        raise ValueError(f"num_tokens is 0 or more, not {num_tokens!r}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"the temperature is 0 (greedy) or a positive number, not {temperature!r}")
    if top_k is not None and not 1 <= top_k <= len(vocab):
        raise ValueError(f"top_k lies between 1 and {len(vocab)}, got {top_k!r}")
    return vocab.encode(prefix, strict=True)


def choose(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """The next token for scores of shape (tokens,): the likeliest at temperature 0, else drawn."""
    if temperature == 0:
        return int(logits.argmax())
    scores = logits.double().cpu() / temperature                       # (tokens,)
    if top_k is not None:
        scores[scores < scores.topk(top_k).values[-1]] = -torch.inf
    return int(torch.multinomial(scores.softmax(0), 1, generator=generator))


def stream(model: LanguageModel, vocab: Vocabulary, prefix: str, num_tokens: int = 20, *, temperature: float = 0.0,
           top_k: int | None = None, seed: int = 0) -> Iterator[str]:
    """The tokens that follow the prefix, one by one as they are chosen.

    Args:
        prefix: the beginning, in tokens that the vocabulary knows.
        num_tokens: how many to add.
        temperature: 0 is greedy; otherwise the scores are divided by it before the softmax.
        top_k: draw among the k likeliest only.
        seed: of the draw; the global generator is left alone.

    Raises:
        ValueError: an unknown token in the prefix, an empty prefix, or an option out of its range.
    """
    ids = _check(model, vocab, prefix, num_tokens, temperature, top_k).to(model.device)
    return _stream(model, vocab, ids, num_tokens, temperature, top_k, torch.Generator().manual_seed(seed))


def _stream(model, vocab, ids, num_tokens, temperature, top_k, generator):
    tokens, state, training = ids[:, None], None, model.training       # (prefix, 1)
    model.eval()
    try:
        for _ in range(num_tokens):
            with torch.no_grad():
                logits, state = model(tokens, state)                   # (steps, 1, tokens)
            chosen = choose(logits[-1, 0], temperature, top_k, generator)
            tokens = torch.tensor([[chosen]], device=model.device)     # (1, 1): only the new token from now on
            yield vocab.tokens[chosen]
    finally:
        model.train(training)


def generate(model: LanguageModel, vocab: Vocabulary, prefix: str, num_tokens: int = 20, *, temperature: float = 0.0,
             top_k: int | None = None, seed: int = 0) -> str:
    """The prefix and what the model adds to it. Arguments and errors as for ``stream``."""
    gap = "" if vocab.level == "char" else " "
    return gap.join([prefix, *stream(model, vocab, prefix, num_tokens, temperature=temperature, top_k=top_k, seed=seed)])


@torch.no_grad()
def next_token_probabilities(model: LanguageModel, vocab: Vocabulary, text: str) -> dict[str, float]:
    """What may come after a text: each token's probability, likeliest first."""
    ids = _check(model, vocab, text, 0, 0.0, None).to(model.device)
    training = model.training
    model.eval()
    p = model(ids[:, None])[0][-1, 0].softmax(0).cpu()                 # (tokens,)
    model.train(training)
    return {vocab.tokens[k]: float(p[k]) for k in p.argsort(descending=True)}
