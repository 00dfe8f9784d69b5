"""The built book as a reader meets it: in Chromium, from file:// and http, with the network cut."""
import functools
import http.server
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.glob("book/*.html"))
EXTRA = ["index.html", "search.html", "genindex.html"]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
OVERFLOW = """() => { const w = document.documentElement.clientWidth;
  return document.documentElement.scrollWidth > w + 1
    ? [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1)
        .slice(0, 5).map(e => e.tagName + '.' + e.className) : []; }"""


def test_the_book_is_built():
    assert len(PAGES) >= 10, "no built book: run `make book` or `make strict` first"


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "no Chromium: `make test-site` finds or installs one"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


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


class Watch:
    """A page that remembers everything that went wrong, with every other host out of reach."""

    def __init__(self, context):
        self.trouble = []
        self.page = context.new_page()
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda r: self.trouble.append(f"failed: {r.url}"))
        self.page.on("response", lambda r: self.trouble.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda e: self.trouble.append(f"page error: {e}"))

    def _request(self, request):
        if urlparse(request.url).hostname not in (None, "", "127.0.0.1"):
            self.trouble.append(f"left the machine: {request.url}")

    def _console(self, message):
        if message.type in ("error", "warning") and not message.text.startswith("strict mode:"):
            self.trouble.append(f"console {message.type}: {message.text[:200]}")


def settle(page):
    """Wait until MathJax and the widgets have done their work."""
    page.wait_for_load_state("load")
    page.wait_for_function("() => !window.MathJax?.startup || window.MathJax.startup.promise.then(() => true)")
    if page.locator("script[type='application/vnd.jupyter.widget-view+json']").count():
        page.wait_for_function("() => document.querySelectorAll('.cell_output [role=group], .widget-subarea').length > 0", timeout=15000)
        page.wait_for_timeout(300)


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_nothing_goes_wrong_and_nothing_leaves_the_machine(scheme, browser, server):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    trouble = {}
    for name in PAGES + EXTRA:
        watch = Watch(context)
        watch.page.goto(f"{server}/{name}" if scheme == "http" else (SITE / name).as_uri())
        settle(watch.page)
        text = watch.page.inner_text("body")
        for raw in ("{glue:", "{cite", "{numref}", ":::{", "```{", "Error displaying widget", "Loading widget"):
            if raw in text:
                watch.trouble.append(f"raw in the text: {raw}")
        if watch.page.locator("mjx-merror").count():
            watch.trouble.append("an equation that MathJax cannot read")
        if watch.page.locator("img:not([alt]), img[alt='']").count():
            watch.trouble.append("an image without alt text")
        if watch.trouble:
            trouble[name] = watch.trouble
        watch.page.close()
    context.close()
    assert not trouble


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(theme, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    findings = {}
    for name in PAGES + EXTRA:
        page = context.new_page()
        page.goto((SITE / name).as_uri())
        settle(page)
        assert page.get_attribute("html", "data-theme") == theme
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.add_script_tag(path=str(AXE))
        violations = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
                                   ".map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)])")
        if violations:
            findings[name] = violations
        page.close()
    context.close()
    assert not findings


@pytest.mark.parametrize("width", [360, 390])
def test_nothing_is_wider_than_a_phone(width, browser):
    context = browser.new_context(viewport={"width": width, "height": 800})
    wide = {}
    for name in PAGES + EXTRA:
        page = context.new_page()
        page.goto((SITE / name).as_uri())
        settle(page)
        if found := page.evaluate(OVERFLOW):
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


def test_the_sliders_move_the_picture(browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto((SITE / "book/forgetting.html").as_uri())
    settle(page)
    status = page.locator(".cell_output [role=status]").first
    weight, steps = page.locator(".cell_output input[type=range]").all()[:2]
    for w in (0.5, 1.0, 1.1, 1.5):
        for n in (1, 50, 100):
            weight.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(w))
            steps.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(n))
            said = status.inner_text()
            assert f"After {n} step" in said and f"weight {w:.2f}" in said
            expected = w ** n
            if 0.001 <= expected < 1000:
                assert f"has become {float(f'{expected:.3g}'):g}." in said
    weight.focus()
    page.keyboard.press("ArrowLeft")
    assert "weight 1.49" in status.inner_text()
    context.close()
