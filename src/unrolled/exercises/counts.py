"""Exercises whose answer is a function that returns numbers: right to the last digit, and a name for the mistake."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from numbers import Integral, Real

import torch
from torch import Tensor

from unrolled.exercises.feedback import Wrong, apart, check_keys, kind
from unrolled.exercises.functions import planted
from unrolled.exercises.running import untouched
from unrolled.exercises.specification import Exercise


def plain(what: str, value) -> int | float:
    """A number as Python's own.

    Raises:
        NotImplementedError: the place was left as the exercise gave it.
        Wrong: it is no number.
    """
    if untouched(value):
        raise NotImplementedError
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool):
        raise Wrong(f"{what} should be a number, and is {kind(value)}.")
    return int(value) if isinstance(value, Integral) or float(value).is_integer() else float(value)


def near(one: float, other: float, tolerance: float) -> bool:
    """Whether two numbers are equal, or differ by at most this share of the second (of 1, where that is smaller)."""
    return one == other or abs(one - other) <= tolerance * max(1.0, abs(other))


@dataclass(frozen=True)
class CountExercise(Exercise):
    """A function that returns one number, several, or a dictionary of them.

    Attributes:
        results: what each number is called; one name where it returns one.
        reference: the right function, called alike; returns a number, or a tuple or dictionary of them.
        cases: draws the arguments of each call from a generator.
        mapping: whether the numbers come in a dictionary, with ``results`` as its keys.
        tolerance: how far a number may be off, relative to the right one. 0 for counts.
    """

    results: tuple[str, ...] = field(kw_only=True)
    reference: Callable = field(kw_only=True)
    cases: Callable[[torch.Generator], Iterable[tuple]] = field(kw_only=True)
    mapping: bool = field(default=False, kw_only=True)
    tolerance: float = field(default=0.0, kw_only=True)

    def examine(self, function) -> str:
        if untouched(function):
            raise NotImplementedError
        if not callable(function):
            raise Wrong(f"`{self.answers[0]}` should be a function, and is {kind(function)}.")
        cases = list(self.cases(torch.Generator().manual_seed(0)))
        came = [self.called(function, case) for case in cases]
        right = [self.called(self.reference, case) for case in cases]
        for case, got, expected in zip(cases, came, right):
            for name, a, b in zip(self.results, got, expected):
                if not near(a, b, self.tolerance):
                    raise Wrong(self.complaint(case, name, a, b) + self.diagnosis(cases, came, right))
        return f"{'The numbers agree' if len(self.results) > 1 else 'The number agrees'} in {len(cases)} different cases."

    def call(self, case) -> str:
        """The call as code, `parameters("gru", 3, 5)`."""
        return f"`{self.answers[0]}({', '.join(repr(one).replace(chr(39), chr(34)) for one in case)})`"

    def called(self, function, case) -> list[int | float]:
        """The numbers that a function gives, in the order of ``results``."""
        got, said = function(*case), f"What {self.call(case)} returns"
        if self.mapping:
            if untouched(got):
                raise NotImplementedError
            check_keys(said, got, dict.fromkeys(self.results))
            return [plain(f"\"{name}\" of {self.call(case)}", got[name]) for name in self.results]
        if len(self.results) == 1:
            return [plain(said, got)]
        if not isinstance(got, (tuple, list)) or len(got) != len(self.results):
            if untouched(got):
                raise NotImplementedError
            raise Wrong(f"{said} should be {len(self.results)} numbers ({', '.join(self.results)}), and is {kind(got)}.")
        return [plain(f"The number for {name} of {self.call(case)}", one) for name, one in zip(self.results, got)]

    def complaint(self, case, name: str, got, expected) -> str:
        right, wrong = apart(expected, got)
        what = f"\"{name}\" of {self.call(case)}" if self.mapping else self.call(case)
        what += f", {name}," if len(self.results) > 1 and not self.mapping else ""
        return f"{what} is wrong: expected {right}, got {wrong}."

    def diagnosis(self, cases, came, right) -> str:
        """The words of the planted mistake that gives the same numbers: everywhere, else wherever these are wrong."""
        def same(one, other) -> bool:
            return all(near(a, b, max(self.tolerance, 1e-12)) for a, b in zip(one, other))

        known = [(mistake, [self.called(planted(mistake.code, self.answers[0]), case) for case in cases]) for mistake in self.mistakes]
        wrong = [k for k in range(len(cases)) if not same(came[k], right[k])]
        for where in (range(len(cases)), wrong):
            for mistake, numbers in known:
                if all(same(came[k], numbers[k]) for k in where):
                    return f" {mistake.told}"
        return ""
