"""What the theme leaves to be mended, so that the pages stand up to axe-core.

Each rule names the finding it answers. They work on the finished HTML, because the theme's own
templates write these parts.
"""
import re
from pathlib import Path

RULES = []


def mended(html: str) -> str:
    """The page with every rule applied; applying them twice changes nothing more."""
    for pattern, replacement in RULES:
        html = re.sub(pattern, replacement, html)
    return html


def mend_pages(app, error):
    if error or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        before = path.read_text(encoding="utf-8")
        after = mended(before)
        if after != before:
            path.write_text(after, encoding="utf-8")


def setup(app):
    app.connect("build-finished", mend_pages)
