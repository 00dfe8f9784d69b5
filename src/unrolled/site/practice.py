"""The directive ``{practice}``: an exercise in the page, made from its specification.

    ```{practice} gates
    ```

Statement, code to begin from, a question that is answered in the page, three hints and the solution in folds.
"""
import html
import json

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from unrolled.exercises import get
from unrolled.widgets.question import Question

HOST = "offline/widget_host.js"


def code(text: str) -> str:
    return f"```python\n{text.strip()}\n```"


def fold(title: str, *texts: str) -> str:
    inside = "\n\n".join(text.strip() for text in texts)
    return f"::::{{dropdown}} {title}\n{inside}\n::::"


def embedded(widget, key: str) -> str:
    """A widget as the host of the pages finds it: its place, its state, and its words where no script runs."""
    state = {name: value for name, value in widget.get_state().items() if name != "layout"}
    model = {"model_name": "AnyModel", "model_module": "anywidget", "model_module_version": state["_model_module_version"],
             "state": state}
    record = {"version_major": 2, "version_minor": 0, "state": {key: model}}
    view = {"version_major": 2, "version_minor": 0, "model_id": key}
    safe = [json.dumps(part).replace("<", "\\u003c") for part in (view, record)]     # no text may end its element
    return (f'<script type="application/vnd.jupyter.widget-view+json">{safe[0]}</script>'
            f'<noscript><pre>{html.escape(widget.describe())}</pre></noscript>'
            f'<script type="application/vnd.jupyter.widget-state+json">{safe[1]}</script>')


class Practice(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            exercise = get(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from None
        box = nodes.container(classes=["practice"], ids=[f"exercise-{exercise.name}"], exercise=exercise.name)
        box += nodes.paragraph("", f"Practise: {exercise.title}", classes=["practice-title"])
        box += self.parsed("practice-statement", exercise.statement)
        box += self.parsed("practice-start", code(exercise.start))
        question = Question(exercise.question, exercise.name, exercise.title)
        box += nodes.raw("", embedded(question, f"question-{exercise.name}"), format="html")
        question.close()
        hints = [fold(f"Hint {k} of {len(exercise.hints)}", hint) for k, hint in enumerate(exercise.hints, 1)]
        box += self.parsed("practice-folds", "\n\n".join([*hints, fold("Solution", code(exercise.solution), exercise.explanation)]))
        self.env.metadata[self.env.docname]["practice"] = True
        self.set_source_info(box)                                # the notebooks place what the page hides by its line
        return [box]

    def parsed(self, part: str, text: str) -> nodes.container:
        """A part of the exercise, from its MyST; the notebooks find the parts by their class."""
        container = nodes.container(classes=[part])
        self.state.nested_parse(StringList(text.splitlines(), source=f"<exercise {self.arguments[0]}>"), self.content_offset, container)
        return container


def add_host(app, pagename, templatename, context, doctree) -> None:
    """A page with exercises loads the host of the widgets, also where it has no other widget."""
    if "practice" in app.env.metadata.get(pagename, {}):
        app.add_js_file(HOST)


def setup(app) -> None:
    app.add_directive("practice", Practice)
    app.connect("html-page-context", add_host)
