"""What every recurrent layer asks of its input and state; one sentence says what came instead."""
import torch
from torch import Tensor

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8)


def check_sizes(num_inputs: int, num_hiddens: int) -> None:
    """Raise ValueError unless both sizes are whole numbers of at least 1."""
    for name, size in (("num_inputs", num_inputs), ("num_hiddens", num_hiddens)):
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {size!r}")


def check_inputs(inputs: Tensor, num_inputs: int, dtype: torch.dtype) -> Tensor:
    """Return the inputs, tokens as int64, or raise.

    Raises:
        TypeError: not a tensor, or a dtype that is neither integer nor the layer's own.
        ValueError: a shape other than (steps, batch, num_inputs) for numbers or (steps, batch) for
            tokens, no step at all, or a token id out of range.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs are a tensor, not {type(inputs).__name__}")
    shape = tuple(inputs.shape)
    if inputs.dtype in INTEGERS:
        if inputs.ndim != 2:
            raise ValueError(f"integer tokens have shape (steps, batch), got {shape}")
    elif inputs.dtype != dtype:
        raise TypeError(f"inputs are integer tokens or {dtype} like the weights, got {inputs.dtype}")
    elif inputs.ndim != 3 or shape[2] != num_inputs:
        raise ValueError(f"inputs have shape (steps, batch, {num_inputs}), got {shape}")
    if 0 in shape:
        raise ValueError(f"inputs have at least one step and one example, got shape {shape}")
    if inputs.dtype in INTEGERS and not (inputs.is_meta or torch.compiler.is_compiling()):      # there are no values yet
        low, high = (int(bound) for bound in torch.aminmax(inputs))
        if low < 0 or high >= num_inputs:
            raise ValueError(f"token ids lie between 0 and {num_inputs - 1}, got {low if low < 0 else high}")
    return inputs.long() if inputs.dtype in INTEGERS else inputs


def check_state(state, names: tuple[str, ...], batch: int, num_hiddens: int,
                dtype: torch.dtype | None = None) -> None:
    """Raise unless ``state`` is a tuple with one (batch, num_hiddens) tensor for each name.

    Raises:
        TypeError: not a tuple or list of tensors, or of another dtype than ``dtype`` where that is given.
        ValueError: too few or too many of them, or one of another shape.
    """
    written = ", ".join(names) + ("," if len(names) == 1 else "")
    expected = f"a state is ({written}), each ({batch}, {num_hiddens})"
    if not isinstance(state, (tuple, list)):
        raise TypeError(f"{expected}, got {type(state).__name__}")
    if not all(isinstance(value, Tensor) for value in state):
        raise TypeError(f"{expected}, got a tuple of {', '.join(type(value).__name__ for value in state)}")
    if len(state) != len(names):
        raise ValueError(f"{expected}, got {len(state)} tensors")
    for name, value in zip(names, state):
        if tuple(value.shape) != (batch, num_hiddens):
            raise ValueError(f"{expected}, got {name} of shape {tuple(value.shape)}")
        if dtype is not None and value.dtype != dtype:
            raise TypeError(f"a state is {dtype} like the weights, got {name} of {value.dtype}")


def check_states(state, names, batch: int, num_hiddens: int, dtype: torch.dtype) -> tuple:
    """A tuple of the states of one layer, or of several where ``names`` has a tuple for each; or raise as ``check_state``."""
    if isinstance(names[0], str):
        names, state = (names,), (state,)
    if not isinstance(state, (tuple, list)) or len(state) != len(names):
        came = len(state) if isinstance(state, (tuple, list)) else type(state).__name__
        raise ValueError(f"the state is a tuple of {len(names)} pairs, one for each layer and direction, got {came}")
    for inner, inner_names in zip(state, names):
        check_state(inner, inner_names, batch, num_hiddens, dtype)
    return tuple(state)


def check_lengths(lengths, steps: int, batch: int) -> Tensor:
    """Return the lengths, (batch,) as int64, or raise.

    Raises:
        TypeError: not integers.
        ValueError: of another shape, or one that is below 1 or above ``steps``.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.dtype not in INTEGERS:
        raise TypeError(f"lengths are integers, one for each example, got {lengths.dtype}")
    if tuple(lengths.shape) != (batch,):
        raise ValueError(f"lengths have shape ({batch},), one for each example, got {tuple(lengths.shape)}")
    if not (lengths.is_meta or torch.compiler.is_compiling()):
        low, high = (int(bound) for bound in torch.aminmax(lengths))
        if low < 1 or high > steps:
            raise ValueError(f"lengths lie between 1 and {steps} steps, got {low if low < 1 else high}")
    return lengths.long()
