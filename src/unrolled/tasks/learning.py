"""Any recurrent layer, learning a task from batches that never come again."""
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.device import one_thread
from unrolled.models import evaluating
from unrolled.tasks.problems import Task
from unrolled.training import clip_gradients, no_subnormals

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
TEST = 2 ** 31                          # seed of the test's sequences; no training is given it


class Reader(nn.Module):
    """A layer, and a linear head on its last ``scored`` outputs.

    Args:
        layer: called as ``outputs, state = layer(inputs)``, with ``num_hiddens`` units.
    """

    def __init__(self, layer: nn.Module, task: Task):
        super().__init__()
        like = next(layer.parameters())
        self.layer, self.scored = layer, task.scored
        self.head = nn.Linear(layer.num_hiddens, task.num_outputs, dtype=like.dtype, device=like.device)

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (steps, batch, num_inputs) -> predictions (scored, batch, num_outputs)."""
        outputs, _ = self.layer(inputs)                     # (steps, batch, hidden)
        return self.head(outputs[-self.scored:])


@dataclass(frozen=True)
class Learned:
    """How a training went.

    Attributes:
        task: what was to be learnt.
        model: the ``Reader`` as it is now.
        losses: of each update's batch, before the update.
        norms: of the gradient, before it was clipped.
        test_loss, test_right: on sequences that no training has seen, the same for all.
    """

    task: Task
    model: Reader
    losses: list[float]
    norms: list[float]
    test_loss: float
    test_right: float

    @property
    def solved(self) -> bool:
        return self.task.solved(self.test_loss)


def learn(task: Task, layer: nn.Module, *, updates: int = 500, batch_size: int = 64, optimizer: str = "adam", lr: float = 0.01,
          clip: float | None = 1.0, seed: int = 0) -> Learned:
    """Train a layer on a task, and test it.

    A loss or a gradient that is not finite ends the training: the weights stay as they were before that update.

    Args:
        updates: how many batches, each drawn anew.
        clip: largest norm of the gradient, None for no clipping.
        seed: of the batches. The first values of the weights are the caller's (``torch.manual_seed``).

    Raises:
        ValueError: an option out of its range.
        TypeError: a layer that does not say its ``num_hiddens``.
    """
    for name, number in (("updates", updates), ("batch_size", batch_size)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"the optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
    if not hasattr(layer, "num_hiddens"):
        raise TypeError(f"a layer on trial has num_hiddens; {type(layer).__name__} lacks it")
    model = Reader(layer, task)
    device, dtype = model.head.weight.device, model.head.weight.dtype
    steps = OPTIMIZERS[optimizer](model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    losses, norms = [], []

    def drawn(size, source):
        inputs, targets = task.batch(size, source)          # (steps, size, inputs), (scored, size)
        return inputs.to(device, dtype), targets.to(device, dtype if targets.is_floating_point() else None)

    with one_thread(), no_subnormals():
        for _ in range(updates):
            inputs, targets = drawn(batch_size, generator)
            predictions = model(inputs)                     # (scored, batch, outputs)
            loss = task.loss(predictions, targets)
            steps.zero_grad()
            loss.backward()
            norm = clip_gradients(model.parameters(), math.inf if clip is None else clip)
            losses.append(loss.item())
            norms.append(norm)
            if not (math.isfinite(losses[-1]) and math.isfinite(norm)):
                break
            steps.step()
        with evaluating(model):
            inputs, targets = drawn(1000, torch.Generator().manual_seed(TEST))
            predictions = model(inputs)
    return Learned(task, model, losses, norms, task.loss(predictions, targets).item(), task.right(predictions, targets))


def measure(task: Task, make: Callable[[], nn.Module], seeds: int | Iterable[int] = 3, **options) -> list[Learned]:
    """Train a fresh layer for each seed, as ``learn`` does.

    Args:
        make: makes a layer. Its first values and the batches hang on the seed alone; torch's generator stays as it was.
        seeds: which, or how many from 0 on.
        options: as for ``learn``.
    """
    found = []
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)       # the CPU's alone, for no other is set back
            found.append(learn(task, make(), seed=seed, **options))
    return found
