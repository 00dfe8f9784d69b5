"""Mixed precision and torch.compile: what was asked for, what is used, and why. Nothing here stops a training."""
import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

PRECISIONS = (None, "float32", "bfloat16", "float16", "auto")
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Fallback(UserWarning):
    """Something that was asked for cannot be had; the training goes on without it, and the sentence says why."""


@dataclass(frozen=True)
class Precision:
    """In which numbers a training computes.

    Mixed precision means autocast (Micikevicius et al. 2018): weights and their updates stay in float32, only products
    are computed in 16 bits. In the layers from scratch the gates and both states stay in float32 too. How
    much it gains depends on layer and device: compare the seconds of two histories.

    Attributes:
        used: "float32", or another dtype that the weights have; "bfloat16" or "float16" where it is mixed.
        device: where.
        note: why it is not what was asked for, or what "auto" chose; empty where there is nothing to say.
    """

    used: str
    device: torch.device
    note: str = ""

    @property
    def mixed(self) -> str | None:
        """"bfloat16" or "float16"; None where every number is as wide as the weights."""
        return self.used if self.used in HALVES else None

    def autocast(self):
        """Within: products in 16 bits, where the precision is mixed."""
        return torch.autocast(self.device.type, HALVES[self.used]) if self.mixed else contextlib.nullcontext()

    def scaler(self, state: dict | None = None) -> torch.amp.GradScaler:
        """What keeps small gradients of float16 from becoming 0, by scaling the loss; one that does nothing for all others.

        Args:
            state: of an earlier scaler, to go on from.
        """
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.used == "float16")
        if state:
            scaler.load_state_dict(state)
        return scaler


def choose_precision(asked: str | None, device: torch.device, weights: torch.dtype, rehearse: Callable) -> Precision:
    """What a training on this device uses.

    Args:
        asked: None or "float32" computes as the weights are. "bfloat16" and "float16" ask for mixed precision.
            "auto" takes it on GPUs of NVIDIA with tensor cores: bfloat16, or float16 where they are too old for that;
            elsewhere float32.
        weights: their dtype; only float32 can be mixed.
        rehearse: called with a ``Precision`` that is mixed, takes a step in it; it is not used where that fails.

    Warns:
        Fallback: a precision that was asked for by name and cannot be had.

    Raises:
        ValueError: no such precision.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(map(str, PRECISIONS))}, not {asked!r}")
    own = str(weights).removeprefix("torch.")
    if asked is None or asked == own:
        return Precision(own, device)
    used, why = asked, ""
    if own != "float32":
        used, why = own, "the weights are in it, and only those in float32 can be mixed"
    elif asked == "auto":
        used, why = _best(device)
    elif asked == "bfloat16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        used, why = own, "this GPU would only imitate bfloat16, slowly"
    if used != own and (failure := _failure(rehearse, Precision(used, device))):
        used, why = own, f"a step in {used} fails here with {failure}"
    note = f"Precision {asked!r} was asked for, {used} is used: {why}." if why else ""
    if note and asked != "auto":
        warnings.warn(note, Fallback, stacklevel=3)
    return Precision(used, device, note)


def _best(device: torch.device) -> tuple[str, str]:
    """What "auto" means here, and why."""
    if device.type != "cuda":
        return "float32", f"auto mixes on NVIDIA's GPUs alone, and on {device.type} only what is asked for by name"
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return "bfloat16", "this GPU has tensor cores for it"
    if major == 7:
        return "float16", "this GPU has tensor cores for it, and none for bfloat16"
    return "float32", f"a GPU of capability {major}.{minor} has no tensor cores"


def _failure(rehearse: Callable, argument) -> str:
    """What went wrong in a rehearsal, in a few words; empty where all went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "(?s).*[Dd]isabling")      # autocast that a device refuses is only warned about
        try:
            rehearse(argument)
        except Exception as error:      # a missing compiler, an unknown system, an old Python: each raises its own kind
            return f"{type(error).__name__} ({next(iter(str(error).strip().splitlines()), '')})"
    return ""


def compiled(model: nn.Module, rehearse: Callable) -> tuple[Callable, str]:
    """The model through torch.compile, or as it is where that fails; and a sentence that says which, and why.

    Args:
        rehearse: called with the compiled model, does with it all that the training will do. What torch.compile
            puts off until it is needed happens there, failures included.

    Warns:
        Fallback: the model stays as it is.
    """
    start, made = time.perf_counter(), []
    if failure := _failure(lambda model: rehearse(made.append(torch.compile(model)) or made[0]), model):
        note = f"torch.compile was asked for, the model runs as it is: {failure}."
        warnings.warn(note, Fallback, stacklevel=3)
        return model, note
    return made[0], f"torch.compile took {time.perf_counter() - start:.1f} s before the first step."
