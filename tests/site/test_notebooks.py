"""A small book becomes notebooks: all that a page can hold, in three variants, the same each time."""
import io
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.addresses import Addresses
from unrolled.exercises import get
from unrolled.site import notebooks

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3, language: python}
---
"""
CELL = HEAD + """
(sec-cell)=
# The cell

Opening words {cite:p}`hochreiter1997long`, see {ref}`the glossary <sec-terms>` and {term}`gate`.

```{code-cell} python
:tags: [remove-cell]

from unrolled.claims import claim
```

:::{margin}
By the way, {math}`\\hidH_t`.
:::

(sec-gates)=
## Three gates

As {numref}`fig-gates` shows.

```{figure} figures/cell-gates.svg
:name: fig-gates
:alt: The cell with its three gates and wires between them, drawn in colours.

The three gates.
```

```{math}
:label: eq-gates
\\hidH = \\sigma(\\X)
```

```{code-cell} python
kept = 0.88 ** 50
print("first")
print("second")
```

```{code-cell} python
:tags: [remove-cell]

claim("kept", kept, 0, 1)
```

Of the memory {glue:text}`kept:.4f` is kept, by {eq}`eq-gates`.

:::{note}
Mind the {ref}`gates <sec-gates>`.

```{figure} figures/carousel.svg
:name: fig-carousel
:alt: A loop of weight one between two valves, with an arrow that goes round.

Within a note.
```
:::

```{code-cell} python
:tags: [hide-input]

from matplotlib.figure import Figure
from unrolled import figures

fig = Figure(figsize=(2, 1))
fig.subplots().plot([0, 1])
figures.show(fig, alt="A line that rises from zero\\nto one.")
```

```{code-cell} python
from unrolled.widgets import RepeatedFactor

RepeatedFactor(0.9, 50)
```

| story | gate |
|---|---|
| keep | $|f| < 1$ |

## Practise

```{code-cell} python
:tags: [remove-cell]

gates = 1                              # before it
```

```{practice} gates
```

```{code-cell} python
:tags: [remove-cell]

gates = 0                              # the page's own, after the exercise
```

After the exercise.

```{code-cell} python
kept
```

```{code-cell} python
:tags: [remove-cell]

assert kept < 1
```

:::{dropdown} Is *keep* 1?
Yes, $\\X$.
:::
""".replace("$|f| < 1$", "$f < 1$")
INDEX = HEAD + """
# Index

```{code-cell} python
1 + 1
```

```{toctree}
cell
terms
mxnet
```
"""
IN_MXNET = HEAD.replace("---\njupytext", "---\nframework: mxnet\njupytext") + """
# In MXNet

```{code-cell} python
1 + 2
```
"""
TERMS = """\
(sec-terms)=
# Terms

:::{glossary}
gate
  A share, {eq}`eq-gates`, {numref}`fig-gates`.
:::

```{bibliography}
```
"""
BIB = "@article{hochreiter1997long, author = {Hochreiter, Sepp}, title = {Long}, journal = {NC}, year = {1997}}\n"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """book(): build the small book; its folder of notebooks, and the warnings. Executed the first time only."""
    source = tmp_path_factory.mktemp("book")
    (source / "figures").mkdir()
    for name in ("cell-gates", "carousel"):
        shutil.copy(ROOT / f"book/figures/{name}.svg", source / "figures")
    for name, text in {"index.md": INDEX, "cell.md": CELL, "terms.md": TERMS, "mxnet.md": IN_MXNET, "b.bib": BIB}.items():
        (source / name).write_text(text, encoding="utf-8")
    settings = {"source_suffix": {".md": "myst-nb"},              # else Sphinx writes into its own default, for all books to come
                "extensions": ["myst_nb", "sphinx_design", "sphinx_book_theme", "sphinxcontrib.bibtex", "unrolled.site.practice",
                               "unrolled.site.page_links", "unrolled.site.notebooks"],
                "myst_enable_extensions": ["colon_fence", "dollarmath"], "bibtex_bibfiles": ["b.bib"], "numfig": True,
                "nb_execution_mode": "cache", "nb_execution_raise_on_error": True, "exclude_patterns": ["_build"],
                "mathjax3_config": {"tex": {"macros": {"X": "\\mathbf{X}", "hidH": "\\class{lstm-h}{\\mathbf{H}}"}}},
                "unrolled_home": {"owner": "ada", "repository": "copy"}}

    def build(builder="notebooks"):
        out, warnings = source / "_build" / builder, io.StringIO()
        with patch_docutils(), docutils_namespace():
            app = Sphinx(source, None, out, source / "_build/doctrees", builder, settings, status=None, warning=warnings)
            app.build()
        return SimpleNamespace(out=out, warnings=warnings.getvalue(), source=source)
    return build


@pytest.fixture(scope="module")
def built(book):
    return book()


def read(built, page="cell", variant=""):
    return nbformat.read(built.out / variant / f"{page}.ipynb", as_version=4)


def markdown(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_nothing_is_said_and_all_is_written(built):
    assert built.warnings == ""
    for folder in ("", "solved", "instructor", "plain"):
        assert {path.stem for path in (built.out / folder).glob("*.ipynb")} == {"index", "cell", "terms", "mxnet"}
    assert {path.name for path in built.out.iterdir()} == {"index.ipynb", "cell.ipynb", "terms.ipynb", "mxnet.ipynb", "solved",
                                                          "instructor", "plain", "README.md", "requirements.txt", "runtime.txt"}


def test_the_parts_stand_in_the_order_of_the_page(built):
    notebook = read(built)
    said = [cell.source for cell in notebook.cells]
    marks = ["#@title Get ready", "# The cell", "#@title Checks of the numbers in the text, and helpers\nfrom unrolled.claims", "> By the way",
             "## Three gates", '#@title Fig. 1\nfrom unrolled.figures.drawings import Drawing\nDrawing("cell-gates")',
             "**Fig. 1.** The three gates.", "kept = 0.88", 'claim("kept"', "Of the memory", 'Drawing("carousel")', "**Fig. 2.** Within a note.",
             "#@title Code of this output", "RepeatedFactor(0.9", "| story | gate |", "## Practise", "gates = 1  ", "### Practise: The three gates",
             "def gates", 'show("gates")', "gates = 0  ", "After the exercise.", "kept", "assert kept < 1", "<details>"]
    places, begin = [], 0
    for mark in marks:
        begin = next(k for k in range(begin, len(said)) if mark in said[k])
        places.append(begin)
    assert places == sorted(places)


def test_nothing_of_the_markup_is_left(built):
    for path in built.out.rglob("*.ipynb"):
        text = markdown(nbformat.read(path, as_version=4))
        text = re.sub(r"```python.*?```", "", text, flags=re.S)
        assert not re.search(r"\{[a-z:]+\}`|:::|```\{|\\hidH|\\class|^\(.*\)=$", text, re.M), path


def test_numbers_and_links_are_in_place(built):
    text = markdown(read(built))
    assert "Of the memory 0.0017 is kept, by [(1)](#equation-eq-gates)." in text
    assert '<a id="equation-eq-gates"></a>\n\n$$\n{\\mathbf{H}} = \\sigma({\\mathbf{X}}) \\tag{1}\n$$' in text
    assert "As [Fig. 1](#fig-gates) shows." in text and '<a id="fig-gates"></a>**Fig. 1.**' in text
    assert "[the glossary](terms.ipynb#sec-terms)" in text and "[gate](terms.ipynb#term-gate)" in text
    assert re.search(r"\(terms\.ipynb#id\d+\)", text)            # the citation
    terms = markdown(read(built, "terms"))
    assert "[(1)](cell.ipynb#equation-eq-gates)" in terms and "[Fig. 1](cell.ipynb#fig-gates)" in terms
    assert '<a id="term-gate"></a>**gate**: A share' in terms and "Sepp Hochreiter. Long." in terms


def test_every_anchor_is_wanted_and_every_link_arrives(built):
    texts = {path.name: markdown(nbformat.read(path, as_version=4)) for path in built.out.glob("*.ipynb")}
    wanted = {(page or here, name) for here, text in texts.items() for page, name in notebooks.LINK.findall(text)}
    there = {(here, name) for here, text in texts.items() for name in re.findall(r'<a id="([^"]+)"></a>', text)}
    assert wanted == there and len(there) >= 6
    for here, text in texts.items():
        assert not re.search(r"\n{3,}", text), here              # nothing is left where an anchor was


def test_a_table_and_a_fold(built):
    text = markdown(read(built))
    assert "| story | gate |\n| --- | --- |\n| keep | $f \\lt 1$ |" in text
    assert "<details>\n<summary>Is <em>keep</em> 1?</summary>\n\nYes, ${\\mathbf{X}}$.\n\n</details>" in text
    assert "> **Note**\n>\n> Mind the [gates](#sec-gates)." in text


def test_the_first_cell_installs_and_begins(built):
    first = read(built).cells[0]
    assert first.source.startswith("#@title ") and first.metadata["cellView"] == "form" and first.metadata["jupyter"]["source_hidden"]
    assert '"unrolled[notebooks] @ git+https://github.com/ada/copy.git@main"' in first.source and first.source.endswith("begin()")
    assert all(cell.cell_type == "markdown" for cell in read(built, "terms").cells)      # nothing to install for a page of words


def test_a_page_about_a_framework_begins_with_it(built):
    for variant in ("", "solved", "instructor", "plain"):
        notebook = read(built, "mxnet", variant)
        assert notebook.cells[0].source.endswith('begin("mxnet")')
        assert notebook.metadata.kernelspec.name == "python3" and "accelerator" not in notebook.metadata      # MXNet takes no GPU
    assert read(built).metadata.accelerator == "GPU"


def test_outputs_are_kept_as_a_preview_shows_them(built):
    cells = {cell.source.split("\n")[0]: cell for cell in code(read(built))}
    printed = cells["kept = 0.88 ** 50"].outputs
    assert len(printed) == 1 and printed[0].text == "first\nsecond\n"
    assert cells["kept"].outputs[0].data["text/plain"].startswith("0.0016") and cells["kept"].outputs[0].execution_count is None
    plot, = cells["#@title Code of this output"].outputs
    assert set(plot.data) == {"image/png", "text/plain"}         # <svg> and its style sheet are nothing for a preview
    assert plot.metadata["image/png"]["alt"] == "A line that rises from zero to one."
    for cell in code(read(built)):
        assert cell.execution_count is None and "tags" not in cell.metadata
        assert not any("papermill" in kind for output in cell.outputs for kind in output.get("data", {}))


def test_figures_are_images_with_words(built):
    drawn, = next(cell for cell in code(read(built)) if "#@title Fig. 1" in cell.source).outputs
    assert re.fullmatch(r'<img alt="The memory cell[^"]+" width="480" style="[^"]+" src="data:image/svg\+xml;base64,[\w+/=]+">',
                        drawn.data["text/html"])


def test_widgets_live_by_names_that_do_not_change(built):
    notebook = read(built)
    state = notebook.metadata.widgets[notebooks.STATE]["state"]
    view = next(output.data for cell in code(notebook) for output in cell.outputs if "widget-view" in " ".join(output.get("data", {})))
    name = view["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert state[name]["model_module"] == "anywidget" and "image/png" in view
    assert state[name]["state"]["layout"] == "IPY_MODEL_" + next(key for key in state if key != name and key in state[name]["state"]["layout"])
    assert "widgets" not in read(built, "terms").metadata


def test_the_learner_gets_a_start_and_no_solution(built):
    exercise, notebook = get("gates"), read(built)
    start = next(k for k, cell in enumerate(notebook.cells) if cell.source == exercise.start.strip())
    assert notebook.cells[start - 1].source.startswith("### Practise: The three gates\n\nWrite the three gates of [(1)](#equation-eq-gates).")
    assert 'show("gates")' in notebook.cells[start + 1].source and 'check("gates", gates)' in notebook.cells[start + 1].source
    everything = json.dumps(notebook)
    for secret in (exercise.solution.splitlines()[4], exercise.explanation[:40], exercise.hints[2][:30], exercise.difficulties[:40],
                   *(mistake.told for mistake in exercise.mistakes)):
        assert json.dumps(secret)[1:-1] not in everything


def test_the_solved_one_has_the_solution_and_its_reason(built):
    exercise, notebook = get("gates"), read(built, variant="solved")
    at = next(k for k, cell in enumerate(notebook.cells) if cell.source == exercise.solution.strip())
    assert 'check("gates", gates)' in notebook.cells[at + 1].source and "assert feedback.passed" in notebook.cells[at + 1].source
    assert notebook.cells[at + 2].source.startswith("All three read the same two things") and "```" not in notebook.cells[at + 2].source
    assert exercise.difficulties not in markdown(notebook)


def test_the_instructor_gets_all_that_helps(built):
    exercise, notebook = get("gates"), read(built, variant="instructor")
    text = markdown(notebook)
    assert re.match(r"\*\*For the instructor\.\*\* Reading takes about \d+ minutes?,", notebook.cells[1].source)
    assert f"| {exercise.title} | {exercise.minutes} | 4 |" in text and f"| all | {exercise.minutes} | 4 |" in text
    assert exercise.difficulties in text and f"About {exercise.minutes} minutes." in text
    for points, what in exercise.marking:
        assert f"- {points} point{'s' * (points > 1)}: {what}" in text
    assert all(f"- {mistake.name}: *{mistake.told}*" in text for mistake in exercise.mistakes)
    solved = [cell.source for cell in code(read(built, variant="solved"))]
    assert [cell.source for cell in code(notebook)] == solved


def test_the_plain_one_has_text_and_code_alone(built):
    learner, plain = read(built), read(built, variant="plain")
    assert [re.sub("^#@title", "#", cell.source) for cell in learner.cells] == [cell.source for cell in plain.cells]
    assert not any(cell.metadata or cell.get("outputs") for cell in plain.cells) and "widgets" not in plain.metadata
    assert any(cell.get("outputs") for cell in learner.cells)
    assert plain.cells[0].source.startswith("# Get ready: ")


def test_the_branch_lists_its_notebooks_in_the_order_of_the_book(built):
    readme = (built.out / "README.md").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"^\| \[[^]]+\]\((\w+)\.ipynb\)", readme, re.M)] == ["index", "cell", "terms", "mxnet"]
    assert Addresses("ada", "copy").colab("cell") in readme and Addresses("ada", "copy").binder("cell") in readme
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert target.startswith("https://") or (built.out / target).is_file(), target
    head, rule, *rows = [line for line in readme.splitlines() if line.startswith("|")]
    assert {line.count(" |") for line in (head, rule, *rows)} == {6}
    assert (built.out / "requirements.txt").read_text().splitlines()[0] == Addresses("ada", "copy").package


def test_every_notebook_is_valid_and_knows_no_date(built):
    for path in built.out.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert [cell.id for cell in notebook.cells] == [f"{path.stem}-{k}" for k in range(len(notebook.cells))]
        assert not re.search(r"20\d\d-\d\d-\d\dT", path.read_text(encoding="utf-8"))
        assert set(notebook.metadata) <= {"kernelspec", "language_info", "accelerator", "colab", "widgets"}


def test_a_second_build_gives_the_same_from_the_cache(book, built):
    before = {path.relative_to(built.out): path.read_bytes() for path in built.out.rglob("*.ipynb")}
    (built.out / "gone.ipynb").write_text("of an older book")
    (built.out / "_static").mkdir()
    again = book()
    assert "Executing" not in again.warnings
    assert {path.relative_to(again.out): path.read_bytes() for path in again.out.rglob("*.ipynb")} == before
    assert not (again.out / "_static").exists()


def test_another_builder_keeps_its_outputs_and_its_style_sheets(book):
    html = book("html")
    assert "first\nsecond" in (html.out / "cell.html").read_text(encoding="utf-8") and (html.out / "_static").is_dir()


def test_a_figure_that_nobody_draws_is_a_warning_and_its_words(built):
    from docutils import nodes

    from unrolled.site.markdown import Writer
    figure = nodes.figure("", nodes.image(uri="figures/photo.svg", alt="A photo."), nodes.caption("", "Here."), ids=["f"])
    pieces = notebooks.Pieces(Writer({}, str, lambda node: "Fig. 9"), nbformat.v4.new_notebook())
    pieces.take_figure(figure)
    pieces.flush()
    assert pieces.cells[0].source == '*A photo.*\n\n<a id="f"></a>**Fig. 9.** Here.'


def test_a_plan_without_exercises():
    pieces = notebooks.Pieces(None, nbformat.v4.new_notebook())
    pieces.cells = [nbformat.v4.new_markdown_cell("word " * 1000), nbformat.v4.new_code_cell("not read " * 1000)]
    assert pieces.plan() == ("**For the instructor.** Reading takes about 5 minutes, at 200 words a minute.\n\n"
                             "The page has no exercise that is checked; the questions at its end serve for a talk.")


def test_outputs_without_words_or_html():
    picture = nbformat.v4.new_output("display_data", data={"image/png": "x"})
    table = nbformat.v4.new_output("display_data", data={"image/png": "x", "text/html": "<table>", "text/plain": "t"})
    streams = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in (("stderr", "war"), ("stderr", "ned"), ("stdout", "x"))]
    kept = notebooks.kept_outputs(nbformat.v4.new_code_cell("", outputs=[picture, table, *streams]))
    assert kept[0].metadata["image/png"]["alt"] == "" and kept[1].data["text/html"] == "<table>"
    assert [(output.name, output.text) for output in kept[2:]] == [("stderr", "warned"), ("stdout", "x")]


def test_executions_that_are_gone_are_missed_in_words(built, tmp_path):
    def executed(**config):
        return notebooks.NotebookBuilder.executed(SimpleNamespace(outdir=built.out, config=SimpleNamespace(**config)), "cell")

    assert executed(nb_execution_mode="force").cells             # there MyST-NB writes the outputs itself
    with pytest.raises(ExtensionError, match="the execution of cell is gone from the cache: remove _build/.doctrees"):
        executed(nb_execution_mode="cache", nb_execution_cache_path=str(tmp_path / "empty"))


# ---- the first cell, run ----

@pytest.fixture
def shell():
    """A shell whose %pip writes down what it was asked for."""
    made = InteractiveShell()
    made.asked = []
    made.register_magic_function(made.asked.append, "line", "pip")
    return made


FIRST = notebooks.first_cell(Addresses("ada", "copy"))


def test_where_the_package_is_there_nothing_is_installed(shell, monkeypatch, capsys):
    monkeypatch.setattr("unrolled.notebook.begin", lambda: print("begun"))
    assert shell.run_cell(FIRST).success
    assert not shell.asked and capsys.readouterr().out == "begun\n"


def test_where_it_is_missing_torch_and_numpy_stay(shell, monkeypatch, capsys):
    import importlib.metadata
    import importlib.util
    answers = iter([None, True])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: next(answers))
    monkeypatch.setattr("unrolled.notebook.begin", lambda: print("begun"))
    assert shell.run_cell(FIRST).success
    asked, = shell.asked
    assert asked.startswith("install --quiet ") and asked.endswith('"unrolled[notebooks] @ git+https://github.com/ada/copy.git@main"')
    for name in ("torch", "numpy"):
        assert f" {name}=={importlib.metadata.version(name)} " in asked
    assert capsys.readouterr().out == "begun\n"


def test_where_it_cannot_be_installed_a_sentence_says_so(shell, monkeypatch):
    import importlib.util
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = shell.run_cell(FIRST)
    assert str(result.error_in_exec) == "The package could not be installed: the lines above say why. Is there a network, and torch 2.4 or later?"


def test_where_its_address_is_a_placeholder_the_sentence_says_that(shell, monkeypatch):
    import importlib.util
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = shell.run_cell(notebooks.first_cell(Addresses()))
    assert str(result.error_in_exec) == ("The package could not be installed: the lines above say why. Its address is a placeholder: "
                                         "set the owner in the book's _config.yml (now your-name), and export it again.")


def test_the_torch_of_the_hint_is_that_of_the_package():
    package = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"torch>={notebooks.OLD_TORCH}" in package["project"]["dependencies"]


# ---- the first cell of a framework's notebook, run ----

HERE = {"torch": "2.9.0+cu128", "numpy": "2.0.2", "jax": "0.10.1", "jaxlib": "0.10.1", "flax": "0.12.1", "optax": "0.2.6",
        "tensorflow": "2.20.0", "keras": "3.10.0", "jax-cuda12-plugin": "0.10.1", "rich": "13.0"}


@pytest.fixture
def with_packages(shell, monkeypatch):
    """run(frameworks, *packages): a first cell where these are installed, and pip works or not; what pip was asked for, the end."""
    import importlib.metadata
    import importlib.util

    def run(frameworks, *packages, pip_works=True, addresses=Addresses("ada", "copy")):
        there = set(packages)

        def pip(line):
            shell.asked.append(line)
            if pip_works:
                there.update({"unrolled", *(name for framework in frameworks for name in notebooks.MODULES[framework])})

        shell.register_magic_function(pip, "line", "pip")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in there else None)
        monkeypatch.setattr(importlib.metadata, "distributions",
                            lambda: [SimpleNamespace(name=name, version=HERE[name]) for name in HERE if name in packages])
        monkeypatch.setattr("unrolled.notebook.begin", lambda *which: print("begun", *which))
        result = shell.run_cell(notebooks.first_cell(addresses, frameworks))
        return [line.removeprefix("install --quiet ") for line in shell.asked], result
    return run


PACKAGE = f'"{Addresses("ada", "copy").package}"'


@pytest.mark.parametrize("frameworks, packages, asked, begun", [
    (["jax"], ["torch", "numpy"],
     f'torch==2.9.0+cu128 numpy==2.0.2 {PACKAGE} "jax>=0.10" "flax>=0.12" "optax>=0.2.6"', "begun jax"),
    (["jax"], ["numpy", "jax", "jaxlib", "jax-cuda12-plugin", "rich"],                 # a build for a GPU, with its parts
     f'numpy==2.0.2 jax==0.10.1 jaxlib==0.10.1 {PACKAGE} "flax>=0.12" "optax>=0.2.6"', "begun jax"),
    (["jax"], ["unrolled", "jax", "flax"], 'jax==0.10.1 flax==0.12.1 "optax>=0.2.6"', "begun jax"),
    (["tensorflow"], ["torch"], f'torch==2.9.0+cu128 {PACKAGE} "tensorflow>=2.18" "keras>=3.9"', "begun tensorflow"),
    (["tensorflow"], [*HERE], f'{" ".join(f"{name}=={HERE[name]}" for name in [*HERE][:8])} {PACKAGE}', "begun tensorflow"),
    (["torch", "jax", "tensorflow", "mxnet"], ["unrolled", "jax", "flax", "optax", "keras"],
     'jax==0.10.1 flax==0.12.1 optax==0.2.6 keras==3.10.0 "tensorflow>=2.18"', "begun"),
], ids=["nothing", "jax for a gpu", "one is missing", "no tensorflow", "as on Colab", "several"])
def test_what_is_missing_is_installed_and_what_is_there_stays(with_packages, capsys, frameworks, packages, asked, begun):
    lines, result = with_packages(frameworks, *packages)
    assert result.success and lines == [asked] and capsys.readouterr().out == f"{begun}\n"
    assert "tensorflow-cpu" not in lines[0]                      # it would stand beside a build for GPUs, and win


@pytest.mark.parametrize("framework", ["jax", "tensorflow"])
def test_where_all_is_there_nothing_is_installed(with_packages, capsys, framework):
    lines, result = with_packages([framework], "unrolled", *HERE)
    assert result.success and lines == [] and capsys.readouterr().out == f"begun {framework}\n"


def test_what_could_not_be_installed_is_named(with_packages):
    _, result = with_packages(["jax"], "unrolled", "jax", pip_works=False)
    assert str(result.error_in_exec) == ("flax, optax could not be installed: the lines above say why. Is there a network, and "
                                         "torch 2.4, jax 0.10, flax 0.12, optax 0.2.6 or later?")
    _, result = with_packages(["tensorflow"], pip_works=False, addresses=Addresses())
    assert str(result.error_in_exec) == ("unrolled, tensorflow, keras could not be installed: the lines above say why. Its address is "
                                         "a placeholder: set the owner in the book's _config.yml (now your-name), and export it again.")


def test_a_page_without_a_framework_begins_as_that_of_torch():
    assert FIRST == notebooks.first_cell(Addresses("ada", "copy"), ["torch"])
    assert notebooks.first_cell(Addresses("ada", "copy"), ["mxnet"]) == FIRST.replace("begin()", 'begin("mxnet")')


def test_the_oldest_frameworks_are_those_of_the_package():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {requirement.split(";")[0].strip().replace("tensorflow-cpu", "tensorflow") for requirement in package["frameworks"]}
    assert {requirement for modules in notebooks.MODULES.values() for requirement in modules.values()} == wanted


def test_a_framework_of_no_page_is_named():
    assert notebooks.frameworks_of("page", {}) == [] and notebooks.frameworks_of("page", {"framework": "jax"}) == ["jax"]
    assert notebooks.frameworks_of("page", {"framework": "all"}) == ["torch", "jax", "tensorflow", "mxnet"]
    with pytest.raises(ExtensionError, match="page: a framework is one of torch, jax, .*, or all of them, not 'keras'"):
        notebooks.frameworks_of("page", {"framework": "keras"})


def test_an_old_python_gets_a_sentence(shell, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(sys, "version", "3.10.4 (main)")
    result = shell.run_cell(FIRST)
    assert str(result.error_in_exec) == "This book needs Python 3.11 or later; this kernel has 3.10.4."
    assert not shell.asked
