"""A function is compared with its reference: shape, value, gradient; and the mistake it makes is known by what it does."""
import dataclasses

import pytest
import torch

from unrolled.equations import LSTM_PARAMETERS, lstm_step
from unrolled.exercises import get
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.functions import FunctionExercise, alike, fresh, leaves, planted
from unrolled.exercises.specification import Mistake
from unrolled.layers.parameters import from_torch


def cases(generator):
    for n in (1, 2, 3):
        A, B = (torch.randn(n, 2, generator=generator, dtype=torch.float64) for _ in range(2))
        yield A, {"B": B, "times": 3}


BOTH = FunctionExercise(
    name="both", title="", page="", statement="", start="", hints=("", "", ""), solution="", explanation="", otherwise="", question={},
    minutes=1, difficulties="", marking=(), answers=("both",), arguments=("A", "p"), results=("The sum", "The product"),
    reference=lambda A, p: (A + p["B"], A * p["B"]), cases=cases,
    mistakes=(
        Mistake("swapped", "def both(A, p):\n    return A * p['B'], A + p['B']\n", "They are swapped."),
        Mistake("transposed", "def both(A, p):\n    return A + p['B'].T, A * p['B'].T\n", "B is transposed."),
        Mistake("squared", "def both(A, p):\n    return A + p['B'], A * A\n", "This is A squared."),
        Mistake("no B", "def both(A, p):\n    return A + p['C'], A * p['C']\n", "It is called B."),
    ))


def told(function, exercise=BOTH):
    with pytest.raises(Wrong) as wrong:
        exercise.examine(function)
    return str(wrong.value)


# The pieces

def test_leaves_are_the_floating_tensors_with_their_places():
    A, B = torch.zeros(2), torch.ones(1)
    assert leaves({"x": (A, 3), "y": [{"z": B}], "n": torch.tensor([1])}, "p") == [("p['x'][0]", A), ("p['y'][0]['z']", B)]
    assert leaves(A, "A") == [("A", A)] and leaves("text") == []


def test_fresh_values_are_others_and_equal():
    value = {"x": (torch.ones(2), 3), "n": [torch.tensor([1])]}
    copy = fresh(value)
    assert copy["x"][0].requires_grad and not copy["n"][0].requires_grad and copy["x"][1] == 3
    assert isinstance(copy["x"], tuple) and torch.equal(copy["x"][0], value["x"][0]) and copy["x"][0] is not value["x"][0]


def test_planted_code_is_compiled_once():
    code = BOTH.mistakes[0].code
    assert planted(code, "both") is planted(code, "both")


def test_outcomes_are_alike_by_numbers_gradients_and_errors():
    A = torch.ones(2)
    assert alike(([A], {"x": A}), ([A.clone()], {"x": A}))
    assert not alike(([A], {"x": A}), ([A], {"x": 2 * A}))
    assert not alike(([A], {}), ([A.double()], {})) and not alike(([A], {}), ([A[None]], {}))
    assert alike((ValueError, "x"), (ValueError, "x")) and not alike((ValueError, "x"), (ValueError, "y"))
    assert not alike((ValueError, "x"), ([A], {}))


# Right

def test_what_is_right_is_praised_with_what_was_checked():
    for right in (BOTH.reference, lambda A, p: [p["B"] + A, p["B"].mul(A)]):
        assert BOTH.examine(right) == "Values and gradients agree on 3 random shapes."
    values = dataclasses.replace(BOTH, differentiable=False)
    assert values.examine(lambda A, p: ((A + p["B"]).detach(), (A * p["B"]).detach())) == "Values agree on 3 random shapes."


# Wrong, in words

@pytest.mark.parametrize("function, sentence", [
    (3, "`both` should be a function, and is an int."),
    (lambda A, p: None, "`both` should return 2 things (The sum, The product), and returns None (does the function end with a `return`?)."),
    (lambda A, p: A, "`both` should return 2 things (The sum, The product), and returns a float64 tensor of shape (1, 2)."),
    (lambda A, p: (A, A, A), "`both` should return 2 things (The sum, The product), and returns a tuple of 3."),
    (lambda A, p: (A + p["B"], 1.0), "The product should be a tensor of floating numbers, and is a float."),
    (lambda A, p: (A > 0, A), "The sum should be a tensor of floating numbers, and is a bool tensor of shape (1, 2)."),
    (lambda A, p: (A + p["B"], ...), "The product is still open: put your own code where its `...` stands."),
    (lambda A, p: (A + p["B"], A.T), "The product should have shape (1, 2), and has (2, 1)."),
    (lambda A, p: ((A + p["B"]).float(), A), "The sum should be torch.float64 like the inputs, and is torch.float32."),
    (lambda A, p: ((A + p["B"]).detach(), (A * p["B"]).detach()),
     "The values are right, but no gradient can flow through your both: something in it leaves the graph"),
    (lambda A, p: (A + p["B"].detach(), A * p["B"].detach()), "The values are right, but the gradient with respect to p['B'] is not"),
    (lambda A: A, "Your code stopped with TypeError ("),
])
def test_the_first_difference_is_told(function, sentence):
    assert told(function).startswith(sentence)


def test_a_value_is_named_by_its_place():
    assert told(lambda A, p: (A + p["B"], A * p["B"] + 1)).startswith("The product is wrong at example 0, unit 0: expected ")


def in_place(A, p):
    A.data.add_(1)
    return A, A


def another_dictionary_entry(A, p):
    p["B"] = p["B"] * 1
    return A + p["B"], A * p["B"]


def an_entry_taken_out(A, p):
    B = p.pop("B")
    return A + B, A * B


@pytest.mark.parametrize("function, name", [(in_place, "A"), (another_dictionary_entry, "p['B']"), (an_entry_taken_out, "p['B']")])
def test_what_changes_its_arguments_is_told(function, name):
    assert told(function).startswith(f"Your function changes its argument {name} in place.")


@pytest.mark.parametrize("open_one", [..., lambda A, p: ... * A, lambda A, p: (_ for _ in ()).throw(NotImplementedError)])
def test_an_open_part_is_left_to_be_invited(open_one):
    with pytest.raises((NotImplementedError, TypeError)):
        BOTH.examine(open_one)


def test_torchs_own_not_implemented_is_an_error_like_any_other():
    def unsupported(A, p):
        raise NotImplementedError("no kernel for this")
    assert told(unsupported) == "Your code stopped with NotImplementedError (no kernel for this)."


# The mistake behind it

@pytest.mark.parametrize("function, words", [
    (lambda A, p: (torch.mul(A, p["B"]), torch.add(p["B"], A)), " They are swapped."),
    (lambda A, p: (A + p["B"], A ** 2), " This is A squared."),
    (lambda A, p: (A + p["B"].mT, p["B"].mT * A), " B is transposed."),     # (1, 2) and (2, 2) run, (3, 2) fails as the planted one does
    (lambda A, p: [p["C"]], " It is called B."),
])
def test_a_mistake_is_known_by_what_it_does(function, words):
    assert told(function).endswith(words)


@pytest.mark.parametrize("function", [
    lambda A, p: (A * p["B"], A + p["B"]) if len(A) < 3 else (A, A),         # swapped, but not always
    lambda A, p: (A + p["B"], A * A.detach()),                               # squared, but with another gradient
    lambda A, p: 1 / 0,                                                      # fails always, in a way of its own
])
def test_what_only_looks_like_a_mistake_is_not_called_by_its_name(function):
    assert not any(mistake.told in told(function) for mistake in BOTH.mistakes)


# A dictionary as the result

def test_results_in_a_dictionary():
    named = dataclasses.replace(BOTH, mapping=True, results=("sum", "product"), mistakes=(), reference=lambda A, p: {"sum": A + p["B"],
                                                                                                                  "product": A * p["B"]})
    assert named.examine(lambda A, p: {"product": A * p["B"], "sum": A + p["B"]}).startswith("Values and gradients agree")
    assert told(lambda A, p: {"sum": A}, named) == "What `both` returns lacks product."
    assert told(lambda A, p: [A, A], named) == "What `both` returns should be a dictionary with sum, product, and is a list of 2."
    assert told(lambda A, p: {"sum": A, "product": A}, named).startswith("sum is wrong at example 0, unit 0: expected ")


# The references are the package's own

def test_the_references_agree_with_the_package():
    for name, results in (("gates", lambda s: (s.I, s.F, s.O)), ("node", lambda s: s.C_tilde), ("step", lambda s: (s.H, s.C))):
        for X, H, C, p in get("step").cases(torch.Generator().manual_seed(3)):
            given = (X, H, C, p) if name == "step" else (X, H, p)
            torch.testing.assert_close(get(name).reference(*given), results(lstm_step(X, H, C, p)), rtol=0, atol=0)
    for X, H, C, p in get("step").cases(torch.Generator().manual_seed(3)):
        s = lstm_step(X, H, C, p)
        torch.testing.assert_close(get("state").reference(s.F, s.I, C, s.C_tilde), s.C, rtol=0, atol=0)
        torch.testing.assert_close(get("hidden").reference(s.O, s.C), s.H, rtol=0, atol=0)


@pytest.mark.parametrize("d, h", [(3, 2), (2, 5), (4, 4)])
def test_loop_and_weights_agree_with_pytorch(d, h):
    torch.manual_seed(d)
    layer = torch.nn.LSTM(d, h, dtype=torch.float64)
    p = get("weights").reference(dict(layer.named_parameters()))
    assert set(p) == set(LSTM_PARAMETERS)
    torch.testing.assert_close(p, {name: value for name, value in from_torch(layer).items()}, rtol=0, atol=0)
    X, H, C = torch.randn(6, 3, d, dtype=torch.float64), *torch.randn(2, 3, h, dtype=torch.float64)
    outputs, (last_H, last_C) = layer(X, (H[None], C[None]))
    torch.testing.assert_close(get("loop").reference(X, H, C, p), (outputs, last_H[0], last_C[0]))
