"""The built book as a reader meets it: in Chromium, from file:// and http, with the network cut."""
import functools
import gzip
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


def test_every_widget_moves_in_the_page_that_shows_it(browser, watch):
    """Each first slider to its end, by keyboard, changes what the widget says; text is never read as markup."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, reduced_motion="reduce")
    seen, trouble = set(), {}
    for name in PAGES:
        watched = watch(context)
        page = watched.goto((SITE / name).as_uri())
        for root in page.locator(".unrolled[role=group]:has(input[type=range])").all():
            seen.add(root.get_attribute("aria-label"))
            before = root.inner_text()
            slider = root.locator("input[type=range]").first
            slider.focus()
            page.keyboard.press("Home")
            at_home = root.inner_text()
            page.keyboard.press("End")
            assert len({before, at_home, root.inner_text()}) > 1, f"{name}: {root.get_attribute('aria-label')} does not move"
        if watched.trouble:
            trouble[name] = watched.trouble
        page.close()
    context.close()
    assert not trouble and len(seen) >= 7


def test_a_page_without_scripts_shows_each_widgets_picture(browser):
    context = browser.new_context(java_script_enabled=False)
    for name in PAGES:
        page = context.new_page()
        page.goto((SITE / name).as_uri())
        views = page.locator("script[type='application/vnd.jupyter.widget-view+json']").count()
        stills = page.locator("noscript :is(img, pre)").all()              # a question stands there in words
        assert len(stills) == views, name
        for still in stills:
            still.scroll_into_view_if_needed()
            assert still.is_visible() and len(still.get_attribute("alt") or still.inner_text()) > 20
        page.close()
    context.close()


def test_no_page_is_heavy(browser, server):
    """Everything that a first visit loads, gzipped as a server would send it, shared files included."""
    packed = ("text/", "javascript", "json", "svg")
    heavy = {}
    for name in PAGES:
        context = browser.new_context()
        page = context.new_page()
        sizes = {}
        page.on("response", lambda r: sizes.update({r.url: len(
            gzip.compress(r.body()) if any(kind in r.headers.get("content-type", "") for kind in packed) else r.body())}))
        page.goto(f"{server}/{name}", wait_until="networkidle")
        if (total := sum(sizes.values())) > 1_600_000:
            heavy[name] = total, sorted(sizes.items(), key=lambda item: -item[1])[:5]
        context.close()
    assert not heavy
