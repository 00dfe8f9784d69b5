"""Cleaning, tokens, and their numbers."""
import json
import string
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.text import Vocabulary, tokenize
from unrolled.text.vocabulary import clean

CLEANED = st.text(alphabet="aabbcdez ", min_size=1).map(clean).filter(str.strip)
LEVELS = st.sampled_from(["char", "word"])


# Tokens

def test_cleaning_is_the_sources():
    assert clean("The Time-Machine [1898],\n\n by H. G. Wells!") == "the time machine by h g wells "


@given(st.text())
def test_cleaning_leaves_small_letters_and_single_spaces(text):
    cleaned = clean(text)
    assert set(cleaned) <= set(string.ascii_lowercase + " ") and "  " not in cleaned
    assert clean(cleaned) == cleaned
    assert [c for c in text.lower() if c in string.ascii_lowercase and c.isascii()][:1] == [] or cleaned.strip()


@given(CLEANED, LEVELS)
def test_tokens_are_the_characters_or_the_words(text, level):
    tokens = tokenize(text, level)
    assert ("" if level == "char" else " ").join(tokens) == (text if level == "char" else text.strip())


@pytest.mark.parametrize("arguments, error, words", [
    (("...",), ValueError, "no letters in this text of 3 characters"), (("",), ValueError, "of 0 characters"),
    (("a", "syllable"), ValueError, "'char' or 'word', not 'syllable'"), ((b"a",), TypeError, "not bytes")])
def test_a_text_without_tokens_is_an_error(arguments, error, words):
    with pytest.raises(error, match=words):
        tokenize(*arguments)


# Numbers

def test_numbers_go_by_falling_frequency_and_then_by_the_alphabet():
    vocab = Vocabulary(list("bbacca d"))
    assert vocab.tokens == ["<unk>", "a", "b", "c", " ", "d"] and vocab.unknown == 0
    assert vocab.frequencies == {"a": 2, "b": 2, "c": 2, " ": 1, "d": 1}
    assert vocab.encode("abz").tolist() == [1, 2, 0] and vocab.encode("abz").dtype == torch.int64
    assert vocab.ids("abz") == [1, 2, 0] and vocab.ids(["b"]) == [2]
    assert "a" in vocab and "z" not in vocab and len(vocab) == 6
    assert repr(vocab) == "Vocabulary(6 chars: '<unk>', 'a', 'b', 'c', ' ', 'd')"


@given(CLEANED)
def test_the_order_of_the_text_does_not_change_the_numbers(text):
    assert Vocabulary(list(text)).tokens == Vocabulary(sorted(text)).tokens


@given(CLEANED, LEVELS)
def test_decoding_undoes_encoding(text, level):
    vocab = Vocabulary.from_text(text, level)
    ids = vocab.encode(text)
    assert ids.shape == (len(tokenize(text, level)),) and 0 < ids.min() and ids.max() < len(vocab)
    assert vocab.decode(ids) == (text if level == "char" else text.strip())
    assert vocab.encode(tokenize(text, level)).equal(ids) and vocab.encode(text.strip(), strict=True).numel()


@given(CLEANED, LEVELS)
def test_a_vocabulary_survives_json(text, level):
    vocab = Vocabulary.from_text(text, level, reserved=["<eos>"])
    again = Vocabulary.from_dict(json.loads(json.dumps(vocab.to_dict())))
    assert again.to_dict() == vocab.to_dict() and again.encode(text).equal(vocab.encode(text))


def test_rare_tokens_are_unknown():
    words = tokenize("the time the machine the time", "word")
    assert Vocabulary(words, level="word", min_freq=2).tokens == ["<unk>", "the", "time"]
    assert Vocabulary(words, level="word", max_size=2).tokens == ["<unk>", "the"]
    small = Vocabulary(words, level="word", min_freq=2, reserved=("<eos>",))
    assert small.tokens == ["<unk>", "<eos>", "the", "time"] and small.frequencies["machine"] == 1
    assert small.encode("the machine").tolist() == [2, 0] and small.decode([2, 0, 3]) == "the <unk> time"
    assert repr(Vocabulary(list("abcdefg"))).endswith("'e', ...)")


def test_the_embedded_text_has_28_characters():
    from unrolled.text import load_corpus
    assert len(Vocabulary.from_text(load_corpus("embedded").text)) == 28


def test_strict_encoding_names_the_strangers_and_their_places():
    vocab = Vocabulary.from_text("it has")
    assert vocab.encode("it has", strict=True).tolist() == vocab.encode("it has").tolist()
    with pytest.raises(ValueError, match=r"unknown chars: 'I' at 0, 'z' at 3; the vocabulary has 7 entries"):
        vocab.encode("It z", strict=True)
    with pytest.raises(ValueError, match=r"'q' at 4 and more;"):
        vocab.encode("qqqqqq", strict=True)
    with pytest.raises(ValueError, match="unknown words: 'zebra' at 1"):
        Vocabulary.from_text("a horse", "word").encode("a zebra", strict=True)


@pytest.mark.parametrize("make, error, words", [
    (lambda: Vocabulary([]), ValueError, "at least one token"),
    (lambda: Vocabulary(["a"], level="line"), ValueError, "'char' or 'word', not 'line'"),
    (lambda: Vocabulary(["a"], min_freq=0), ValueError, "min_freq is 1 or more, not 0"),
    (lambda: Vocabulary(["a"], max_size=1), ValueError, "at least 2, not 1"),
    (lambda: Vocabulary(["a"], reserved=["<unk>"]), ValueError, "reserved tokens differ"),
    (lambda: Vocabulary("two words", level="word"), TypeError, "cut it with tokenize"),
    (lambda: Vocabulary(["a", 0]), TypeError, "tokens are strings, got int"),
    (lambda: Vocabulary(["a"]).encode([0]), TypeError, "got int"),
    (lambda: Vocabulary(["a"]).encode(""), ValueError, "no letters"),
    (lambda: Vocabulary(["a"]).encode([]), ValueError, "nothing to encode"),
    (lambda: Vocabulary(["a"]).encode("", strict=True), ValueError, "nothing to encode"),
    (lambda: Vocabulary(["a"]).decode([1, 2]), ValueError, "between 0 and 1, got 2"),
    (lambda: Vocabulary(["a"]).decode([-1]), ValueError, "got -1"),
    (lambda: Vocabulary(["a"]).decode([0.5]), TypeError, "integer"),
    (lambda: Vocabulary.from_dict({"tokens": []}), ValueError, r"missing \['frequencies', 'level', 'reserved'\]"),
    (lambda: Vocabulary.from_dict(Vocabulary(["a"]).to_dict() | {"tokens": ["a"]}), ValueError, "begin with <unk>"),
    (lambda: Vocabulary.from_dict(Vocabulary(["a"]).to_dict() | {"level": "line"}), ValueError, "level 'line'"),
    (lambda: Vocabulary.from_dict(Vocabulary(["a"]).to_dict() | {"tokens": ["<unk>", "a", "a"]}), ValueError, "differ")])
def test_what_cannot_be_numbered_is_an_error(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_text_has_numbers_where_there_is_no_torch():
    program = ("import sys; sys.modules['torch'] = None\n"
               "from unrolled.text import Vocabulary, load_corpus\n"
               "vocab = Vocabulary.from_text(load_corpus('embedded').text)\n"
               "print(vocab.decode(vocab.ids('it has', strict=True)))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "it has\n"), done.stderr
