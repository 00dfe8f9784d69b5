"""A question is whole, says what it asks where no script runs, and does not give its answer away."""
import pytest

from unrolled.exercises import get, names
from unrolled.widgets import Question

NUMBER = {"kind": "number", "prompt": "How much is $1?", "answer": 0.5, "tolerance": 0.01, "right": "Yes.", "otherwise": "No.",
          "wrong": [{"from": 0.9, "to": 1.1, "say": "That is one."}]}
CHOICE = {"kind": "choice", "prompt": "Which?", "options": [{"text": "this", "say": "No."}, {"text": "that", "say": "Yes.", "right": True}]}
ORDER = {"kind": "order", "prompt": "In which order?", "right": "Yes.",
         "items": [{"text": text, "say": "No."} for text in ("first", "second", "third")]}
DRAWING = {"kind": "drawing", "prompt": "Draw it.", "quantity": "C", "low": 0, "high": 2, "step": 0.5, "start": 0, "right": "Yes.",
           "otherwise": "No.", "wrong": [{"steps": [1, 1], "say": "It climbs."}], "bands": [{"low": 1, "high": 1}, {"low": 0, "high": 0.2}]}
KINDS = [NUMBER, CHOICE, ORDER, DRAWING]


@pytest.mark.parametrize("question, words", [
    (NUMBER, "How much is $1?"),
    (CHOICE, "Which?\n  ( ) this\n  ( ) that"),
    (ORDER, "In which order?\n  - second\n  - first\n  - third"),
    (DRAWING, "Draw it."),
])
def test_where_no_script_runs_it_says_what_it_asks(question, words):
    widget = Question(question)
    assert widget.describe() == words == widget.picture().alt
    assert widget.picture().png.startswith(b"\x89PNG")


def test_name_title_and_answers_are_synchronised():
    widget = Question(NUMBER, "gates", "The gates")
    state = widget.get_state()
    assert (state["name"], state["title"], state["answer"], state["solved"]) == ("gates", "The gates", None, False)
    assert state["question"] == NUMBER and Question(CHOICE).title == "Which?"
    widget.set_state({"answer": "1/2", "solved": True})          # as the page does
    assert widget.answer == "1/2" and widget.solved


@pytest.mark.parametrize("question, changed, trouble", [
    (NUMBER, {"kind": "essay"}, "a question's kind is one of number, choice, order, drawing, not 'essay'"),
    (NUMBER, {"kind": None}, "not None"),
    (NUMBER, {"prompt": ...}, "the question '' lacks prompt"),
    (NUMBER, {"right": ..., "otherwise": ...}, r"the question 'How much is \$1\?' lacks otherwise, right"),
    (NUMBER, {"answer": 1.0}, r"the right answer 1.0 lies within a wrong range: \{'from': 0.9"),
    (CHOICE, {"options": [{"text": "this", "say": "No."}]}, "exactly one option of 'Which.' is right"),
    (CHOICE, {"options": [{"text": text, "say": "Yes.", "right": True} for text in "ab"]}, "exactly one option"),
    (ORDER, {"items": ORDER["items"][:1]}, "needs two items or more, all different"),
    (ORDER, {"items": ORDER["items"][:1] * 2}, "needs two items or more, all different"),
    (DRAWING, {"bands": [{"low": 0, "high": 0}] * 2}, "is right before anything was drawn"),
    (DRAWING, {"bands": [{"low": 1, "high": 1}, {"low": 1.6, "high": 1.9}]}, "no value of the drawing of 'Draw it.' is right at step 2"),
    (DRAWING, {"bands": [{"low": 2, "high": 2}, {"low": 2.5, "high": 2.5}]}, "right at step 2"),
])
def test_a_question_that_is_not_whole_is_refused(question, changed, trouble):
    broken = {part: value for part, value in (question | changed).items() if value is not ...}
    with pytest.raises(ValueError, match=trouble):
        Question(broken)


@pytest.mark.parametrize("name", names())
def test_no_question_gives_its_answer_away_before_it_is_asked(name):
    question = get(name).question
    shown = Question(question).describe()
    said = [question.get("right", ""), question.get("otherwise", ""), *(part["say"] for key in ("options", "items", "wrong")
                                                                        for part in question.get(key, []))]
    assert not any(words and words in shown for words in said)
    if question["kind"] == "order":
        texts = [item["text"] for item in question["items"]]
        assert [line.removeprefix("  - ") for line in shown.splitlines()[1:]] != texts
