"""The source's experiment in every framework: what is measured, in which order, and what is not recorded."""
import os
from types import SimpleNamespace

import numpy as np
import pytest
import record_frameworks as tool

from unrolled import recorded
from unrolled.frameworks import arrays, experiment, tasks
from unrolled.frameworks import torch as framework


def corpus(stand_in=False):
    words = "it has to be said that it has been so, and it has to be so. " * 3
    return SimpleNamespace(text=words, stand_in=stand_in, notice="A story.")


@pytest.fixture
def record(monkeypatch, tmp_path):
    """record(*arguments): what the tool writes, of windows fewer than the book's."""
    for name, value in (("load_corpus", corpus), ("TRAIN", 40), ("VALIDATION", 20), ("HIDDEN", 4)):
        monkeypatch.setattr(tool, name, value)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        tool.main([*arguments, "--out", "data/frameworks.json"])
        return recorded.recorded("frameworks")

    return run


class InThisProcess:
    """In place of a framework's process: PyTorch stands for each of them, and is asked here."""

    import_seconds, asked = 0.25, []

    def __init__(self, name, cores=0):
        self.name, self.cores, self.calls = name, cores, []

    def __enter__(self):
        self.asked.append((self.name, self.cores, self.calls))
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.name = "closed"

    def call(self, task, *args):
        self.calls.append((task, *args))
        return ({self.name: "1.0"}, "the processor") if task is tasks.about else task(framework, *args)


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(tool, "FrameworkProcess", InThisProcess)
    monkeypatch.setattr(InThisProcess, "asked", [])
    return InThisProcess.asked


def test_a_record_of_a_process(record, monkeypatch, capfd):
    monkeypatch.setattr(tool, "RUNS", tool.RUNS[1:2])
    found = record("--only", "torch", "--seeds", "1", "--epochs", "2")
    assert found["versions"].keys() == {"python", "torch"} and found["devices"].keys() == {"torch"}
    assert found["command"] == "python tools/record_frameworks.py" and found["cores"] == 1 and found["num_hiddens"] == 4
    assert found["settings"] == {**vars(experiment.SOURCE), "epochs": 2}
    row, = found["rows"]
    assert (row["framework"], row["kind"], row["start"], row["seed"]) == ("torch", "concise", "shared", 0)
    assert [len(row[name]) for name in ("train_loss", "validation_loss", "seconds", "written")] == [2, 2, 2, 20]
    assert min(row["seconds"]) > 0 and row["seconds_to_import"] > 0 and row["seconds_before"] > 0
    assert f"torch, concise, shared start, seed 0: {np.median(row['seconds']):.2f} s an epoch" in capfd.readouterr().err


def test_frameworks_take_turns_in_each_run_of_each_seed(record, asked):
    found = record("--seeds", "2", "--epochs", "3", "--only", "jax", "torch", "--cores", "0")
    runs = [(name, kind, start, seed) for seed in (0, 1)
            for kind, start in (("scratch", "shared"), ("concise", "shared"), ("concise", "own")) for name in ("jax", "torch")]
    rows = {(row["framework"], row["kind"], row["start"], row["seed"]): row for row in found["rows"]}
    assert [*rows] == runs and found["cores"] == 0 and [(name, cores) for name, cores, _ in asked] == [(run[0], 0) for run in runs]
    assert found["versions"].keys() == {"python", "jax", "torch"} and found["devices"].keys() == {"jax", "torch"}
    last = {run: row["validation_loss"] for run, row in rows.items()}
    assert all(len(losses) == 3 for losses in last.values())
    for seed in (0, 1):                                       # a seed is the same first weights and the same order for all
        shared = [last[name, kind, "shared", seed] for name in ("jax", "torch") for kind in ("scratch", "concise")]
        np.testing.assert_allclose(shared, [shared[0]] * 4, rtol=1e-5)
        own = [last[name, "concise", "own", seed] for name in ("jax", "torch")]
        assert own[0] == own[1] and np.abs(np.subtract(own[0], shared[0])).max() > 1e-4
    assert last["torch", "scratch", "shared", 0] != last["torch", "scratch", "shared", 1]


def test_what_a_framework_is_asked(record, asked):
    record("--seeds", "1", "--epochs", "3", "--only", "mxnet")
    for (_, _, calls), own in zip(asked, (False, False, True), strict=True):
        assert [call[0] for call in calls] == [tasks.own_start] * own + [tasks.wait, tasks.train, tasks.write, tasks.about]
        wait, train, write = calls[own:own + 3]
        first = framework.to_arrays(framework.new_model(12, 4)) if own else arrays.draw(12, 4)
        for name, value in first.items():
            np.testing.assert_array_equal(wait[1][name], value)
            np.testing.assert_array_equal(train[1][name], value)
        assert wait[3].shape == train[3].shape == (40, 33) and train[4].shape == (20, 33) and train[6] == 0
        np.testing.assert_array_equal(train[4][0][:-1], train[3][-1][1:])         # validation begins where training ends
        assert train[5].epochs == 3 and len(write[3]) == len("it has") and write[4] == 20
        assert np.abs(write[1]["head.bias"] - first["head.bias"]).max() > 1e-3    # it writes with the weights that it ended with


def stops(capfd, record, *arguments):
    """The sentence with which the tool stops, and nothing is written."""
    with pytest.raises(SystemExit) as stopped:
        record(*arguments)
    assert stopped.value.code == 1 and not os.listdir("data")
    return capfd.readouterr().err.rstrip().splitlines()[-1]


def test_a_text_that_stands_in_is_not_recorded(record, monkeypatch, capfd):
    monkeypatch.setattr(tool, "load_corpus", lambda: corpus(stand_in=True))
    assert stops(capfd, record) == "A record is of the novel, and only a text that stands in for it is here: A story."


def test_a_framework_that_is_not_there(record, asked, monkeypatch, capfd):
    class Missing(InThisProcess):
        def __init__(self, name, cores=0):
            if name == "mxnet":
                raise ModuleNotFoundError("MXNet has an environment of its own")
            super().__init__(name, cores)

    monkeypatch.setattr(tool, "FrameworkProcess", Missing)
    assert stops(capfd, record, "--epochs", "1") == "MXNet has an environment of its own"
    assert not asked                                          # it is said before anything else was trained


@pytest.mark.parametrize("arguments, says", [
    (["--only", "theano"], "argument --only: invalid choice: 'theano'"),
    (["--seeds", "0"], "argument --seeds: a whole number of at least 1, not 0"),
    (["--epochs", "-3"], "argument --epochs: a whole number of at least 1, not -3"),
    (["--cores", "-1"], "argument --cores: a whole number of at least 0, not -1"),
    (["--cores", "two"], "argument --cores: invalid whole value: 'two'")])
def test_numbers_and_names_that_make_no_record(arguments, says, record, asked, capfd):
    with pytest.raises(SystemExit) as stopped:
        record(*arguments)
    said = capfd.readouterr().err
    assert stopped.value.code == 2 and says in said.splitlines()[-1]
    assert not asked and not os.listdir("data")
