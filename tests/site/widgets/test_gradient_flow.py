"""The gradient's way back, moved in a browser."""
import pytest
import torch

from unrolled.layers import LSTM, RNN
from unrolled.widgets import GradientFlow


@pytest.fixture(scope="module")
def data():
    return GradientFlow.measure([-2, 0, 1, 6], steps=128, seeds=2, hidden=16, inputs=3).data


@pytest.fixture
def own():
    torch.manual_seed(3)
    wild = RNN(3, 8)
    with torch.no_grad():
        for weight in wild.parameters():
            weight.mul_(20)
    return {"mine": LSTM(3, 8, forget_bias=1.0), "<b>wild</b> and longer": wild}


def move(page, label, value):
    page.get_by_label(label).evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value))


def curve(page, quantity, width):
    return page.locator(f"path.u-line.{quantity}[stroke-width='{width}']:not(.u-sample *):not(.u-rail)").first.get_attribute("d")


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
@pytest.mark.parametrize("with_own", [False, True])
def test_every_control(show, sweep, data, own, theme, width, reduced, with_own):
    watched = show(GradientFlow(data, layers=own if with_own else None), theme, width, reduced)
    assert sweep(watched.page) == 2
    assert not watched.axe() and not watched.overflow()
    smallest = watched.page.evaluate("""() => { const svg = document.querySelector('.u-chart');
        return 13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width; }""")
    assert smallest > 10


def test_it_says_what_python_says(show, data, own):
    widget = GradientFlow(data, layers=own)
    page = show(widget).page
    for place, bias in enumerate(data["biases"]):
        for steps in (1, 2, 31, 32, 64, 127, 128):
            move(page, "forget-gate bias", place)
            move(page, "steps back", steps)
            widget.bias, widget.steps = bias, steps
            assert page.locator(".u-said").text_content() == widget.describe()
            rows = page.locator("tbody tr").all()
            table = {row.locator("th").text_content(): row.locator("td").first.text_content() for row in rows}
            assert list(table) == list(widget.curves)
            for name, left in widget.left.items():
                said = table[name].replace("\u00a0·\u00a010", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
                assert float(said) == pytest.approx(left, rel=0.06 if "e" in said else 0.006)
    page.wait_for_function("said => document.querySelector('[role=status]').textContent === said", arg=widget.describe())


def test_it_opens_on_the_sources_case(show, data):
    page = show(GradientFlow(data)).page
    assert "0.5³² = 2.3\u00a0·\u00a010⁻¹⁰ of the gradient is left" in page.locator(".u-said").text_content()
    assert page.get_by_label("forget-gate bias").get_attribute("aria-valuetext") == "0"
    per_step = page.locator("tbody tr", has_text="memory line alone").locator("td").nth(1).inner_text()
    assert per_step == "× 0.500"


def test_the_yardsticks_stay_while_the_lstm_and_its_line_move(show, data):
    page = show(GradientFlow(data)).page
    before = {q: curve(page, q, w) for q, w in (("u-h", 1.6), ("u-x", 1.6), ("u-c", 3.2), ("u-f", 2.2))}
    page.get_by_label("forget-gate bias").focus()
    page.keyboard.press("ArrowRight")
    after = {q: curve(page, q, w) for q, w in (("u-h", 1.6), ("u-x", 1.6), ("u-c", 3.2), ("u-f", 2.2))}
    assert {q for q in before if before[q] != after[q]} == {"u-c", "u-f"} and all(before.values())
    assert page.locator(".u-said").text_content().startswith("With a forget bias of 1 the gates")


def test_a_line_that_leaves_the_picture_ends_there(show, data):
    page = show(GradientFlow(data, bias=-2, steps=100)).page
    box = page.locator("svg.u-chart").evaluate("e => e.getBBox().height")
    assert box < 315                                               # nothing is drawn far below
    points = curve(page, "u-f", 2.2)[1:].split("L")
    assert float(points[-1].split()[1]) == 272 and float(points[-1].split()[0]) < 46 + 296 * 50 / 128
    assert "line alone ↓" in page.locator("svg.u-chart").text_content()
    assert "Below the picture here:" in page.locator(".u-said").text_content()


def test_dragging_in_the_picture_sets_the_steps(show, data):
    page = show(GradientFlow(data)).page
    box = page.locator("svg.u-chart").bounding_box()
    at = lambda steps: box["x"] + (46 + 296 * steps / 128) * box["width"] / 424    # noqa: E731
    page.mouse.move(at(64), box["y"] + 100)
    page.mouse.down()
    assert "64 steps back" in page.locator(".u-said").text_content()
    page.mouse.move(at(96), box["y"] + 120)
    assert "96 steps back" in page.locator(".u-said").text_content()
    page.mouse.up()
    page.mouse.move(at(20), box["y"] + 100)
    assert page.get_by_label("steps back").input_value() == "96"
    page.mouse.move(box["x"], box["y"] + 100)
    page.mouse.down()
    assert "1 step back" in page.locator(".u-said").text_content()


def test_a_small_measurement_shows_as_well(show):
    watched = show(GradientFlow.measure([0.5], steps=3, seeds=1, hidden=2, inputs=1), width=360)
    assert "3 steps back, 0.6225³ = 0.241 of" in watched.page.locator(".u-said").text_content()
    assert not watched.overflow() and "single precision" not in watched.page.locator("svg.u-chart").text_content()


def test_a_measurement_with_a_part_missing_is_said_in_words(show, data):
    class Broken(GradientFlow):
        def get_state(self, *args, **kwargs):
            state = super().get_state(*args, **kwargs)
            return state | ({"data": {k: v for k, v in data.items() if k != "gru"}} if "data" in state else {})

    page = show(Broken(data)).page
    assert page.get_by_role("alert").text_content() == "This widget cannot be shown: the measurement lacks gru."


def test_a_kernel_may_add_layers_and_bring_other_data(show, data, own):
    """As a live kernel does it: the traits change while the widget is on the page."""
    page = show(GradientFlow(data)).page
    added, other = GradientFlow(data, layers=own), GradientFlow.measure([0, 3], steps=32, seeds=1, hidden=4, inputs=2)
    seen = page.evaluate("""async ([esm, states]) => {
        const values = { ...states[0] }, calls = {}, el = document.createElement('div');
        const model = { get: (name) => values[name], save_changes() {},
          set(name, value) { values[name] = value; (calls[name] ?? []).forEach((call) => call()); },
          on: (event, call) => (calls[event.slice(7)] ??= []).push(call),
          off: (event, call) => { calls[event.slice(7)] = calls[event.slice(7)].filter((one) => one !== call); } };
        document.body.append(el);
        const widget = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })));
        const stop = widget.default.render({ model, el }), rows = () => [...el.querySelectorAll('tbody th')].map((th) => th.textContent);
        const seen = [rows()];
        model.set('own', states[1].own);
        seen.push(rows());
        model.set('own', []);
        model.set('data', states[2].data);
        seen.push([el.querySelectorAll('.unrolled').length, el.querySelector('.u-said').textContent]);
        stop();
        seen.push(Object.values(calls).flat().length);
        return seen;
    }""", [GradientFlow._esm,
           [widget.get_state(["data", "bias", "steps", "own"]) for widget in (GradientFlow(data), added, other)]])
    assert seen == [["LSTM", "memory line alone", "GRU", "RNN"], list(added.curves), [1, other.describe()], 0]
