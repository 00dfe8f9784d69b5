"""Which engine computes."""
import importlib
import warnings
from functools import cache
from types import ModuleType

import torch

ENGINES = ("vendor", "loop", "manual", "compiled", "cpu")


class EngineMissing(RuntimeError):
    """An engine that cannot work here; the sentence says why."""


def check(name: str) -> None:
    """Raise ValueError unless the engine is "auto" or one of ``ENGINES``, EngineMissing where it cannot work here."""
    if name not in ("auto", *ENGINES):
        raise ValueError(f"the engine is one of auto, {', '.join(ENGINES)}, not {name!r}")
    if name not in ("auto", "vendor"):
        engine(name)


def engine(name: str) -> ModuleType:
    """The module of an engine, ready for use; "auto" and "vendor" have none.

    Raises:
        EngineMissing: it cannot work here.
    """
    module = importlib.import_module(f"unrolled.layers.engines.{name}")
    if hasattr(module, "prepare"):
        module.prepare()
    return module


@cache
def _own_kernel() -> bool:
    """Whether our kernel can be had; where not, a warning says why, once."""
    try:
        engine("cpu")
    except EngineMissing as missing:
        warnings.warn(f"{missing} torch.nn's layer computes instead.", stacklevel=3)
        return False
    return True


def choose(name: str, weight: torch.Tensor) -> str:
    """The engine that computes with this weight: for "auto" our kernel or, where it cannot, the vendor's layer."""
    if name != "auto":
        return name
    ours = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)
    return "cpu" if ours and _own_kernel() else "vendor"
