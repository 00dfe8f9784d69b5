"""One style for every plot, and one way to show it: a picture that takes the page's colours."""
import html
import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from unrolled.figures.palette import PALETTE

STYLE = {
    "figure.figsize": (6.4, 3.2), "figure.dpi": 110, "figure.constrained_layout.use": True,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "font.size": 11, "axes.titlesize": 11, "axes.labelsize": 11, "legend.fontsize": 10,
    "xtick.labelsize": 10, "ytick.labelsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.grid": True, "axes.grid.axis": "y", "grid.linewidth": 0.5, "grid.alpha": 0.25, "grid.color": "black",
    "lines.linewidth": 1.8, "legend.frameon": False,
    "svg.fonttype": "none",             # text stays text, in the page's own font
    "axes.formatter.use_mathtext": False,
}


def use_style() -> None:
    """Set the book's matplotlib style; figures are shown by ``show`` and never by themselves."""
    mpl.rcParams.update(STYLE)
    plt.ioff()


def to_svg(fig: Figure, alt: str, name: str) -> str:
    """The figure as one <svg> that follows the page: black becomes currentColor, the palette CSS variables.

    Args:
        alt: what the figure shows, for those who do not see it.
        name: prefix of its ids, so that several live on one page.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"font: [^;\"]*?([\d.]+)px [^;\"]*", r"font-size: \1px; font-family: inherit", svg)
    for variable, light, _ in PALETTE.values():
        svg = re.sub(light, f"var({variable}, {light})", svg, flags=re.I)
    svg = svg.replace("#000000", "currentColor").replace("<text ", '<text fill="currentColor" ')
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    _, _, width, _ = (float(n) for n in re.search(r'viewBox="([^"]+)"', svg).group(1).split())
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return (f'{head} role="img" aria-label="{html.escape(alt, quote=True)}" '
            f'style="width:100%;max-width:{width * 4 / 3:.0f}px;height:auto">{rest}')


class Picture:
    """A figure with its alternative text, ready for a notebook: inline SVG, PNG and plain text."""

    count = 0

    def __init__(self, fig: Figure, alt: str):
        if not alt or not alt.strip():
            raise ValueError("a figure needs alt text: say in a sentence what it shows")
        Picture.count += 1
        self.svg = to_svg(fig, alt, f"figure{Picture.count}")
        png = io.BytesIO()
        with plt.rc_context({"savefig.facecolor": "white"}):
            fig.savefig(png, format="png", facecolor="white", metadata={"Software": None})
        self.png, self.alt = png.getvalue(), alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": f'<div class="plot">{self.svg}</div>', "image/png": self.png, "text/plain": self.alt}


def show(fig: Figure, alt: str) -> None:
    """Display a figure as the book does, and close it.

    Raises:
        ValueError: no alternative text.
    """
    picture = Picture(fig, alt)
    plt.close(fig)
    display(picture)
