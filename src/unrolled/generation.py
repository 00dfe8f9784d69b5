"""Letting a language model write: greedy, with a temperature, among the top k."""
from collections.abc import Iterator

import torch
from torch import Tensor

from unrolled.models import LanguageModel, check_vocabulary, evaluating
from unrolled.text import Vocabulary


def _encode(model: LanguageModel, vocab: Vocabulary, prefix: str) -> Tensor:
    """The prefix as (tokens, 1) ids on the model's device, or an error that says what is wrong with it."""
    check_vocabulary(model, vocab)
    if not isinstance(prefix, str):
        raise TypeError(f"the prefix is a string, not {type(prefix).__name__}")
    if not prefix:
        raise ValueError("the prefix is empty: the model needs at least one token to begin with")
    return vocab.encode(prefix, strict=True).to(model.device)[:, None]


def choose(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """The next token for scores of shape (tokens,): the likeliest at temperature 0, else drawn.

    Raises:
        ValueError: scores that are not finite.
    """
    if not logits.isfinite().all():
        raise ValueError("the model's scores are not finite: its weights are spoilt, train it anew")
    if temperature == 0:
        return int(logits.argmax())
    scores, ids = logits.cpu().double().topk(top_k or len(logits))     # (k,) each, the likeliest first
    p = ((scores - scores[0]) / temperature).softmax(0)                # the largest score is 0: no overflow
    return int(ids[torch.multinomial(p, 1, generator=generator)])


def stream(model: LanguageModel, vocab: Vocabulary, prefix: str, num_tokens: int = 20, *,
           temperature: float = 0.0, top_k: int | None = None, seed: int = 0) -> Iterator[str]:
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
    ids = _encode(model, vocab, prefix)
    if not isinstance(num_tokens, int) or num_tokens < 0:
        raise ValueError(f"num_tokens is a whole number, 0 or more, not {num_tokens!r}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"the temperature is 0 (greedy) or a positive number, not {temperature!r}")
    if top_k is not None and (not isinstance(top_k, int) or not 1 <= top_k <= len(vocab)):
        raise ValueError(f"top_k is a whole number between 1 and {len(vocab)}, not {top_k!r}")
    return _stream(model, vocab, ids, num_tokens, temperature, top_k, torch.Generator().manual_seed(seed))


def _stream(model, vocab, tokens, num_tokens, temperature, top_k, generator):
    state = None
    for _ in range(num_tokens):
        with evaluating(model):
            logits, state = model(tokens, state)                # (steps, 1, tokens)
        chosen = choose(logits[-1, 0], temperature, top_k, generator)
        tokens = torch.tensor([[chosen]], device=model.device)  # (1, 1): the new token
        yield vocab.tokens[chosen]


def generate(model: LanguageModel, vocab: Vocabulary, prefix: str, num_tokens: int = 20, *,
             temperature: float = 0.0, top_k: int | None = None, seed: int = 0) -> str:
    """The prefix and what the model adds to it. Arguments and errors as for ``stream``."""
    tokens = stream(model, vocab, prefix, num_tokens, temperature=temperature, top_k=top_k, seed=seed)
    return ("" if vocab.level == "char" else " ").join([prefix, *tokens])


def next_token_probabilities(model: LanguageModel, vocab: Vocabulary, text: str) -> dict[str, float]:
    """What may come after a text: each token's probability, likeliest first. Errors as for ``stream``."""
    ids = _encode(model, vocab, text)                                  # (steps, 1)
    with evaluating(model):
        p = model(ids)[0][-1, 0].softmax(0).cpu()                      # (tokens,)
    return {vocab.tokens[k]: float(p[k]) for k in p.argsort(descending=True)}
