"""Drawings are inlined into the page, so that they take its theme and its colours.

The sources keep ordinary ``{figure}`` directives; numbers, captions and references are Sphinx's.
"""
import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


def inlined(svg: str, alt: str, prefix: str) -> str:
    """The <svg> element alone, named by ``alt``, every id made the page's own by ``prefix``.

    Raises:
        ValueError: no <svg> in the text, or no alternative text.
    """
    if not alt:
        raise ValueError(f"the drawing {prefix} has no alt text: say what it shows")
    match = re.search(r"<svg\b.*</svg>", svg, re.S)
    if match is None:
        raise ValueError(f"the drawing {prefix} holds no <svg> element")
    svg = re.sub(r'\bid="', f'id="{prefix}-', match.group())
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(role|aria-label|aria-labelledby|aria-describedby|width|height)="[^"]*"', "", head)
    rest = re.sub(r"^\s*<(title|desc)\b.*?</\1>", "", rest, flags=re.S)     # the label says it, tooltips repeat it
    return f'{head} role="img" aria-label="{html.escape(alt, quote=True)}">{rest}'


class InlineSVG(SphinxPostTransform):
    """Replace an image node that names a local .svg by the drawing itself."""

    default_priority = 10          # before Sphinx's own handling of images
    formats = ("html",)

    def run(self, **kwargs):
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir, image["uri"])
            if path.suffix != ".svg" or not path.is_file():
                continue
            text = inlined(path.read_text(encoding="utf-8"), image.get("alt", ""), path.stem)
            image.replace_self(nodes.raw("", f'<div class="drawing">{text}</div>', format="html"))


def setup(app):
    app.add_post_transform(InlineSVG)
