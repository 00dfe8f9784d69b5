"""One step of the RNN, the GRU and the LSTM, as pure functions that return every value by name.

Shapes: a batch of n examples, d inputs, h hidden units. ``X`` is (n, d), or (n,) integer tokens, whose
one-hot vectors then are row look-ups. ``H`` and ``C`` are (n, h). ``parameters`` maps names to tensors:
weights ``W_x.`` (d, h), ``W_h.`` (h, h), biases (h,).
"""
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.names import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, parameter_shapes


class LSTMStep(NamedTuple):
    """Every value of one LSTM step, each (n, h)."""

    I: Tensor
    F: Tensor
    O: Tensor
    C_tilde: Tensor
    C: Tensor
    H: Tensor


class GRUStep(NamedTuple):
    """Every value of one GRU step, each (n, h)."""

    R: Tensor
    Z: Tensor
    H_tilde: Tensor
    H: Tensor


class RNNStep(NamedTuple):
    """The one value of an RNN step, (n, h)."""

    H: Tensor


def times(X: Tensor, W: Tensor) -> Tensor:
    """``X @ W``; for integer tokens the rows of ``W`` that their one-hot vectors would pick."""
    return X @ W if X.is_floating_point() else torch.nn.functional.embedding(X, W)


def lstm_step(X: Tensor, H: Tensor, C: Tensor,
              parameters: Mapping[str, Tensor]) -> LSTMStep:
    """One step of the LSTM (Hochreiter & Schmidhuber 1997).

    The forget gate is from Gers et al. 2000, eqs. 3-6.

    Args:
        X: input, (n, d) floating or (n,) integer tokens.
        H, C: hidden state and cell state of the step before, (n, h).
        parameters: the twelve of ``LSTM_PARAMETERS``.

    Returns:
        The gates, the input node and the two new states, each (n, h).
    """
    p = parameters
    I = torch.sigmoid(times(X, p["W_xi"]) + H @ p["W_hi"] + p["b_i"])     # (n, h)
    F = torch.sigmoid(times(X, p["W_xf"]) + H @ p["W_hf"] + p["b_f"])     # (n, h)
    O = torch.sigmoid(times(X, p["W_xo"]) + H @ p["W_ho"] + p["b_o"])     # (n, h)
    C_tilde = torch.tanh(times(X, p["W_xc"]) + H @ p["W_hc"] + p["b_c"])  # (n, h)
    C = F * C + I * C_tilde                                               # (n, h)
    H = O * torch.tanh(C)                                                 # (n, h)
    return LSTMStep(I, F, O, C_tilde, C, H)


def gru_step(X: Tensor, H: Tensor, parameters: Mapping[str, Tensor]) -> GRUStep:
    """One step of the GRU as cuDNN and PyTorch compute it.

    The reset gate acts *after* the recurrent product, so that product has a bias of
    its own, ``b_hh``. Cho et al. 2014 (eqs. 5-8) reset the state before the product.

    Args:
        X: input, (n, d) floating or (n,) integer tokens.
        H: hidden state of the step before, (n, h).
        parameters: the ten of ``GRU_PARAMETERS``.
    """
    p = parameters
    R = torch.sigmoid(times(X, p["W_xr"]) + H @ p["W_hr"] + p["b_r"])     # (n, h)
    Z = torch.sigmoid(times(X, p["W_xz"]) + H @ p["W_hz"] + p["b_z"])     # (n, h)
    recalled = R * (H @ p["W_hh"] + p["b_hh"])                            # (n, h)
    H_tilde = torch.tanh(times(X, p["W_xh"]) + p["b_h"] + recalled)       # (n, h)
    H = Z * H + (1 - Z) * H_tilde                                         # (n, h)
    return GRUStep(R, Z, H_tilde, H)


def rnn_step(X: Tensor, H: Tensor, parameters: Mapping[str, Tensor]) -> RNNStep:
    """One step of the plain RNN (Elman 1990): ``tanh(X W_xh + H W_hh + b_h)``."""
    p = parameters
    return RNNStep(torch.tanh(times(X, p["W_xh"]) + H @ p["W_hh"] + p["b_h"]))
