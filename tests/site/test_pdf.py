"""Pages become one document: in order, with ids of their own, links between them, and nothing that paper cannot do."""
import os
import re
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup

from unrolled.site import pdf

TOC = """\
format: jb-book
root: book/index
chapters:
  - file: book/second
    sections:
      - file: book/deep
  - file: book/last
"""
BOOK = ["book/index", "book/second", "book/deep", "book/last"]
PAGE = """<!DOCTYPE html><html lang="en"><head><title>{title}</title><link rel="stylesheet" href="../_static/a.css">
<link rel="preload" as="script" href="../_static/theme.js"><script src="../_static/theme.js"></script>{maths}</head>
<body><header>Search</header><main><article class="bd-article" role="main"><section id="top"><h1>{title}<a class="headerlink"
href="#top">#</a></h1>{text}</section><p class="text-notice">Text: a story.</p></article></main><footer>Next</footer></body>
</html>"""
MATHS = '<script>window.MathJax = {"tex": {}}</script><script defer src="../_static/mathjax/tex.js"></script>'


def page(title, text="", maths=""):
    return PAGE.format(title=title, text=text, maths=maths)


def on_paper(text, name="book/second"):
    return pdf.article(BeautifulSoup(page("A page", text), "html.parser"), name, BOOK)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A small built book, and its settings in the working directory."""
    (tmp_path / "html/book").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "_config.yml").write_text("title: Small\nauthor: Ada & Søn\n", encoding="utf-8")
    (tmp_path / "html/index.html").write_text("<p>The book begins here.</p>")
    texts = {"index": page("Small: the book, and <em>more</em>", '<section id="way"><h2>The way</h2></section>'),
             "second": page('Second "part"', maths=MATHS), "deep": page("Deep", maths=MATHS), "last": page("Last")}
    for name, text in texts.items():
        (tmp_path / f"html/book/{name}.html").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "no-browser"))
    return tmp_path


# One page

@pytest.mark.parametrize("link, leads_to", [
    ("#part", "#book/second:part"), ("last.html#x", "#book/last:x"), ("last.html", "#book/last"),
    ("second.html#x", "#book/second:x"),
    ("../book/deep.html#a%20b", "#book/deep:a%20b"), ("https://example.org/last.html#x", "https://example.org/last.html#x"),
    ("mailto:a@example.org", "mailto:a@example.org"), ("../genindex.html", None), ("../_sources/book/last.md", None)])
def test_a_link_leads_into_the_one_document_or_out_of_the_book_or_is_words(link, leads_to):
    found = on_paper(f'<p><a href="{link}">there</a></p>').p.a
    assert found.get("href") == leads_to and found.get_text() == "there"


def test_ids_and_all_that_names_them_begin_with_the_page():
    text = on_paper('<svg aria-labelledby="t u"><clipPath id="c"/><g clip-path="url(#c)" style="fill:url(#c)">'
                    '<use xlink:href="#c"/></g>'
                    '<image xlink:href="data:image/png;base64,AA"/></svg>')
    assert text["id"] == "book/second" and text.h1["id"] == "book/second:top"
    assert text.svg["aria-labelledby"] == "book/second:t book/second:u" and text.find("clippath")["id"] == "book/second:c"
    assert text.g.attrs == {"clip-path": "url(#book/second:c)", "style": "fill:url(#book/second:c)"}
    assert [text.use["xlink:href"], text.image["xlink:href"]] == ["#book/second:c", "data:image/png;base64,AA"]


def test_links_to_a_section_lead_to_its_heading():
    text = on_paper('<section id="part"><span id="sec-a"></span><span id="sec-b"></span><h2>Part</h2></section>')
    assert str(text.h2) == ('<h2 id="book/second:part"><span id="book/second:sec-a"></span><span id="book/second:sec-b"></span>'
                            'Part</h2>')
    assert not text.find_all("section")[1].attrs


def test_a_widget_is_its_picture_and_a_question_its_words():
    view = '<script type="application/vnd.jupyter.widget-view+json">{}</script>'
    text = on_paper(f'{view}<noscript><img alt="A cell." src="../_images/a.png"/></noscript>'
                    f'{view}<noscript><pre>Which?\n  ( ) This.</pre></noscript>'
                    '<script type="application/vnd.jupyter.widget-state+json">{"state": {}}</script>')
    assert [str(still) for still in text.select("div.still > *")] == [
        f'<img alt="A cell." src="{pdf.ADDRESS}_images/a.png"/>', "<pre>Which?\n  ( ) This.</pre>"]
    assert not text.find("script") and not text.find("noscript")


def test_what_folds_is_open_and_what_is_pressed_is_gone():
    text = on_paper(
        '<details class="sd-dropdown"><summary>Hint<span class="sd-summary-state-marker">v</span></summary><p>Look.</p></details>'
        '<details class="hide"><summary>Show code cell source</summary><pre>1 + 1</pre></details><button>Copy</button>'
        '<div class="sd-tab-set"><input type="radio"><label>PyTorch</label><div class="sd-tab-content">torch</div></div>')
    assert [fold.has_attr("open") for fold in text.find_all("details")] == [True]
    assert re.sub(r"\s+", " ", text.get_text(" ")).strip() == "A page Hint Look. 1 + 1 PyTorch torch"


# The document

def test_pages_are_taken_in_the_order_of_the_toc(site):
    assert pdf.names(site) == BOOK


def test_the_document_is_whole(site):
    html, title, places = pdf.document(site / "html", BOOK, "Ada & Søn", "2026-01-02")
    assert title == "Small: the book, and more"
    assert places == ["book/index:top", "book/index:way", "book/second:top", "book/deep:top", "book/last:top"]
    found = BeautifulSoup(html, "html.parser")
    assert [text["id"] for text in found.find_all("article")] == BOOK
    assert [link["href"].removeprefix("#") for link in found.select("#contents a.number")] == places
    assert found.select_one("#contents em").get_text() == "more" and found.title.get_text() == title
    front = {line["class"][0]: line.get_text() for line in found.select("#front p")}
    assert {part: front[part] for part in ("title", "subtitle", "author", "date")} == {
        "title": "Small", "subtitle": "The book, and more", "author": "Ada & Søn", "date": "2026-01-02"}
    assert front["words"].endswith("Text: a story.") and html.count("Text: a story.") == 1
    assert 'content: "Second \\"part\\""' in found.style.string
    assert [tag.get("src") or tag.get("href") or tag.string for tag in found.head.find_all(["link", "script"])] == [
        f"{pdf.ADDRESS}_static/a.css", 'window.MathJax = {"tex": {}}', f"{pdf.ADDRESS}_static/mathjax/tex.js"]
    assert found.html["lang"] == "en" and found.html["data-theme"] == "light"
    assert "Search" not in html and "Next" not in html


def test_the_date_is_that_of_the_commit(tmp_path):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], cwd=tmp_path, check=True,
                       capture_output=True, env={**os.environ, "GIT_COMMITTER_DATE": "2025-06-07T08:09:10+0000"})
    git("init")
    git("commit", "--allow-empty", "-m", "a")
    assert pdf.date_of_commit(tmp_path) == "2025-06-07"


def test_there_is_no_date_outside_of_a_checkout_or_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert pdf.date_of_commit(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pdf.date_of_commit(tmp_path) == ""


# What goes wrong

def says(site, sentence):
    before = sorted(site.rglob("*"))
    with pytest.raises(SystemExit, match=f"^{sentence}$"):
        pdf.main(["html", "out.pdf"])
    assert sorted(site.rglob("*")) == before


def test_without_a_browser(site):
    says(site, "out.pdf was not written: a PDF is printed by Chromium, and none was found: install one, "
               "or name it in the variable CHROMIUM.")


def test_with_a_program_that_is_no_browser(site, monkeypatch):
    monkeypatch.setenv("CHROMIUM", sys.executable)
    before = sorted(site.rglob("*"))
    done = subprocess.run([sys.executable, "-m", "unrolled.site.pdf", "html", "out.pdf"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == f"out.pdf was not written: {sys.executable} does not start as Chromium does.\n"
    assert sorted(site.rglob("*")) == before


def test_without_a_built_book(site):
    (site / "html/index.html").unlink()
    says(site, "There is no built book in html: run make book first.")


def test_without_a_page(site):
    (site / "html/book/deep.html").unlink()
    says(site, "out.pdf was not written: html lacks book/deep, which _toc.yml names: make book has to be run again.")


def test_with_a_page_of_another_theme(site):
    (site / "html/book/deep.html").write_text("<h1>Deep</h1>")
    says(site, "out.pdf was not written: book/deep.html has no article of the book's theme.")


@pytest.mark.parametrize("name", ["_toc.yml", "_config.yml"])
def test_without_the_settings(site, name):
    (site / name).unlink()
    says(site, f"out.pdf was not written: .*{name}.*")


def test_where_nothing_can_be_written(site):
    (site / "out.pdf").mkdir()
    says(site, "out.pdf is a folder, and the name of a file is wanted.")
