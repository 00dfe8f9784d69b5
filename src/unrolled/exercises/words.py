"""Exercise 2: words instead of characters. A vocabulary, bits that compare, a model of words, and a text without ``<unk>``."""
import math
import random
import re
from collections import Counter
from functools import lru_cache

import numpy
import torch
from torch import Tensor, nn

from unrolled.exercises.feedback import Wrong, kind
from unrolled.exercises.functions import planted
from unrolled.exercises.running import explained, untouched
from unrolled.exercises.specification import Exercise, Mistake, Told
from unrolled.models import evaluating
from unrolled.ngram import WittenBell
from unrolled.text import Vocabulary, load_corpus, tokenize
from unrolled.text.vocabulary import UNKNOWN


def seeded(function, *arguments):
    """Call with every global generator at the same place."""
    torch.manual_seed(0)
    numpy.random.seed(0)
    random.seed(0)
    return function(*arguments)


def check_callable(exercise: Exercise, function) -> None:
    if not callable(function):
        raise Wrong(f"`{exercise.answers[0]}` should be a function, and is {kind(function)}.")


def told_by(exercise: Exercise, function, outcome, cases: list) -> str:
    """The words of the planted mistake that does the same as a function on every case, where there is one."""
    came = [outcome(function, case) for case in cases]
    for mistake in exercise.mistakes:
        other = planted(mistake.code, exercise.answers[0])
        if all(one is not None and one == outcome(other, case) for one, case in zip(came, cases)):
            return mistake.told
    return ""


# ---- vocabulary

SAID = "The sea, the clock. The old sea-clock!", "The new clock; the NEW sea?", 2
POOL = ("the", "sea", "a", "clock", "don't", "Tide", "old", "well-known", "harbour", "and", "The", "Sea", "mole", "41", "ebb", "wall")


def vocabulary_cases() -> list[tuple[str, str, int]]:
    """(train, validation, min_freq): a sentence, then longer texts, the later part with words of its own."""
    cases = [SAID]
    for seed, (size, min_freq) in enumerate(((40, 1), (80, 2), (160, 4), (300, 12))):
        draw = random.Random(seed)
        write = lambda pool, n: "".join(draw.choice(pool) + draw.choice((" ", " ", ", ", ".\n")) for _ in range(n))   # noqa: E731
        cases.append((write(POOL, size), write((*POOL, "engine", "fog", "engine"), size), min_freq))
    return cases


def right_numbers(train: str, validation: str, min_freq: int) -> tuple[list[str], list[int], list[int]]:
    vocab = Vocabulary.from_text(train, "word", min_freq=min_freq)
    return vocab.tokens, vocab.encode(train).tolist(), vocab.encode(validation).tolist()


def as_numbers(result) -> tuple[list[str], list[int], list[int]]:
    """What `number_words` returned, in plain lists; Wrong where it has another form."""
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Wrong(f"`number_words` should return three things, tokens, train_ids and validation_ids, and returns {kind(result)}.")
    tokens, *both = result
    if not isinstance(tokens, (list, tuple)) or not all(isinstance(token, str) for token in tokens):
        raise Wrong(f"`tokens` should be a list of words in the order of their numbers, and is {kind(tokens)}.")
    for name, ids in zip(("train_ids", "validation_ids"), both):
        if not isinstance(ids, Tensor) or ids.ndim != 1 or ids.dtype != torch.int64:
            raise Wrong(f"`{name}` should be one row of whole numbers, an int64 tensor of shape (words,), and is {kind(ids)}.")
    return list(tokens), *(ids.tolist() for ids in both)


def numbers_outcome(function, case):
    try:
        return as_numbers(function(*case))
    except Exception:
        return None


def numbers_fault(function, case) -> str:
    """The first thing that is wrong, in words; empty where all is right."""
    train, validation, min_freq = case
    got, expected = as_numbers(function(*case)), right_numbers(*case)
    what = f"For the training text {train!r} and min_freq {min_freq}" if case == SAID else f"For a text of {len(train)} characters and min_freq {min_freq}"
    if case != SAID and as_numbers(function(train, "engine " * 99, min_freq))[0] != got[0]:
        return LEAK
    if got[0] != expected[0]:
        k = next((k for k, (a, b) in enumerate(zip(got[0], expected[0])) if a != b), min(len(got[0]), len(expected[0])))
        first = f"entry {k} should be {expected[0][k]!r}" if k < len(expected[0]) else f"there should be no entry {k}"
        last = f"is {got[0][k]!r}" if k < len(got[0]) else f"your list ends after {k}"
        return f"{what}, `tokens` should have {len(expected[0])} entries, and has {len(got[0])}: {first}, and {last}."
    for name, text, ids, like in zip(("train_ids", "validation_ids"), (train, validation), got[1:], expected[1:]):
        if ids != like:
            if len(ids) != len(like):
                return f"`{name}` should have {len(like)} numbers, one for each word of its text, and has {len(ids)}."
            k = next(k for k, (a, b) in enumerate(zip(ids, like)) if a != b)
            return f"{what}, number {k} of `{name}`, for {tokenize(text, 'word')[k]!r}, should be {like[k]}, and is {ids[k]}."
    return ""


def check_vocabulary(function) -> str:
    check_callable(VOCABULARY, function)
    cases = vocabulary_cases()
    for case in cases:
        fault = numbers_fault(function, case)
        if fault:
            told = told_by(VOCABULARY, function, numbers_outcome, cases)
            raise Wrong(f"{fault} {told}".strip() if told != fault else fault)
    return f"Words and numbers agree on {len(cases)} texts, and another validation text leaves the vocabulary as it is."


LEAK = ("The vocabulary changes when only the validation text does: its words were counted, too. A model that has an entry for a word "
        "knows that the word will come. Count the training text alone.")

CUT = '''\
import re
from collections import Counter

import torch

def cut(text):
    return re.sub("[^a-z]+", " ", text.lower()).split()

'''

VOCABULARY = Told(
    name="vocabulary", title="A vocabulary of words", page="exercise-words",
    checker=check_vocabulary, answers=("number_words",),
    statement="""\
Write a function that cuts two texts into words and numbers them. A word is a run of letters from a to z, small ones: everything else only separates words, so
`"Sea-clock!"` is `sea` and `clock`. Return three things:

- `tokens`, a list. Entry 0 is `"<unk>"`. Then come the words that occur at least `min_freq` times in `train`, the commonest first, equally
  common ones in the order of the alphabet;
- `train_ids` and `validation_ids`, the number of each word of the two texts, (words,) int64. A word without a number of its own has the number 0.

The check compares with the package's `Vocabulary`. Do it once without.""",
    start='''\
import re
from collections import Counter

import torch

def number_words(train, validation, min_freq):
    """Two strings -> tokens, train_ids, validation_ids."""
    words = ...
    counts = Counter(words)
    tokens = ...
    raise NotImplementedError
    return tokens, train_ids, validation_ids
''',
    hints=(
        "Write a helper that turns a string into a list of words, and use it for both texts. Which of the two texts is counted?",
        "`re.sub(\"[^a-z]+\", \" \", text.lower()).split()` gives the words. `sorted` takes a key, and the key may be a pair: the first part decides, "
        "the second breaks ties.",
        "The key is `lambda word: (-counts[word], word)`. For the numbers make a dictionary, `{token: k for k, token in enumerate(tokens)}`, and ask it with "
        "`.get(word, 0)`.",
    ),
    solution=CUT + '''\
def number_words(train, validation, min_freq):
    """Two strings -> tokens, train_ids, validation_ids."""
    counts = Counter(cut(train))                 # train alone
    common = [w for w in counts if counts[w] >= min_freq]
    common.sort(key=lambda w: (-counts[w], w))
    tokens = ["<unk>", *common]
    number = {token: k for k, token in enumerate(tokens)}
    ids = []
    for text in (train, validation):
        numbers = [number.get(word, 0) for word in cut(text)]
        ids.append(torch.tensor(numbers))        # (words,)
    return tokens, *ids
''',
    explanation="""\
The vocabulary is a part of the model: it is learnt, by counting, and so it may see the training text only. The rare words of that text become `<unk>` on
purpose. Otherwise the model would meet its first unknown word in the validation text, and would never have learnt when one is to be expected. The rule for ties changes no
result; it makes the numbering the same on every machine.""",
    otherwise='''\
import string

import torch

def number_words(train, validation, min_freq):
    letters = string.ascii_lowercase
    words = []
    for text in (train, validation):
        small = "".join(c if c in letters else " " for c in text.lower())
        words.append([word for word in small.split(" ") if word])
    table = {}
    for word in words[0]:
        table[word] = table.get(word, 0) + 1
    ranked = sorted(table)                                 # sorting keeps the order of equals
    ranked.sort(key=table.get, reverse=True)
    tokens = ["<unk>"] + [word for word in ranked if not table[word] < min_freq]
    result = [tokens]
    for text in words:
        ids = torch.zeros(len(text), dtype=torch.int64)
        for k, word in enumerate(text):
            if word in tokens:
                ids[k] = tokens.index(word)
        result.append(ids)
    return result
''',
    mistakes=(
        Mistake("counts the validation text, too", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train) + cut(validation))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', LEAK),
        Mistake("<unk> at the end", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = [*sorted(common, key=lambda word: (-counts[word], word)), "<unk>"]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, len(common)) for word in cut(text)]) for text in (train, validation))
''', "`<unk>` stands at the end here. Entry 0 is its place: then the unknown word has the same number in every vocabulary."),
        Mistake("no entry for <unk>", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = sorted(common, key=lambda word: (-counts[word], word))
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "`<unk>` has no entry, so every unknown word gets the number of the commonest word, and nobody can tell the two apart."),
        Mistake("rare words kept", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    tokens = ["<unk>", *sorted(counts, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "The rare words are still there: `min_freq` is not used."),
        Mistake("off by one", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] > min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "Words that occur exactly `min_freq` times are lost: *at least* means `>=`."),
        Mistake("ties in the order of appearance", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    tokens = ["<unk>", *(word for word, n in counts.most_common() if n >= min_freq)]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "Equally common words stand in the order in which they were met. That is what `most_common` does; asked for is the alphabet."),
        Mistake("ties in the alphabet from behind", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (counts[word], word), reverse=True)]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "Equally common words stand in the order from z to a: `reverse=True` turns both parts of the key round. Negate the count instead."),
        Mistake("capitals kept", '''\
import re
from collections import Counter

import torch

def cut(text):
    return re.sub("[^A-Za-z]+", " ", text).split()

def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "`The` and `the` are two words here: make the letters small before you count."),
        Mistake("capitals cut away", '''\
import re
from collections import Counter

import torch

def cut(text):
    return re.sub("[^a-z]+", " ", text).lower().split()

def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "Capital letters are cut away like punctuation, and `The` becomes `he`: make the letters small first."),
        Mistake("punctuation kept", '''\
from collections import Counter

import torch

def number_words(train, validation, min_freq):
    cut = lambda text: text.lower().split()
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "`split` alone cuts at spaces only, and `sea,` and `sea` are two words."),
        Mistake("words glued together", '''\
import re
from collections import Counter

import torch

def cut(text):
    return re.sub("[^a-z ]+", "", text.lower().replace("\\n", " ")).split()

def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number.get(word, 0) for word in cut(text)]) for text in (train, validation))
''', "What stands between two letters was removed, and its neighbours grew together: `sea-clock` became `seaclock`. Put a space in its place."),
        Mistake("unknown words skipped", CUT + '''\
def number_words(train, validation, min_freq):
    counts = Counter(cut(train))
    common = [word for word in counts if counts[word] >= min_freq]
    tokens = ["<unk>", *sorted(common, key=lambda word: (-counts[word], word))]
    number = {token: k for k, token in enumerate(tokens)}
    return tokens, *(torch.tensor([number[word] for word in cut(text) if word in number]) for text in (train, validation))
''', "The unknown words were skipped. Then the model reads another text than the reader: words that never stood side by side become neighbours."),
    ),
    question={"kind": "order", "prompt": "Put the steps from a text to numbers into an order in which nothing leaks.",
              "items": [
                  {"text": "Cut the text into a training and a validation part", "say": "the cut comes before everything that learns, and counting is learning."},
                  {"text": "Make words of the training part and count them", "say": "only the training part is counted, so it must be known first."},
                  {"text": "Drop the words that are too rare", "say": "rare words can be told only after counting, and dropped ones need no number."},
                  {"text": "Number what is left, the unknown word with 0", "say": "numbers go to those words that stay, once it is known which."},
                  {"text": "Replace the words of both parts by their numbers", "say": "this needs the finished numbering. The validation part comes in only here."},
              ],
              "right": "Yes. The validation part is touched once, at the very end, and only to be read."},
    minutes=12,
    difficulties="That a vocabulary is learnt and can leak. The rule for ties: `most_common` looks right in most texts. Replacing by nothing where a space "
                 "is needed.",
    marking=((1, "words as asked"), (1, "minimum frequency and order"), (1, "the training text alone is counted"), (1, "unknown words are kept, as number 0")),
)


# ---- bits

SIGNS = 27                                                 # 26 letters, and the space that ends a word
CLOSE = 1e-6


@lru_cache
def story() -> tuple[list[str], list[str]]:
    """The words of the embedded story: to learn from, and held out."""
    words = tokenize(load_corpus("embedded").text, "word")
    cut = int(0.9 * len(words))
    return words[:cut], words[cut:]


@lru_cache
def counted(min_freq: int) -> tuple[float, frozenset]:
    """A bigram of words that occur so often: its loss on the held-out words in nats a word, and the words that it knows."""
    train, held_out = story()
    vocab = Vocabulary(train, level="word", min_freq=min_freq)
    model = WittenBell(vocab.encode(train).tolist(), 2, len(vocab))
    return model.loss(vocab.encode(held_out).tolist()), frozenset(vocab.tokens[1:])


def bits_cases() -> list[tuple[float, list[str], set[str]]]:
    """(loss, words, known): nothing unknown, all unknown at no loss, then a text with some unknown words, twice each."""
    _, words = story()
    (loss, known), (cheap, few) = counted(2), counted(60)
    return [(math.log(64), ["tides", "never", "sleep"], {"tides", "never", "sleep"}),
            (0.0, ["strange", "words"], set()),
            (loss, words[:60] + words[:60], set(known)),
            (cheap, words[60:200], set(few))]


def right_bits(loss: float, words: list[str], known: set[str]) -> float:
    spelled = sum(len(word) + 1 for word in words if word not in known)
    return (len(words) * loss / math.log(2) + spelled * math.log2(SIGNS)) / sum(len(word) + 1 for word in words)


def as_bits(result) -> float:
    if isinstance(result, Tensor) and result.numel() == 1 or isinstance(result, numpy.number):
        result = result.item()
    if untouched(result):
        raise NotImplementedError
    if isinstance(result, bool) or not isinstance(result, (int, float)):
        raise Wrong(f"`bits_per_character` should return one number, and returns {kind(result)}.")
    return float(result)


def bits_outcome(function, case):
    try:
        return round(as_bits(function(*copied(case))), 6)
    except Exception:
        return None


def copied(case):
    loss, words, known = case
    return loss, list(words), set(known)


def check_bits(function) -> str:
    check_callable(BITS, function)
    cases = bits_cases()
    for case in cases:
        given = copied(case)
        fault = ""
        try:
            got, right = as_bits(function(*given)), right_bits(*case)
            if given != case:
                raise Wrong("Your function changes the words or the known words that it was given. Leave them as they are.")
            if not abs(got - right) <= CLOSE:
                unknown = sum(word not in case[2] for word in case[1])
                fault = (f"For {len(case[1])} words, {unknown} of them unknown, and a loss of {case[0]:.4f} nats a word it is {right:.4f} bits "
                         f"a character, and you have {got:.4f}.")
        except ArithmeticError as error:
            fault = explained(error)
        except ValueError as error:                        # the logarithm of 0
            fault = explained(error)
        if fault:
            raise Wrong(f"{fault} {told_by(BITS, function, bits_outcome, cases)}".strip())
    words = story()[1]
    (loss, known), (cheap, few) = counted(2), counted(60)
    large, small = (as_bits(function(one, list(words), set(names))) for one, names in ((loss, known), (cheap, few)))
    lost = sum(word not in few for word in words) / len(words)
    return (f"All numbers agree. Now see what yours says about two bigrams of the same words. One knows {len(known)} words and has a perplexity of "
            f"{math.exp(loss):.0f}. One knows {len(few)} and has {math.exp(cheap):.1f}: it calls {lost:.0%} of the text <unk>. By your measure it is "
            f"{large:.2f} bits a character against {small:.2f}, and the cheat is found out.")


SPELL = "import math\n\ndef bits_per_character(loss, words, known):\n"

BITS = Told(
    name="bits", title="Bits per character of a word model", page="exercise-words",
    checker=check_bits, answers=("bits_per_character",),
    statement="""\
A word model has a mean loss of `loss` nats per word on the text `words`, a list of strings. It can name the words in the set `known`; any other it
calls `<unk>`, and its loss counts only for saying so. Return the bits per character of the *whole* text, as a float.

- Each word stands with one space after it, and the space is a character, too.
- An unknown word must still be spelled, or nobody could read it. Charge for it $\\log_2 27$ bits for each of its letters and for the space that ends it: the price
  of guessing among 27 signs. This comes on top of its `<unk>`.""",
    start='''\
import math

def bits_per_character(loss, words, known):
    """Nats per word, words, known ones -> bits a character."""
    said = ...               # bits, for all it says
    spelled = ...            # bits, for unknown words
    characters = ...
    raise NotImplementedError
    return (said + spelled) / characters
''',
    hints=(
        "Never average averages. Ask first: how many bits for the whole text? Then divide, once, by the number of its characters.",
        "A nat is $1 / \\ln 2$ bits. All words together cost `len(words) * loss / math.log(2)`. A word has `len(word) + 1` characters, its space included.",
        "`spelled` is the sum of `(len(word) + 1) * math.log2(27)` over all `word in words` that are not in `known`. A word that comes twice is spelled twice.",
    ),
    solution=SPELL + '''\
    """Nats per word, words, known ones -> bits a character."""
    said = len(words) * loss / math.log(2)       # bits
    length = lambda some: sum(len(word) + 1 for word in some)
    strangers = [word for word in words if word not in known]
    spelled = length(strangers) * math.log2(27)  # bits
    characters = length(words)                   # spaces, too
    return (said + spelled) / characters
''',
    explanation="""\
Bits for the same text add up, whatever pieces it was cut into, so they compare. Take a model that knows no word at all. It says `<unk>` every time and is
always right: loss 0, perplexity 1. Here it pays $\\log_2 27$ bits for each character, as much as somebody who knows nothing but the alphabet.""",
    otherwise='''\
import torch

def bits_per_character(loss, words, known):
    lengths = torch.tensor([len(word + " ") for word in words], dtype=torch.float64)
    stranger = torch.tensor([word not in known for word in words])
    nats = loss + lengths * stranger * torch.log(torch.tensor(27.0, dtype=torch.float64))
    return nats.sum() / lengths.sum() / torch.log(torch.tensor(2.0, dtype=torch.float64))
''',
    mistakes=(
        Mistake("nats for bits", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log(27)
    return (len(words) * loss + spelled) / sum(len(word) + 1 for word in words)
''', "These are nats. One nat is 1 / ln 2 = 1.44 bits."),
        Mistake("some nats, some bits", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    return (len(words) * loss + spelled) / sum(len(word) + 1 for word in words)
''', "The spelling is in bits, and the loss still in nats: divide it by ln 2 before you add."),
        Mistake("the wrong way round", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    return (len(words) * loss * math.log(2) + spelled) / sum(len(word) + 1 for word in words)
''', "Here the loss is multiplied with ln 2. A bit is the smaller unit, so there are more bits than nats: divide."),
        Mistake("the perplexity", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    return (len(words) * math.exp(loss) + spelled) / sum(len(word) + 1 for word in words)
''', "This adds up perplexities. They are numbers of choices and do not add; their logarithms do."),
        Mistake("the logarithm of a logarithm", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    said = len(words) * math.log2(loss) if loss > 0 else 0.0
    return (said + spelled) / sum(len(word) + 1 for word in words)
''', "Here a logarithm is taken of the loss, which is one already."),
        Mistake("bits per word", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    return loss / math.log(2) + spelled / len(words)
''', "These are bits per word. Divide all bits by the number of characters."),
        Mistake("spaces not counted", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    return (len(words) * loss / math.log(2) + spelled) / sum(map(len, words))
''', "The spaces are missing among the characters. A character model predicts them, too, and gets them counted."),
        Mistake("unknown words cost nothing", SPELL + '''\
    return len(words) * loss / math.log(2) / sum(len(word) + 1 for word in words)
''', "The unknown words cost nothing but their <unk>. By this measure the best of all models is one that knows no word."),
        Mistake("unknown words left out", SPELL + '''\
    named = [word for word in words if word in known]
    return len(named) * loss / math.log(2) / sum(len(word) + 1 for word in named) if named else 0.0
''', "The unknown words are left out, bits and characters. That is another, easier text; compare on the whole one."),
        Mistake("the end of a spelled word is free", SPELL + '''\
    spelled = sum(len(word) for word in words if word not in known) * math.log2(27)
    return (len(words) * loss / math.log(2) + spelled) / sum(len(word) + 1 for word in words)
''', "The space that ends a spelled word is free here. Without it nobody knows where the word stops: it is one of the 27 signs."),
        Mistake("each unknown word once", SPELL + '''\
    spelled = sum(len(word) + 1 for word in set(words) - set(known)) * math.log2(27)
    return (len(words) * loss / math.log(2) + spelled) / sum(len(word) + 1 for word in words)
''', "Every unknown word is charged once, however often it comes. The model has not learnt it the first time: it is spelled each time."),
        Mistake("spelled instead of named", SPELL + '''\
    spelled = sum(len(word) + 1 for word in words if word not in known) * math.log2(27)
    named = sum(word in known for word in words)
    return (named * loss / math.log(2) + spelled) / sum(len(word) + 1 for word in words)
''', "For the unknown words only the spelling is charged. That a spelling comes at all had to be said first, by <unk>, and `loss` is a mean over all words."),
    ),
    question={"kind": "number", "prompt": "A word model has a perplexity of 64. Every word is known, and has 5 letters and a space after it. How many bits per character is that?",
              "answer": 1.0, "tolerance": 0.005, "right": "Yes: log₂ 64 = 6 bits for a word, and a word has 6 characters.",
              "wrong": [{"from": 1.19, "to": 1.21, "say": "You divided by 5. The space is a character, too: the word model has predicted where the word ends."},
                        {"from": 5.99, "to": 6.01, "say": "6 bits is the price of a word. How many characters share it?"},
                        {"from": 0.68, "to": 0.70, "say": "This is in nats, ln 64 / 6. For bits take the logarithm to the base 2."},
                        {"from": 10.6, "to": 10.7, "say": "64 / 6 divides a number of choices. First the logarithm, then the division."},
                        {"from": 1.99, "to": 2.01, "say": "2 is the sixth root of 64, the perplexity per character. Its logarithm to the base 2 is asked for."}],
              "otherwise": "First the bits for one word, log₂ 64. Then share them among the characters of the word and its space."},
    minutes=10,
    difficulties="Dividing means by means. The space. That an unknown word costs twice: it is announced, and then spelled. Many see the need for it only when "
                 "a vocabulary of nothing but <unk> gets perplexity 1.",
    marking=((1, "nats into bits"), (1, "one division, by all characters, spaces included"), (2, "unknown words spelled, each time, with their end")),
)


# ---- words

SHARE = 0.80                                               # of the perplexity of counting single words


@lru_cache
def numbered() -> tuple[Vocabulary, Tensor, Tensor]:
    """The embedded story's words: vocabulary, ids to learn from, ids held out."""
    train, held_out = story()
    vocab = Vocabulary(train, level="word", min_freq=2)
    return vocab, vocab.encode(train), vocab.encode(held_out)


@lru_cache
def single_words() -> float:
    """The held-out loss of counting single words, in nats a word."""
    vocab, train, held_out = numbered()
    return WittenBell(train.tolist(), 1, len(vocab)).loss(held_out.tolist())


def scores(model: nn.Module, tokens: Tensor, size: int) -> Tensor:
    """The scores (steps, batch, size) for tokens (steps, batch); Wrong where they are not."""
    result = model(tokens)
    logits = result[0] if isinstance(result, (tuple, list)) and result else result
    steps, batch = tokens.shape
    if not isinstance(logits, Tensor) or logits.shape != (steps, batch, size):
        raise Wrong(f"For tokens of shape ({steps}, {batch}) the model should return scores of shape ({steps}, {batch}, {size}), and a "
                    f"state: one score for each of the {size} entries. It returns {kind(logits)}.")
    if not logits.isfinite().all():
        raise Wrong("The model's scores are not finite. Did the training diverge? A lower learning rate may help.")
    return logits


def stream_loss(logits: Tensor, targets: Tensor) -> float:
    return float(nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()))


def check_form(model: nn.Module, size: int) -> None:
    """Raise Wrong unless the model has an embedding and uses it, and looks neither ahead nor at its neighbours."""
    looked_up = []
    tables = [part for part in model.modules() if isinstance(part, nn.Embedding)]
    hooks = [table.register_forward_hook(lambda table, *_: looked_up.append(table)) for table in tables]
    tokens = torch.randint(size, (9, 4), generator=torch.Generator().manual_seed(1))         # (steps, batch)
    logits = scores(model, tokens, size)
    for hook in hooks:
        hook.remove()
    if not any(table.num_embeddings == size and table.embedding_dim < size for table in looked_up):
        raise Wrong(ONE_HOT)
    if (logits >= 0).all() and torch.allclose(logits.sum(-1), torch.ones(9, 4), atol=1e-3):
        raise Wrong(PROBABILITIES)
    later, beside = tokens.clone(), tokens.clone()
    later[6:] = (later[6:] + 1) % size
    beside[:, :-1] = (beside[:, :-1] + 1) % size           # the last one would come after them, were the axes mixed up
    if not torch.allclose(scores(model, beside, size)[:, -1], logits[:, -1], atol=1e-4):
        raise Wrong(MIXED)
    if not torch.allclose(scores(model, later, size)[:6], logits[:6], atol=1e-4):
        raise Wrong(FUTURE)


def check_words(function) -> str:
    check_callable(WORDS, function)
    vocab, train, held_out = numbered()
    size = len(vocab)
    try:
        model = seeded(function, train.clone(), size)
    except Exception as error:
        words = next((words for sign, words in STOPPED.items() if sign in str(error)), "")
        if not words:
            raise
        raise Wrong(f"{explained(error)} {words}") from None
    if not isinstance(model, nn.Module):
        raise Wrong(f"`train_words` should return the trained model, an `nn.Module`, and returns {kind(model)}.")
    with evaluating(model):
        check_form(model, size)
        stream = torch.cat([train[-1:], held_out])[:, None]                                  # (1 + words, 1)
        logits = scores(model, stream[:-2], size)
        again, loss, ahead = (stream_loss(logits, stream[k:len(stream) - 2 + k]) for k in range(3))
        seen = stream_loss(scores(model, train[:2000, None], size), train[1:2001, None])
    bar = single_words()
    reached, asked = math.exp(loss), SHARE * math.exp(bar)
    if again < min(loss, ahead) and again < bar:
        raise Wrong(REPEATS)
    if ahead < min(again, loss) - 0.02:
        raise Wrong(TWO_AHEAD)
    if abs(loss - math.log(size)) < 0.1:
        raise Wrong(UNTRAINED.format(reached=reached, size=size))
    if reached > asked:
        said = f"On text that was held out your model has a perplexity of {reached:.0f}. At most {asked:.0f} are asked for."
        if seen < loss - 1.5:
            raise Wrong(f"{said} {BY_HEART}")
        if abs(loss - bar) < 0.12:
            raise Wrong(f"{said} {LIKE_COUNTING}")
        raise Wrong(f"{said} Counting single words reaches {math.exp(bar):.0f}. Train longer, or with another learning rate.")
    return (f"On text that was held out it has a perplexity of {reached:.0f}; counting single words has {math.exp(bar):.0f}, and the vocabulary {size} "
            f"entries. After “the clock” your model expects " + likeliest(model, vocab, "the clock") + ".")


def likeliest(model: nn.Module, vocab: Vocabulary, text: str) -> str:
    with evaluating(model):
        best = scores(model, vocab.encode(text)[:, None], len(vocab))[-1, 0, 1:].topk(4).indices + 1
    return ", ".join(f"“{vocab.tokens[k]}”" for k in best.tolist())


ONE_HOT = ("The model has no embedding: each word enters as a one-hot vector, and the layer's input weights have a row of four times its units for every word. "
           "An `nn.Embedding(num_tokens, e)` with a small e comes first; `LanguageModel` makes one with `embedding=e`.")
PROBABILITIES = ("The model returns probabilities. `cross_entropy` takes scores and applies the softmax itself; applied twice, it leaves nearly equal "
                 "probabilities and hardly a gradient.")
MIXED = ("A text's scores change when only the *other* texts of the batch do. The model runs along the batch instead of along the steps: tokens come as "
         "(steps, batch), and `batch_first=True` expects them the other way round.")
FUTURE = ("The scores of a step change with the words *after* it: the model sees what it should predict, as a bidirectional layer does. It could never write, for then "
          "there is no future to look at.")
REPEATS = ("Your model predicts the word that it has just read. Inputs and targets are the same: the target of a step is the *next* word.")
TWO_AHEAD = ("Your model predicts the word after the next one: its targets are shifted by one too many.")
UNTRAINED = ("On text that was held out your model has a perplexity of {reached:.0f}, about the {size} entries of the vocabulary: it has learnt nothing "
             "yet. Is the optimiser's `step` called, and is the model that you return the one that was trained?")
BY_HEART = ("On the training text it does far better: it has learnt this text by heart. Train for fewer epochs, make the model smaller, or use "
            "`dropout` and `weight_decay`.")
LIKE_COUNTING = ("That is what counting single words reaches: your model knows which words are common, and makes no use yet of the words before. "
                 "Train longer, or with a higher learning rate.")
DETACHED = ("The state of one window leads into the graph of the window before, which is gone. Detach the state when you carry it on: "
            "`state = tuple(s.detach() for s in state)`.")
TOO_SMALL = ("A word's number is larger than a layer allows for. The embedding and the output layer need a row for each of the `num_tokens` entries; 28 were "
             "enough for characters.")
STOPPED = {"backward through the graph a second time": DETACHED, "out of bounds": TOO_SMALL, "out of range": TOO_SMALL,
           "modified by an inplace operation": DETACHED}

MODEL = '''\
import torch
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.training import Trainer

'''
TORCH = '''\
import torch
from torch import nn

'''

WORDS = Told(
    name="words", title="A model of words", page="exercise-words",
    checker=check_words, answers=("train_words",), seconds=60.0,
    statement=f"""\
Write a function that builds and trains a language model of words. `ids` are the words of a training text as numbers, (words,), and `num_tokens` is the size
of the vocabulary. Return the trained model. It is called like `LanguageModel`: tokens (steps, batch) in, scores (steps, batch, num_tokens) and a state out.

The check trains it on the story that comes with the package, some 8,000 words with a vocabulary of some 600. It looks for an embedding, and that nothing leaks from the
future. On held-out text the perplexity should be at most {100 * SHARE:.0f} % of what counting single words reaches. A few seconds of training are enough; a minute is the limit.""",
    start=MODEL + '''\
def train_words(ids, num_tokens):
    """ids (words,), number of entries -> a trained model."""
    torch.manual_seed(0)
    model = ...
    windows = ...
    raise NotImplementedError
    return model
''',
    hints=(
        "Three sizes depend on the vocabulary: what the embedding takes, what the output layer gives, and nothing else. `LanguageModel(layer, num_tokens, embedding=e)` "
        "makes both, and the layer's number of inputs is then e.",
        "So little text is soon learnt by heart. `dropout=0.5` helps, and so does `tied=True`, which needs an embedding as wide as the layer. Train with AdamW on "
        "`Windows(ids, 16, 16)`: 16 steps, each word once.",
        "`LanguageModel(LSTM(64, 64), num_tokens, embedding=64, tied=True, dropout=0.5)`, and `Trainer(model, windows, optimizer=\"adamw\", lr=0.02, "
        "batch_size=32, schedule=\"one-cycle\").fit(12, progress=False)`.",
    ),
    solution=MODEL + '''\
def train_words(ids, num_tokens):
    """ids (words,), number of entries -> a trained model."""
    torch.manual_seed(0)
    model = LanguageModel(LSTM(64, 64), num_tokens,
                          embedding=64, tied=True, dropout=0.5)
    windows = Windows(ids, 16, 16)             # each word once
    trainer = Trainer(model, windows, optimizer="adamw",
                      lr=0.02, batch_size=32, weight_decay=0.3,
                      schedule="one-cycle")
    trainer.fit(12, progress=False)
    return model
''',
    explanation="""\
Only the two ends of the model know what a token is. The embedding turns a number into a vector, the output layer turns a hidden state into scores, and the LSTM between
them is the same as for characters. With `tied=True` the two ends share one table, which saves half of the parameters that the vocabulary costs; with few
words to learn from this is a help by itself.""",
    otherwise=TORCH + '''\
class Words(nn.Module):
    def __init__(self, num_tokens):
        super().__init__()
        self.table = nn.Embedding(num_tokens, 48)
        self.gru = nn.GRU(48, 64)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(64, num_tokens)

    def forward(self, tokens, state=None):
        outputs, state = self.gru(self.drop(self.table(tokens)), state)
        return self.out(self.drop(outputs)), state

def train_words(ids, num_tokens):
    torch.manual_seed(1)
    model = Words(num_tokens)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    rows = ids[:len(ids) // 32 * 32].view(32, -1).T        # 32 streams, side by side
    for epoch in range(12):
        state = None
        for t in range(0, len(rows) - 1, 20):
            inputs, targets = rows[t:t + 20], rows[t + 1:t + 21]
            logits, state = model(inputs[:len(targets)], state)
            state = state.detach()
            adam.zero_grad()
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            loss.backward()
            adam.step()
    return model
''',
    mistakes=(
        Mistake("one-hot vectors", MODEL + '''\
def train_words(ids, num_tokens):
    model = LanguageModel(LSTM(num_tokens, 32), num_tokens)
    Trainer(model, Windows(ids, 16, 16), optimizer="adamw", lr=0.02, batch_size=64).fit(1, progress=False)
    return model
''', ONE_HOT),
        Mistake("the output layer is still that of characters", TORCH + '''\
class Words(nn.Module):
    def __init__(self, num_tokens):
        super().__init__()
        self.table, self.rnn, self.out = nn.Embedding(num_tokens, 32), nn.LSTM(32, 32), nn.Linear(32, 28)

    def forward(self, tokens, state=None):
        outputs, state = self.rnn(self.table(tokens), state)
        return self.out(outputs), state

def train_words(ids, num_tokens):
    model = Words(num_tokens)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    logits, _ = model(ids[:-1, None])
    nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:]).backward()
    adam.step()
    return model
''', TOO_SMALL),
        Mistake("the target is the input", MODEL + '''\
def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(32, 32), num_tokens, embedding=32)
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(4):
        for inputs, _ in Windows(ids, 16, 16).batches(16, shuffle=True):
            logits, _ = model(inputs)
            adam.zero_grad()
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), inputs.flatten()).backward()
            adam.step()
    return model
''', REPEATS),
        Mistake("the target is one word too late", MODEL + '''\
def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(64, 64), num_tokens, embedding=64, tied=True, dropout=0.5)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(10):
        for inputs, targets in Windows(ids, 17, 16).batches(32, shuffle=True):
            logits, _ = model(inputs[:-1])
            adam.zero_grad()
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[1:].flatten()).backward()
            adam.step()
    return model
''', TWO_AHEAD),
        Mistake("batch first", TORCH + '''\
class Words(nn.Module):
    def __init__(self, num_tokens):
        super().__init__()
        self.table, self.out = nn.Embedding(num_tokens, 32), nn.Linear(32, num_tokens)
        self.rnn = nn.LSTM(32, 32, batch_first=True)

    def forward(self, tokens, state=None):
        outputs, state = self.rnn(self.table(tokens), state)
        return self.out(outputs), state

def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = Words(num_tokens)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for rows in ids.unfold(0, 17, 16).split(64):
        logits, _ = model(rows[:, :-1].T)
        adam.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].T.flatten()).backward()
        adam.step()
    return model
''', MIXED),
        Mistake("reads backwards, too", TORCH + '''\
class Words(nn.Module):
    def __init__(self, num_tokens):
        super().__init__()
        self.table, self.out = nn.Embedding(num_tokens, 32), nn.Linear(64, num_tokens)
        self.rnn = nn.LSTM(32, 32, bidirectional=True)

    def forward(self, tokens, state=None):
        outputs, state = self.rnn(self.table(tokens), state)
        return self.out(outputs), state

def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = Words(num_tokens)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for rows in ids.unfold(0, 17, 16).split(64):
        logits, _ = model(rows[:, :-1].T)
        adam.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].T.flatten()).backward()
        adam.step()
    return model
''', FUTURE),
        Mistake("softmax in the model", TORCH + '''\
class Words(nn.Module):
    def __init__(self, num_tokens):
        super().__init__()
        self.table, self.rnn, self.out = nn.Embedding(num_tokens, 32), nn.LSTM(32, 32), nn.Linear(32, num_tokens)

    def forward(self, tokens, state=None):
        outputs, state = self.rnn(self.table(tokens), state)
        return self.out(outputs).softmax(-1), state

def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = Words(num_tokens)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for rows in ids.unfold(0, 17, 16).split(64):
        logits, _ = model(rows[:, :-1].T)
        adam.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].T.flatten()).backward()
        adam.step()
    return model
''', PROBABILITIES),
        Mistake("no step of the optimiser", MODEL + '''\
def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(32, 32), num_tokens, embedding=32, tied=True)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for inputs, targets in Windows(ids, 16, 16).batches(64):
        logits, _ = model(inputs)
        adam.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    return model
''', "it has learnt nothing yet. Is the optimiser's `step` called, and is the model that you return the one that was trained?"),
        Mistake("the state is not detached", MODEL + '''\
def train_words(ids, num_tokens):
    model, state = LanguageModel(LSTM(32, 32), num_tokens, embedding=32), None
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    rows = ids[:6401].unfold(0, 17, 16)
    for k in range(0, 400, 20):
        logits, state = model(rows[k:k + 20, :-1].T, state)
        adam.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[k:k + 20, 1:].T.flatten()).backward()
        adam.step()
    return model
''', DETACHED),
        Mistake("learnt by heart", MODEL + '''\
def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(64, 128), num_tokens, embedding=64)
    Trainer(model, Windows(ids, 16, 16), optimizer="adamw", lr=0.02, batch_size=32).fit(20, progress=False)
    return model
''', BY_HEART),
        Mistake("hardly trained", MODEL + '''\
def train_words(ids, num_tokens):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(64, 64), num_tokens, embedding=64, tied=True, dropout=0.5)
    Trainer(model, Windows(ids, 16, 16), optimizer="adamw", lr=0.01, batch_size=32).fit(2, progress=False)
    return model
''', LIKE_COUNTING),
    ),
    question={"kind": "choice", "prompt": "A model of 28 characters becomes one of 4,000 words: embedding of 64, LSTM with 64 units, output layer. Where are most of its parameters now?",
              "options": [
                  {"text": "In the embedding and the output layer, about half in each", "right": True,
                   "say": "Yes: 4,000 × 64 in each, 256,000, against 4 · (64 + 64 + 1) · 64 = 33,024 in the LSTM. Tied, the two share one table."},
                  {"text": "In the LSTM, for it does the work", "say": "The LSTM has 33,024, whatever the vocabulary. It reads vectors of 64 numbers and does not know how many words there are."},
                  {"text": "In the embedding alone: the output layer works with 64 units", "say": "It reads 64 units and writes 4,000 scores. So it has a row of 64 for each word, as the embedding has."},
                  {"text": "In the output layer alone: looking up a row needs no parameters", "say": "Looking up costs no arithmetic. But the table has to be there, and its 4,000 rows of 64 are learnt."}]},
    minutes=20,
    difficulties="Seeing that the recurrent layer stays as it is. Learning by heart: the first model that runs mostly does far better on the training text. Targets and shapes, "
                 "where the training loop is the learner's own.",
    marking=((1, "embedding and output layer fit the vocabulary"), (1, "next words as targets, nothing leaked"), (2, "held-out perplexity below the bar")),
)


# ---- write

TALE = "the tide came in and the old clock went on and we saw the sea go out".split()
CHANCES = {UNKNOWN: 0.5, "sea": 0.3, "tide": 0.15, "ebb": 0.05}
DRAWS, TEMPERATURE, APART = 1500, 0.5, 0.06


class Stub(nn.Module):
    """A model that is known in every detail, called like a LanguageModel. Its scores fall apart in training mode, as with dropout."""

    def __init__(self, vocab: Vocabulary):
        super().__init__()
        self.vocab, self.num_tokens, self.device = vocab, len(vocab), torch.device("cpu")

    def forward(self, tokens: Tensor, state=None) -> tuple[Tensor, object]:
        if not isinstance(tokens, Tensor) or tokens.ndim != 2 or tokens.is_floating_point():
            raise Wrong(f"The model takes tokens of shape (steps, batch), whole numbers, and got {kind(tokens)}.")
        logits, state = self.answer(tokens, state)
        return logits.flip(-1) if self.training else logits, state


class Reciter(Stub):
    """Counts what it has read, and knows how the tale goes on from there; but best of all it likes <unk>."""

    def answer(self, tokens: Tensor, state):
        before = 0 if state is None else state[0]
        logits = torch.zeros(*tokens.shape, self.num_tokens)
        for step in range(len(tokens)):
            logits[step, :, self.vocab.encode([TALE[(before + step + 1) % len(TALE)]])] = 60.0
        logits[..., 0] = 90.0
        return logits, (before + len(tokens),)


class Dice(Stub):
    """The same chances at every step."""

    def answer(self, tokens: Tensor, state):
        chances = torch.tensor([CHANCES[token] for token in self.vocab.tokens])
        return chances.log().expand(*tokens.shape, -1).clone(), (torch.zeros(1, 1),)


@lru_cache
def stubs() -> tuple[Reciter, Dice]:
    told = Vocabulary(TALE, level="word")
    thrown = Vocabulary(["sea"] * 3 + ["tide"] * 2 + ["ebb"], level="word")
    return Reciter(told), Dice(thrown)


def written(function, model: Stub, prefix: str, num_words: int, temperature: float, seed: int) -> list[str]:
    """The words of a text; Wrong where it is none, or holds what it should not."""
    model.train()                                          # as a Trainer leaves it
    text = function(model, model.vocab, prefix, num_words, temperature, seed)
    if untouched(text):
        raise NotImplementedError
    if not isinstance(text, str):
        raise Wrong(f"`write` should return a string, and returns {kind(text)}.")
    words, begin = text.split(), prefix.split()
    shown = text if len(text) < 120 else f"{text[:120]} …"
    if words[:len(begin)] != begin:
        raise Wrong(f"The text should begin with the prefix, {prefix!r}. Yours is {shown!r}.")
    if UNKNOWN in words:
        raise Wrong(f"There is an <unk> in your text: {shown!r}. {SAYS_UNKNOWN}")
    if strangers := [word for word in words if word not in model.vocab]:
        raise Wrong(f"{strangers[0]!r} in your text is no word of the vocabulary. Join the words with single spaces.")
    if len(words) != len(begin) + num_words:
        raise Wrong(f"After the prefix there should be {num_words} words, and there are {len(words) - len(begin)}: {shown!r}."
                    + (f" {DROPPED}" if len(words) < len(begin) + num_words else ""))
    return words


def check_dice(function) -> None:
    """Raise Wrong unless words are drawn with their chances at this temperature, <unk> left out."""
    _, dice = stubs()
    words = written(function, dice, "sea", DRAWS, TEMPERATURE, 3)[1:]
    counts = Counter(words)
    shares = [counts[word] / DRAWS for word in dice.vocab.tokens[1:]]
    chances = torch.tensor([CHANCES[word] for word in dice.vocab.tokens])
    normal = lambda p: (p / p.sum()).tolist()                                                # noqa: E731
    sharp = chances ** (1 / TEMPERATURE)
    near = lambda expected: all(abs(a - b) < APART for a, b in zip(shares, expected))         # noqa: E731
    expected = normal(sharp[1:])
    if near(expected):
        return
    instead = normal(torch.tensor([sharp[0] + sharp[1], *sharp[2:]]))
    found = {len(counts) == 1: ONE_WORD, near(normal(chances[1:] ** TEMPERATURE)): MULTIPLIED, near(normal(chances[1:])): UNUSED, near(instead): REPLACED}
    table = ", ".join(f"{word!r} {share:.0%} ({right:.0%})" for word, share, right in zip(dice.vocab.tokens[1:], shares, expected))
    raise Wrong(f"At temperature {TEMPERATURE} the words of a simple model should come with other shares. Yours, and in brackets the right ones: "
                f"{table}. {found.get(True, '')}".strip())


def check_write(function) -> str:
    check_callable(WRITE, function)
    reciter, dice = stubs()
    for read, num_words in ((1, 9), (4, 10)):
        got = seeded(written, function, reciter, " ".join(TALE[:read]), num_words, 1.0, 0)
        right = TALE[:read + num_words]
        if got != right:
            k = next(k for k, (a, b) in enumerate(zip(got, right)) if a != b)
            told = told_by(WRITE, function, recited, [(1, 9), (4, 10)])
            raise Wrong(f"After {' '.join(right[:k])!r} the model's likeliest word is {right[k]!r}, and you have {got[k]!r}. {told}".strip())
    check_dice(function)
    torch.manual_seed(1)
    same = [written(function, dice, "sea tide", 60, 1.0, 5) for _ in range(2)]
    other = written(function, dice, "sea tide", 60, 1.0, 6)
    if same[0] != same[1]:
        raise Wrong(UNSEEDED)
    if same[0] == other:
        raise Wrong(f"The seeds 5 and 6 give the same text. {SEED_IGNORED}")
    return (f"Every word follows from all words before it, no <unk> comes, {DRAWS} draws have the shares that the temperature asks for, and a seed can be "
            "repeated. Try it on a model that you have trained.")


def recited(function, case):
    read, num_words = case
    try:
        return seeded(written, function, stubs()[0], " ".join(TALE[:read]), num_words, 1.0, 0)
    except Exception:
        return None


SAYS_UNKNOWN = "The model may find it likely; nobody wants to read it. Take its score out before you draw: −∞ becomes the probability 0."
DROPPED = "Where <unk> was drawn, you left a gap. Take it out *before* the draw, so that every draw gives a word."
REPLACED = ("Where <unk> was drawn you put another word, and that word now comes too often. Take <unk> out *before* the draw; then the others share its "
            "chance as they should.")
MULTIPLIED = "These are the shares for scores multiplied with the temperature. Divide: below 1 the likely becomes likelier."
UNUSED = "These are the shares at temperature 1: yours is not used."
ONE_WORD = ("It is always the same word: either the likeliest is taken where one should be drawn, or the generator starts anew before each draw. Make one generator, "
            "before the loop.")
UNSEEDED = ("Two calls with the same seed give different texts. Draw from a generator of your own: `torch.Generator().manual_seed(seed)`, given to "
            "`torch.multinomial`.")
SEED_IGNORED = "Yours is not used."

WRITE = Told(
    name="write", title="Write in proper words", page="exercise-words",
    checker=check_write, answers=("write",), seconds=30.0,
    statement="""\
Write a function that lets a word model go on from a prefix, and never says `<unk>`. `model(tokens, state)` takes tokens (steps, batch) and returns scores (steps, batch, entries) and
the state. `vocab.encode(prefix)` gives the numbers of the prefix, all of them known, and `vocab.tokens[k]` is the word of number k.

Draw each word from the softmax of the scores divided by `temperature`, with `<unk>`, number 0, left out. Return the prefix and
`num_words` more words, with single spaces. Draw from a generator that starts at `seed`. The model may come straight from training, so switch its dropout off.""",
    start='''\
import torch

def write(model, vocab, prefix, num_words, temperature, seed):
    """-> prefix and num_words more, a string without <unk>."""
    generator = ...
    tokens = vocab.encode(prefix)[:, None]       # (steps, 1)
    words = prefix.split()
    raise NotImplementedError
    return " ".join(words)
''',
    hints=(
        "In each turn: call the model with the tokens that it has *not* read yet, and with the state. At first that is the whole prefix, later only the last word.",
        "The scores that matter are `logits[-1, 0]`, (entries,). Set entry 0 to `-torch.inf`, divide by the temperature, take the softmax, and give it to "
        "`torch.multinomial(p, 1, generator=generator)`.",
        "Before the loop: `generator = torch.Generator().manual_seed(seed)`, `model.eval()`, `state = None`, and `with torch.no_grad():` around it. At the end "
        "of each turn: `tokens = chosen[:, None]`, (1, 1), and `words.append(vocab.tokens[chosen.item()])`.",
    ),
    solution='''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    """-> prefix and num_words more, a string without <unk>."""
    generator = torch.Generator().manual_seed(seed)
    model.eval()                                 # no dropout
    tokens, state = vocab.encode(prefix)[:, None], None
    words = prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        scores = logits[-1, 0] / temperature     # (entries,)
        scores[0] = -torch.inf                   # never <unk>
        p = scores.softmax(0)                    # (entries,)
        chosen = torch.multinomial(p, 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]                 # (1, 1), new
    return " ".join(words)
''',
    explanation="""\
Leaving `<unk>` out before the softmax is the same as drawing again until another word comes: the others keep their proportions. It is a choice about *writing*. When the
model is judged, `<unk>` stays in, for the text that is to be predicted holds such words. The state carries what was read; the new word alone is enough.""",
    otherwise='''\
import random

import torch

def write(model, vocab, prefix, num_words, temperature, seed):
    model.train(False)
    dice = random.Random(seed)
    ids = vocab.encode(prefix).tolist()
    with torch.inference_mode():
        for _ in range(num_words):
            everything = torch.tensor(ids).unsqueeze(1)    # all of it, from a zero state
            last = model(everything)[0][-1, 0, 1:].double()
            weights = torch.exp((last - last.max()) / temperature)
            ids += [1 + k for k in dice.choices(range(len(weights)), weights.tolist())]
    return prefix + "".join(" " + vocab.tokens[k] for k in ids[len(prefix.split()):])
''',
    mistakes=(
        Mistake("<unk> is said", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', SAYS_UNKNOWN),
        Mistake("<unk> is dropped after the draw", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        if chosen.item() != 0:
            words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', DROPPED),
        Mistake("another word for <unk>", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        p = (logits[-1, 0] / temperature).softmax(0)
        chosen = torch.multinomial(p, 1, generator=generator)
        if chosen.item() == 0:
            chosen = 1 + p[1:].argmax(0, keepdim=True)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', REPLACED),
        Mistake("the state is not handed on", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, words = vocab.encode(prefix)[:, None], prefix.split()
    for _ in range(num_words):
        logits, _ = model(tokens)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', "The state is not handed on, so every word is chosen as if it followed the very first one: give `state` to the next call."),
        Mistake("only the end of the prefix is read", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[-1:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', "Of the prefix only the last word is read. The state must have seen all of it."),
        Mistake("everything is read again, with the state", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = torch.cat([tokens, chosen[:, None]])
    return " ".join(words)
''', "The model reads the whole text again in every turn, on top of a state that has read it already. Hand on the state *or* the whole text."),
        Mistake("dropout stays on", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', "The model is still in training mode, with its dropout on: call `model.eval()` before you write."),
        Mistake("numbers off by one", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        p = (logits[-1, 0, 1:] / temperature).softmax(0)
        chosen = torch.multinomial(p, 1, generator=generator)
        words.append(vocab.tokens[1:][chosen.item() - 1])
        tokens = chosen[:, None]
    return " ".join(words)
''', "After cutting off entry 0 every number is one too small: add 1 to what you draw."),
        Mistake("multiplied with the temperature", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] * temperature).softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', MULTIPLIED),
        Mistake("the temperature is not used", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial(logits[-1, 0].softmax(0), 1, generator=generator)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', UNUSED),
        Mistake("the generator starts anew in each turn", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        p = (logits[-1, 0] / temperature).softmax(0)
        chosen = torch.multinomial(p, 1, generator=torch.Generator().manual_seed(seed))
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', ONE_WORD),
        Mistake("the seed is ignored", '''\
import torch

@torch.no_grad()
def write(model, vocab, prefix, num_words, temperature, seed):
    model.eval()
    tokens, state, words = vocab.encode(prefix)[:, None], None, prefix.split()
    for _ in range(num_words):
        logits, state = model(tokens, state)
        logits[-1, 0, 0] = -torch.inf
        chosen = torch.multinomial((logits[-1, 0] / temperature).softmax(0), 1)
        words.append(vocab.tokens[chosen.item()])
        tokens = chosen[:, None]
    return " ".join(words)
''', UNSEEDED),
    ),
    question={"kind": "number", "prompt": "A model gives <unk> the probability 0.5, “sea” 0.3, “tide” 0.15 and “ebb” 0.05. At temperature 1, with <unk> left out: with "
                                          "which probability does “sea” come?",
              "answer": 0.6, "tolerance": 0.005, "right": "Yes: 0.3 of the 0.5 that is left. “tide” comes with 0.3 and “ebb” with 0.1: their proportions stay.",
              "wrong": [{"from": 0.29, "to": 0.31, "say": "0.3 it is with <unk> among the choices. Without it the three words' chances must add up to 1."},
                        {"from": 0.79, "to": 0.81, "say": "Here “sea” inherits all that <unk> had. The other two get their share as well."},
                        {"from": 0.46, "to": 0.47, "say": "You gave each word a third of what <unk> had. Then “ebb” would be over four times as likely as before, and “sea” not even twice."},
                        {"from": 0.14, "to": 0.16, "say": "You multiplied by 0.5. What is left must add up to 1, so divide by it."}],
              "otherwise": "Leave <unk> out, and divide what remains by its sum."},
    minutes=15,
    difficulties="What to feed in each turn: the whole text or the new word, never both. Removing <unk> after the draw instead of before. `model.eval()`, which nothing "
                 "complains about when it is missing.",
    marking=((1, "the whole prefix read, the state handed on"), (1, "<unk> out before the draw"), (1, "temperature"), (1, "seeded, and without dropout")),
)

EXERCISES = (VOCABULARY, BITS, WORDS, WRITE)
