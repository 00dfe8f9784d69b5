"""Training a language model: one epoch, many epochs, and what is worth keeping of them."""
import contextlib
import copy
import glob
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from unrolled import distributed
from unrolled.acceleration import Precision, choose_precision, compiled
from unrolled.device import choose_device, peak_memory, synchronize
from unrolled.files import write_whole
from unrolled.history import Epoch, History, perplexity
from unrolled.layers import detach_state
from unrolled.models import evaluating
from unrolled.text import Streams, Windows

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
SCHEDULES = (None, "one-cycle", "cosine")
FORMAT = "unrolled checkpoint 1"
OWN = ("rng", "cuda")           # the parts of a checkpoint in which processes differ


class NotFinite(RuntimeError):
    """The loss or a gradient is not a finite number; the message says where and why.

    Attributes:
        in_time: whether it was found before it could spoil the weights, so that they may be kept.
    """

    def __init__(self, message: str, in_time: bool = True):
        super().__init__(message)
        self.in_time = in_time


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scale all gradients so that their common norm is at most ``max_norm``.

    Source: Pascanu et al. 2013, algorithm 1.

    Returns:
        The norm before clipping, 0 where there is no gradient. A norm that is not
        finite is returned and nothing is scaled.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.norm() for g in gradients]) if gradients else torch.zeros(1)
    norm = norms.norm().item()
    if max_norm < norm < math.inf:
        for g in gradients:
            g *= max_norm / norm
    return norm


def evaluate(model: nn.Module, windows: Windows | Streams, batch_size: int = 1024) -> float:
    """Mean loss in nats per token: over all windows, each from a zero state, or over streams, whose state is carried.

    In a group of processes (``unrolled.distributed``) each takes its part of every batch, and all must call this.
    """
    total, state = 0.0, None
    batch_size = None if windows.carried else batch_size
    with evaluating(model):
        for batch in windows.batches(batch_size, device=model.device):
            inputs, targets = (distributed.own(part, dim=1) for part in batch)       # (steps, batch) each
            if not targets.numel():
                continue
            logits, state = model(inputs, state if windows.carried else None)        # (steps, batch, tokens)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
            total += loss.item()
    return distributed.total(total)[0] / windows.num_tokens


@contextlib.contextmanager
def no_subnormals():
    """Within: numbers too small for a normal float count as 0.

    A gradient that vanishes passes through them, below 1e-38, and a CPU works on such numbers several
    times more slowly. Others may need them, so the switch is set back afterwards.
    """
    # The switch belongs to a thread and is inherited: torch's workers must exist before it is set, or
    # they would keep it for ever. A sum this large wakes them all.
    torch.zeros(1 << 21, device="cpu").sum()
    already = (torch.tensor(2.0 ** -126, device="cpu") / 2).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


def _check_whole(**numbers: int) -> None:
    """Raise ValueError unless each number is whole and at least 1."""
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")


class Trainer:
    """Trains a language model on windows of text.

    In a group of processes (``unrolled.distributed``) all make the same trainer and call the same methods. Each takes its rows
    of every batch, and the gradient is that of the whole batch: the curve is that of one process, up to rounding and to what
    dropout draws. Who reads the losses or the weights finds the same in all of them.

    Args:
        model: a ``LanguageModel``; moved to the device.
        train, validation: windows, or streams, whose state is carried from batch to batch while the gradient stops
            there; validation may be None.
        optimizer: "sgd" or "adamw" (Loshchilov & Hutter 2019).
        lr: learning rate; with a schedule, its highest value.
        batch_size: windows in a batch; that of streams is their number.
        clip: largest global norm of the gradient, None for no clipping.
        weight_decay: of AdamW or SGD.
        schedule: None, "one-cycle" or "cosine", over all steps of the first ``fit``.
        seed: of the order of the windows. Dropout draws from torch's global generator.
        device: as for ``choose_device``.
        precision: None, "float32", "bfloat16", "float16" or "auto", as for ``choose_precision``. Only the training
            steps are mixed: losses of validation, samples and whatever is done with the model later are in its own dtype.
            In float16 the loss is scaled; a step whose gradient overflows is left out, and does not count for the schedule.
        compile: whether the training steps go through torch.compile, which fuses the small operations of a loop. It is
            meant for the layers from scratch: torch.nn's are compiled code already. Compiling is not counted in the epochs'
            seconds; the trainer's ``notes`` say what it took.

    Attributes:
        history: of all epochs so far.
        precision: the ``Precision`` that is used.
        notes: a sentence for each of these two options whose outcome needs one.

    Raises:
        TypeError: windows that are neither ``Windows`` nor ``Streams``.
        ValueError: an option out of its range, or a batch size that is not the number of streams.
    """

    def __init__(self, model: nn.Module, train: Windows, validation: Windows | None = None, *,
                 optimizer: str = "sgd", lr: float, batch_size: int, clip: float | None = 1.0,
                 weight_decay: float = 0.0, schedule: str | None = None, seed: int = 0, device=None,
                 precision: str | None = None, compile: bool = False):
        for name, windows in (("train", train), ("validation", validation)):
            if not isinstance(windows, (Windows, Streams)) and (name == "train" or windows is not None):
                raise TypeError(f"{name} is given as Windows or Streams, not {type(windows).__name__}")
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"the optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
        if schedule not in SCHEDULES:
            raise ValueError(f"the schedule is None, 'one-cycle' or 'cosine', not {schedule!r}")
        for name, number in (("lr", lr), ("clip", 1.0 if clip is None else clip)):
            if not 0 < number < math.inf:
                raise ValueError(f"{name} is a positive number, not {number!r}")
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"weight_decay is 0 or a positive number, not {weight_decay!r}")
        _check_whole(batch_size=batch_size)
        if train.carried and batch_size != train.num_streams:
            raise ValueError(f"{train.num_streams} streams are batches of {train.num_streams}, not of {batch_size}")
        self.settings = {"optimizer": optimizer, "lr": lr, "batch_size": batch_size, "clip": clip,
                         "weight_decay": weight_decay, "schedule": schedule, "num_steps": train.num_steps,
                         "training windows": len(train), "validation windows": validation and len(validation)}
        self.device = choose_device(device)
        self.model = model.to(self.device)
        self.to_compile = compile
        self.scale = {}                 # of the loss in float16: the scaler's state after the last whole epoch
        self.train, self.validation = train, validation
        self.batch_size, self.clip = batch_size, clip
        self.optimizer = OPTIMIZERS[optimizer](model.parameters(), lr=lr, weight_decay=weight_decay)
        self.scheduler, self.total_steps = None, None
        self.generator = torch.Generator().manual_seed(seed)
        self.precision = choose_precision(precision, self.device, next(model.parameters()).dtype,
                                          lambda one: self._rehearse(self.model, one))
        self.settings["precision"] = self.precision.mixed
        self.forward = None if compile else distributed.wrapped(model)  # what the training steps call
        distributed.seed_own()
        self.notes = [self.precision.note] if self.precision.note else []
        self.history = History()
        self.best_weights = None        # of the epoch with the lowest validation loss

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.batch_size)

    def fit(self, epochs: int, *, progress: bool = True, on_epoch=None, patience: int | None = None,
            until: float | None = None, restore_best: bool = False, checkpoint: str | os.PathLike | None = None,
            every: int = 1) -> History:
        """Train for some epochs more; returns the history of all epochs so far.

        Args:
            progress: show a bar (never where the environment variable UNROLLED_PROGRESS is "off").
            on_epoch: a function, or several, called with the history after each epoch.
            patience: stop after so many epochs without a better validation loss.
            until: stop after the first epoch whose validation perplexity is this or lower. What was reached is
                reached, whatever rate a schedule stood at; but the validation text has then chosen the epoch.
            restore_best: in the end go back to the weights of the best epoch.
            checkpoint: a file to ``save`` to, ``every`` so many epochs and at the end.

        A KeyboardInterrupt ends the training cleanly: an epoch begun is undone, so that the model, the
        checkpoint and the history are those of the last whole epoch, and the history is returned.

        Raises:
            NotFinite: the loss or a gradient is not finite. The weights are those before that step; were
                they spoilt already, or is it the validation loss, those of the last whole epoch.
            ValueError: epochs, patience or every below 1, until not above 1, one of these two without validation
                windows, or a schedule that has too few steps left.
            TypeError: an ``on_epoch`` that cannot be called.
        """
        _check_whole(epochs=epochs, every=every, patience=1 if patience is None else patience)
        if until is not None and not 1 < until < math.inf:
            raise ValueError(f"until is a perplexity, a number above 1, not {until!r}")
        if (patience or until or restore_best) and self.validation is None:
            raise ValueError("patience, until and restore_best look at the validation loss: "
                             "give the trainer validation windows")
        callbacks = [on_epoch] if callable(on_epoch) else list(on_epoch or ())
        if strangers := [c for c in callbacks if not callable(c)]:
            raise TypeError(f"on_epoch is a function or several, got {type(strangers[0]).__name__}")
        self._schedule(epochs)
        if self.to_compile:
            model, note = compiled(self.model, lambda model: self._rehearse(model, self.precision))
            self.forward = distributed.wrapped(model)
            self.notes.append(note)
            self.to_compile = False
        quiet = not progress or distributed.rank() or os.environ.get("UNROLLED_PROGRESS") == "off"
        with tqdm(range(epochs), unit="epoch", disable=bool(quiet), leave=False) as bar:
            try:
                for _ in bar:
                    row = self._epoch()
                    seen = row.train_loss if row.validation_loss is None else row.validation_loss
                    bar.set_postfix(perplexity=f"{perplexity(seen):.2f}")
                    for callback in callbacks:
                        callback(self.history)
                    if checkpoint and row.epoch % every == 0:
                        self.save(checkpoint)
                    if self.enough(patience, until):
                        break
            except KeyboardInterrupt:
                pass
        if checkpoint and len(self.history):
            self.save(checkpoint)
        if restore_best:
            self.restore_best()
        return self.history

    def enough(self, patience: int | None = None, until: float | None = None) -> bool:
        """Whether ``fit`` would stop here, for want of patience or because ``until`` is reached."""
        if not len(self.history):
            return False
        reached = until is not None and perplexity(self.history.final.validation_loss) <= until
        return reached or bool(patience) and self.history.final.epoch - self.history.best.epoch >= patience

    def restore_best(self) -> None:
        """Go back to the weights of the best validated epoch, where there is one."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)

    def _epoch(self) -> Epoch:
        """Train and validate once. The epoch enters the history whole, or is undone."""
        before = copy.deepcopy(self._state())
        try:
            start = time.perf_counter()
            with no_subnormals(), peak_memory(self.device) as peak:
                loss, norms = self._train_epoch()
            seconds = time.perf_counter() - start
            validation = None
            if self.validation is not None:
                validation = evaluate(self.model, self.validation, max(self.batch_size, 1024))
            self._check_epoch(validation)
        except BaseException as error:
            if not (isinstance(error, NotFinite) and error.in_time):
                self._restore(before)
            raise
        row = Epoch(len(self.history) + 1, loss, validation, statistics.median(norms or [math.inf]), seconds,
                    self.train.num_tokens / seconds, peak.bytes)
        self.history.rows.append(row)
        if validation is not None and self.history.best is row:
            self.best_weights = copy.deepcopy(self.model.state_dict())
        return row

    def _train_epoch(self) -> tuple[float, list[float]]:
        """One pass over the windows: loss per token, gradient norm of each step taken."""
        self.model.train()
        total, norms = 0.0, []
        scaler = self.precision.scaler(self.scale)
        state = None
        for step, (inputs, targets, count, share) in enumerate(self._batches(), start=1):
            loss, logits, after = self._loss(self.forward, self.precision, inputs, targets, state)
            state = detach_state(after) if self.train.carried else None
            self.optimizer.zero_grad()
            scaler.scale(loss * share).backward()
            scaler.unscale_(self.optimizer)             # the norm is the true gradient's
            norm = clip_gradients(self.model.parameters(), self.clip or math.inf)
            loss = self._whole(loss.item() * share)
            taken = self._check_finite(step, loss, logits, norm, scaler)
            scaler.step(self.optimizer)
            scaler.update()
            if taken:
                norms.append(norm)
            if taken and self.scheduler:
                self.scheduler.step()
            total += loss * count
        self.scale = scaler.state_dict()
        synchronize(self.device)                        # before anybody looks at a clock
        return total / self.train.num_tokens, norms

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, int, float]]:
        """All windows once, or all streams: inputs and targets, (steps, batch) each; the tokens in the batch; and what the loss
        is to be multiplied with, so that the mean of all processes is the whole batch's: 1 where one process has it all."""
        for batch in self.train.batches(self.batch_size, shuffle=True, generator=self.generator, device=self.device):
            inputs, targets = (distributed.own(part, dim=1) for part in batch)
            share = targets.shape[1] / batch[1].shape[1] * distributed.world()
            if not share:                               # a process without rows takes part with one that counts for nothing
                inputs, targets = (part[:, :1] for part in batch)
            yield inputs, targets, batch[1].numel(), share

    def _whole(self, loss: float) -> float:
        """The loss of the whole batch, in all processes the same; or KeyboardInterrupt, where Ctrl-C struck one of them."""
        loss, stop = distributed.total(loss / distributed.world(), distributed.interrupted())
        if stop:
            distributed.interrupt()
        return loss

    def _loss(self, forward: Callable, precision: Precision, inputs: Tensor, targets: Tensor, state=None) -> tuple:
        """The mean loss per token, the logits, (steps, batch, tokens), and the state after the last step."""
        with precision.autocast():
            logits, after = forward(inputs) if state is None else forward(inputs, state)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))     # a loss in 16 bits would be too coarse
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), logits, after

    def _rehearse(self, forward: Callable, precision: Precision) -> None:
        """A step without an update for each size of batch that there will be. Nothing is left of it."""
        mode = self.model.training
        self.model.train()
        sizes = {min(self.batch_size, len(self.train)), len(self.train) % self.batch_size or self.batch_size}
        sizes = {len(distributed.own(torch.arange(size))) or 1 for size in sizes}
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                for size in sorted(sizes, reverse=True):
                    batch = next(iter(self.train.batches(self.batch_size, device=self.device)))
                    inputs, targets = (part[:, :size] for part in batch)
                    self._loss(forward, precision, inputs, targets)[0].backward()
        finally:
            self.model.zero_grad()
            self.model.train(mode)

    def _check_finite(self, step: int, loss: float, logits: Tensor, norm: float, scaler) -> bool:
        """Refuse a step that would spoil the weights. False for one that the scaler skips, to try a smaller scale."""
        if math.isfinite(loss) and math.isfinite(norm):
            return True
        weights, gradients = self._spoilt()
        what = "gradient" if math.isfinite(loss) else "loss"
        if what == "gradient" and gradients and not weights and scaler.get_scale() > 1:
            return False
        if weights:
            cause = f"the weights {', '.join(weights)} are not finite"
        elif what == "gradient":
            cause = f"that of {', '.join(gradients)}" if gradients else "its norm is too large"
        else:
            spoilt = distributed.total(not logits.isfinite().all())[0]
            cause = "the logits are not finite" if spoilt else "the logits are too large"
        where = f"epoch {len(self.history) + 1}, step {step} of {self.steps_per_epoch}"
        raise self._not_finite(f"the {what} is not finite at {where}: {cause}", in_time=not weights)

    def _check_epoch(self, validation: float | None) -> None:
        """Refuse an epoch whose last step went too far for the checks before each step to see it."""
        weights, _ = self._spoilt()
        if weights or not math.isfinite(validation or 0.0):
            cause = f"the weights {', '.join(weights)} are" if weights else "the validation loss is"
            where = f"the end of epoch {len(self.history) + 1}, after step {self.steps_per_epoch}"
            raise self._not_finite(f"{cause} not finite at {where}", in_time=False)

    def _spoilt(self) -> tuple[list[str], list[str]]:
        """The names of all weights, and of all gradients, that hold a number that is not finite."""
        named = list(self.model.named_parameters())
        return ([name for name, p in named if not p.isfinite().all()],
                [name for name, p in named if p.grad is not None and not p.grad.isfinite().all()])

    def _not_finite(self, what: str, in_time: bool) -> NotFinite:
        kept = "keeps the weights from before this step" if in_time else "is back at the last whole epoch"
        rate = self.optimizer.param_groups[0]["lr"]
        return NotFinite(f"{what}. The model {kept}. A lower learning rate (now {rate:g}) or clipping "
                         f"(now {self.clip}) may help.", in_time)

    def _schedule(self, epochs: int) -> None:
        """Lay out the schedule on the first call; later check that it has steps enough left."""
        name = self.settings["schedule"]
        if name is None:
            return
        steps = epochs * self.steps_per_epoch
        if self.scheduler is None or self.scheduler.last_epoch == 0:
            self.scheduler = self._make_scheduler(steps)
        left = self.total_steps - self.scheduler.last_epoch
        if steps > left:
            raise ValueError(f"the first fit laid out the {name} schedule for {self.total_steps} steps, {left} "
                             f"are left, and {epochs} epochs take {steps}")

    def _make_scheduler(self, total_steps: int):
        self.total_steps = total_steps
        if self.settings["schedule"] == "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, total_steps)
        # SGD here has no momentum, and must not be given one.
        return torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.settings["lr"], total_steps=total_steps,
            cycle_momentum=self.settings["optimizer"] == "adamw")

    def _state(self) -> dict:
        """All that going on needs. Tensors are shared with the trainer, not copied."""
        return {"format": FORMAT, "settings": self.settings, "model": self.model.state_dict(),
                "best_weights": self.best_weights, "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler and self.scheduler.state_dict(), "total_steps": self.total_steps,
                "scale": self.scale,
                "history": self.history.to_dict(),
                "order": self.generator.get_state(), "rng": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None}

    def _restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.best_weights = state["best_weights"]
        if state["scheduler"] is not None:                  # first, for making one touches the optimizer
            self.scheduler = self.scheduler or self._make_scheduler(state["total_steps"])
            self.scheduler.load_state_dict(state["scheduler"])
        else:
            self.scheduler = None
        self.total_steps, self.scale = state["total_steps"], state["scale"]
        self.optimizer.load_state_dict(state["optimizer"])
        history = History.from_dict(state["history"])
        self.history.rows[:], self.history.snapshots[:] = history.rows, history.snapshots
        self.generator.set_state(state["order"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything that going on needs, whole or not at all.

        In a group the first process writes the file, and every other one, beside it, what is its own: the state of
        its random generators. All must see the same folder.
        """
        path, name, rank = Path(path), distributed.new_name(), distributed.rank()
        state = self._state() | {"world": distributed.world(), "name": name}
        if rank:
            own = {part: state[part] for part in OWN}
            write_whole(_part(path, rank, name), lambda partial: torch.save(own, partial))
        distributed.wait()                      # all parts are there before the file that names them replaces the last one,
        if not rank:
            write_whole(path, lambda partial: torch.save(state, partial))
            for old in path.parent.glob(f"{glob.escape(path.name)}.rank*.{'[0-9a-f]' * len(name)}*"):
                if not old.name.endswith(name):
                    old.unlink()                # and only then those of the last one go
        distributed.wait()

    def resume(self, path: str | os.PathLike) -> "Trainer":
        """Go back to where a checkpoint was written; returns the trainer.

        On a CPU what follows is the same to the last bit as if the training had never stopped: weights,
        optimizer, schedule, order of the windows, and torch's global generator, from which dropout draws. Another
        number of processes goes on with the same curve up to rounding; those that are new draw their own dropout.

        Raises:
            FileNotFoundError: no such file, or not the part of it that is this process's.
            ValueError: damaged, not a checkpoint of ours, of another model, or of a trainer with other
                settings; nothing is changed then.
        """
        state = self._read(path)
        before = copy.deepcopy(self._state())
        try:
            self._restore(state)
        except Exception as error:
            self._restore(before)
            raise ValueError(f"{path} is not a whole checkpoint ({error})") from None
        return self

    def _read(self, path: str | os.PathLike) -> dict:
        """What a checkpoint holds, if it is one and fits this trainer."""
        state = _load(path)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError(f"{path} is not a checkpoint of this package")
        state = {"scale": {}} | state               # one from before there was a choice of precision scaled nothing
        if missing := [name for name in self._state() if name not in state]:
            raise ValueError(f"{path} is not a whole checkpoint: it lacks {', '.join(missing)}")
        ours, theirs = (_shapes(weights) for weights in (self.model.state_dict(), state["model"]))
        if differing := [name for name in ours | theirs if ours.get(name) != theirs.get(name)]:
            raise ValueError(f"{path} is of another model: {', '.join(differing[:4])} differ")
        if differing := [f"{name} {state['settings'].get(name)!r} (here {value!r})"
                         for name, value in self.settings.items() if state["settings"].get(name) != value]:
            raise ValueError(f"{path} was written by a trainer with {', '.join(differing)}")
        rank, world = distributed.rank(), state.get("world", 1)
        if 0 < rank < world:
            state |= _load(_part(Path(path), rank, state["name"]))
        elif rank:
            state |= {part: self._state()[part] for part in OWN}
        return state


def _part(path: Path, rank: int, name: str) -> Path:
    """Where a process other than the first keeps what is its own of the checkpoint with this name."""
    return path.with_name(f"{path.name}.rank{rank}.{name}")


def _load(path: str | os.PathLike) -> dict:
    """What torch.save wrote."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:   # torch raises many kinds for files that are cut short or foreign
        raise ValueError(f"{path} is not a whole checkpoint ({type(error).__name__})") from None


def _shapes(weights: dict) -> dict:
    return {name: (value.shape, value.dtype) for name, value in weights.items() if isinstance(value, Tensor)}
