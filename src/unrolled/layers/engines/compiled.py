"""The loop through torch.compile, which unrolls it: some seconds for every new shape, then fewer and larger kernels."""
import torch

from unrolled.layers.engines import loop

sequence = torch.compile(loop.sequence, dynamic=False)
