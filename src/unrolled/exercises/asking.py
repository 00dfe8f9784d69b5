"""What a learner calls in a notebook: check, hint, solution, and the buttons that call them."""
import html
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import ipywidgets
from IPython import get_ipython

from unrolled.exercises import progress
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.running import carefully, spared
from unrolled.exercises.specification import Exercise

# In the order in which they are met. Progress codes count on it: new ones are added at the end.
ROOMS = ("cell", "layer", "hyperparameters", "words", "cost", "tanh", "series")


@lru_cache
def everything() -> dict[str, Exercise]:
    """Every exercise by its name, in order."""
    rooms = (import_module(f"unrolled.exercises.{room}") for room in ROOMS)
    return {exercise.name: exercise for room in rooms for exercise in room.EXERCISES}


def names() -> list[str]:
    """The names of all exercises, in order."""
    return list(everything())


def get(name: str) -> Exercise:
    """The exercise of this name.

    Raises:
        ValueError: there is none; the sentence lists those there are.
    """
    if name not in everything():
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(everything())}")
    return everything()[name]


@dataclass(frozen=True)
class Feedback:
    """What a check found.

    Attributes:
        passed: whether all is right.
        message: in words, for the learner.
        printed: what the learner's code printed meanwhile, shortened where it is long.
    """

    passed: bool
    message: str
    printed: str = ""

    def __str__(self) -> str:
        said = f"Your code printed:\n{self.printed.rstrip()}\n\n" if self.printed.strip() else ""
        return f"{said}{'Right.' if self.passed else 'Not yet.'} {self.message}"

    __repr__ = __str__


_hints: dict[str, int] = {}
_done: set[tuple[str, str]] = set()


def check(name: str, *values) -> Feedback:
    """Check an answer.

    Your objects and the random generators are left as they are. Code that hangs is stopped.

    Args:
        name: of the exercise.
        values: what the exercise asks for, such as your function; where none is given, the notebook's
            variables of the names that the exercise asks for.

    Raises:
        ValueError: there is no such exercise, or another number of values than it asks for.
    """
    exercise = get(name)
    if not values:
        shell = get_ipython()
        known = shell.user_ns if shell else {}
        if missing := [answer for answer in exercise.answers if answer not in known]:
            return Feedback(False, f"There is no `{missing[0]}` yet: run the cell that defines it, then check again. Outside of a "
                                   f"notebook hand it over: `check(\"{name}\", {', '.join(exercise.answers)})`.")
        values = tuple(known[answer] for answer in exercise.answers)
    if len(values) != len(exercise.answers):
        raise ValueError(f"the exercise {name!r} asks for {', '.join(exercise.answers)}, got {len(values)} values")
    praise, complaint, printed = carefully(lambda: exercise.examine(*map(spared, values)), exercise.seconds)
    if complaint:
        return Feedback(False, complaint, printed)
    _done.add((name, "check"))
    return Feedback(True, praise, printed)


class Text(str):
    """Markdown that a notebook renders and a terminal prints."""

    def _repr_markdown_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


def rendered(markdown: str) -> str:
    """The little Markdown that hints and feedback are written in, as HTML; whatever else is in it is text."""
    def inline(text: str) -> str:
        text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))
        return re.sub(r"\*\*([^*\n]+)\*\*", r"<strong>\1</strong>", text).strip("\n")
    pieces = re.split(r"```(?:python)?\n(.*?)```", markdown, flags=re.S)
    return "".join(f"<pre>{html.escape(piece.rstrip())}</pre>" if k % 2 else f'<div style="white-space:pre-wrap">{inline(piece)}</div>'
                   for k, piece in enumerate(pieces) if piece.strip())


def hint(name: str) -> Text:
    """The next of three hints; after the third it stays there."""
    exercise = get(name)
    at = _hints[name] = min(_hints.get(name, 0) + 1, len(exercise.hints))
    return Text(f"**Hint {at} of {len(exercise.hints)}.** {exercise.hints[at - 1]}")


def solution(name: str) -> Text:
    """A way to do it, and why."""
    exercise = get(name)
    return Text(f"```python\n{exercise.solution.strip()}\n```\n\n{exercise.explanation.strip()}")


def code() -> str:
    """The progress code: what is done, to be entered on the book's page of exercises."""
    return progress.encode(_done, names())


def enter(text: str) -> str:
    """Take over a progress code from the book's page; returns the code of all that is now done.

    Raises:
        ValueError: the code is damaged; nothing is taken over.
    """
    _done.update(progress.decode(text, names()))
    return code()


def show(name: str) -> ipywidgets.Widget:
    """Three buttons: check what the notebook defines, the next hint, the solution (at the second press)."""
    get(name)
    said = ipywidgets.HTMLMath()
    check_button, hint_button, solution_button = (ipywidgets.Button(description=text) for text in ("Check", "Hint", "Solution"))
    sure = False

    def say(text: str) -> None:
        said.value = f'<div role="status" style="line-height:1.5">{rendered(text)}</div>'

    def on_solution(_):
        nonlocal sure
        say(solution(name) if sure else "Press once more to see the solution. Have you tried the hints?")
        sure = True

    check_button.on_click(lambda _: say(str(check(name))))
    hint_button.on_click(lambda _: say(hint(name)))
    solution_button.on_click(on_solution)
    return ipywidgets.VBox([ipywidgets.HBox([check_button, hint_button, solution_button]), said])


__all__ = ["Feedback", "Wrong", "check", "code", "enter", "get", "hint", "names", "show", "solution"]
