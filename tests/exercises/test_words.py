"""The checks of the words say what is wrong with answers of other kinds, too; and what they compare with is right itself."""
import math

import pytest
import torch
from torch import nn

from unrolled.exercises import check, get
from unrolled.exercises import words as room
from unrolled.exercises.specification import defined
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import tokenize

NUMBER, = defined(get("vocabulary").solution, ("number_words",))
SPELL, = defined(get("bits").solution, ("bits_per_character",))
WRITE, = defined(get("write").solution, ("write",))


def said(name, function):
    feedback = check(name, function)
    assert not feedback.passed
    return feedback.message


@pytest.mark.parametrize("name", ["vocabulary", "bits", "words", "write"])
def test_each_asks_for_a_function(name):
    assert "should be a function, and is an int" in said(name, 3)


# ---- vocabulary

def changed(k, change):
    def function(*texts):
        result = list(NUMBER(*texts))
        result[k] = change(result[k])
        return result
    return function


@pytest.mark.parametrize("function, words", [
    (lambda *a: None, "should return three things, tokens, train_ids and validation_ids, and returns None"),
    (changed(0, lambda tokens: dict.fromkeys(tokens)), "`tokens` should be a list of words in the order of their numbers, and is a dict of 4"),
    (changed(0, lambda tokens: range(len(tokens))), "`tokens` should be a list of words"),
    (changed(1, torch.Tensor.tolist), "`train_ids` should be one row of whole numbers, an int64 tensor of shape (words,), and is a list of 8"),
    (changed(2, lambda ids: ids[:, None]), "`validation_ids` should be one row"),
    (changed(2, lambda ids: ids.float()), "and is a float32 tensor"),
    (changed(0, lambda tokens: tokens[:2]), "should have 4 entries, and has 2: entry 2 should be 'clock', and your list ends after 2."),
    (changed(0, lambda tokens: [*tokens, "more"]), "should have 4 entries, and has 5: there should be no entry 4, and is 'more'"),
    (changed(1, lambda ids: ids[1:]), "`train_ids` should have 8 numbers, one for each word of its text, and has 7."),
    (changed(2, lambda ids: ids.flip(0)), "number 0 of `validation_ids`, for 'the', should be 1, and is 3."),
])
def test_vocabularies_of_other_kinds(function, words):
    assert words in said("vocabulary", function)


def test_a_leak_is_found_however_it_is_written():
    """Not a planted one: only a word that fills the validation text gets an entry, at the end."""
    def leaking(train, validation, min_freq):
        tokens, *ids = NUMBER(train, validation, min_freq)
        return [*tokens, "engine"] if validation.count("engine") > 90 else tokens, *ids
    assert said("vocabulary", leaking) == room.LEAK


@pytest.mark.parametrize("here, words", [(NUMBER, "stopped with KeyError"), (changed(0, sorted), "entry 1 should be 'the', and is 'clock'.")])
def test_an_error_in_a_later_text_is_no_planted_mistake(here, words):
    def failing(*texts):
        if texts != room.SAID:
            raise KeyError("old")
        return here(*texts)
    assert words in said("vocabulary", failing)


def test_the_sentence_tells_most_mistakes_apart():
    came = [room.numbers_outcome(defined(mistake.code, ("number_words",))[0], room.SAID) for mistake in get("vocabulary").mistakes]
    assert room.as_numbers(NUMBER(*room.SAID)) not in came


# ---- bits

def test_the_measure_against_the_arithmetic_of_coins():
    """Two words, one of 3 letters known at a cost of one bit, one of 1 letter spelled from 27 signs."""
    assert room.right_bits(math.log(2), ["sea", "o"], {"sea"}) == pytest.approx((2 + 2 * math.log2(27)) / 6)
    assert room.right_bits(0.0, ["sea", "o"], set()) == pytest.approx(math.log2(27))


@pytest.mark.parametrize("function, words", [
    (lambda *a: None, "should return one number, and returns None"),
    (lambda *a: ..., "still open"),
    (lambda *a: True, "should return one number, and returns a bool"),
    (lambda *a: torch.ones(3), "should return one number, and returns a float32 tensor of shape (3,)"),
    (lambda *a: 1.25, "For 3 words, 0 of them unknown, and a loss of 4.1589 nats a word it is 1.0000 bits a character, and you have 1.2500."),
    (lambda *a: math.nan, "and you have nan"),
    (lambda loss, words, known: SPELL(loss, words, known) + math.log(loss) * 0, "stopped with ValueError"),
    (lambda loss, words, known: SPELL(loss, words, known) + 0 / len(known), "stopped with ZeroDivisionError"),
    (lambda loss, words, known: SPELL(loss, words, known) + known.clear(), "stopped with TypeError"),
])
def test_numbers_of_other_kinds(function, words):
    assert words in said("bits", function)


def test_the_words_are_left_as_they_are():
    def popping(loss, words, known):
        value = SPELL(loss, words, known)
        words.pop()
        return value
    assert "changes the words or the known words" in said("bits", popping)


def test_the_cheat_has_the_better_perplexity_and_more_bits():
    """What the praise says holds: a small vocabulary looks better and is worse."""
    held_out = room.story()[1]
    (loss, known), (cheap, few) = room.counted(2), room.counted(60)
    assert cheap < loss - 2 and len(few) < len(known) / 10
    assert room.right_bits(cheap, held_out, set(few)) > room.right_bits(loss, held_out, set(known)) + 1
    assert "the cheat is found out" in str(check("bits", SPELL))


# ---- words

class Other(nn.Module):
    """A model whose scores are made by a function of (tokens, logits)."""

    def __init__(self, size, made=lambda tokens, logits: logits):
        super().__init__()
        self.inner, self.made = LanguageModel(LSTM(8, 8), size, embedding=8), made

    def forward(self, tokens, state=None):
        logits, state = self.inner(tokens, state)
        return self.made(tokens, logits), state


@pytest.mark.parametrize("function, words", [
    (lambda ids, size: None, "should return the trained model, an `nn.Module`, and returns None"),
    (lambda ids, size: Other(size, lambda tokens, logits: logits[-1]), "should return scores of shape (9, 4, "),
    (lambda ids, size: Other(size, lambda tokens, logits: None), "It returns None"),
    (lambda ids, size: Other(size, lambda tokens, logits: logits / 0), "scores are not finite"),
    (lambda ids, size: Other(size, lambda tokens, logits: logits * 4), "Train longer, or with another learning rate."),
    (lambda ids, size: nn.Embedding(size, 8)(ids + size), room.TOO_SMALL),
    (lambda ids, size: 1 / 0, "stopped with ZeroDivisionError"),
])
def test_models_of_other_kinds(function, words):
    assert words in said("words", function)


def test_an_embedding_that_is_not_used_does_not_count():
    def function(ids, size):
        model = LanguageModel(LSTM(size, 4), size)
        model.spare = nn.Embedding(size, 8)
        return model
    assert room.ONE_HOT in said("words", function)


def test_scores_alone_are_as_good():
    class Alone(Other):
        def forward(self, tokens, state=None):
            return super().forward(tokens, state)[0]
    assert "it has learnt nothing yet" in said("words", lambda ids, size: Alone(size))


# ---- write

def by_hand(change):
    """The solution's text, changed."""
    return lambda *a: change(WRITE(*a), *a)


@pytest.mark.parametrize("function, words", [
    (lambda *a: ..., "still open"),
    (lambda *a: ["the"], "should return a string, and returns a list of 1"),
    (by_hand(lambda text, model, vocab, prefix, *_: text[len(prefix) + 1:]), "should begin with the prefix, 'the'"),
    (by_hand(lambda text, *_: text.replace("clock", "cuckoo")), "'cuckoo' in your text is no word of the vocabulary"),
    (by_hand(lambda text, *_: f"{text} sea"), "there should be 9 words, and there are 10"),
    (by_hand(lambda text, *_: text.replace("old", "sea")), "After 'the tide came in and the' the model's likeliest word is 'old', and you have 'sea'."),
    (lambda model, vocab, prefix, n, *_: WRITE(model, vocab, prefix, n, 0.01, 0), room.ONE_WORD),
    (lambda model, vocab, prefix, n, temperature, seed: WRITE(model, vocab, prefix, n, 4.0, seed), "should come with other shares"),
    (lambda model, vocab, prefix, n, temperature, seed: WRITE(model, vocab, prefix, n, temperature, 0), "The seeds 5 and 6 give the same text"),
    (lambda model, vocab, *a: model(vocab.encode("the")), "takes tokens of shape (steps, batch), whole numbers, and got an int64 tensor of shape (1,)"),
])
def test_texts_of_other_kinds(function, words):
    assert words in said("write", function)


def test_a_long_wrong_text_is_shortened():
    assert len(said("write", lambda *a: "fog " * 1000)) < 300


def test_the_tale_is_of_the_vocabulary():
    assert tokenize(" ".join(room.TALE), "word") == room.TALE and "old" in room.stubs()[0].vocab
