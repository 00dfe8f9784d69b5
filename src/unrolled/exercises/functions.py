"""Exercises whose answer is a function: values and gradients on random shapes, and a name for the mistake."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from unrolled.exercises.feedback import Wrong, check_keys, check_tensor, compare, kind, same
from unrolled.exercises.running import explained, untouched
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
        mapping: whether the results come in a dictionary, with the names in ``results`` as its keys.
        differentiable: whether gradients are compared, too.
    """

    arguments: tuple[str, ...] = field(kw_only=True)
    results: tuple[str, ...] = field(kw_only=True)
    axes: tuple[str, ...] = field(default=("example", "unit"), kw_only=True)
    reference: Callable = field(kw_only=True)
    cases: Callable[[torch.Generator], Iterable[tuple]] = field(kw_only=True)
    mapping: bool = field(default=False, kw_only=True)
    differentiable: bool = field(default=True, kw_only=True)

    def examine(self, function) -> str:
        if untouched(function):
            raise NotImplementedError
        if not callable(function):
            raise Wrong(f"`{self.answers[0]}` should be a function, and is {kind(function)}.")
        cases = list(self.cases(torch.Generator().manual_seed(0)))
        for case in cases:
            try:
                self.compare_case(function, case)
            except Exception as error:
                if untouched(error):
                    raise
                said = str(error) if isinstance(error, Wrong) else explained(error)
                raise Wrong(f"{said}{self.diagnosis(function, cases)}") from None
        return f"{'Values and gradients' if self.differentiable else 'Values'} agree on {len(cases)} random shapes."

    def call(self, function, case) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The results of a function, and the gradient of their random projection in every floating argument.

        Raises:
            Wrong: an argument was changed, the results are not those asked for, or one of them is not a tensor of
                floating numbers.
        """
        arguments = fresh(case)
        own = self.named(arguments)
        got = self.unpacked(function(*arguments))
        after = dict(self.named(arguments))
        for (name, leaf), (_, before) in zip(own, self.named(case)):
            if after.get(name) is not leaf or not torch.equal(leaf.detach(), before):
                raise Wrong(f"Your function changes its argument {name} in place. The caller may need it again: compute new tensors.")
        for name, value in zip(self.results, got):
            if untouched(value):
                raise Wrong(f"{name} is still open: put your own code where its `...` stands.")
            if not isinstance(value, Tensor) or not value.is_floating_point():
                raise Wrong(f"{name} should be a tensor of floating numbers, and is {kind(value)}.")
        draw = torch.Generator().manual_seed(1)
        loss = sum((value * torch.randn(value.shape, generator=draw, dtype=value.dtype)).sum() for value in got)
        if loss.requires_grad and self.differentiable:
            loss.backward()
        return got, {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in own}

    def unpacked(self, got) -> list:
        """What a function returned, as a list in the order of ``results``."""
        if self.mapping:
            check_keys(f"What `{self.answers[0]}` returns", got, dict.fromkeys(self.results))
            return [got[name] for name in self.results]
        got = [got] if len(self.results) == 1 else got
        if not isinstance(got, (tuple, list)) or len(got) != len(self.results):
            raise Wrong(f"`{self.answers[0]}` should return {len(self.results)} things ({', '.join(self.results)}), "
                        f"and returns {kind(got)}.")
        return list(got)

    def named(self, arguments) -> list[tuple[str, Tensor]]:
        return [leaf for name, value in zip(self.arguments, arguments) for leaf in leaves(value, name)]

    def compare_case(self, function, case) -> None:
        """Raise Wrong at the first difference from the reference: shape, then value, then gradient."""
        expected, slopes = self.call(self.reference, case)
        got, gradients = self.call(function, case)
        for name, a, b in zip(self.results, got, expected):
            check_tensor(name, a, b)
        for name, a, b in zip(self.results, got, expected):
            compare(name, a, b, axes=self.axes[max(0, len(self.axes) - b.ndim):], tolerance=TOLERANCE)
        wrong = [name for name, slope in slopes.items() if not same(gradients[name], slope, TOLERANCE)]
        if wrong and not any(slope.any() for slope in gradients.values()):
            raise Wrong(f"The values are right, but no gradient can flow through your {self.answers[0]}: something in it leaves "
                        "the graph (`detach`, `.data`, `.item()`, `torch.no_grad`, or a new `torch.tensor`).")
        if wrong:
            raise Wrong(f"The values are right, but the gradient with respect to {wrong[0]} is not: something in your "
                        "function cuts the graph there, as `detach` would.")

    def outcome(self, function, case):
        """What comes of a function on a case: its results and gradients, or what it was stopped by."""
        try:
            return self.call(function, case)
        except Exception as error:
            return type(error), str(error)

    def diagnosis(self, function, cases) -> str:
        """The words of the planted mistake that does the same as a function on all cases, where there is one."""
        came, right = ([self.outcome(one, case) for case in cases] for one in (function, self.reference))
        for mistake in self.mistakes:
            known = [self.outcome(planted(mistake.code, self.answers[0]), case) for case in cases]
            if (all(alike(a, b) or failed(a) and failed(b) for a, b in zip(came, known))
                    and any(alike(a, b) and not alike(b, c) for a, b, c in zip(came, known, right))):
                return f" {mistake.told}"
        return ""


def failed(outcome) -> bool:
    return not isinstance(outcome[0], list)


def alike(one, two) -> bool:
    """Whether two outcomes are the same: the same error, or the same results and gradients."""
    if failed(one) or failed(two):
        return one == two
    (first, slopes), (second, others) = one, two
    return (all(a.shape == b.shape and a.dtype == b.dtype and same(a, b, TOLERANCE) for a, b in zip(first, second))
            and all(same(slopes[name], others[name], TOLERANCE) for name in slopes))
