"""Every change against the centre and its noise, worked out by hand on a few rows."""
import math
import statistics
from dataclasses import asdict

import pytest

from unrolled.influence import Measured, check_rows
from unrolled.trials import CENTRE


def row(perplexity=7.0, time=1.0, **changes):
    parts = {"seed": 0, "state": "complete", "windows": 60_000, "seconds": 3.0, "train_perplexity": 6.0,
             "validation_perplexity": perplexity, "time": time, "samples": {}}
    return asdict(CENTRE) | parts | changes


FAILED = {"state": "failed", "cause": "the loss is not finite", "validation_perplexity": None, "train_perplexity": None, "time": None}
ROWS = [row(7.0, 0.9), row(7.2, 1.0), row(7.4, 1.1), row(8.0, 1.0, lr=1.0), row(7.9, 1.3, lr=1.0), row(8.0, 1.0, lr=16.0),
        row(7.3, 1.0, lr=16.0), row(6.0, 0.5, num_steps=8), row(**FAILED, lr=64.0), row(9.0, 2.0, lr=64.0, clip=0.0),
        row(9.9, None, clip=0.0), row(8.8, 1.0, clip=10.0), row(7.0, 1.0, lr=0.5, state="pruned")]


def test_the_noise_is_two_standard_deviations():
    band = Measured({"rows": ROWS}).band("perplexity")
    assert (band.mean, band.trials) == (pytest.approx(7.2), 3)
    assert band.high - band.mean == pytest.approx(2 * statistics.stdev([7.0, 7.2, 7.4])) == pytest.approx(band.mean - band.low)


@pytest.mark.parametrize("changes, quantity, values, sign", [
    ({"lr": 1.0}, "perplexity", (8.0, 7.9), "+"), ({"lr": 1}, "time", (1.0, 1.3), "0"),     # one of two within
    ({"lr": 16.0}, "perplexity", (8.0, 7.3), "0"), ({"num_steps": 8}, "perplexity", (6.0,), "-"), ({"num_steps": 8}, "time", (0.5,), "-"),
    ({"lr": 64.0}, "perplexity", (math.inf,), "+"), ({"lr": 64, "clip": 0}, "time", (2.0,), "+"),
])
def test_a_change_counts_when_all_its_trials_leave_the_noise(changes, quantity, values, sign):
    effect = Measured({"rows": ROWS}).effect(changes, quantity)
    assert effect.values == values and effect.sign == sign and effect.mean == sum(values) / len(values)


def test_what_was_not_tried():
    measured = Measured({"rows": ROWS})
    for changes, quantity, words in (({"lr": 3.0}, "time", "no trial with lr 3"), ({"lr": 0.5}, "time", "no trial with lr 0.5"),
                                     ({"lr": 64.0}, "time", "no whole trial with lr 64"), ({"clip": 0.0}, "time", "no whole trial with clip none")):
        with pytest.raises(ValueError, match=words):
            measured.effect(changes, quantity)


def test_values_and_partners():
    measured = Measured({"rows": ROWS})
    assert measured.values("lr") == [1.0, 4.0, 16.0, 64.0] and measured.values("clip") == [1.0, 10.0, 0.0]     # none is the loosest
    assert measured.values("lr", {"clip": 0.0}) == [4.0, 64.0] and measured.values("forget_bias") == [0.0]
    assert measured.partners("lr") == ["clip"] and measured.partners("clip") == ["lr"] and measured.partners("num_steps") == []
    assert len(measured.all) == len(ROWS) - 1 and measured.rows({"lr": 1.0}) == ROWS[3:5]


@pytest.mark.parametrize("rows, words", [
    ("rows", "a list of rows, got str"), (7, "a list of rows, got int"), ([7], "row 0 of the trials is a int"),
    ([{"lr": 1}], "row 0 of the trials lacks num_hiddens"), ([row(), row(state="asleep")], "row 1 is one of complete, failed, pruned, stopped, not 'asleep'"),
    ([row(lr=-1)], "row 0 of the trials: lr is a positive number"), ([row(seconds=None)], "row 0 has None as seconds"),
    ([row(math.inf)], "row 0 has inf as validation_perplexity"), ([row("low")], "row 0 has 'low' as validation_perplexity"),
    ([row(time=True)], "row 0 has True as time"),
])
def test_rows_that_are_not_whole(rows, words):
    with pytest.raises(ValueError, match=words):
        check_rows(rows)


def test_a_record_without_noise():
    for record, words in (([], "a dictionary with rows"), ({"what": ""}, "a dictionary with rows"), ({"rows": ROWS[3:]}, "0 trials of the centre with a time"),
                          ({"rows": [row(), row(time=None)]}, "1 trials of the centre with a time: two at least tell the noise")):
        with pytest.raises(ValueError, match=words):
            Measured(record)
