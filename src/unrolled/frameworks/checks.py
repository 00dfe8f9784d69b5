"""What every framework asks of sizes, inputs, states and windows, and says in the same words. Only NumPy is needed."""
import numpy as np

KINDS = ("scratch", "concise")


def check_kind(kind: str, kinds: tuple[str, ...] = KINDS) -> None:
    """Raise ValueError unless the kind of layer is one of those."""
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}, not {kind!r}")


def check_sizes(**sizes: int) -> None:
    """Raise ValueError unless each size is a whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {size!r}")


def check_model(num_inputs: int, num_tokens: int, dropout: float) -> None:
    """Raise ValueError unless a layer of so many inputs can read so many tokens, and dropout is a probability."""
    check_sizes(num_tokens=num_tokens)
    if num_inputs != num_tokens:
        raise ValueError(f"{num_tokens} tokens cannot feed a layer of {num_inputs} inputs")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a probability in [0, 1), got {dropout!r}")


def check_inputs(shape, dtype: str, num_inputs: int, weights: str) -> None:
    """Raise unless inputs of this shape and dtype's name suit a layer whose weights are of the dtype ``weights``.

    Raises:
        TypeError: neither integers nor the weights' own dtype.
        ValueError: not (steps, batch) for tokens or (steps, batch, num_inputs) for numbers, or nothing in it.
    """
    shape = tuple(shape)
    if "int" in dtype:
        if len(shape) != 2:
            raise ValueError(f"integer tokens have shape (steps, batch), got {shape}")
    elif dtype != weights:
        raise TypeError(f"inputs are integer tokens or {weights} like the weights, got {dtype}")
    elif len(shape) != 3 or shape[2] != num_inputs:
        raise ValueError(f"inputs have shape (steps, batch, {num_inputs}), got {shape}")
    if 0 in shape:
        raise ValueError(f"inputs have at least one step and one example, got shape {shape}")


def check_state(state, batch: int, num_hiddens: int, weights: str, name_of) -> None:
    """Raise unless the state is (H, C), each (batch, num_hiddens) of the weights' dtype.

    Args:
        name_of: the name of an array's dtype, in that framework.
    """
    expected = f"a state is (H, C), each ({batch}, {num_hiddens})"
    if not isinstance(state, (tuple, list)):
        raise TypeError(f"{expected}, got {type(state).__name__}")
    if len(state) != 2:
        raise ValueError(f"{expected}, got {len(state)} arrays")
    for name, value in zip("HC", state):
        if tuple(value.shape) != (batch, num_hiddens):
            raise ValueError(f"{expected}, got {name} of shape {tuple(value.shape)}")
        if name_of(value) != weights:
            raise TypeError(f"a state is {weights} like the weights, got {name} of {name_of(value)}")


def check_range(tokens, num_tokens: int) -> None:
    """Raise ValueError unless all tokens, a NumPy array of integers, lie between 0 and num_tokens - 1."""
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= num_tokens:
        raise ValueError(f"token ids lie between 0 and {num_tokens - 1}, got {low if low < 0 else high}")


def check_windows(windows: np.ndarray, num_tokens: int) -> None:
    """Raise unless these are windows of ``experiment.windows``, of tokens that the model knows.

    Raises:
        TypeError: no NumPy array of integers.
        ValueError: another shape, no window at all, or a token out of range.
    """
    if not isinstance(windows, np.ndarray) or not np.issubdtype(windows.dtype, np.integer):
        what = windows.dtype if isinstance(windows, np.ndarray) else f"{type(windows).__module__}.{type(windows).__name__}"
        raise TypeError(f"windows are a NumPy array of integers, got {what}")
    if windows.ndim != 2 or len(windows) == 0 or windows.shape[1] < 2:
        raise ValueError(f"windows have shape (windows, steps + 1), at least one of each, got {windows.shape}")
    check_range(windows, num_tokens)


def check_training(train: np.ndarray, validation: np.ndarray | None, num_tokens: int) -> None:
    """Raise as ``check_windows`` does, before the first step; there may be no windows to validate on."""
    check_windows(train, num_tokens)
    if validation is not None:
        check_windows(validation, num_tokens)


def check_prefix(prefix_ids, num_new: int, num_tokens: int) -> np.ndarray:
    """The prefix as (tokens, 1) int32, for one example.

    Raises:
        ValueError: not whole numbers, none at all, or one out of range; a number of new tokens below 0.
    """
    prefix = np.asarray(prefix_ids)
    if prefix.ndim != 1 or prefix.size == 0 or not np.issubdtype(prefix.dtype, np.integer):
        raise ValueError(f"the prefix is a list of token ids, at least one, got {prefix_ids!r}")
    check_range(prefix, num_tokens)
    if not isinstance(num_new, (int, np.integer)) or isinstance(num_new, bool) or num_new < 0:
        raise ValueError(f"num_tokens is a whole number, 0 or more, not {num_new!r}")
    return prefix.astype(np.int32)[:, None]
