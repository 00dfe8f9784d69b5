"""Windows over a sequence of token ids: made once, sliced for ever."""
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Windows:
    """All windows of ``num_steps`` tokens in a sequence, each with its targets one token later.

    The windows are a view: however many overlap, the tokens are stored once. Batches are made by
    indexing, with no data loader in between.

    Args:
        ids: (tokens,) integers.
        num_steps: T, the length of a window.
        stride: the distance from one window's start to the next one's.
        start, stop: use only the windows of this range (numbers of windows, as in a slice).

    Raises:
        ValueError: a sequence too short for one window, or a number below 1.
    """

    def __init__(self, ids: Tensor, num_steps: int, stride: int = 1, *, start: int = 0, stop: int | None = None):
        if ids.ndim != 1 or ids.is_floating_point():
            raise ValueError(f"ids are one row of integers, got {ids.dtype} of shape {tuple(ids.shape)}")
        for name, number in (("num_steps", num_steps), ("stride", stride)):
            if number < 1:
                raise ValueError(f"{name} is 1 or more, not {number!r}")
        if len(ids) < num_steps + 1:
            raise ValueError(f"a window of {num_steps} steps and its targets needs {num_steps + 1} tokens, "
                             f"got {len(ids)}")
        self.num_steps, self.stride = num_steps, stride
        first, last, _ = slice(start, stop).indices((len(ids) - num_steps - 1) // stride + 1)
        if last <= first:
            raise ValueError(f"no window between {start} and {stop} in {len(ids)} tokens")
        self.ids = ids[first * stride:(last - 1) * stride + num_steps + 1]
        self.view = self.ids.unfold(0, num_steps + 1, stride)            # (windows, T + 1), no copy

    def __len__(self) -> int:
        return len(self.view)

    def __repr__(self) -> str:
        return f"Windows({len(self)} of {self.num_steps} steps, stride {self.stride})"

    @property
    def num_tokens(self) -> int:
        """How many targets one pass over all windows predicts."""
        return len(self) * self.num_steps

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (T, batch): an integer gives a batch of one."""
        index = torch.as_tensor([index]) if isinstance(index, int) else index
        chosen = self.view[index].T                                       # (T + 1, batch)
        return chosen[:-1], chosen[1:]

    def to(self, device) -> "Windows":
        """The same windows over the same tokens on another device."""
        moved = Windows.__new__(Windows)
        moved.num_steps, moved.stride = self.num_steps, self.stride
        moved.ids = self.ids.to(device)
        moved.view = moved.ids.unfold(0, self.num_steps + 1, self.stride)
        return moved

    def batches(self, batch_size: int, *, shuffle: bool = False, generator: torch.Generator | None = None,
                device=None) -> Iterator[tuple[Tensor, Tensor]]:
        """Every window once, ``batch_size`` at a time: (inputs, targets), each (T, batch).

        Args:
            shuffle: in an order drawn from ``generator`` (a CPU generator), else in order.
            device: where the batches should live.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is 1 or more, not {batch_size!r}")
        windows = self if device is None else self.to(device)
        order = torch.randperm(len(self), generator=generator) if shuffle else torch.arange(len(self))
        for index in order.to(windows.view.device).split(batch_size):
            yield windows[index]


class Split(NamedTuple):
    """Windows to train on, to validate on, and (where there are any) to test on."""

    train: Windows
    validation: Windows
    test: Windows | None = None


def source_split(ids: Tensor, num_steps: int, num_train: int = 10_000, num_validation: int = 5_000) -> Split:
    """The split of the section that this book replaces: the first windows train, the next validate.

    The windows overlap, and the first validation windows overlap the last training windows by up to
    ``num_steps`` tokens. ``honest_split`` shares nothing.

    Raises:
        ValueError: fewer windows in the text than asked for.
    """
    needed, there = num_train + num_validation, len(ids) - num_steps
    if there < needed:
        raise ValueError(f"{num_train} + {num_validation} windows of {num_steps} steps need {needed + num_steps} "
                         f"tokens, got {len(ids)}")
    return Split(Windows(ids, num_steps, stop=num_train),
                 Windows(ids, num_steps, start=num_train, stop=needed))


def split_ids(ids: Tensor, fractions=(0.90, 0.05, 0.05)) -> tuple[Tensor, ...]:
    """Cut a sequence into contiguous parts of these shares, nothing shared and nothing left over."""
    if any(f <= 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions are positive and add up to 1, got {tuple(fractions)}")
    ends = [round(len(ids) * sum(fractions[:k])) for k in range(len(fractions))] + [len(ids)]
    return tuple(ids[a:b] for a, b in zip(ends, ends[1:]))


def honest_split(ids: Tensor, num_steps: int, stride: int | None = None, fractions=(0.90, 0.05, 0.05)) -> Split:
    """The whole text in three contiguous parts that share no token: training, validation, test.

    Args:
        stride: of the windows in each part; ``num_steps`` unless told, so that each token is a target once.
    """
    if len(fractions) != 3:
        raise ValueError(f"three fractions, for training, validation and test, got {len(fractions)}")
    return Split(*(Windows(part, num_steps, stride or num_steps) for part in split_ids(ids, fractions)))
