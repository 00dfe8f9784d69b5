"""The laboratory in a browser: what is shown is what Python says; a kernel's runs come beside the record."""
import math
from dataclasses import asdict
from pathlib import Path

import pytest

from unrolled.influence import Measured
from unrolled.recorded import recorded
from unrolled.trials import CENTRE, LABELS, NAMES, shown
from unrolled.widgets import Laboratory

HOST = Path(__file__).resolve().parents[3] / "src/unrolled/site/widget_host.js"
RECORD = recorded("hyperparameters")
OWN = asdict(CENTRE) | {"seed": 0, "state": "complete", "windows": 60_000, "seconds": 3.0, "train_perplexity": 6.0, "lr": 8.0,
                        "validation_perplexity": 6.75, "time": 1.25, "samples": {"greedy": "it has <b>bold</b> &amp;"}}


@pytest.fixture
def with_kernel(tmp_path):
    """The host of a page, whose models answer like a kernel: what the page sends is kept, and tests speak back."""
    text = HOST.read_text(encoding="utf-8")
    answering = text.replace("send() {}", """send(content) {
      (window.sent ??= []).push(content);
      window.model = this;
      if (content.kind === "hello") setTimeout(() => { for (const call of this.calls["msg:custom"]) call({ kind: "here" }); });
    }""")
    assert answering != text
    path = tmp_path / "host.js"
    path.write_text(answering, encoding="utf-8")
    return path


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, with_kernel, theme, width, reduced):
    watched = show(Laboratory(RECORD, name="lr", partner="batch_size", runs=[OWN]), theme, width, reduced, host=with_kernel)
    watched.page.get_by_role("button", name="Run it here").wait_for()
    assert sweep(watched.page) == 14                                # two sliders, eight and two options, a field, a button
    assert not watched.axe() and not watched.overflow()


def test_every_recorded_point_is_said_as_in_python(show):
    page, widget, measured = show(Laboratory(RECORD)).page, Laboratory(RECORD), Measured(RECORD)
    said = page.locator(".u-said").first
    for name in NAMES:
        page.get_by_role("combobox", name="hyperparameter").select_option(LABELS[name])
        widget.name = name
        slider = page.get_by_role("slider", name=LABELS[name])
        values = measured.values(name)
        slider.focus()
        page.keyboard.press("Home")
        for k, value in enumerate(values):
            if k:
                page.keyboard.press("ArrowRight")
            widget.value = value
            assert slider.get_attribute("aria-valuetext") == shown(name, value)
            assert said.inner_text() == widget.words()
        page.locator("summary").click()
        rows = page.locator(".unrolled table tbody tr")
        assert [text.split("\n")[0].split("\t")[0] for text in rows.all_inner_texts()] == [shown(name, value) for value in values]
        page.locator("summary").click()
    assert page.wait_for_function("() => document.querySelector('[role=status]').textContent.length > 20")


def test_two_hyperparameters_at_once(show):
    page, widget = show(Laboratory(RECORD)).page, Laboratory(RECORD, name="lr", partner="clip")
    page.get_by_role("combobox", name="changed").select_option("together with clipping")
    rate, clip = (page.get_by_role("slider", name=name) for name in ("learning rate", "clipping"))
    for presses, clipped in ((0, 0.1), (1, 1.0), (2, 0.0)):           # none is the loosest
        clip.focus()
        page.keyboard.press("Home")
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
        rate.focus()
        page.keyboard.press("End")                                   # 64
        widget.value, widget.other = 64.0, clipped
        assert page.locator(".u-said").inner_text() == widget.words()
    assert "Learning rate 64, no clipping: perplexity 1.6 · 10²⁸" in page.locator(".u-said").inner_text()
    page.get_by_role("combobox", name="changed").select_option("alone")
    assert page.get_by_role("slider").count() == 1


def test_points_stand_at_their_numbers_and_can_be_pressed(show):
    page, measured = show(Laboratory(RECORD, name="num_hiddens")).page, Measured(RECORD)
    chart = page.locator(".u-charts svg").nth(1)
    places = chart.evaluate("s => [...s.querySelectorAll('circle.u-fill')].map(c => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])")
    values = [(k, time) for k, value in enumerate(measured.values("num_hiddens")) for time in measured.effect({"num_hiddens": value}, "time").values]
    assert len(places) == len(values)
    (_, a), (_, b) = values[0], values[-1]
    (_, low), (_, high) = places[0], places[-1]

    for (k, time), (x, y) in zip(values, places):                    # a log axis, and equal steps from value to value
        assert y == pytest.approx(low + (high - low) * math.log(time / a) / math.log(b / a), abs=0.3)
        assert x == pytest.approx(places[0][0] + k * (places[-1][0] - places[0][0]) / 4, abs=0.3)
    box = chart.bounding_box()
    page.mouse.click(box["x"] + box["width"] * places[-1][0] / 424, box["y"] + 20)
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "128"


def test_samples_are_text(show):
    page = show(Laboratory(RECORD, runs=[OWN], name="lr", value=8.0)).page
    assert "it has <b>bold</b> &amp;" in page.locator(".u-samples").inner_text() and page.locator(".u-samples b").count() == 0
    centre = Measured(RECORD).rows()[0]["samples"]
    for how, text in centre.items():
        assert f"The centre, {how}" in page.locator(".u-samples").inner_text() and text.strip() in page.locator(".u-samples").inner_text()


def test_without_a_kernel_nothing_can_be_run(show):
    page = show(Laboratory(RECORD)).page
    assert page.get_by_role("button", name="Run it here").count() == 0 and page.get_by_role("progressbar").count() == 0


def test_own_runs_stand_beside_the_record(show):
    page = show(Laboratory(RECORD, runs=[OWN, OWN | {"lr": 64.0, "state": "failed", "cause": "too far", "validation_perplexity": None,
                                                     "train_perplexity": None, "time": None}])).page
    assert page.locator(".u-charts .u-own").count() == 3             # two charts, and one off the scale in the first
    assert "your runs" in page.locator(".u-legend").inner_text()
    text = page.locator(".u-mine").inner_text()
    assert "Learning rate 8" in text and "perplexity 6.75, 1.25 times the time of the centre here" in text and "the training failed: too far" in text
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")                                # from 4 to the reader's own 8
    assert page.locator(".u-said").inner_text().endswith("Your run: perplexity 6.75, 1.25 times the time of the centre here.")


def test_with_a_kernel_it_runs_reports_and_stops(show, with_kernel):
    page = show(Laboratory(RECORD), host=with_kernel).page
    run, stop = (page.get_by_role("button", name=name) for name in ("Run it here", "Stop"))
    field = page.get_by_label("your learning rate")
    field.wait_for()
    assert field.input_value() == "4" and stop.is_disabled()
    field.fill("fast")
    run.press("Enter")
    assert "learning rate is a number, not “fast”." in page.locator(".u-said").all_inner_texts()
    field.fill("2.5")
    run.press("Enter")
    assert page.evaluate("window.sent.at(-1)") == {"kind": "run", "changes": {"lr": 2.5}}
    page.evaluate("model.set('progress', {what: 'learning rate 2.5', seen: 15000, windows: 60000})")
    assert page.get_by_role("progressbar").evaluate("bar => bar.value") == 0.25 and run.is_disabled()
    assert page.locator(".u-said").last.inner_text() == "Learning rate 2.5: 15\u202f000 of 60\u202f000 windows."
    stop.press("Enter")
    assert page.evaluate("window.sent.at(-1)") == {"kind": "stop"}
    page.evaluate("row => { model.set('runs', [row]); model.set('progress', {note: 'Learning rate 2.5: perplexity 7.'}); }", OWN | {"lr": 2.5})
    assert run.is_enabled() and page.locator(".u-said").last.inner_text() == "Learning rate 2.5: perplexity 7."
    assert page.locator(".u-charts .u-own").count() == 2
    page.get_by_role("combobox", name="hyperparameter").select_option("clipping")
    page.get_by_label("your clipping").fill("none")
    run.press("Enter")
    assert page.evaluate("window.sent.at(-1)") == {"kind": "run", "changes": {"clip": 0}}


def test_a_damaged_record_is_said_in_words(show):
    widget = Laboratory(RECORD)
    state = widget.get_state
    widget.get_state = lambda *a, **k: state(*a, **k) | {"record": {"rows": [{"lr": 1}], "centre": asdict(CENTRE)}}
    page = show(widget).page
    assert page.get_by_role("alert").inner_text() == (
        "This widget cannot be shown: row 0 of the record lacks num_hiddens, num_steps, batch_size, optimizer, num_layers, clip, forget_bias, state")
