"""The built book as a reader meets it: in Chromium, from file:// and http, with the network cut."""
import functools
import http.server
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.glob("book/*.html"))
EXTRA = ["index.html", "search.html", "genindex.html"]


def test_the_book_is_built():
    assert len(PAGES) >= 10, "no built book: run `make book` or `make strict` first"


@pytest.fixture(scope="module")
def server():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_nothing_goes_wrong_and_nothing_leaves_the_machine(scheme, browser, server, watch):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    trouble = {}
    for name in PAGES + EXTRA:
        watched = watch(context)
        page = watched.goto(f"{server}/{name}" if scheme == "http" else (SITE / name).as_uri())
        text = page.inner_text("body")
        for raw in ("{glue:", "{cite", "{numref}", ":::{", "```{", "This widget cannot be shown"):
            if raw in text:
                watched.trouble.append(f"raw in the text: {raw}")
        if page.locator("mjx-merror").count():
            watched.trouble.append("an equation that MathJax cannot read")
        if page.locator("img:not([alt]), img[alt='']").count():
            watched.trouble.append("an image without alt text")
        if watched.trouble:
            trouble[name] = watched.trouble
        page.close()
    context.close()
    assert not trouble


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(theme, browser, watch):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    findings = {}
    for name in PAGES + EXTRA:
        watched = watch(context)
        page = watched.goto((SITE / name).as_uri())
        assert page.get_attribute("html", "data-theme") == theme
        if violations := watched.axe():
            findings[name] = violations
        page.close()
    context.close()
    assert not findings


@pytest.mark.parametrize("width", [360, 390])
def test_nothing_is_wider_than_a_phone(width, browser, watch):
    context = browser.new_context(viewport={"width": width, "height": 800})
    wide = {}
    for name in PAGES + EXTRA:
        watched = watch(context)
        page = watched.goto((SITE / name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        if found := watched.overflow():
            wide[name] = found
        page.close()
    context.close()
    assert not wide


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[k] for k in ("id", "name") if attrs.get(k)}
        for key in ("href", "src"):
            if attrs.get(key):
                self.links.append(attrs[key])


def test_internal_links_and_anchors_lead_somewhere():
    pages = {p.relative_to(SITE).as_posix(): Links(p.read_text(encoding="utf-8")) for p in SITE.rglob("*.html")
             if "_static" not in p.parts}
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlparse(link)
            if parts.scheme or parts.netloc:
                continue
            target = name if not parts.path else os.path.normpath(os.path.join(os.path.dirname(name), unquote(parts.path)))
            if not (SITE / target).exists():
                broken.append(f"{name}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                broken.append(f"{name}: {link}")
    assert not broken


def test_every_page_says_which_text_it_used():
    for name in PAGES:
        assert re.search(r'class="text-notice">Text: .*characters after cleaning', (SITE / name).read_text(encoding="utf-8")), name
