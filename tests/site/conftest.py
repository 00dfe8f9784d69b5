"""A real browser, and pages that remember everything that went wrong in them."""
import os
import shutil
from pathlib import Path
from urllib.parse import urlparse

import pytest

from unrolled.site.pdf import FLAGS

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
OVERFLOW = """() => { const w = document.documentElement.clientWidth;
  return document.documentElement.scrollWidth > w + 1
    ? [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1)
        .slice(0, 5).map(e => e.tagName + '.' + e.className) : []; }"""


class Watch:
    """A page, and in ``trouble`` whatever went wrong in it: errors, failed requests, requests to other machines."""

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

    def goto(self, url: str):
        """Open, and wait until MathJax and the widgets have done their work."""
        self.page.goto(url)
        self.page.wait_for_load_state("load")
        self.page.wait_for_function("() => !window.MathJax?.startup || window.MathJax.startup.promise.then(() => true)")
        views = self.page.locator("script[type='application/vnd.jupyter.widget-view+json']").count()
        self.page.wait_for_function("n => document.querySelectorAll('.widget-host[data-ready], .widget-subarea').length >= n",
                                    arg=views, timeout=15000)
        return self.page

    def axe(self) -> list:
        """What axe-core finds: [rule, how often, the first place], with every fold open."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        self.page.add_script_tag(path=str(AXE))
        return self.page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
                                  ".map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)])")

    def overflow(self) -> list:
        """What is wider than the window."""
        return self.page.evaluate(OVERFLOW)


@pytest.fixture(scope="session")
def watch():
    return Watch


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "no Chromium: `make test-site` finds or installs one"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
