"""A question that is answered and checked in the page, without a kernel."""
import matplotlib.pyplot as plt
import traitlets

from unrolled.figures.style import Picture
from unrolled.widgets.base import Widget, module

PARTS = {
    "number": {"answer", "tolerance", "right", "wrong", "otherwise"},
    "choice": {"options"},
    "order": {"items", "right"},
    "drawing": {"quantity", "low", "high", "step", "start", "bands", "right", "wrong", "otherwise"},
}


class Question(Widget):
    """A number, a choice, an order or a drawing; each wrong answer gets the words meant for it.

    Args:
        question: ``{"kind", "prompt", …}`` and, by kind:

            - number: ``answer``, ``tolerance``, ``right``, ``wrong`` (a list of ``{"from", "to", "say"}``),
              ``otherwise``;
            - choice: ``options``, a list of ``{"text", "say"}``, one of them with ``"right": True``;
            - order: ``items``, a list of ``{"text", "say"}`` in the right order, where ``say`` is told when
              the item stands where another belongs; ``right``;
            - drawing: a value for each step, from ``low`` to ``high`` by ``step``, first at ``start``, in
              the colour of ``quantity``; ``bands``, a list of ``{"low", "high"}``, one a step; ``right``;
              ``wrong``, a list of ``{"steps": [from, to], "say"}``; ``otherwise``.
        name: of the exercise it belongs to; the page remembers by it that it was answered.
        title: of the exercise.

    ``answer`` and ``solved`` are synchronised with the page.

    Raises:
        ValueError: an unknown kind, or a part is missing or does not fit.
    """

    _esm = module("question.mjs")
    question = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Any(None, allow_none=True).tag(sync=True)
    solved = traitlets.Bool(False).tag(sync=True)

    def __init__(self, question: dict, name: str = "", title: str = "", **kwargs):
        check_question(question)
        super().__init__(question=question, name=name, title=title or question["prompt"], **kwargs)

    def describe(self) -> str:
        asked = self.question["prompt"]
        if self.question["kind"] == "choice":
            asked += "".join(f"\n  ( ) {option['text']}" for option in self.question["options"])
        if self.question["kind"] == "order":
            texts = [item["text"] for item in self.question["items"]]
            asked += "".join(f"\n  - {text}" for text in texts[1::2] + texts[::2])       # shuffled as in the page
        return asked

    def picture(self) -> Picture:
        fig, ax = plt.subplots(figsize=(6, 0.4 + 0.3 * (1 + self.describe().count("\n"))))
        ax.axis("off")
        ax.text(0, 1, self.describe().replace("$", r"\$"), va="top", wrap=True)
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture


def check_question(question: dict) -> None:
    """Raise ValueError unless all parts of the question are there and fit each other."""
    if question.get("kind") not in PARTS:
        raise ValueError(f"a question's kind is one of {', '.join(PARTS)}, not {question.get('kind')!r}")
    if missing := ({"prompt"} | PARTS[question["kind"]]) - set(question):
        raise ValueError(f"the question {question.get('prompt', '')!r} lacks {', '.join(sorted(missing))}")
    if question["kind"] == "number":
        reached = [wrong for wrong in question["wrong"] if wrong["from"] <= question["answer"] <= wrong["to"]]
        if reached:
            raise ValueError(f"the right answer {question['answer']} lies within a wrong range: {reached[0]}")
    if question["kind"] == "choice" and sum(bool(option.get("right")) for option in question["options"]) != 1:
        raise ValueError(f"exactly one option of {question['prompt']!r} is right")
    if question["kind"] == "order" and not 1 < len(question["items"]) == len({item["text"] for item in question["items"]}):
        raise ValueError(f"the order of {question['prompt']!r} needs two items or more, all different")
    if question["kind"] == "drawing":
        low, high, step, start = (question[part] for part in ("low", "high", "step", "start"))
        values = [low + k * step for k in range(int((high - low) / step + 1.5))]
        for k, band in enumerate(question["bands"], 1):
            if not any(band["low"] <= value <= band["high"] for value in values):
                raise ValueError(f"no value of the drawing of {question['prompt']!r} is right at step {k}")
        if all(band["low"] <= start <= band["high"] for band in question["bands"]):
            raise ValueError(f"the drawing of {question['prompt']!r} is right before anything was drawn")
