"""The experiment in one framework: what is measured, and by which Python. Torch's module stands for all."""
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unrolled import recorded, text
from unrolled.frameworks import arrays, experiment

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    """The tool as a module, for windows fewer than the book's, in this process."""
    monkeypatch.syspath_prepend(TOOLS)
    spec = importlib.util.spec_from_file_location("record_framework", TOOLS / "record_framework.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in (("TRAIN", 40), ("VALIDATION", 20), ("HIDDEN", 4)):
        monkeypatch.setattr(module, name, value)
    return module


def corpus(stand_in=False):
    words = "it has to be said that it has been so, and it has to be so. " * 3
    return SimpleNamespace(text=words, stand_in=stand_in, notice="A story.")


def test_a_record_has_what_was_measured(tool, monkeypatch, tmp_path):
    cores = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, those: cores.append(those), raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    monkeypatch.setattr(text, "load_corpus", corpus)
    monkeypatch.setattr(tool, "apart", lambda job: json.loads(json.dumps(tool.measure_all(job))))
    tool.main(["torch", "--seeds", "2", "--epochs", "3", "--out", str(tmp_path / "framework-torch.json")])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(tmp_path)
    record = recorded.recorded("framework-torch")
    assert (record["framework"], record["cores"], cores) == ("torch", 1, [[3]])
    assert record["versions"].keys() == {"python", "torch", "numpy"}
    assert record["command"] == "python tools/record_framework.py torch"
    runs = [(kind, seed) for seed in (0, 1) for kind in ("scratch", "concise")]
    assert [(row["kind"], row["seed"], row["epoch"]) for row in record["rows"]] == [(*run, k) for run in runs for k in (1, 2, 3)]
    assert [(run["kind"], run["seed"], len(run["written"])) for run in record["runs"]] == [(*run, 20) for run in runs]
    losses = {run: [row["validation_loss"] for row in record["rows"] if (row["kind"], row["seed"]) == run] for run in runs}
    np.testing.assert_allclose(losses["scratch", 0], losses["concise", 0], rtol=1e-5)      # the same first weights
    assert losses["scratch", 0] != losses["scratch", 1]


def test_what_a_framework_is_given(tool):
    calls = []

    def train(model, train, validation, settings, seed, on_epoch):
        calls.append((model, len(train), validation if validation is None else len(validation), settings.epochs, seed))
        rows = [experiment.Row(epoch, 1.0, 1.0, 0.0) for epoch in range(1, settings.epochs + 1)]
        for row in rows:
            on_epoch(row)
        return rows

    fake = SimpleNamespace(train=train, generate=lambda model, prefix, number: prefix * number,
                           from_arrays=lambda weights, kind, dropout: (weights["head.bias"].tolist(), kind, dropout))
    settings = experiment.Settings(epochs=2, batch_size=8, optimizer="sgd", lr=1.0, dropout=0.5)
    found = tool.measure(fake, "concise", 7, np.arange(92) % 6, 6, [3], settings)
    model = arrays.draw(6, 4, 7)["head.bias"].tolist(), "concise", 0.5
    assert calls == [(model, 40, None, 1, 7), (model, 40, 20, 2, 7)]
    assert found["written"] == [3] * 20 and found["seconds_before"] > 0 and [row["epoch"] for row in found["rows"]] == [1, 2]


def stops(capfd, call, *arguments):
    """The sentence with which a call stops."""
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert stopped.value.code == 1
    return capfd.readouterr().err.rstrip().splitlines()[-1]


def test_a_text_that_stands_in_is_not_recorded(tool, monkeypatch, capfd):
    monkeypatch.setattr(text, "load_corpus", lambda: corpus(stand_in=True))
    assert stops(capfd, tool.main, ["torch"]) == (
        "A record is of the novel, and only a text that stands in for it is here: A story.")


def test_mxnet_has_a_python_of_its_own(tool, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(tool, "MXNET_VENV", str(tmp_path))
    assert stops(capfd, tool.apart, {"name": "mxnet"}) == "MXNet's environment is missing: run make frameworks first."
    python, called = Path(tool.python_of(str(tmp_path))), []
    python.parent.mkdir()
    python.touch()
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command[0]) or 1)
    assert stops(capfd, tool.apart, {"name": "mxnet"}) == "The training with mxnet failed: see the message above."
    assert stops(capfd, tool.apart, {"name": "jax"}) == "The training with jax failed: see the message above."
    assert called == [str(python), sys.executable]


def test_the_job_goes_to_a_new_process_and_its_answer_comes_back(tool, monkeypatch):
    settings = {"epochs": 1, "batch_size": 1024, "optimizer": "sgd", "lr": 1.0}
    found = tool.apart({"name": "torch", "seeds": 0, "cores": 1, "settings": settings, "num_tokens": 5, "ids": [], "prefix": [0]})
    assert found["runs"] == [] and found["device"] and {"python", "numpy", "torch"} == set(found["versions"])
