"""The one palette: a colour for each quantity of the cell, the same in plots, drawings, equations and CSS.

Every colour has a shade for light pages and one for dark pages, each at least 4.5 : 1 against its
background. No colour is ever the only cue.
"""
# name -> (CSS variable, shade on light, shade on dark)
PALETTE = {
    "I": ("--lstm-i", "#0064a8", "#56b4e9"),
    "F": ("--lstm-f", "#b8430a", "#ff8a4c"),
    "O": ("--lstm-o", "#00785a", "#2bc79a"),
    "C_tilde": ("--lstm-c-tilde", "#a3357f", "#e58ac4"),
    "C": ("--lstm-c", "#7a5b00", "#f0c24b"),
    "H": ("--lstm-h", "#333c4a", "#d5dae3"),
    "x": ("--lstm-x", "#62686f", "#a7adb5"),
}
LIGHT_BACKGROUND, DARK_BACKGROUND = "#ffffff", "#121212"
COLORS = {name: light for name, (_, light, _) in PALETTE.items()}
# Kinds of layer and parts of the data borrow from the same seven.
COLORS |= {"lstm": COLORS["I"], "gru": COLORS["O"], "rnn": COLORS["F"],
           "train": COLORS["x"], "validation": COLORS["I"], "R": COLORS["F"], "Z": COLORS["I"],
           "H_tilde": COLORS["C_tilde"]}


def css() -> str:
    """The style sheet book/_static/css/palette.css: variables for both themes, classes for equations."""
    light = "\n".join(f"  {variable}: {shade};" for variable, shade, _ in PALETTE.values())
    dark = "\n".join(f"  {variable}: {shade};" for variable, _, shade in PALETTE.values())
    classes = "\n".join(f".{variable[2:]} {{ color: var({variable}); }}" for variable, _, _ in PALETTE.values())
    return ("/* Made from unrolled.figures.palette by `python -m unrolled.figures.palette`; a test holds the two together. */\n"
            f":root, html[data-theme=\"light\"] {{\n{light}\n}}\nhtml[data-theme=\"dark\"] {{\n{dark}\n}}\n{classes}\n")


def svg_style() -> str:
    """The <style> of a drawing: its own fallbacks, so that it also stands alone in either theme."""
    names = {variable: f"{variable[2:]}" for variable, _, _ in PALETTE.values()}
    rules = "".join(f".s-{name}{{stroke:var({v},{light})}}.t-{name}{{fill:var({v},{light})}}"
                    for (v, light, _), name in zip(PALETTE.values(), names.values()))
    dark = "".join(f".s-{name}{{stroke:var({v},{shade})}}.t-{name}{{fill:var({v},{shade})}}"
                   for (v, _, shade), name in zip(PALETTE.values(), names.values()))
    return f"{rules}@media (prefers-color-scheme:dark){{svg:root{{color:#e6e6e6}}{dark}}}"


if __name__ == "__main__":
    from pathlib import Path
    Path("book/_static/css/palette.css").write_text(css(), encoding="utf-8")
