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
        said = f"{str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    else:
        said = type(value).__name__ + (f" of {len(value)}" if isinstance(value, (tuple, list, dict)) else "")
    return f"{'an' if said[0] in 'aeiouAEIOU' else 'a'} {said}"


def place(index: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """Where: " at step 2, example 0, unit 1"; " at [2, 0, 1]" where the axes have no names; nothing for a single number."""
    if not index:
        return ""
    return " at " + (", ".join(f"{axis} {i}" for axis, i in zip(axes, index)) if len(axes) == len(index) else str(list(index)))


def apart(one, two) -> tuple[str, str]:
    """Two numbers, written with as many decimals as tell them apart, four at least."""
    if isinstance(one, int) and isinstance(two, int):               # bool, too
        return str(one), str(two)
    return next((a, b) for digits in range(4, 18) if (a := f"{one:.{digits}f}") != (b := f"{two:.{digits}f}") or digits == 17)


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
    return not differing(got, expected, tolerance).any()


def differing(got: Tensor, expected: Tensor, tolerance: float) -> Tensor:
    """Where two tensors of one shape differ; what is not a number differs from everything."""
    got, expected = got.detach().double(), expected.detach().double()
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    return ~((got - expected).abs() <= tolerance * scale)


def compare(what: str, got, expected: Tensor, *, axes: tuple[str, ...] = ("example", "unit"), tolerance: float = 1e-8) -> None:
    """Raise Wrong at the first entry that differs, naming it with both values.

    Args:
        what: a noun phrase, such as "The forget gate F".
        axes: what each axis of the tensor counts.
    """
    check_tensor(what, got, expected)
    off = differing(got, expected, tolerance)
    if not off.any():
        return
    first = tuple(off.nonzero()[0].tolist())
    right, wrong = apart(expected[first].item(), got[first].item())
    share = f" {int(off.sum())} of its {off.numel()} numbers are wrong." if off.sum() > 1 else ""
    raise Wrong(f"{what} is wrong{place(first, axes)}: expected {right}, got {wrong}.{share}")


def check_keys(what: str, got, expected: Mapping) -> None:
    """Raise Wrong unless ``got`` is a mapping with exactly the keys of ``expected``."""
    if not isinstance(got, Mapping):
        raise Wrong(f"{what} should be a dictionary with {', '.join(expected)}, and is {kind(got)}.")
    if missing := [key for key in expected if key not in got]:
        raise Wrong(f"{what} lacks {', '.join(map(str, missing))}.")
    if extra := [key for key in got if key not in expected]:
        raise Wrong(f"{what} has {', '.join(map(str, extra))}, which nobody asked for.")
