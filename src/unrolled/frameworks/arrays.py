"""A language model's weights as plain arrays, by the names of the book: the way from any framework to any other::

    {"layers.0.W_xi": (d, h), …, "layers.0.b_c": (h,), "head.weight": (tokens, h), "head.bias": (tokens,)}

They are the names that ``unrolled.models.save`` writes, so that its files can be read here. Only NumPy is needed.
"""
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unrolled.files import write_whole
from unrolled.names import LSTM_PARAMETERS, parameter_shapes

LAYER = "layers.0."
NAMES = (*(LAYER + name for name in LSTM_PARAMETERS), "head.weight", "head.bias")
FLOATS = ("float32", "float64")


def sizes(arrays: Mapping[str, np.ndarray]) -> tuple[int, int, int]:
    """(num_inputs, num_hiddens, num_tokens) of a whole set of weights.

    Raises:
        TypeError: something that is no NumPy array of floats.
        ValueError: a name is missing or unknown, a shape does not fit the others, or two dtypes are mixed.
    """
    missing, unknown = [name for name in NAMES if name not in arrays], [name for name in arrays if name not in NAMES]
    if missing or unknown:
        raise ValueError(f"the weights of a language model with one LSTM layer are {LAYER}W_xi … {LAYER}b_c, head.weight and "
                         f"head.bias; missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.name not in FLOATS:
            what = array.dtype if isinstance(array, np.ndarray) else f"{type(array).__module__}.{type(array).__name__}"
            raise TypeError(f"{name} is a NumPy array of float32 or float64, got {what}")
    if len(kinds := {array.dtype.name for array in arrays.values()}) > 1:
        raise ValueError(f"all weights have one dtype, got {' and '.join(sorted(kinds))}")
    first, head = arrays[LAYER + "W_xi"], arrays["head.weight"]
    if first.ndim != 2 or head.ndim != 2:
        raise ValueError(f"{LAYER}W_xi has shape (inputs, hidden) and head.weight (tokens, hidden), "
                         f"got {first.shape} and {head.shape}")
    num_inputs, num_hiddens, num_tokens = *first.shape, head.shape[0]
    shapes = {LAYER + name: shape for name, shape in parameter_shapes(LSTM_PARAMETERS, num_inputs, num_hiddens).items()}
    for name, shape in (shapes | {"head.weight": (num_tokens, num_hiddens), "head.bias": (num_tokens,)}).items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {shape} beside the others, got {arrays[name].shape}")
    return num_inputs, num_hiddens, num_tokens


def draw(num_tokens: int, num_hiddens: int, seed: int = 0, *, sigma: float | None = None, forget_bias: float = 0.0,
         dtype: str = "float32") -> dict[str, np.ndarray]:
    """First weights, the same for every framework.

    Args:
        sigma: of a Gaussian for all weights, with biases 0; ``None`` draws all uniformly from ±1/√h, as torch.nn does.
        forget_bias: added to b_f.
    """
    random, bound = np.random.default_rng(seed), num_hiddens ** -0.5
    shapes = {LAYER + name: shape for name, shape in parameter_shapes(LSTM_PARAMETERS, num_tokens, num_hiddens).items()}
    shapes |= {"head.weight": (num_tokens, num_hiddens), "head.bias": (num_tokens,)}
    arrays = {}
    for name, shape in shapes.items():
        if sigma is None:
            arrays[name] = random.uniform(-bound, bound, shape)
        else:
            arrays[name] = random.normal(0, sigma, shape) if len(shape) == 2 else np.zeros(shape)
    arrays[LAYER + "b_f"] += forget_bias
    return {name: array.astype(dtype) for name, array in arrays.items()}


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Write weights to a safetensors file, whole or not at all.

    Raises:
        TypeError, ValueError: as ``sizes`` does; nothing is written then.
    """
    from safetensors.numpy import save

    sizes(arrays)
    data = save({name: np.ascontiguousarray(arrays[name]) for name in NAMES})
    write_whole(path, lambda partial: partial.write_bytes(data))


def load_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the weights of a safetensors file, one that ``unrolled.models.save`` wrote included.

    Raises:
        FileNotFoundError: no such file.
        TypeError, ValueError: damaged, or not the weights of a language model with one LSTM layer.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        arrays = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from None
    sizes(arrays)
    return {name: arrays[name] for name in NAMES}
