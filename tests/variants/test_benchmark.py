"""The benchmark of the variants: a fair budget, and a record that goes on where it stopped."""
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from unrolled.layers import LSTM
from unrolled.models import LanguageModel

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "variants.py"


@pytest.fixture(scope="module")
def bench():
    return runpy.run_path(str(PROGRAM))


def test_all_have_as_many_parameters_as_the_lstm(bench):
    budget = bench["parameters"](bench["build"]("LSTM"))
    assert budget == 4 * (28 * 144 + 144 * 144 + 144) + 28 * 144 + 28
    for name in bench["VARIANTS"]:
        assert bench["parameters"](bench["build"](name)) == pytest.approx(budget, rel=0.02), name


def test_streams_go_on_and_begin_anew(bench):
    ids = torch.arange(32 * 130 + 1)
    seen = list(bench["batches"](ids, 5))
    assert [anew for _, _, anew in seen] == [True, False, True, False, True]
    (first, targets, _), (second, _, _) = seen[:2]
    assert first.shape == (64, 32) and torch.equal(targets, first + 1)
    assert torch.equal(second[0], first[-1] + 1)                    # each stream goes on
    assert torch.equal(first[0], 130 * torch.arange(32))            # and has its own part of the text
    assert torch.equal(seen[2][0], first)


def test_one_stream_in_pieces_is_one_stream(bench):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(28, 8), 28, dropout=0.5)
    ids = torch.randint(28, (700,))
    with torch.no_grad():
        logits = model.eval()(ids[:-1, None])[0][:, 0]
    expected = torch.nn.functional.cross_entropy(logits, ids[1:]).item() / torch.log(torch.tensor(2.0)).item()
    assert bench["stream_bits"](model.train(), ids) == pytest.approx(expected, rel=1e-5)


def test_the_rate_rises_and_falls_and_stays_where_weights_are_averaged(bench):
    rates = {}
    for name in ("LSTM", "averaging"):
        _, optimizer, schedule = bench["prepare"](name, 100)
        rates[name] = []
        for _ in range(100):
            rates[name].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
    lr = bench["LR"]
    assert rates["LSTM"][:10] == pytest.approx([lr * (k + 1) / 10 for k in range(10)])
    assert rates["LSTM"][55] == pytest.approx(lr / 2) and rates["LSTM"][99] < 0.001 * lr
    assert rates["averaging"][:10] == pytest.approx(rates["LSTM"][:10]) and set(rates["averaging"][10:]) == {lr}


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch, capsys):
    out = tmp_path / "variants.json"

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["variants.py", "--steps", "2", "--rounds", "1", "--out", str(out), *options])
        runpy.run_path(str(PROGRAM), run_name="__main__")
        return json.loads(out.read_text()), capsys.readouterr()

    first, _ = run("--seeds", "1", "--only", "Transformer")
    assert [(row["variant"], row["seed"]) for row in first["rows"]] == [("Transformer", 0)]
    assert first["rows"][0]["parameters"] == 103964 and 3 < first["rows"][0]["test_bits"] < 8
    second, said = run("--seeds", "2", "--only", "Transformer")
    assert second["rows"][0] == first["rows"][0] and [row["seed"] for row in second["rows"]] == [0, 1]
    assert "1 of 1: Transformer, seed 1" in said.err
    assert said.out.splitlines()[1].startswith("Transformer                     64     103964")
    assert [row["variant"] for row in second["times"]] == ["Transformer"]
    other, _ = run("--seeds", "1", "--only", "Transformer", "--steps", "1")          # another budget: nothing of it is kept
    assert [row["steps"] for row in other["rows"]] == [1]
