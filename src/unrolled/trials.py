"""One trial of the hyperparameters: a setting, so many training windows, and what came of it."""
import contextlib
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import torch

from unrolled.device import choose_device
from unrolled.generation import generate
from unrolled.layers import LSTM, Stacked
from unrolled.models import LanguageModel
from unrolled.text import Vocabulary, honest_split, source_split
from unrolled.training import OPTIMIZERS, NotFinite, Trainer

SPLITS = {"source": source_split, "honest": honest_split}
WINDOWS = 60_000                # at the centre nearly as many updates as the source makes
PREFIX, NUM_TOKENS = "it has", 40
DECODINGS = {"greedy": {}, "temperature 0.7": {"temperature": 0.7, "seed": 0}}


@dataclass(frozen=True)
class Setting:
    """The eight hyperparameters of a trial.

    The defaults are the centre of every comparison: the source's experiment with a batch of 128 windows in
    place of 1,024, so that a short trial makes as many updates as the source's long training.

    Raises:
        ValueError: a value out of its range, named.
    """

    num_hiddens: int = 32
    num_steps: int = 32
    batch_size: int = 128
    lr: float = 4.0
    optimizer: str = "sgd"
    num_layers: int = 1
    clip: float = 1.0               # largest norm of the gradient; 0 for no clipping
    forget_bias: float = 0.0        # first value of the forget gate's bias, in each layer

    def __post_init__(self):
        for name in ("num_hiddens", "num_steps", "batch_size", "num_layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")
        for name, low in (("lr", "positive"), ("clip", "0 or positive"), ("forget_bias", "finite")):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or (
                    low == "positive" and value <= 0 or low == "0 or positive" and value < 0):
                raise ValueError(f"{name} is a {low} number, not {value!r}")
            object.__setattr__(self, name, float(value))
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"the optimizer is one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}")

    def differences(self, other: "Setting") -> dict:
        """Name -> value here, of what is not as it is there."""
        return {name: value for name, value in asdict(self).items() if value != getattr(other, name)}


CENTRE = Setting()
NAMES = tuple(one.name for one in fields(Setting))
LABELS = dict(zip(NAMES, ("hidden units", "steps", "batch", "learning rate", "optimiser", "layers", "clipping", "forget bias")))

COUNTED = ("num_hiddens", "num_steps", "num_layers")


def shown(name: str, value) -> str:
    """A value as it is read: "1024", "0.25", "none" for a clipping of 0."""
    if name == "clip" and value == 0:
        return "none"
    return value if isinstance(value, str) else f"{value:g}"


def called(name: str, value) -> str:
    """A hyperparameter with its value, in words: "learning rate 16", "128 hidden units", "no clipping"."""
    if name in COUNTED:
        return f"{value} {LABELS[name][:-1] if value == 1 else LABELS[name]}"
    return "no clipping" if name == "clip" and value == 0 else f"{LABELS[name]} {shown(name, value)}"


def named(changes: dict) -> str:
    """Changes in words: "learning rate 16, no clipping"; "the centre" where there are none."""
    return ", ".join(called(name, value) for name, value in changes.items()) or "the centre"


class Clocked(Trainer):
    """A trainer with a clock that other processes cannot slow: on a CPU it counts the processor's seconds."""

    counted = 0.0

    def _train_epoch(self):
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        start = clock()
        try:
            return super()._train_epoch()
        finally:
            self.counted += clock() - start


@contextlib.contextmanager
def counting(trainer: Trainer, passes: int, on_step: Callable[[int, int], None]):
    """Within, ``on_step(windows seen, windows to be seen)`` is called before each batch, of training or validation."""
    seen = 0

    def step(model, inputs):
        nonlocal seen
        on_step(seen, passes * len(trainer.train))
        if model.training:
            seen += inputs[0].shape[1]                    # (steps, batch)

    hook = trainer.model.register_forward_pre_hook(step)
    try:
        yield
    finally:
        hook.remove()


class Bench:
    """What all trials share: a text, its split, how many training windows each sees, and the device.

    A budget of windows rather than of epochs or minutes lets time and quality be compared: everybody reads as
    much, takes the time that it takes, and makes one update for each batch. Longer windows hold more
    characters, and smaller batches make more updates: that is part of what is compared.

    Args:
        text: the whole text.
        split: "source" or "honest", as of ``unrolled train``.
        windows: the budget, rounded to whole passes over the training windows, at least one.
        device: as for ``choose_device``.

    Raises:
        ValueError: a budget below 1, an unknown split, or no such device.
    """

    def __init__(self, text: str, *, split: str = "source", windows: int = WINDOWS, device=None):
        if split not in SPLITS:
            raise ValueError(f"the split is one of {', '.join(SPLITS)}, not {split!r}")
        if not isinstance(windows, int) or isinstance(windows, bool) or windows < 1:
            raise ValueError(f"the budget is a whole number of windows, at least 1, not {windows!r}")
        self.split, self.windows, self.device = split, windows, choose_device(device)
        self.text = hashlib.sha256(text.encode()).hexdigest()[:12]        # tells one text from another
        self.vocab = Vocabulary.from_text(text)
        self.ids = self.vocab.encode(text)

    def trainer(self, setting: Setting, seed: int = 0) -> Clocked:
        """The untrained model of a setting in its trainer; the global generator is left alone."""
        split = SPLITS[self.split](self.ids, setting.num_steps)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)      # the CPU's alone, for no other is set back
            widths = [len(self.vocab)] + [setting.num_hiddens] * (setting.num_layers - 1)
            stack = [LSTM(width, setting.num_hiddens, forget_bias=setting.forget_bias) for width in widths]
            model = LanguageModel(stack[0] if len(stack) == 1 else Stacked(stack), len(self.vocab))
        return Clocked(model, split.train, split.validation, optimizer=setting.optimizer, lr=setting.lr,
                       batch_size=setting.batch_size, clip=setting.clip or None, seed=seed, device=self.device)

    def passes(self, windows: int) -> int:
        """Over so many training windows, to use up the budget."""
        return max(1, round(self.windows / windows))

    def run(self, setting: Setting, seed: int = 0, *, on_epoch=None, on_step: Callable[[int, int], None] | None = None) -> dict:
        """Train, measure, and let the model write: a row of a record.

        Args:
            on_epoch: called with the history after each pass.
            on_step: called before each batch with the windows seen so far and those to be seen. Raises it
                KeyboardInterrupt, the run ends with the last whole pass.

        Returns:
            The setting, the seed, ``windows`` and ``updates`` made, ``seconds`` of training (the processor's on
            a CPU), ``train_perplexity`` (mean of the last pass, while the weights changed),
            ``validation_perplexity``, ``samples`` by how they were decoded, and ``whole``, whether the budget
            was used up.

        Raises:
            NotFinite: the training failed.
            KeyboardInterrupt: stopped before the first pass was done.
            ValueError: the text is too short for windows this long.
        """
        trainer = self.trainer(setting, seed)
        model, passes = trainer.model, self.passes(len(trainer.train))
        with counting(trainer, passes, on_step or (lambda seen, budget: None)):
            history = trainer.fit(passes, progress=False, on_epoch=on_epoch)
        if not len(history):
            raise KeyboardInterrupt
        train, validation = history.train_perplexity[-1], history.validation_perplexity[-1]
        if not math.isfinite(max(train, validation)):
            raise NotFinite("the perplexity is larger than any number", in_time=False)
        return {**asdict(setting), "seed": seed, "whole": len(history) == passes, "windows": len(history) * len(trainer.train),
                "updates": len(history) * trainer.steps_per_epoch, "seconds": round(trainer.counted, 3),
                "train_perplexity": float(f"{train:.5g}"), "validation_perplexity": float(f"{validation:.5g}"),
                "samples": {name: generate(model, self.vocab, PREFIX, NUM_TOKENS, **how) for name, how in DECODINGS.items()}}

    def pace(self, setting: Setting = CENTRE, seconds: float = 0.5) -> float:
        """Seconds of training a window, measured for so long, after two batches to warm up.

        Raises:
            KeyboardInterrupt: somebody else stopped it.
        """
        trainer = self.trainer(setting)

        def trained(batches: int, end: float) -> int:
            """Train for some batches and until some time; the windows that were seen."""
            steps, windows, ended = 0, 0, False

            def on_step(seen, budget):
                nonlocal steps, windows, ended
                windows, ended = seen, steps >= batches and time.perf_counter() > end
                steps += 1
                if ended:
                    raise KeyboardInterrupt               # the trainer's own way to end early

            with counting(trainer, 1, on_step):
                trainer.fit(10 ** 9, progress=False)
            if not ended:
                raise KeyboardInterrupt
            return windows

        trained(2, 0.0)
        trainer.counted = 0.0
        windows = trained(2, time.perf_counter() + seconds)
        return trainer.counted / windows
