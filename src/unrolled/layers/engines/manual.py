"""Backpropagation through time derived by hand, in operations of PyTorch: one node in autograd's graph, not hundreds."""
import torch
from torch import Tensor

from unrolled.layers.engines.loop import gate_inputs

# A gradient times the slope of a function at its output y: y (1 - y), and 1 - y y. One pass each, where products make three.
by_sigmoid, by_tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, H, C, W_h):
        steps, batch, hidden = *x.shape[:2], W_h.shape[1]
        sums = x.clone()                                # activated in place
        Hs, Cs = x.new_empty(2, steps + 1, batch, hidden)  # one more than steps
        Hs[0], Cs[0] = H, C
        for t, gates in enumerate(sums):                # (batch, 4 hidden)
            gates.addmm_(Hs[t], W_h.T)
            i, f, g, o = gates.chunk(4, dim=1)          # views
            i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.addcmul(f * Cs[t], i, g, out=Cs[t + 1])
            torch.mul(o, torch.tanh(Cs[t + 1]), out=Hs[t + 1])
        ctx.save_for_backward(sums, Hs, Cs, W_h)
        return Hs[1:].clone(), Hs[-1].clone(), Cs[-1].clone()

    @staticmethod
    def backward(ctx, d_outputs, dH, dC):
        if torch.is_grad_enabled():                     # of the gradient itself
            raise RuntimeError('the engine "manual" has a first gradient only; '
                               'engine="loop" can be differentiated again')
        gates, Hs, Cs, W_h = ctx.saved_tensors
        d_sums = torch.empty_like(gates)                # (steps, batch, 4 hidden)
        for t in reversed(range(len(gates))):
            i, f, g, o = gates[t].chunk(4, dim=1)       # (batch, hidden) each
            di, df, dg, do = d_sums[t].chunk(4, dim=1)
            squashed = torch.tanh(Cs[t + 1])
            dH = dH + d_outputs[t]                      # from later, and from here
            dC = dC + by_tanh(dH * o, squashed)
            by_sigmoid(dC * g, i, grad_input=di)
            by_sigmoid(dC * Cs[t], f, grad_input=df)
            by_tanh(dC * i, g, grad_input=dg)
            by_sigmoid(dH * squashed, o, grad_input=do)
            dH, dC = d_sums[t] @ W_h, dC * f            # to the step before
        dW_h = d_sums.flatten(0, 1).T @ Hs[:-1].flatten(0, 1)  # all steps in one product
        return d_sums, dH, dC, dW_h


def sequence(x, H, C, W_h) -> tuple[Tensor, Tensor, Tensor]:
    return _Sequence.apply(gate_inputs(x).to(W_h.dtype), H, C, W_h)
