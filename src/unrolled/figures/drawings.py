"""The book's drawings, written as SVG by a few strokes: wires, boxes, valves, words.

    python -m unrolled.figures.drawings          writes them to book/figures and book/_static

The cell is one drawing that grows over four figures. Every wire and node has an id (``wire-f``,
``node-f``), so that a widget can drive the same drawing.
"""
from math import pi, sin
from pathlib import Path

from unrolled.figures.palette import svg_style

FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif"
MATHS = "font-family:'Latin Modern Math','STIX Two Math',Cambria,Georgia,serif;font-style:italic"


def drawing(width: int, height: int, title: str, *parts: str) -> str:
    """A whole SVG file: it follows the page's colours when inlined, the reader's theme when alone."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'style="{FONT};color:inherit" fill="none" stroke-linecap="round" stroke-linejoin="round">'
            f"<title>{title}</title><style>{svg_style()}"
            ".ink{stroke:currentColor}.word{fill:currentColor;stroke:none}"
            f".m{{{MATHS}}}</style>\n" + "\n".join(parts) + "\n</svg>\n")


def group(name: str, *parts: str, quiet: bool = False) -> str:
    """Parts under one id; quiet ones step back."""
    return f'<g id="{name}"' + (' opacity="0.55"' if quiet else "") + ">" + "".join(parts) + "</g>"


def wire(name: str, color: str, path: str, width: float = 2.2, arrow: tuple | None = None, dash: str = "") -> str:
    """A line in a quantity's colour, with an arrow head at ``(x, y, direction)``."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    line = f'<path id="wire-{name}" class="s-{color}" d="{path}" stroke-width="{width}"{dashed}/>'
    if arrow:
        x, y, way = arrow
        dx, dy = {"up": (0, 1), "down": (0, -1), "right": (-1, 0), "left": (1, 0)}[way]
        s = 3.2 + width
        line += (f'<path class="t-{color}" stroke="none" d="M{x} {y}'
                 f'L{x + dx * 1.7 * s - dy * s:.1f} {y + dy * 1.7 * s - dx * s:.1f}'
                 f'L{x + dx * 1.7 * s + dy * s:.1f} {y + dy * 1.7 * s + dx * s:.1f}Z"/>')
    return line


def word(x: float, y: float, text: str, *, color: str | None = None, size: float = 15, anchor: str = "middle",
         maths: bool = False, bold: bool = False) -> str:
    look = f't-{color}' if color else "word"
    return (f'<text x="{x}" y="{y}" class="{look}{" m" if maths else ""}" font-size="{size}" text-anchor="{anchor}"'
            f'{" font-weight=" + chr(34) + "600" + chr(34) if bold else ""}>{text}</text>')


def sub(letter: str, index: str) -> str:
    """A letter with an index, in maths."""
    return f'{letter}<tspan dy="4" font-size="70%">{index}</tspan>'


def box(name: str, color: str, x: float, y: float, text: str) -> str:
    """A layer with its activation: sigma for a gate, tanh for the node."""
    return (f'<rect id="node-{name}" class="s-{color}" x="{x - 24}" y="{y - 15}" width="48" height="30" rx="7" '
            f'stroke-width="2.2"/>' + word(x, y + 5, text, color=color, bold=True))


def valve(name: str, color: str, x: float, y: float, sign: str) -> str:
    """A round node on a line where two values meet: times or plus."""
    d = 5.5
    strokes = (f"M{x - d} {y - d}L{x + d} {y + d}M{x - d} {y + d}L{x + d} {y - d}" if sign == "times" else
               f"M{x - d - 1} {y}H{x + d + 1}M{x} {y - d - 1}V{y + d + 1}")
    return (f'<circle id="node-{name}" class="s-{color}" cx="{x}" cy="{y}" r="13" stroke-width="2.2" '
            f'style="fill:var(--pst-color-background,Canvas)"/><path class="s-{color}" d="{strokes}" stroke-width="2.4"/>')


STAGES = ("gates", "node", "state", "hidden")


def cell(stage: str) -> str:
    """The memory cell up to a stage: the three gates, the input node, the internal state, the hidden state."""
    now = STAGES.index(stage)
    line, bus, row = 62, 262, 205                   # heights of the memory, of the inputs, of the boxes
    xf, xi, xn, xo = 105, 185, 265, 345             # the four boxes
    parts = []

    def add(since: int, name: str, *strokes: str):
        if now >= since:
            parts.append(group(name, *strokes, quiet=now > since and now < 3))

    inputs = (wire("inputs", "lstm-x", f"M70 300V{bus}M14 {bus}H{xo}", 2),
              wire("x", "lstm-x", f"M70 306V{bus}", 2),
              word(70, 324, sub("x", "t"), maths=True, size=18),
              word(14, bus - 9, sub("h", "t−1"), color="lstm-h", maths=True, size=18, anchor="start"))
    parts.append(group("inputs", *inputs))
    if now < 2:
        parts.append(group("memory-to-come", wire("c-to-come", "lstm-x", f"M14 {line}H466", 2, dash="1 7"),
                           word(240, line - 14, "the memory will run here", size=14), quiet=True))
    if now >= 2:
        parts.append(group(
            "memory",
            wire("c", "lstm-c", f"M14 {line}H466", 5, arrow=(472, line, "right")),
            word(16, line - 15, sub("c", "t−1"), color="lstm-c", maths=True, size=18, anchor="start"),
            word(464, line - 15, sub("c", "t"), color="lstm-c", maths=True, size=18, anchor="end")))

    def gate(since, name, color, x, text, label, up_to):
        end = up_to if now >= 2 else row - 40
        add(since, name, wire(f"{name}-in", "lstm-x", f"M{x} {bus}V{row + 17}", 2, arrow=(x, row + 16, "up")),
            wire(name, color, f"M{x} {row - 15}V{end}", 2.4, arrow=(x, end, "up") if now < 2 or name == "f" else None),
            box(name, color, x, row, text))
        if now >= since:
            parts.append(group(f"{name}-label", word(x + 9, row - 26, label, color=color, maths=True, size=17, anchor="start"),
                               quiet=now > since and now < 3))

    gate(0, "f", "lstm-f", xf, "σ", "f", line + 14)
    gate(0, "i", "lstm-i", xi, "σ", "i", 132)
    gate(1, "n", "lstm-c-tilde", xn, "tanh", "c̃", 132)
    if now < 3:
        add(0, "o", wire("o-in", "lstm-x", f"M{xo} {bus}V{row + 17}", 2, arrow=(xo, row + 16, "up")),
            wire("o", "lstm-o", f"M{xo} {row - 15}V{row - 40}", 2.4, arrow=(xo, row - 40, "up")),
            box("o", "lstm-o", xo, row, "σ"), word(xo + 9, row - 26, "o", color="lstm-o", maths=True, size=17, anchor="start"))
    if now >= 2:
        xm = (xi + xn) / 2
        add(2, "write",
            wire("i-join", "lstm-i", f"M{xi} 132H{xm - 13}", 2.4, arrow=(xm - 14, 132, "right")),
            wire("n-join", "lstm-c-tilde", f"M{xn} 132H{xm + 13}", 2.4, arrow=(xm + 14, 132, "left")),
            wire("write", "lstm-c", f"M{xm} 119V{line + 14}", 3, arrow=(xm, line + 14, "up")),
            valve("write", "lstm-i", xm, 132, "times"), valve("add", "lstm-c", xm, line, "plus"),
            valve("keep", "lstm-f", xf, line, "times"),
            word(xf + 20, line - 20, "keep", size=14, color="lstm-f"), word(xm + 20, 110, "write", size=14, color="lstm-i", anchor="start"))
    if now >= 3:
        xh = 405
        add(3, "read",
            wire("c-branch", "lstm-c", f"M{xh} {line}V92", 3, arrow=(xh, 94, "down")),
            box("tanh", "lstm-c", xh, 109, "tanh"),
            wire("tanh", "lstm-c", f"M{xh} 124V151", 2.4, arrow=(xh, 152, "down")),
            wire("o-in", "lstm-x", f"M{xo} {bus}V{row + 17}", 2, arrow=(xo, row + 16, "up")),
            box("o", "lstm-o", xo, row, "σ"),
            word(xo - 9, row - 26, "o", color="lstm-o", maths=True, size=17, anchor="end"),
            wire("o", "lstm-o", f"M{xo} {row - 15}V166H{xh - 13}", 2.4, arrow=(xh - 14, 166, "right")),
            wire("h", "lstm-h", f"M{xh} 179V236H466", 3.4, arrow=(472, 236, "right")),
            wire("h-out", "lstm-h", f"M{xh} 236V296", 3.4, arrow=(xh, 303, "down")),
            valve("read", "lstm-o", xh, 166, "times"),
            word(xh + 20, 171, "show", size=14, color="lstm-o", anchor="start"),
            word(466, 222, sub("h", "t"), color="lstm-h", maths=True, size=18, anchor="end"),
            word(474, 324, "to the output layer", size=14, anchor="end"))
    return drawing(480, 332, f"The memory cell: {stage}", *parts)


def carousel() -> str:
    """The constant error carousel of 1997, with write and read protection and no way to forget."""
    cx, cy, r = 240, 112, 56
    return drawing(
        480, 224, "The constant error carousel",
        group("loop", f'<path id="wire-loop" class="s-lstm-c" d="M{cx - 20} {cy + 52}A{r} {r} 0 1 1 {cx + 20} {cy + 52}" stroke-width="5"/>',
              f'<path class="t-lstm-c" stroke="none" d="M{cx + 12} {cy + 59}L{cx + 32} {cy + 56}L{cx + 24} {cy + 39}Z"/>',
              f'<circle id="node-c" class="s-lstm-c" cx="{cx}" cy="{cy + 58}" r="21" stroke-width="3"/>',
              word(cx, cy + 64, "c", color="lstm-c", maths=True, size=19),
              word(cx, cy - 66, "weight exactly 1", color="lstm-c"), word(cx, cy + 8, "kept", size=14), word(cx, cy + 24, "for ever", size=14)),
        group("write", wire("node", "lstm-c-tilde", f"M14 {cy + 58}H98", 2.4),
              wire("written", "lstm-c", f"M124 {cy + 58}H212", 3, arrow=(217, cy + 58, "right")),
              wire("i", "lstm-i", f"M111 {cy + 4}V{cy + 43}", 2.4, arrow=(111, cy + 44, "down")),
              valve("write", "lstm-i", 111, cy + 58, "times"),
              word(111, cy - 6, "input gate", color="lstm-i"), word(60, cy + 82, "what is new", size=14),
              word(111, cy + 100, "write protection", size=14, color="lstm-i")),
        group("read", wire("read", "lstm-c", f"M263 {cy + 58}H354", 3, arrow=(356, cy + 58, "right")),
              wire("o", "lstm-o", f"M369 {cy + 4}V{cy + 43}", 2.4, arrow=(369, cy + 44, "down")),
              wire("h", "lstm-h", f"M382 {cy + 58}H464", 3, arrow=(471, cy + 58, "right")),
              valve("read", "lstm-o", 369, cy + 58, "times"),
              word(369, cy - 6, "output gate", color="lstm-o"), word(424, cy + 82, "what is shown", size=14),
              word(369, cy + 100, "read protection", size=14, color="lstm-o")))


def unrolled() -> str:
    """A recurrent network unrolled over six steps: the states forward, the gradient back, the cut between."""
    parts, xs = [], [50, 120, 190, 290, 360, 430]
    for k, x in enumerate(xs):
        parts += [f'<circle class="s-lstm-h" cx="{x}" cy="105" r="18" stroke-width="2.4"/>',
                  word(x, 110, sub("h", str(k + 1)), color="lstm-h", maths=True),
                  wire(f"x{k}", "lstm-x", f"M{x} 160V125", 2, arrow=(x, 124, "up")), word(x, 178, sub("x", str(k + 1)), maths=True),
                  wire(f"y{k}", "lstm-x", f"M{x} 86V60", 2, arrow=(x, 57, "up")), word(x, 47, sub("ŷ", str(k + 1)), maths=True)]
    for k, (a, b) in enumerate(zip(xs, xs[1:])):
        parts.append(wire(f"h{k}", "lstm-h", f"M{a + 19} 98H{b - 20}", 2.4, arrow=(b - 19, 98, "right")))
        if k != 2:
            parts.append(wire(f"g{k}", "lstm-f", f"M{b - 20} 113H{a + 20}", 2.2, arrow=(a + 19, 113, "left"), dash="4 4"))
    parts += [f'<path class="s-lstm-f" d="M240 30V190" stroke-width="2" stroke-dasharray="2 6"/>',
              word(240, 20, "cut: the state passes, the gradient does not", size=14),
              wire("key-h", "lstm-h", "M60 214H94", 2.4, arrow=(98, 214, "right")), word(106, 219, "state, forward", size=14, anchor="start"),
              wire("key-g", "lstm-f", "M298 214H264", 2.2, arrow=(260, 214, "left"), dash="4 4"),
              word(306, 219, "gradient, backward", size=14, anchor="start")]
    return drawing(480, 230, "A recurrent network unrolled over six steps", *parts)


def cover() -> str:
    """The cover: one line of memory kept straight through a storm of passing values, and what it shows at the end."""
    def curve(y, size, waves, shift, fade=0.0):
        points = [(x, y + size * (1 - fade * x / 720) * sin(2 * pi * waves * x / 720 + shift)) for x in range(0, 721, 6)]
        return "M" + "L".join(f"{x} {v:.1f}" for x, v in points)

    storm = [f'<path class="s-{color}" d="{curve(130, size, waves, shift, fade)}" stroke-width="1.5" opacity="{opacity}"/>'
             for color, size, waves, shift, fade, opacity in (
                 ("lstm-x", 96, 1.3, 0.4, 0.55, 0.45), ("lstm-x", 74, 2.1, 2.0, 0.65, 0.4), ("lstm-i", 84, 1.7, 3.6, 0.6, 0.7),
                 ("lstm-c-tilde", 64, 2.9, 1.1, 0.7, 0.7), ("lstm-o", 50, 2.3, 5.0, 0.6, 0.7), ("lstm-f", 104, 0.9, 5.4, 0.5, 0.7))]
    beads = []
    for k in range(9):
        x = 60 + 75 * k
        beads.append(f'<circle class="s-lstm-c" cx="{x}" cy="130" r="{7 if k else 11}" stroke-width="2.5" '
                     'style="fill:var(--pst-color-background,Canvas)"/>')
    return drawing(720, 260, "Unrolled: one line of memory through a storm of passing values", *storm,
                   '<path id="wire-c" class="s-lstm-c" d="M0 130H720" stroke-width="6"/>', *beads,
                   '<circle class="t-lstm-c" cx="60" cy="130" r="5"/><circle class="t-lstm-c" cx="660" cy="130" r="5"/>')


def favicon() -> str:
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none">'
            '<rect width="32" height="32" rx="7" fill="#0064a8"/>'
            '<path d="M3 16H29" stroke="#f0c24b" stroke-width="4"/>'
            '<circle cx="16" cy="16" r="6.5" fill="#0064a8" stroke="#fff" stroke-width="2.5"/>'
            '<path d="M13.2 13.2L18.8 18.8M13.2 18.8L18.8 13.2" stroke="#fff" stroke-width="2.2"/></svg>\n')


def files() -> dict[str, str]:
    """Path in the repository -> content, for every drawing of the book."""
    return ({f"book/figures/cell-{stage}.svg": cell(stage) for stage in STAGES}
            | {"book/figures/carousel.svg": carousel(), "book/figures/unrolled.svg": unrolled(),
               "book/figures/cover.svg": cover(), "book/_static/favicon.svg": favicon()})


if __name__ == "__main__":
    for path, text in files().items():
        Path(path).write_text(text, encoding="utf-8")
        print(path)
