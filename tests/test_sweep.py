"""A study that is shared, gone on with and finished; trials that fail, are pruned or lost, and what of them is kept."""
import builtins
import json
import multiprocessing
import os
import platform
import time
from dataclasses import asdict, replace

import pytest

from unrolled import sweep as room
from unrolled.recorded import FORM
from unrolled.sweep import GRID, Sweep, grid, parameters, ratios
from unrolled.training import NotFinite
from unrolled.trials import CENTRE, NAMES, Bench, Setting

STORY = "the machine stood in the old garden, and it has nobody who moved it since the summer before last. " * 12


class Quick(Bench):
    """A bench whose trials take no time; what they find is a function of the setting."""

    def __init__(self, windows=100, failing=None):
        super().__init__(STORY, split="honest", windows=windows, device="cpu")
        self.failing, self.made = failing or {}, []

    def run(self, setting, seed=0, *, on_epoch=None, on_step=None):
        self.made.append((setting, seed))
        on_step(0, 100), on_step(50, 100)
        if error := self.failing.get((setting, seed)):
            raise error
        found = setting.lr + seed / 10
        for k in range(1, 4):
            on_epoch(type("History", (), {"validation_perplexity": [found + 3 - k], "__len__": lambda self, k=k: k})())
        return {**asdict(setting), "seed": seed, "whole": True, "windows": 100, "updates": 7, "seconds": 2.0 * setting.num_layers,
                "train_perplexity": 1.5, "validation_perplexity": found, "samples": {"greedy": "it has"}}


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path / 'sweep.db'}"


PLAN = [(CENTRE, 0), (Setting(lr=1.0), 0), (Setting(num_layers=2, clip=0), 0), (CENTRE, 1)]


# ---- the plan

def test_the_books_grid():
    plan = grid()
    settings = [setting for setting, _ in plan]
    centres = [k for k, setting in enumerate(settings) if setting == CENTRE]
    assert centres[0] == 0 and centres[-1] == len(plan) - 1 and max(b - a for a, b in zip(centres, centres[1:])) <= room.CENTRE_EVERY + 1
    assert [seed for setting, seed in plan if setting == CENTRE] == list(range(len(centres)))     # each a seed of its own
    for name, values in GRID.items():
        for value in values:
            assert [seed for setting, seed in plan if setting == replace(CENTRE, **{name: value})] == [0, 1]
    assert len(set(plan)) == len(plan)


def test_a_grid_of_ones_own():
    plan = grid({"lr": [1.0, 4.0, 16.0]}, seeds=3)
    assert plan == [(CENTRE, 0), *((Setting(lr=lr), seed) for seed in range(3) for lr in (1.0, 16.0)), (CENTRE, 1)]


@pytest.mark.parametrize("arguments, words", [
    (({"hidden": [1]},), "there is no hyperparameter 'hidden'; there are num_hiddens, "), (({"lr": [-1.0]},), "lr is a positive number"),
    (({"lr": [1.0]}, 0), "seeds is a whole number of at least 1, not 0"), (({"lr": [1.0]}, True), "not True"),
])
def test_a_grid_that_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=words):
        grid(*arguments)


# ---- the study

def test_a_grid_is_made_once(storage):
    bench = Quick()
    rows = list(Sweep(bench, storage=storage).grid(PLAN))
    assert bench.made == PLAN and [row["state"] for row in rows] == ["complete"] * 4
    assert list(Sweep(bench, storage=storage).grid(PLAN)) == [] and len(bench.made) == 4       # a finished study adds nothing
    assert len(list(Sweep(bench, storage=storage).grid([*PLAN, (CENTRE, 2)]))) == 1            # and a longer plan only what is new
    params = [trial.params for trial in Sweep(bench, storage=storage).study.trials]
    assert params[:4] == [parameters(setting) for setting, _ in PLAN]                          # Optuna knows them, too


def test_what_fails_is_kept_with_its_cause(storage):
    bench = Quick(failing={PLAN[1]: NotFinite("the loss is not finite at epoch 1"), PLAN[2]: ValueError("too short")})
    study = Sweep(bench, storage=storage)
    said = list(study.grid(PLAN))
    assert [(row["state"], row.get("cause")) for row in said] == [
        ("complete", None), ("failed", "the loss is not finite at epoch 1"), ("failed", "too short"), ("complete", None)]
    assert list(study.grid(PLAN)) == []                                                        # it would fail again
    assert [row["state"] for row in study.rows()] == ["complete", "failed", "failed", "complete"]
    assert study.rows()[1]["cause"] == "the loss is not finite at epoch 1" and "time" not in study.rows()[1]


def test_an_interrupted_trial_is_made_again(storage):
    class Pressed(Quick):
        def run(self, setting, *args, **kwargs):
            row = super().run(setting, *args, **kwargs)
            return row | {"whole": setting.lr != 1.0}                # the trainer ended early and cleanly

    bench = Pressed()
    with pytest.raises(KeyboardInterrupt):
        list(Sweep(bench, storage=storage).grid(PLAN))
    assert len(Sweep(bench, storage=storage).rows()) == 1
    bench = Quick()
    assert len(list(Sweep(bench, storage=storage).grid(PLAN))) == 3 and bench.made == [*PLAN[2:], PLAN[1]]
    assert len(Sweep(bench, storage=storage).rows()) == 4


def killed(storage, bench_class):
    class Endless(bench_class):
        def run(self, *args, **kwargs):
            if self.made:
                os._exit(9)                                          # as `kill -9` would
            return super().run(*args, **kwargs)

    list(Sweep(Endless(), storage=storage).grid(PLAN))


def test_a_killed_worker_leaves_its_trial_to_the_next(storage):
    process = multiprocessing.get_context("fork").Process(target=killed, args=(storage, Quick))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    bench = Quick()
    study = Sweep(bench, storage=storage)
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "RUNNING", "WAITING", "WAITING"]
    assert len(list(study.grid(PLAN))) == 3 and sorted(map(str, bench.made)) == sorted(map(str, PLAN[1:]))
    assert len(study.rows()) == 4


def test_workers_share_a_study(storage):
    one, two = Quick(), Quick()
    first, second = Sweep(one, storage=storage).grid(PLAN), Sweep(two, storage=storage).grid(PLAN)
    assert len([next(first), next(second), *first, *second]) == 4
    assert one.made and two.made and sorted(map(str, one.made + two.made)) == sorted(map(str, PLAN))


def test_a_plan_that_two_had_at_once_is_made_once(storage):
    bench = Quick()
    study = Sweep(bench, storage=storage)
    plan = {"setting": asdict(CENTRE), "seed": 0}
    for _ in range(2):
        study.study.enqueue_trial(parameters(CENTRE), user_attrs={"plan": plan})
    assert len(list(study.grid(PLAN[:1]))) == 1 and bench.made == PLAN[:1] and len(study.rows()) == 1


def test_a_trial_that_another_took(storage, monkeypatch):
    study = Sweep(Quick(), storage=storage)
    real = study.study.ask

    def ask():
        monkeypatch.setattr(study.study, "ask", real)
        real()                                                       # the other worker takes the only one …
        return real()                                                # … so Optuna draws one
    monkeypatch.setattr(study.study, "ask", ask)
    assert list(study.grid(PLAN[:1])) == [] and study.rows() == []


def test_trials_on_other_machines_are_given_time(storage, monkeypatch):
    study = Sweep(Quick(), storage=storage)
    trial = study.study.ask()
    assert not room.gone(study.study.trials[0])                      # just begun, and nobody has said who
    trial.set_user_attr("worker", {"host": "another machine", "process": os.getpid()})
    trial.set_user_attr("heard", time.time() - room.SILENCE + 60)
    assert not room.gone(study.study.trials[0])
    trial.set_user_attr("heard", time.time() - room.SILENCE - 1)
    assert room.gone(study.study.trials[0])
    trial.set_user_attr("worker", {"host": platform.node(), "process": os.getpid()})
    trial.set_user_attr("heard", time.time())
    assert not room.gone(study.study.trials[0])                      # this very process

    def forbidden(*args):
        raise PermissionError
    trial.set_user_attr("heard", 0)
    monkeypatch.setattr(room.os, "kill", forbidden)
    assert not room.gone(study.study.trials[0])                      # another user's, alive


def test_a_study_of_another_bench_is_refused(storage):
    Sweep(Quick(), storage=storage)
    with pytest.raises(ValueError, match=r"was begun with windows 100 \(here 200\): give the same, or the study another name"):
        Sweep(Quick(windows=200), storage=storage)
    Sweep(Quick(windows=200), storage=storage, study="another")
    for bad in ("nonsense", "sqlite:////nowhere/at/all.db"):
        with pytest.raises(ValueError, match="no study can be kept in"):
            Sweep(Quick(), storage=bad)


def test_without_optuna(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *args, **kwargs)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(RuntimeError, match="a sweep needs Optuna, which is not installed: pip install optuna"):
        Sweep(Quick())


# ---- a search

def test_a_search_is_repeatable_and_gone_on_with(storage, tmp_path):
    bench, half = Quick(), Quick()
    list(Sweep(bench, storage=storage).search(6, seed=3))
    settings = [setting for setting, _ in bench.made]
    assert len(set(settings)) == 6 and [seed for _, seed in bench.made] == [3, 4, 5, 6, 7, 8]
    other = f"sqlite:///{tmp_path / 'other.db'}"
    list(Sweep(half, storage=other).search(2, seed=3))
    list(Sweep(half, storage=other).search(6, seed=3))
    assert half.made == bench.made
    assert list(Sweep(half, storage=other).search(6, seed=3)) == []
    assert all(8 <= setting.num_hiddens <= 128 and 16 <= setting.batch_size <= 1024 and 1 <= setting.num_layers <= 3 for setting in settings)
    assert {setting.optimizer for setting in settings} == {"sgd", "adamw"}


def test_a_search_prunes_what_is_worse_than_the_median(storage):
    class Worse(Quick):
        def run(self, setting, seed=0, **kwargs):
            return super().run(replace(setting, lr=50.0 if len(self.made) == 8 else 1.0, optimizer="sgd"), 0, **kwargs)

    study = Sweep(Worse(), storage=storage)
    rows = list(study.search(9))
    assert [row["state"] for row in rows] == ["complete"] * 8 + ["pruned"]
    assert rows[-1]["cause"] == "worse than the median: perplexity 52 after pass 1" and study.rows()[-1]["cause"] == rows[-1]["cause"]


def test_a_search_takes_what_a_grid_left_waiting(storage):
    bench = Quick()
    next(Sweep(bench, storage=storage).grid(PLAN))
    assert len(list(Sweep(bench, storage=storage).search(2))) == 5 and bench.made[:4] == PLAN
    for bad in (0, 2.5, True):
        with pytest.raises(ValueError, match="trials is a whole number of at least 1"):
            next(Sweep(bench, storage=storage).search(bad))


# ---- the record

def test_ratios_to_the_nearest_centres():
    other = Setting(lr=1.0)
    trials = [(CENTRE, 2.0, "a"), (other, 6.0, "a"), (other, None, "a"), (CENTRE, 4.0, "a"), (other, 8.0, "a"), (other, 8.0, "b"), (CENTRE, None, "a")]
    assert ratios(trials) == [0.5, 2.0, None, 2.0, 2.0, None, None]


def test_the_record(storage, tmp_path):
    study = Sweep(Quick(failing={PLAN[1]: NotFinite("too far")}), storage=storage)
    with pytest.raises(ValueError, match="no trial has ended yet"):
        study.export(tmp_path / "r.json", "")
    list(study.grid(PLAN))
    record = study.export(tmp_path / "r.json", "unrolled sweep grid")
    assert record == json.loads((tmp_path / "r.json").read_text()) and set(FORM) < set(record)
    assert record["command"] == "unrolled sweep grid" and "optuna" in record["versions"] and record["device"] == "cpu"
    assert record["bench"] == {"text": Quick().text, "split": "honest", "windows": 100} and record["centre"] == asdict(CENTRE)
    rows = record["rows"]
    assert [row["state"] for row in rows] == ["complete", "failed", "complete", "complete"]
    assert rows[2] == {**asdict(PLAN[2][0]), "seed": 0, "state": "complete", "windows": 100, "updates": 7, "seconds": 4.0, "time": 2.0,
                       "train_perplexity": 1.5, "validation_perplexity": 4.0, "samples": {"greedy": "it has"}}
    assert rows[1] == {**asdict(PLAN[1][0]), "seed": 0, "state": "failed", "cause": "too far"} and set(NAMES) < set(rows[1])
