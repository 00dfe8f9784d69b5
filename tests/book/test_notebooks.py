"""The exported notebooks, all of them: whole, linked, without markup of the book, with the book's outputs; and they run.

`make test-notebooks` builds them first. What is executed here, and why no more:

- Of a page without exercises the four notebooks hold the same code cells, and but for the first cell and the drawings they
  are the cells of the book, in its order, with the outputs of its execution. So they have been executed: the equality is
  what is tested.
- Of a page with exercises the solved notebook and the instructor's hold the same code cells. One of them is executed from top to
  bottom, in a folder of its own.
- Every learner's notebook is executed where its readers are, in the environments of `test_colab.py`.
- Where no cell of the page comes after its first exercise (the pages that train longest), the cells before it are again
  executed already, as in the book. There the first cell, the drawings and all cells from the first exercise on are executed, in
  a kernel that knows nothing of the page, which is more than they may rely on.
"""
import asyncio
import json
import logging
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbconvert import HTMLExporter
from run_notebooks import execute

from unrolled.exercises import get, names
from unrolled.site.notebooks import LINK, kept_outputs
from unrolled.site.pdf import names as pages

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "_build" / "notebooks"
PAGES = [Path(name).name for name in pages(ROOT)]
VARIANTS = {"learner": OUT, "solved": OUT / "solved", "instructor": OUT / "instructor", "plain": OUT / "plain"}
EVERY = [pytest.param(variant, page, id=f"{variant}: {page}") for variant in VARIANTS for page in PAGES]
PRACTISED = [page for page in PAGES if any(get(name).page == page for name in names())]
every_notebook = pytest.mark.parametrize("variant, page", EVERY)


def read(variant, page):
    return nbformat.read(VARIANTS[variant] / f"{page}.ipynb", as_version=4)


def words(notebook):
    """The Markdown of a notebook, without its blocks of code."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^( *)(`{3,})[\w+]*\n.*?\n\1\2$", "", text, flags=re.M | re.S)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def untitled(cell):
    return re.sub(r"^#@title .*\n", "", cell.source)


def of_the_export(cell):
    """Whether a cell is none of the page's own: the first, and drawings."""
    return "from unrolled.notebook import begin" in cell.source or "figures.drawings import Drawing" in cell.source


def executed(page):
    """The code cells of a page as the book executed them."""
    cache = get_cache(ROOT / "_build/.jupyter_cache")
    notebook = nbformat.read(ROOT / f"_build/jupyter_execute/book/{page}.ipynb", as_version=4)
    return code(cache.merge_match_into_notebook(notebook)[1])


def test_every_page_is_there_four_times():
    for folder in VARIANTS.values():
        assert {path.stem for path in folder.glob("*.ipynb")} == set(PAGES), "run `make notebooks` first"


@every_notebook
def test_it_is_valid_and_names_no_date(variant, page):
    notebook = read(variant, page)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert not re.search(r"20\d\d-\d\d-\d\dT\d\d:\d\d", json.dumps(notebook.metadata)) and "timestamp" not in json.dumps(notebook.metadata)


@every_notebook
def test_nothing_of_the_books_markup_is_left(variant, page):
    text = words(read(variant, page))
    inline = re.sub(r"(`+)[^`].*?\1", "", text)                 # code within a line may speak of braces
    assert not re.search(r"\{[\w:-]+\}`|:::|^\(\S+\)=$|\\class\{|\{glue|\{cite|\\(?:gate|node|cell|hid)[IFOCHifoch]\b", text, re.M)
    assert "{" not in re.sub(r"\$\$?[^$]*\$\$?", "", inline), "a brace outside of code and mathematics"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_link_arrives(variant):
    texts = {f"{page}.ipynb": words(read(variant, page)) for page in PAGES}
    anchors = {page: set(re.findall(r'<a id="([^"]+)"></a>', text)) for page, text in texts.items()}
    for here, text in texts.items():
        for page, name in LINK.findall(text):
            assert name in anchors.get(page or here, ()), f"{here}: {page}#{name}"
        for target in re.findall(r"\]\(<?([^)>\s]+)>?\)", text):
            assert target.startswith(("#", "https://", "http://")) or target.split("#")[0] in texts, f"{here}: {target}"


@every_notebook
def test_every_image_is_inside(variant, page):
    notebook = read(variant, page)
    assert not re.search(r"!\[[^\]]*\]\(|<img", words(notebook))
    for cell in code(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            assert all(source.startswith("data:image/") for source in re.findall(r'<img[^>]* src="([^"]*)"', data.get("text/html", "")))
            if "image/png" in data:
                assert len(output.metadata["image/png"]["alt"]) > 20
                assert "<svg" not in data.get("text/html", "")
            view = data.get("application/vnd.jupyter.widget-view+json")
            if view:
                state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
                assert view["model_id"] in state and "image/png" in data


@pytest.mark.parametrize("page", PAGES)
def test_it_has_the_cells_and_the_outputs_of_the_book(page):
    if not (ROOT / f"_build/jupyter_execute/book/{page}.ipynb").exists():
        assert not code(read("learner", page))
        return
    own = [cell for cell in code(read("learner", page)) if not of_the_export(cell)]
    names_here = [get(name) for name in names() if get(name).page == page]
    own = [cell for cell in own if cell.source not in {exercise.start.strip() for exercise in names_here} and "\nshow(\"" not in cell.source]
    book = executed(page)
    assert [untitled(cell) for cell in own] == [cell.source for cell in book]

    def shown(outputs):                                         # names of widget models are drawn by chance
        return [(output.get("text"), sorted(output.get("data", {})), output.get("data", {}).get("image/png")) for output in outputs]
    assert [shown(cell.outputs) for cell in own] == [shown(kept_outputs(cell)) for cell in book]


@pytest.mark.parametrize("page", PAGES)
def test_the_variants_differ_where_they_should(page):
    learner, solved, instructor, plain = ([untitled(cell) for cell in code(read(variant, page))] for variant in VARIANTS)
    assert solved == instructor
    assert [re.sub("^# .*\n", "", source) for source in plain] == [re.sub("^# .*\n", "", source) for source in learner]
    assert (learner != solved) == (page in PRACTISED)
    for name in names():
        if get(name).page == page:
            assert get(name).start.strip() in learner and get(name).solution.strip() in solved
            assert get(name).solution.strip() not in learner


class Said(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.mark.parametrize("page", PAGES)
def test_nbconvert_has_nothing_to_complain_of(page):
    for variant in VARIANTS if page in PRACTISED else ["learner"]:
        said, exporter = Said(), HTMLExporter()
        exporter.log = logging.getLogger(f"nbconvert.{variant}.{page}")
        exporter.log.addHandler(said)
        html, _ = exporter.from_notebook_node(read(variant, page))
        # Its template has no place for the words of a PNG, which the notebook carries as the output's text and metadata.
        assert not [line for line in said.lines if "Alternative text is missing" not in line]
        assert "Traceback" not in html and "<title>Notebook" in html


# ---- execution ----

def to_run(page):
    """What is executed of the solved notebook of a page with exercises."""
    notebook = read("solved", page)
    cells, solutions = code(notebook), {get(name).solution.strip() for name in names() if get(name).page == page}
    first = next(k for k, cell in enumerate(cells) if cell.source in solutions)
    book = {cell.source for cell in executed(page)}
    if any(untitled(cell) in book for cell in cells[first:]):
        return notebook
    notebook.cells = [cell for k, cell in enumerate(cells) if k >= first or of_the_export(cell)]
    return notebook


async def run_all(notebooks, folder):
    turn = asyncio.Semaphore(2)

    async def one(notebook):
        async with turn:
            return await execute(notebook, folder)

    return await asyncio.gather(*map(one, notebooks), return_exceptions=True)


def test_the_solved_notebooks_run(tmp_path, capsys):
    """Two at a time; every failure is told, not only the first."""
    notebooks = {page: to_run(page) for page in PRACTISED}
    ended = dict(zip(notebooks, asyncio.run(run_all(notebooks.values(), tmp_path))))
    with capsys.disabled():
        for page, how in ended.items():
            print(f"\n  solved, {page}: {f'{how:.0f} s' if isinstance(how, float) else 'failed'}", end="", flush=True)
    assert not {page: str(how)[-2000:] for page, how in ended.items() if not isinstance(how, float)}
    for page, notebook in notebooks.items():
        said = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
        assert "This notebook computes on" in said and "Text: " in said, page
