"""A picture takes its page's colours and font, shares the page in peace, and is never without words."""
import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from IPython.utils.capture import capture_output
from matplotlib import pyplot as plt

from unrolled.figures import Picture, show, use_style
from unrolled.figures.palette import COLORS, PALETTE
from unrolled.figures.style import STYLE, own_font, power_of_ten, to_svg

SVG = "{http://www.w3.org/2000/svg}"


def a_figure(last: float = 3.0, label: str = "a label"):
    """All that Matplotlib gives an id: clipped lines, markers, ticks, a filled range, text."""
    fig, ax = plt.subplots()
    ax.plot([1, 2, last], color=COLORS["F"], marker="o", label=label)
    ax.fill_between([0, 1, 2], [1, 1, 1], [2, 2, 2], color=COLORS["I"], alpha=0.15)
    ax.axhline(1.5, color="black")
    ax.set(xlabel=label, title="two words")
    ax.legend()
    return fig


def ids_of(svg: str) -> list[str]:
    return [node.get("id") for node in ET.fromstring(svg).iter() if node.get("id")]


def test_two_pictures_share_no_id():
    one, other = to_svg(a_figure(), "one"), to_svg(a_figure(4.0), "one")
    for svg in (one, other):
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
        assert used and used == set(ids_of(svg)) and len(ids_of(svg)) == len(used)       # whole, and no more than needed
    assert not set(ids_of(one)) & set(ids_of(other))
    assert not set(ids_of(one)) & set(ids_of(to_svg(a_figure(), "other words")))


def test_the_same_figure_gives_the_same_picture():
    one, other = Picture(a_figure(), "words"), Picture(a_figure(), "words")
    assert one.svg == other.svg and one.png == other.png
    fig = a_figure()
    assert to_svg(fig, "words") == to_svg(fig, "words") == one.svg


def test_colours_are_the_pages():
    svg = to_svg(a_figure(), "words")
    for name in ("F", "I"):
        variable, light, _ = PALETTE[name]
        assert f"var({variable}, {light})" in svg and svg.count(light) == svg.count(f"var({variable}, {light})")
    left = set(re.findall(r"#[0-9a-f]{6}\b", svg, re.I)) - {light for _, light, _ in PALETTE.values()}
    assert left == set() and svg.count("currentColor") > 3
    assert "<style" not in svg and "<metadata" not in svg and "<!--" not in svg


def test_text_stays_text_in_the_pages_font():
    svg = to_svg(a_figure(label="x < y"), "words")
    texts = {"".join(node.itertext()): node.get("style") for node in ET.fromstring(svg).iter(SVG + "text")}
    assert {"x < y", "two words"} <= set(texts)
    assert all("font-family: inherit" in style and "DejaVu" not in style for style in texts.values())
    assert "font-size: 12px" in texts["two words"]
    assert own_font('style="font: 700 9.5px \'A B\', sans; fill: red"') == 'style="font-size: 9.5px; font-family: inherit; fill: red"'
    assert own_font('style="font-size: 9px; font-family: A"') == 'style="font-size: 9px; font-family: inherit"'


def test_the_picture_is_as_wide_as_its_page_allows():
    svg = to_svg(a_figure(), "words")
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert (width / 72, height / 72) == pytest.approx(STYLE["figure.figsize"])
    assert root.get("width") is None and root.get("height") is None
    assert f"max-width:{width / 72 * 96:.0f}px" in root.get("style") and "width:100%" in root.get("style")
    assert "\n" not in svg and svg.startswith("<svg ") and svg.endswith("</svg>")


def test_alt_text_is_escaped():
    words = """a "quote", it's <b> & more"""
    picture = Picture(a_figure(), words)
    root = ET.fromstring(picture.svg)
    assert root.get("aria-label") == words and root.get("role") == "img" and repr(picture) == words
    assert '"quote"' not in picture.svg and "<b>" not in picture.svg


@pytest.mark.parametrize("alt", ["", " \n", None, 3])
def test_no_picture_is_without_words(alt):
    with pytest.raises(ValueError, match=f"a figure needs alt text, .*; got {re.escape(repr(alt))}"):
        Picture(a_figure(), alt)


def test_a_notebook_gets_html_png_and_words():
    picture = Picture(a_figure(), "words")
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"} and bundle["text/plain"] == "words"
    assert bundle["image/png"].startswith(b"\x89PNG\r\n\x1a\n")
    div = ET.fromstring(bundle["text/html"])
    style, svg = div
    assert div.get("class") == "plot" and svg.tag == SVG + "svg" and picture.svg in bundle["text/html"]
    for variable, light, dark in PALETTE.values():
        assert f"{variable}:{light};" in style.text and f"{variable}:{dark};" in style.text


def test_the_png_is_on_white_whatever_the_page():
    png = Picture(a_figure(), "words").png
    pixels = mpl.image.imread(io.BytesIO(png))
    assert pixels[0, 0].tolist() == [1, 1, 1, 1]


def test_show_closes_the_figure():
    fig = a_figure()
    with capture_output() as said:
        show(fig, "what it shows")
    assert said.stdout.strip() == "what it shows"                  # outside a notebook, its words
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match="needs alt text"):
        show(a_figure(), "")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("value, words", [
    (1, "1"), (10, "10"), (100, "100"), (0.1, "0.1"), (0.01, "10⁻²"), (1000, "10³"), (1e-5, "10⁻⁵"), (1e10, "10¹⁰"),
    (1e-300, "10⁻³⁰⁰"), (2, ""), (0.3, ""), (0, ""), (-10, ""),
])
def test_powers_of_ten(value, words):
    assert power_of_ten(value) == power_of_ten(value, 3) == words


def test_log_axes_have_plain_ticks_and_others_their_own():
    fig, (log, linear) = plt.subplots(1, 2)
    log.plot([1e-6, 1e4])
    log.set_yscale("log")
    linear.plot([2, 4])
    before = linear.yaxis.get_major_formatter()
    svg = Picture(fig, "words").svg
    ticks = [power_of_ten(tick) for tick in log.get_yticks() if 1e-6 <= tick <= 1e4]
    assert len(ticks) > 1 and "10⁻⁶" in ticks and all(f">{tick}<" in svg for tick in ticks) and "$" not in svg
    assert linear.yaxis.get_major_formatter() is before


def test_the_style_is_set_and_figures_wait_to_be_shown():
    mpl.rcdefaults()
    plt.ion()
    use_style()
    assert not plt.isinteractive() and {name: mpl.rcParams[name] for name in STYLE} == {
        **STYLE, "figure.figsize": list(STYLE["figure.figsize"])}
