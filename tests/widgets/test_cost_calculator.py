"""The calculator: its sizes, the times it takes, the reader's own model, and its words."""
import copy
import json
from pathlib import Path

import pytest
import traitlets
from torch import nn

from unrolled.cost import cost
from unrolled.layers import GRU, LSTMScratch, Stacked
from unrolled.models import LanguageModel
from unrolled.timing import WORKS
from unrolled.widgets import CostCalculator
from unrolled.widgets.cost_calculator import nearest, short

RECORD = json.loads((Path(__file__).resolve().parents[2] / "book/data/cost-times.json").read_text(encoding="utf-8"))
ROW = {"work": "training", "num_inputs": 28, "num_hiddens": 32, "steps": 32, "batch": 1,
       "seconds": {"rnn": 1.0, "gru": 2.5, "lstm": 0.5}, "ratio": {"rnn": [1, 1, 1], "gru": [2, 2.5, 3], "lstm": [0.4, 0.5, 0.6]}}


def row(**changes):
    return copy.deepcopy(ROW) | changes


def test_everything_is_synchronised():
    widget = CostCalculator(3, 4, 5, 6, tokens=True, precision="float16", record={"rows": [ROW]})
    state = {"num_inputs": 3, "num_hiddens": 4, "steps": 5, "batch": 6, "tokens": True, "precision": "float16",
             "record": {"rows": [ROW]}, "measured": []}
    assert state.items() <= widget.get_state().items()
    widget.set_state({"num_hiddens": 128, "tokens": False})         # as the page does
    assert widget.setting == {"num_inputs": 3, "num_hiddens": 128, "steps": 5, "batch": 6} and not widget.tokens


@pytest.mark.parametrize("name, most", [("num_inputs", 65536), ("num_hiddens", 4096), ("steps", 4096), ("batch", 4096)])
def test_sizes_outside_are_refused(name, most):
    widget = CostCalculator(**{name: most})
    for bad in (0, -3, most + 1, True):
        with pytest.raises(ValueError, match=f"{name} is a whole number between 1 and {most}, got {bad}"):
            setattr(widget, name, bad)
        with pytest.raises(ValueError, match=name):
            CostCalculator(**{name: bad})
    for bad in (1.5, float("nan"), "many", None):
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(widget, name, bad)
    assert getattr(widget, name) == most


def test_a_precision_that_is_none():
    widget = CostCalculator()
    with pytest.raises(ValueError, match="the precision is one of float32, float16, got 'float8'"):
        widget.precision = "float8"
    assert widget.precision == "float32"


@pytest.mark.parametrize("bad, words", [
    ("a string", "a list of rows, got str"), (3, "a list of rows, got int"),
    ([1], "row 0 of the measured times lacks work, num_inputs"),
    ([row(), {"work": "training"}], "row 1 of the measured times lacks num_inputs"),
    ([row(seconds={"rnn": 1, "gru": 1})], "row 0 has no seconds of lstm"),
    ([row(ratio=[1, 3, 4])], "row 0 has no ratio of rnn, gru, lstm"),
    ([row(ratio={"rnn": [1, 1, 1], "gru": [3, 3], "lstm": 4})], r"row 0 has three quartiles as ratio of gru, got \[3, 3\]"),
    ([row(ratio={"rnn": 1.0, "gru": [3, 3, 3], "lstm": [4, 4, 4]})], "row 0 has three quartiles as ratio of rnn, got 1.0"),
    ([row(batch=0)], "row 0 holds 0 where a number above 0 was expected"),
    ([row(seconds={"rnn": float("nan"), "gru": 1, "lstm": 1})], "row 0 holds nan"),
    ([row(ratio=ROW["ratio"] | {"lstm": [0.4, "half", 0.6]})], "row 0 holds 'half'"),
    ([row(work="resting")], "the work of row 0 is one of training, reading, writing, not 'resting'"),
])
def test_rows_that_are_not_whole(bad, words):
    widget = CostCalculator(record={"rows": [ROW]})
    with pytest.raises(ValueError, match=words):
        widget.record = {"rows": bad}
    if isinstance(bad, list):
        with pytest.raises(ValueError, match=words):
            widget.measured = bad
    assert widget.record == {"rows": [ROW]} and widget.measured == []


def test_the_record_of_the_book_is_whole():
    assert set(RECORD) >= {"what", "command", "commit", "date", "machine", "versions", "threads", "rows"}
    assert CostCalculator(record=RECORD).record["rows"] == RECORD["rows"]
    settings = {(r["num_hiddens"], r["batch"]) for r in RECORD["rows"]}
    assert {r["work"] for r in RECORD["rows"]} == set(WORKS) and len(RECORD["rows"]) == 3 * len(settings)
    assert all(low <= middle <= high for r in RECORD["rows"] for low, middle, high in r["ratio"].values())


def test_the_nearest_setting():
    rows = [row(), row(work="reading"), row(batch=1024, num_hiddens=256)]
    wanted = {"num_inputs": 28, "num_hiddens": 32, "steps": 32}
    assert nearest(rows, wanted | {"batch": 64}) == {"training": rows[0], "reading": rows[1]}
    assert nearest(rows, wanted | {"batch": 128}) == {"training": rows[2]}
    assert nearest([], wanted) == {}


def test_the_sizes_of_the_readers_own_model():
    def sizes(model):
        widget = CostCalculator.of(model)
        return widget.num_inputs, widget.num_hiddens, widget.tokens

    assert sizes(LSTMScratch(5, 7)) == (5, 7, False)
    assert sizes(nn.GRU(9, 4)) == (9, 4, False)
    assert sizes(LanguageModel(GRU(28, 16), 28)) == (28, 16, True)
    assert sizes(LanguageModel(GRU(8, 16), 28, embedding=8)) == (8, 16, False)
    assert CostCalculator.of(nn.RNN(2, 3), steps=7, batch=9, record={"rows": [ROW]}).setting == {
        "num_inputs": 2, "num_hiddens": 3, "steps": 7, "batch": 9}


@pytest.mark.parametrize("model, error, words", [
    (nn.Linear(2, 3), TypeError, "expected a language model or a recurrent layer, got Linear"),
    (None, TypeError, "got NoneType"),
    (Stacked([GRU(2, 3)]), TypeError, "got Stacked"),
    (LanguageModel(Stacked([GRU(2, 3), GRU(3, 3)]), 2), ValueError, "this model has 2: give it one of model.layer.layers"),
    (nn.LSTM(2, 3, num_layers=2), ValueError, "one layer in one direction"),
    (nn.LSTM(2, 3, bidirectional=True), ValueError, "one layer in one direction"),
    (nn.LSTM(2, 3, proj_size=1), ValueError, "without projection"),
    (nn.LSTM(2, 5000), ValueError, "num_hiddens is a whole number between 1 and 4096, got 5000"),
])
def test_models_that_it_cannot_count(model, error, words):
    with pytest.raises(error, match=words):
        CostCalculator.of(model)


def test_it_times_this_machine():
    widget = CostCalculator(3, 4, 5, 2)
    rows = widget.measure(seconds=0.01)
    assert widget.measured == rows and [r["work"] for r in rows] == list(WORKS)
    assert all({"num_inputs": 3, "num_hiddens": 4, "steps": 5, "batch": 2}.items() <= r.items() for r in rows)
    assert json.loads(json.dumps(rows)) == rows                     # it travels to the page
    assert "Measured on this machine at 3 inputs, 4 hidden units, 5 steps, batch 2, training: the time is 1 : " in widget.describe()


def test_what_would_take_too_long_is_not_timed():
    widget = CostCalculator(28, 4096, 32, 64)
    with pytest.raises(ValueError, match="multiply-adds forward, and only up to 10.0\u202fG are timed here: take fewer"):
        widget.measure()
    widget = CostCalculator(1, 1, 4096, 4096)
    widget.num_hiddens = 4
    with pytest.raises(ValueError, match="403\u202fM numbers kept in training, and only up to 268\u202fM"):
        widget.measure()
    assert widget.measured == []


def test_the_words():
    widget = CostCalculator(28, 32, 32, 1024, record={"rows": [ROW]})
    lines = widget.describe().split("\n")
    assert lines[0] == "One layer with 28 inputs and 32 hidden units, 32 steps, batch 1024, as RNN, GRU, LSTM."
    assert "Parameters: 1\u202f952, 5\u202f888, 7\u202f808." in lines
    assert "Multiply-adds backward: 95.4\u202fM, 286\u202fM, 382\u202fM." in lines
    assert "Numbers kept in training: 1.05\u202fM, 5.24\u202fM, 6.29\u202fM (4.19\u202fMB, 21.0\u202fMB, 25.2\u202fMB in float32)." in lines
    assert lines[-1] == "Measured by the book at 28 inputs, 32 hidden units, 32 steps, batch 1, training: the time is 1 : 2.5 : 0.5."
    widget = CostCalculator(28, 32, tokens=True, precision="float16")
    lines = widget.describe().split("\n")
    assert lines[0].startswith("One layer with 28 tokens") and lines[-1] == "Nothing measured was given."
    assert f"Multiply-adds forward: {', '.join(short(cost(k, 28, 32, 32, 1024, tokens=True).multiply_adds_forward) for k in ('rnn', 'gru', 'lstm'))}." in lines
    assert "State kept in inference: 32\u202f768, 32\u202f768, 65\u202f536 (65.5\u202fkB, 65.5\u202fkB, 131\u202fkB in float16)." in lines


def test_the_picture_says_the_same():
    without, with_times = CostCalculator(), CostCalculator(record=RECORD)
    for widget in (without, with_times):
        assert widget.picture().alt == widget.describe()
    assert "times as long as the RNN" in with_times.picture().svg and "times as long" not in without.picture().svg


@pytest.mark.parametrize("value, unit, text", [
    (7808, "", "7 808"), (99999, "", "99 999"), (100000, "", "100 k"), (999499, "", "999 k"), (999600, "", "1.00 M"),
    (2.25e15, "", "2.25 P"), (512, "B", "512 B"), (25165824, "B", "25.2 MB")])
def test_numbers_are_short_as_in_the_page(value, unit, text):
    assert short(value, unit) == text.replace(" ", "\u202f")
