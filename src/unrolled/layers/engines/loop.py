"""The layer as it is written down: a Python loop over the steps, its gradient by autograd."""
import torch
from torch import Tensor
from torch.nn import functional


def gate_inputs(x: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """What the inputs add to the gates' sums, the tokens' rows looked up."""
    return functional.embedding(*x) if isinstance(x, tuple) else x


def sequence(x, H: Tensor, C: Tensor, W_h: Tensor):
    outputs = []
    for from_input in gate_inputs(x).unbind():          # (batch, 4 hidden)
        sums = from_input + H @ W_h.T
        i, f, g, o = sums.chunk(4, dim=1)               # (batch, hidden) each
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        H = (torch.sigmoid(o) * torch.tanh(C)).to(C.dtype)
        outputs.append(H)
    return torch.stack(outputs), H, C                   # (steps, batch, hidden)
