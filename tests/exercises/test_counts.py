"""Functions that return numbers: what is taken for a number, what is said where one is wrong, which mistake is recognised."""
import random

import numpy
import pytest
import torch

from unrolled.exercises.counts import CountExercise, near, plain
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.specification import Mistake

SPECIFIED = {"title": "t", "page": "p", "statement": "s", "start": "", "hints": ("", "", ""), "solution": "", "explanation": "", "otherwise": "",
             "question": {}, "minutes": 1, "difficulties": "", "marking": ()}


def square(mistakes=(), **changes):
    options = {"name": "square", "answers": ("square",), "results": ("the square",), "reference": lambda kind, x: x * x,
               "cases": lambda generator: [("even", 2), ("odd", 3), ("odd", 5)], "mistakes": tuple(mistakes)}
    return CountExercise(**(SPECIFIED | options | changes))


def both(**changes):
    return square(results=("area", "edge"), reference=lambda kind, x: (x * x, 4 * x), **changes)


def named(**changes):
    return square(results=("area", "edge"), mapping=True, reference=lambda kind, x: {"edge": 4 * x, "area": x * x}, **changes)


@pytest.mark.parametrize("value, number", [(3, 3), (3.0, 3), (2.5, 2.5), (numpy.int64(4), 4), (numpy.float32(0.5), 0.5), (torch.tensor(7), 7),
                                           (torch.tensor([[1.5]]), 1.5), (10 ** 18, 10 ** 18), (float("inf"), float("inf"))])
def test_many_things_are_a_number(value, number):
    assert plain("it", value) == number


def test_a_whole_number_stays_whole():
    assert isinstance(plain("it", 3.0), int) and isinstance(plain("it", 3.5), float)
    assert plain("it", 10 ** 18 + 1) == 10 ** 18 + 1


@pytest.mark.parametrize("value", [True, None, "3", [3], torch.zeros(2), 1j])
def test_others_are_not(value):
    with pytest.raises(Wrong, match="^it should be a number, and is (a|None)"):
        plain("it", value)


def test_what_was_left_open_is_no_mistake():
    for left in (..., square().examine):
        with pytest.raises((NotImplementedError, Wrong)):
            plain("it", left)
    with pytest.raises(NotImplementedError):
        plain("it", ...)
    for exercise, value in ((square(), ...), (both(), ...), (both(), (4, ...)), (named(), ...), (named(), {"area": 1, "edge": ...})):
        with pytest.raises(NotImplementedError):
            exercise.examine(lambda kind, x, value=value: value)
    with pytest.raises(NotImplementedError):
        square().examine(...)


def test_near():
    assert near(3, 3, 0) and not near(3, 4, 0) and near(float("inf"), float("inf"), 0)
    assert near(1e-3, 0, 1e-2) and near(1010, 1000, 0.01) and not near(1011, 1000, 0.01)


def test_what_is_right_passes():
    assert square().examine(lambda kind, x: float(x) ** 2) == "The number agrees in 3 different cases."
    assert both().examine(lambda kind, x: [x * x, 4 * x]) == "The numbers agree in 3 different cases."
    assert named().examine(lambda kind, x: {"area": x * x, "edge": 4 * x}) == "The numbers agree in 3 different cases."


@pytest.mark.parametrize("exercise, function, said", [
    (square(), lambda kind, x: x + x, '`square("odd", 3)` is wrong: expected 9, got 6.'),
    (square(), lambda kind, x: x * x + 0.5, '`square("even", 2)` is wrong: expected 4.0000, got 4.5000.'),
    (both(), lambda kind, x: (x * x, 3 * x), '`square("even", 2)`, edge, is wrong: expected 8, got 6.'),
    (named(), lambda kind, x: {"area": x, "edge": 4 * x}, '"area" of `square("even", 2)` is wrong: expected 4, got 2.'),
    (square(), lambda kind, x: None, 'What `square("even", 2)` returns should be a number, and is None'),
    (both(), lambda kind, x: x, 'What `square("even", 2)` returns should be 2 numbers (area, edge), and is an int.'),
    (both(), lambda kind, x: (x,), "should be 2 numbers (area, edge), and is a tuple of 1."),
    (both(), lambda kind, x: (x * x, "long"), "The number for edge of `square(\"even\", 2)` should be a number, and is a str."),
    (named(), lambda kind, x: {"area": x}, 'What `square("even", 2)` returns lacks edge.'),
    (named(), lambda kind, x: {"area": x * x, "edge": None}, '"edge" of `square("even", 2)` should be a number'),
    (square(), 4, "`square` should be a function, and is an int."),
])
def test_the_first_thing_that_is_wrong(exercise, function, said):
    with pytest.raises(Wrong) as wrong:
        exercise.examine(function)
    assert said in str(wrong.value)


MISTAKES = (Mistake("doubled", "def square(kind, x):\n    return 2 * x", "You doubled."),
            Mistake("one more", "def square(kind, x):\n    return x * x + 1", "One too many."))


def test_a_planted_mistake_is_recognised_by_its_numbers():
    exercise = square(MISTAKES)
    for function, told in ((lambda kind, x: x + x, "You doubled."), (lambda kind, x: 1 + x ** 2, "One too many.")):
        with pytest.raises(Wrong, match=told):
            exercise.examine(function)


def test_a_mistake_in_a_part_of_the_cases_is_recognised_too():
    with pytest.raises(Wrong, match="expected 9, got 10. One too many."):
        square(MISTAKES).examine(lambda kind, x: x * x + (kind == "odd"))
    with pytest.raises(Wrong) as wrong:
        square(MISTAKES).examine(lambda kind, x: x * x + (2 if kind == "odd" else 1))
    assert str(wrong.value).endswith("expected 4, got 5.")


def test_cases_are_the_same_at_every_check():
    drawn = []
    exercise = square(cases=lambda generator: [("x", int(torch.randint(100, (), generator=generator)))])
    for _ in range(2):
        random.seed()
        exercise.examine(lambda kind, x: drawn.append(x) or x * x)
    assert drawn[0] == drawn[1]
