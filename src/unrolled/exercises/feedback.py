"""What differs, said to a learner: the first thing first, with what was expected and what came."""
from collections.abc import Mapping

import torch
from torch import Tensor


class Wrong(Exception):
    """Not right yet. The message is for the learner, in whole sentences."""


def kind(value) -> str:
    """What a value is, in a learner's words: "a float64 tensor of shape (2, 3)", "None", "a list"."""
    if value is None:
        return "None (does the function end with a `return`?)"
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    name = type(value).__name__
    size = f" of {len(value)}" if isinstance(value, (tuple, list, dict)) else ""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{size}"


def place(index: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """Where: "step 2, example 0, unit 1"."""
    names = axes if len(axes) == len(index) else tuple(f"axis {k}," for k in range(len(index)))
    return ", ".join(f"{name} {i}" for name, i in zip(names, index)) or "its one number"


def check_tensor(what: str, got, like: Tensor) -> None:
    """Raise Wrong unless ``got`` is a tensor of the shape and dtype of ``like``."""
    if not isinstance(got, Tensor):
        raise Wrong(f"{what} should be a tensor of shape {tuple(like.shape)}, and is {kind(got)}.")
    if got.shape != like.shape:
        raise Wrong(f"{what} should have shape {tuple(like.shape)}, and has {tuple(got.shape)}.")
    if got.dtype != like.dtype:
        raise Wrong(f"{what} should be {like.dtype} like the inputs, and is {got.dtype}.")


def same(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Whether two tensors of one shape agree, absolutely and relative to the largest entry."""
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    return bool(torch.isfinite(got).all()) and bool(((got - expected).abs() <= tolerance * scale).all())


def compare(what: str, got, expected: Tensor, *, axes: tuple[str, ...] = ("example", "unit"), tolerance: float = 1e-8) -> None:
    """Raise Wrong at the first entry that differs, naming it with both values.

    Args:
        what: a noun phrase, such as "The forget gate F".
        axes: what each axis of the tensor counts.
    """
    check_tensor(what, got, expected)
    if same(got.detach(), expected, tolerance):
        return
    scale = max(1.0, float(expected.abs().max()))
    off = ~((got - expected).abs() <= tolerance * scale)                # also where one is not a number
    first = tuple(int(i) for i in off.nonzero()[0])
    share = f", as are {int(off.sum())} of its {off.numel()} numbers" if off.sum() > 1 else ""
    raise Wrong(f"{what} is wrong at {place(first, axes)}: expected {expected[first].item():.4f}, "
                f"got {got[first].item():.4f}{share}.")


def check_keys(what: str, got, expected: Mapping) -> None:
    """Raise Wrong unless ``got`` is a mapping with exactly the keys of ``expected``."""
    if not isinstance(got, Mapping):
        raise Wrong(f"{what} should be a dictionary with {', '.join(expected)}, and is {kind(got)}.")
    if missing := [key for key in expected if key not in got]:
        raise Wrong(f"{what} lacks {', '.join(map(str, missing))}.")
    if extra := [key for key in got if key not in expected]:
        raise Wrong(f"{what} has {', '.join(map(str, extra))}, which nobody asked for.")
