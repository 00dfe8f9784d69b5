"""Exercise 4: the bound against random cells, what keeps a cell from climbing, and the numbers of what breaks, by hand."""
import math

import pytest
import torch

from unrolled.equations import LSTM_PARAMETERS, lstm_step, parameter_shapes
from unrolled.exercises import check, get
from unrolled.exercises.specification import defined
from unrolled.exercises.tanh import FADES, HALF_KEPT, HALF_WRITTEN, SIGNS, UPSIDE_DOWN, WEAK, lost, right_breaks, turning


def solved(name):
    exercise = get(name)
    return defined(exercise.solution, exercise.answers)[0]


def test_no_cell_gets_beyond_the_bound_and_some_come_near():
    bound, draw = solved("bound"), torch.Generator().manual_seed(0)
    largest = 0.0
    for trial in range(200):
        p = {name: 8 * torch.randn(shape, generator=draw, dtype=torch.float64) for name, shape in parameter_shapes(LSTM_PARAMETERS, 1, 4).items()}
        H, C0 = torch.zeros(3, 4, dtype=torch.float64), 5 * torch.randn(3, 4, generator=draw, dtype=torch.float64)
        C, T = C0, 1 + trial % 9
        for _ in range(T):
            s = lstm_step(torch.randn(3, 1, generator=draw, dtype=torch.float64), H, C, p)
            H, C = s.H, s.C
        limit = torch.tensor([[bound(T, c) for c in row] for row in C0.tolist()])
        assert (C.abs() <= limit).all()
        largest = max(largest, float((C.abs() / limit).max()))
    assert largest > 0.97


def test_the_bound_is_tried_with_and_without_a_start():
    cases = list(get("bound").cases(torch.Generator().manual_seed(0)))
    assert {len(case) for case in cases} == {1, 2} and any(case[-1] < 0 for case in cases)
    assert check("bound", lambda T, c0=0: torch.tensor(float(T)) + abs(c0)).passed
    assert "negative start" in check("bound", lambda T, c0=0: c0 + T).message


def cell(b_i=20.0, b_f=20.0, b_c=20.0):
    def climb(T):
        p = {name: torch.zeros(shape) for name, shape in parameter_shapes(LSTM_PARAMETERS, 1, 1).items()}
        p |= {"b_i": torch.tensor([b_i]), "b_f": torch.tensor([b_f]), "b_c": torch.tensor([b_c])}
        return p, torch.zeros(T, 1, 1)
    return climb


def test_downwards_is_as_far():
    feedback = check("climb", cell(b_c=-20.0))
    assert feedback.passed and "your cell stands at -500.00" in feedback.message


@pytest.mark.parametrize("biases, said", [({"b_f": 9.0}, FADES), ({"b_f": 0.5}, HALF_KEPT), ({"b_f": -3.0}, UPSIDE_DOWN), ({"b_i": 3.0}, HALF_WRITTEN),
                                          ({"b_c": 1.5}, WEAK), ({"b_i": 2.0, "b_c": 0.5}, WEAK)])
def test_the_box_that_holds_it_back_is_named(biases, said):
    feedback = check("climb", cell(**biases))
    assert not feedback.passed and said in feedback.message, feedback.message


def test_two_faults_are_named_one_after_the_other():
    some = torch.full((5,), 0.999, dtype=torch.float64)
    assert SIGNS in lost(0 * some, some, some * torch.tensor([1, -1, 1, 1, 1]))
    assert HALF_WRITTEN in lost(0 * some, some / 2, some)
    assert UPSIDE_DOWN in lost(0 * some, some, some)


def changed(**changes):
    def climb(T):
        p, inputs = cell()(T)
        return p | changes, inputs
    return climb


@pytest.mark.parametrize("function, said", [
    (3, "`climb` should be a function, and is an int."),
    (lambda T: None, "`climb` should return two things, p and inputs, and returns None"),
    (lambda T: (1, 2, 3), "should return two things"),
    (lambda T: ..., "still open"), (..., "still open"), (lambda T: (..., torch.zeros(T, 1, 1)), "still open"), (lambda T: ({}, ...), "still open"),
    (lambda T: (cell()(T)[0], torch.zeros(T, 1)), "`inputs` should be a tensor of floating numbers, (1, 1, d)"),
    (lambda T: (cell()(T)[0], torch.zeros(T, 2, 1)), "It is a float32 tensor of shape (1, 2, 1)."),
    (lambda T: (cell()(T)[0], torch.zeros(T, 1, 1, dtype=torch.int64)), "floating numbers"),
    (lambda T: (cell()(T)[0], [[0.0]]), "It is a list of 1."),
    (lambda T: (cell()(T)[0], torch.zeros(T + 1, 1, 1)), "For T = 1 there are inputs for 2 steps."),
    (lambda T: ({}, torch.zeros(T, 1, 1)), "`p` lacks W_xi"),
    (lambda T: ([1], torch.zeros(T, 1, 1)), "`p` should be a dictionary"),
    (changed(W_xi=torch.zeros(2, 1)), "`W_xi` should be a tensor of floating numbers of shape (1, 1), and is a float32 tensor of shape (2, 1)."),
    (changed(b_f=20.0), "`b_f` should be a tensor of floating numbers of shape (1,), and is a float."),
    (changed(b_f=torch.tensor([20])), "`b_f` should be a tensor of floating numbers"),
    (changed(b_f=torch.tensor([math.nan])), "`b_f` holds a number that is not finite"),
    (changed(b_x=torch.zeros(1)), "`p` has b_x, which nobody asked for."),
])
def test_what_is_no_cell(function, said):
    feedback = check("climb", function)
    assert not feedback.passed and said in feedback.message, feedback.message


def test_a_cell_with_learnable_parameters_will_do():
    feedback = check("climb", lambda T: ({name: torch.nn.Parameter(value) for name, value in cell()(T)[0].items()}, torch.zeros(T, 1, 1)))
    assert feedback.passed


def test_what_breaks_by_hand():
    """The same numbers with Python's own arithmetic, and the derivative by its formula."""
    gate = 1 / (1 + math.exp(-6))
    for T in (2, 5, 100):
        found = right_breaks(T)
        assert found["bound with"] == 1 and found["bound without"] == T
        for name, way_out in (("with", math.tanh), ("without", lambda c: c)):
            h = c = 0.0
            for _ in range(T):
                c = gate * c + gate * math.tanh(2 + h)
                h = gate * way_out(c)
            candidate = math.tanh(-2 + h)
            assert found[f"hidden {name}"] == pytest.approx(h, rel=1e-12)
            assert found[f"candidate {name}"] == pytest.approx(candidate, rel=1e-12)
            assert found[f"listens {name}"] == pytest.approx(gate * (1 - candidate ** 2) * 2, rel=1e-9, abs=1e-15)


def test_the_unit_that_turns():
    p, inputs = turning(4)
    assert inputs.flatten().tolist() == [1, 1, 1, 1, -1] and inputs.shape == (5, 1, 1) and inputs.dtype == torch.float64
    assert {name: tuple(value.shape) for name, value in p.items()} == parameter_shapes(LSTM_PARAMETERS, 1, 1)


def test_what_the_exercise_says_is_so():
    hundred = right_breaks(100)
    assert -0.8 < hundred["candidate with"] < -0.7 and hundred["candidate without"] == 1
    assert hundred["hidden with"] < 1 < 80 < hundred["hidden without"] < 100
    assert hundred["listens with"] > 0.7 and hundred["listens without"] == 0
