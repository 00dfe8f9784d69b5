"""Looking inside: every gate and state along a text, and the gradient at every earlier step."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.equations import gru_step, lstm_step, rnn_step
from unrolled.layers.checks import check_inputs, check_state
from unrolled.layers.parameters import named_weights
from unrolled.models import LanguageModel, check_vocabulary, evaluating, single_layers
from unrolled.text import Vocabulary

STEP = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
GATES = ("I", "F", "O", "R", "Z")       # those of a step's values that lie between 0 and 1


@dataclass(frozen=True)
class Trace:
    """What happened along a text.

    Attributes:
        tokens: the tokens read, one a step.
        values: name -> (steps, hidden): I, F, O, C_tilde, C, H for the LSTM; R, Z, H_tilde, H for the GRU;
            H for the RNN.
        probabilities: (steps, tokens) of the next token, after each step.
    """

    tokens: list[str]
    values: dict[str, Tensor]
    probabilities: Tensor


def walk(layer: nn.Module, inputs: Tensor, state=None, *, track: bool = False) -> list:
    """The layer's steps one by one, by the equations: a list of LSTMStep, GRUStep or RNNStep.

    Args:
        inputs: (steps, batch, num_inputs) or (steps, batch) tokens.
        state: as for the layer, None for zeros.
        track: whether gradients with respect to the states may be taken.

    Raises:
        TypeError: several layers at once, or none.
        ValueError: inputs or a state that the layer would not take either.
    """
    if getattr(layer, "kind", None) not in STEP:
        raise TypeError(f"expected one RNN, GRU or LSTM layer, got {type(layer).__name__}")
    weights = named_weights(layer)
    like = next(iter(weights.values()))
    inputs = check_inputs(inputs, layer.num_inputs, like.dtype)
    if state is None:
        state = tuple(like.new_zeros(inputs.shape[1], layer.num_hiddens) for _ in layer.state_names)
    check_state(state, layer.state_names, inputs.shape[1], layer.num_hiddens, like.dtype)
    steps = []
    with torch.set_grad_enabled(track):
        state = tuple(s.detach().clone().requires_grad_(track) for s in state)
        for X in inputs:                                               # (batch, inputs) or (batch,)
            step = STEP[layer.kind](X, *state, weights)
            state = tuple(getattr(step, name) for name in layer.state_names)
            steps.append(step)
    return steps


def trace(model: LanguageModel, vocab: Vocabulary, text: str, *, layer: int = -1) -> Trace:
    """Every value of a layer along a text that the vocabulary knows.

    Args:
        layer: which one, where the model has several; the top one unless told.

    Raises:
        ValueError: an unknown token in the text, no such layer, or a vocabulary of another size.
    """
    check_vocabulary(model, vocab)
    ids = vocab.encode(text, strict=True).to(model.device)[:, None]    # (steps, 1)
    layers = single_layers(model)
    if not -len(layers) <= layer < len(layers):
        raise ValueError(f"the model's layers are numbered 0 to {len(layers) - 1}, there is no layer {layer}")
    with evaluating(model):
        inputs = ids if model.embedding is None else model.embedding(ids)
        for below in layers[:layer % len(layers)]:
            inputs, _ = below(inputs)                                  # (steps, 1, hidden)
        steps = walk(layers[layer], inputs)
        logits, _ = model(ids)                                         # (steps, 1, tokens)
    values = {name: torch.stack([getattr(s, name)[0] for s in steps]).cpu() for name in steps[0]._fields}
    tokens = list(text) if vocab.level == "char" else text.split()
    return Trace(tokens, values, logits[:, 0].softmax(-1).cpu())


def clamped(model: LanguageModel, tokens: Tensor, unit: int, value: float, quantity: str = "C") -> Tensor:
    """The predictions of a model one of whose units cannot move: an intervention, where ``trace`` only looks on.

    Args:
        tokens: (steps, batch) integers.
        unit: of the model's one LSTM layer.
        value: what the unit's state is held at, from the first step to the last.
        quantity: "C" holds the cell, and what the unit says still passes its output gate; "H" holds what it says.

    Returns:
        (steps, batch, tokens) logits.

    Raises:
        TypeError: a model of several layers, or one that is no LSTM.
        ValueError: no such unit, or another quantity.
    """
    if getattr(model.layer, "kind", None) != "lstm" or len(single_layers(model)) > 1:
        raise TypeError(f"a unit of one LSTM layer can be held, got a {type(model.layer).__name__}")
    if not 0 <= unit < model.layer.num_hiddens:
        raise ValueError(f"the units are numbered 0 to {model.layer.num_hiddens - 1}, there is no unit {unit}")
    if quantity not in ("C", "H"):
        raise ValueError(f"what is held is C or H, not {quantity!r}")
    weights, outputs = named_weights(model.layer), []
    with evaluating(model):
        inputs = tokens.to(model.device)
        inputs = inputs if model.embedding is None else model.embedding(inputs)
        H = C = model.head.weight.new_zeros(tokens.shape[1], model.layer.num_hiddens)
        for X in inputs:                                               # (batch, inputs) or (batch,)
            step = lstm_step(X, H, C, weights)
            H, C = step.H.clone(), step.C.clone()                      # (batch, hidden)
            if quantity == "C":
                C[:, unit] = value
                H[:, unit] = step.O[:, unit] * C[:, unit].tanh()
            else:
                H[:, unit] = value
            outputs.append(H)
        return model.head(torch.stack(outputs)).cpu()


def gradient_norms(layer: nn.Module, inputs: Tensor, state=None, *, seed: int = 0) -> Tensor:
    """How much of the last step's gradient arrives at each earlier step.

    The loss is a random projection of the last output, another one for each example. Entry k is the norm
    of its gradient with respect to the state k steps before the last (the cell state for the LSTM, the
    hidden state otherwise), mean over the batch; entry 0 is the last step itself. Use float64: in float32 a
    vanished gradient underflows.

    Args:
        layer: one recurrent layer, ours or torch-backed.
        inputs: (steps, batch, num_inputs) or (steps, batch) tokens.
        state: as for the layer, None for zeros.
        seed: of the projection.

    Returns:
        (steps,)

    Raises:
        As ``walk``.
    """
    steps = walk(layer, inputs, state, track=True)
    carried = [getattr(step, layer.state_names[-1]) for step in steps]       # C or H, (batch, hidden) each
    last = steps[-1].H                                                       # (batch, hidden)
    draw = torch.Generator().manual_seed(seed)
    projection = torch.randn(last.shape, generator=draw, dtype=last.dtype, device="cpu")      # (batch, hidden)
    gradients = torch.autograd.grad(last, carried, projection.to(last.device))               # (batch, hidden) each
    return torch.stack([g.norm(dim=1).mean() for g in reversed(gradients)]).cpu()


def forget_products(layer: nn.Module, inputs: Tensor, state=None) -> Tensor:
    """The direct path alone: the product of the last k steps' forget gates, mean over units and batch.

    Entry 0 is 1, entry k is the share of a cell's state of k steps ago that is still in it. Along this
    path alone the gradient would shrink by the same factor (Gers et al. 2000).

    Returns:
        (steps,)

    Raises:
        As ``walk``.
        TypeError: a layer without a forget gate.
    """
    if getattr(layer, "kind", None) != "lstm":
        raise TypeError(f"only an LSTM has forget gates, got {type(layer).__name__}")
    F = torch.stack([step.F for step in walk(layer, inputs, state)])   # (steps, batch, hidden)
    kept = torch.cat([torch.ones_like(F[:1]), F.flip(0)[:-1]]).cumprod(0)
    return kept.mean(dim=(1, 2)).cpu()


def written(layer: nn.Module, inputs: Tensor, state=None) -> Tensor:
    """Who wrote what stands in the cell at the end: the part of each step in an LSTM's last cell state.

    Written out, the recurrence is a sum: what step s put in, ``I * C_tilde``, times all forget gates after s. The sum
    over the steps is the last cell state, less what is left of a state given at the beginning.

    Returns:
        (steps, batch, hidden)

    Raises:
        As ``forget_products``.
    """
    if getattr(layer, "kind", None) != "lstm":
        raise TypeError(f"only an LSTM has a cell that gates write to, got {type(layer).__name__}")
    steps = walk(layer, inputs, state)
    parts, kept = [], torch.ones_like(steps[-1].F)                     # (batch, hidden) each
    for step in reversed(steps):
        parts.append(kept * step.I * step.C_tilde)
        kept = kept * step.F
    return torch.stack(parts[::-1]).cpu()
