"""Letting a model write: every way of choosing, one token at a time or all at once."""
import math

import pytest
import torch
from torch import nn

from unrolled.generation import choose, generate, next_token_probabilities, stream
from unrolled.layers import GRU, LSTM, RNN, LSTMScratch, Stacked
from unrolled.models import LanguageModel
from unrolled.text import Vocabulary

TEXT = "it has the time and the traveller has it"
CHARS, WORDS = Vocabulary.from_text(TEXT), Vocabulary.from_text(TEXT, "word")


def make(vocab=CHARS, layer=LSTM, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    model = LanguageModel(layer(len(vocab), 16), len(vocab), dropout=dropout)
    nn.init.normal_(model.head.weight, std=2.0)                        # opinions, so that the choices differ
    return model


class Counter(nn.Module):
    """Says with certainty that token k + 1 follows token k; its state counts the tokens it has read."""

    num_tokens, device = len(CHARS), torch.device("cpu")

    def forward(self, tokens, state=None):
        logits = nn.functional.one_hot((tokens + 1) % self.num_tokens, self.num_tokens).float() * 10
        return logits, (0 if state is None else state) + len(tokens)


def test_greedy_takes_the_likeliest_and_feeds_it_back():
    assert generate(Counter(), CHARS, CHARS.tokens[1], 5) == "".join(CHARS.tokens[1:7])


@pytest.mark.parametrize("layer", [LSTM, GRU, RNN, LSTMScratch])
def test_greedy_equals_reading_the_whole_text_anew_for_each_token(layer):
    model, ids = make(layer=layer), CHARS.encode("it has")
    for _ in range(12):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids[:, None])[0][-1].argmax(1)])
    assert generate(model, CHARS, "it has", 12) == CHARS.decode(ids)


def test_several_layers_and_an_embedding():
    torch.manual_seed(0)
    model = LanguageModel(Stacked([LSTM(5, 8), GRU(8, 6)]), len(CHARS), embedding=5)
    assert len(list(stream(model, CHARS, "it", 9, temperature=1.0))) == 9


def test_greedy_ignores_the_seed_and_sampling_does_not():
    model = make()
    assert generate(model, CHARS, "it", 30, seed=1) == generate(model, CHARS, "it", 30, seed=2)
    samples = {generate(model, CHARS, "it", 30, temperature=1.0, seed=seed) for seed in (1, 2, 1, 2)}
    assert len(samples) == 2


@pytest.mark.parametrize("options", [{}, {"temperature": 0.8, "seed": 3}, {"temperature": 1.5, "top_k": 4}])
@pytest.mark.parametrize("vocab", [CHARS, WORDS], ids=["char", "word"])
def test_streaming_equals_generating(vocab, options):
    model, gap = make(vocab), "" if vocab is CHARS else " "
    pieces = list(stream(model, vocab, "it has", 15, **options))
    assert len(pieces) == 15 and set(pieces) <= set(vocab.tokens)
    assert gap.join(["it has", *pieces]) == generate(model, vocab, "it has", 15, **options)


def test_words_are_joined_by_spaces():
    text = generate(make(WORDS), WORDS, "it has", 7, temperature=1.0)
    assert text.startswith("it has ") and len(text.split(" ")) == 9


def test_no_token_is_the_prefix_alone():
    assert generate(make(), CHARS, "it has", 0) == "it has"
    assert generate(make(WORDS), WORDS, "it has", 0) == "it has"


def test_the_global_generator_and_the_mode_are_left_alone():
    model = make(dropout=0.5).train()
    before = torch.get_rng_state()
    text = generate(model, CHARS, "it", 20, temperature=1.0)
    next_token_probabilities(model, CHARS, "it")
    assert torch.equal(torch.get_rng_state(), before) and model.training
    assert generate(model.eval(), CHARS, "it", 20, temperature=1.0) == text and not model.training
    assert all(p.grad is None for p in model.parameters())


def test_two_streams_of_one_model_do_not_disturb_each_other():
    model = make(dropout=0.5).train()
    alone = list(stream(model, CHARS, "it", 10))
    first, second = stream(model, CHARS, "it", 10), stream(model, CHARS, "ha", 4)
    together = []
    for piece in first:
        together.append(piece)
        next(second, None)
        assert model.training
    assert together == alone


def test_errors_come_at_the_call_and_not_at_the_first_token():
    with pytest.raises(ValueError):
        stream(make(), CHARS, "", 5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_on_a_gpu_writes_the_same(temperature):
    model = make().double()
    text = generate(model, CHARS, "it has", 20, temperature=temperature)
    assert generate(model.cuda(), CHARS, "it has", 20, temperature=temperature) == text


# Choosing

LOGITS = torch.tensor([1.0, 3.0, 2.0, 0.0])


def shares(temperature, top_k=None, draws=2000):
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(len(LOGITS))
    for _ in range(draws):
        counts[choose(LOGITS, temperature, top_k, generator)] += 1
    return counts / draws


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_follow_the_softmax_at_that_temperature(temperature):
    p = (LOGITS / temperature).softmax(0)
    assert ((shares(temperature) - p).abs() < 4 * (p * (1 - p) / 2000).sqrt() + 1e-9).all()


def test_top_k_draws_among_the_k_likeliest():
    p = torch.tensor([0, math.e / (1 + math.e), 1 / (1 + math.e), 0])
    assert (shares(1.0, top_k=2) - p).abs().max() < 0.04 and shares(1.0, top_k=1)[1] == 1


def test_top_k_is_exact_where_scores_are_equal():
    generator = torch.Generator().manual_seed(0)
    chosen = {choose(torch.zeros(6), 1.0, 2, generator) for _ in range(100)}
    assert len(chosen) == 2


@pytest.mark.parametrize("temperature", [1e-300, 5e-324, 1e-3])
def test_a_temperature_near_zero_is_greedy(temperature):
    assert choose(LOGITS, temperature, None, torch.Generator()) == 1


def test_a_huge_temperature_is_even():
    assert (shares(1e300) - 0.25).abs().max() < 0.04


def test_next_token_probabilities():
    model = make()
    p = next_token_probabilities(model, CHARS, "it has")
    assert list(p.values()) == sorted(p.values(), reverse=True) and set(p) == set(CHARS.tokens)
    assert sum(p.values()) == pytest.approx(1, abs=1e-6)
    assert "it has" + next(iter(p)) == generate(model, CHARS, "it has", 1)


# Bad input

@pytest.mark.parametrize("call", [generate, stream])
@pytest.mark.parametrize("prefix, options, error, message", [
    ("", {}, ValueError, "the prefix is empty: the model needs at least one token"),
    (None, {}, TypeError, "the prefix is a string, not NoneType"),
    ("it hax", {}, ValueError, "unknown chars: 'x' at 5"),
    ("It has", {}, ValueError, "unknown chars: 'I' at 0"),
    ("it", {"num_tokens": -1}, ValueError, "num_tokens is a whole number, 0 or more, not -1"),
    ("it", {"num_tokens": 2.5}, ValueError, "num_tokens is a whole number, 0 or more, not 2.5"),
    ("it", {"temperature": -0.1}, ValueError, r"temperature is 0 \(greedy\) or a positive number, not -0.1"),
    ("it", {"temperature": math.nan}, ValueError, "positive number, not nan"),
    ("it", {"temperature": math.inf}, ValueError, "positive number, not inf"),
    ("it", {"top_k": 0}, ValueError, f"top_k is a whole number between 1 and {len(CHARS)}, not 0"),
    ("it", {"top_k": len(CHARS) + 1}, ValueError, f"between 1 and {len(CHARS)}, not {len(CHARS) + 1}"),
    ("it", {"top_k": 2.0}, ValueError, f"between 1 and {len(CHARS)}, not 2.0"),
])
def test_options_out_of_range(call, prefix, options, error, message):
    with pytest.raises(error, match=message):
        call(make(), CHARS, prefix, **options)


def test_unknown_words_are_named():
    with pytest.raises(ValueError, match="unknown words: 'machine' at 1"):
        generate(make(WORDS), WORDS, "time machine")
    with pytest.raises(ValueError, match="nothing to encode"):
        generate(make(WORDS), WORDS, "  ")


@pytest.mark.parametrize("call", [generate, next_token_probabilities])
def test_a_vocabulary_of_another_size(call):
    with pytest.raises(ValueError, match=f"model has {len(WORDS)} tokens and the vocabulary {len(CHARS)}"):
        call(make(WORDS), CHARS, "it")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_spoilt_model_does_not_write(temperature):
    model = make()
    nn.init.constant_(model.head.bias, math.nan)
    with pytest.raises(ValueError, match="the model's scores are not finite"):
        generate(model, CHARS, "it", temperature=temperature)
