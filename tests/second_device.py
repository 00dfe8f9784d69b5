"""A second device for a machine that has none, so that code is seen to keep apart what CUDA would not mix.

``python second_device.py PROGRAM`` runs a Python file, or the cells of a page, where ``choose_device()`` finds the
device "elsewhere". What lives there is computed on the CPU; but torch holds it for another device, a product with
a tensor of the CPU is refused in CUDA's own words, and NumPy cannot read it. It has to be there before the first
backward pass, so each program gets a process of its own.
"""
import ast
import itertools
import re
import sys
from pathlib import Path

import torch
from torch._decomp import decompositions
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
MOVES = {aten.copy_.default, aten._to_copy.default}                 # what may see both devices
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}


class Elsewhere(torch.Tensor):
    """A tensor of the device "elsewhere"; ``here`` has its numbers."""

    def __new__(cls, here):
        there = torch.Tensor._make_wrapper_subclass(cls, here.size(), strides=here.stride(), dtype=here.dtype,
                                                    storage_offset=here.storage_offset(), device=torch.device("elsewhere", 0))
        there.here = here
        return there

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return computed(op, *args, **(kwargs or {}))

    def __reduce_ex__(self, protocol):                              # in a file it is a tensor of the CPU
        return self.here.__reduce_ex__(protocol)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = copy = self.detach().clone().requires_grad_(self.requires_grad)
            copy._is_param = getattr(self, "_is_param", False)
        return memo[id(self)]


def computed(op, *args, **kwargs):
    """The operation on the CPU, if a GPU would have done it; its results live where the GPU's would."""
    def mismatch(other):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found elsewhere:0 and {other} in {op}")

    leaves = tree_leaves((args, kwargs))
    tensors = [one for one in leaves if isinstance(one, torch.Tensor)]
    here = [one for one in tensors if not isinstance(one, Elsewhere) and one.dim() > 0]
    if op in INDEXED and isinstance(args[0], Elsewhere):            # CUDA takes indices of the CPU, and nothing else
        here = [one for one in here if one.is_floating_point()]
    if here and op not in MOVES:
        mismatch(here[0].device)
    if op.overloadpacket is not aten.copy_ and isinstance(args[0] if args else None, torch.Tensor) and "_" == str(
            op.overloadpacket)[-1] and not isinstance(args[0], Elsewhere):
        mismatch("cpu")                                             # in place on a number of the CPU
    if any(isinstance(one, torch.Generator) for one in leaves):
        raise RuntimeError("Expected a 'elsewhere' device type for generator but found 'cpu'")
    target = kwargs.get("device")
    back = op is aten._to_copy.default and target is not None and torch.device(target).type == "cpu"
    unwrap = {id(one.here): one for one in tensors if isinstance(one, Elsewhere)}
    unwrap |= {id(one): one for one in tensors if not isinstance(one, Elsewhere)}
    plain = tree_map_only(Elsewhere, lambda one: one.here, (args, kwargs))
    plain = tree_map_only(torch.device, lambda one: torch.device("cpu"), plain)
    found = op(*plain[0], **plain[1] | ({"pin_memory": False} if plain[1].get("pin_memory") else {}))

    def wrapped(one):
        if not isinstance(one, torch.Tensor) or back:
            return one
        return unwrap[id(one)] if id(one) in unwrap else Elsewhere(one)

    return tree_map(wrapped, found)


def install() -> None:
    """Make the device, and let ``choose_device`` find it first."""
    _setup_privateuseone_for_python_backend("elsewhere")
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(computed, "PrivateUse1")
    layers = torch.library.Library("aten", "IMPL")                  # else they ask for kernels that only a GPU has
    for name, function in (("lstm.input", decompositions.lstm_impl), ("gru.input", decompositions.gru_impl),
                           ("rnn_tanh.input", decompositions.rnn_tanh_input)):
        layers.impl(name, function, "AutogradPrivateUse1")
    install.kept = everything, layers
    tensor = torch.tensor                                           # it goes past everything that Python has registered
    torch.tensor = lambda data, *, device=None, **options: tensor(data, **options).to(device or "cpu")

    from unrolled import device
    device.available_devices = lambda: ["elsewhere:0", "cpu"]


class NoAsserts(ast.NodeTransformer):
    """Numbers of a training that was cut short hold no promise."""

    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)


def hurried() -> None:
    """A shorter text, two epochs of one step, counted as often as were asked for; a claim takes any number."""
    import dataclasses

    from unrolled import claims, text
    from unrolled.training import Trainer

    def short(self, epochs, **options):
        history = fit(self, min(epochs, 2), **options)
        for kept in (history.rows, history.snapshots):
            kept.extend([dataclasses.replace(last, epoch=k) for last in kept[-1:] for k in range(3, epochs + 1)])
        return history

    fit, batches, load = Trainer.fit, text.Windows.batches, text.load_corpus
    Trainer.fit = short
    text.Windows.batches = lambda self, *args, **kwargs: itertools.islice(batches(self, *args, **kwargs), 1)
    text.load_corpus = lambda: dataclasses.replace(load(), text=load().text[:24_000])
    claims.claim = lambda name, value, low, high: float(value)


def cells(page: str) -> list[str]:
    """The code of a page's cells."""
    found = re.findall(r"^```\{code-cell\}.*\n((?:.*\n)*?)```$", page, re.M)
    return ["".join(line for line in cell.splitlines(True) if not line.startswith(":tags:")) for cell in found]


def main(path: str) -> None:
    install()
    program = Path(path).read_text(encoding="utf-8")
    parts = [program]
    if path.endswith(".md"):
        import matplotlib
        matplotlib.use("agg")
        hurried()
        parts = cells(program)
    names = {"__name__": "__program__"}
    for part in parts:
        tree = ast.parse(part, path)
        exec(compile(NoAsserts().visit(tree) if path.endswith(".md") else tree, path, "exec"), names)


if __name__ == "__main__":
    main(sys.argv[1])
