"""A cell is executed and asked for its names; an exercise by a function of its own is checked by it; words work everywhere."""
import dataclasses
import re

import pytest

from unrolled.exercises import get, names
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.specification import Exercise, Told, defined


def filled(kind, **more):
    texts = {field.name: "" for field in dataclasses.fields(Exercise) if field.default is dataclasses.MISSING}
    return kind(**(texts | more))


def test_a_cell_gives_the_names_that_are_asked_for():
    assert defined("a = 1\ndef b():\n    return a + 1\n", ("b", "a"))[0]() == 2
    with pytest.raises(Wrong, match="There is no `c` yet. Define it in the cell above"):
        defined("a = 1", ("a", "c"))


def test_an_error_of_a_cell_knows_its_line():
    with pytest.raises(ZeroDivisionError) as error:
        defined("a = 1\nb = a / 0", ("b",))
    last = error.traceback[-1]
    assert str(last.path) == "<your cell>" and last.lineno == 1           # counted from 0


def test_a_told_exercise_asks_its_checker():
    told = filled(Told, checker=lambda a, b: f"{a} and {b}")
    assert told.examine(1, 2) == "1 and 2" and told.seconds > 0


def test_an_exercise_without_a_check_is_none():
    with pytest.raises(NotImplementedError):
        filled(Exercise, seconds=1).examine()


@pytest.mark.parametrize("name", names())
def test_a_notebook_can_show_its_hints_and_explanation(name):
    """They are shown there as they are: without the page's roles and without its macros."""
    for text in (*get(name).hints, get(name).explanation):
        assert not re.search(r"\{[\w:-]+\}`", text), text
        assert not re.search(r"\\(X|gate[IFOifo]|node[Cc]|cell[Cc]|hid[Hh])\b", text), text
