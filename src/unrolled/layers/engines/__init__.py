"""One LSTM layer in one direction, computed in different ways. An engine is a module with one call::

    outputs, H, C = sequence(x, H0, C0, W_h)

    x        what the inputs add to the gates' sums: (steps, batch, 4 hidden), or for tokens a pair of
             (steps, batch) integers and the table (num_tokens, 4 hidden) in which each has its row
    H0, C0   (batch, hidden), the state before the first step; H and C the state after the last
    W_h      (4 hidden, hidden), gates stacked i, f, g, o, as weight_hh of torch.nn.LSTM
    outputs  (steps, batch, hidden)

The gradient flows to all of them but the tokens. The engines::

    vendor    torch.nn.LSTM itself: oneDNN on the CPU, cuDNN on NVIDIA's GPUs. No module: it takes the whole layer at once
    loop      a Python loop, its gradient by autograd
    manual    the same loop, its gradient by hand
    compiled  the first loop through torch.compile
    cpu       our own kernel for the CPU
    gpu       our own kernel for NVIDIA's GPUs
    auto      our kernel for the CPU where it can work, few texts for a wide layer apart, else the vendor's: the one for the GPU is not measured yet
"""
from unrolled.layers.engines.choice import ENGINES, EngineMissing, choose, engine
from unrolled.layers.engines.whole import OpenLSTM, compute

__all__ = ["ENGINES", "EngineMissing", "OpenLSTM", "choose", "compute", "engine"]
