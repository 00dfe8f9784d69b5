"""The laboratory: what may be chosen, what it says, and the reader's own runs beside the record."""
import threading
import time
from dataclasses import asdict

import pytest
import traitlets

from unrolled.influence import Measured
from unrolled.recorded import recorded
from unrolled.trials import CENTRE, NAMES, Bench, Setting
from unrolled.training import NotFinite
from unrolled.widgets import Laboratory
from unrolled.widgets import laboratory as room
from unrolled.widgets.laboratory import brief, outcome

STORY = "the machine stood in the old garden, and it has nobody who moved it since the summer before last. " * 12
RECORD = recorded("hyperparameters")


def row(perplexity=7.0, time=1.0, **changes):
    return asdict(CENTRE) | {"seed": 0, "state": "complete", "windows": 60, "seconds": 3.0, "train_perplexity": 6.0,
                             "validation_perplexity": perplexity, "time": time, "samples": {"greedy": "it has the"}} | changes


FEW = {"what": "", "bench": {"text": "of another", "split": "honest", "windows": 60},
       "rows": [row(7.0, 0.9), row(7.4, 1.1), row(8.0, 1.0, lr=1.0), row(5.0, 0.2, num_hiddens=4), row(9.0, 1.6, lr=1.0, clip=0.0),
                row(None, None, lr=64.0, state="failed", cause="the loss is not finite", train_perplexity=None, samples={})]}


@pytest.fixture
def lab():
    return Laboratory(FEW, text=STORY)


def until(done, seconds=30):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- what is chosen

def test_it_opens_at_the_centre_and_remembers_what_it_is_given():
    widget = Laboratory(FEW)
    assert {"name": "lr", "value": 4.0, "partner": "", "other": None, "runs": [], "progress": {}}.items() <= widget.get_state().items()
    assert widget.record["centre"] == asdict(CENTRE) and widget.changes == {}
    widget = Laboratory(FEW, name="lr", value=1.0, partner="clip", other=0.0)
    assert widget.changes == {"lr": 1.0, "clip": 0.0}


def test_another_hyperparameter_begins_at_the_centre(lab):
    lab.value, lab.partner, lab.other = 1.0, "clip", 0.0
    lab.name = "num_hiddens"
    assert (lab.value, lab.partner, lab.other, lab.changes) == (32, "", None, {})
    lab.name, lab.partner = "clip", "lr"
    assert lab.other == 4.0
    lab.partner = ""
    assert lab.other is None


def test_as_the_page_does(lab):
    lab.set_state({"name": "num_hiddens", "value": 4, "partner": "", "other": None})
    assert lab.name == "num_hiddens" and lab.changes in ({"num_hiddens": 4}, {})
    lab.set_state({"value": 4})
    assert lab.changes == {"num_hiddens": 4}


@pytest.mark.parametrize("trait, bad, words", [
    ("name", "hidden", "a hyperparameter is one of num_hiddens, .* not 'hidden'"), ("value", 3.0, "tried as lr were 1, 4, 64; got 3"),
    ("value", "sgd", "got 'sgd'"), ("value", True, "got True"),
    ("partner", "num_steps", "changed together with lr was clip, not 'num_steps'"),
    ("runs", [{"lr": 1}], "row 0 of the trials lacks num_hiddens"), ("record", {"rows": []}, "keeps the record that it was made with"),
])
def test_what_is_not_there_is_refused_and_changes_nothing(lab, trait, bad, words):
    before = lab.get_state()
    with pytest.raises(ValueError, match=words):
        setattr(lab, trait, bad)
    assert lab.get_state() == before


def test_partners_that_are_none_and_their_values(lab):
    lab.name = "num_hiddens"
    with pytest.raises(ValueError, match="changed together with num_hiddens was nothing, not 'lr'"):
        lab.partner = "lr"
    lab.name, lab.partner = "lr", "clip"
    with pytest.raises(ValueError, match="tried as clip were none, 1; got 10"):
        lab.other = 10.0
    assert lab.other == 1.0
    for trait, bad in (("name", 7), ("value", None), ("runs", 7), ("partner", None)):
        with pytest.raises(traitlets.TraitError):
            setattr(lab, trait, bad)


@pytest.mark.parametrize("record, words", [({}, "a dictionary with rows"), ({"rows": [row()]}, "two at least tell the noise")])
def test_a_record_that_is_not_whole(record, words):
    with pytest.raises(ValueError, match=words):
        Laboratory(record)


# ---- words and picture

def test_the_words(lab):
    assert lab.words() == ("The centre: perplexity 7.2 on average of 2 trials. With nothing changed but the seed it lies between 6.63 and 7.77, "
                           "and the time between 0.717 and 1.28 of the average: this is the noise.")
    lab.value = 1.0
    assert lab.words() == ("Learning rate 1: perplexity 8 (noise: 6.63 to 7.77), above the noise, so worse. "
                           "Time 1 times the centre’s (noise: 0.717 to 1.28), within the noise.")
    lab.value = 64.0
    assert lab.words() == "Learning rate 64: perplexity failed (noise: 6.63 to 7.77), above the noise, so worse."
    lab.partner, lab.other = "clip", 0.0
    assert lab.words() == "Learning rate 64, no clipping: the record has no such trial."
    lab.name, lab.value = "num_hiddens", 4
    assert "so better. Time 0.2 times the centre’s (noise: 0.717 to 1.28), below the noise, so faster." in lab.words()


def test_it_is_described(lab):
    lab.value = 1.0
    lab.runs = [row(6.5, 1.25, lr=1.0), row(3.0, None, lr=2.0, state="stopped", windows=12_000, same_text=False),
                row(None, None, clip=10.0, state="failed", cause="too far", train_perplexity=None)]
    assert lab.words().endswith("Your run: perplexity 6.5, 1.25 times the time of the centre here.")
    lines = lab.describe().split("\n")
    assert lines[1:6] == ["It writes (greedy): it has the", "All values of learning rate:", "  1: perplexity 8, time 1",
                          "  4: perplexity 7 and 7.4, time 0.9 and 1.1", "  64: perplexity failed"]
    assert lines[6:] == ["Your run, learning rate 1: perplexity 6.5, 1.25 times the time of the centre here.",
                         "Your run, learning rate 2: perplexity 3, stopped after 12,000 windows, on another text, where perplexities do not compare.",
                         "Your run, clipping 10: the training failed: too far."]
    lab.partner, lab.other = "clip", 0.0
    assert "  1: perplexity 9, time 1.6" in lab.describe()


def test_the_picture_says_the_same(lab):
    assert "failed" in lab.describe() and lab.picture().alt == lab.describe()


def test_numbers_are_short():
    assert [brief(value) for value in (7.123, 0.0, 999.4, 9067900.0, 1.6e39, 0.00012)] == ["7.12", "0", "999", "9.1 · 10⁶", "1.6 · 10³⁹", "1.2 · 10⁻⁴"]


@pytest.mark.parametrize("name", NAMES)
def test_the_book_s_record_can_be_shown_whole(name):
    widget, measured = Laboratory(RECORD, name=name), Measured(RECORD)
    for value in measured.values(name):
        widget.value = value
        assert ("this is the noise" if value == getattr(CENTRE, name) else "the centre’s (noise: ") in widget.words()
    assert widget.picture().alt == widget.describe()
    for partner in measured.partners(name):
        widget.partner = partner
        assert widget.picture().alt == widget.describe()


# ---- own runs

def test_a_run_is_a_trial_of_the_same_budget(lab):
    seen = []
    lab.observe(lambda change: seen.append(change.new), "progress")
    made = lab.run(num_hiddens=4, num_steps=8, lr=2.0, seed=3)
    assert lab.runs == [made] and made["state"] == "complete" and made["time"] > 0 and made["same_text"] is False
    expected = Bench(STORY, split="honest", windows=60).run(Setting(num_hiddens=4, num_steps=8, lr=2.0), 3)
    assert {name: made[name] for name in expected if name not in ("seconds", "whole")} == {
        name: value for name, value in expected.items() if name not in ("seconds", "whole")}
    assert seen[0] == {"what": "4 hidden units, 8 steps, learning rate 2", "seen": 0, "windows": 1}
    assert seen[1]["windows"] == made["windows"] and seen[-1]["note"].startswith("4 hidden units, 8 steps, learning rate 2: perplexity ")
    lab.run(num_steps=8)
    assert len(lab.runs) == 2


def test_the_book_s_own_text_and_budget_are_the_defaults(monkeypatch):
    monkeypatch.setattr(room, "load_corpus", lambda: type("Corpus", (), {"text": STORY}))
    asked = {}

    class Quick(Bench):
        def __init__(self, text, **options):
            asked.update(options)
            super().__init__(text, split="honest", windows=10)
    monkeypatch.setattr(room, "Bench", Quick)
    widget = Laboratory({"rows": FEW["rows"]})
    assert widget.run(num_steps=8)["same_text"] is True and asked == {"split": "source", "windows": 60_000}


def test_a_run_that_fails_is_kept(lab, monkeypatch):
    def fail(*args, **kwargs):
        raise NotFinite("the loss is not finite at epoch 1")
    monkeypatch.setattr(Bench, "run", fail)
    made = lab.run(lr=64.0)
    assert made["state"] == "failed" and outcome(made) == "the training failed: the loss is not finite at epoch 1"
    assert lab.progress["note"] == "Learning rate 64: the training failed: the loss is not finite at epoch 1."


def test_seconds_end_a_run_with_the_last_whole_pass(lab, monkeypatch):
    lab.bench = Bench(STORY, split="honest", windows=100_000)
    made = lab.run(seconds=1.5, num_steps=8)
    assert made["state"] == "stopped" and 0 < made["windows"] < 100_000 and f"stopped after {made['windows']:,} windows" in lab.progress["note"]
    assert lab.run(seconds=1e-9, num_steps=8) is None                 # not even one
    assert lab.progress["note"] == "8 steps: stopped before the first pass was done, so there is nothing to show." and len(lab.runs) == 1


def test_in_the_background_it_is_stopped_by_the_page(lab):
    lab.bench, said = Bench(STORY, split="honest", windows=10 ** 9), []
    lab.send = said.append
    lab._handle_custom_msg({"kind": "hello"}, [])
    assert said == [{"kind": "here"}]
    lab._handle_custom_msg({"kind": "run", "changes": {"num_steps": 8}}, [])
    until(lambda: lab.progress.get("seen", 0) > 3000)
    with pytest.raises(RuntimeError, match="another run is on its way"):
        lab.run(lr=1.0)
    lab._handle_custom_msg({"kind": "run", "changes": {"lr": 1.0}}, [])
    assert lab.progress["note"].startswith("another run is on its way") and "seen" in lab.progress
    lab._handle_custom_msg({"kind": "stop"}, [])
    until(lambda: lab.runs)
    assert lab.runs[0]["state"] == "stopped" and lab.runs[0]["windows"] > 0
    until(lambda: not lab.busy.locked())
    assert not [thread for thread in threading.enumerate() if "_in_background" in thread.name]


def test_trouble_in_the_background_is_said(lab):
    lab._handle_custom_msg({"kind": "run", "changes": {"num_steps": 5000}}, [])
    until(lambda: "note" in lab.progress and not lab.busy.locked())
    assert lab.progress["note"].startswith("5000 steps: a window of 5000 steps") and lab.runs == []
    for changes, words in (({"hidden": 4}, "there is no hyperparameter 'hidden'"), ({"lr": -1}, "lr is a positive number, not -1")):
        lab._handle_custom_msg({"kind": "run", "changes": changes}, [])
        assert lab.progress["note"].startswith(words)
    lab._handle_custom_msg({"kind": "nonsense"}, [])


@pytest.mark.parametrize("arguments, error, words", [
    ({"hidden": 64}, TypeError, "there is no hyperparameter 'hidden'; there are num_hiddens, "), ({"lr": 0}, ValueError, "lr is a positive number, not 0"),
    ({"seconds": 0}, ValueError, "seconds is a positive number, not 0"), ({"seconds": "long"}, ValueError, "not 'long'"),
    ({"num_steps": 5000}, ValueError, "a window of 5000 steps"),
])
def test_a_run_that_cannot_be(lab, arguments, error, words):
    with pytest.raises(error, match=words):
        lab.run(**arguments)
    assert lab.runs == [] and not lab.busy.locked()
    assert lab.run(num_steps=8) is not None                           # and the next one can
