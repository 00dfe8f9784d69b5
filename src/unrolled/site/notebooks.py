"""The builder ``notebooks``: every page as notebooks that stand alone.

    jupyter-book build --builder custom --custom-builder notebooks .        (part of `make notebooks`)

Each page becomes four: the learner's ``<page>.ipynb``, and in folders beside it the solved one, the instructor's and
the plain one. Three have the outputs of the book's own execution; the plain one is the learner's text and code alone,
with no output and nothing folded. Each set is whole, so that links lead on. What GitHub and Binder look for, where these
files are a branch of their own, is written beside them.
"""
import copy
import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.builders import Builder
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from unrolled.addresses import Addresses
from unrolled.exercises import get
from unrolled.exercises.specification import Exercise
from unrolled.figures.drawings import Drawing
from unrolled.site.markdown import Writer

logger = logging.getLogger(__name__)
VARIANTS = {"learner": "the learner's", "solved": "with solutions", "instructor": "for instructors", "plain": "text and code alone"}
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"},
          "accelerator": "GPU", "colab": {"provenance": []}}
FOLDED = {"remove-cell": "Checks of the numbers in the text, and helpers", "remove-input": "Code of this output",
          "hide-input": "Code of this output", "hide-cell": "Code"}
OLD_TORCH = "2.4"                      # the oldest that the package works with
# What a page about a framework imports, and what is asked for where that is missing: never a build for processors alone.
MODULES = {"torch": {}, "jax": {"jax": "jax>=0.10", "flax": "flax>=0.12", "optax": "optax>=0.2.6"},
           "tensorflow": {"tensorflow": "tensorflow>=2.18", "keras": "keras>=3.9"}, "mxnet": {}}
READING = 200                          # words a minute, for the instructor's plan
STATE = "application/vnd.jupyter.widget-state+json"
ANCHORS = re.compile(r'((?:<a id="[^"]+"></a>)+)(\n*)')
TITLE = re.compile(r"^#@title (.*)\n")
LINK = re.compile(r"\]\(<?([\w-]+\.ipynb)?#([^)>]+)>?\)")
HEAD = '''\
import importlib.metadata, importlib.util, os, sys
assert sys.version_info >= (3, 11), f"This book needs Python 3.11 or later; this kernel has {{sys.version.split()[0]}}."
'''
BEGIN = HEAD + '''\
if importlib.util.find_spec("unrolled") is None:        # torch and numpy stay as they are
    os.environ["GIT_TERMINAL_PROMPT"] = "0"             # a wrong address is an error, not a question
    there = importlib.metadata.distributions()
    kept = " ".join(f"{{d.name}}=={{d.version}}" for d in there if d.name in ("torch", "numpy"))
    %pip install --quiet {{kept}} "{package}"
    importlib.invalidate_caches()
    assert importlib.util.find_spec("unrolled"), "The package could not be installed: the lines above say why. {hint}"
from unrolled.notebook import begin
begin({which})'''
BEGIN_WITH = HEAD + '''\
wanted = {{
    "unrolled": "{package}",
    {modules},
}}
lacking = lambda: [name for name in wanted if importlib.util.find_spec(name) is None]
if lacking():                                           # what is here stays as it is
    os.environ["GIT_TERMINAL_PROMPT"] = "0"             # a wrong address is an error, not a question
    there = importlib.metadata.distributions()
    kept = " ".join(f"{{d.name}}=={{d.version}}" for d in there if d.name in
                    ("torch", "numpy", "jax", "jaxlib", "flax", "optax", "tensorflow", "keras"))
    new = " ".join(f'"{{wanted[name]}}"' for name in lacking())
    %pip install --quiet {{kept}} {{new}}
    importlib.invalidate_caches()
    assert not lacking(), f"{{', '.join(lacking())}} could not be installed: the lines above say why. {hint}"
from unrolled.notebook import begin
begin({which})'''


def first_cell(addresses: Addresses, frameworks: list[str] | None = None) -> str:
    """The code that a notebook begins with: it installs what is missing, and says what it runs on.

    Args:
        frameworks: that the page needs; MXNet's environment is made by ``begin``.
    """
    modules = {name: wanted for framework in frameworks or [] for name, wanted in MODULES[framework].items()}
    oldest = ", ".join(wanted.replace(">=", " ") for wanted in (f"torch>={OLD_TORCH}", *modules.values()))
    hint = (f"Is there a network, and {oldest} or later?" if not addresses.warning else
            f"Its address is a placeholder: set the owner in the book's _config.yml (now {addresses.owner}), and export it again.")
    which = f'"{frameworks[0]}"' if frameworks in (["jax"], ["tensorflow"], ["mxnet"]) else ""
    return (BEGIN_WITH if modules else BEGIN).format(
        package=addresses.package, hint=hint, which=which,
        modules=",\n    ".join(f'"{name}": "{wanted}"' for name, wanted in modules.items()))


def frameworks_of(page: str, metadata: dict) -> list[str]:
    """The frameworks that a page names in its front matter, ``framework: jax`` or ``framework: all``; mostly none."""
    named = metadata.get("framework")
    if named not in (None, "all", *MODULES):
        raise ExtensionError(f"{page}: a framework is one of {', '.join(MODULES)}, or all of them, not {named!r}")
    return [*MODULES] if named == "all" else [named] if named else []


def hidden(source: str, title: str, **options) -> nbformat.NotebookNode:
    """A code cell whose source is folded away, in Jupyter and in Colab."""
    return new_code_cell(f"#@title {title}\n{source}", metadata={"cellView": "form", "jupyter": {"source_hidden": True}}, **options)


class LeaveOutputs(SphinxPostTransform):
    """Outputs come from the executed notebook, not from the page's tree."""

    default_priority = 3

    def run(self, **kwargs) -> None:
        if self.app.builder.name == NotebookBuilder.name:
            for node in list(self.document.findall(nodes.container)):
                if node.get("nb_element") == "cell_code_output":
                    node.parent.remove(node)


class NotebookBuilder(Builder):
    name = "notebooks"
    format = "notebook"
    supported_image_types = ["image/svg+xml", "image/png"]
    allow_parallel = False

    def get_outdated_docs(self):
        return self.env.found_docs

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        return f"{Path(docname).name}.ipynb"

    def get_relative_uri(self, from_: str, to: str, typ: str | None = None) -> str:
        return "" if from_ == to else self.get_target_uri(to, typ)

    def prepare_writing(self, docnames) -> None:
        self.macros = self.config.mathjax3_config["tex"]["macros"]
        self.made: dict[str, list] = {}                          # page -> its notebooks, until all links are known

    def executed(self, docname: str) -> nbformat.NotebookNode:
        """The page as the book executed it; without cells where the page has no code."""
        path = Path(self.outdir).parent / "jupyter_execute" / f"{docname}.ipynb"
        if not path.is_file():
            return new_notebook()
        notebook = nbformat.read(path, as_version=4)
        if self.config.nb_execution_mode != "cache":
            return notebook
        cache = get_cache(self.config.nb_execution_cache_path or Path(self.outdir).parent / ".jupyter_cache")
        try:
            return cache.merge_match_into_notebook(notebook)[1]  # MyST-NB writes a page that it had in the cache without its outputs
        except KeyError:
            raise ExtensionError(f"the execution of {docname} is gone from the cache: remove _build/.doctrees and build again") from None

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        numbers = self.env.toc_fignumbers.get(docname, {})

        def number(kind: str, node) -> str:
            found = numbers.get(kind, {}).get(node["ids"][0], ()) if node["ids"] else ()
            return ".".join(map(str, found))

        def equation(node) -> str:
            return number("displaymath", node) or str(node["number"]) if node.get("number") else ""

        writer = Writer(self.macros, equation, lambda node: self.config.numfig_format["figure"] % number("figure", node))
        executed = self.executed(docname)
        pieces = Pieces(writer, executed)
        pieces.take(doctree)
        page = Path(docname).name
        self.made[page] = [self.notebook(page, variant, pieces.cells_for(variant), executed) for variant in VARIANTS]

    def notebook(self, page: str, variant: str, cells: list, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
        metadata = copy.deepcopy(KERNEL)
        if any(cell.cell_type == "code" for cell in cells):
            frameworks = frameworks_of(page, executed.metadata)
            if frameworks == ["mxnet"]:
                del metadata["accelerator"]                      # its last version computes on the processor
            first = first_cell(self.app.unrolled_addresses, frameworks)
            cells = [hidden(first, "Get ready: install what is missing, say what this runs on"), *cells]
            if STATE in executed.metadata.get("widgets", {}):
                metadata["widgets"] = executed.metadata["widgets"]
        notebook = new_notebook(cells=copy.deepcopy(cells), metadata=metadata)
        if variant == "plain":
            make_plain(notebook)
        for k, cell in enumerate(notebook.cells):
            cell.id = f"{page}-{k}"                              # the same in every build
        return with_steady_models(notebook, page)

    def finish(self) -> None:
        """Write all, with the anchors that some link leads to."""
        shutil.rmtree(self.outdir, ignore_errors=True)
        wanted = {(there or f"{page}.ipynb", name) for page, notebooks in self.made.items() for notebook in notebooks
                  for cell in notebook.cells if cell.cell_type == "markdown" for there, name in LINK.findall(cell.source)}
        for page, notebooks in self.made.items():
            names = {name for there, name in wanted if there == f"{page}.ipynb"}
            for variant, notebook in zip(VARIANTS, notebooks):
                for cell in notebook.cells:
                    if cell.cell_type == "markdown":
                        cell.source = pruned(cell.source, names)
                nbformat.validate(notebook)
                folder = Path(self.outdir) / ("" if variant == "learner" else variant)
                folder.mkdir(parents=True, exist_ok=True)
                with open(folder / f"{page}.ipynb", "w", encoding="utf-8", newline="\n") as file:
                    nbformat.write(notebook, file)
        for name, text in branch_files(self.app.unrolled_addresses, self.titles()).items():
            (Path(self.outdir) / name).write_text(text, encoding="utf-8", newline="\n")

    def titles(self) -> dict[str, str]:
        """Page -> title, in the order of the book."""
        root = self.config.root_doc
        order = dict.fromkeys([root, *self.env.toctree_includes.get(root, ()), *sorted(self.env.found_docs)])
        return {Path(name).name: self.env.titles[name].astext() for name in order}


class Pieces:
    """The cells of a page in the order of its tree, with its exercises in between.

    The page's tree lacks the cells that the page removes. They are placed by their lines in the source.
    """

    def __init__(self, writer: Writer, executed: nbformat.NotebookNode):
        self.writer, self.code = writer, executed.cells
        self.lines = executed.metadata.get("source_map", [float("inf")] * len(self.code))
        self.cells: list = []                                    # cells, and exercises
        self.text: list[str] = []
        self.next_code = 0

    def take(self, doctree: nodes.document) -> None:
        """The whole page."""
        self.section(doctree, 0)
        self.flush()
        self.take_code(len(self.code) - 1)

    def flush(self) -> None:
        """Close the Markdown cell that is being written."""
        if text := "\n\n".join(filter(None, self.text)):
            self.cells.append(new_markdown_cell(text))
        self.text = []

    def section(self, node: nodes.Element, level: int) -> None:
        for child in node.children:
            if isinstance(child, nodes.section):
                self.section(child, level + 1)
                continue
            self.take_removed(child.line)
            if isinstance(child, nodes.title):
                self.flush()
                self.text.append(self.writer.heading(child, level))
            elif isinstance(child, nodes.container) and child.get("nb_element") == "cell_code":
                self.take_code(child["cell_index"])
            elif isinstance(child, nodes.container) and "practice" in child["classes"]:
                self.take_exercise(child, level + 1)
            else:
                self.text.append(self.writer.block(child))
                for figure in child.findall(nodes.figure):
                    self.take_figure(figure)

    def take_removed(self, line: int | None) -> None:
        """The cells before this line that the page does not show."""
        while (self.next_code < len(self.code) and self.lines[self.next_code] < (line or 0)
               and (self.code[self.next_code].cell_type != "code" or "remove-cell" in tags(self.code[self.next_code]))):
            self.take_code(self.next_code)

    def take_code(self, index: int) -> None:
        """The code cells up to the one of this index."""
        for cell in self.code[self.next_code:index + 1]:
            if cell.cell_type == "code":
                self.flush()
                self.cells.append(code_cell(cell))
        self.next_code = max(self.next_code, index + 1)

    def take_figure(self, figure: nodes.figure) -> None:
        """A drawing is shown by the package that draws it."""
        self.flush()
        image = figure.next_node(nodes.image)
        name, alt = Path(image["uri"]).stem, image.get("alt", "")
        try:
            drawing = Drawing(name)
        except ValueError as error:
            logger.warning("a figure that a notebook cannot draw: %s", error, location=figure)
            self.text.append(f"*{alt}*")
        else:
            output = new_output("execute_result", data={"text/html": drawing._repr_html_(), "text/plain": repr(drawing)})
            self.cells.append(hidden(f'from unrolled.figures.drawings import Drawing\nDrawing("{name}")', self.writer.figure(figure),
                                     outputs=[output]))
        self.text.append(self.writer.caption(figure))

    def take_exercise(self, box: nodes.container, level: int) -> None:
        """An exercise, its words written by the same writer as the page around it."""
        self.flush()
        statement = next(part for part in box.children if "practice-statement" in part["classes"])
        fold = [fold for fold in box.findall(nodes.container) if fold.get("design_component") == "dropdown"][-1]
        explanation = [child for child in fold.children if not isinstance(child, nodes.rubric)][1:]       # after the code
        exercise = get(box["exercise"])
        title = f"{'#' * level} Practise: {exercise.title}"
        self.cells.append(Placed(exercise, f"{title}\n\n{self.writer.blocks(statement.children)}", self.writer.blocks(explanation)))

    def cells_for(self, variant: str) -> list:
        cells = [cell for piece in self.cells for cell in (piece.cells(variant) if isinstance(piece, Placed) else [piece])]
        if variant == "instructor" and any(cell.cell_type == "code" for cell in cells):
            cells.insert(0, new_markdown_cell(self.plan()))
        return cells

    def plan(self) -> str:
        """What an instructor wants to know of the page before reading it."""
        words = sum(len(piece.source.split()) for piece in self.cells if not isinstance(piece, Placed) and piece.cell_type == "markdown")
        exercises = [piece.exercise for piece in self.cells if isinstance(piece, Placed)]
        lines = [f"**For the instructor.** Reading takes about {max(1, round(words / READING))} minutes, at {READING} words a minute."]
        if exercises:
            lines += ["| exercise | minutes | points |", "| --- | --- | --- |",
                      *(f"| {exercise.title} | {exercise.minutes} | {points(exercise)} |" for exercise in exercises),
                      f"| all | {sum(e.minutes for e in exercises)} | {sum(map(points, exercises))} |"]
        else:
            lines.append("The page has no exercise that is checked; the questions at its end serve for a talk.")
        return "\n\n".join([lines[0], "\n".join(lines[1:])])


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
        statement = new_markdown_cell(self.statement)
        if variant in ("learner", "plain"):
            return [statement, new_code_cell(exercise.start.strip()),
                    new_code_cell(f'from unrolled.exercises import check, hint, show, solution\n\nshow("{name}")    # or: check({given})')]
        solved = [new_code_cell(exercise.solution.strip()),
                  new_code_cell(f"from unrolled.exercises import check\n\nfeedback = check({given})\nassert feedback.passed, feedback\nfeedback"),
                  new_markdown_cell(self.explanation)]
        return [statement, *([new_markdown_cell(for_the_instructor(exercise))] if variant == "instructor" else []), *solved]


def points(exercise: Exercise) -> int:
    return sum(number for number, _ in exercise.marking)


def for_the_instructor(exercise: Exercise) -> str:
    """What to expect, how to mark, and what the check says to the usual mistakes."""
    marking = "\n".join(f"- {number} point{'s' * (number != 1)}: {what}" for number, what in exercise.marking)
    mistakes = "\n".join(f"- {mistake.name}: *{mistake.told}*" for mistake in exercise.mistakes)
    return (f"**For the instructor.** About {exercise.minutes} minutes. {exercise.difficulties}\n\n**Marking**\n\n{marking}\n\n"
            f"**Usual mistakes, and what the check says to them**\n\n{mistakes}")


def make_plain(notebook: nbformat.NotebookNode) -> None:
    """Leave text and code alone: no output, nothing folded, no state of widgets."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
        if cell.cell_type == "code":
            cell.source, cell.outputs = TITLE.sub(r"# \1\n", cell.source), []


def branch_files(addresses: Addresses, titles: dict[str, str]) -> dict[str, str]:
    """What stands beside the notebooks in their branch: a list of them, and what Binder installs."""
    learner, *others = VARIANTS
    rows = [[VARIANTS[learner], "with a GPU", "without an account", *(VARIANTS[variant] for variant in others)],
            ["---"] * (3 + len(others)),
            *([f"[{title}]({page}.ipynb)", f"[Colab]({addresses.colab(page)})", f"[Binder]({addresses.binder(page)})",
               *(f"[{variant}]({variant}/{page}.ipynb)" for variant in others)] for page, title in titles.items())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    readme = f"""# The notebooks of the book

Made from [the book]({addresses.pages}) whose sources are in [the branch {addresses.branch}]({addresses.home}/tree/{addresses.branch}).
Do not edit them here: each time the book is published, this branch is written anew.

The first cell of each installs what it lacks. MXNet's makes an environment of its own, and computes on the processor.

{table}
"""
    return {"README.md": readme, "requirements.txt": f"{addresses.package}\njupyterlab\n", "runtime.txt": "python-3.12\n"}


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cell(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A cell of the page with its outputs, folded where the page folds or hides it."""
    title = next((FOLDED[tag] for tag in tags(cell) if tag in FOLDED), None)
    outputs = kept_outputs(cell)
    return hidden(cell.source, title, outputs=outputs) if title else new_code_cell(cell.source, outputs=outputs)


def kept_outputs(cell: nbformat.NotebookNode) -> list:
    """What a cell put out, for a reader: without the values glued into the text, and pictures as pictures, with words."""
    kept: list = []
    for output in copy.deepcopy(cell.outputs):
        data = output.get("data", {})
        if any("papermill" in kind for kind in data):
            continue
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
            continue
        if output.output_type == "execute_result":
            output.execution_count = None
        if "image/png" in data:
            if "<svg" in data.get("text/html", ""):              # a preview that takes no style sheet would show nothing
                del data["text/html"]
            output.metadata["image/png"] = {**output.metadata.get("image/png", {}), "alt": " ".join(data.get("text/plain", "").split())}
        kept.append(output)
    return kept


def with_steady_models(notebook: nbformat.NotebookNode, page: str) -> nbformat.NotebookNode:
    """The notebook with names of its widgets' models that are the same in every build."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    if not state:
        return notebook
    steady = {name: hashlib.md5(f"{page} {k}".encode(), usedforsecurity=False).hexdigest() for k, name in enumerate(state)}
    text = re.sub("|".join(map(re.escape, state)), lambda match: steady[match[0]], json.dumps(notebook))
    return nbformat.from_dict(json.loads(text))


def pruned(text: str, names: set[str]) -> str:
    """A Markdown text with no anchors but these."""
    def left(match: re.Match) -> str:
        kept = "".join(anchor for anchor in re.findall(r"<a .*?></a>", match[1]) if re.search(r'"(.*)"', anchor)[1] in names)
        return kept + match[2] if kept else ""
    return ANCHORS.sub(left, text)


def tidy(app, error) -> None:
    """No style sheets of extensions beside the notebooks."""
    if app.builder.name == NotebookBuilder.name:
        shutil.rmtree(Path(app.outdir) / "_static", ignore_errors=True)


def setup(app) -> None:
    app.add_builder(NotebookBuilder)
    app.add_post_transform(LeaveOutputs)
    app.connect("build-finished", tidy, priority=900)
