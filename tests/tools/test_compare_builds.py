"""Two builds are the same when only a clock could tell them apart."""
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

TOOL = Path(__file__).resolve().parents[2] / "tools" / "compare_builds.py"
spec = importlib.util.spec_from_file_location("compare_builds", TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PAGE = """<html><head><title>A page</title><style>p {{ color: red }}</style></head><body><br><p>One epoch takes
<span class="pasted-text">{price}</span> times as long, at perplexity <span class="pasted-text">{perplexity}</span>.</p>
<div class="cell tag_timing docutils container"><div class="cell_output"><pre>{seconds} s</pre><img src="a.png"></div></div>
<p>{after}</p><script>{{"model_id": "{model}"}}</script></body></html>"""
SOURCE = "One epoch takes {glue:text}`timing-price:.1f` times as long, at perplexity {glue:text}`perplexity:.2f`."
SAME = {"price": "3.1", "perplexity": "7.25", "seconds": "0.4", "after": "The end.", "model": "a" * 32}


def cell(text="", *, tags=(), output=None):
    output = output or new_output("stream", text=text)
    return new_code_cell("train()", metadata={"tags": list(tags)}, outputs=[output])


def book(*cells):
    return new_notebook(cells=[new_markdown_cell("# A page"), *cells])


def page(**changes):
    return PAGE.format(**SAME | changes)


# Notebooks

def test_equal_notebooks_have_no_differences():
    assert tool.compare_notebooks(book(cell("7.25\n"), cell("x")), book(cell("7.25\n"), cell("x"))) == []


def test_a_difference_names_its_cell_and_shows_both_lines():
    found = tool.compare_notebooks(book(cell("epoch 1\n7.25\n")), book(cell("epoch 1\n7.26\n")))
    assert found == ["cell 1:\n    - 7.25\n    + 7.26"]


@pytest.mark.parametrize("kind, differs", [("text/plain", True), ("text/html", True), ("image/png", False)])
def test_results_are_compared_in_words(kind, differs):
    one, two = (cell(output=new_output("execute_result", {kind: value})) for value in ("abcd", "abce"))
    assert bool(tool.compare_notebooks(book(one), book(two))) == differs


def test_a_timing_cell_may_say_something_else():
    assert tool.compare_notebooks(book(cell("0.4 s", tags=["timing"])), book(cell("0.5 s", tags=["timing"]))) == []
    assert tool.compare_notebooks(book(cell("0.4 s", tags=["hide-input"])), book(cell("0.5 s", tags=["hide-input"])))


def test_a_missing_cell_is_found_on_either_side():
    longer, shorter = book(cell("a"), cell("b")), book(cell("a"))
    assert tool.compare_notebooks(longer, shorter) == ["cell 2: missing in the second build"]
    assert tool.compare_notebooks(shorter, longer) == ["cell 2: missing in the first build"]


def test_a_cell_that_fails_alike_in_both_builds_is_found_too():
    failed = book(cell(output=new_output("error", ename="AssertionError", evalue="no", traceback=[])))
    assert tool.compare_notebooks(failed, failed) == ["cell 1 failed:\n    - failed: no\n    + failed: no"]


def test_random_names_are_no_difference_and_other_numbers_are():
    one, two = ("<Widget at 0x7fa8dc4a6810> b325dc16bfed47ac8e05e5f316f90018 0b0f5d0e-1c5e-4a55-9d6b-0123456789ab",
                "<Widget at 0x7fffdc4a6810> c325dc16bfed47ac8e05e5f316f90018 1b0f5d0e-1c5e-4a55-9d6b-0123456789ab")
    assert tool.compare_notebooks(book(cell(one)), book(cell(two))) == []
    assert tool.compare_notebooks(book(cell("0x10")), book(cell("0x11")))


def test_a_long_difference_is_cut_short():
    one, two = ("\n".join(f"{k} {word * 300}" for k in range(100)) for word in "xy")
    [found] = tool.compare_notebooks(book(cell(one)), book(cell(two)))
    lines = found.splitlines()
    assert len(lines) == 13 and max(map(len, lines)) <= 165


def test_in_a_long_drawing_the_tag_that_differs_is_shown():
    one, two = ("".join(f"<path d='M{k} {y if k == 500 else 0}'/>" for k in range(1000)) for y in (1, 2))
    assert tool.compare_notebooks(book(cell(one)), book(cell(two))) == [
        "cell 1:\n    - <path d='M500 1'/>\n    + <path d='M500 2'/>"]


# Pages

def test_what_a_clock_measured_may_differ_on_a_page():
    assert tool.compare_pages(page(), page(price="2.9", seconds="0.5", model="b" * 32), SOURCE) == []


@pytest.mark.parametrize("changes", [{"perplexity": "7.26"}, {"after": "An end."}])
def test_what_a_reader_sees_otherwise_is_found(changes):
    [found] = tool.compare_pages(page(), page(**changes), SOURCE)
    [(key, value)] = changes.items()
    assert found.startswith("text:") and f"- {SAME[key]}" in found and f"+ {value}" in found


def test_a_page_whose_numbers_cannot_be_named_is_no_success():
    assert tool.compare_pages(page(), page(), SOURCE.split(",")[0]) == [
        "the source shows 1 glued numbers, the pages 2 and 2"]


def test_a_tag_that_is_never_closed_hides_nothing_after_it():
    one, two = (f'<div class="cell tag_timing"><p>1 s</div></b><p>{end}' for end in ("same", "other"))
    assert tool.compare_pages(one, two) == ["text:\n    - same\n    + other"]


# Whole trees

EXECUTED = """---
file_format: mystnb
kernelspec:
  name: python3
---
# A page

```{code-cell} python
:tags: [timing]

import time
from myst_nb import glue
print(time.time_ns(), "ns")
```

```{code-cell} python
:tags: [remove-cell]

glue("timing-now", time.time(), display=False)
glue("steps", 35, display=False)
```

It is {glue:text}`timing-now:.6f`, after {glue:text}`steps:d` steps.

```{code-cell} python
print(object())
ANSWER
```
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the kernel's sockets warn about the event loop there")
def test_pages_that_are_executed_for_real_differ_only_where_they_should(tmp_path):
    for name, answer in (("one", "7"), ("two", "7"), ("three", "8")):
        book, out = tmp_path / name / "book", tmp_path / name / "_build/html"
        book.mkdir(parents=True)
        (book / "page.md").write_text(EXECUTED.replace("ANSWER", answer), encoding="utf-8")
        with patch_docutils(), docutils_namespace():
            Sphinx(tmp_path / name, None, out, tmp_path / name / "_build/.doctrees", "html", {
                "extensions": ["myst_nb"], "source_suffix": {".md": "myst-nb"}, "html_theme": "basic",
                "root_doc": "book/page", "nb_execution_mode": "force", "nb_execution_raise_on_error": True}, status=None, warning=None).build()
    assert tool.compare(tmp_path / "one", tmp_path / "two") == []
    assert tool.compare(tmp_path / "one", tmp_path / "three") == [
        "html/book/page.html, text:\n    - 7\n    + 8\n    - 7\n    + 8",         # the code, and what came of it
        "jupyter_execute/book/page.ipynb, cell 4:\n    - 7\n    + 8"]


def put(tree, *, perplexity, price):
    """A built book of one page."""
    glue = {key: {"data": {"text/plain": value}} for key, value in (("perplexity", perplexity), ("timing-price", price))}
    executed = nbformat.writes(book(cell(perplexity), cell(price, tags=["timing"])))
    for name, text in (("book/page.md", SOURCE), ("_build/html/book/page.html", page(perplexity=perplexity, price=price)),
                       ("_build/html/genindex.html", "<p>Index</p>"), ("_build/html/_static/other.html", price),
                       ("_build/jupyter_execute/book/page.ipynb", executed), ("_build/.jupyter_cache/0.ipynb", price),
                       ("_build/jupyter_execute/book/page.glue.json", json.dumps(glue))):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tree


def test_two_trees_that_differ_in_time_only_are_the_same(tmp_path):
    one, two = put(tmp_path / "one", perplexity="7.25", price="3.1"), put(tmp_path / "two", perplexity="7.25", price="2.9")
    assert tool.compare(one, two) == []


def test_every_difference_names_its_page(tmp_path):
    one, two = put(tmp_path / "one", perplexity="7.25", price="3.1"), put(tmp_path / "two", perplexity="7.26", price="3.1")
    (two / "_build/html/genindex.html").unlink()
    assert tool.compare(one, two) == [
        "html/book/page.html, text:\n    - 7.25\n    + 7.26",
        "html/genindex.html, missing in the second build",
        "jupyter_execute/book/page.glue.json, glued perplexity: {'text/plain': '7.25'} and {'text/plain': '7.26'}",
        "jupyter_execute/book/page.ipynb, cell 1:\n    - 7.25\n    + 7.26"]


@pytest.mark.skipif(not shutil.which("git"), reason="git is missing")
def test_the_tree_that_is_copied_is_the_one_being_worked_on(tmp_path, monkeypatch):
    root, tree = tmp_path / "root", tmp_path / "root/_build/one"
    for name in (".gitignore", "kept.md", "deleted.md", "book/ü.md", "ignored/a", "book/_static/offline/a.js"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("_build/\nignored/\nbook/_static/offline*/\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "kept.md", "deleted.md"], cwd=root, check=True)
    (root / "deleted.md").unlink()
    (tree / "of-before").mkdir(parents=True)
    monkeypatch.setattr(tool, "ROOT", root)
    tool.copy(tree)
    assert {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()} == {
        ".gitignore", "kept.md", "book/ü.md", "book/_static/offline/a.js"}
    assert not (tree / "of-before").exists()


@pytest.mark.parametrize("then, fails", [("pass", False), ("raise SystemExit(3)", True)])
def test_a_build_takes_the_trees_own_package_and_a_failed_one_is_said(then, fails, tmp_path, monkeypatch, capfd):
    # In place of jupyter_book: it says where it is, and what it was asked for.
    package = tmp_path / "src/jupyter_book/cli"
    package.mkdir(parents=True)
    (tmp_path / "src/jupyter_book/__init__.py").write_text("", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "main.py").write_text(f"import os, sys\ndef main():\n    print(os.getcwd(), *sys.argv[1:])\n    {then}\n",
                                          encoding="utf-8")
    if fails:
        with pytest.raises(SystemExit, match="The build failed"):
            tool.build(tmp_path)
    else:
        tool.build(tmp_path)
    assert capfd.readouterr().out == f"{tmp_path.resolve()} build -n .\n"


def test_the_command_builds_twice_and_fails_where_the_builds_differ(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "copy", lambda tree: None)
    monkeypatch.setattr(tool, "build", lambda tree: put(tree, perplexity="7.25", price=tree.name))
    with pytest.raises(SystemExit) as done:
        tool.main()
    assert done.value.code == 0 and capsys.readouterr().out.startswith("The two builds are the same")
    monkeypatch.setattr(tool, "build", lambda tree: put(tree, perplexity=tree.name, price="3.1"))
    with pytest.raises(SystemExit) as done:
        tool.main()
    assert done.value.code == 1 and "page.ipynb, cell 1:\n    - one\n    + two" in capsys.readouterr().out
