"""Which engine computes."""
import importlib
import warnings
from types import ModuleType

import torch

ENGINES = ("vendor", "loop", "manual", "compiled", "cpu", "gpu")
_loaded: dict[str, ModuleType] = {}         # a dictionary and a flag: torch.compile understands both
_own_kernel: bool | None = None             # whether it can be had; None until someone asks


class EngineMissing(RuntimeError):
    """An engine that cannot work here; the sentence says why."""


def engine(name: str) -> ModuleType:
    """The module of an engine, ready for use.

    Raises:
        ValueError: no such engine, or one that is no module: "auto" or "vendor".
        EngineMissing: it cannot work here.
    """
    if name not in _loaded:
        if name not in ENGINES[1:]:
            raise ValueError(f"a module computes for {', '.join(ENGINES[1:])}, not for {name!r}")
        module = importlib.import_module(f"unrolled.layers.engines.{name}")
        if hasattr(module, "prepare"):
            module.prepare()
        _loaded[name] = module
    return _loaded[name]


def choose(name: str, weight: torch.Tensor, batch: int = 1) -> str:
    """The engine that computes with this weight, (4 hidden, hidden): for "auto" our kernel or, where it cannot work, the
    vendor's layer. That one, too, reads 5 to 8 texts at once with 512 units or more: there it is level at worst, and up to
    a fifth faster. Elsewhere ours is faster, or loses little (book/data/scale.json, ``make bench-scale``).

    Raises:
        ValueError: no such engine.
        EngineMissing: it was asked for by name, and cannot work here.
    """
    global _own_kernel
    if name not in ("auto", *ENGINES):
        raise ValueError(f"the engine is one of auto, {', '.join(ENGINES)}, not {name!r}")
    if name != "auto":
        if name != "vendor":
            engine(name)
        return name
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.float64):
        return "vendor"
    if weight.shape[1] >= 512 and 5 <= batch <= 8 and not torch.is_grad_enabled():
        return "vendor"
    if _own_kernel is None:
        try:
            engine("cpu")
            _own_kernel = True
        except EngineMissing as missing:
            warnings.warn(f"{missing} torch.nn's layer computes instead.", stacklevel=4)
            _own_kernel = False
    return "cpu" if _own_kernel else "vendor"
