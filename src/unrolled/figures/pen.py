"""The strokes that every drawing shares: pipes, valves, joints, tiles, words.

A drawing is a string of SVG. Colours come from the palette by class (``u-f`` for the forget gate), so that
an inlined drawing follows the page's theme and a lone one the reader's. How present a part is comes from
its group: ``u-new`` for what a figure adds, ``u-old`` for what is known, ``u-ghost`` for what is to come.
"""
from html import escape

from unrolled.figures.palette import DARK_BACKGROUND, LIGHT_BACKGROUND, PALETTE

SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif"
SERIF = "'Latin Modern Roman','Charter','Bitstream Charter',Cambria,Georgia,'Noto Serif',serif"


def key(quantity: str) -> str:
    """The class of a quantity: "C_tilde" -> "u-c-tilde"."""
    return "u" + PALETTE[quantity][0].removeprefix("--lstm")


def rules() -> str:
    """The drawing's own style. Every class begins with u-, because an inlined <style> speaks to the whole page."""
    def theme(shade: int, paper: str) -> str:
        return ("".join(f".{key(name)}{{--u:var({entry[0]},{entry[shade]})}}" for name, entry in PALETTE.items())
                + f".u-drawing{{--u-paper:var(--pst-color-background,{paper})}}")

    return (theme(1, LIGHT_BACKGROUND)
            + ".u-line{stroke:var(--u);fill:none}.u-fill{fill:var(--u)}.u-node{stroke:var(--u);fill:var(--u-paper)}"
              ".u-tint{fill:var(--u);fill-opacity:.22;stroke:var(--u)}.u-wash{fill:var(--u);fill-opacity:.1}"
              ".u-paper{fill:var(--u-paper)}.u-scratch{stroke:var(--u-paper);fill:none}"
              ".u-word{fill:currentColor}.u-name{fill:var(--u)}"
            + f".u-maths{{font-family:{SERIF};font-weight:700}}.u-slant{{font-style:italic;font-weight:400}}"
              ".u-old .u-line,.u-old .u-node,.u-old .u-tint{stroke-opacity:.5}"
              ".u-new .u-tile{fill:var(--u)}.u-new .u-tile~.u-line{stroke:var(--u-paper)}.u-new .u-tile~.u-name{fill:var(--u-paper)}"
              ".u-ghost .u-line,.u-ghost .u-node{stroke-dasharray:.1 7;stroke-width:2.4;stroke-opacity:.75}"
            + f"svg.u-drawing:root{{background:{LIGHT_BACKGROUND};color:#222832}}"
            + f"@media(prefers-color-scheme:dark){{{theme(2, DARK_BACKGROUND)}"
            + f"svg.u-drawing:root{{background:{DARK_BACKGROUND};color:#e0e0e0}}}}")


def drawing(width: int, height: int, title: str, description: str, *parts: str) -> str:
    """A whole SVG file.

    Args:
        title, description: for those who do not see it, where the file stands alone.
    """
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="u-drawing" viewBox="0 0 {width} {height}" role="img" '
            f'aria-labelledby="title description" font-family="{SANS}" fill="none" '
            f'stroke-linecap="round" stroke-linejoin="round">\n'
            f'<title id="title">{escape(title)}</title>\n<desc id="description">{escape(description)}</desc>\n'
            f"<style>{rules()}</style>\n" + "\n".join(parts) + "\n</svg>\n")


def group(name: str, *parts: str, presence: str = "new", quantity: str | None = None) -> str:
    """Parts under one id, with their presence and, where all share one, their quantity's colour."""
    classes = f"u-{presence}" + (f" {key(quantity)}" if quantity else "")
    return f'<g id="{name}" class="{classes}">' + "".join(parts) + "</g>"


def wire(name: str, quantity: str, path: str, width: float = 2.6, dash: str = "") -> str:
    """A line that carries a quantity, in its colour."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path id="wire-{name}" class="{key(quantity)} u-line" d="{path}" stroke-width="{width}"{dashed}/>'


def head(quantity: str, x: float, y: float, way: str, size: float = 7) -> str:
    """An arrow head with its point at (x, y)."""
    dx, dy = {"up": (0, 1), "down": (0, -1), "right": (-1, 0), "left": (1, 0)}[way]
    a, b = 1.6 * size, 0.9 * size
    return (f'<path class="{key(quantity)} u-fill" d="M{x:g} {y:g}L{x + dx * a - dy * b:.1f} {y + dy * a - dx * b:.1f}'
            f'L{x + dx * a + dy * b:.1f} {y + dy * a + dx * b:.1f}Z"/>')


def chevrons(points: list[tuple[float, float]], way: int = 1) -> str:
    """Small marks scratched into a bold line that say whether it runs to the right (1) or to the left (-1)."""
    path = "".join(f"M{x - 1.8 * way:g} {y - 3.6:g}l{3.6 * way:g} 3.6l{-3.6 * way:g} 3.6" for x, y in points)
    return f'<path class="u-scratch" d="{path}" stroke-width="1.8"/>'


def words(x: float, y: float, text: str, *, quantity: str | None = None, size: float = 15, anchor: str = "middle",
          bold: bool = False) -> str:
    """Plain words, in the text's colour or in a quantity's."""
    look = f"{key(quantity)} u-name" if quantity else "u-word"
    weight = ' font-weight="600"' if bold else ""
    return f'<text class="{look}" x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def symbol(x: float, y: float, letter: str, index: str = "", *, quantity: str | None = None, size: float = 20,
           tilde: bool = False, slant: bool = False) -> str:
    """A quantity as the equations write it: bold capitals for a batch, slanted small letters for one unit.

    (x, y) is the left end of the letter's base line. The tilde is drawn, since fonts place it badly.
    """
    look = (f"{key(quantity)} u-name" if quantity else "u-word") + " u-maths" + (" u-slant" if slant else "")
    low = f'<tspan dy="{0.24 * size:.1f}" font-size="{0.68 * size:.1f}" class="u-slant">{escape(index)}</tspan>' if index else ""
    text = f'<text class="{look}" x="{x:g}" y="{y:g}" font-size="{size:g}">{escape(letter)}{low}</text>'
    if tilde:
        a, top = x + 0.12 * size, y - 0.8 * size
        text += (f'<path class="{key(quantity)} u-line" d="M{a:.1f} {top:.1f}q{0.13 * size:.1f} {-0.2 * size:.1f} {0.26 * size:.1f} {-0.05 * size:.1f}'
                 f't{0.26 * size:.1f} {-0.05 * size:.1f}" stroke-width="1.7"/>')
    return text


def valve(name: str, quantity: str, x: float, y: float, pipe: str = "across") -> str:
    """A gate on a pipe: the valve of a plumber's plan, whose crossed lines are also the sign of the product."""
    a, b = (9.5, 7.5) if pipe == "across" else (7.5, 9.5)
    bow = (f"M{x - a:g} {y - b:g}V{y + b:g}L{x + a:g} {y - b:g}V{y + b:g}Z" if pipe == "across" else
           f"M{x - a:g} {y - b:g}H{x + a:g}L{x - a:g} {y + b:g}H{x + a:g}Z")
    return (f'<g id="node-{name}" class="{key(quantity)}"><circle class="u-node" cx="{x:g}" cy="{y:g}" r="17" stroke-width="2.6"/>'
            f'<path class="u-tint" d="{bow}" stroke-width="2.2"/></g>')


def joint(name: str, quantity: str, x: float, y: float) -> str:
    """Where two values are added."""
    return (f'<g id="node-{name}" class="{key(quantity)}"><circle class="u-node" cx="{x:g}" cy="{y:g}" r="14" stroke-width="2.6"/>'
            f'<path class="u-line" d="M{x - 7:g} {y:g}H{x + 7:g}M{x:g} {y - 7:g}V{y + 7:g}" stroke-width="2.6"/></g>')


SQUASH = {"σ": "M-17 7C-5 7 -4 -9 16 -9", "tanh": "M-17 7C-2 7 2 -9 17 -9"}
AXIS = {"σ": "M-18 10H18", "tanh": "M-18 -1H18"}


def tile(name: str, quantity: str, x: float, y: float, function: str) -> str:
    """A learned layer with its curve: the sigmoid stands on its zero line, tanh runs through it."""
    return (f'<g id="node-{name}" class="{key(quantity)}">'
            f'<rect class="u-node u-tile" x="{x - 30:g}" y="{y - 29:g}" width="60" height="58" rx="9" stroke-width="2.4"/>'
            f'<path class="u-line" transform="translate({x:g} {y - 8:g})" d="{AXIS[function]}" stroke-width="1" stroke-opacity=".7"/>'
            f'<path class="u-line" transform="translate({x:g} {y - 8:g})" d="{SQUASH[function]}" stroke-width="2.4"/>'
            f'<text class="u-name" x="{x:g}" y="{y + 21:g}" font-size="15" text-anchor="middle" font-weight="600">{function}</text></g>')


def nozzle(name: str, quantity: str, x: float, y: float) -> str:
    """tanh on the memory's way out: it squeezes whatever comes into a narrow range."""
    return (f'<g id="node-{name}" class="{key(quantity)}"><path class="u-node" d="M{x - 22:g} {y:g}H{x + 22:g}L{x + 9:g} {y + 28:g}H{x - 9:g}Z" '
            f'stroke-width="2.4"/></g>')
