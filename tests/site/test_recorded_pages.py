"""A page that needs MXNet shows a recorded execution where MXNet is missing, says so, and is executed again where it is not."""
import contextlib
import io
import os
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.cache.main import CacheBundleIn
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.frameworks import processes
from unrolled.site import freshness, recorded_pages

ROOT = Path(__file__).resolve().parents[2]
PAGE = """---
file_format: mystnb
kernelspec: {display_name: Python 3 (MXNet), name: %s}
framework: mxnet
---
# A page

Some words.

```{code-cell} python
print("put", "out")
```
"""
SETTINGS = {"extensions": ["myst_nb", "unrolled.site"], "html_theme": "basic", "source_suffix": {".md": "myst-nb"},
            "nb_execution_mode": "cache", "nb_execution_cache_path": "_build/.jupyter_cache", "nb_execution_raise_on_error": True,
            "myst_enable_extensions": ["colon_fence"], "root_doc": "book/mxnet", "exclude_patterns": ["_build", "html"]}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A book of one page, whose kernel nobody has."""
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "mxnet.md").write_text(PAGE % "no-such-kernel", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mxnet(monkeypatch):
    """Says whether MXNet is there."""
    def is_there(there):
        monkeypatch.setattr(recorded_pages, "is_available", lambda name: there)
    is_there(False)
    return is_there


def put_record(site, output="recorded words", **metadata):
    """A record of the page as it is, with an output that no execution would have."""
    notebook = recorded_pages.as_notebook(site, "book/mxnet")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    told = {"date": "2026-01-31", "commit": "", "machine": "3 cores", "versions": {"mxnet": "1.9.1"}} | metadata
    notebook.metadata["recorded"] = told
    (site / "book" / "recorded").mkdir(exist_ok=True)
    nbformat.write(notebook, site / "book" / "recorded" / "mxnet.ipynb")


def build(site) -> tuple[str, str]:
    """The page, and what was said while it was built."""
    log = io.StringIO()
    with contextlib.chdir(site), patch_docutils(), docutils_namespace():
        Sphinx(site, None, site / "html", site / "_build" / "doctrees", "html", SETTINGS, status=log, warning=log).build()
    return re.sub(r"\s+", " ", (site / "html/book/mxnet.html").read_text(encoding="utf-8")), log.getvalue()


def test_without_mxnet_the_record_is_shown_and_dated(site, mxnet):
    put_record(site)
    for _ in range(2):                                        # the second build finds the record in the cache
        page, log = build(site)
        assert "recorded words" in page and "Executing notebook" not in log
        assert "Recorded, not executed here" in page
        assert "was recorded on 2026-01-31, on a machine with 3 cores: mxnet 1.9.1." in page
        assert page.index("A page") < page.index("Recorded, not executed here") < page.index("Some words.")


@pytest.mark.skipif(os.name == "nt", reason="a kernel takes long to start there, and the book is built on Linux")
def test_when_mxnet_comes_the_page_is_executed_and_the_word_is_gone(site, mxnet):
    (site / "book" / "mxnet.md").write_text(PAGE % "python3", encoding="utf-8")
    put_record(site)
    assert "recorded words" in build(site)[0]
    mxnet(True)
    page, log = build(site)
    assert "put out" in page and "recorded" not in page and "Executing notebook" in log
    mxnet(False)                                              # and goes: its own execution is still good
    page, log = build(site)
    assert "put out" in page and "recorded" not in page and "Executing notebook" not in log


def test_a_record_of_other_code_is_none(site, mxnet):
    put_record(site)
    file = site / "book" / "mxnet.md"
    file.write_text(file.read_text().replace("out", "in"))
    with pytest.raises(ExtensionError, match="book/mxnet needs MXNet, which is not here, and its code has changed since it was "
                                             "recorded: make frameworks makes MXNet's environment, and then the page is executed"):
        build(site)


def test_words_may_change_without_a_new_record(site, mxnet):
    put_record(site)
    file = site / "book" / "mxnet.md"
    file.write_text(file.read_text().replace("Some words.", "Other words."))
    assert "Other words." in build(site)[0]


def test_without_a_record_the_build_says_what_to_do(site, mxnet):
    with pytest.raises(ExtensionError, match="no execution of it is recorded: make frameworks"):
        build(site)


# ---- recording ----

@pytest.fixture
def executed(site, monkeypatch):
    """The page's execution, in the cache. MXNet's process is stood for."""
    put_record(site, "words of today")
    record = nbformat.read(site / "book" / "recorded" / "mxnet.ipynb", 4)
    del record.metadata["recorded"]
    cache = get_cache(site / recorded_pages.CACHE)
    cache.cache_notebook_bundle(CacheBundleIn(record, "page"), check_validity=False)
    freshness.mark(site / recorded_pages.CACHE, site)
    (site / "book" / "recorded" / "mxnet.ipynb").unlink()

    class Process(contextlib.nullcontext):
        def __enter__(self):
            return self

        def call(self, task):
            assert task is recorded_pages.tasks.about
            return {"mxnet": "9.9"}, "the processor"

    monkeypatch.setattr(recorded_pages, "FrameworkProcess", Process)
    return site


def test_a_record_is_made_of_an_execution_and_shown(executed, mxnet, capsys):
    recorded_pages.record(executed)
    assert capsys.readouterr().out == "recorded book/recorded/mxnet.ipynb\n"
    told = nbformat.read(executed / "book" / "recorded" / "mxnet.ipynb", 4).metadata["recorded"]
    assert told["versions"]["mxnet"] == "9.9" and re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"]) and told["machine"]
    get_cache(executed / recorded_pages.CACHE).clear_cache()
    page, _ = build(executed)
    assert "words of today" in page and "mxnet 9.9" in page


def test_what_was_never_executed_is_not_recorded(site, mxnet):
    with pytest.raises(ValueError, match="book/mxnet has not been executed here: run make book first"):
        recorded_pages.record(site)
    put_record(site)
    build(site)                                               # from the record: that is no execution
    with pytest.raises(ValueError, match="has not been executed here"):
        recorded_pages.record(site)


# ---- the book's own ----

def test_the_books_records_are_of_the_pages_as_they_are():
    """Else a machine without MXNet could not build the book."""
    pages = recorded_pages.pages(ROOT)
    assert pages == {"book/mxnet": ("mxnet",), "book/side-by-side": processes.NAMES}
    cache = get_cache(ROOT / recorded_pages.CACHE)
    for page in pages:
        record = nbformat.read(ROOT / recorded_pages.RECORDS / f"{Path(page).name}.ipynb", as_version=4)
        assert record.metadata["recorded"]["versions"]["mxnet"] == "1.9.1"
        assert cache.create_hashed_notebook(record)[1] == cache.create_hashed_notebook(recorded_pages.as_notebook(ROOT, page))[1], (
            f"{page} has changed: make record-pages")
