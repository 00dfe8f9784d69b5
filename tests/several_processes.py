"""What each of several processes does in test_distributed.py: python several_processes.py FOLDER SCENARIO ...

The environment says who it is, as torchrun would. What it finds goes to FOLDER/SCENARIO.RANK.
"""
import os
import signal
import sys
from pathlib import Path

import torch

from unrolled import distributed
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.training import NotFinite, Trainer, evaluate

N = 7
IDS = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0)).cumsum(0) % N
TRAIN = Windows(IDS[:60], 6)                                            # 54 of them
OPTIONS = {
    "4 batches": dict(batch_size=16),
    "an odd batch": dict(batch_size=13, clip=0.05),
    "a last batch of one": dict(batch_size=53),
    "batches of one": dict(batch_size=1, lr=0.1),
    "one window to validate on": dict(batch_size=20, stop=1),
    "adamw": dict(batch_size=16, optimizer="adamw", lr=0.02, schedule="one-cycle", weight_decay=0.1),
}


def make(dropout=0.0, dtype=torch.float64, seed=0, stop=None, **options):
    torch.manual_seed(seed)
    model = LanguageModel(LSTM(N, 8, dtype=dtype), N, dropout=dropout)
    return Trainer(model, TRAIN, Windows(IDS[60:], 6, stop=stop), **dict(lr=1.0, seed=seed, device="cpu") | options)


class Compiled(torch.nn.Module):
    """What torch.compile would make of a model, without a compiler: a module that calls it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return self.model(*inputs)


def found(trainer):
    rows = [(row.train_loss, row.validation_loss, row.gradient_norm) for row in trainer.history.rows]
    return {"losses": rows, "weights": {name: value.clone() for name, value in trainer.model.state_dict().items()},
            "rng": torch.get_rng_state()}


def curves(folder):
    """The same training with sizes that do not divide, and in float32."""
    result = {}
    for name, options in OPTIONS.items():
        trainer = make(**options)
        trainer.fit(3)
        result[name] = found(trainer) | {"evaluated": evaluate(trainer.model, TRAIN, 5)}
    torch.compile = Compiled
    through = make(batch_size=16, compile=True)
    through.fit(3)
    result["compiled"] = found(through)
    single = make(dtype=torch.float32, batch_size=16)
    single.fit(3)
    return result | {"float32": found(single)}


def dropout(folder):
    """Four epochs straight; two, a checkpoint, another trainer, and two more."""
    straight = make(dropout=0.5, batch_size=16)
    straight.fit(4)
    first = make(dropout=0.5, batch_size=16)
    first.fit(1, checkpoint=folder / "c")
    first.fit(1, checkpoint=folder / "c")
    files = sorted(path.name for path in folder.iterdir() if path.name.split(".")[0] == "c")
    distributed.wait()
    second = make(dropout=0.5, batch_size=16, seed=9).resume(folder / "c")
    second.fit(2)
    return {"straight": found(straight), "resumed": found(second), "files": files}


def stops(folder):
    """One process alone sees a loss that is not finite; one alone is interrupted; both know when it is enough."""
    rank, result = distributed.rank(), {}
    for what in ("not a number", "too large"):
        trainer, calls = make(batch_size=16), []

        def spoil(module, inputs, output):
            calls.append(None)
            if module.training and len(calls) == 3 and rank == 1:
                huge = torch.tensor([1e308, -1e308] * 3 + [0.0], dtype=torch.float64)
                return output[0] * 0 + (huge if what == "too large" else torch.nan), output[1]

        trainer.model.register_forward_hook(spoil)
        try:
            trainer.fit(1)
        except NotFinite as error:
            result[what] = str(error), found(trainer)["weights"]
    trainer, steps = make(batch_size=16), []

    def press(*_):
        steps.append(None)
        if len(steps) == 6 and rank == 1:                               # the second step of the second epoch
            os.kill(os.getpid(), signal.SIGINT)

    trainer.optimizer.register_step_pre_hook(press)
    trainer.fit(3, checkpoint=folder / "interrupted")
    result["interrupted"] = found(trainer) | {"steps": len(steps)}
    trainer = make(batch_size=16)
    trainer.fit(40, until=4.0)
    result["until"] = found(trainer)
    return result


def other_number(folder):
    """Go on where one process wrote a checkpoint, and write one for it to go on from."""
    trainer = make(batch_size=13, dropout=0.0).resume(folder / "of one")
    trainer.fit(1, checkpoint=folder / "of several")
    return found(trainer)


def order(folder):
    """The first process fetches, and the others find it."""
    with distributed.one_first():
        seen = (folder / "fetched").exists()
        (folder / "fetched").touch()
    return {"seen": seen, "own": distributed.own(torch.arange(7)), "total": distributed.total(distributed.rank(), 1.5),
            "name": distributed.new_name()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with distributed.group("cpu"):
        for scenario in sys.argv[2:]:
            torch.save(globals()[scenario](folder), folder / f"{scenario}.{distributed.rank()}")
