"""Training that keeps the states between segments alone, and computes each segment again on its way back.

Chen et al. 2016, "Training deep nets with sublinear memory cost"; for backpropagation through time, Gruslys et al. 2016.
torch.utils.checkpoint would do it for one segment. Here all of them write into the same tensors: where each leaves its own
among what the next one frees, the C library's memory is soon more holes than tensors, and training without segments takes less.
"""
from collections.abc import Callable

import torch
from torch import Tensor


def in_segments(work: Callable, segment: int, inputs: Tensor, over: Tensor | None, H: Tensor, C: Tensor, *weights: Tensor):
    """``work(inputs, over, H, C, *weights)``, called for so many steps after the other.

    Args:
        work: returns the outputs of its steps, and H and C after them.
        segment: the number of steps; the last segment may have fewer.
        inputs, over: (steps, batch, ...) each; ``over`` may be None.
        H, C: (batch, hidden) before the first step.
        weights: all other tensors that ``work`` has a gradient for.
    """
    return _Segments.apply(work, segment, over, inputs, H, C, *weights)


class _Segments(torch.autograd.Function):
    @staticmethod
    def forward(ctx, work, segment, over, inputs, H, C, *weights):
        parts, outputs, kind = _parts(inputs, segment), None, inputs.device.type
        Hs, Cs = H.new_empty(2, len(parts), *H.shape)                   # before each segment
        for number, part in enumerate(parts):
            Hs[number], Cs[number] = H, C
            result, H, C = work(inputs[part], None if over is None else over[part], Hs[number], Cs[number], *weights)
            if outputs is None:
                outputs = result.new_empty(len(inputs), *H.shape)
            outputs[part] = result
        ctx.work, ctx.parts = work, parts
        ctx.autocast = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        ctx.save_for_backward(over, inputs, Hs, Cs, *weights)
        return outputs, H, C

    @staticmethod
    def backward(ctx, d_outputs, dH, dC):
        if torch.is_grad_enabled():                                     # then someone wants the gradient's own gradient
            raise RuntimeError('segments have a first gradient only; segment=None with engine="loop" can be differentiated again')
        over, inputs, Hs, Cs, *weights = ctx.saved_tensors
        _, _, _, with_inputs, _, _, *with_weights = ctx.needs_input_grad
        d_inputs = torch.empty_like(inputs) if with_inputs else None
        weights = [weight.detach().requires_grad_(needed) for weight, needed in zip(weights, with_weights)]
        d_weights = [torch.zeros_like(weight) if weight.requires_grad else None for weight in weights]
        for number, part in reversed(list(enumerate(ctx.parts))):
            H, C = (values[number].detach().requires_grad_() for values in (Hs, Cs))
            read = inputs[part].detach().requires_grad_(with_inputs)
            enabled, dtype = ctx.autocast
            with torch.enable_grad(), torch.autocast(inputs.device.type, dtype, enabled):
                results = ctx.work(read, None if over is None else over[part], H, C, *weights)
            asked = [value for value in (H, C, read, *weights) if value.requires_grad]
            dH, dC, *gradients = torch.autograd.grad(results, asked, (d_outputs[part], dH, dC))
            if with_inputs:
                d_inputs[part] = gradients.pop(0)
            for total in d_weights:
                if total is not None:
                    total += gradients.pop(0)
        return None, None, None, d_inputs, dH, dC, *d_weights


def _parts(inputs: Tensor, segment: int) -> list[slice]:
    return [slice(first, min(first + segment, len(inputs))) for first in range(0, len(inputs), segment)]
