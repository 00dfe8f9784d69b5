"""The book's other drawings, and the one command that writes them all.

    python -m unrolled.figures.drawings          writes book/figures, the favicon and palette.css
"""
import base64
import html
import re
from math import exp, pi, sin
from pathlib import Path

from unrolled.figures.cell import STAGES, cell
from unrolled.figures.palette import css
from unrolled.figures.pen import chevrons, drawing, group, head, joint, key, symbol, valve, wire, words
from unrolled.files import write_whole


def carousel() -> str:
    """The constant error carousel of 1997 between its two valves, with no way to forget."""
    line, top, left, right, r = 186, 62, 158, 322, 36          # height of the pipe, of the loop; its ends, its bend
    loop = f"M{right} {line}V{top + r}A{r} {r} 0 0 0 {right - r} {top}H{left + r}A{r} {r} 0 0 0 {left} {top + r}V{line - 24}"
    return drawing(
        480, 270, "The constant error carousel",
        "A value c goes round a loop of weight 1. An input gate guards the pipe into it, an output gate the pipe out of it.",
        group("in", wire("new", "C_tilde", f"M4 {line}H74", 4.5), wire("written", "C", f"M74 {line}H{left}", 5),
              words(2, line - 30, "what is new", anchor="start")),
        group("out", wire("read", "C", f"M{right} {line}H406", 5), wire("shown", "H", f"M406 {line}H464", 4.5),
              head("H", 479, line, "right", 9), words(478, line - 30, "what is shown", anchor="end")),
        group("loop", wire("loop", "C", loop, 9), wire("c", "C", f"M{left} {line}H{right}", 9), head("C", left, line - 13, "down", 11),
              chevrons([(x, top) for x in (212, 240, 268)], -1), chevrons([(x, line) for x in (194, 286)]),
              joint("add", "C", left, line),
              f'<circle id="node-c" class="{key("C")} u-node" cx="240" cy="{line}" r="21" stroke-width="2.6"/>',
              symbol(235, line + 6, "c", quantity="C", size=23, slant=True),
              words(240, top - 18, "weight exactly 1", quantity="C", bold=True, size=16),
              words(240, 116, "it comes round"), words(240, 136, "unchanged")),
        group("gate-i", wire("i", "I", f"M74 {line + 38}V{line}"), valve("valve-i", "I", 74, line),
              words(74, line + 56, "input gate", quantity="I", bold=True), words(74, line + 76, "write protection")),
        group("gate-o", wire("o", "O", f"M406 {line + 38}V{line}"), valve("valve-o", "O", 406, line),
              words(406, line + 56, "output gate", quantity="O", bold=True), words(406, line + 76, "read protection")))


def unrolled() -> str:
    """A recurrent network unrolled over six steps, cut into two pieces: the state crosses, the gradient does not."""
    parts, xs, row = [], (46, 116, 186, 294, 364, 434), 146
    for name, first, last in (("one", xs[0], xs[2]), ("two", xs[3], xs[5])):
        parts.append(f'<rect id="piece-{name}" class="u-x u-wash" x="{first - 36}" y="{row - 42}" '
                     f'width="{last - first + 72}" height="84" rx="16"/>')
    for k, x in enumerate(xs, 1):
        parts.append(group(
            f"step-{k}", wire(f"x-{k}", "x", f"M{x} {row + 62}V{row + 32}", 2.4), head("x", x, row + 21, "up", 6),
            wire(f"y-{k}", "x", f"M{x} {row - 20}V{row - 58}", 2.4), head("x", x, row - 67, "up", 6),
            f'<circle id="node-h-{k}" class="{key("H")} u-node" cx="{x}" cy="{row}" r="20" stroke-width="2.6"/>',
            symbol(x - 10, row + 5, "h", str(k), quantity="H", size=18, slant=True),
            symbol(x - 8, row + 80, "x", str(k), size=18, slant=True),
            symbol(x - 8, row - 76, "\u0177", str(k), size=18, slant=True)))
    for k, (a, b) in enumerate(zip(xs, xs[1:]), 1):
        parts.append(wire(f"h-{k}", "H", f"M{a + 19} {row - 8}H{b - 27}", 2.8) + head("H", b - 19, row - 8, "right", 6))
        if k != 3:
            parts.append(wire(f"gradient-{k}", "x", f"M{b - 19} {row + 9}H{a + 27}", 2.4, "4 5") + head("x", a + 19, row + 9, "left", 6))
    cut = (xs[2] + xs[3]) / 2
    parts += [f'<path id="cut" class="u-x u-line" d="M{cut:g} 54V{row + 84}" stroke-width="2.4" stroke-dasharray=".1 6"/>',
              wire("stopped", "x", f"M{xs[3] - 19} {row + 9}H{cut + 14:g}", 2.4, "4 5"),
              f'<path class="u-x u-line" d="M{cut + 10:g} {row + 1}V{row + 17}" stroke-width="3"/>',
              words(cut, 18, "cut: the state passes,"), words(cut, 37, "the gradient does not"),
              wire("key-h", "H", "M36 262H66", 2.8), head("H", 76, 262, "right", 6), words(84, 267, "state, forward", anchor="start"),
              wire("key-gradient", "x", "M296 262H266", 2.4, "4 5"), head("x", 256, 262, "left", 6),
              words(304, 267, "gradient, backward", anchor="start")]
    return drawing(480, 278, "A recurrent network unrolled over six steps",
                   "Solid arrows carry the state from step to step. Dashed arrows carry the gradient back; none crosses the cut "
                   "after step three.", *parts)


def ribbon(amplitude: float, waves: float, phase: float, fade: float, step: int = 24) -> str:
    """A wave that springs from (60, 120), swells and dies away by the right edge: the cover's thread."""
    def y(x):
        t = (x - 60) / 600
        return amplitude * (1 - exp(-6 * t)) * exp(-fade * t) * sin(2 * pi * waves * t + phase)

    path, here = "M60 120", 0.0
    for x in range(60 + step, 732 + step, step):
        slope = (y(x + 0.1) - y(x - 0.1)) / 0.2 * step / 3
        there = round(y(x), 1)
        path += f"s{2 * step / 3:g} {there - slope - here:.1f} {step} {there - here:.1f}"
        here = there
    return path


def cover() -> str:
    """One line of memory, kept straight through ribbons of passing values that swell and die away."""
    storm = []
    for quantity, amplitude, waves, phase, fade in (("x", 215, 1.15, 0.5, 2.0), ("F", 235, 1.6, 2.7, 2.2), ("I", 225, 2.15, 4.3, 2.4),
                                                    ("O", 225, 1.9, 5.5, 2.3), ("C_tilde", 250, 2.6, 1.2, 2.7)):
        lines = [ribbon(amplitude * (1 - 0.075 * k), waves + 0.04 * k, phase + 0.06 * k, fade + 0.1 * k) for k in range(8)]
        storm.append(f'<path class="{key(quantity)} u-line" d="{"".join(lines)}" stroke-width="1.3" stroke-opacity=".65"/>')
    beads = "".join(f'<circle class="u-node" cx="{x}" cy="120" r="8" stroke-width="3"/>' for x in range(135, 660, 75))
    ends = "".join(f'<circle class="u-node" cx="{x}" cy="120" r="14" stroke-width="4"/><circle class="u-fill" cx="{x}" cy="120" r="6.5"/>'
                   for x in (60, 660))
    return drawing(720, 240, "One line of memory through passing values",
                   "A bold straight line with beads runs through coloured waves that swell and die away; its first and its last "
                   "bead are filled alike.", *storm,
                   group("memory", wire("c", "C", "M0 120H720", 9), beads, ends, quantity="C"))


def favicon() -> str:
    """The valve on the memory line."""
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-linejoin="round">'
            '<rect width="32" height="32" rx="7" fill="#0d3b72"/><path d="M0 16H32" stroke="#f7cb54" stroke-width="5"/>'
            '<circle cx="16" cy="16" r="10" fill="#0d3b72" stroke="#fff" stroke-width="2.4"/>'
            '<path d="M10.5 11.5V20.5L21.5 11.5V20.5Z" fill="#f7cb54" stroke="#fff" stroke-width="1.8"/></svg>\n')


def files() -> dict[str, str]:
    """Path in the repository -> content, of everything made here."""
    return ({f"book/figures/cell-{stage}.svg": cell(stage) for stage in STAGES}
            | {"book/figures/carousel.svg": carousel(), "book/figures/unrolled.svg": unrolled(),
               "book/figures/cover.svg": cover(), "book/_static/favicon.svg": favicon(),
               "book/_static/css/palette.css": css()})


class Drawing:
    """A drawing of the book in a notebook: Drawing("cell-gates").

    Raises:
        ValueError: there is no drawing of this name; the sentence lists those there are.
    """

    def __init__(self, name: str):
        there = {Path(path).stem: svg for path, svg in files().items() if path.startswith("book/figures/")}
        if name not in there:
            raise ValueError(f"there is no drawing {name!r}; there are {', '.join(there)}")
        self.name, self.svg = name, there[name]

    def __repr__(self) -> str:
        return f"Drawing({self.name!r})"

    @property
    def alt(self) -> str:
        """Its title and description, for those who do not see it."""
        return ". ".join(html.unescape(re.search(rf"<{part} [^>]*>(.*?)</{part}>", self.svg)[1]) for part in ("title", "desc"))

    def _repr_html_(self) -> str:
        """As an image: so it is shown by a notebook that is not trusted, and by a preview that strips styles."""
        width = re.search(r'viewBox="0 0 (\d+)', self.svg)[1]
        paper = self.svg.replace("<svg ", '<svg style="background:var(--u-paper)" ', 1).encode()        # its own, light or dark
        return (f'<img alt="{html.escape(self.alt)}" width="{width}" style="max-width:100%;height:auto" '
                f'src="data:image/svg+xml;base64,{base64.b64encode(paper).decode()}">')


def write(root: Path) -> None:
    """Write every file under ``root``, each whole or not at all."""
    for name, text in files().items():
        write_whole(root / name, lambda partial: partial.write_bytes(text.encode()))


if __name__ == "__main__":
    write(Path.cwd())
    print("\n".join(files()))
