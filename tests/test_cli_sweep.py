"""``unrolled sweep`` as a stranger calls it."""
import hashlib
import json
import subprocess
import sys

import pytest

from unrolled import sweep
from unrolled.cli import main
from unrolled.trials import CENTRE, Bench, Setting

STORY = "the machine stood in the old garden, and it has nobody who moved it since the summer before last. " * 12


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Sweep over the story in a second; returns (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "story.txt").write_text(STORY, encoding="utf-8")

    def call(*options):
        status = main(["sweep", *map(str, options)])
        return status, *capsys.readouterr()
    return call


SHORT = ("--text", "story.txt", "--split", "honest", "--windows", 60, "--device", "cpu", "--seeds", 1)
FEW = (*SHORT, "--vary", "num-hiddens=4", "--vary", "clip=0,0.5")


def test_a_grid_from_the_shell(run, tmp_path):
    status, out, err = run("grid", *FEW, "--export", "out/record.json")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines[:5]] == ["the centre (seed 0)", "4 hidden units (seed 0)", "no clipping (seed 0)",
                                                          "clipping 0.5 (seed 0)", "the centre (seed 1)"]
    assert lines[5:] == ["5 trials in the study 'hyperparameters'", "recorded in out/record.json"]
    record = json.loads((tmp_path / "out/record.json").read_text())
    assert record["command"] == ("unrolled sweep grid --text story.txt --split honest --windows 60 --vary num-hiddens=4 --vary clip=0,0.5 "
                                 "--seeds 1 --export out/record.json")
    row = Bench(STORY, split="honest", windows=60, device="cpu").run(Setting(num_hiddens=4))
    assert record["rows"][1]["validation_perplexity"] == row["validation_perplexity"] and record["rows"][1]["time"] > 0
    assert f"perplexity {row['train_perplexity']:.2f} in training, {row['validation_perplexity']:.2f} in validation, " in lines[1]
    status, out, _ = run("grid", *FEW)                                # gone on with: nothing is left
    assert status == 0 and out == "5 trials in the study 'hyperparameters'\n"


def test_a_search_from_the_shell(run, tmp_path):
    status, out, _ = run("search", *SHORT, "--trials", 2, "--seed", 4, "--storage", "sqlite:///mine.db", "--study", "mine",
                         "--export", "r.json")
    assert status == 0 and "2 trials in the study 'mine'" in out and (tmp_path / "mine.db").exists() and not (tmp_path / "sweep.db").exists()
    assert json.loads((tmp_path / "r.json").read_text())["command"] == (
        "unrolled sweep search --text story.txt --split honest --windows 60 --trials 2 --seed 4 --export r.json")


def test_a_training_that_fails_is_a_line(run):
    status, out, _ = run(*SHORT, "--vary", "num_steps=5000")
    assert status == 0 and "5000 steps (seed 0): failed, a window of 5000 steps and its targets needs 5001 tokens" in out


def test_the_books_text_and_grid_are_the_defaults(run, monkeypatch, tmp_path):
    text = "".join(chr(97 + (k * k + k // 7) % 26) for k in range(15_200))
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path))
    monkeypatch.setattr("unrolled.text.corpus.SHA256", hashlib.sha256(text.encode()).hexdigest())
    (tmp_path / "timemachine.txt").write_text(text, encoding="utf-8")
    asked = {}

    def made(self, plan):
        asked.update(plan=plan, windows=self.bench.windows, split=self.bench.split, ids=len(self.bench.ids))
        return iter(())
    monkeypatch.setattr(sweep.Sweep, "grid", made)
    status, out, _ = run()
    assert status == 0 and out.startswith("Text: The Time Machine") and "0 trials in the study" in out
    assert asked == {"plan": sweep.grid(), "windows": 60_000, "split": "source", "ids": 15_200} and asked["plan"][0] == (CENTRE, 0)


@pytest.mark.parametrize("options, message", [
    (["grid", *SHORT, "--vary", "hidden=4"], "there is no hyperparameter 'hidden'; there are num_hiddens, num_steps, "),
    (["grid", *SHORT, "--vary", "lr"], "--vary is a name and values, as in lr=1,4,16; got 'lr'"),
    (["grid", *SHORT, "--vary", "lr=fast"], "--vary lr takes numbers, not 'fast'"),
    (["grid", *SHORT, "--vary", "num_layers=1.5"], "--vary num_layers takes whole numbers, not '1.5'"),
    (["grid", *SHORT, "--vary", "optimizer=adam"], "the optimizer is one of sgd, adamw, not 'adam'"),
    (["grid", *SHORT[:-1], 0], "seeds is a whole number of at least 1, not 0"),
    (["search", *SHORT, "--vary", "lr=1"], "--vary goes with a grid: a search chooses by itself"),
    (["search", *SHORT, "--trials", 0], "trials is a whole number of at least 1, not 0"),
    (["grid", "--text", "nowhere.txt"], "nowhere.txt"),
    (["grid", *SHORT, "--windows", 0], "the budget is a whole number of windows, at least 1, not 0"),
    (["grid", *SHORT, "--device", "cuda:99"], "device 'cuda:99' is not on this machine"),
    (["grid", *SHORT, "--storage", "nonsense"], "no study can be kept in 'nonsense'"),
])
def test_one_sentence_and_status_1(run, options, message):
    status, _, err = run(*options)
    assert status == 1 and err.startswith("unrolled: ") and message in err and err.count("\n") == 1


def test_help_shows_every_option_and_its_default(capsys):
    with pytest.raises(SystemExit) as end:
        main(["sweep", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0 and all(word in out for word in ("--storage", "sqlite:///sweep.db", "(default: 60000)", "forget_bias", "share"))
    assert "(default: None)" not in out


def test_from_a_shell_without_a_warning(run, tmp_path):
    """In a fresh process, where Python's own filters hold: nothing but the lines is said."""
    command = [sys.executable, "-W", "error", "-m", "unrolled.cli", "sweep", *map(str, SHORT), "--vary", "num_hiddens=4"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "3 trials in the study" in done.stdout
