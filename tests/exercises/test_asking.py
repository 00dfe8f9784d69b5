"""What a learner calls: by value, from the notebook, by button; and what it leaves alone."""
import random
import re
import time
from types import SimpleNamespace

import numpy
import pytest
import torch

from unrolled.exercises import asking, check, code, enter, get, hint, names, progress, show, solution
from unrolled.exercises.asking import Feedback, rendered
from unrolled.exercises.specification import Exercise, defined


@pytest.fixture(autouse=True)
def nothing_done(monkeypatch):
    monkeypatch.setattr(asking, "_hints", {})
    monkeypatch.setattr(asking, "_done", set())


@pytest.fixture
def notebook(monkeypatch):
    """The variables of a notebook."""
    variables = {}
    monkeypatch.setattr(asking, "get_ipython", lambda: SimpleNamespace(user_ns=variables))
    return variables


def right():
    return defined(get("gates").solution, ("gates",))[0]


def from_cell(source):
    return defined("import torch\n" + source, ("gates",))[0]


# Check

def test_a_right_answer_by_value():
    feedback = check("gates", right())
    assert feedback == Feedback(True, "Values and gradients agree on 5 random shapes.")
    assert str(feedback) == repr(feedback) == "Right. Values and gradients agree on 5 random shapes."


def test_a_wrong_answer_by_value():
    feedback = check("gates", lambda X, H, p: right()(X, H, p)[::-1])
    assert not feedback.passed and str(feedback).startswith("Not yet. The input gate I is wrong at example 0, unit 0: expected ")


def test_the_notebooks_own_names(notebook):
    notebook["gates"] = right()
    assert check("gates").passed
    del notebook["gates"]
    assert str(check("gates")) == ("Not yet. There is no `gates` yet: run the cell that defines it, then check again. "
                                   'Outside of a notebook hand it over: `check("gates", gates)`.')


def test_outside_of_a_notebook_there_are_no_names():
    assert asking.get_ipython() is None and "There is no `gates` yet" in check("gates").message


def test_an_open_part_is_invited():
    feedback = check("gates", defined(get("gates").start, ("gates",))[0])
    assert str(feedback).startswith("Not yet. This part is still open: put your own code where the `...` stands")
    assert "This part is still open" in check("gates", ...).message
    assert "This part is still open" in check("gates", from_cell("def gates(X, H, p):\n    return ... @ X\n")).message


@pytest.mark.parametrize("ask", [check, hint, solution, show, get])
def test_an_unknown_name_is_answered_with_those_there_are(ask):
    with pytest.raises(ValueError, match=re.escape(f"there is no exercise 'gate'; there are {', '.join(names())}")):
        ask("gate")


def test_another_number_of_answers_is_refused():
    with pytest.raises(ValueError, match="the exercise 'gates' asks for gates, got 2 values"):
        check("gates", right(), 3)


def test_the_order_of_the_first_exercises():
    assert names()[:7] == ["gates", "node", "state", "hidden", "step", "loop", "weights"]


# A learner's code, as it comes

def quickly(monkeypatch, seconds=0.3):
    monkeypatch.setattr(asking, "get", lambda name: SimpleNamespace(**vars(get(name)) | {"seconds": seconds, "examine": get(name).examine}))


def test_code_that_hangs_is_stopped_and_the_kernel_goes_on(monkeypatch):
    quickly(monkeypatch)
    start = time.perf_counter()
    feedback = check("gates", from_cell("def gates(X, H, p):\n    while True:\n        pass\n"))
    assert time.perf_counter() - start < 30
    assert not feedback.passed and "still running after 0.3 seconds, and was stopped" in feedback.message
    monkeypatch.undo()
    assert check("gates", right()).passed


def test_what_it_prints_is_shown_and_shortened():
    def talks(X, H, p):
        for k in range(1000):
            print("line", k)
        return right()(X, H, p)

    feedback = check("gates", talks)
    assert feedback.passed and str(feedback).startswith("Your code printed:\nline 0\nline 1\n")
    assert "and much more, which is left out here)\n\nRight. Values" in str(feedback) and len(str(feedback)) < 400
    assert "printed" not in str(Feedback(True, "So it is.", " \n"))


def test_what_it_raises_comes_with_its_line():
    feedback = check("gates", from_cell("def gates(X, H, p):\n    I = X @ p['W_xi']\n    return I, p['W_xg'], I\n"))
    assert feedback.message.startswith("Your code stopped with KeyError ('W_xg') in line 4") and "Traceback" not in str(feedback)


@pytest.mark.parametrize("returned, sentence", [
    ("None", "`gates` should return 3 things (The input gate I, The forget gate F, The output gate O), and returns None"),
    ("X, H", "and returns a tuple of 2."),
    ("X.tolist(), H, H", "The input gate I should be a tensor of floating numbers, and is a list of 1."),
    ("H, H, torch.sigmoid", "The output gate O should be a tensor of floating numbers, and is a builtin_function_or_method."),
])
def test_a_result_of_the_wrong_kind_is_told(returned, sentence):
    assert sentence in check("gates", from_cell(f"def gates(X, H, p):\n    return {returned}\n")).message


def test_nothing_of_the_learners_is_changed(monkeypatch):
    """Not the random generators, and not the objects, although the code draws and writes wherever it can."""
    class Changing(Exercise):
        def examine(self, layer, numbers, text):
            for array in (layer.weight.data, numbers["a"]):
                array += 1
            numbers["b"] = 3
            random.random(), numpy.random.rand(), torch.rand(1)
            return f"{text} is fine."

    gates = get("gates")
    exercise = Changing(**{name: getattr(gates, name) for name in Exercise.__dataclass_fields__} | {"answers": ("layer", "numbers", "text")})
    monkeypatch.setitem(asking.everything(), "gates", exercise)
    layer, numbers = torch.nn.Linear(2, 2), {"a": numpy.zeros(3)}
    weight = layer.weight.detach().clone()
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(5)
    assert check("gates", layer, numbers, "It").message == "It is fine."
    after = random.random(), numpy.random.rand(), torch.rand(1).item()
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(5)
    assert after == (random.random(), numpy.random.rand(), torch.rand(1).item())
    assert torch.equal(layer.weight, weight) and set(numbers) == {"a"} and not numbers["a"].any()


def test_code_that_draws_leaves_the_generators_where_they_stood():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check("gates", from_cell("def gates(X, H, p):\n    torch.manual_seed(9)\n    return torch.rand(3), H, H\n"))
    assert torch.equal(torch.rand(3), expected)


# Hints, solution, progress

def test_hints_grow_and_stay_at_the_last():
    said = [hint("gates") for _ in range(4)]
    assert [text.split(".")[0] for text in said] == ["**Hint 1 of 3", "**Hint 2 of 3", "**Hint 3 of 3", "**Hint 3 of 3"]
    for text, own in zip(said, get("gates").hints):
        assert text.endswith(own)
    assert hint("node").startswith("**Hint 1 of 3.**")
    assert repr(said[0]) == str(said[0]) == said[0]._repr_markdown_() != repr(str(said[0]))


def test_a_solution_comes_with_its_explanation():
    text = solution("gates")
    assert text.startswith("```python\nimport torch") and text.endswith(get("gates").explanation.strip())


def test_progress_goes_out_and_comes_in():
    assert code() == progress.encode(set(), names())
    check("gates", right())
    check("node", lambda X, H, p: X)                             # wrong
    mine = code()
    assert progress.decode(mine, names()) == {("gates", "check")}
    pages = progress.encode({("gates", "question"), ("step", "question")}, names())
    everything = enter(pages.lower())
    assert everything == code()
    assert progress.decode(everything, names()) == {("gates", "check"), ("gates", "question"), ("step", "question")}
    with pytest.raises(ValueError, match="there is a slip in the progress code"):
        enter(pages[:-1] + ("2" if pages[-1] != "2" else "3"))
    assert code() == everything


# Buttons

def test_buttons_do_the_same(notebook):
    buttons, said = show("gates").children
    check_button, hint_button, solution_button = buttons.children
    assert [button.description for button in buttons.children] == ["Check", "Hint", "Solution"] and said.value == ""
    check_button.click()
    assert "There is no <code>gates</code> yet" in said.value and 'role="status"' in said.value
    notebook["gates"] = right()
    check_button.click()
    assert "Right. Values and gradients agree" in said.value
    hint_button.click()
    assert "<strong>Hint 1 of 3.</strong> Begin with one gate." in said.value
    hint_button.click()
    assert "Hint 2 of 3." in said.value and "<code>X @ p[&quot;W_xi&quot;]</code>" in said.value
    solution_button.click()
    assert "Press once more" in said.value and "<pre>" not in said.value
    solution_button.click()
    assert "<pre>import torch\n\ndef gates(X, H, p):" in said.value and "All three read the same two things" in said.value
    show("gates").children[0].children[2].click()               # other buttons begin anew
    solution_button.click()
    assert "<pre>" in said.value


def test_what_is_shown_is_never_read_as_markup(notebook):
    def gates(X, H, p):
        print("<img src=x onerror=alert(1)> `<b>`")
        raise ValueError("<script>")

    notebook["gates"] = gates
    buttons, said = show("gates").children
    buttons.children[0].click()
    assert not re.search(r"<(?!/?(div|code|strong|pre)\b)", said.value)
    assert "&lt;img" in said.value and "(&lt;script&gt;)" in said.value


def test_a_little_markdown_becomes_html():
    assert rendered("**Hint.** Take `a < b`.\n") == ('<div style="white-space:pre-wrap"><strong>Hint.</strong> Take '
                                                     '<code>a &lt; b</code>.</div>')
    assert rendered("```python\na = `<b>` ** 2 ** 3\n```\n\nAnd so on.") == (
        '<pre>a = `&lt;b&gt;` ** 2 ** 3</pre><div style="white-space:pre-wrap">And so on.</div>')
