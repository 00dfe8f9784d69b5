"""What the theme leaves to be mended, so that the pages stand up to axe-core and to a console.

Each rule names the finding that it answers. They work on the finished HTML, because the theme's own
templates write these parts.
"""
import re
from pathlib import Path

RULES = [
    # label-content-name-mismatch: the words on a button are its name.
    (r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r'\1 aria-hidden="true"'),
    # region: all that stands in the sidebar belongs to a landmark.
    (r'(<div id="pst-primary-sidebar" class="[^"]*")>', r'\1 role="navigation" aria-label="Chapter">'),
    # aria-allowed-role, aria-deprecated-role, aria-required-children: references are a plain list.
    (r'(<div class="citation" [^>]*?)role="doc-biblioentry"', r'\1role="listitem"'),
    (r' role="doc-backlink"', ""),
    # A bare redirect makes the browser ask for a favicon that is not there, and tells a screen reader nothing.
    (r'^\s*<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*$',
     '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Unrolled</title>'
     '<link rel="icon" href="data:,"><meta http-equiv="refresh" content="0; url=\\1"></head>'
     '<body><main><h1>Unrolled</h1><p><a href="\\1">The book begins here.</a></p></main></body></html>\n'),
]

# The search fetches a summary from each page that it finds, which no browser lets it do from file://.
SUMMARY = ("SHOW_SEARCH_SUMMARY: true", 'SHOW_SEARCH_SUMMARY: location.protocol !== "file:"')


def mended(html: str) -> str:
    """The page with every rule applied; applying them twice changes nothing more."""
    for pattern, replacement in RULES:
        html = re.sub(pattern, replacement, html)
    return html


def mend_pages(app, error, change=mended):
    """Change every page of the finished site, the redirect at its root included."""
    if error or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        before = path.read_text(encoding="utf-8")
        after = change(before)
        if after != before:
            path.write_text(after, encoding="utf-8")


def mend_search(app, error):
    """Mend what the search page reads."""
    options = Path(app.outdir, "_static/documentation_options.js")
    if options.is_file():
        options.write_text(options.read_text(encoding="utf-8").replace(*SUMMARY), encoding="utf-8")


def setup(app):
    app.connect("build-finished", mend_search)
    app.connect("build-finished", mend_pages, priority=900)        # after the redirect is written
