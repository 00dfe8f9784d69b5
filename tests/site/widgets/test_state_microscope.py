"""The microscope in a browser: what it shows is what Python computes, for text that the reader types."""
import pytest
import torch

from unrolled.layers import LSTMScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel
from unrolled.text import Vocabulary
from unrolled.widgets import StateMicroscope

ALPHABET = Vocabulary.from_text("the quick brown fox jumps over the lazy dog")
N = len(ALPHABET)
TEXT = "it has the machine"
NAMES = {"I": "input gate i", "F": "forget gate f", "O": "output gate o", "C_tilde": "input node c̃", "C": "cell state c", "H": "hidden state h"}


def microscope(*hidden, text=TEXT, **options):
    torch.manual_seed(0)
    layers = [LSTMScratch(a, b) for a, b in zip((N, *hidden), hidden)]
    for layer in layers:
        load_weights(layer, {name: torch.randn_like(w) * 0.5 for name, w in named_weights(layer).items()})
    model = LanguageModel(layers[0] if len(layers) == 1 else Stacked(layers), N)
    torch.nn.init.normal_(model.head.weight)
    model.head.bias.data[0] = -30.0                      # the unknown token is never written
    return StateMicroscope(model, ALPHABET, text, **options)


def number(value, decimals=2):
    text = f"{abs(value):.{decimals}f}"
    return f"−{text}" if value < 0 and float(text) else text


def spelt(token):
    return {" ": "space", "<unk>": "unknown"}.get(token, token)


def check(page, widget):
    """Everything that the page shows now, against Python's widget in the same state."""
    values, probabilities = widget.look()
    at, p = widget.position, probabilities[widget.position]
    assert page.locator("[role=img] span").all_inner_texts() == list(widget.read)
    six = page.locator("table").nth(0)
    assert six.locator("caption").inner_text() == f"Unit {widget.unit} at {spelt(widget.read[at])}"
    assert [row.locator("th, td").all_inner_texts() for row in six.locator("tr").all()] == [
        [NAMES[name], "", number(values[name][at, widget.unit].item())] for name in NAMES]
    best = p.argsort(descending=True)[:6].tolist()
    came = widget.tokens.index(widget.read[at + 1]) if at + 1 < len(widget.read) else None
    best += [came] if came is not None and came not in best else []
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("table").nth(1).locator("tr").all()]
    assert rows[:len(best)] == [[spelt(widget.tokens[k]), "", f"{p[k]:.3f}", "came" if k == came else ""] for k in best]
    shown = widget.values()
    what = (f"the {NAMES[widget.quantity]} of unit {widget.unit} is {number(shown[at].item())}" if widget.quantity != "surprise"
            else f"its surprise was {number(shown[at].item())} bits" if at else "nothing was expected before it")
    said = page.locator(".u-said").inner_text()
    assert said.startswith(f"Character {at + 1}, {spelt(widget.read[at])}: {what}. Next it expects {spelt(widget.tokens[best[0]])} {p[best[0]]:.3f}")
    # the bars: a share of the greatest value, hanging where it is below zero
    bound = 1 if widget.quantity in ("I", "F", "O") else shown.nan_to_num().abs().max().item()
    bars = page.locator("[role=img] span").evaluate_all("cells => cells.map(c => [Number(c.style.getPropertyValue('--v')), c.className.includes('u-below')])")
    for (size, below), value in zip(bars, shown.nan_to_num().tolist()):
        assert abs(size - abs(value) / bound) < 1e-3 and below == (value < 0)


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, theme, width, reduced):
    watched = show(microscope(6, 5, held_out=TEXT * 9, threshold=0.3), theme, width, reduced)
    assert sweep(watched.page) == 3 + (7 + 2 + watched.page.locator("select").nth(2).locator("option").count()) + 1 + 2
    assert not watched.axe() and not watched.overflow()


def test_it_shows_what_python_computes(show):
    widget = microscope(9, unit=4, quantity="C", position=5)
    page = show(widget).page
    check(page, widget)
    colour, unit = page.locator("select").all()
    for k, quantity in enumerate([*NAMES, "surprise"]):
        colour.select_option(index=k)
        widget.quantity = quantity
        check(page, widget)
    order = widget.reactions().argsort(descending=True).tolist()
    assert unit.locator("option").all_inner_texts() == [f"{k} · reacts {number(widget.reactions()[k].item())}" for k in order]
    unit.select_option(index=7)                          # from the surprise, which is of no unit, back to a state
    widget.unit, widget.quantity = order[7], "H"
    check(page, widget)
    page.locator("textarea").fill("Now, then!")
    widget.text = "Now, then!"
    widget.position = len(widget.read) - 1
    check(page, widget)
    assert page.locator(".u-complaint").inner_text() == "2 characters that are no letters from a to z became spaces."


def test_of_two_layers_either_may_be_looked_at(show):
    widget = microscope(6, 5, layer=1, unit=3)
    page = show(widget).page
    check(page, widget)
    page.locator("select").nth(1).select_option(index=0)
    widget.layer = 0
    check(page, widget)


def test_named_units_come_first_and_bring_their_quantity(show):
    widget = microscope(9, held_out="the man and the machine " * 20, threshold=0.3)
    page = show(widget).page
    first = widget.named[0]
    assert page.locator("select").nth(1).locator("option").all_inner_texts()[:len(widget.named)] == [
        f"{e['unit']} · {e['quantity'].lower()} follows {e['feature']}, r {number(e['r'])}" for e in widget.named]
    assert page.get_by_text(f"Unit {first['unit']}: its {first['quantity'].lower()} follows {first['feature']}, "
                            f"r = {number(first['r'])} on text that it was not trained on.").is_visible()
    page.get_by_label("colour by").select_option(label="forget gate f")
    last = widget.named[-1]
    page.locator("select").nth(1).select_option(index=len(widget.named) - 1)
    widget.unit, widget.quantity = last["unit"], last["quantity"]
    check(page, widget)
    nameless = next(k for k in range(9) if k not in [e["unit"] for e in widget.named]) if len(widget.named) < 9 else None
    if nameless is not None:
        page.locator("select").nth(1).select_option(label=f"{nameless} · reacts {number(widget.reactions()[nameless].item())}")
        assert page.get_by_text(f"Unit {nameless}: none of the features that were tried is close to it.").is_visible()


def test_keys_and_clicks_move_along_the_text(show):
    widget = microscope(6, position=3)
    page = show(widget).page
    text = page.get_by_role("img")
    text.focus()
    for key, position in (("ArrowRight", 4), ("ArrowLeft", 3), ("ArrowLeft", 2), ("End", 17), ("ArrowRight", 17), ("Home", 0), ("ArrowLeft", 0), ("a", 0)):
        page.keyboard.press(key)
        widget.position = position
        check(page, widget)
        assert page.locator(".u-here").count() == 1 and page.get_by_label("position").input_value() == str(position)
    assert text.get_attribute("aria-label").startswith("The text, coloured by hidden state h of unit")
    text.locator("span").nth(9).click()
    widget.position = 9
    check(page, widget)
    page.get_by_label("position").focus()
    page.keyboard.press("ArrowRight")
    widget.position = 10
    check(page, widget)
    page.wait_for_function("() => [...document.querySelectorAll('[role=status]')].some(e => e.textContent.startsWith('Character 11'))")
    text.locator("span").nth(2).hover()
    page.mouse.down()
    text.locator("span").nth(6).hover()
    page.mouse.up()
    widget.position = 6
    check(page, widget)


def test_it_goes_on(show):
    widget = microscope(6)
    page = show(widget).page
    written, temperature, top = page.locator("b"), page.get_by_label("temperature"), page.get_by_label("top-k")
    set_to = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }"
    first = written.text_content()
    assert len(first) == 120
    page.get_by_role("button", name="Draw again").click()
    assert written.text_content() != first
    temperature.evaluate(set_to, "0")
    greedy, ids = written.text_content(), ALPHABET.encode(TEXT).tolist()
    with torch.no_grad():
        for character in greedy[:40]:
            token = widget.model(torch.tensor(ids)[:, None])[0][-1, 0].argmax().item()
            assert widget.tokens[token] == character
            ids.append(token)
    temperature.evaluate(set_to, "2")
    assert written.text_content() != greedy
    top.evaluate(set_to, "1")                            # among one there is no choice
    assert written.text_content() == greedy
    page.wait_for_function("text => [...document.querySelectorAll('[role=status]')].some(e => e.textContent === 'With seed 2 it goes on: ' + text)", arg=greedy)
    page.get_by_role("button", name="Add it to the text").click()
    assert page.locator("textarea").input_value() == TEXT + greedy
    widget.text = TEXT + greedy
    widget.position = len(widget.read) - 1
    check(page, widget)


def test_bad_input_is_said_in_words(show):
    widget = microscope(6)
    page = show(widget).page
    field, complaint = page.locator("textarea"), page.locator(".u-complaint")
    assert not complaint.is_visible()
    field.fill("")
    assert complaint.inner_text() == "The text is empty. Type a few words."
    assert page.locator("[role=img] span").count() == 0 and page.locator(".u-said").inner_text() == ""
    assert page.get_by_role("button", name="Draw again").is_disabled()
    field.fill("42 ☃")
    assert "no letters in this text" in complaint.inner_text()
    field.fill("<b>it</b> has")
    widget.text = "<b>it</b> has"
    widget.position = len(widget.read) - 1
    check(page, widget)
    field.fill("it has the " * 300)
    assert complaint.inner_text() == "The text has 3300 characters; the first 2500 are read."
    assert page.locator("[role=img] span").count() == 2500
    field.fill(TEXT)
    widget.text = TEXT
    widget.position = len(TEXT) - 1
    check(page, widget)
    assert not complaint.is_visible()


def test_a_long_text_scrolls_to_its_position_and_the_page_stays(show):
    page = show(microscope(6, text="it has the machine and all the time " * 40, position=0)).page
    text = page.get_by_role("img")
    text.focus()
    before = page.evaluate("scrollY")
    page.keyboard.press("End")
    inside = "e => { const [a, b] = [e.querySelector('.u-here').getBoundingClientRect(), e.getBoundingClientRect()]; return a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"
    assert text.evaluate(inside) and text.evaluate("e => e.scrollTop") > 100 and page.evaluate("scrollY") == before
    page.keyboard.press("Home")
    assert text.evaluate(inside)


def test_what_is_out_of_sight_is_coloured_after_the_answer(show):
    widget = microscope(6, text="it has the machine and all the time " * 60, position=0)
    page = show(widget).page
    choose = """k => { const select = document.querySelector('select'); select.selectedIndex = k; select.dispatchEvent(new Event('change'));
      return [...document.querySelectorAll('[role=img] div')].map(slice => slice.className); }"""
    every = "name => [...document.querySelectorAll('[role=img] div')].every(slice => slice.className === name)"
    page.wait_for_function(every, arg="u-signed")
    assert page.evaluate(choose, 1) == ["u-f"] * 4 + ["u-signed"] * 14
    page.wait_for_function(every, arg="u-f")
    widget.quantity = "F"
    check(page, widget)
    page.evaluate(f"""() => {{ ({choose})(0); const field = document.querySelector('textarea'); field.value = '';
      field.dispatchEvent(new Event('input')); }}""")     # what was still to be coloured is gone
    page.wait_for_timeout(50)
    page.locator("textarea").fill("it has")
    widget.text, widget.quantity, widget.position = "it has", "I", 5
    check(page, widget)


@pytest.mark.parametrize("spoil, words", [
    (lambda widget: widget.set_trait("weights", widget.weights[:-2]), "weights, got"),
    (lambda widget: widget.set_trait("weights", b"\x00\x7e" * (len(widget.weights) // 2)), "W_xi holds a number that is not finite"),
    (lambda widget: widget.set_trait("sizes", [N]), "the model has no layer"),
])
def test_a_damaged_model_is_said_in_words(show, spoil, words):
    widget = microscope(6)
    spoil(widget)
    page = show(widget).page
    assert "This widget cannot be shown: " in page.locator("[role=alert]").last.inner_text()
    assert words in page.locator("[role=alert]").last.inner_text()
