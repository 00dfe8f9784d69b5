"""What holds of every exercise: its solutions pass, its start invites, each planted mistake gets the words meant for it."""
import re
import time

import pytest

from unrolled.exercises import check, get, names
from unrolled.exercises.specification import defined
from unrolled.widgets import Question

ALL = [get(name) for name in names()]
MISTAKES = [pytest.param(exercise, mistake, id=f"{exercise.name}: {mistake.name}") for exercise in ALL for mistake in exercise.mistakes]
by_name = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.name)


def answered(exercise, code):
    start = time.perf_counter()
    feedback = check(exercise.name, *defined(code, exercise.answers))
    assert time.perf_counter() - start < 60
    return feedback


@by_name
@pytest.mark.parametrize("way", ["solution", "otherwise"])
def test_right_ways_pass(exercise, way):
    feedback = answered(exercise, getattr(exercise, way))
    assert feedback.passed, feedback.message
    assert exercise.solution != exercise.otherwise


@by_name
def test_the_untouched_start_invites(exercise):
    feedback = answered(exercise, exercise.start)
    assert not feedback.passed
    assert "still open" in feedback.message and "Traceback" not in feedback.message


@pytest.mark.parametrize("exercise, mistake", MISTAKES)
def test_a_planted_mistake_gets_its_words(exercise, mistake):
    feedback = answered(exercise, mistake.code)
    assert not feedback.passed and mistake.told in feedback.message, feedback.message


@by_name
def test_the_specification_is_whole(exercise):
    assert len(exercise.mistakes) >= 5 and len({mistake.told for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert len(exercise.hints) == 3 and all(len(hint) > 30 for hint in exercise.hints)
    assert 0 < exercise.seconds <= 60 and exercise.minutes > 0
    assert sum(points for points, _ in exercise.marking) > 0 and len(exercise.difficulties) > 30
    assert "NotImplementedError" in exercise.start or "..." in exercise.start
    for text in (exercise.start, exercise.solution):
        assert max(map(len, text.splitlines())) <= 88, "a code line that would scroll"


@by_name
def test_the_question_answers_every_wrong_answer(exercise):
    question = Question(exercise.question, exercise.name, exercise.title).question
    said = [option["say"] for option in question.get("options", [])] + [wrong["say"] for wrong in question.get("wrong", [])]
    said += [item["say"] for item in question.get("items", [])]
    assert said and all(len(text) > 15 and re.search(r"[.?!]$", text) for text in said)


def test_names_are_identifiers_and_told_apart():
    assert len(set(names())) == len(ALL) and all(name.isidentifier() for name in names())
