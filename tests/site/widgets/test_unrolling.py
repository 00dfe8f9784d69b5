"""The unrolled network, its cuts and its memory, moved in a browser."""
import pytest

from unrolled.widgets import Unrolling
from unrolled.widgets.unrolling import KINDS, grouped, in_bytes

SLIDERS = {"steps": "steps of text", "truncation": "cut after every", "moment": "moment", "loss_step": "loss at step"}
FIELDS = {"steps": 0, "truncation": 1, "batch": 2, "hidden": 3}


def move(page, name, value):
    """Set a slider by its place."""
    slider = page.locator("label.u-control", has_text=SLIDERS[name]).locator("input[type=range]")
    slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value))


def write(page, name, text):
    """Write into the field of exact numbers."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.locator("input[type=text]").nth(FIELDS[name]).fill(str(text))


def number(text):
    """12 345 or 1.5 or 5.0 · 10¹³."""
    mantissa, _, power = text.replace("\u202f", "").partition(" · 10")
    return float(mantissa) * 10 ** int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")) or 0)


def rounded(count):
    """A count as the table has it: whole, or of two digits where it is very large."""
    return count if count < 1e10 else float(f"{count:.1e}")


def check(page, widget):
    """What the page shows is what Python says of the same settings."""
    said = page.locator(".u-said").all_inner_texts()
    plain = [text.replace("\u00a0", " ") for text in said]
    assert plain == [words.replace("\u00a0", " ") for words in (widget.moment_in_words(), widget.reach_in_words())]
    rows = [row.split("\t") for row in page.locator(".unrolled tbody").inner_text().strip().split("\n")]
    shown = {name.strip(): [value.strip() for value in values] for name, *values in rows}
    plan = widget.plan
    assert [number(text) for text in shown["values kept at most"]] == [rounded(n) for n in (widget.kept_values, widget.kept_values_whole)]
    assert shown["in float32"] == [in_bytes(size) for size in (widget.memory_bytes, widget.memory_bytes_whole)]
    assert shown["backward passes"] == [grouped(widget.backward_passes), "1"]
    assert [number(text) for text in shown["pairs joined by a gradient"]] == [rounded(n) for n in (widget.connected_pairs, widget.all_pairs)]
    assert shown["gradient's reach: from 0 steps to"] == [grouped(widget.reach_max), grouped(plan.whole.reach_max)]
    assert [number(text) for text in shown["… its mean"]] == pytest.approx([widget.reach_mean, plan.whole.reach_mean], rel=0.0051)
    share = float(page.locator(".u-share").text_content().removesuffix(" %"))
    assert share == pytest.approx(100 * widget.connected_share, rel=0.0051)
    circles = page.locator("circle[data-step]").evaluate_all("all => all.map(e => [Number(e.dataset.step), e.dataset.fate === 'kept'])")
    kept = plan.at(widget.moment).kept
    assert circles == [[step, step in kept] for step, _ in circles]
    if widget.steps <= 60:
        assert [step for step, _ in circles] == list(range(1, widget.steps + 1))


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, theme, width, reduced):
    watched = show(Unrolling(moment=15, loss_step=7), theme, width, reduced)
    watched.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert sweep(watched.page) == 4 + 3 + 1 + 4 + 3                    # sliders, kinds, box, fields, buttons
    assert not watched.axe() and not watched.overflow()
    write(watched.page, "steps", 10_000_000)
    assert not watched.overflow()


@pytest.mark.parametrize("settings", [
    {"moment": 0}, {"moment": 15, "loss_step": 7}, {"moment": 9, "carried": False, "loss_step": 5}, {"moment": 27},
    {"steps": 1, "moment": 1}, {"steps": 60, "truncation": 7, "moment": 100, "loss_step": 33, "kind": "gru"},
    {"steps": 61, "truncation": 1, "kind": "rnn", "moment": 90}, {"steps": 170_000, "truncation": 32, "hidden": 256, "batch": 1, "moment": 77_777},
    {"steps": 10_000_000, "truncation": 10_000_000, "batch": 4096, "hidden": 4096, "moment": 12_345_678}])
def test_it_opens_as_python_has_it(show, settings):
    widget = Unrolling(**settings)
    check(show(widget).page, widget)


def test_every_moment_and_every_loss(show):
    widget = Unrolling(11, truncation=4)
    page = show(widget).page
    for moment in range(widget.plan.last_moment + 1):
        move(page, "moment", moment)
        widget.moment, widget.loss_step = moment, moment % 11 + 1
        move(page, "loss_step", widget.loss_step)
        check(page, widget)
    page.locator("input[type=checkbox]").uncheck()
    widget.carried = False
    check(page, widget)


def test_what_is_moved_is_what_python_computes(show):
    widget = Unrolling(moment=27)
    page = show(widget).page
    for name, value in [("steps", 40), ("truncation", 13), ("steps", 5), ("truncation", 1), ("steps", 60)]:
        move(page, name, value - 1)                                    # stops 0, 1, 2, ... are 1, 2, 3, ...
        setattr(widget, name, value)                                   # ... and both come along when the text ends sooner
        check(page, widget)
    for name, value in [("batch", 7), ("hidden", 650), ("steps", "170,000"), ("truncation", 32), ("steps", 12)]:
        write(page, name, value)
        setattr(widget, name, int(str(value).replace(",", "")))
        check(page, widget)
    for place, kind in enumerate(KINDS):
        page.locator("select").select_option(index=place)
        widget.kind = kind
        check(page, widget)


def test_the_player_by_keyboard(show):
    page = show(Unrolling(moment=3)).page
    page.wait_for_timeout(700)
    assert "Forward, step 3, window 1." in page.locator(".u-said").first.inner_text()      # nothing played by itself
    page.get_by_role("button", name="Step").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
    assert "Backward, step 4, window 1" in page.locator(".u-said").first.inner_text()
    assert page.locator("circle[data-fate=kept]").count() == 3
    page.get_by_role("button", name="Back").press("Space")
    assert page.locator("circle[data-fate=kept]").count() == 4
    slider = page.get_by_role("slider", name="moment")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "end"
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.startsWith('The whole text is read')")
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "backward 9"
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => document.querySelector('.u-said').textContent.startsWith('The whole text is read')")


def test_bad_numbers_are_said_in_words(show):
    widget = Unrolling(moment=15, loss_step=7)
    page = show(widget).page
    wrong = page.locator(".u-complaint")
    for name, text, said in [("steps", "", "steps of text is a whole number from 1 to 10 000 000, got nothing"),
                             ("truncation", "-4", "cut after every is a whole number from 1 to 10 000 000, got “-4”"),
                             ("batch", "NaN", "batch is a whole number from 1 to 4 096, got “NaN”"),
                             ("hidden", "<b>1</b>", "hidden units is a whole number from 1 to 4 096, got “<b>1</b>”")]:
        write(page, name, text)
        assert wrong.inner_text().replace("\u202f", " ") == said
        check(page, widget)                                            # nothing moved
    write(page, "hidden", 64)
    assert not wrong.is_visible()
    widget.hidden = 64
    check(page, widget)
    write(page, "batch", "many")
    assert wrong.is_visible()
    page.get_by_role("slider", name="loss at step").press("ArrowLeft")  # what was typed gives way to what holds
    assert not wrong.is_visible() and page.locator("input[type=text]").nth(FIELDS["batch"]).input_value() == "32"


def test_the_arrows_stop_at_the_cut(show):
    """Drawn at the end: states cross two cuts, gradients none; not carried, nothing crosses."""
    page = show(Unrolling(moment=27)).page
    heads = "all => all.map(e => (e.getAttribute('d').match(/M/g) || []).length)"
    forward = page.locator(".u-state-head")
    backward = page.locator(".u-back-head")
    assert forward.evaluate_all(heads) == [11] and backward.evaluate_all(heads) == [9]
    page.locator("input[type=checkbox]").uncheck()
    assert forward.evaluate_all(heads) == [9] and backward.evaluate_all(heads) == [9]
    assert page.locator(".u-zeros").count() == 2


def test_a_broken_state_is_said_in_words(show):
    widget = Unrolling()
    state = widget.get_state()
    widget.get_state = lambda *args, **kwargs: state | {"truncation": 0}
    assert "This widget cannot be shown: truncation is a whole number from 1 to" in show(widget).page.locator("[role=alert]").last.inner_text()
