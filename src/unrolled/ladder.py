"""The ladder: one LSTM layer with one set of weights, computed in ever faster ways, from the equations to our own kernel.

The first two rungs stand here; the others are the layers' engines. All are called alike, and give the same numbers.
"""
import torch
from torch import Tensor
from torch.nn import functional

from unrolled.layers import LSTM
from unrolled.layers.checks import check_inputs

ENGINES = {"input leaves the loop": "loop", "gradient by hand": "manual", "compiled": "compiled",
           "vendor's": "vendor", "ours": "cpu"}
RUNGS = ("eight products", "one product", *ENGINES)


def eight_products(layer: LSTM, tokens: Tensor, H: Tensor, C: Tensor):
    """As the equations stand: one-hot vectors, and eight products a step."""
    W_x, W_h, b = (joint.chunk(4) for joint in _weights(layer))     # i, f, g, o
    outputs = []
    for X in _one_hot(layer, tokens):                   # (batch, inputs)
        i, f, g, o = (X @ W_x[k].T + H @ W_h[k].T + b[k] for k in range(4))
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        H = torch.sigmoid(o) * torch.tanh(C)            # (batch, hidden)
        outputs.append(H)
    return torch.stack(outputs), H, C                   # (steps, batch, hidden)


def one_product(layer: LSTM, tokens: Tensor, H: Tensor, C: Tensor):
    """Input and hidden state side by side: one product a step."""
    W_x, W_h, b = _weights(layer)
    W = torch.cat([W_x, W_h], dim=1).T                  # (inputs + hidden, 4 hidden)
    outputs = []
    for X in _one_hot(layer, tokens):                   # (batch, inputs)
        sums = torch.addmm(b, torch.cat([X, H], dim=1), W)
        i, f, g, o = sums.chunk(4, dim=1)               # (batch, hidden) each
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        H = torch.sigmoid(o) * torch.tanh(C)            # (batch, hidden)
        outputs.append(H)
    return torch.stack(outputs), H, C                   # (steps, batch, hidden)


def _weights(layer: LSTM) -> tuple[Tensor, Tensor, Tensor]:
    """(4 hidden, inputs), (4 hidden, hidden) and the sum of torch's two biases, (4 hidden,)."""
    lstm = layer.rnn
    return lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0


def _one_hot(layer: LSTM, tokens: Tensor) -> Tensor:
    return functional.one_hot(tokens, layer.num_inputs).to(layer.rnn.weight_ih_l0.dtype)     # (steps, batch, inputs)


class Rung(LSTM):
    """A layer of one direction that computes as a rung says. Its parameters are those of ``unrolled.layers.LSTM``.

    Args:
        num_inputs, num_hiddens: the number of tokens, and h.
        rung: one of ``RUNGS``.
        dtype: of the parameters, as in torch.

    Raises:
        ValueError: no such rung, or inputs that are no tokens.
        EngineMissing: its engine cannot work here.
    """

    def __init__(self, num_inputs: int, num_hiddens: int, rung: str, *, dtype: torch.dtype | None = None):
        if rung not in RUNGS:
            raise ValueError(f"the rung is one of {', '.join(RUNGS)}, not {rung!r}")
        super().__init__(num_inputs, num_hiddens, engine=ENGINES.get(rung, "loop"), dtype=dtype)
        self.rung = rung

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None):
        """As the layer's, tokens only: outputs (steps, batch, hidden) and the state (H, C)."""
        if self.rung in ENGINES:
            return super().forward(inputs, state)
        if inputs.is_floating_point():
            raise ValueError(f"the rung {self.rung!r} reads tokens, integers of shape (steps, batch), not {inputs.dtype}")
        inputs = check_inputs(inputs, self.num_inputs, self.rnn.weight_ih_l0.dtype)
        if state is None:
            state = (self.rnn.weight_hh_l0.new_zeros(inputs.shape[1], self.num_hiddens),) * 2
        compute = {"eight products": eight_products, "one product": one_product}[self.rung]
        outputs, H, C = compute(self, inputs, *state)
        return outputs, (H, C)
