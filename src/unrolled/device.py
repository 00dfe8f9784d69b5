"""Where to compute: one function chooses the device for everybody; others ask it what only it knows."""
import contextlib
from collections import Counter
from dataclasses import dataclass

import torch


def available_devices() -> list[str]:
    """The devices that torch can use here, best first: every GPU, then MPS, then the CPU."""
    devices = [f"cuda:{k}" for k in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device to compute on.

    Args:
        name: ``None`` takes the best there is (CUDA, then MPS, then CPU). Otherwise a name that torch
            knows, such as ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``.

    Raises:
        ValueError: no such device, or not on this machine; the sentence lists what there is.
    """
    there = available_devices()
    if name is None:
        return torch.device("cuda" if there[0].startswith("cuda") else there[0])
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"unknown device {name!r}; this machine has {', '.join(there)}") from None
    how_many = Counter(torch.device(other).type for other in there)
    if (device.index or 0) >= how_many[device.type]:
        raise ValueError(f"device {str(device)!r} is not on this machine, which has {', '.join(there)}")
    return device


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given: a GPU's calls return before the work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@dataclass
class Peak:
    """The bytes that tensors took at most; None where the device does not count them."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory(device: torch.device):
    """Within: CUDA counts how many bytes tensors take on the device; afterwards the ``Peak`` that was given has the most.

    Counted is all that torch holds there, the model included, whoever made it; torch's own counter of the
    peak begins anew. MPS knows only what is allocated now, and of a processor's memory there is just the whole
    process's, which never shrinks: for both the peak stays None.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.init()                                   # the counter is there only after the first use
        torch.cuda.reset_peak_memory_stats(device)
    yield peak
    if device.type == "cuda":
        peak.bytes = torch.cuda.max_memory_allocated(device)


@contextlib.contextmanager
def one_thread():
    """Within: torch computes on one thread of the CPU.

    The small steps of a small network gain nothing from more, and where other programs want the cores, each step
    waits for the slowest thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
