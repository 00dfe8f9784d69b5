"""Every question of the book, answered rightly and wrongly in a browser, by keyboard alone."""
import re

import pytest

from unrolled.exercises import get, names
from unrolled.widgets import Question

ALL = [get(name) for name in names()]


def submit(page):
    page.get_by_role("button", name="Check", exact=True).focus()
    page.keyboard.press("Enter")
    return page.locator(".u-said").inner_text()


def tries(question):
    """(how to answer, what is then said) for each wrong answer that has words of its own, and at last the right one."""
    kind = question["kind"]
    if kind == "number":
        for wrong in question["wrong"]:
            yield (wrong["from"] + wrong["to"]) / 2, f"Not yet. {wrong['say']}"
        yield question["answer"] + 1e9, f"Not yet. {question['otherwise']}"
        yield question["answer"], f"Right. {question['right']}"
    if kind == "choice":
        for k, option in sorted(enumerate(question["options"]), key=lambda pair: bool(pair[1].get("right"))):
            yield k, f"{'Right' if option.get('right') else 'Not yet'}. {option['say']}"
    if kind == "order":
        right = [item["text"] for item in question["items"]]
        for k, item in enumerate(question["items"][1:], 1):
            order = [item["text"], *(text for text in right if text != item["text"])]
            yield order, f"Not yet. Place 1: {item['say']}"
        yield right, f"Right. {question['right']}"
    if kind == "drawing":
        middle = [(band["low"] + band["high"]) / 2 for band in question["bands"]]
        for wrong in question["wrong"]:
            step = wrong["steps"][0] - 1
            band = question["bands"][step]
            off = question["low"] if band["low"] > question["low"] else question["high"]
            yield [*middle[:step], off, *middle[step + 1:]], f"Not yet. Step {step + 1}: {wrong['say']}"
        yield middle, f"Right. {question['right']}"


def answer(page, question, value):
    """Give an answer by keyboard."""
    kind = question["kind"]
    if kind == "number":
        page.get_by_label("your answer").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(f"{value:.12g}")
    if kind == "choice":
        radios = page.get_by_role("radio").all()
        (next((radio for radio in radios if radio.is_checked()), radios[0])).focus()
        page.keyboard.press("Space")
        for _ in radios:
            if radios[value].is_checked():
                break
            page.keyboard.press("ArrowDown")
    if kind == "order":
        for place, text in enumerate(value):
            while (at := [item.inner_text().split("\n")[0].strip() for item in page.locator(".u-order span").all()].index(text)) > place:
                page.locator(".u-order li").nth(at).get_by_role("button", name=re.compile("^Up")).focus()
                page.keyboard.press("Enter")
    if kind == "drawing":
        for slider, wanted in zip(page.locator("input[type=range]").all(), value):
            slider.focus()
            page.keyboard.press("Home")
            for _ in range(round((wanted - question["low"]) / question["step"])):
                page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.name)
def test_every_answer_gets_its_words(exercise, show):
    page = show(Question(exercise.question, exercise.name, exercise.title), reduced_motion=True).page
    assert not page.locator(".u-done").is_visible()
    said = ""
    for value, expected in tries(exercise.question):
        answer(page, exercise.question, value)
        said = submit(page)
        assert said == expected
    assert said.startswith("Right.") and page.locator(".u-done").is_visible()
    page.reload()
    page.wait_for_selector(".unrolled")
    assert page.locator(".u-done").is_visible()                  # remembered


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 360)])
def test_every_kind_is_within_reach(show, sweep, theme, width):
    kinds = {exercise.question["kind"]: exercise for exercise in ALL}
    for exercise in kinds.values():
        watched = show(Question(exercise.question, exercise.name, exercise.title), theme, width, True)
        sweep(watched.page)
        assert not watched.axe() and not watched.overflow()


def test_nothing_given_is_asked_for(show):
    kinds = {exercise.question["kind"]: exercise for exercise in ALL}
    page = show(Question(kinds["number"].question, "n", "n")).page
    assert submit(page) == "Not yet. Type a number first."
    answer_field = page.get_by_label("your answer")
    answer_field.fill("<i>abc</i>")
    assert submit(page) == 'Not yet. "<i>abc</i>" is not a number that I can read.' and page.locator(".unrolled i").count() == 0
