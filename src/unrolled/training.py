"""Training a language model: one epoch, many epochs, and what is worth keeping of them."""
import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from unrolled.device import choose_device
from unrolled.models import write_whole
from unrolled.text import Windows

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
SCHEDULES = (None, "one-cycle", "cosine")


class NotFinite(RuntimeError):
    """The loss or a gradient is not a finite number; the message says where and why."""


def perplexity(loss: float) -> float:
    """exp of a loss in nats per token: among how many equally likely tokens the model chooses, in effect."""
    return math.exp(loss) if loss < 700 else math.inf


def bits(loss: float) -> float:
    """A loss in nats per token as bits per token."""
    return loss / math.log(2)


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scale all gradients so that their common norm is at most ``max_norm`` (Pascanu et al. 2013).

    Returns:
        The norm before clipping. A norm that is not finite is returned and nothing is scaled.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if max_norm < norm < math.inf:
        for g in gradients:
            g *= max_norm / norm
    return norm


@dataclass(frozen=True)
class Epoch:
    """What one epoch leaves behind. Losses are in nats per token."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    gradient_norm: float        # median over the steps, before clipping
    seconds: float              # training alone
    tokens_per_second: float


@dataclass
class History:
    """The epochs of a training, in order."""

    rows: list[Epoch] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def _column(self, name: str, function: Callable) -> list:
        values = [getattr(row, name) for row in self.rows]
        return [None if value is None else function(value) for value in values]

    @property
    def train_perplexity(self) -> list[float]:
        return self._column("train_loss", perplexity)

    @property
    def validation_perplexity(self) -> list[float]:
        return self._column("validation_loss", perplexity)

    @property
    def bits_per_character(self) -> list[float]:
        """Of the validation text (bits per token, where tokens are not characters)."""
        return self._column("validation_loss", bits)

    @property
    def seconds(self) -> float:
        """Time spent training, in all."""
        return sum(row.seconds for row in self.rows)

    @property
    def final(self) -> Epoch:
        return self.rows[-1]

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss (of the lowest training loss, where none is measured)."""
        return min(self.rows, key=lambda r: r.train_loss if r.validation_loss is None else r.validation_loss)

    def to_dict(self) -> dict:
        return {"rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: dict) -> "History":
        return cls([Epoch(**row) for row in data["rows"]])


@torch.no_grad()
def evaluate(model: nn.Module, windows: Windows, batch_size: int = 1024) -> float:
    """Mean loss in nats per token over all windows, each from a zero state."""
    training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64)
    for inputs, targets in windows.batches(batch_size, device=model.device):     # (steps, batch) each
        logits, _ = model(inputs)                                                # (steps, batch, tokens)
        total += nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").cpu()
    model.train(training)
    return total.item() / windows.num_tokens


@contextlib.contextmanager
def _no_subnormals():
    """Gradients that vanish become subnormal numbers, which slow a CPU several times over: flush them to 0."""
    flushed = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if flushed:
            torch.set_flush_denormal(False)


class Trainer:
    """Trains a language model on windows of text.

    Args:
        model: a ``LanguageModel``; moved to the device.
        train, validation: windows; validation may be None.
        optimizer: "sgd" or "adamw" (Loshchilov & Hutter 2019).
        lr: learning rate; with a schedule, its highest value.
        batch_size: windows in a batch.
        clip: largest global norm of the gradient, None for no clipping.
        weight_decay: of AdamW or SGD.
        schedule: None, "one-cycle" or "cosine", over all steps of the first ``fit``.
        seed: of the order of the windows.
        device: as for ``choose_device``.

    Raises:
        ValueError: an option out of its range.
    """

    def __init__(self, model: nn.Module, train: Windows, validation: Windows | None = None, *,
                 optimizer: str = "sgd", lr: float, batch_size: int, clip: float | None = 1.0,
                 weight_decay: float = 0.0, schedule: str | None = None, seed: int = 0, device=None):
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"the optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
        if schedule not in SCHEDULES:
            raise ValueError(f"the schedule is None, 'one-cycle' or 'cosine', not {schedule!r}")
        for name, number in (("lr", lr), ("batch_size", batch_size), ("clip", 1 if clip is None else clip)):
            if not (number > 0 and math.isfinite(number)):
                raise ValueError(f"{name} is a positive number, not {number!r}")
        self.device = choose_device(device)
        self.model = model.to(self.device)
        self.train, self.validation = train, validation
        self.batch_size, self.clip, self.schedule = batch_size, clip, schedule
        self.optimizer = OPTIMIZERS[optimizer](model.parameters(), lr=lr, weight_decay=weight_decay)
        self.scheduler = None
        self.total_steps = None
        self.generator = torch.Generator().manual_seed(seed)
        self.history = History()

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.batch_size)

    def _train_epoch(self) -> tuple[float, list[float]]:
        """One pass over the training windows: mean loss per token, and the gradient's norm at each step."""
        total, norms = 0.0, []
        for inputs, targets in self.train.batches(self.batch_size, shuffle=True, generator=self.generator,
                                                  device=self.device):    # (steps, batch) each
            logits, _ = self.model(inputs)                                # (steps, batch, tokens)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            norms.append(clip_gradients(self.model.parameters(), self.clip or math.inf))
            self._check_finite(loss, logits, norms)
            self.optimizer.step()
            if self.scheduler:
                self.scheduler.step()
            total += loss.item() * targets.numel()
        return total / self.train.num_tokens, norms

    def _check_finite(self, loss: Tensor, logits: Tensor, norms: list[float]) -> None:
        """Stop before a step that would spoil the weights."""
        if math.isfinite(loss.item()) and math.isfinite(norms[-1]):
            return
        where = f"epoch {len(self.history) + 1}, step {len(norms)}"
        if not math.isfinite(loss.item()):
            spoilt = [name for name, p in self.model.named_parameters() if not p.isfinite().all()]
            cause = (f"the weights {', '.join(spoilt)} are not finite" if spoilt else
                     "the logits are not finite" if not logits.isfinite().all() else "the logits are too large")
            what = "loss"
        else:
            spoilt = [name for name, p in self.model.named_parameters()
                      if p.grad is not None and not p.grad.isfinite().all()]
            cause = f"of {', '.join(spoilt)}" if spoilt else "its norm overflows"
            what = "gradient"
        rate = self.optimizer.param_groups[0]["lr"]
        raise NotFinite(f"the {what} is not finite at {where}: {cause}. The weights are those of the step before. "
                        f"A lower learning rate (now {rate:g}) or clipping (now {self.clip}) may help.")

    def _make_scheduler(self, epochs: int):
        if self.schedule is None or self.scheduler is not None:
            return
        self.total_steps = self.total_steps or epochs * self.steps_per_epoch
        if self.schedule == "one-cycle":
            self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, self.optimizer.param_groups[0]["lr"], total_steps=self.total_steps)
        else:
            self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.total_steps)

    def fit(self, epochs: int, *, progress: bool = True, on_epoch=None, patience: int | None = None,
            restore_best: bool = False, checkpoint: str | os.PathLike | None = None, every: int = 1) -> History:
        """Train for some epochs more; returns the history of all epochs so far.

        Args:
            progress: show a bar (never where the environment variable UNROLLED_PROGRESS is "off").
            on_epoch: a function, or several, called with the history after each epoch.
            patience: stop after so many epochs without a better validation loss.
            restore_best: in the end go back to the weights of the best epoch.
            checkpoint: a file to ``save`` to, ``every`` so many epochs and at the end.

        A KeyboardInterrupt ends the training cleanly: the history so far is returned.

        Raises:
            NotFinite: the loss or a gradient is not finite; the weights are those of the step before.
            ValueError: epochs, patience or every below 1, patience without validation windows, or a
                schedule that has no steps left.
        """
        for name, number in (("epochs", epochs), ("patience", patience), ("every", every)):
            if number is not None and (not isinstance(number, int) or number < 1):
                raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")
        if (patience or restore_best) and self.validation is None:
            raise ValueError("patience and restore_best look at the validation loss: give the trainer validation windows")
        self._make_scheduler(epochs)
        done = len(self.history) * self.steps_per_epoch
        if self.scheduler and done + epochs * self.steps_per_epoch > self.total_steps:
            raise ValueError(f"the {self.schedule} schedule was laid out for {self.total_steps} steps, of which "
                             f"{self.total_steps - done} are left; {epochs} epochs take {epochs * self.steps_per_epoch}")
        callbacks = [on_epoch] if callable(on_epoch) else list(on_epoch or ())
        best, best_weights = math.inf, None
        if self.history.rows and self.validation is not None:
            best = self.history.best.validation_loss
        quiet = not progress or os.environ.get("UNROLLED_PROGRESS") == "off"
        bar = tqdm(range(epochs), unit="epoch", disable=quiet, leave=False)
        try:
            for _ in bar:
                row = self._epoch()
                self.history.rows.append(row)
                if not quiet:
                    seen = row.train_loss if row.validation_loss is None else row.validation_loss
                    bar.set_postfix(perplexity=f"{perplexity(seen):.2f}")
                for callback in callbacks:
                    callback(self.history)
                if row.validation_loss is not None and row.validation_loss < best:
                    best = row.validation_loss
                    if restore_best:
                        best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
                if checkpoint and row.epoch % every == 0:
                    self.save(checkpoint)
                if patience and row.epoch - self.history.best.epoch >= patience:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            bar.close()
        if restore_best and best_weights:
            self.model.load_state_dict(best_weights)
        if checkpoint and self.history.rows:
            self.save(checkpoint)
        return self.history

    def _epoch(self) -> Epoch:
        self.model.train()
        start = time.perf_counter()
        with _no_subnormals():
            loss, norms = self._train_epoch()
        seconds = time.perf_counter() - start
        validation = None if self.validation is None else evaluate(self.model, self.validation, self.batch_size)
        return Epoch(len(self.history) + 1, loss, validation, statistics.median(norms), seconds,
                     self.train.num_tokens / seconds)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything that going on needs, whole or not at all."""
        state = {"format": "unrolled checkpoint 1", "model": self.model.state_dict(),
                 "optimizer": self.optimizer.state_dict(), "history": self.history.to_dict(),
                 "scheduler": self.scheduler and self.scheduler.state_dict(), "total_steps": self.total_steps,
                 "generator": self.generator.get_state(), "rng": torch.get_rng_state(),
                 "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else None}
        write_whole(path, lambda partial: torch.save(state, partial))

    def resume(self, path: str | os.PathLike) -> "Trainer":
        """Go back to where a checkpoint was written. On a CPU, what follows is the same to the last bit.

        Raises:
            FileNotFoundError: no such file.
            ValueError: damaged, not a checkpoint of ours, or of another model; nothing is changed then.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no checkpoint at {path}")
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:   # torch raises many kinds for files that are cut short or foreign
            raise ValueError(f"{path} is not a whole checkpoint ({type(error).__name__})") from None
        if not isinstance(state, dict) or state.get("format") != "unrolled checkpoint 1":
            raise ValueError(f"{path} is not a checkpoint of this package")
        ours = {name: tuple(value.shape) for name, value in self.model.state_dict().items()}
        theirs = {name: tuple(value.shape) for name, value in state["model"].items()}
        if ours != theirs:
            differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
            raise ValueError(f"{path} is of another model: {', '.join(differing[:4])} differ")
        if len(state["optimizer"]["param_groups"][0]) != len(self.optimizer.state_dict()["param_groups"][0]):
            raise ValueError(f"{path} was written with another optimizer")
        self.model.load_state_dict(state["model"])
        self.history = History.from_dict(state["history"])
        self.total_steps = state["total_steps"]
        if state["scheduler"]:
            self._make_scheduler(1)
            if self.scheduler is None:
                raise ValueError(f"{path} was written with a schedule, and this trainer has none")
            self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
        return self
