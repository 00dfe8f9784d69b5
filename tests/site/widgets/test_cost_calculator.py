"""The calculator in a browser: what the page shows is what Python counts and what was recorded."""
import itertools
import json
from pathlib import Path

import pytest

from unrolled.cost import cost
from unrolled.timing import WORKS
from unrolled.widgets import CostCalculator
from unrolled.widgets.cost_calculator import nearest, short

RECORD = json.loads((Path(__file__).resolve().parents[3] / "book/data/cost-times.json").read_text(encoding="utf-8"))
KINDS = ("rnn", "gru", "lstm")
SLIDERS = {"num_hiddens": "hidden units", "num_inputs": "inputs", "steps": "steps", "batch": "batch"}
INPUT = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }"


def slider(page, name):
    return page.get_by_role("slider", name=SLIDERS[name], exact=True)


def slide(page, name, stop):
    slider(page, name).evaluate(INPUT, str(stop))


def values(page, table):
    """The numbers behind the cells, row by row."""
    return page.locator(".unrolled table").nth(table).evaluate(
        "t => [...t.tBodies[0].rows].map(r => [...r.querySelectorAll('[data-value]')].map(c => Number(c.dataset.value)))")


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, theme, width, reduced):
    watched = show(CostCalculator(record=RECORD), theme, width, reduced)
    assert sweep(watched.page) == 7                                 # four sliders, two precisions, one box
    assert not watched.axe() and not watched.overflow()


def test_the_page_counts_as_python_does(show):
    page = show(CostCalculator(1, 1, 1, 1, record=RECORD)).page
    for tokens, d, h, steps, batch in itertools.product((False, True), (0, 12), (0, 7, 12), (0, 12), (0, 10)):
        page.get_by_role("checkbox").set_checked(tokens)
        for name, stop in zip(SLIDERS, (h, d, steps, batch)):
            slide(page, name, stop)
        expected = [cost(kind, 2 ** d, 2 ** h, 2 ** steps, 2 ** batch, tokens=tokens) for kind in KINDS]
        assert values(page, 0) == [list(row) for row in zip(*expected)]
        near = nearest(RECORD["rows"], {"num_inputs": 2 ** d, "num_hiddens": 2 ** h, "steps": 2 ** steps, "batch": 2 ** batch})
        assert values(page, 1) == [[near[work]["seconds"][kind] for kind in KINDS] for work in WORKS]


def test_it_is_said_in_words_and_shown_as_in_python(show):
    page = show(CostCalculator(record=RECORD)).page
    said, cells = page.locator(".u-said"), page.locator(".unrolled table").first
    assert said.inner_text().startswith("An LSTM of this size has 7\u202f808 parameters. Time of a training step, measured: 1")
    slider(page, "num_hiddens").focus()
    page.keyboard.press("ArrowRight")                               # by keyboard: 32 → 64, and on to 128
    assert said.inner_text().replace("\u00a0", " ").startswith("Hidden units 32 → 64: parameters × 3.05, forward × 3.07, ")
    page.keyboard.press("ArrowRight")
    assert said.inner_text().startswith("Hidden units 32 → 128: ")
    slider(page, "steps").focus()
    page.keyboard.press("ArrowRight")
    assert said.inner_text().replace("\u00a0", " ").startswith(
        "Steps 32 → 64: parameters × 1, forward × 2, backward × 2.01, kept × 2, state × 1. "
        "Time of a training step, measured at the nearest setting: ")
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.startsWith('Steps 32 → 64')")
    lstm = cost("lstm", 28, 128, 64, 1024)
    for number in (lstm.parameters, lstm.multiply_adds_forward, lstm.training_values, lstm.inference_values):
        assert short(number) in cells.inner_text()
    assert short(4 * lstm.training_values, "B") in cells.inner_text()
    page.get_by_role("combobox", name="numbers").select_option("float16 (2 bytes)")
    assert short(2 * lstm.training_values, "B") in cells.inner_text()
    assert "28 inputs, 128 hidden units, 32 steps, batch 1024, the nearest setting in its record" in page.locator(".u-costs").inner_text()


def test_marks_stand_at_their_numbers_and_remember_where_they_were(show):
    page = show(CostCalculator(28, 32, 32, 1024, record=RECORD)).page
    places = ("() => [...document.querySelectorAll('.u-chart:first-of-type .u-full')].slice(0, 15)"
              ".map(m => Number(m.getAttribute('transform').match(/translate\\(([\\d.]+)/)[1]))")
    before, hidden = page.evaluate(places), page.locator(".u-old[hidden]")
    assert hidden.count() == 15
    slide(page, "batch", 0)
    after = page.evaluate(places)
    assert hidden.count() == 0
    decade = (360 - 6 - 8) / 17                                     # the axis runs over seventeen powers of ten
    assert after[:3] == before[:3]                                  # parameters know no batch
    assert all(b - a == pytest.approx(3.0103 * decade, abs=0.2) for a, b in zip(after[3:], before[3:]))
    assert before[5] - before[3] == pytest.approx(0.60206 * decade, abs=0.2)     # 1 : 4, the same distance everywhere


def test_the_readers_own_numbers_are_stops_of_the_sliders(show):
    page = show(CostCalculator(100, 37, 35, 3, record=RECORD)).page
    assert [slider(page, name).get_attribute("aria-valuetext") for name in SLIDERS] == ["37", "100", "35", "3"]
    slider(page, "num_hiddens").focus()
    page.keyboard.press("ArrowLeft")
    assert values(page, 0)[0][2] == cost("lstm", 100, 32).parameters


def test_without_times_it_says_so(show):
    watched = show(CostCalculator())
    text = watched.page.locator(".u-costs").inner_text()
    assert "This widget was given no recorded times. With a kernel, calculator.measure() takes them on your machine." in text
    assert "multiply-adds forward" in text and "training step" not in text
    assert not watched.axe()


def test_the_readers_machine_stands_beside_the_book(show):
    own = [{"work": "training", "num_inputs": 28, "num_hiddens": 32, "steps": 32, "batch": 1024,
            "seconds": {"rnn": 0.1, "gru": 0.2, "lstm": 9.0}, "ratio": {"rnn": [1, 1, 1], "gru": [2, 2, 2], "lstm": [80, 90, 95]}}]
    page = show(CostCalculator(record=RECORD, measured=own)).page
    root = page.locator(".u-costs")
    assert "Your machine: training 1 : 2 : 90." in root.inner_text().replace("\u00a0", " ")
    assert "your machine" in page.locator(".u-legend").last.inner_text()
    slide(page, "batch", 0)
    assert "Your machine was measured at 28 inputs, 32 hidden units, 32 steps, batch 1024" in root.inner_text()
    assert "your machine" not in page.locator(".u-legend").last.inner_text()
    page = show(CostCalculator(measured=own)).page                  # alone, without the book's record
    assert values(page, 1)[0] == [0.1, 0.2, 9.0]
    assert "9\u202fs" in page.locator(".unrolled table").nth(1).inner_text()
