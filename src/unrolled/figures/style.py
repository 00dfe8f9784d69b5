"""One style for every plot, and one way to show it: a picture that takes the page's colours."""
import hashlib
import html
import io
import math
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from unrolled.figures.palette import PALETTE, scoped_css

STYLE = {
    "figure.figsize": (6.0, 3.2), "figure.dpi": 100, "figure.constrained_layout.use": True,
    "font.size": 12, "axes.titlesize": 12, "axes.labelsize": 12, "legend.fontsize": 11.5,
    "xtick.labelsize": 11.5, "ytick.labelsize": 11.5,             # readable on a phone, at three quarters
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True,
    "grid.linewidth": 0.6, "grid.alpha": 0.2, "grid.color": "black",
    "lines.linewidth": 2.0, "lines.solid_capstyle": "round", "legend.frameon": False, "legend.handlelength": 2.6,
    "axes.formatter.use_mathtext": False, "axes.unicode_minus": True,
}

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def use_style() -> None:
    """Set the book's matplotlib style. Figures are shown by ``show``, never by themselves."""
    mpl.rcParams.update(STYLE)
    plt.ioff()


def power_of_ten(value: float, position: int | None = None) -> str:
    """A tick of a log axis as plain text, ``10⁻⁵``: it stays readable where a small exponent would not."""
    exponent = math.log10(value) if value > 0 else 0.5
    if abs(exponent - round(exponent)) > 1e-9:
        return ""
    exponent = round(exponent)
    return f"{10 ** exponent:g}" if -2 < exponent < 3 else "10" + str(exponent).translate(RAISED)


def plain_powers(fig: Figure) -> None:
    """Write the powers of ten of every log axis as plain text."""
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(power_of_ten)


def own_font(style: str) -> str:
    """A text's style with its size kept and its font the page's (Matplotlib writes one property or two)."""
    return re.sub(r"font(-family)?: ([^;\"]*?([\d.]+px) )?[^;\"]*",
                  lambda m: f"font-size: {m[3]}; font-family: inherit" if m[3] else "font-family: inherit", style)


def to_svg(fig: Figure, alt: str) -> str:
    """The figure as one <svg> that follows its page.

    Black becomes currentColor and the palette's shades CSS variables; text stays text, in the page's own
    font; the ids that remain carry a name made from the content, so that pictures share a page in peace.

    Args:
        alt: what the figure shows, for those who do not see it.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "unrolled", "svg.fonttype": "none"}):
        fig.savefig(buffer, format="svg", transparent=True,
                    metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg"):]
    name = "plot" + hashlib.sha256((alt + svg).encode()).hexdigest()[:8]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)   # <style> would leak
    svg = re.sub(r'style="[^"]*"', lambda m: own_font(m[0]), svg)
    for variable, light, _ in PALETTE.values():
        svg = re.sub(light, f"var({variable}, {light})", svg, flags=re.I)
    svg = svg.replace("#000000", "currentColor")
    needed = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in needed else "", svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    width = float(re.search(r'viewBox="\S+ \S+ (\S+) ', svg)[1])
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return (f'{head} role="img" aria-label="{html.escape(alt)}" fill="currentColor" style="width:100%;'
            f'max-width:{width * 4 / 3:.0f}px;height:auto;stroke-linejoin:round">{rest.strip()}')


class Picture:
    """A figure with its alternative text, ready for a notebook: inline SVG, PNG and plain text.

    Raises:
        ValueError: no alternative text.
    """

    def __init__(self, fig: Figure, alt: str):
        if not isinstance(alt, str) or not alt.strip():
            raise ValueError(f"a figure needs alt text, a sentence that says what it shows; got {alt!r}")
        plain_powers(fig)
        self.alt, self.svg = alt, to_svg(fig, alt)
        png = io.BytesIO()
        fig.savefig(png, format="png", facecolor="white", metadata={"Software": None})
        self.png = png.getvalue()

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        colors = f"<style>{scoped_css('.plot')}</style>"            # Colab shows every output in a frame of its own
        return {"text/html": f'<div class="plot">{colors}{self.svg}</div>', "image/png": self.png, "text/plain": self.alt}


def show(fig: Figure, alt: str) -> None:
    """Display a figure as the book does, and close it.

    Args:
        alt: a sentence that says what the figure shows.

    Raises:
        ValueError: no alternative text.
    """
    try:
        display(Picture(fig, alt))
    finally:
        plt.close(fig)
