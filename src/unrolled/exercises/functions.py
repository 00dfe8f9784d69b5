"""Exercises whose answer is a function: values and gradients on random shapes, and a name for the mistake."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from unrolled.exercises.feedback import Wrong, check_tensor, compare, kind, same
from unrolled.exercises.running import explained
from unrolled.exercises.specification import Exercise, defined

TOLERANCE = 1e-8                       # the cases are in float64


def leaves(value, name: str = "") -> list[tuple[str, Tensor]]:
    """Every floating tensor within nested tuples, lists and dictionaries, with where it is ("p['W_xi']")."""
    if isinstance(value, Tensor):
        return [(name, value)] if value.is_floating_point() else []
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in leaves(one, f"{name}['{key}']")]
    if isinstance(value, (tuple, list)):
        return [leaf for k, one in enumerate(value) for leaf in leaves(one, f"{name}[{k}]")]
    return []


def fresh(value):
    """The same numbers in new tensors that ask for gradients."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.is_floating_point())
    if isinstance(value, dict):
        return {key: fresh(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(fresh(one) for one in value)
    return value


@lru_cache
def planted(code: str, name: str) -> Callable:
    """The function that a planted mistake defines."""
    return defined(code, (name,))[0]


@dataclass(frozen=True)
class FunctionExercise(Exercise):
    """A function to be written, compared with a reference.

    Attributes:
        arguments: the names of its arguments, for the messages.
        results: what each result is called ("The input gate I"); one name where it returns one tensor.
        axes: what the axes of the results count.
        reference: the package's own function, called alike; returns a tensor or a tuple of tensors.
        cases: draws argument tuples of random shapes from a generator; tensors in float64.
    """

    arguments: tuple[str, ...] = field(kw_only=True)
    results: tuple[str, ...] = field(kw_only=True)
    axes: tuple[str, ...] = field(default=("example", "unit"), kw_only=True)
    reference: Callable = field(kw_only=True)
    cases: Callable[[torch.Generator], Iterable[tuple]] = field(kw_only=True)

    def examine(self, function) -> str:
        if not callable(function):
            raise Wrong(f"`{self.answers[0]}` should be a function, and is {kind(function)}.")
        count = 0
        for case in self.cases(torch.Generator().manual_seed(0)):
            try:
                self.compare_case(function, case)
            except NotImplementedError:
                raise
            except Wrong as wrong:
                raise Wrong(f"{wrong}{self.diagnosis(function, case)}") from None
            except Exception as error:
                raise Wrong(f"{explained(error)}{self.diagnosis(function, case)}") from None
            count += 1
        return f"Values and gradients agree on {count} random shapes."

    def call(self, function, case) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The results of a function, and the gradient of their random projection in every floating argument.

        Raises:
            Wrong: another number of results than ``results``, a result that is no tensor, or one that lost
                its history.
        """
        arguments = fresh(case)
        got = function(*arguments)
        got = [got] if len(self.results) == 1 else got
        if not isinstance(got, (tuple, list)) or len(got) != len(self.results):
            raise Wrong(f"`{self.answers[0]}` should return {len(self.results)} things ({', '.join(self.results)}), "
                        f"and returns {kind(got)}.")
        for (name, after), (_, before) in zip(self.named(arguments), self.named(case)):
            if not torch.equal(after.detach(), before):
                raise Wrong(f"Your function changes its argument {name} in place. The caller may need it again: compute new tensors.")
        for name, value in zip(self.results, got):
            if not isinstance(value, Tensor):
                raise Wrong(f"{name} should be a tensor, and is {kind(value)}.")
        draw = torch.Generator().manual_seed(1)
        loss = sum((value * torch.randn(value.shape, generator=draw, dtype=value.dtype)).sum() for value in got)
        if not loss.requires_grad:
            raise Wrong(f"No gradient can flow through your {self.answers[0]}: something in it leaves the graph "
                        "(`detach`, `.data`, `.item()`, `torch.no_grad`, or a new `torch.tensor`).")
        loss.backward()
        gradients = {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in self.named(arguments)}
        return list(got), gradients

    def named(self, arguments) -> list[tuple[str, Tensor]]:
        return [leaf for name, value in zip(self.arguments, arguments) for leaf in leaves(value, name)]

    def compare_case(self, function, case) -> None:
        """Raise Wrong at the first difference from the reference: shape, then value, then gradient."""
        expected, slopes = self.call(self.reference, case)
        got, gradients = self.call(function, case)
        for name, a, b in zip(self.results, got, expected):
            check_tensor(name, a, b)
        for name, a, b in zip(self.results, got, expected):
            compare(name, a, b.detach(), axes=self.axes[-b.ndim:] if b.ndim <= len(self.axes) else self.axes, tolerance=TOLERANCE)
        for name, slope in slopes.items():
            if not same(gradients[name], slope, TOLERANCE):
                raise Wrong(f"The values are right, but the gradient with respect to {name} is not: something in your "
                            "function cuts the graph there, as `detach` would.")

    def outcome(self, function, case):
        """What comes of a function on a case: its results and gradients, or what it was stopped by."""
        try:
            return self.call(function, case)
        except Exception as error:
            return type(error), str(error)

    def diagnosis(self, function, case) -> str:
        """The words of the planted mistake of which the same comes, where there is one."""
        came = self.outcome(function, case)
        for mistake in self.mistakes:
            if alike(came, self.outcome(planted(mistake.code, self.answers[0]), case)):
                return f" {mistake.told}"
        return ""


def alike(one, two) -> bool:
    """Whether two outcomes are the same: the same error, or the same results and gradients."""
    (first, slopes), (second, others) = one, two
    if not isinstance(first, list) or not isinstance(second, list):
        return one == two if type(first) is type(second) else False
    return (all(a.shape == b.shape and a.dtype == b.dtype and same(a.detach(), b.detach(), TOLERANCE) for a, b in zip(first, second))
            and all(same(slopes[name], others[name], TOLERANCE) for name in slopes))
