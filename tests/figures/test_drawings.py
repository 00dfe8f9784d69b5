"""The drawings on disk are the ones that the module makes, and each says in words what it shows."""
import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from unrolled.figures import drawings
from unrolled.figures.palette import PALETTE
from unrolled.figures.pen import key

ROOT = Path(__file__).parents[2]
FILES = drawings.files()
DRAWN = {name: text for name, text in FILES.items() if name.startswith("book/figures/")}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", FILES)
def test_the_file_on_disk_is_not_stale(name):
    """If this fails: python -m unrolled.figures.drawings"""
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name]


def test_no_drawing_is_without_its_program():
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("book/figures/*.svg")} == set(DRAWN)


def test_write_writes_each_file_whole(tmp_path):
    stale = tmp_path / "book/figures/cover.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("an older one", encoding="utf-8")
    drawings.write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {name: text.encode() for name, text in FILES.items()}          # so no .partial, and \n everywhere


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    drawings.write(tmp_path)

    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(drawings, "files", lambda: {"book/_static/favicon.svg": "half"})
    with pytest.raises(OSError, match="no space left"):
        drawings.write(tmp_path)
    assert (tmp_path / "book/_static/favicon.svg").read_text(encoding="utf-8") == FILES["book/_static/favicon.svg"]


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_has_a_title_a_description_and_a_size(name):
    root = ET.fromstring(DRAWN[name])
    left, top, width, height = map(float, root.get("viewBox").split())
    assert root.tag == SVG + "svg" and root.get("role") == "img" and (left, top) == (0, 0) and width > height > 0
    named = {node.get("id"): node for node in root}
    title, description = (named[one] for one in root.get("aria-labelledby").split())
    assert (title.tag, description.tag) == (SVG + "title", SVG + "desc")
    assert title.text.strip() and description.text.strip().endswith(".")
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_stays_inside_its_frame(name):
    """The places that attributes and absolute path commands name."""
    root = ET.fromstring(DRAWN[name])
    _, _, width, height = map(float, root.get("viewBox").split())
    xs = [float(node.get(a)) for node in root.iter() for a in ("x", "cx") if node.get(a)]
    ys = [float(node.get(a)) for node in root.iter() for a in ("y", "cy") if node.get(a)]
    for node in root.iter(SVG + "path"):
        if not node.get("transform"):
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", node.get("d")):
                xs.append(float(x)), ys.append(float(y))
    assert len(xs) > 5 and 0 <= min(xs) and max(xs) <= width and 0 <= min(ys) and max(ys) <= height


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_colours_by_class_alone(name):
    """What is not in its <style> names no colour, so the page's theme reaches every stroke."""
    root = ET.fromstring(DRAWN[name])
    (style,) = root.iter(SVG + "style")
    defined = set(re.findall(r"\.(u-[\w-]+)", style.text))
    for node in root.iter():
        assert {node.get("fill"), node.get("stroke"), node.get("style")} <= {None, "none"}
        classes = set((node.get("class") or "").split()) - {"u-new", "u-old", "u-whole", "u-ghost"}
        assert classes <= defined
    assert all(selector.lstrip("svg").startswith(".u-") for rule in re.findall(r"([^{}]+)\{", style.text)
               if not rule.startswith("@") for selector in rule.split(","))
    assert {key(quantity) for quantity in PALETTE} <= defined


def test_the_state_crosses_the_cut_and_the_gradient_does_not():
    root = ET.fromstring(drawings.unrolled())
    ids = {node.get("id"): node for node in root.iter() if node.get("id")}
    cut = float(re.match(r"M([\d.]+) ", ids["cut"].get("d"))[1])

    def span(name):
        a, b = re.match(r"M([\d.]+) [\d.]+H([\d.]+)$", ids[name].get("d")).groups()
        return sorted((float(a), float(b)))

    crossing = [name for name in ids if re.match(r"wire-(h|gradient)-\d|wire-stopped", name)
                if (ends := span(name))[0] < cut < ends[1]]
    assert crossing == ["wire-h-3"]
    gradients = [name for name in ids if re.match(r"wire-gradient-\d", name)]
    assert len(gradients) == 4 and all(ids[name].get("stroke-dasharray") for name in [*gradients, "wire-stopped"])


def test_the_covers_waves_spring_from_the_first_bead_and_die_away():
    path = drawings.ribbon(200, 2, 0.5, 2.2)
    assert path.startswith("M60 120s")
    ends = [tuple(map(float, end)) for end in re.findall(r" (-?[\d.]+) (-?[\d.]+)(?=s|$)", path)]
    heights = [sum(dy for _, dy in ends[:k + 1]) for k in range(len(ends))]
    third = len(heights) // 3
    assert 60 + sum(dx for dx, _ in ends) >= 720
    peaks = [max(map(abs, part)) for part in (heights[:third], heights[third:-third], heights[-third:])]
    assert 120 > max(peaks) > 2 * peaks[2] > 0


@pytest.mark.parametrize("name", sorted(Path(name).stem for name in DRAWN))
def test_a_drawing_in_a_notebook_is_an_image_with_words(name):
    drawing = drawings.Drawing(name)
    image = ET.fromstring(drawing._repr_html_().replace(">", "/>"))
    assert image.tag == "img" and len(image.get("alt")) > 40 and image.get("alt") == drawing.alt
    kind, data = image.get("src").split(";base64,")
    shown = ET.fromstring(base64.b64decode(data))
    assert kind == "data:image/svg+xml" and shown.tag == f"{SVG}svg" and f"0 0 {image.get('width')} " in shown.get("viewBox")
    assert shown.get("style") == "background:var(--u-paper)" and "--u-paper:" in drawing.svg
    assert repr(drawing) == f"Drawing('{name}')"


def test_a_drawing_that_is_not_there_is_missed_in_words():
    with pytest.raises(ValueError, match="no drawing 'cat'; there are cell-gates, "):
        drawings.Drawing("cat")
