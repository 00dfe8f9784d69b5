"""The one palette: a colour for each quantity of the cell, the same in plots, drawings, equations and CSS.

Every colour has a shade for light pages and one for dark pages, each at least 4.5 : 1 against its
background. Any two of the six stay apart for readers with protanopia, deuteranopia or tritanopia, and
no colour is ever the only cue: lines differ in their strokes, and everything has its name beside it.
"""
# name -> (CSS variable, shade on light, shade on dark)
PALETTE = {
    "I": ("--lstm-i", "#146bcd", "#20a0fa"),
    "F": ("--lstm-f", "#8b2d04", "#f37c3a"),
    "O": ("--lstm-o", "#05785a", "#1dd5a5"),
    "C_tilde": ("--lstm-c-tilde", "#a43580", "#df8fbe"),
    "C": ("--lstm-c", "#8f6703", "#f7cb54"),
    "H": ("--lstm-h", "#333c4a", "#d7dbe3"),
    "x": ("--lstm-x", "#62686f", "#a7adb5"),
}
LIGHT_BACKGROUND, DARK_BACKGROUND = "#ffffff", "#121212"

COLORS = {name: light for name, (_, light, _) in PALETTE.items()}
# The kinds of layer borrow from what marks them: the plain RNN has only a hidden state, the LSTM a memory.
COLORS |= {"rnn": COLORS["H"], "gru": COLORS["x"], "lstm": COLORS["C"]}
COLORS |= {"train": COLORS["x"], "validation": COLORS["H"]}
# The GRU's gates and candidate stand where the LSTM's forget gate, input gate and input node stand.
COLORS |= {"R": COLORS["F"], "Z": COLORS["I"], "H_tilde": COLORS["C_tilde"]}

# How a page says that it is dark: this book, JupyterLab, Colab, VS Code.
DARK_PAGES = ("html[data-theme=dark]", "body[data-jp-theme-light=false]", "html[theme=dark]", "body.vscode-dark")


def variables(theme: str) -> str:
    """The CSS variables of one theme, "light" or "dark", as declarations."""
    shade = {"light": 1, "dark": 2}[theme]
    return "".join(f"{entry[0]}:{entry[shade]};" for entry in PALETTE.values())


def scoped_css(scope: str) -> str:
    """Rules that give ``scope`` (a class, say) its colours where no style sheet of ours is at hand."""
    dark = ",".join(f"{page} {scope}" for page in DARK_PAGES)
    return f"{scope}{{{variables('light')}}}{dark}{{{variables('dark')}}}"


def css() -> str:
    """The style sheet book/_static/css/palette.css: variables for both themes, classes for equations."""
    classes = "\n".join(f".{name[2:]} {{ color: var({name}); }}" for name, _, _ in PALETTE.values())
    return ("/* Made from unrolled.figures.palette by `python -m unrolled.figures.drawings`; a test holds the two "
            "together. */\n"
            f":root, html[data-theme=light] {{ {variables('light')} }}\n"
            f"html[data-theme=dark] {{ {variables('dark')} }}\n"
            f"@media print {{ html[data-theme] {{ {variables('light')} }} }}\n{classes}\n")
