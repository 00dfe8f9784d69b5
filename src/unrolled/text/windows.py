"""Windows over a sequence of token ids: made once, sliced for ever."""
from collections.abc import Iterator
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Windows:
    """All windows of ``num_steps`` tokens in a sequence, each with its targets one token later.

    The windows are a view: however many overlap, the tokens are stored once. Batches are made by
    indexing, with no data loader in between.

    Args:
        ids: (tokens,) integers.
        num_steps: T, the length of a window.
        stride: the distance from one window's start to the next one's.
        start, stop: use only the windows of this range (numbers of windows, as in a slice).

    Attributes:
        ids: the tokens that the windows cover, a slice of what was given.
        view: (windows, T + 1) all windows with their last target, a view of ``ids``.

    Raises:
        TypeError: ids that are no tensor, or a number that is not whole.
        ValueError: ids of another shape or dtype, a sequence too short for one window, a number below 1.
    """

    carried = False                     # each window begins with a state of zeros

    def __init__(self, ids: Tensor, num_steps: int, stride: int = 1, *,
                 start: int = 0, stop: int | None = None):
        _check_ids(ids)
        _check_positive(num_steps=num_steps, stride=stride)
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
        """(inputs, targets), each (T, batch), of the windows that an integer, a slice or a row of them names.

        Raises:
            IndexError: a number outside the windows.
        """
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.view.device).reshape(-1)     # one number is a batch of one
        chosen = self.view[index].T                                       # (T + 1, batch)
        return chosen[:-1], chosen[1:]

    def to(self, device) -> "Windows":
        """The same windows over the same tokens on another device."""
        return Windows(self.ids.to(device), self.num_steps, self.stride)

    def batches(self, batch_size: int, *, shuffle: bool = False, generator: torch.Generator | None = None,
                device=None) -> Iterator[tuple[Tensor, Tensor]]:
        """Every window once, ``batch_size`` at a time: (inputs, targets), each (T, batch).

        Args:
            shuffle: in an order drawn from ``generator`` (a CPU generator), else in order.
            device: where the batches should live.

        The order is drawn when the method is called, not when the first batch is taken.
        """
        _check_positive(batch_size=batch_size)
        windows = self if device is None else self.to(device)
        order = torch.randperm(len(self), generator=generator, device="cpu") if shuffle else torch.arange(len(self), device="cpu")
        return (windows[index] for index in order.to(windows.view.device).split(batch_size))


class Streams:
    """A sequence cut into equal pieces that are read side by side, so that each batch goes on where the last one stopped.

    Whoever reads the batches in order carries the state from one to the next, and no context is ever lost but at the
    beginning of a piece. One stream is a whole text read from its first token to its last.

    Args:
        ids: (tokens,) integers; those that are left over when it is cut are not read.
        num_streams: how many pieces, the batch.
        num_steps: T, the length of a batch; the last one of a pass may be shorter.

    Raises:
        TypeError: ids that are no tensor, or a number that is not whole.
        ValueError: ids of another shape or dtype, pieces of fewer than two tokens, a number below 1.
    """

    carried = True                      # the state, from one batch to the next

    def __init__(self, ids: Tensor, num_streams: int, num_steps: int):
        _check_ids(ids)
        _check_positive(num_streams=num_streams, num_steps=num_steps)
        if len(ids) < 2 * num_streams:
            raise ValueError(f"{num_streams} streams need {2 * num_streams} tokens at least, got {len(ids)}")
        self.ids, self.num_streams, self.num_steps = ids, num_streams, num_steps
        self.length = len(ids) // num_streams                            # tokens of a piece

    def __len__(self) -> int:
        """Windows in a pass: batches times streams."""
        return self.num_streams * -(-(self.length - 1) // self.num_steps)

    def __repr__(self) -> str:
        return f"Streams({self.num_streams} of {self.length} tokens, {self.num_steps} steps at a time)"

    @property
    def num_tokens(self) -> int:
        """How many targets one pass predicts."""
        return self.num_streams * (self.length - 1)

    def batches(self, batch_size: int | None = None, *, shuffle: bool = False, generator: torch.Generator | None = None,
                device=None) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in order: (inputs, targets), each (T, num_streams).

        Args:
            batch_size: the number of streams, or None.
            shuffle: the cuts fall elsewhere: the sequence is turned by a number of tokens drawn from ``generator``,
                its end going on at its beginning.
            device: where the batches should live.

        Raises:
            ValueError: another batch size.
        """
        if batch_size not in (None, self.num_streams):
            raise ValueError(f"{self.num_streams} streams are batches of {self.num_streams}, not of {batch_size}")
        ids = self.ids if device is None else self.ids.to(device)
        if shuffle:
            ids = ids.roll(int(torch.randint(len(ids), (1,), generator=generator, device="cpu")))
        grid = ids[:self.num_streams * self.length].view(self.num_streams, self.length).T      # (length, streams)
        starts = range(0, self.length - 1, self.num_steps)
        return ((grid[t:t + self.num_steps][:self.length - 1 - t], grid[t + 1:t + 1 + self.num_steps]) for t in starts)


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
        raise ValueError(f"{num_train} + {num_validation} windows of {num_steps} steps need "
                         f"{needed + num_steps} tokens, got {len(ids)}")
    return Split(Windows(ids, num_steps, stop=num_train),
                 Windows(ids, num_steps, start=num_train, stop=needed))


def split_ids(ids: Tensor, fractions=(0.90, 0.05, 0.05)) -> tuple[Tensor, ...]:
    """Cut a sequence into contiguous parts of these shares, nothing shared and nothing left over.

    Raises:
        ValueError: fractions that are not positive or do not add up to 1.
    """
    _check_ids(ids)
    if not all(f > 0 for f in fractions) or not abs(sum(fractions) - 1) < 1e-9:
        raise ValueError(f"fractions are positive and add up to 1, got {tuple(fractions)}")
    ends = [round(len(ids) * sum(fractions[:k])) for k in range(len(fractions))] + [len(ids)]
    return tuple(ids[a:b] for a, b in zip(ends, ends[1:]))


def honest_split(ids: Tensor, num_steps: int, stride: int | None = None,
                 fractions=(0.90, 0.05, 0.05)) -> Split:
    """The whole text in three contiguous parts that share no token: training, validation, test.

    Args:
        stride: of the windows in each part; ``num_steps`` unless told, so that each token is a target at
            most once.

    Raises:
        ValueError: other than three fractions, or a part too short for one window.
    """
    if len(fractions) != 3:
        raise ValueError(f"three fractions, for training, validation and test, got {len(fractions)}")
    stride = num_steps if stride is None else stride
    return Split(*(Windows(part, num_steps, stride) for part in split_ids(ids, fractions)))


def _check_ids(ids: Tensor) -> None:
    if not isinstance(ids, Tensor):
        raise TypeError(f"ids are a tensor of integers, not {type(ids).__name__}")
    if ids.ndim != 1 or ids.dtype not in INTEGERS:
        raise ValueError(f"ids are one row of integers, got {ids.dtype} of shape {tuple(ids.shape)}")


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, Integral):
            raise TypeError(f"{name} is a whole number, not {type(number).__name__}")
        if number < 1:
            raise ValueError(f"{name} is 1 or more, not {number}")
