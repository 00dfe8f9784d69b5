"""Looking inside: every gate and state along a text, and the gradient at every earlier step."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.equations import gru_step, lstm_step, rnn_step
from unrolled.layers import Stacked
from unrolled.layers.parameters import named_weights
from unrolled.models import LanguageModel
from unrolled.text import Vocabulary

STEP = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


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


def walk(layer: nn.Module, inputs: Tensor, state=None) -> list:
    """The layer's steps one by one, by the equations: a list of LSTMStep, GRUStep or RNNStep.

    Args:
        inputs: (steps, batch, num_inputs) or (steps, batch) tokens.
        state: as for the layer, None for zeros.
    """
    weights = named_weights(layer)
    like = next(iter(weights.values()))
    if state is None:
        zeros = torch.zeros(inputs.shape[1], layer.num_hiddens, dtype=like.dtype, device=like.device)
        state = (zeros,) * len(layer.state_names)
    steps = []
    for X in inputs:
        step = STEP[layer.kind](X, *state, weights)
        state = tuple(getattr(step, name) for name in layer.state_names)
        steps.append(step)
    return steps


@torch.no_grad()
def trace(model: LanguageModel, vocab: Vocabulary, text: str, *, layer: int = -1) -> Trace:
    """Every value of a layer along a text that the vocabulary knows.

    Args:
        layer: which one, where the model has several; the top one unless told.

    Raises:
        ValueError: an unknown token in the text, or no such layer.
    """
    ids = vocab.encode(text, strict=True).to(model.device)[:, None]    # (steps, 1)
    layers = list(model.layer.layers) if isinstance(model.layer, Stacked) else [model.layer]
    if not -len(layers) <= layer < len(layers):
        raise ValueError(f"the model has {len(layers)} layers, there is no layer {layer}")
    training = model.training
    model.eval()
    try:
        inputs = ids if model.embedding is None else model.embedding(ids)
        for below in layers[:layer % len(layers)]:
            inputs, _ = below(inputs)                                  # (steps, 1, hidden)
        steps = walk(layers[layer], inputs)
        logits, _ = model(ids)                                         # (steps, 1, tokens)
    finally:
        model.train(training)
    values = {name: torch.stack([getattr(s, name)[0] for s in steps]).cpu() for name in steps[0]._fields}
    tokens = list(text) if vocab.level == "char" else text.split()
    return Trace(tokens, values, logits[:, 0].softmax(-1).cpu())


def gradient_norms(layer: nn.Module, inputs: Tensor, *, seed: int = 0) -> Tensor:
    """How much of the last step's gradient arrives at each earlier step.

    The loss is a random projection of the last output. Entry k is the norm of its gradient with respect
    to the state k steps before the last (the cell state for the LSTM, the hidden state otherwise), mean
    over the batch; entry 0 is the last step itself. Use float64: in float32 a vanished gradient underflows.

    Args:
        layer: one recurrent layer, ours or torch-backed.
        inputs: (steps, batch, num_inputs) or (steps, batch) tokens.
        seed: of the projection.

    Returns:
        (steps,)
    """
    like = next(layer.parameters())
    zeros = torch.zeros(inputs.shape[1], layer.num_hiddens, dtype=like.dtype, device=like.device, requires_grad=True)
    steps = walk(layer, inputs, (zeros,) * len(layer.state_names))
    carried = [getattr(step, layer.state_names[-1]) for step in steps]
    last = steps[-1].H                                                 # (batch, hidden)
    projection = torch.randn(last.shape[1], generator=torch.Generator().manual_seed(seed), dtype=last.dtype)
    gradients = torch.autograd.grad((last @ projection.to(last.device)).sum(), carried)
    return torch.stack([g.norm(dim=1).mean() for g in reversed(gradients)]).cpu()


@torch.no_grad()
def forget_products(layer: nn.Module, inputs: Tensor) -> Tensor:
    """The direct path alone: the product of the forget gates over the last k steps, mean over units and batch.

    Entry 0 is 1, entry k is what one cell's state keeps of itself over k steps. (steps,)
    """
    F = torch.stack([step.F for step in walk(layer, inputs)])          # (steps, batch, hidden)
    kept = torch.cat([torch.ones_like(F[:1]), F.flip(0)[:-1]]).cumprod(0)
    return kept.mean(dim=(1, 2)).cpu()
