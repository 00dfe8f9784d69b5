"""What a training leaves behind."""
import json
import math

import pytest

from unrolled.history import Epoch, History, Row, Snapshot, bits, perplexity


def test_perplexity_and_bits():
    assert perplexity(math.log(28)) == pytest.approx(28) and perplexity(1e5) == math.inf
    assert bits(math.log(8)) == pytest.approx(3)


def row(epoch, train, validation):
    return Epoch(epoch, train, validation, 1.0, 0.5, 100.0)


def test_history_columns_best_and_final():
    history = History([row(1, 2.0, 2.5), row(2, 1.5, 2.0), row(3, 1.0, 2.2)])
    assert history.train_perplexity == [math.exp(2.0), math.exp(1.5), math.exp(1.0)]
    assert history.validation_perplexity[1] == math.exp(2.0)
    assert history.bits_per_character[2] == pytest.approx(2.2 / math.log(2))
    assert history.best.epoch == 2 and history.final.epoch == 3 and history.seconds == 1.5
    assert repr(history) == "History(3 epochs, perplexity training 2.72, validation 9.03)"


def test_history_without_validation():
    history = History([row(1, 2.0, None), row(2, 1.5, None)])
    assert history.best.epoch == 2 and history.bits_per_character == [None, None]
    assert repr(history) == "History(2 epochs, perplexity training 4.48)"


def test_history_of_a_gpu_tells_its_memory():
    rows = [Epoch(1, 2.0, None, 1.0, 0.5, 100.0, 1_234_567_890), Epoch(2, 1.5, None, 1.0, 0.5, 100.0, 1_000), row(3, 1.0, None)]
    history = History(rows)
    assert history.peak_memory == 1_234_567_890 and History(rows[2:]).peak_memory is History().peak_memory is None
    assert repr(history) == "History(3 epochs, perplexity training 2.72, at most 1,234.6 MB on the GPU)"
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    older = {"rows": [{name: value for name, value in one.items() if name != "peak_memory"} for one in history.to_dict()["rows"]]}
    assert History.from_dict(older).peak_memory is None                            # stored before it was counted


def test_history_of_another_framework():
    history = History([Row(1, 2.0, 2.5, 0.5), Row(2, 1.0, None, 0.25)])
    assert history.peak_memory is None and history.seconds == 0.75 and history.best.epoch == 2
    assert repr(history) == "History(2 epochs, perplexity training 2.72)"


def test_history_survives_json():
    history = History([row(1, 2.0, 2.5), row(2, 1 / 3, None)], [Snapshot(0, "a", {"greedy": "a b"}, {"I": [0, 3, 1]})])
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history


def test_history_without_an_epoch():
    assert repr(History()) == "History(no epoch yet)" and History().train_perplexity == []
    for name in ("final", "best"):
        with pytest.raises(ValueError, match="the history is empty: train for at least one epoch first"):
            getattr(History(), name)


@pytest.mark.parametrize("data", [{}, {"rows": [{"epoch": 1}]}, {"rows": None}])
def test_a_stored_history_that_is_none(data):
    with pytest.raises(ValueError, match="a stored history has rows of epoch, train_loss"):
        History.from_dict(data)


# While it trains
