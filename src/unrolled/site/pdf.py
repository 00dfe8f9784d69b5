"""The whole book as one PDF, printed from its built pages by Chromium.

    python -m unrolled.site.pdf _build/html _build/unrolled.pdf        (make pdf)

The pages become one document, printed at once: so bookmarks, tags, page numbers and links from page to page are the
browser's own work. It is printed twice, for only a print knows the page numbers that the contents give.
"""
import html as markup
import io
import json
import logging
import os
import posixpath
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Error, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from sphinx_external_toc.parsing import parse_toc_yaml

from unrolled.site.one_file import write_from_pages

ADDRESS = "http://book.invalid/"                # nothing is there: every request is answered from the folder
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PAPER = {"prefer_css_page_size": True, "print_background": True, "outline": True, "tagged": True}
WIDTH = 642                                     # of a line in CSS pixels: A4 without the margins of pdf.css
NOT_ON_PAPER = "script, button, input, a.headerlink, .text-notice, .toctree-wrapper, .sd-summary-state-marker"
IN_PRINT = ("This is the book on paper: its widgets are pictures here, its questions are asked and not checked, and all that "
            "folds is open. The code is under the MIT licence, text and figures under CC BY 4.0.")
# What is wider than a line gets smaller; code that would get too small to read is folded, as pdf.css has it.
FIT = """async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  for (const wide of document.querySelectorAll("mjx-container[display], table"))
    wide.style.zoom = Math.min(1, wide.parentElement.clientWidth / Math.max(wide.scrollWidth, wide.offsetWidth));
  for (const code of document.querySelectorAll(".highlight pre")) {
    code.style.whiteSpace = "pre";
    const padding = 2 * parseFloat(getComputedStyle(code).paddingLeft);
    const share = (code.clientWidth - padding) / (code.scrollWidth - padding);
    if (share < 0.75) code.style.whiteSpace = "";
    else if (share < 1) code.style.fontSize = `${share * parseFloat(getComputedStyle(code).fontSize)}px`;
  }
}"""
NUMBER = """numbers => document.querySelectorAll("#contents .number").forEach((place, k) => place.textContent = numbers[k])"""


def names(root: Path) -> list[str]:
    """The pages of ``_toc.yml`` under ``root``, in order, as they are called there."""
    site = parse_toc_yaml(root / "_toc.yml")

    def from_here(name: str) -> list[str]:
        return [name, *(page for tree in site[name].subtrees for below in tree.files() for page in from_here(below))]
    return from_here(site.root.docname)


def date_of_commit(root: Path) -> str:
    """The day of the last commit, YYYY-MM-DD: the same commit is the same book. Empty outside of a checkout."""
    try:
        return subprocess.run(["git", "log", "-1", "--format=%cs"], cwd=root, capture_output=True, text=True).stdout.strip()
    except OSError:                                        # no git
        return ""


def article(page: BeautifulSoup, name: str, book: list[str]) -> Tag:
    """The text of a page, fit to stand on paper beside the others of ``book``.

    Its ids begin with the page's name, and its links lead to those of the other pages. Widgets are the pictures that
    stand beside them for readers without scripts, questions the words; folds are open.
    """
    text = page.find("article", class_="bd-article")
    if text is None:
        raise ValueError(f"{name}.html has no article of the book's theme")
    for still in text.find_all("noscript"):
        still.name, still["class"] = "div", "still"
    for gone in text.select(NOT_ON_PAPER):
        gone.decompose()
    for fold in text.find_all("details"):
        fold["open"] = ""
        if "hide" in fold["class"]:                        # a cell's code: its title is a button's
            fold.summary.decompose()
            fold.unwrap()
    for title in text.find_all(["h1", "h2", "h3", "h4", "h5", "h6"]):
        title["id"] = title.parent.attrs.pop("id")         # a section can begin a page before its heading
        for place in title.find_previous_siblings("span"):
            title.insert(0, place.extract())
    for tag in text.find_all(True):
        for key, value in tag.attrs.items():
            if key in ("id", "for", "aria-labelledby", "aria-describedby"):
                tag[key] = " ".join(f"{name}:{one}" for one in value.split())
            elif key in ("href", "xlink:href"):
                tag[key] = address(value, name, book)
            elif key == "src":
                tag[key] = urljoin(f"{ADDRESS}{name}.html", value)
            elif isinstance(value, str) and "url(#" in value:
                tag[key] = value.replace("url(#", f"url(#{name}:")
        if tag.name == "a" and not tag.get("href", "-"):
            del tag["href"]
    text["id"] = name
    return text


def address(link: str, name: str, book: list[str]) -> str:
    """Where a link on the page ``name`` leads to in the one document; empty where it leads to no page of the book."""
    parts = urlsplit(link)
    if parts.scheme:
        return link
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
    page = path.removesuffix(".html") if parts.path else name
    if page not in book:
        return ""
    return f"#{page}:{parts.fragment}" if parts.fragment else f"#{page}"


def head(page: BeautifulSoup, name: str) -> list[str]:
    """The style sheets of a page, and what sets its equations."""
    found = [tag for tag in page.head.find_all(["link", "script"])
             if tag.get("rel") == ["stylesheet"] or "mathjax" in (tag.get("src") or tag.string or "").lower()]
    for tag in found:
        for key in {"href", "src"} & set(tag.attrs):
            tag[key] = urljoin(f"{ADDRESS}{name}.html", tag[key])
    return [str(tag) for tag in found]


def words(title: Tag) -> str:
    """What a heading says, as HTML, without the places in it that links lead to."""
    return "".join(str(part) for part in title.contents if not (isinstance(part, Tag) and part.get("id")))


def contents(articles: list[Tag]) -> tuple[str, list[str]]:
    """The table of contents, with places for the page numbers, and where its lines lead to."""
    lines, places = [], []
    for title in (title for text in articles for title in text.find_all(["h1", "h2"])):
        places.append(title["id"])
        lines.append(f'<li class="of-{title.name}"><a href="#{places[-1]}">{words(title)}</a><i></i><a class="number" '
                     f'href="#{places[-1]}"></a></li>')
    return f'<nav id="contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>', places


def document(folder: Path, book: list[str], author: str, date: str) -> tuple[str, str, list[str]]:
    """The book as one HTML document, its title, and the places that its contents lead to.

    Raises:
        ValueError: a page of the book is not among those built.
    """
    if missing := [name for name in book if not (folder / f"{name}.html").is_file()]:
        raise ValueError(f"{folder} lacks {', '.join(missing)}, which _toc.yml names: make book has to be run again")
    pages = {name: BeautifulSoup((folder / f"{name}.html").read_text(encoding="utf-8"), "html.parser") for name in book}
    notices = [notice.get_text() for notice in pages[book[0]].select(".text-notice")]
    articles = [article(page, name, book) for name, page in pages.items()]
    heads = dict.fromkeys(line for name, page in pages.items() for line in head(page, name))
    titles = [text.find("h1").get_text().strip() for text in articles]
    running = []
    for k, (text, title) in enumerate(zip(articles, titles)):
        text["style"] = f"page: p{k}"                      # a kind of paper of its own, with its title above
        running.append(f"@page p{k} {{ @top-left {{ content: {json.dumps(title)} }} }}")
    list_of_contents, places = contents(articles)
    style = "\n".join([Path(__file__).with_name("pdf.css").read_text(encoding="utf-8"), *running])
    name, _, rest = titles[0].partition(": ")
    parts = {"title": name, "subtitle": rest[:1].upper() + rest[1:], "author": author, "date": date,
             "words": " ".join([IN_PRINT, *notices])}
    front = "".join(f'<p class="{part}">{markup.escape(words)}</p>' for part, words in parts.items())
    whole = "\n".join(['<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">',
                       f"<title>{markup.escape(titles[0])}</title>", *heads, f"<style>{style}</style></head><body>",
                       f'<section id="front">{front}</section>', list_of_contents, *map(str, articles), "</body></html>"])
    return whole, titles[0], places


def ready(browser: Browser, html: str, folder: Path) -> Page:
    """The document in a browser, with its equations set, fit for print. All that it asks for comes from ``folder``.

    Raises:
        RuntimeError: it asks for something else.
    """
    lacking = []

    def answer(route) -> None:
        address, file = route.request.url, folder / unquote(urlsplit(route.request.url).path).lstrip("/")
        if address == ADDRESS:
            route.fulfill(body=html, content_type="text/html")
        elif address.startswith(ADDRESS) and file.is_file():
            route.fulfill(path=file)
        else:
            lacking.append(address.removeprefix(ADDRESS))
            route.abort()

    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.route("**/*", answer)
    page.emulate_media(media="print", color_scheme="light", reduced_motion="reduce")
    page.goto(ADDRESS, timeout=120_000)
    page.evaluate(FIT)
    if lacking:
        raise RuntimeError(f"the pages ask for {', '.join(lacking)}, and {folder} has no such file")
    return page


def printed(html: str, folder: Path, places: list[str]) -> bytes:
    """The document as a PDF, with page numbers in its contents.

    Raises:
        RuntimeError: there is no Chromium, it does not start, or its page numbers do not settle.
    """
    chromium = shutil.which(os.environ.get("CHROMIUM") or "chromium")
    if chromium is None:
        raise RuntimeError("a PDF is printed by Chromium, and none was found: install one, or name it in the variable CHROMIUM")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        except Error:
            raise RuntimeError(f"{chromium} does not start as Chromium does") from None
        numbers = [100] * len(places)
        for _ in range(3):
            page = ready(browser, html, folder)            # a new one: what Chromium has printed once it breaks elsewhere then
            page.evaluate(NUMBER, numbers)
            whole = page.pdf(**PAPER)
            page.close()
            given, numbers = numbers, page_numbers(PdfReader(io.BytesIO(whole)), places)
            if given == numbers:
                return whole
    raise RuntimeError("no two prints gave the same page numbers")


def page_numbers(reader: PdfReader, places: list[str]) -> list[int]:
    named = reader.named_destinations
    return [reader.get_destination_page_number(named[f"/{place}"]) + 1 for place in places]


def make(folder: Path, out: Path) -> None:
    """Print the book built in ``folder`` to the file ``out``; ``_toc.yml`` and ``_config.yml`` lie in the working directory."""
    root = Path.cwd()
    author = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["author"]
    date = date_of_commit(root)
    html, title, places = document(folder, names(root), author, date)
    logging.getLogger("pypdf").setLevel(logging.ERROR)     # it warns of its own counting
    reader = PdfReader(io.BytesIO(printed(html, folder, places)))
    writer = PdfWriter(clone_from=reader)
    writer.pdf_header = reader.pdf_header
    day = {"/CreationDate": f"D:{date.replace('-', '')}000000Z"} if date else {}
    writer.metadata = {"/Title": title, "/Author": author, **day}
    writer.page_mode = "/UseOutlines"
    writer.write(out)


def main(argv: list[str] | None = None) -> None:
    write_from_pages(make, "Print the built book as one PDF.", argv)


if __name__ == "__main__":
    main()
