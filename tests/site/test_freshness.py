"""Executions are kept exactly as long as what they ran on."""
import io
import os
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.site import freshness

PAGE = """---
file_format: mystnb
kernelspec: {display_name: Python 3, name: python3}
---
# A page

```{code-cell} python
from pathlib import Path
print("the table says", Path(%r).read_text())
```
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def book(tmp_path):
    """A book of one page, which shows what a recorded table says."""
    (tmp_path / "book" / "data").mkdir(parents=True)
    table = tmp_path / "book" / "data" / "table.txt"
    table.write_text("one")
    (tmp_path / "index.md").write_text(PAGE % str(table), encoding="utf-8")
    return tmp_path


def test_the_fingerprint_follows_the_data_and_the_text(book, monkeypatch):
    first = freshness.fingerprint(book)
    assert freshness.fingerprint(book) == first
    (book / "book" / "data" / "table.txt").write_text("two")
    second = freshness.fingerprint(book)
    (book / "book" / "data" / "table.txt").rename(book / "book" / "data" / "other.txt")
    third = freshness.fingerprint(book)
    monkeypatch.setattr(freshness, "text_in_use", lambda: type("Text", (), {"sha256": "another"}))
    assert len({first, second, third, freshness.fingerprint(book)}) == 4


def test_the_fingerprint_follows_the_frameworks(book, monkeypatch):
    assert freshness.version("torch") and freshness.version("no-such-package") == ""
    found = {freshness.fingerprint(book)}
    (book / "tools").mkdir()
    (book / "tools" / "mxnet.lock").write_text("mxnet==1.9.1")
    found.add(freshness.fingerprint(book))
    for name in freshness.FRAMEWORKS:
        monkeypatch.setattr(freshness, "version", lambda asked, name=name: "99" if asked == name else "1")
        found.add(freshness.fingerprint(book))
    assert len(found) == 2 + len(freshness.FRAMEWORKS)


def test_the_fingerprint_follows_the_package(book, tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1")
    monkeypatch.setattr(freshness.unrolled, "__file__", str(package / "__init__.py"))
    first = freshness.fingerprint(book)
    (package / "__pycache__" / "junk.pyc").write_text("made by running it")
    assert freshness.fingerprint(book) == first
    (package / "__init__.py").write_text("x = 2")
    assert freshness.fingerprint(book) != first


def test_a_site_without_notebooks_has_nothing_to_forget(tmp_path):
    (tmp_path / "index.md").write_text("# One\n", encoding="utf-8")
    with patch_docutils(), docutils_namespace():
        app = Sphinx(tmp_path, None, tmp_path / "html", tmp_path / "doctrees", "html",
                     {"extensions": ["myst_parser", "unrolled.site"], "html_theme": "basic"}, status=None)
        app.build()
    assert app.unrolled_stale is False and not (tmp_path / "_build").exists()


@pytest.mark.skipif(os.name == "nt", reason="a kernel takes long to start there, and the book is built on Linux")
def test_a_build_executes_again_when_what_it_ran_on_has_changed(book):
    settings = {"extensions": ["myst_nb", "unrolled.site"], "html_theme": "basic", "source_suffix": {".md": "myst-nb"},
                "nb_execution_mode": "cache",
                "nb_execution_cache_path": "_build/.jupyter_cache", "nb_execution_raise_on_error": True,
                "exclude_patterns": ["_build", "html"]}

    def build() -> tuple[str, str]:
        log = io.StringIO()
        before = Path.cwd()
        os.chdir(book)
        try:
            with patch_docutils(), docutils_namespace():
                Sphinx(book, None, book / "html", book / "_build" / "doctrees", "html", settings, status=log,
                       warning=log).build()
        finally:
            os.chdir(before)
        return (book / "html" / "index.html").read_text(encoding="utf-8"), log.getvalue()

    page, log = build()
    assert "the table says one" in page and "Executing notebook" in log
    page, log = build()
    assert "the table says one" in page and "Executing notebook" not in log
    (book / "book" / "data" / "table.txt").write_text("two")
    page, log = build()
    assert "the table says two" in page and "Executing notebook" in log
