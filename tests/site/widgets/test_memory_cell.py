"""The memory cell, moved in a browser, against the same cell in Python."""
import re

import pytest
import torch

from unrolled.equations import LSTM_PARAMETERS, parameter_shapes
from unrolled.widgets import MemoryCell
from unrolled.widgets.memory_cell import PRESETS

NAMES = ["I", "F", "O", "C_tilde", "C", "H"]
CHALLENGE = "challenge: hold for 50 steps"
RUN = """async ([esm, cells]) => {
  const module = await import(URL.createObjectURL(new Blob([esm], {type: 'text/javascript'})));
  return cells.map(cell => module.trajectory(cell).map(step => Object.fromEntries(
    ['I', 'F', 'O', 'C_tilde', 'C', 'H'].map(name => [name, [...step[name]]]))));
}"""


def random_cell(width: int, units: int, steps: int, seed: int, interventions=()) -> MemoryCell:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return 2 * torch.randn(shape, generator=draw, dtype=torch.float64)

    parameters = {name: normal(*shape) for name, shape in parameter_shapes(LSTM_PARAMETERS, width, units).items()}
    return MemoryCell(parameters, normal(steps, width), (normal(units), normal(units)), interventions=interventions)


def true_minus(text: str) -> str:
    return text.replace("−", "-")


def fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def control(page, label: str):
    """The slider, list or field with exactly this label."""
    return page.locator(".u-control", has=page.locator(f".u-label:text-is('{label}')")).locator("input, select, textarea").first


def move(page, label: str, value):
    control(page, label).evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value))


def results(page) -> list[str]:
    return [true_minus(text) for text in page.locator(".u-result").all_inner_texts()]


def wires(page) -> dict[str, str]:
    return {node.get_attribute("data-number"): true_minus(node.text_content()) for node in page.locator(".u-number").all()}


def expected(cell: MemoryCell, step: int, unit: int) -> dict[str, str]:
    """What stands on the wires, from Python."""
    v = {name: value[step, unit].item() for name, value in cell.values.items()}
    state, _ = list(cell._run())[step]
    before = state["C"][0, unit].item()
    wires = {"c-before": before, "kept": v["F"] * before, "c": v["C"], "written": v["I"] * v["C_tilde"], "f": v["F"],
             "i": v["I"], "o": v["O"], "c-tilde": v["C_tilde"], "h": v["H"], "tanh": torch.tensor(v["C"]).tanh().item()}
    wires |= {f"h-before-{k}": h for k, h in enumerate(state["H"][0].tolist())}
    return {name: fixed(value, 2) for name, value in wires.items()} | {
        "x": ",  ".join(fixed(value, 2) for value in cell.inputs[step])}


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, theme, width, reduced):
    torch.manual_seed(0)
    watched = show(random_cell(3, 4, 6, 0), theme, width, reduced)
    watched.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert sweep(watched.page) >= 4 * (3 + 4 + 1) + 3 + 4 + 1 + 1 + 2      # weights, state, scrubber, lists
    assert not watched.axe() and not watched.overflow()


@pytest.mark.parametrize("preset", [PRESETS, ""], ids=["challenge", "own"])
def test_narrow_and_complete(show, preset):
    """At 360 pixels nothing is wider than the page and no number is small."""
    watched = show(MemoryCell(preset=CHALLENGE) if preset else random_cell(3, 4, 60, 1), "dark", 360)
    assert not watched.axe() and not watched.overflow()
    sizes = watched.page.evaluate("[...document.querySelectorAll('.unrolled svg text')].filter(t => t.textContent).map(t => "
                                  "parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)")
    numbers = watched.page.evaluate("document.querySelector('.u-number').getScreenCTM().a * 16")
    assert numbers >= 10 and min(sizes) > 9                        # the drawing's own words are a little smaller


def test_javascript_equals_python_to_twelve_digits(show):
    cells = [random_cell(width, units, 12, 10 * width + units, [[3, "C", units - 1, -1.5], [7, "H", 0, 0.25]])
             for width in (1, 2, 3) for units in (1, 2, 4)] + [MemoryCell(preset=name) for name in PRESETS]
    page = show(MemoryCell()).page
    plain = [cell.get_state(["parameters", "inputs", "state", "interventions"]) for cell in cells]
    for cell, run in zip(cells, page.evaluate(RUN, [MemoryCell._esm, plain])):
        for name, value in cell.values.items():
            got = torch.tensor([step[name] for step in run], dtype=torch.float64)
            assert (got - value).abs().max() < 1e-12


def test_the_table_of_the_page_to_the_last_digit(show):
    page = show(MemoryCell()).page
    assert results(page) == ["0.0474", "0.9526", "0.1192", "0.4621", "1.9271", "0.1143"]
    assert wires(page) == expected(MemoryCell(), 0, 0) | {"h-before-2": "", "h-before-3": ""}
    control(page, "shown").select_option("unit 2")
    assert results(page) == ["0.9526", "0.0474", "0.8808", "0.9051", "0.8148", "0.5921"]
    assert page.locator("caption").inner_text() == "Unit 2, step 1 in numbers"
    assert "Unit 2 keeps 5 % of −1.00 and writes 95 % of 0.91: now it holds 0.81." in page.locator(".u-said").inner_text()
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.startsWith('Unit 2')")


def test_every_step_of_every_unit_says_what_python_computes(show):
    cell = random_cell(2, 3, 9, 5)
    page = show(cell).page
    for unit in range(3):
        control(page, "shown").select_option(f"unit {unit + 1}")
        for step in (0, 4, 8):
            move(page, "step", step)
            assert results(page) == [fixed(cell.values[name][step, unit].item(), 4) for name in NAMES]
            assert wires(page).items() >= expected(cell, step, unit).items()


def test_a_slider_moves_what_depends_on_it_and_only_that(show):
    page = show(MemoryCell()).page

    def moved(label, value):
        move(page, label, value)
        return {node.get_attribute("data-number") for node in page.locator(".u-moved").all()}

    after = {"c", "tanh", "h"}
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert moved("bias b_o", 6) == {"o", "h"}                      # open, so that all that follows is shown
    assert moved("previous c₁", 1) == {"c-before", "kept"} | after
    assert moved("bias b_f", 0) == {"f", "kept"} | after
    assert moved("bias b_i", 2) == {"i", "written"} | after
    assert moved("bias b_c", -2) == {"c-tilde", "written"} | after
    assert moved("previous h₂", 0.5) == {"h-before-1", "c-tilde", "written"} | after       # only the input node reads the neighbour
    assert moved("previous h₂", -0.5) == set()                     # back where it was taken
    assert moved("input x", 0) == {"x", "i", "o", "c-tilde", "written"} | after            # W_xf of unit 1 is 0
    control(page, "shown").select_option("unit 2")
    assert page.locator(".u-moved").count() == 0


def test_a_state_set_by_hand_and_taken_back(show):
    page = show(MemoryCell(preset="keep the first token", step=5)).page
    by_itself = wires(page)
    assert not page.get_by_text("Undo what was set by hand").is_visible()
    move(page, "previous c", 2)
    assert "Set by hand: c = 2.00 before step 6." in page.locator("main").inner_text()
    cell = MemoryCell(preset="keep the first token", interventions=[[5, "C", 0, 2]])
    for step in (5, 6, 19, 4):
        move(page, "step", step)
        assert wires(page).items() >= expected(cell, step, 0).items()
    assert page.locator(".u-hand").count() == 3                    # a line in each chart
    move(page, "step", 5)
    page.get_by_text("Undo what was set by hand").focus()
    page.keyboard.press("Enter")
    assert wires(page) == by_itself and not page.get_by_text("Undo what was set by hand").is_visible()
    move(page, "step", 0)
    move(page, "previous c", -2)                                   # where the run begins, and no intervention
    assert wires(page)["c-before"] == "-2.00" and not page.get_by_text("Undo what was set by hand").is_visible()


def test_by_keyboard(show):
    page = show(MemoryCell(preset="reset")).page
    control(page, "value x₁").focus()
    page.keyboard.press("ArrowRight")
    assert wires(page)["x"] == "0.55,  0.00"
    control(page, "step").focus()
    page.keyboard.press("End")
    assert page.locator("caption").inner_text() == "Step 20 in numbers"
    page.get_by_role("button", name="Back", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("caption").inner_text() == "Step 19 in numbers"
    summary = page.locator("summary", has_text="forget gate f")
    summary.focus()
    page.keyboard.press("Enter")
    control(page, "bias b_f").focus()
    page.keyboard.press("ArrowLeft")
    assert "score = −12.00 · 0.00 + 5.90 = 5.90" in page.locator("main").inner_text()
    page.get_by_role("button", name="Start again").focus()
    page.keyboard.press("Space")
    assert results(page)[1] == fixed(MemoryCell(preset="reset").values["F"][0, 0].item(), 4)


def test_it_plays_when_told_and_only_then(show):
    page = show(MemoryCell(preset="reset")).page
    page.wait_for_timeout(600)
    assert page.locator("caption").inner_text() == "Step 1 in numbers"
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('caption').textContent === 'Step 3 in numbers'")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(600)
    assert page.locator("caption").inner_text() == "Step 3 in numbers"
    box = page.locator(".u-charts svg").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * (420 - 46) / 420, box["y"] + box["height"] / 2)
    assert page.locator("caption").inner_text() == "Step 20 in numbers"


def test_a_sequence_is_typed(show):
    page = show(MemoryCell()).page
    assert not page.locator(".u-player").is_visible()              # one step has no strip
    page.locator("summary", has_text="the input sequence").click()
    control_ = page.locator("textarea")
    assert control_.input_value() == "1"
    control_.fill("1, 0.5 −1\n0")
    assert page.locator(".u-player").is_visible() and page.locator(".u-complaint").is_hidden()
    cell = MemoryCell(inputs=[[1], [0.5], [-1], [0]])
    for step in range(4):
        move(page, "step", step)
        assert wires(page).items() >= expected(cell, step, 0).items()
    for text, words in (("1 two", "“two” is not a number"), ("", "needs at least one number"), ("0 " * 61, "has 61 numbers"),
                        ("nan", "“nan” is not a number"), ("9999", "too far out"), ("<b>1</b>", "“<b>1</b>” is not a number")):
        control_.fill(text)
        assert words in page.locator(".u-complaint").inner_text()
        assert wires(page).items() >= expected(cell, 3, 0).items()     # the last good sequence stays
    control_.fill("2")
    assert page.locator(".u-complaint").is_hidden() and wires(page)["x"] == "2.00"
    control(page, "example").select_option("reset")
    fields = page.locator("textarea")
    assert fields.count() == 2 and fields.nth(0).input_value().startswith("0.5 0.3 0.4")
    fields.nth(1).fill("0 1")
    assert "There are 20 numbers of value and 2 of cue." in page.locator(".u-complaint").inner_text()


def test_the_challenge_says_how_far_one_is_and_is_won(show):
    page = show(MemoryCell()).page
    control(page, "example").select_option(CHALLENGE)
    said = page.locator(".u-said")
    assert page.locator("caption").inner_text() == "Step 50 in numbers"

    def told(b_i, b_f):
        move(page, "bias of i", b_i)
        move(page, "bias of f", b_f)
        c = MemoryCell({**PRESETS[CHALLENGE]["parameters"], "b_i": [b_i], "b_f": [b_f]}, preset=CHALLENGE).values["C"][:, 0]
        text = true_minus(said.inner_text())
        if c[0] >= 0.5:
            held = re.search(r"Step 1 wrote (\S+), step 50 holds (\S+): (-?\d+) % of it", text)
            assert held.groups() == (fixed(c[0].item(), 2), fixed(c[-1].item(), 2), fixed(100 * (c[-1] / c[0]).item(), 0))
        assert ("Done" in text) == bool(c[0] >= 0.5 and (c / c[0] - 1).abs().max() <= 0.05)
        return text

    assert "Look at the bias of the forget gate" in said.inner_text()
    assert "Look at the bias of the forget gate" in told(-8, 4)
    assert "Look at the bias of the input gate" in told(-2, 9)
    assert "Step 1 wrote only 0.38" in told(-10, 9)
    assert "✓ Done." in told(-8, 8)
    assert "u-done" in said.get_attribute("class")
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.includes('Done')")
    page.get_by_role("button", name="Start again").click()
    assert "Done" not in said.inner_text() and "u-done" not in said.get_attribute("class")


def test_a_cell_that_cannot_be_shown_says_so(show):
    cell = MemoryCell()
    del cell.parameters["b_f"]                                     # as a damaged page might lack it
    page = show(cell).page
    assert "This widget cannot be shown: the layer lacks b_f" in page.locator("main").inner_text()


def test_two_cells_and_the_static_drawing_share_a_page(show):
    """No id of the drawing comes into the page."""
    page = show(MemoryCell()).page
    assert page.locator(".unrolled [id]").count() == 0 and page.locator(".unrolled style").count() == 0
