"""The check holds statements against the record; what the exercise's texts say holds, too."""
import pytest

from unrolled.exercises import check, get
from unrolled.exercises import hyperparameters as room
from unrolled.exercises.specification import defined
from unrolled.influence import Measured
from unrolled.recorded import recorded

RIGHT, = defined(get("hyperparameters").solution, ("effects",))


@pytest.fixture(scope="module")
def measured():
    return Measured(recorded("hyperparameters"))


def said(**changes):
    feedback = check("hyperparameters", {**RIGHT, **changes.pop("effects", {})})
    assert not feedback.passed
    return feedback.message


def test_the_solution_is_what_the_trials_say(measured):
    assert room.RIGHT == {change: tuple(measured.effect(changes, quantity).sign for quantity in room.QUANTITIES)
                          for change, changes in room.CHANGES.items()}


def test_the_hints_count_rightly():
    times, perplexities = ([signs[k] for signs in room.RIGHT.values()] for k in (0, 1))
    assert [times.count(sign) for sign in "+-0"] == [4, 0, 6] and [perplexities.count(sign) for sign in "+-0"] == [6, 1, 3]


def test_the_question_is_in_the_order_of_the_record(measured):
    settings = {"windows of 8 steps": {"num_steps": 8}, "8 hidden units": {"num_hiddens": 8}, "the centre": {}, "two layers": {"num_layers": 2},
                "windows of 128 steps": {"num_steps": 128}, "128 hidden units": {"num_hiddens": 128}}
    times = [measured.effect(settings[item["text"]], "time") for item in get("hyperparameters").question["items"]]
    for shorter, longer in zip(times, times[1:]):
        assert max(shorter.values) < min(longer.values) or shorter.mean < 0.85 * longer.mean
    assert [one.mean for one in times] == sorted(one.mean for one in times)


def test_beliefs_that_the_texts_speak_of_hold(measured):
    def rows(changes, name):
        return [row[name] for row in measured.rows(changes)]
    assert max(rows({"num_hiddens": 128}, "train_perplexity")) < min(rows({}, "train_perplexity"))
    assert measured.effect({"optimizer": "adamw", "lr": 0.01}, "perplexity").sign == "-"
    assert measured.effect({"clip": 0.0, "lr": 16.0}, "perplexity").mean != measured.effect({"lr": 16.0}, "perplexity").mean
    assert rows({"clip": 0.0}, "validation_perplexity") == rows({}, "validation_perplexity")[:2]       # the very same training


def test_signs_may_be_typed_in_several_ways():
    typed = {change: dict(signs) for change, signs in RIGHT.items()}
    typed["AdamW at rate 0.01"]["perplexity"] = "−"
    typed["no clipping"] = {"time": 0, "perplexity": "0"}
    feedback = check("hyperparameters", typed)
    assert feedback.passed and "All 20 statements agree with " in feedback.message


def test_what_is_wrong_is_told_with_its_numbers(measured):
    band = measured.band("time")
    values = " and ".join(f"{value:.3g}" for value in measured.effect({"num_hiddens": 128}, "time").values)
    assert said(effects={"128 hidden units": {"time": "0", "perplexity": "+"}}) == (
        "128 hidden units: you say that the time changes by no more than the noise (\"0\"). Its trials have time "
        f"{values} times the centre’s. With nothing changed but the seed it is {band.low:.3g} to {band.high:.3g}. So it is above the noise (\"+\").")
    message = said(effects={"no clipping": {"time": "0", "perplexity": "-"}})
    assert "within the noise, so nothing can be said of it (\"0\")" in message


@pytest.mark.parametrize("effects, words", [
    (..., "`effects` is still open"), ([], "`effects` should be a dictionary, and is a list of 0"), ({}, "says nothing of \"128 hidden units\" yet"),
    ({**RIGHT, "more": {}}, "speaks of 'more', which is none of the changes"),
    ({**RIGHT, "3 layers": "+"}, "says of \"3 layers\" should be a dictionary with \"time\" and \"perplexity\", and is '+'"),
    ({**RIGHT, "3 layers": {"time": "+"}}, "should be a dictionary with"),
    ({**RIGHT, "3 layers": {"time": "+", "perplexity": ...}}, "The perplexity of \"3 layers\" is still open"),
    ({**RIGHT, "3 layers": {"time": "up", "perplexity": "+"}}, "should be \"+\", \"-\" or \"0\", and is 'up'"),
    ({**RIGHT, "3 layers": {"time": True, "perplexity": "+"}}, "and is True"), ({**RIGHT, "3 layers": {"time": 1.0, "perplexity": "+"}}, "and is 1.0"),
])
def test_answers_of_another_form(effects, words):
    feedback = check("hyperparameters", effects)
    assert not feedback.passed and words in feedback.message


def test_without_a_record_it_is_said(monkeypatch, tmp_path):
    def missing(name):
        raise FileNotFoundError(f"there is no record {name!r}")
    monkeypatch.setattr(room, "recorded", missing)
    assert "there is no record 'hyperparameters'" in check("hyperparameters", RIGHT).message
