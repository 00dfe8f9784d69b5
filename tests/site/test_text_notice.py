"""Every page says which text it was built with, and a stand-in is said twice."""
import html
import io
import shutil
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.site.text_notice import notice
from unrolled.text import corpus, load_corpus
from unrolled.text.vocabulary import clean


@pytest.fixture
def novel(tmp_path, monkeypatch):
    """A folder with a copy of the novel, as far as checksums can tell."""
    text = load_corpus("embedded").text
    monkeypatch.setattr(corpus, "SHA256", corpus._sha256(text.encode()))
    (tmp_path / "novel").mkdir()
    (tmp_path / "novel" / corpus.FILE).write_bytes(text.encode())
    return tmp_path / "novel"


@pytest.fixture(autouse=True)
def nothing(tmp_path, monkeypatch):
    """No copy anywhere, and whoever asks the network for one is found out."""
    def asked(*_):
        raise AssertionError("the network was asked")
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "fetch", asked)


def build(folder: Path) -> dict[str, str]:
    """A site of two pages; returns its files by name."""
    warnings, source = io.StringIO(), folder / "source"
    source.mkdir(exist_ok=True)
    (source / "index.md").write_text("# One\n\n```{toctree}\ntwo\n```\n", encoding="utf-8")
    (source / "two.md").write_text("# Two\n\nThe second.\n", encoding="utf-8")
    settings = {"extensions": ["myst_parser", "unrolled.site"], "source_suffix": {".md": "markdown"},
                "html_theme": "basic"}
    with patch_docutils(), docutils_namespace():
        Sphinx(source, None, folder / "html", folder / "doctrees", "html", settings, status=None,
               warning=warnings).build()
    assert not warnings.getvalue()
    return {path.name: path.read_text(encoding="utf-8") for path in (folder / "html").glob("*.html")}


def test_the_novel_is_named_once_below_each_page(tmp_path, novel, monkeypatch):
    monkeypatch.setenv("UNROLLED_DATA", str(novel))
    size = f"{len(clean(load_corpus('embedded').text)):,}"
    line = (f'<p class="text-notice">Text: The Time Machine (H. G. Wells, 1895), {size} characters after cleaning, '
            f"local copy, SHA-256 verified.</p>")
    pages = build(tmp_path)
    for name, heading in (("index.html", "One"), ("two.html", "Two")):
        assert pages[name].count("text-notice") == pages[name].count(line) == 1
        assert pages[name].index(f"<h1>{heading}") < pages[name].index(line)
        assert "Another text" not in pages[name]


def test_the_stand_in_is_named_above_and_below(tmp_path):
    line = html.escape(load_corpus("embedded").notice)
    pages = build(tmp_path)
    for name, heading in (("index.html", "One"), ("two.html", "Two")):
        page = pages[name]
        above, title, below = (page.index('<div class="admonition warning"><p class="admonition-title">Another text</p>'
                                          f"<p>{line}</p></div>"),
                               page.index(f"<h1>{heading}"), page.index(f'<p class="text-notice">{line}</p>'))
        assert above < title < below and page.count(line) == 2


def test_pages_that_sphinx_makes_itself_say_nothing(tmp_path):
    pages = build(tmp_path)
    for name in ("search.html", "genindex.html"):
        assert "text-notice" not in pages[name] and "Another text" not in pages[name]


def test_a_second_build_that_changes_one_page_keeps_every_notice(tmp_path, novel, monkeypatch):
    monkeypatch.setenv("UNROLLED_DATA", str(novel))
    before = build(tmp_path)
    (tmp_path / "html" / "two.html").unlink()                   # only this page is written again
    assert build(tmp_path) == before


def test_a_title_is_written_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr("unrolled.site.text_notice.notice", lambda: ("a < b & c", True))
    for name in ("index.html", "two.html"):
        assert build(tmp_path)[name].count("a &lt; b &amp; c") == 2
        shutil.rmtree(tmp_path / "html")


def test_the_sentence_comes_without_a_warning(novel, monkeypatch):
    assert notice() == (load_corpus("embedded").notice, True)   # any warning is an error here
    monkeypatch.setenv("UNROLLED_DATA", str(novel))
    sentence, stand_in = notice()
    assert not stand_in and "SHA-256 verified" in sentence
