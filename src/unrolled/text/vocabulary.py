"""Tokens and their numbers."""
import operator
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = "<unk>"
LEVELS = ("char", "word")


def clean(text: str) -> str:
    """Small letters and single spaces: whatever is not a letter of the alphabet becomes a space."""
    return re.sub("[^A-Za-z]+", " ", text).lower()


def tokenize(text: str, level: str = "char") -> list[str]:
    """Clean the text and cut it into characters or words.

    Raises:
        TypeError: not a string.
        ValueError: no such level, or no token left after cleaning.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text is a string, not {type(text).__name__}")
    if level not in LEVELS:
        raise ValueError(f"the level is 'char' or 'word', not {level!r}")
    cleaned = clean(text)
    tokens = list(cleaned) if level == "char" else cleaned.split()
    if not cleaned.strip():
        raise ValueError(f"no letters in this text of {len(text)} characters: nothing to make tokens of")
    return tokens


class Vocabulary:
    """A numbering of tokens: 0 is ``<unk>``, then reserved ones, then by falling frequency.

    Args:
        tokens: the tokens of a training text.
        level: "char" or "word", how ``encode`` cuts a string and ``decode`` joins tokens.
        min_freq: rarer tokens are unknown.
        max_size: at most this many entries, ``<unk>`` included.
        reserved: tokens that have a number whether or not they occur.

    Ties in frequency are broken alphabetically, so the numbering is the same everywhere.

    Attributes:
        tokens: the entries in the order of their numbers.
        frequencies: how often each token of the training text occurs in it, unnumbered ones included.
        level, reserved: as above.
        unknown: the number of ``<unk>``.

    Raises:
        TypeError: a string where words are expected (``from_text`` cuts it), or tokens that are no strings.
        ValueError: no token at all, or an option out of its range.
    """

    unknown = 0

    def __init__(self, tokens: Iterable[str], *, level: str = "char", min_freq: int = 1,
                 max_size: int | None = None, reserved: Sequence[str] = ()):
        if level not in LEVELS:
            raise ValueError(f"the level is 'char' or 'word', not {level!r}")
        if min_freq < 1:
            raise ValueError(f"min_freq is 1 or more, not {min_freq!r}")
        if max_size is not None and max_size < 2 + len(reserved):
            raise ValueError(f"max_size leaves room for <unk>, the reserved tokens and one more: "
                             f"at least {2 + len(reserved)}, not {max_size!r}")
        first = [UNKNOWN, *reserved]
        if len(set(first)) < len(first):
            raise ValueError(f"reserved tokens differ from each other and from <unk>, got {list(reserved)}")
        counts = Counter(_checked(tokens, level))
        if not counts:
            raise ValueError("a vocabulary needs at least one token, got an empty text")
        rest = sorted((t for t, n in counts.items() if n >= min_freq and t not in first),
                      key=lambda t: (-counts[t], t))
        self.level = level
        self.reserved = tuple(reserved)
        self.frequencies = dict(counts)
        self._number(first + rest[:None if max_size is None else max_size - len(first)])

    def _number(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._index = {token: k for k, token in enumerate(tokens)}

    @classmethod
    def from_text(cls, text: str, level: str = "char", **options) -> "Vocabulary":
        """The vocabulary of a text. Options as for the class."""
        return cls(tokenize(text, level), level=level, **options)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._index

    def __repr__(self) -> str:
        more = ", ..." if len(self) > 6 else ""
        return f"Vocabulary({len(self)} {self.level}s: {', '.join(map(repr, self.tokens[:6]))}{more})"

    def encode(self, text: str | Sequence[str], *, strict: bool = False) -> "Tensor":
        """The numbers of a text's tokens, (tokens,) int64. Arguments and errors as for ``ids``."""
        import torch                    # all else here does without

        return torch.tensor(self.ids(text, strict=strict))

    def ids(self, text: str | Sequence[str], *, strict: bool = False) -> list[int]:
        """The numbers of a text's tokens, for any framework.

        Args:
            text: a string, which is cleaned and cut first, or a sequence of tokens, taken as they are.
            strict: raise on what has no number of its own, instead of giving it that of ``<unk>``. A
                string is then not cleaned away: its characters must be known as they stand.

        Raises:
            TypeError: neither a string nor a sequence of strings.
            ValueError: nothing to encode, or with ``strict`` an unknown token, named with its place.
        """
        if isinstance(text, str):
            if strict:
                tokens = list(text) if self.level == "char" else text.split()
            else:
                tokens = tokenize(text, self.level)
        else:
            tokens = _checked(text, self.level)
        if not tokens:
            raise ValueError("nothing to encode: the text is empty")
        if strict and (strangers := [f"{t!r} at {k}" for k, t in enumerate(tokens) if t not in self._index]):
            some = ", ".join(strangers[:5]) + (" and more" if len(strangers) > 5 else "")
            raise ValueError(f"unknown {self.level}s: {some}; the vocabulary has {len(self)} entries, "
                             f"such as {', '.join(map(repr, self.tokens[1:6]))}")
        return [self._index.get(token, self.unknown) for token in tokens]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some numbers: characters side by side, words with a space between.

        Raises:
            TypeError: numbers that are not whole, or not in one row.
            ValueError: a number outside the vocabulary.
        """
        ids = [operator.index(k) for k in ids]
        wrong = next((k for k in ids if not 0 <= k < len(self)), None)
        if wrong is not None:
            raise ValueError(f"token ids lie between 0 and {len(self) - 1}, got {wrong}")
        return ("" if self.level == "char" else " ").join(self.tokens[k] for k in ids)

    def to_dict(self) -> dict:
        """Everything in plain lists and numbers, for JSON."""
        return {"level": self.level, "tokens": self.tokens, "reserved": list(self.reserved),
                "frequencies": self.frequencies}

    @classmethod
    def from_dict(cls, data: dict) -> "Vocabulary":
        """The inverse of ``to_dict``.

        Raises:
            ValueError: a part is missing, or it is no numbering that begins with ``<unk>``.
        """
        missing = {"level", "tokens", "reserved", "frequencies"} - set(data)
        if missing:
            raise ValueError(f"a stored vocabulary has level, tokens, reserved and frequencies; missing "
                             f"{sorted(missing)}")
        tokens = list(data["tokens"])
        if data["level"] not in LEVELS or tokens[:1] != [UNKNOWN] or len(set(tokens)) < len(tokens):
            raise ValueError(f"a stored vocabulary is of level 'char' or 'word', its tokens differ and begin "
                             f"with <unk>; got level {data['level']!r} and tokens {tokens[:3]} ...")
        vocab = cls.__new__(cls)
        vocab.level, vocab.reserved = data["level"], tuple(data["reserved"])
        vocab.frequencies = dict(data["frequencies"])
        vocab._number(tokens)
        return vocab


def _checked(tokens: Iterable[str], level: str) -> list[str]:
    """The tokens as a list, all of them strings."""
    if isinstance(tokens, str) and level == "word":
        raise TypeError("words come as a sequence of strings, not as one string: cut it with tokenize")
    tokens = list(tokens)
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"tokens are strings, got {type(token).__name__}")
    return tokens
