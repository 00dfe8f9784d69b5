"""What is done is remembered by the browser, and a code carries it."""
import pytest

from unrolled.exercises import progress
from unrolled.widgets import ProgressBoard

EXERCISES = [{"name": name, "title": f"About {name}", "page": "memory-cell"} for name in ("gates", "node", "state")]
NAMES = [one["name"] for one in EXERCISES]
DONE = {("gates", "question"), ("state", "check")}


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 360)])
def test_nothing_is_hard_to_reach(show, sweep, theme, width):
    watched = show(ProgressBoard(EXERCISES), theme, width, True)
    assert sweep(watched.page) >= 3
    assert not watched.axe() and not watched.overflow()


def enter(page, code):
    page.get_by_label("a notebook's code").fill(code)
    page.keyboard.press("Enter")


def test_a_code_from_a_notebook_is_taken_over_and_survives_a_reload(show):
    page = show(ProgressBoard(EXERCISES)).page
    enter(page, progress.encode(DONE, NAMES).lower())
    assert page.locator(".u-said").inner_text() == "1 of 3 questions answered, 1 of 3 solutions checked."
    page.reload()
    page.wait_for_selector(".unrolled table")
    assert [cell.inner_text() for cell in page.locator("td").all()] == ["✓ done", "open", "open", "open", "open", "✓ done"]
    assert progress.decode(page.locator(".u-code").inner_text(), NAMES) == DONE         # and back


def test_a_damaged_code_is_refused_in_words_and_nothing_is_lost(show):
    page = show(ProgressBoard(EXERCISES)).page
    code = progress.encode(DONE, NAMES)
    enter(page, code)
    for damaged, said in ((code[:-1] + ("0" if code[-1] != "0" else "1"), "There is a slip in this code"),
                          ("", "This is not a progress code"), ("<b>?!</b>", "This is not a progress code"),
                          (progress.encode({("later", "check")}, [*NAMES, "more", "later"]), "knows more exercises")):
        enter(page, damaged)
        assert said in page.get_by_role("alert").inner_text()
        assert "1 of 3 questions answered, 1 of 3 solutions" in page.locator(".u-said").inner_text()


def test_forgetting_takes_two_presses(show):
    page = show(ProgressBoard(EXERCISES)).page
    enter(page, progress.encode(DONE, NAMES))
    page.get_by_role("button", name="Forget everything").click()
    assert "1 of 3 questions" in page.locator(".u-said").inner_text()
    page.get_by_role("button", name="Press once more").click()
    assert "0 of 3 questions" in page.locator(".u-said").inner_text()
