"""One specification an exercise: everything that pages, notebooks, checks and tests need to know of it."""
from collections.abc import Callable
from dataclasses import dataclass, field

from unrolled.exercises.feedback import Wrong


@dataclass(frozen=True)
class Mistake:
    """A plausible wrong answer.

    Attributes:
        name: what it is, in a few words ("input and forget gate swapped").
        code: a cell as a learner might write it.
        told: what the learner is told. A result that equals this mistake's result gets the same words,
            however it was written.
    """

    name: str
    code: str
    told: str


@dataclass(frozen=True)
class Exercise:
    """One thing to solve, and to check.

    Attributes:
        name: its identifier, a word ("gates"); also the anchor in the page.
        title: what it is called.
        page: the page it stands on, without ending ("memory-cell").
        statement: what to do (MyST Markdown).
        start: the cell to begin from. Run as it is, it must not pass, and not fail with a traceback.
        answers: the names that the learner's cell defines and the check takes.
        hints: three, of growing strength (MyST).
        solution: a cell that passes.
        explanation: why it is so (MyST).
        otherwise: another cell that passes, written differently.
        mistakes: at least five planted mistakes.
        question: what can be answered in the page itself; see ``unrolled.widgets.Question``.
        minutes: how long a learner takes.
        difficulties: what to expect in a class (for the instructor's notebook).
        marking: (points, what they are for), in all the points of the exercise.
        seconds: how long one check may take.
    """

    name: str
    title: str
    page: str
    statement: str
    start: str
    answers: tuple[str, ...]
    hints: tuple[str, str, str]
    solution: str
    explanation: str
    otherwise: str
    mistakes: tuple[Mistake, ...]
    question: dict
    minutes: int
    difficulties: str
    marking: tuple[tuple[int, str], ...]
    seconds: float = field(default=20.0, kw_only=True)

    def examine(self, *values) -> str:
        """Look at the values of ``answers``; return a sentence of praise that says what was checked.

        Raises:
            Wrong: the first thing that differs, in words.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Told(Exercise):
    """An exercise whose check is a function of its own.

    Attributes:
        checker: like ``Exercise.examine``.
    """

    checker: Callable[..., str] = field(kw_only=True)

    def examine(self, *values) -> str:
        return self.checker(*values)


def defined(code: str, names: tuple[str, ...]) -> tuple:
    """What a cell defines under these names.

    Raises:
        Wrong: it does not define one of them.
    """
    namespace: dict = {}
    exec(compile(code, "<your cell>", "exec"), namespace)
    for name in names:
        if name not in namespace:
            raise Wrong(f"There is no `{name}` yet. Define it in the cell above, and run that cell.")
    return tuple(namespace[name] for name in names)
