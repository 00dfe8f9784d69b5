"""One naming and one layout of weights, and the way to PyTorch's and back.

Ours: twelve tensors for the LSTM, ``W_xi, W_hi, b_i`` and so on, weights (inputs, hidden). PyTorch's: the
gates stacked in an order of its own, weights transposed, and two biases whose sum is ours.
"""
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unrolled.equations import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, parameter_shapes
from unrolled.layers.engines import OpenLSTM

# For each torch.nn class: the names, and our gate letters in the order of PyTorch's rows.
_LAYOUT = {nn.LSTM: (LSTM_PARAMETERS, "ifco"), OpenLSTM: (LSTM_PARAMETERS, "ifco"), nn.GRU: (GRU_PARAMETERS, "rzh"),
           nn.RNN: (RNN_PARAMETERS, "h")}


def _layout(module: nn.RNNBase) -> tuple[tuple[str, ...], str]:
    if type(module) not in _LAYOUT:
        raise TypeError(f"expected a torch.nn.LSTM, GRU or RNN, got {type(module).__name__}")
    if module.num_layers != 1 or module.bidirectional or not module.bias or module.proj_size:
        raise ValueError(f"expected one layer in one direction, with biases and no projection, got {module}")
    if getattr(module, "nonlinearity", "tanh") != "tanh":
        raise ValueError(f"expected an RNN with tanh, got one with {module.nonlinearity}")
    return _LAYOUT[type(module)]


def from_torch(module: nn.RNNBase, *, gradients: bool = False) -> dict[str, Tensor]:
    """Our named weights, copied out of a torch.nn layer; with ``gradients=True`` their gradients.

    A bias of ours is the sum of PyTorch's two, and its gradient is the gradient of either. Only the
    GRU's candidate keeps both, as ``b_h`` and ``b_hh``.
    """
    names, letters = _layout(module)
    pieces = {}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        value = getattr(module, f"{name}_l0")
        if gradients and value.grad is None:
            raise ValueError(f"{name}_l0 has no gradient: call backward() on a loss first")
        rows = (value.grad if gradients else value).detach().chunk(len(letters))
        pieces[name] = dict(zip(letters, rows))
    weights = {}
    for letter in letters:
        bias_x, bias_h = pieces["bias_ih"][letter], pieces["bias_hh"][letter]
        weights[f"W_x{letter}"] = pieces["weight_ih"][letter].T.clone()
        weights[f"W_h{letter}"] = pieces["weight_hh"][letter].T.clone()
        if f"b_h{letter}" in names:
            weights[f"b_{letter}"], weights[f"b_h{letter}"] = bias_x.clone(), bias_h.clone()
        else:
            weights[f"b_{letter}"] = bias_x.clone() if gradients else bias_x + bias_h
    return {name: weights[name] for name in names}


@torch.no_grad()
def to_torch(weights: Mapping[str, Tensor], module: nn.RNNBase) -> nn.RNNBase:
    """Copy our named weights into a torch.nn layer, in place; returns it.

    Raises:
        ValueError: a name is missing or unknown, or a shape differs.
    """
    names, letters = _layout(module)
    check_weights(weights, names, module.input_size, module.hidden_size)
    stack = lambda prefix: torch.cat([weights[prefix + k] for k in letters], dim=-1)   # noqa: E731
    module.weight_ih_l0.copy_(stack("W_x").T)
    module.weight_hh_l0.copy_(stack("W_h").T)
    module.bias_ih_l0.copy_(stack("b_"))
    module.bias_hh_l0.zero_()
    if "b_hh" in names:                                     # the GRU's candidate, the last of three
        module.bias_hh_l0[-module.hidden_size:] = weights["b_hh"]
    return module


def check_weights(weights: Mapping[str, Tensor], names, num_inputs: int, num_hiddens: int) -> None:
    """Raise ValueError unless the weights are exactly the named ones, each of its shape."""
    missing = [name for name in names if name not in weights]
    unknown = [name for name in weights if name not in names]
    if missing or unknown:
        raise ValueError(f"expected the weights {', '.join(names)}; "
                         f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}")
    for name, shape in parameter_shapes(names, num_inputs, num_hiddens).items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(f"{name} has shape {shape}, got {tuple(weights[name].shape)}")


def _check_layer(layer: nn.Module) -> None:
    if not hasattr(layer, "names"):
        raise TypeError(f"expected one RNN, GRU or LSTM layer of unrolled.layers, got {type(layer).__name__}")


def named_weights(layer: nn.Module) -> dict[str, Tensor]:
    """The weights of any one layer, ours or torch-backed, by name: detached copies.

    Raises:
        TypeError: something else, a ``Stacked`` included: ask each of its layers.
    """
    _check_layer(layer)
    if hasattr(layer, "rnn"):
        return from_torch(layer.rnn)
    return {name: getattr(layer, name).detach().clone() for name in layer.names}


@torch.no_grad()
def load_weights(layer: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Copy named weights into any one layer, in place; returns it.

    Raises:
        TypeError: as ``named_weights`` does.
        ValueError: as ``to_torch`` does; the layer keeps what it had.
    """
    _check_layer(layer)
    if hasattr(layer, "rnn"):
        to_torch(weights, layer.rnn)
        return layer
    check_weights(weights, layer.names, layer.num_inputs, layer.num_hiddens)
    for name in layer.names:
        getattr(layer, name).copy_(weights[name])
    return layer
