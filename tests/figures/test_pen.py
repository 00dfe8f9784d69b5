"""The strokes: words are escaped, arrow heads point where they say, what is optional can be left out."""
import re
import xml.etree.ElementTree as ET

import pytest

from unrolled.figures import pen

SVG = "{http://www.w3.org/2000/svg}"


def parsed(*parts: str):
    """The parts of a drawing, past its title, description and style."""
    return list(ET.fromstring(pen.drawing(100, 50, "a title", "words", *parts)))[3:]


def test_words_are_escaped():
    root = ET.fromstring(pen.drawing(100, 50, "a < b & \"c\"", "it's <b>", pen.words(1, 2, "x < y & z"),
                                     pen.symbol(1, 2, "<", "&")))
    title, description, _, words, symbol = root
    assert title.text == "a < b & \"c\"" and description.text == "it's <b>" and words.text == "x < y & z"
    assert "".join(symbol.itertext()) == "<&"


@pytest.mark.parametrize("way, back", [("up", (0, 1)), ("down", (0, -1)), ("right", (-1, 0)), ("left", (1, 0))])
def test_an_arrow_head_points_where_it_says(way, back):
    (node,) = parsed(pen.head("H", 30, 20, way, 10))
    point, *base = [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", node.get("d"))]
    middle = [(a + b) / 2 - c for a, b, c in zip(*base, point)]
    assert point == (30, 20) and middle == pytest.approx([16 * step for step in back])
    width = [abs(a - b) for a, b in zip(*base)]
    assert width == pytest.approx([18 * abs(step) for step in reversed(back)])


def test_chevrons_turn_round():
    right, left = (parsed(pen.chevrons([(10, 10)], way))[0].get("d") for way in (1, -1))
    assert right == "M8.2 6.4l3.6 3.6l-3.6 3.6" and left == "M11.8 6.4l-3.6 3.6l3.6 3.6"


def test_a_quantity_gives_its_class():
    assert pen.key("C_tilde") == "u-c-tilde"
    plain, coloured = parsed(pen.words(1, 2, "a"), pen.words(1, 2, "a", quantity="F", bold=True))
    assert plain.get("class") == "u-word" and plain.get("font-weight") is None
    assert coloured.get("class") == "u-f u-name" and coloured.get("font-weight") == "600"
    plain, shared = parsed(pen.group("a", pen.joint("j", "C", 9, 9)), pen.group("b", presence="old", quantity="C"))
    assert plain.get("class") == "u-new" and plain[0].get("id") == "node-j" and shared.get("class") == "u-old u-c"
    solid, dashed = parsed(pen.wire("a", "H", "M0 0H9"), pen.wire("b", "H", "M0 0H9", dash="4 5"))
    assert solid.get("stroke-dasharray") is None and dashed.get("stroke-dasharray") == "4 5"


def test_symbols_as_the_equations_write_them():
    batch, one, tilde, stroke = parsed(pen.symbol(0, 9, "H", "t"), pen.symbol(0, 9, "h", slant=True),
                                       pen.symbol(0, 9, "C", quantity="C_tilde", tilde=True))
    assert "u-slant" not in batch.get("class") and batch[0].text == "t" and "u-slant" in batch[0].get("class")
    assert "u-slant" in one.get("class") and len(one) == 0
    assert tilde.text == "C" and stroke.tag == SVG + "path" and stroke.get("class") == "u-c-tilde u-line"


def test_a_valve_is_as_long_as_its_pipe_is_wide():
    """The bow lies along its pipe: wider than high on a level one, higher than wide on an upright one."""
    sizes = []
    for pipe in ("across", "along"):
        (node,) = parsed(pen.valve("v", "F", 50, 20, pipe))
        circle, bow = node
        numbers = re.findall(r"([MLHV])(-?[\d.]+)(?: (-?[\d.]+))?", bow.get("d"))
        xs = [float(a) for letter, a, b in numbers if letter in "MLH"]
        ys = [float(b or a) for letter, a, b in numbers if letter in "MLV"]
        assert (min(xs) + max(xs), min(ys) + max(ys)) == (100, 40)
        assert max(xs) - 50 < float(circle.get("r")) and max(ys) - 20 < float(circle.get("r"))
        sizes.append((max(xs) - min(xs), max(ys) - min(ys)))
    (wide, low), (narrow, high) = sizes
    assert wide > low and high > narrow


def test_each_layer_shows_its_function():
    sigmoid, tanh = parsed(pen.tile("a", "F", 50, 20, "σ"), pen.tile("b", "C_tilde", 50, 20, "tanh"))
    assert [node.find(SVG + "text").text for node in (sigmoid, tanh)] == ["σ", "tanh"]
    curves = [[path.get("d") for path in node.iter(SVG + "path")] for node in (sigmoid, tanh)]
    assert curves[0] != curves[1]
    with pytest.raises(KeyError):
        pen.tile("c", "F", 50, 20, "relu")
