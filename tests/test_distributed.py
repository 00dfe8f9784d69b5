"""Several processes that train one model: the curve of one, the stops of one, and one checkpoint."""
import math
import os
import runpy
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from unrolled import device, distributed, models
from unrolled.cli import main
from unrolled.training import evaluate

PROGRAM = Path(__file__).with_name("several_processes.py")
SCENARIOS = ["curves", "dropout", "stops", "other_number", "order"]
HERE = types.SimpleNamespace(**runpy.run_path(str(PROGRAM)))            # the same trainers, in this one process
ENVIRONMENT = os.environ | {"UNROLLED_PROGRESS": "off", "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")


def together(world, *command):
    """So many processes with this command, told who they are as torchrun would; what each prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    who = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=ENVIRONMENT | who | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(world)]
    said = [process.communicate(timeout=100) for process in processes]
    assert all(process.returncode == 0 for process in processes), said
    return said


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes found in all scenarios, and the folder in which they were."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNROLLED_PROGRESS", "off")
        HERE.make(batch_size=13).fit(2, checkpoint=folder / "of one")
    together(2, PROGRAM, folder, *SCENARIOS)
    return folder, {name: [torch.load(folder / f"{name}.{rank}") for rank in range(2)] for name in SCENARIOS}


def close(one, other, rtol):
    for a, b in zip(one["losses"], other["losses"], strict=True):
        assert a == pytest.approx(b, rel=rtol)
    torch.testing.assert_close(one["weights"], other["weights"], rtol=rtol, atol=rtol)


def alike(one, other):
    return one["losses"] == other["losses"] and all(torch.equal(one["weights"][n], other["weights"][n]) for n in one["weights"])


@pytest.mark.parametrize("name", HERE.OPTIONS)
def test_two_processes_give_the_curve_of_one(pair, name):
    trainer = HERE.make(**HERE.OPTIONS[name])
    trainer.fit(3)
    for result in pair[1]["curves"]:
        close(result[name], HERE.found(trainer), 1e-10)
        assert result[name]["evaluated"] == pytest.approx(evaluate(trainer.model, HERE.TRAIN), rel=1e-10)
    assert alike(*(result[name] for result in pair[1]["curves"]))


def test_a_compiled_model_is_wrapped_too(pair):
    trainer = HERE.make(batch_size=16)
    trainer.fit(3)
    for result in pair[1]["curves"]:
        close(result["compiled"], HERE.found(trainer), 1e-10)


def test_two_processes_in_float32(pair):
    trainer = HERE.make(dtype=torch.float32, batch_size=16)
    trainer.fit(3)
    close(pair[1]["curves"][0]["float32"], HERE.found(trainer), 2e-6)


def test_dropout_goes_on_after_a_checkpoint_as_if_it_had_not_stopped(pair):
    for result in pair[1]["dropout"]:
        assert alike(result["resumed"], result["straight"])
        assert torch.equal(result["resumed"]["rng"], result["straight"]["rng"])
    first, second = (result["straight"]["rng"] for result in pair[1]["dropout"])
    assert not torch.equal(first, second), "each process drops its own"
    [whole, part] = pair[1]["dropout"][0]["files"]
    assert whole == "c" and part.startswith("c.rank1."), "the part of the checkpoint before is gone"


def test_a_part_that_is_gone_or_cut_short(pair, monkeypatch):
    folder, _ = pair
    [part] = folder.glob("c.rank1.*")
    trainer = HERE.make(dropout=0.5, batch_size=16)
    whole = part.read_bytes()
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    trainer.resume(folder / "c")
    assert torch.equal(torch.get_rng_state(), torch.load(part)["rng"])
    part.write_bytes(whole[:99])
    with pytest.raises(ValueError, match=r"c\.rank1\.\w+ is not a whole checkpoint"):
        trainer.resume(folder / "c")
    part.unlink()
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*c\.rank1\."):
        trainer.resume(folder / "c")
    part.write_bytes(whole)
    monkeypatch.setattr(distributed, "rank", lambda: 2)                         # new since: draws on from its own seed
    before = torch.get_rng_state()
    trainer.resume(folder / "c")
    assert torch.equal(torch.get_rng_state(), before) and len(trainer.history) == 2


def test_another_number_of_processes_goes_on_with_the_curve(pair):
    straight = HERE.make(batch_size=13)
    straight.fit(3)
    for result in pair[1]["other_number"]:
        close(result, HERE.found(straight), 1e-10)
    back = HERE.make(batch_size=13, seed=5).resume(pair[0] / "of several")
    straight.fit(1)
    back.fit(1, checkpoint=pair[0] / "of several")
    close(HERE.found(back), HERE.found(straight), 1e-10)
    assert not list(pair[0].glob("of several.*")), "the file of one process has no parts"


def test_one_that_is_not_finite_stops_all_before_any_step(pair):
    alone = HERE.make(batch_size=16)
    taken = []
    alone.optimizer.register_step_post_hook(lambda *_: taken.append(HERE.found(alone)["weights"]))
    alone.fit(1)
    for result in pair[1]["stops"]:
        for what, cause in (("not a number", "the logits are not finite"), ("too large", "the logits are too large")):
            message, weights = result[what]
            assert message.startswith(f"the loss is not finite at epoch 1, step 3 of 4: {cause}. ")
            torch.testing.assert_close(weights, taken[1], rtol=1e-10, atol=1e-10)


def test_an_interrupt_of_one_stops_all_at_the_same_step(pair):
    straight = HERE.make(batch_size=16)
    straight.fit(1)
    for result in pair[1]["stops"]:
        close(result["interrupted"], HERE.found(straight), 1e-10)
        assert result["interrupted"]["steps"] == 6
    resumed = HERE.make(batch_size=16, seed=4).resume(pair[0] / "interrupted")
    assert len(resumed.history) == 1


def test_all_stop_when_it_is_enough(pair):
    one, other = (result["until"] for result in pair[1]["stops"])
    assert alike(one, other) and 1 < len(one["losses"]) < 40
    assert one["losses"][-1][1] <= math.log(4.0) < one["losses"][-2][1]


def test_who_is_who(pair):
    one, other = pair[1]["order"]
    assert not one["seen"] and other["seen"]
    assert one["own"].tolist() + other["own"].tolist() == list(range(7))
    assert one["total"] == other["total"] == [1.0, 3.0] and one["name"] == other["name"]


# Alone

def test_alone_nothing_happens(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGINT)
    with distributed.group("cpu") as chosen, distributed.one_first():
        assert chosen == "cpu" and (distributed.rank(), distributed.world()) == (0, 1)
        assert signal.getsignal(signal.SIGINT) is before and distributed.wrapped(None) is None
    assert distributed.total(1, 2.5) == [1, 2.5] and distributed.new_name() != distributed.new_name()


@pytest.fixture
def launched(monkeypatch):
    """A process that torchrun has started, as the only one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, str(value))


def test_a_group_of_one(launched, monkeypatch):
    monkeypatch.setattr(device, "available_devices", lambda: ["mps", "cpu"])        # of which gloo knows nothing
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), distributed.group() as chosen:
        assert chosen == torch.device("cpu") and torch.distributed.get_backend() == "gloo" and distributed.world() == 1
        assert not distributed.interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert distributed.interrupted()
        1 / 0
    assert signal.getsignal(signal.SIGINT) is before and not torch.distributed.is_initialized()


@pytest.mark.parametrize("there, asked, message", [
    (["mps", "cpu"], "mps", "under torchrun the device is cuda or cpu, and each process takes its own GPU; not mps"),
    (["cuda:0", "cuda:1", "cpu"], "cuda:1", "under torchrun the device is cuda or cpu, .* not cuda:1"),
    (["cuda:0", "cuda:1", "cpu"], None, "device 'cuda:2' is not on this machine, which has cuda:0, cuda:1, cpu"),
    (["cpu"], "cuda", "device 'cuda' is not on this machine"),
])
def test_devices_that_cannot_be(launched, monkeypatch, there, asked, message):
    monkeypatch.setattr(device, "available_devices", lambda: there)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match=message), distributed.group(asked):
        raise AssertionError("there is a group")


# The command line

STORY = "the machine stood in the old garden and nobody had moved it since the summer before last. " * 8


def options(folder, name):
    (folder / "story.txt").write_text(STORY, encoding="utf-8")
    return ["train", "--text", str(folder / "story.txt"), "--split", "honest", "--num-steps", "10", "--num-hiddens", "8",
            "--lr", "0.02", "--batch-size", "9", "--optimizer", "adamw", "--schedule", "one-cycle", "--epochs", "4",
            "--device", "cpu", "--allocator", "as-is", "--out", str(folder / name),
            "--checkpoint", str(folder / f"{name}.checkpoint")]


def test_the_command_gives_the_model_of_one_process_and_one_of_two_speaks(tmp_path, capsys):
    (_, _), (silent, errors) = spoken = together(2, "-m", "unrolled", *options(tmp_path, "two"))
    assert silent == errors == "" and main(options(tmp_path, "one")) == 0
    [said] = [line for line in spoken[0][0].splitlines() if line.startswith("4 of 4 epochs")]
    assert ", 2 processes: perplexity" in said and "processes" not in (alone := capsys.readouterr().out)
    assert said.split("perplexity")[1] in alone and "test: perplexity" in spoken[0][0]
    one, two = (models.load(tmp_path / name)[0].state_dict() for name in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


KILLED = """
import os, signal, sys
from unrolled import cli, training
from unrolled.training import Trainer
life, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
steps, saved, loss, write = [], [], Trainer._loss, training.write_whole

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def counted(self, forward, *rest):
    steps.append(None)
    if (life, rank) == (0, 1) and len(self.history) == 1 and len(steps) % self.steps_per_epoch == 3:
        die()                                       # in the middle of the second epoch
    return loss(self, forward, *rest)

def half(path, what):
    saved.append(None)
    if (life, rank) == (1, 0) and len(saved) == 2:  # the other's part lies there already, the file that names it not yet
        die()
    write(path, what)

Trainer._loss, training.write_whole = counted, half
sys.exit(cli.main(sys.argv[1:]))
"""


def test_killed_twice_under_torchrun_and_the_same_model_in_the_end(tmp_path):
    dropped = ["--dropout", "0.3"]
    together(2, "-m", "unrolled", *options(tmp_path, "whole"), *dropped)
    (tmp_path / "killed.py").write_text(KILLED)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "2",
                "--monitor-interval", "0.1"]
    with subprocess.Popen([sys.executable, *torchrun, tmp_path / "killed.py", *options(tmp_path, "killed"), *dropped],
                          env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, errors = process.communicate(timeout=200)
        except subprocess.TimeoutExpired:
            process.terminate()                     # torchrun takes its workers along, which SIGKILL would leave behind
            raise
    assert process.returncode == 0, errors
    assert [line for line in said.splitlines() if "going on" in line] == ["going on after epoch 1", "going on after epoch 2"]
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert len(list(tmp_path.glob("killed.checkpoint*"))) == 2, "one file and one part, none left of what was killed"
