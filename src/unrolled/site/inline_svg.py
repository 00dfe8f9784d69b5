"""Drawings are inlined into the page, so that they take its theme and its colours.

The sources keep ordinary ``{figure}`` directives; numbers, captions and references are Sphinx's.
"""
import html
import re
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

FOLDER = "book/figures"
logger = logging.getLogger(__name__)


def inlined(svg: str, alt: str, prefix: str) -> str:
    """The <svg> element alone, named by ``alt``, with every id made the page's own by ``prefix``.

    Raises:
        ValueError: no <svg> in the text, or no alternative text.
    """
    if not alt.strip():
        raise ValueError("a drawing needs :alt: text, a sentence that says what it shows")
    match = re.search(r"<svg\b.*</svg>", svg, re.S)
    if match is None:
        raise ValueError("the file holds no <svg> element")
    head, rest = match.group().split(">", 1)
    head = re.sub(r'\s(role|aria-[a-z]+|width|height)="[^"]*"', "", head)
    rest = re.sub(r"<(title|desc)\b.*?</\1>\s*", "", rest, flags=re.S)     # the label says it; a tooltip would repeat it
    if ids := re.findall(r'(?<![\w-])id="([^"]+)"', head + rest):
        names = "|".join(map(re.escape, sorted(ids, key=len, reverse=True)))
        own = re.compile(rf"""((?<![\w-])id="|#)({names})(?=["'\s).,:>{{])""")    # where it is given or meant
        head, rest = (own.sub(rf"\g<1>{prefix}-\2", part) for part in (head, rest))
    return f'{head} role="img" aria-label="{html.escape(alt.strip())}">{rest}'


class InlineSVG(SphinxPostTransform):
    """Replace an image that is an .svg of book/figures by the drawing itself."""

    default_priority = 10          # before Sphinx's own handling of images
    formats = ("html",)

    def run(self, **kwargs) -> None:
        seen = Counter()
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir, image["uri"])
            if not (image["uri"].startswith(FOLDER + "/") and path.suffix == ".svg" and path.is_file()):
                continue
            seen[path.stem] += 1
            prefix = path.stem if seen[path.stem] == 1 else f"{path.stem}-{seen[path.stem]}"
            try:
                svg = inlined(path.read_text(encoding="utf-8"), image.get("alt", ""), prefix)
            except ValueError as error:
                logger.warning("%s: %s", image["uri"], error, location=image)
                continue
            width = f' style="max-width:{html.escape(image["width"])}"' if "width" in image else ""
            box = f'<div class="{" ".join(["drawing", *image["classes"]])}"{width}>{svg}</div>'
            image.replace_self(nodes.raw("", box, format="html"))


def setup(app) -> None:
    app.add_post_transform(InlineSVG)
