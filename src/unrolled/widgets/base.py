"""What all widgets share: how their modules become one, their style, and what stands in where no script runs."""
import re
from pathlib import Path

import anywidget

from unrolled.figures.palette import PALETTE, scoped_css
from unrolled.figures.style import Picture

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.M)


def module(name: str) -> str:
    """The module of a widget as one text, its imports from beside it put before it.

    A notebook hands a module to the browser as a text without an address, from which nothing can be
    imported. Node and the tests import the very files.
    """
    order: list[str] = []

    def visit(file: str) -> None:
        if file not in order:
            for needed in IMPORT.findall((FOLDER / file).read_text(encoding="utf-8")):
                visit(needed)
            order.append(file)

    visit(name)
    texts = [IMPORT.sub("", (FOLDER / file).read_text(encoding="utf-8")) for file in order]
    return "\n".join([*(re.sub(r"^export (?!default)", "", text, flags=re.M) for text in texts[:-1]), texts[-1]])


def style() -> str:
    """The style of all widgets, with the palette of both themes and a class for each quantity."""
    keys = "".join(f".unrolled .u{entry[0].removeprefix('--lstm')}{{--u:var({entry[0]})}}" for entry in PALETTE.values())
    paper = ".unrolled{--u-paper:var(--pst-color-background,var(--jp-layout-color0,Canvas))}"
    return scoped_css(".unrolled") + keys + paper + (FOLDER / "widget.css").read_text(encoding="utf-8")


class Widget(anywidget.AnyWidget):
    """A widget of the book. A subclass has its module in ``_esm``, its synchronised traits, and two stand-ins.

    Where a script runs the page shows the module. Where none does (GitHub's preview of a notebook, a page
    without JavaScript) it shows ``picture``, and where there are only letters, ``describe``.
    """

    _css = style()
    _ipython_display_ = None           # ipywidgets 7, which Colab has, would show the widget without its stand-ins

    def describe(self) -> str:
        """What the widget shows now, in words and numbers."""
        raise NotImplementedError

    def picture(self) -> Picture:
        """What the widget shows now, as a still picture with alternative text."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": self.describe(), "image/png": self.picture().png}, metadata
