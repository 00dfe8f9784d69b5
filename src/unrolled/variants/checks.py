"""What a variant asks of a state whose parts differ in shape; one sentence says what came instead."""
import torch
from torch import Tensor


def check_parts(state, expected: str, shapes: tuple[tuple[int, ...], ...], dtype: torch.dtype) -> None:
    """Raise unless ``state`` is a tuple of tensors of these shapes.

    Args:
        expected: how the sentence begins, "a state is …".

    Raises:
        TypeError: not a tuple or list of tensors, or of another dtype.
        ValueError: too few or too many, or of other shapes.
    """
    if not isinstance(state, (tuple, list)) or not all(isinstance(value, Tensor) for value in state):
        came = [type(value).__name__ for value in state] if isinstance(state, (tuple, list)) else type(state).__name__
        raise TypeError(f"{expected}, got {came}")
    came = tuple(tuple(value.shape) for value in state)
    if came != shapes:
        raise ValueError(f"{expected}, got the shapes {came}")
    for value in state:
        if value.dtype != dtype:
            raise TypeError(f"a state is {dtype} like the weights, got {value.dtype}")
