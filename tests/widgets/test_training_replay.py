"""The replay of a training: what it takes, keeps, says and draws."""
import math
from dataclasses import replace

import pytest
import traitlets

from unrolled.history import Epoch, History, Snapshot
from unrolled.widgets import TrainingReplay
from unrolled.widgets.training_replay import ending, loop, percent, visible

COUNTS = [0] * 50
COUNTS[4], COUNTS[24], COUNTS[25], COUNTS[45] = 10, 50, 30, 10


def rows(*losses, validation=True):
    return [Epoch(k, loss, loss + 0.1 if validation else None, 1.0, 2.0, 3.0) for k, loss in enumerate(losses, 1)]


def snapshot(epoch, greedy="it has the the the the the", gates=("F", "I", "O")) -> Snapshot:
    return Snapshot(epoch, "it has", {"greedy": greedy, "temperature 0.7": "it has an s"}, {name: COUNTS for name in gates})


def a_history(**changes) -> History:
    return History(rows(math.log(20), math.log(10), math.log(8)), [snapshot(0), snapshot(1), replace(snapshot(3), **changes)])


def test_it_opens_on_the_last_snapshot_and_reports_the_epoch_back():
    replay = TrainingReplay(a_history())
    assert replay.epoch == 3 and replay.stops == [0, 1, 3]
    assert replay.get_state(["epoch"]) == {"epoch": 3}
    replay.set_state({"epoch": 0})                                      # as the page does
    assert replay.epoch == 0 and TrainingReplay(a_history(), epoch=1).epoch == 1


def test_the_page_gets_what_it_shows_and_nothing_that_depends_on_speed():
    state = TrainingReplay(a_history()).history
    assert list(state) == ["training", "validation", "snapshots"]
    assert state["training"] == pytest.approx([20, 10, 8])
    assert state["validation"] == pytest.approx([20 * math.exp(0.1), 10 * math.exp(0.1), 8 * math.exp(0.1)])
    assert state["snapshots"][2] == {"epoch": 3, "prefix": "it has", "gates": {"F": COUNTS, "I": COUNTS, "O": COUNTS},
                                     "samples": {"greedy": "it has the the the the the", "temperature 0.7": "it has an s"}}


def test_words_and_picture():
    replay = TrainingReplay(a_history())
    assert replay.describe() == (
        "After epoch 3 of 3: perplexity 8 in training, 8.84 in validation. The greedy text ends in a loop of 4 characters, “the␣”. "
        "Between 0.4 and 0.6 lie 80.0\u202f% of the input gate’s values, 80.0\u202f% of the forget gate’s, 80.0\u202f% of the output "
        "gate’s. Sample, greedy: “it has the the the the the”. Sample, temperature 0.7: “it has an s”. "
        + " ".join(f"{name}: median 0.50, 10.0\u202f% below 0.1, 80.0\u202f% between 0.4 and 0.6, 10.0\u202f% above 0.9."
                   for name in ("Input gate i", "Forget gate f", "Output gate o")))
    picture = replay.picture()
    assert picture.alt == replay.describe()
    for words in ("greedy: it has the the", "temperature 0.7: it has an s", "forget gate f", "epoch 3", "8.84", "perplexity"):
        assert words in picture.svg
    replay.epoch = 0
    assert replay.describe().startswith("Before the first epoch. The greedy")
    assert "8.84" not in replay.picture().svg and "epoch 0" in replay.picture().svg


def test_without_snapshots_there_is_the_curve_and_how_to_record_them():
    replay = TrainingReplay(History(rows(2.0, 1.0)))
    assert replay.stops == [1, 2] and replay.epoch == 2
    assert replay.describe() == ("After epoch 2 of 2: perplexity 2.72 in training, 3 in validation. No snapshots were taken during "
                                 "this training: give fit on_epoch=Snapshots(...) to see samples and gates.")
    assert "2.72" in replay.picture().svg and "forget" not in replay.picture().svg


def test_without_validation_without_gates_and_over_decades():
    replay = TrainingReplay(History(rows(9.0, 1.0, validation=False), [snapshot(2, gates=())]))
    assert replay.describe().startswith("After epoch 2 of 2: perplexity 2.72 in training. The greedy") and "gate" not in replay.describe()
    assert replay.history["validation"] == [] and "10³" in replay.picture().svg and "validation" not in replay.picture().svg
    own = Snapshot(1, "a", {"own": "ab"}, {})
    assert TrainingReplay(History(rows(1.0), [own])).describe() == "After epoch 1 of 1: perplexity 2.72 in training, 3 in validation. Sample, own: “ab”."


def test_loops_and_what_is_said_about_them():
    """The same cases as in the page's own test."""
    assert loop("it has a dimension i the the the the the", 6) == (21, 4)
    assert loop("it has" + " " * 20, 6) == (6, 1) and loop("e" * 20, 3) == (3, 1)
    assert loop("it has t a te t a te t a te", 6) == (7, 7)
    for text in ("", "it has the the the", "it has lople mall alg the grepe", "it hassss ssss ssss", "the sea and the sea and the sea"):
        assert loop(text) is None
    assert ending("greedy", "it has" + " " * 20, "it has") == "The greedy text ends in nothing but spaces."
    assert ending("greedy", "it has" + "e" * 20, "it has") == "The greedy text ends in nothing but “e”."
    assert ending("greedy", "it has an", "it") == "The greedy text does not end in a loop."
    assert ending("own", "the the the the the", "it has") == "The own text ends in a loop of 4 characters, “the␣”."
    assert visible("it has  a  ") == "it has␣␣a␣␣" and percent(0.1255) == "12.6\u202f%"


@pytest.mark.parametrize("history, error, message", [
    ([1.0, 2.0], TypeError, "a History is replayed, as Trainer.fit returns it, got list"),
    (None, TypeError, "got NoneType"),
    (History(), ValueError, "train for at least one epoch first"),
    (History(rows(2.0, math.nan)), ValueError, "the training loss of epoch 2 is nan: there is no perplexity to draw"),
    (History([Epoch(1, 2.0, math.inf, 1.0, 1.0, 1.0)]), ValueError, "the validation loss of epoch 1 is inf"),
    (History(rows(1.0), ["snapshot"]), TypeError, "a history keeps snapshots as Snapshot, got str"),
    (a_history(epoch=4), ValueError, "the snapshot of epoch 4 does not fit a history of 3 epochs"),
    (a_history(epoch=-1), ValueError, "the snapshot of epoch -1 does not fit"),
    (a_history(epoch="3"), ValueError, "the snapshot of epoch '3' does not fit"),
    (a_history(epoch=1), ValueError, "not in the order of their epochs: 0, 1, 1"),
    (a_history(prefix=None), TypeError, "the snapshot of epoch 3 has samples that are not text"),
    (a_history(samples={"greedy": 1, "temperature 0.7": "it"}), TypeError, "epoch 3 has samples that are not text"),
    (a_history(samples={"greedy": "it"}), ValueError, "epoch 3 has other samples or gates than the first"),
    (a_history(gates={"F": COUNTS}), ValueError, "epoch 3 has other samples or gates than the first"),
    (History(rows(1.0), [snapshot(1, gates=("H",))]), ValueError, "has a gate 'H'; gates are I, F, O, R, Z"),
    *((a_history(gates={"F": bad, "I": COUNTS, "O": COUNTS}), ValueError, "epoch 3 has a damaged histogram of gate F")
      for bad in ([0] * 50, COUNTS[1:], [c / 4 for c in COUNTS], [-c for c in COUNTS])),
])
def test_what_cannot_be_replayed_is_said(history, error, message):
    with pytest.raises(error, match=message):
        TrainingReplay(history)


def test_garbage_is_refused_and_the_old_value_stays():
    replay = TrainingReplay(a_history())
    for bad in (2, 4, -1):
        with pytest.raises(ValueError, match=f"the epochs recorded are 0, 1, 3; got {bad}"):
            replay.epoch = bad
        with pytest.raises(ValueError, match=f"got {bad}"):
            TrainingReplay(a_history(), epoch=bad)
    for bad in ("first", 1.5, None):
        with pytest.raises(traitlets.TraitError, match="epoch"):
            replay.epoch = bad
    kept = replay.history
    with pytest.raises(ValueError, match="keeps the history that it was made with: make another TrainingReplay"):
        replay.history = {"training": []}
    with pytest.raises(traitlets.TraitError, match="history"):
        replay.history = "long"
    assert replay.epoch == 3 and replay.history is kept
