"""The first difference is named, with what was expected and what came."""
import pytest
import torch

from unrolled.exercises.feedback import Wrong, apart, check_keys, check_tensor, compare, kind, place, same


class Own:
    pass


@pytest.mark.parametrize("value, said", [
    (None, "None (does the function end with a `return`?)"),
    (torch.zeros(2, 3), "a float32 tensor of shape (2, 3)"),
    (torch.tensor(1), "an int64 tensor of shape ()"),
    ([1, 2], "a list of 2"), ((), "a tuple of 0"), ({"a": 1}, "a dict of 1"),
    (3, "an int"), (0.5, "a float"), (..., "an ellipsis"), (Own(), "an Own"), ("words", "a str"),
])
def test_a_value_is_said_in_words(value, said):
    assert kind(value) == said


def test_a_place_is_said_by_the_names_of_its_axes():
    assert place((2, 0, 1), ("step", "example", "unit")) == " at step 2, example 0, unit 1"
    assert place((2, 1), ("step", "example", "unit")) == " at [2, 1]"
    assert place((), ("example", "unit")) == ""


@pytest.mark.parametrize("one, two, said", [
    (0.5, 0.25, ("0.5000", "0.2500")),
    (0.5, 0.5000012, ("0.500000", "0.500001")),
    (0.5, float("nan"), ("0.5000", "nan")),
    (3, 4, ("3", "4")), (True, False, ("True", "False")), (3, 4.0, ("3.0000", "4.0000")),
    (0.0, 1e-30, ("0.00000000000000000", "0.00000000000000000")),
])
def test_two_numbers_are_written_so_that_they_differ(one, two, said):
    assert apart(one, two) == said


@pytest.mark.parametrize("got, sentence", [
    (None, "H should be a tensor of shape (2, 3), and is None (does the function end with a `return`?)."),
    ([0.0] * 3, "H should be a tensor of shape (2, 3), and is a list of 3."),
    (torch.zeros(3, 2), "H should have shape (2, 3), and has (3, 2)."),
    (torch.zeros(2, 3).double(), "H should be torch.float32 like the inputs, and is torch.float64."),
])
def test_a_tensor_of_another_kind_shape_or_dtype_is_told(got, sentence):
    with pytest.raises(Wrong) as wrong:
        check_tensor("H", got, torch.zeros(2, 3))
    assert str(wrong.value) == sentence


def test_the_first_entry_that_differs_is_named():
    expected = torch.arange(6.0).reshape(1, 2, 3) / 10
    got = expected.clone()
    got[0, 1, 1] = 7
    with pytest.raises(Wrong) as wrong:
        compare("The state", got, expected, axes=("step", "example", "unit"))
    assert str(wrong.value) == "The state is wrong at step 0, example 1, unit 1: expected 0.4000, got 7.0000."
    got[0, 1, 2] = float("inf")
    with pytest.raises(Wrong) as wrong:
        compare("The state", got, expected)
    assert str(wrong.value) == "The state is wrong at [0, 1, 1]: expected 0.4000, got 7.0000. 2 of its 6 numbers are wrong."


@pytest.mark.parametrize("got, expected, sentence", [
    (torch.tensor(2.0), torch.tensor(1.0), "It is wrong: expected 1.0000, got 2.0000."),
    (torch.tensor([1, 3]), torch.tensor([1, 2]), "It is wrong at unit 1: expected 2, got 3."),
    (torch.tensor([True]), torch.tensor([False]), "It is wrong at unit 0: expected False, got True."),
    (torch.tensor([float("nan")]), torch.tensor([0.0]), "It is wrong at unit 0: expected 0.0000, got nan."),
    (torch.tensor([1e-7]), torch.tensor([0.0]), "It is wrong at unit 0: expected 0.0000000, got 0.0000001."),
])
def test_every_kind_of_number_is_compared(got, expected, sentence):
    with pytest.raises(Wrong) as wrong:
        compare("It", got, expected, axes=("unit",))
    assert str(wrong.value) == sentence


def test_a_tolerance_counts_by_the_largest_entry():
    large = torch.tensor([1e6, 0.0], dtype=torch.float64)
    compare("It", large + 1e-3, large)
    assert same(large + 1e-3, large, 1e-8) and not same(large + 1e-1, large, 1e-8)
    assert not same(torch.tensor([1e-3]), torch.tensor([0.0]), 1e-8)
    assert same(torch.zeros(0), torch.zeros(0), 1e-8)
    compare("It", torch.ones(2, requires_grad=True), torch.ones(2))
    compare("Nothing", torch.zeros(0, 3), torch.zeros(0, 3))


@pytest.mark.parametrize("got, sentence", [
    ([1], "The answer should be a dictionary with one, two, and is a list of 1."),
    ({}, "The answer lacks one, two."),
    ({"one": 1}, "The answer lacks two."),
    ({"one": 1, "two": 2, "three": 3}, "The answer has three, which nobody asked for."),
])
def test_the_keys_of_a_dictionary_are_told(got, sentence):
    with pytest.raises(Wrong) as wrong:
        check_keys("The answer", got, {"one": 1, "two": 2})
    assert str(wrong.value) == sentence
    check_keys("The answer", {"two": 2, "one": 1}, {"one": 1, "two": 2})
