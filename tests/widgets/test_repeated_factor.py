"""The widget's two numbers."""
import pytest
import traitlets

from unrolled.widgets import RepeatedFactor


def test_what_the_widget_takes_the_page_offers():
    """The sliders' ends are the ends of what Python allows."""
    for weight, steps in ((0.5, 1), (1.5, 100)):
        widget = RepeatedFactor(weight, steps)
        assert (widget.weight, widget.steps) == (weight, steps)


def test_both_numbers_are_synchronised():
    widget = RepeatedFactor()
    assert {"weight": 0.9, "steps": 50}.items() <= widget.get_state().items()
    widget.set_state({"weight": 1.1, "steps": 7})                  # as the page does
    assert (widget.weight, widget.steps) == (1.1, 7)
    assert widget.get_state(["weight", "steps"]) == {"weight": 1.1, "steps": 7}


def test_the_words_and_the_picture_say_the_same():
    widget = RepeatedFactor(0.9, 50)
    assert widget.describe() == "A 1, multiplied by 0.9 at each of 50 steps, becomes 0.00515."
    assert widget.picture().alt == widget.describe()


@pytest.mark.parametrize("name, values, ends", [
    ("weight", (0.49, 1.51, -1.0, float("nan"), float("inf")), "the weight lies between 0.5 and 1.5, got "),
    ("steps", (0, 101, -5), "the steps lie between 1 and 100, got "),
])
def test_numbers_outside_are_refused(name, values, ends):
    widget = RepeatedFactor()
    before = getattr(widget, name)
    for value in values:
        with pytest.raises(ValueError, match=ends + str(value)):
            RepeatedFactor(**{name: value})
        with pytest.raises(ValueError, match=ends):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


def test_no_number_at_all():
    with pytest.raises(traitlets.TraitError, match="weight"):
        RepeatedFactor(weight="heavy")
    with pytest.raises(traitlets.TraitError, match="steps"):
        RepeatedFactor(steps=1.5)
