"""``unrolled train`` and ``unrolled generate`` as a stranger calls them."""
import contextlib
import hashlib
import json
import re
import subprocess
import sys

import pytest
import torch

from unrolled import models, training
from unrolled.cli import main
from unrolled.device import Peak
from unrolled.frameworks.experiment import RECIPES
from unrolled.generation import generate
from unrolled.layers import LSTM, LSTMScratch, Stacked
from unrolled.text import Vocabulary, source_split
from unrolled.history import History
from unrolled.training import Trainer

STORY = "the machine stood in the old garden and nobody had moved it since the summer before last. "


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY * 8, encoding="utf-8")
    return path


@pytest.fixture
def run(story, tmp_path, capsys):
    """Train on the story in a second; returns (exit status, standard output, standard error)."""
    def call(*options, out="model.safetensors"):
        short = ["--text", story, "--split", "honest", "--num-steps", 10, "--num-hiddens", 8, "--epochs", 2,
                 "--batch-size", 16, "--lr", 1, "--device", "cpu"]
        status = main(["train", "--out", str(tmp_path / out), *map(str, short), *map(str, options)])
        return status, *capsys.readouterr()
    return call


def write(capsys, *options):
    status = main(["generate", *map(str, options), "--device", "cpu"])
    return status, *capsys.readouterr()


def test_train_then_generate(run, tmp_path, capsys):
    status, out, _ = run("--history", tmp_path / "history.json")
    assert status == 0
    model, vocab = models.load(tmp_path / "model.safetensors")
    history = History.from_dict(json.loads((tmp_path / "history.json").read_text()))
    assert len(history) == 2
    train, validation = history.train_perplexity[-1], history.validation_perplexity[-1]
    assert f"2 of 2 epochs, {history.seconds:.1f} s of training on cpu: " in out
    assert f"perplexity {train:.2f} in training, {validation:.2f} in validation" in out
    assert "test: perplexity" in out and "saved as" in out
    options = ["--num-tokens", 12, "--temperature", 0.8, "--top-k", 5, "--seed", 3]
    status, out, _ = write(capsys, tmp_path / "model.safetensors", "--prefix", "the old", *options)
    expected = generate(model, vocab, "the old", 12, temperature=0.8, top_k=5, seed=3)
    assert status == 0 and out == expected + "\n"


def test_the_command_is_the_python_call(monkeypatch, tmp_path, capsys, story):
    """The source's split and the book's corpus, against the same calls written out."""
    text = "".join(chr(97 + (k * k + k // 7) % 26) for k in range(15_200))
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path))
    monkeypatch.setattr("unrolled.text.corpus.SHA256", hashlib.sha256(text.encode()).hexdigest())
    (tmp_path / "timemachine.txt").write_text(text, encoding="utf-8")
    out = tmp_path / "model"
    status = main(["train", "--out", str(out), "--epochs", "1", "--num-hiddens", "4", "--num-steps", "5",
                   "--layer", "LSTMScratch", "--seed", "7", "--device", "cpu"])
    assert status == 0 and "The Time Machine" in capsys.readouterr().out
    vocab = Vocabulary.from_text(text)
    torch.manual_seed(7)
    model = models.LanguageModel(LSTMScratch(len(vocab), 4), len(vocab), sigma=0.01)
    split = source_split(vocab.encode(text), 5)
    Trainer(model, split.train, split.validation, optimizer="sgd", lr=4.0, batch_size=1024, clip=1.0, seed=7,
            device="cpu").fit(1)
    saved, _ = models.load(out)
    assert all(torch.equal(a, b) for a, b in zip(saved.parameters(), model.parameters(), strict=True))


def test_words_layers_and_an_embedding(run, tmp_path, capsys):
    status, _, _ = run("--level", "word", "--min-freq", 2, "--num-layers", 2, "--embedding", 8, "--tied",
                       "--dropout", 0.1, "--forget-bias", 2, "--optimizer", "adamw", "--lr", 0.01,
                       "--schedule", "one-cycle", "--num-steps", 3, "--weight-decay", 0.01, "--clip", 0)
    assert status == 0
    model, vocab = models.load(tmp_path / "model.safetensors")
    assert vocab.level == "word" and model.options == {"embedding": 8, "tied": True, "dropout": 0.1}
    assert isinstance(model.layer, Stacked) and [type(one) for one in model.layer.layers] == [LSTM, LSTM]
    options = ["--prefix", "the machine", "--num-tokens", 3]
    status, out, _ = write(capsys, tmp_path / "model.safetensors", *options)
    assert status == 0 and len(out.split()) == 5 and out.startswith("the machine ")


def test_the_forget_bias_arrives(run, tmp_path):
    run("--forget-bias", 3, "--lr", 1e-9)
    model, _ = models.load(tmp_path / "model.safetensors")
    assert model.layer.rnn.bias_ih_l0[8:16].tolist() == pytest.approx([3.0] * 8, abs=1e-4)


def test_the_same_seed_gives_the_same_file(run, tmp_path):
    for name in "abc":
        run("--seed", 2 if name == "c" else 1, "--dropout", 0.3, out=name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_a_checkpoint_is_gone_on_with(run, tmp_path):
    straight = ["--optimizer", "adamw", "--lr", 0.02, "--dropout", 0.2, "--epochs", 4]
    run(*straight, out="straight")
    run(*straight[:-1], 2, "--checkpoint", tmp_path / "c", out="half")
    status, out, _ = run(*straight, "--checkpoint", tmp_path / "c", out="whole")
    assert status == 0 and "going on after epoch 2" in out and "4 of 4 epochs" in out
    assert (tmp_path / "straight").read_bytes() == (tmp_path / "whole").read_bytes()
    status, out, _ = run(*straight, "--checkpoint", tmp_path / "c", out="again")      # nothing left to do
    assert status == 0 and (tmp_path / "again").read_bytes() == (tmp_path / "whole").read_bytes()


def test_patience_keeps_the_best_weights(run, tmp_path, monkeypatch):
    losses = iter([2.0, 1.0, 3.0, 4.0])
    monkeypatch.setattr(training, "evaluate", lambda *args: next(losses))
    status, out, _ = run("--epochs", 9, "--patience", 2, out="stopped")
    assert status == 0 and "4 of 9 epochs" in out
    monkeypatch.undo()
    run("--epochs", 2, out="two")
    assert (tmp_path / "stopped").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_engine_arrives_and_changes_no_number(run, tmp_path):
    for engine in ("vendor", "manual"):
        assert run("--engine", engine, out=engine)[0] == 0
    one, other = (models.load(tmp_path / engine)[0].state_dict() for engine in ("vendor", "manual"))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(one[name], other[name]) for name in one), "two engines do not round alike"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_its_settings_and_what_is_given_goes_before(recipe, story, tmp_path, monkeypatch):
    made = []

    class Seen(Trainer):
        def __init__(self, model, *windows, **options):
            made.append((model, options))
            super().__init__(model, *windows, **options)

    monkeypatch.setattr("unrolled.commands.Trainer", Seen)
    short = ["train", "--text", str(story), "--split", "honest", "--out", str(tmp_path / "m"), "--device", "cpu", "--epochs", "1",
             "--num-hiddens", "4"]
    assert main([*short, "--recipe", recipe]) == 0
    given = ["--batch-size", "1024", "--schedule", "constant", "--recipe", recipe, "--clip", "0", "--dropout", "0"]
    assert main([*short, *given]) == 0
    expected = RECIPES[recipe]
    names = ("optimizer", "lr", "batch_size", "clip", "schedule")
    (model, options), (given_model, given) = made
    assert [options[name] for name in names] == [expected.optimizer, expected.lr, expected.batch_size, expected.clip,
                                                 "one-cycle" if expected.one_cycle else None]
    assert model.dropout.p == expected.dropout and given_model.dropout.p == 0
    assert [given[name] for name in names] == [expected.optimizer, expected.lr, 1024, None, None]


def test_until_stops_and_tells_the_time(run, tmp_path, monkeypatch):
    losses = iter([2.0, 1.5, 1.0, 0.5] + [1.5] * 9)
    monkeypatch.setattr(training, "evaluate", lambda *args: next(losses))
    monkeypatch.setattr("unrolled.commands.evaluate", lambda *args: 1.0)
    status, out, _ = run("--epochs", 4, "--until", 4.49, "--checkpoint", tmp_path / "c", out="stopped")
    assert status == 0 and "2 of 4 epochs" in out
    assert re.search(r"4\.49 in validation was reached after epoch 2: \d+\.\d\d s of training, \d+\.\d\d s of this run", out)
    status, out, _ = run("--epochs", 4, "--until", 4.49, "--checkpoint", tmp_path / "c", out="again")
    assert status == 0 and "2 of 4 epochs" in out and next(losses) == 1.0, "nothing was left to do"
    status, out, _ = run("--epochs", 2, "--until", 1.2, out="more")
    assert status == 0 and "1.2 in validation was not reached: 1.65 at best" in out


@pytest.mark.filterwarnings("default")                          # a shell shows them
def test_precision_and_compile_are_the_python_options(run, tmp_path, monkeypatch):
    def nothing(model):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", nothing)
    run(out="plain")
    status, out, err = run("--precision", "bfloat16", "--compile", out="mixed")
    note = "torch.compile was asked for, the model runs as it is: RuntimeError (no compiler)."
    assert status == 0 and note in out and f"unrolled: {note}" in err and "memory:" not in out
    assert (tmp_path / "plain").read_bytes() != (tmp_path / "mixed").read_bytes()
    status, out, err = run("--precision", "auto")
    assert status == 0 and "Precision 'auto' was asked for, float32 is used: auto mixes on" in out and not err


def test_no_such_precision(run, capsys):
    with pytest.raises(SystemExit):
        run("--precision", "half")
    assert "invalid choice: 'half'" in capsys.readouterr().err


def test_the_memory_is_told_where_it_is_known(run, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "peak_memory", lambda device: contextlib.nullcontext(Peak(12_340_000)))
    status, out, _ = run("--history", tmp_path / "history.json")
    assert status == 0 and "memory: tensors took at most 12.3 MB on cpu" in out
    history = History.from_dict(json.loads((tmp_path / "history.json").read_text()))
    assert history.peak_memory == 12_340_000 and repr(history).endswith(", at most 12.3 MB on the GPU)")


def test_an_interrupt_saves_the_whole_epochs(run, tmp_path, monkeypatch):
    epochs, real = [], Trainer._train_epoch

    def press(self):
        epochs.append(None)
        if len(epochs) > 1:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Trainer, "_train_epoch", press)
    status, out, _ = run("--epochs", 5)
    assert status == 0 and "1 of 5 epochs" in out and (tmp_path / "model.safetensors").exists()
    status, _, err = run(out="nothing")
    assert status == 1 and "interrupted before the first epoch was done: there is nothing to save" in err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("options, message", [
    (["--text", "nowhere.txt"], "nowhere.txt"),
    (["--num-steps", 400], "a window of 400 steps and its targets needs 401 tokens"),
    (["--split", "source"], "10000 + 5000 windows of 10 steps need"),
    (["--layer", "GRU", "--forget-bias", 1], "has a forget gate; --forget-bias does not go with GRU"),
    (["--layer", "GRU", "--engine", "cpu"], "engines compute the layer LSTM; --engine does not go with GRU"),
    (["--until", 1], "until is a perplexity, a number above 1, not 1.0"),
    (["--num-layers", 0], "num_layers is 1 or more, not 0"),
    (["--num-hiddens", 0], "num_hiddens is a whole number of at least 1, not 0"),
    (["--tied"], "a tied head needs an embedding as wide as the 8 hidden units, got None"),
    (["--embedding", 0], "an embedding is 1 or more numbers wide, not 0"),
    (["--epochs", 0], "epochs is a whole number of at least 1, not 0"),
    (["--lr", 0], "lr is a positive number, not 0.0"),
    (["--lr", 1e37, "--clip", 0], "is not finite at epoch"),
    (["--device", "cuda:99"], "device 'cuda:99' is not on this machine"),
])
def test_one_sentence_and_status_1(run, tmp_path, options, message):
    status, _, err = run(*options)
    assert status == 1 and err.startswith("unrolled: ") and message in err and err.count("\n") == 1
    assert not (tmp_path / "model.safetensors").exists()


def test_a_text_that_is_not_utf8(run, story):
    story.write_bytes("naïve".encode("latin-1"))
    status, _, err = run()
    assert status == 1 and "story.txt is not a text in UTF-8 (byte 2)" in err


def test_out_is_a_file_in_a_folder_that_can_be_made(run, tmp_path):
    (tmp_path / "folder").mkdir()
    status, _, err = run(out="folder")
    assert status == 1 and "--out names a file for the model, and" in err
    assert run(out="new/deeper/model")[0] == 0 and (tmp_path / "new/deeper/model").exists()


def test_a_checkpoint_that_does_not_fit(run, tmp_path):
    run("--checkpoint", tmp_path / "c")
    status, _, err = run("--checkpoint", tmp_path / "c", "--num-hiddens", 9, "--epochs", 3, out="other")
    assert status == 1 and "c is of another model" in err and not (tmp_path / "other").exists()
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:50])
    status, _, err = run("--checkpoint", tmp_path / "c")
    assert status == 1 and "c is not a whole checkpoint" in err


@pytest.mark.parametrize("options, message", [
    (["--prefix", "x?"], "unknown chars: 'x' at 0, '?' at 1"),
    (["--prefix", ""], "the prefix is empty"),
    (["--top-k", 99], "top_k is a whole number between 1 and"),
    (["--temperature", -1], "the temperature is 0 (greedy) or a positive number, not -1.0"),
])
def test_generate_says_what_is_wrong_and_writes_nothing(run, tmp_path, capsys, options, message):
    run()
    status, out, err = write(capsys, tmp_path / "model.safetensors", *options)
    assert status == 1 and message in err and out == ""


def test_generate_without_a_model(tmp_path, capsys):
    status, _, err = write(capsys, tmp_path / "nowhere")
    assert status == 1 and "no model at" in err


def test_help_shows_every_option_and_its_default(capsys):
    for command, words in (("train", ["--checkpoint", "10,000 windows", "(default: 1024 of source, 128 of better, 64 of quick)",
                                                  "(default: 1.0)", "--forget-bias", "torchrun", "MALLOC_TOP_PAD_"]),
                           ("generate", ["--top-k", "(default: it has)"])):
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        out = " ".join(capsys.readouterr().out.split())
        assert end.value.code == 0 and all(word in out for word in words)
        assert "(default: None)" not in out and "==SUPPRESS==" not in out


def test_from_a_shell(run, tmp_path):
    """In a fresh process: its exit status, and text that goes to a pipe."""
    run()
    shell = [sys.executable, "-m", "unrolled.cli", "generate", tmp_path / "model.safetensors"]
    options = ["--prefix", "the", "--num-tokens", "5"]
    done = subprocess.run([*shell, *options], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the") and len(done.stdout) == len("the") + 5 + 1
    done = subprocess.run([*shell, "--prefix", "?"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("unrolled: unknown chars: '?' at 0")
