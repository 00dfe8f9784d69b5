"""The book in one file: the PDF leads where it says, the zip opens by a double click."""
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from unrolled.site import offline_zip, pdf

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build/html"
BOOK = pdf.names(ROOT)
MARGIN = 20 * 72 / 25.4                            # of pdf.css, in points
SMALL = """<!DOCTYPE html><html><head></head><body><article class="bd-article"><section id="top"><h1>Small</h1><p>{text}</p>
</section></article></body></html>"""


# ---- the PDF ----

def make(*words, folder=ROOT):
    """The command, in a process of its own: this one has Playwright's loop running."""
    return subprocess.run([sys.executable, "-m", "unrolled.site.pdf", *map(str, words)], cwd=folder,
                          capture_output=True, text=True)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    out = tmp_path_factory.mktemp("pdf") / "unrolled.pdf"
    done = make(SITE, out)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size < 30e6
    return PdfReader(out)


@pytest.fixture(scope="module")
def pages(reader):
    """Of each page the pieces of text with the place where they begin: (x, y, text), in points from the lower left corner."""
    def words(page):
        found = []
        page.extract_text(visitor_text=lambda text, cm, tm, font, size: found.append(
            (tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5], text)))
        return found
    return [words(page) for page in reader.pages]


@pytest.fixture(scope="module")
def headings():
    """Of each page: its headings, (level, words), in order."""
    found = {}
    for name in BOOK:
        text = BeautifulSoup((SITE / f"{name}.html").read_text(encoding="utf-8"), "html.parser").find("article")
        for link in text.select(".headerlink"):
            link.decompose()
        found[name] = [(int(tag.name[1]), " ".join(tag.get_text().split())) for tag in text.find_all(re.compile("^h[1-6]$"))]
    return found


def outline(reader, entries=None, level=1):
    """The bookmarks, (level, words, page), in order."""
    found = []
    for entry in reader.outline if entries is None else entries:
        if isinstance(entry, list):
            found += outline(reader, entry, level + 1)
        else:
            found.append((level, " ".join(entry.title.split()), reader.get_destination_page_number(entry)))
    return found


def plain(text: str) -> str:
    return re.sub(r"\s", "", text)


def said(words) -> str:
    return "".join(text for *_, text in words)


def test_every_page_of_the_book_and_every_heading_is_a_bookmark_that_leads_to_it(reader, pages, headings):
    first, *found = outline(reader)
    assert first[:2] == (1, "Contents")
    assert [(level, title) for level, title, _ in found] == [heading for name in BOOK for heading in headings[name]]
    assert [number for *_, number in found] == sorted(number for *_, number in found)
    for _, title, number in found:
        assert plain(title) in plain(said(pages[number])), (title, number + 1)
    assert reader.page_mode == "/UseOutlines"


def test_pages_are_numbered_through_the_whole_book(pages):
    for number, words in enumerate(pages, 1):
        below = [text.strip() for _, y, text in words if y < MARGIN and text.strip()]
        assert below == ([] if number == 1 else [str(number)])


def test_the_contents_give_the_number_of_the_page_they_lead_to(reader):
    with_contents = range(1, outline(reader)[1][2])
    lines = "\n".join(reader.pages[k].extract_text() for k in with_contents)
    given = [int(number) for number in re.findall(r" (\d+)$", lines, re.M)]
    led = [reader.get_destination_page_number(destination) + 1 for name, destination in reader.named_destinations.items()]
    assert given == sorted(given) and len(given) > 100 and set(given) <= set(led)
    assert given == [number + 1 for level, _, number in outline(reader)[1:] if level <= 2]


def links(page):
    return [note for note in (entry.get_object() for entry in page.get("/Annots", [])) if note["/Subtype"] == "/Link"]


def test_links_lead_to_a_page_of_the_book_or_to_the_web(reader):
    within, out = 0, []
    for page in reader.pages:
        for link in links(page):
            if "/Dest" in link:
                assert 0 <= reader.get_destination_page_number(reader.named_destinations[link["/Dest"]])
                within += 1
            else:
                out.append(link["/A"]["/URI"])
    assert within > 300 and len(out) > 20
    assert not [address for address in out if not re.match(r"https?://(?!localhost|127\.|book\.invalid)[\w-]+\.", address)]


def test_all_text_stands_within_the_margins_and_no_page_is_empty(reader, pages):
    for number, (page, words) in enumerate(zip(reader.pages, pages), 1):
        width, height = page.mediabox.width, page.mediabox.height
        assert (round(width), round(height)) == (595, 842)
        found = [piece for piece in words if piece[2].strip()]
        assert not [piece for piece in found if not (MARGIN - 3 < piece[0] < width - MARGIN and 0 < piece[1] < height)], number
        assert len(said(found)) > 60 or page.images, number


def test_nothing_is_wider_than_the_paper_and_nothing_scrolls(browser):
    html, _, _ = pdf.document(SITE, BOOK, "", "")
    page = pdf.ready(browser, html, SITE)
    assert not page.locator("mjx-merror").count() and page.locator("mjx-container").count() > 300
    assert not page.evaluate("""() => [...document.querySelectorAll("article, p, li, td, pre, table, figure, svg, img, h1, h2, "
            + "h3, dt, mjx-container[display], .cell_output, .still")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1
          || e.scrollWidth > e.clientWidth + 1 && /auto|scroll|hidden/.test(getComputedStyle(e).overflowX))
        .map(e => e.outerHTML.slice(0, 200))""")
    page.close()


def test_it_says_what_it_is_and_is_tagged(reader):
    assert reader.metadata.title.startswith("Unrolled: ") and reader.metadata.author == "The authors of Unrolled"
    assert reader.trailer["/Root"]["/Lang"] == "en" and reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert len(reader.trailer["/Root"]["/StructTreeRoot"]["/K"]) > 0
    assert pdf.date_of_commit(ROOT) in reader.pages[0].extract_text()


@pytest.fixture
def small(tmp_path):
    """Print a book of one page: its text -> what the command said, and the PDF."""
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "_config.yml").write_text("author: A\n")
    (tmp_path / "html/book").mkdir(parents=True)
    (tmp_path / "html/index.html").write_text("<p>The book begins here.</p>")

    def print_it(text: str) -> tuple[str, bytes]:
        (tmp_path / "html/book/index.html").write_text(SMALL.format(text=text), encoding="utf-8")
        done = make("html", "small.pdf", folder=tmp_path)
        return done.stderr, (tmp_path / "small.pdf").read_bytes() if done.returncode == 0 else b""
    return print_it


def test_the_same_pages_give_the_same_bytes(small):
    first, second, other = (small(text) for text in ("One <a href='#top'>link</a>.", "One <a href='#top'>link</a>.", "Another."))
    assert first == second != other and first[1].startswith(b"%PDF-1.") and not first[0]


@pytest.mark.parametrize("source", ["../_images/none.png", "https://example.org/a.png"])
def test_a_page_that_asks_for_what_is_not_there(small, source, tmp_path):
    said, _ = small(f'<img alt="A picture." src="{source}">')
    assert re.fullmatch(f"small.pdf was not written: the pages ask for .*{source[-5:]}, and html has no such file.\n", said)
    assert not list(tmp_path.glob("small*"))


# ---- the zip ----

@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip") / "Bücher, 2 Stück"
    archive = folder.with_name("book.zip")
    offline_zip.main([str(SITE), str(archive)])
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "unrolled-book"


@pytest.fixture
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, reduced_motion="reduce")
    yield context
    context.close()


def test_every_page_opens_from_the_folder(unpacked, context, watch):
    trouble = {}
    for name in BOOK:
        watched = watch(context)
        watched.goto((unpacked / f"{name}.html").as_uri())
        if watched.trouble:
            trouble[name] = watched.trouble
        watched.page.close()
    assert not trouble


def test_a_reader_walks_through_it(unpacked, context, watch):
    watched = watch(context)
    page = watched.goto((unpacked / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.locator(".bd-links a", has_text="Why plain RNNs forget").click()
    page.wait_for_url("**/book/forgetting.html")
    widget = page.locator(".unrolled[role=group]:has(input[type=range])").first
    before = widget.inner_text()
    widget.locator("input[type=range]").first.focus()
    page.keyboard.press("End")
    at_end = widget.inner_text()
    page.keyboard.press("Home")
    assert len({before, at_end, widget.inner_text()}) > 1
    assert not watched.trouble


def test_the_search_finds(unpacked, context, watch):
    watched = watch(context)
    page = watched.goto((unpacked / "search.html").as_uri() + "?q=perplexity")
    page.wait_for_function("() => /found [1-9]/.test(document.querySelector('.search-summary')?.innerText)")
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/book/*.html*")
    assert "perplexity" in page.inner_text("article").lower()
    assert not watched.trouble
