"""What the theme leaves is mended once, in finished pages, and only there."""
import io
import os
from types import SimpleNamespace

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.site import mend

PAGE = """<!DOCTYPE html>
<html lang="en" data-content_root="./"><head><meta charset="utf-8"><title>A page</title></head><body data-default-mode="">
<div class="search-button__wrapper"><form class="bd-search" action="search.html" method="get"><input type="search"
 name="q" placeholder="Search..."></form></div><nav class="bd-links" aria-label="Main"><ul class="nav bd-sidenav">
<li class="toctree-l1 has-children"><a class="reference internal" href="a.html">A</a><details><summary><span
 class="toctree-toggle" role="presentation"><i class="fa-solid fa-chevron-down"></i></span></summary></details></li></ul></nav>
<button class="btn btn-sm theme-switch-button"><i class="theme-switch fa-solid fa-sun"></i></button>
<main id="main-content" role="main"><article class="bd-article"><h1>A page<a class="headerlink" href="#a">#</a></h1>
<div class="cell docutils container"><div class="cell_output"><pre>7.25</pre></div></div><table class="table"><tr><td>1</td>
</tr></table></article></main><script src="_static/a.js"></script></body></html>
"""
RULE = (r'<main(?! tabindex)', '<main tabindex="-1"')


def app(folder, format="html"):
    """As much of Sphinx as the mending looks at."""
    return SimpleNamespace(outdir=str(folder), builder=SimpleNamespace(format=format))


@pytest.fixture
def site(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/page.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "index.html").write_text("<p>Nothing to mend: ä.</p>", encoding="utf-8")
    (tmp_path / "page.txt").write_text("<main>", encoding="utf-8")
    return tmp_path


@pytest.fixture
def rule(monkeypatch):
    monkeypatch.setattr(mend, "RULES", [RULE])


def test_mending_twice_is_mending_once():
    once = mend.mended(PAGE)
    assert mend.mended(once) == once
    assert "A page" in once and "7.25</pre>" in once            # the words of the page stay


def test_rules_are_applied_in_turn(monkeypatch):
    monkeypatch.setattr(mend, "RULES", [("a", "b"), ("b(?!c)", "bc")])
    assert mend.mended("xaxb") == mend.mended(mend.mended("xaxb")) == "xbcxbc"


def test_a_rule_changes_what_it_names_and_nothing_else(rule):
    assert mend.mended(PAGE) == mend.mended(mend.mended(PAGE)) == PAGE.replace("<main", '<main tabindex="-1"')


def test_only_pages_that_change_are_written(rule, site):
    others = [site / "index.html", site / "page.txt"]
    for path in others:
        os.utime(path, (0, 0))
    mend.mend_pages(app(site), None)
    page = site / "book/page.html"
    assert page.read_text(encoding="utf-8") == PAGE.replace("<main", '<main tabindex="-1"')
    os.utime(page, (0, 0))                                      # a second writing would move the time
    mend.mend_pages(app(site), None)
    assert [path.stat().st_mtime for path in (page, *others)] == [0, 0, 0]


@pytest.mark.parametrize("format, error", [("html", RuntimeError("no")), ("latex", None), ("text", None)])
def test_a_failed_build_and_other_formats_are_left_alone(format, error, rule, site):
    mend.mend_pages(app(site, format), error)
    assert (site / "book/page.html").read_text(encoding="utf-8") == PAGE


def test_sphinx_calls_it_when_the_pages_are_finished(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mend, "RULES", [("<h1>", '<h1 class="mended">')])
    (tmp_path / "source").mkdir()
    (tmp_path / "source/index.md").write_text("# A page\n", encoding="utf-8")
    settings = {"extensions": ["myst_parser", "unrolled.site"], "source_suffix": {".md": "markdown"},
                "html_theme": "basic"}
    with patch_docutils(), docutils_namespace():
        Sphinx(tmp_path / "source", None, tmp_path / "html", tmp_path / "doctrees", "html", settings, status=None,
               warning=io.StringIO()).build()
    assert '<h1 class="mended">A page' in (tmp_path / "html/index.html").read_text(encoding="utf-8")
    assert mend.SUMMARY[1] in (tmp_path / "html/_static/documentation_options.js").read_text(encoding="utf-8")
