"""The builder ``notebooks``: every page as notebooks that stand alone.

    jupyter-book build --builder custom --custom-builder notebooks .        (part of `make notebooks`)

Each page with code becomes ``<page>.ipynb``, with the outputs of the book's own execution. A page with
exercises becomes three: the learner's, the solved one, and the instructor's.
"""
import copy
import json
from dataclasses import dataclass
from pathlib import Path

import nbformat
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.builders import Builder
from sphinx.transforms.post_transforms import SphinxPostTransform

from unrolled.exercises import get
from unrolled.exercises.specification import Exercise
from unrolled.figures.drawings import Drawing
from unrolled.site.markdown import Writer

VARIANTS = ("learner", "solved", "instructor")
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"},
          "accelerator": "GPU", "colab": {"provenance": []}}
FOLDED = {"remove-cell": "Checks of the numbers in the text, and helpers", "remove-input": "Code of this output",
          "hide-input": "Code of this output", "hide-cell": "Code"}
BEGIN = '''\
#@title Install the book's package where it is missing, and say what it runs on
import importlib.util
if importlib.util.find_spec("unrolled") is None:
    %pip install --quiet "unrolled @ {package}"
import unrolled.notebook
unrolled.notebook.begin()'''


def hidden(source: str, title: str, **options) -> nbformat.NotebookNode:
    """A code cell whose source is folded away, in Jupyter and in Colab."""
    return new_code_cell(f"#@title {title}\n{source}", metadata={"cellView": "form", "jupyter": {"source_hidden": True}}, **options)


class LeaveOutputs(SphinxPostTransform):
    """Outputs come from the executed notebook, not from the page's tree."""

    default_priority = 3

    def run(self, **kwargs) -> None:
        if self.app.builder.name == NotebookBuilder.name:
            for node in list(self.document.findall(lambda n: isinstance(n, nodes.container) and n.get("nb_element") == "cell_code_output")):
                node.parent.remove(node)


class NotebookBuilder(Builder):
    name = "notebooks"
    format = "notebook"
    supported_image_types = ["image/svg+xml", "image/png"]
    allow_parallel = False

    def get_outdated_docs(self):
        return self.env.found_docs

    def executed(self, docname: str) -> nbformat.NotebookNode | None:
        """The page as the book executed it; None for a page without code."""
        path = Path(self.outdir).parent / "jupyter_execute" / f"{docname}.ipynb"
        if not path.is_file():
            return None
        notebook = nbformat.read(path, as_version=4)
        return notebook if any(cell.cell_type == "code" for cell in notebook.cells) else None

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        if self.executed(docname) is None:
            return f"{self.config.unrolled_site}{docname}.html"
        return f"{Path(docname).name}.ipynb"

    def get_relative_uri(self, from_: str, to: str, typ: str | None = None) -> str:
        return "" if from_ == to else self.get_target_uri(to, typ)

    def prepare_writing(self, docnames) -> None:
        self.macros = self.config.mathjax3_config["tex"]["macros"]

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        executed = self.executed(docname)
        if executed is None:
            return
        numbers = self.env.toc_fignumbers.get(docname, {})

        def figure(node) -> str:
            return ".".join(map(str, numbers.get("figure", {}).get(node["ids"][0], ())))

        def equation(node) -> str:
            if not node.get("number"):
                return ""
            found = numbers.get("displaymath", {}).get(node["ids"][0]) if node.get("ids") else None
            return ".".join(map(str, found)) if found else str(node["number"])

        writer = Writer(self.macros, equation, figure, lambda node: node.get("refuri") or f"#{node.get('refid', '')}")
        pieces = Pieces(writer, executed)
        pieces.section(doctree, 0)
        pieces.flush()
        variants = VARIANTS if pieces.exercises else ("learner",)
        for variant in variants:
            self.save(docname, variant, pieces.cells_for(variant), executed)

    def save(self, docname: str, variant: str, cells: list, executed: nbformat.NotebookNode) -> None:
        begin = hidden(BEGIN.format(package=self.config.unrolled_package).split("\n", 1)[1],
                       BEGIN.split("\n", 1)[0].removeprefix("#@title "))
        metadata = copy.deepcopy(KERNEL)
        shown = json.dumps([cell.get("outputs", []) for cell in cells])
        if widgets := executed.metadata.get("widgets"):
            metadata["widgets"] = widgets
        notebook = new_notebook(cells=[begin, *copy.deepcopy(cells)], metadata=metadata if "widget-view" in shown else KERNEL)
        for k, cell in enumerate(notebook.cells):
            cell.id = f"{Path(docname).name}-{k}"                # the same in every build
        nbformat.validate(notebook)
        folder = Path(self.outdir) / ("" if variant == "learner" else variant)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{Path(docname).name}.ipynb", "w", encoding="utf-8", newline="\n") as file:
            nbformat.write(notebook, file)

    def finish(self) -> None:
        pass


class Pieces:
    """The cells of a page in the order of its tree, with its exercises in between."""

    def __init__(self, writer: Writer, executed: nbformat.NotebookNode):
        self.writer, self.code = writer, executed.cells
        self.cells: list = []                                    # cells, and exercises
        self.text: list[str] = []
        self.next_code = 0

    @property
    def exercises(self) -> list:
        return [piece for piece in self.cells if isinstance(piece, Placed)]

    def flush(self) -> None:
        """Close the Markdown cell that is being written."""
        if text := "\n\n".join(filter(None, self.text)):
            self.cells.append(new_markdown_cell(text))
        self.text = []

    def section(self, node: nodes.Element, level: int) -> None:
        for child in node.children:
            if isinstance(child, nodes.section):
                self.section(child, level + 1)
            elif isinstance(child, nodes.title):
                self.flush()
                self.text.append(self.writer.heading(child, level))
            elif isinstance(child, nodes.container) and child.get("nb_element") == "cell_code":
                self.take_code(child["cell_index"])
            elif isinstance(child, nodes.figure):
                self.take_figure(child)
            elif isinstance(child, nodes.container) and "practice" in child.get("classes", ()):
                self.take_exercise(child)
            else:
                self.text.append(self.writer.block(child))

    def take_code(self, index: int) -> None:
        """The code cell that stands here, and before it those that the page does not show."""
        self.flush()
        for cell in self.code[self.next_code:index + 1]:
            if cell.cell_type == "code":
                self.cells.append(code_cell(cell))
        self.next_code = index + 1

    def take_figure(self, figure: nodes.figure) -> None:
        """A drawing is shown by the package that draws it."""
        self.flush()
        image = figure.next_node(nodes.image)
        name = Path(image["uri"]).stem
        drawing = Drawing(name)
        output = nbformat.v4.new_output("execute_result", data={"image/svg+xml": drawing._repr_svg_(), "text/plain": image.get("alt", name)},
                                        execution_count=None)
        self.cells.append(hidden(f"from unrolled.figures.drawings import Drawing\nDrawing({name!r})",
                                 f"Figure {self.writer.figure(figure)}", outputs=[output]))
        self.text.append(self.writer.caption(figure))

    def take_exercise(self, box: nodes.container) -> None:
        """An exercise, its words written by the same writer as the page around it."""
        self.flush()
        parts = {part: self.writer.blocks(child) for child in box.children if isinstance(child, nodes.container)
                 for part in child.get("classes", ())}
        folds = [self.writer.blocks(fold) for fold in box.findall(nodes.container) if fold.get("design_component") == "dropdown"]
        self.cells.append(Placed(get(box["exercise"]), parts["practice-statement"], folds[-1]))

    def cells_for(self, variant: str) -> list:
        rest = [code_cell(cell) for cell in self.code[self.next_code:] if cell.cell_type == "code"]
        return [cell for piece in self.cells for cell in (piece.cells(variant) if isinstance(piece, Placed) else [piece])] + rest


def code_cell(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A cell of the page with its outputs, folded where the page folds or hides it."""
    outputs = [output for output in cell.outputs if not any("papermill" in mime for mime in output.get("data", {}))]
    tags = cell.metadata.get("tags", [])
    title = next((FOLDED[tag] for tag in tags if tag in FOLDED), None)
    made = hidden(cell.source, title, outputs=outputs) if title else new_code_cell(cell.source, outputs=outputs)
    made.execution_count = None
    for output in made.outputs:
        if output.output_type == "execute_result":
            output.execution_count = None
    if tags:
        made.metadata["tags"] = list(tags)
    return made


@dataclass
class Placed:
    """An exercise where it stands in a page; statement and explanation as Markdown."""

    exercise: Exercise
    statement: str
    explanation: str

    def cells(self, variant: str) -> list:
        """As cells: for the learner, solved, or with what an instructor wants to know."""
        exercise, name = self.exercise, self.exercise.name
        given = ", ".join([f'"{name}"', *exercise.answers])
        intro = new_markdown_cell(f"### Practise: {exercise.title}\n\n{self.statement}")
        if variant == "learner":
            return [intro, new_code_cell(exercise.start.strip()),
                    new_code_cell(f'from unrolled.exercises import check, hint, show, solution\n\nshow("{name}")    # or: check({given})')]
        solved = [new_code_cell(exercise.solution.strip()),
                  new_code_cell(f"from unrolled.exercises import check\n\nfeedback = check({given})\nassert feedback.passed, feedback\nfeedback"),
                  new_markdown_cell(self.explanation)]
        return [intro, *([new_markdown_cell(self.for_the_instructor())] if variant == "instructor" else []), *solved]

    def for_the_instructor(self) -> str:
        """What to expect, how to mark, and what the check says to the usual mistakes."""
        exercise = self.exercise
        marking = "\n".join(f"- {points} point{'s' * (points != 1)}: {what}" for points, what in exercise.marking)
        mistakes = "\n".join(f"- {mistake.name}: *{mistake.told}*" for mistake in exercise.mistakes)
        return (f"**For the instructor.** About {exercise.minutes} minutes. {exercise.difficulties}\n\n**Marking**\n\n{marking}\n\n"
                f"**Usual mistakes, and what the check says to them**\n\n{mistakes}")


def setup(app) -> None:
    app.add_builder(NotebookBuilder)
    app.add_post_transform(LeaveOutputs)
    app.add_config_value("unrolled_site", "", "env")
    app.add_config_value("unrolled_package", "unrolled", "env")
