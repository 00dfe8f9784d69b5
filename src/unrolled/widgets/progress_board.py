"""All exercises, and what is done of them in the reader's browser."""
import matplotlib.pyplot as plt
import traitlets

from unrolled.figures.style import Picture
from unrolled.widgets.base import Widget, module


class ProgressBoard(Widget):
    """A table of exercises with what is done, and the progress code that a notebook takes and gives.

    Args:
        exercises: ``{"name", "title", "page"}`` of each, in order.

    ``code`` is reported back. The record itself is the browser's own and is sent nowhere.

    Raises:
        ValueError: no exercise, or one that lacks a part.
    """

    _esm = module("progress_board.mjs")
    exercises = traitlets.List().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    def __init__(self, exercises: list[dict], **kwargs):
        if not exercises:
            raise ValueError("a board has at least one exercise")
        for one in exercises:
            if missing := {"name", "title", "page"} - set(one):
                raise ValueError(f"the exercise {one} lacks {', '.join(sorted(missing))}")
        super().__init__(exercises=list(exercises), **kwargs)

    def describe(self) -> str:
        return "\n".join(["Exercises:", *(f"- {one['title']} (page {one['page']})" for one in self.exercises)])

    def picture(self) -> Picture:
        fig = plt.figure(figsize=(6, 0.2 * (2 + len(self.exercises))))
        fig.text(0, 1, self.describe(), va="top")
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture
