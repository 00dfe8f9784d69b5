"""The colours can be read on both themes and told apart by everybody."""
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from unrolled.figures.palette import COLORS, DARK_BACKGROUND, DARK_PAGES, LIGHT_BACKGROUND, PALETTE, css, scoped_css, variables

ROOT = Path(__file__).parents[2]
CELL = ("I", "F", "O", "C_tilde", "C", "H")
THEMES = {"light": (1, LIGHT_BACKGROUND), "dark": (2, DARK_BACKGROUND)}
# Machado, Oliveira & Fernandes 2009, severity 1.0, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def linear(color: str) -> np.ndarray:
    """A colour such as "#146bcd" as linear RGB, each 0 to 1."""
    rgb = np.array([int(color[k:k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """The contrast of two colours as WCAG defines it, 1 to 21."""
    dark, light = sorted(TO_XYZ[1] @ linear(color) for color in (a, b))
    return (light + 0.05) / (dark + 0.05)


def lab(color: str, vision: str) -> np.ndarray:
    """CIELAB (D65) of a colour as someone sees it."""
    seen = np.clip(np.asarray(VISION[vision]) @ linear(color), 0, 1)
    xyz = TO_XYZ @ seen / TO_XYZ.sum(1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_measures_are_the_known_ones():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert lab("#ff0000", "normal") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    red, olive = lab("#c00000", "deuteranopia"), lab("#707000", "deuteranopia")
    assert np.linalg.norm(red - olive) < np.linalg.norm(lab("#c00000", "normal") - lab("#707000", "normal")) / 3
    assert all(np.sum(matrix, axis=1) == pytest.approx(1, abs=1e-5) for matrix in VISION.values())     # grey stays grey


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_stands_out_from_its_background(theme):
    shade, background = THEMES[theme]
    assert {name: c for name, entry in PALETTE.items() if (c := contrast(entry[shade], background)) < 4.5} == {}


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES)
def test_any_two_of_the_six_quantities_stay_apart(theme, vision):
    shade, _ = THEMES[theme]
    distances = {(a, b): np.linalg.norm(lab(PALETTE[a][shade], vision) - lab(PALETTE[b][shade], vision))
                 for a, b in combinations(CELL, 2)}
    assert len(distances) == 15 and {pair: d for pair, d in distances.items() if d < 10} == {}


def test_what_shares_a_plot_has_colours_of_its_own():
    for together in (CELL, ("rnn", "gru", "lstm"), ("train", "validation"), ("R", "Z", "H_tilde", "H")):
        assert len({COLORS[name] for name in together}) == len(together)
    assert set(COLORS.values()) == {light for _, light, _ in PALETTE.values()}


def declarations(block: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+):(#\w{6});", block))


def test_the_style_sheet_declares_each_theme_and_prints_light():
    sheet = css()
    light, dark = ({entry[0]: entry[shade] for entry in PALETTE.values()} for shade in (1, 2))
    (printed,) = re.findall(r"@media print \{ html\[data-theme\] \{ (.*?) \} \}", sheet)
    (by_day,) = re.findall(r":root, html\[data-theme=light\] \{ (.*?) \}", sheet)
    (by_night,) = re.findall(r"^html\[data-theme=dark\] \{ (.*?) \}", sheet, re.M)
    assert declarations(printed) == declarations(by_day) == light and declarations(by_night) == dark
    assert dict(re.findall(r"^\.([\w-]+) \{ color: var\((.*?)\); \}$", sheet, re.M)) == {name[2:]: name for name in light}
    with pytest.raises(KeyError):
        variables("sepia")


def test_scoped_rules_speak_to_their_scope_alone():
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", scoped_css(".plot"))
    (day, light), (night, dark) = rules
    assert day == ".plot" and declarations(light) == declarations(variables("light"))
    assert night.split(",") == [f"{page} .plot" for page in DARK_PAGES] and declarations(dark) == declarations(variables("dark"))


def test_equations_use_classes_that_the_style_sheet_defines():
    used = set(re.findall(r"\\class\{([^}]*)\}", (ROOT / "_config.yml").read_text(encoding="utf-8")))
    sheet = (ROOT / "book/_static/css/palette.css").read_text(encoding="utf-8")
    assert used == {PALETTE[name][0][2:] for name in CELL} and used <= set(re.findall(r"^\.([\w-]+) ", sheet, re.M))


def test_a_colour_named_elsewhere_is_the_palettes():
    """A fallback beside a variable is one of its shades; no file asks for a variable that there is not."""
    shades = {variable: ("", light, dark) for variable, light, dark in PALETTE.values()}
    found = set()
    for pattern in ("src/unrolled/**/*.mjs", "src/unrolled/**/*.css", "book/_static/css/*.css", "book/figures/*.svg"):
        for path in ROOT.glob(pattern):
            for variable, fallback in re.findall(r"var\((--lstm-[\w-]+)(?:,\s*(#\w+))?\)", path.read_text(encoding="utf-8")):
                assert fallback in shades[variable], f"{path.name}: {variable} falls back to {fallback}"
                found.add(path.parent.name)
    assert found == {"widgets", "css", "figures"}
