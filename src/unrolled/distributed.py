"""Several processes that train one model: which of them this one is, and what they have to agree on.

``torchrun`` starts them and tells each who it is. A process that it did not start is alone: rank 0 in a world of 1, for
which nothing here does anything.
"""
import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributed as dist

from unrolled.device import choose_device

_pressed = threading.Event()                    # whether somebody has pressed Ctrl-C here


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextlib.contextmanager
def group(device: str | torch.device | None = None) -> Iterator[str | torch.device | None]:
    """Within: the processes that torchrun started are one group; gives the device on which this one computes.

    They speak through NCCL where each has a GPU, its own, and through gloo on the CPU. Ctrl-C waits until all can stop
    at the same step (``interrupted``). In a process that torchrun did not start nothing happens.

    Args:
        device: None (GPUs if there are any), "cuda" or "cpu".

    Raises:
        ValueError: another device, or fewer GPUs than processes.
    """
    if not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():
        yield device
        return
    chosen = choose_device(device)
    if device is not None and (chosen.type == "mps" or chosen.index is not None):
        raise ValueError(f"under torchrun the device is cuda or cpu, and each process takes its own GPU; not {device}")
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device("cpu")
    store, number, count = next(dist.rendezvous("env://"))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # torchrun keeps one store for all lives of its processes, where the new must not find what the killed have left
        # (pytorch/pytorch#135712). Several of it, on several machines, count their restarts each for itself.
        store = dist.PrefixStore(f"life {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    how = {"backend": "nccl", "device_id": chosen} if chosen.type == "cuda" else {"backend": "gloo"}
    dist.init_process_group(store=store, rank=number, world_size=count, **how)
    try:
        with _interrupts_held():
            yield chosen
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _interrupts_held():
    """Within: Ctrl-C is noted. Struck at any place, it would leave the others waiting for this process."""
    here = threading.current_thread() is threading.main_thread()        # no other thread may say what a signal does
    before = signal.signal(signal.SIGINT, lambda *_: _pressed.set()) if here else None
    try:
        yield
    finally:
        _pressed.clear()
        if here:
            signal.signal(signal.SIGINT, before)


def interrupted() -> bool:
    """Whether Ctrl-C was pressed for this process and has not struck yet."""
    return _pressed.is_set()


def interrupt() -> None:
    """What Ctrl-C would have done: for all to call at the same place, once one of them was ``interrupted``.

    Raises:
        KeyboardInterrupt: always.
    """
    _pressed.clear()
    raise KeyboardInterrupt


def wrapped(model: nn.Module) -> nn.Module:
    """What the training steps call: in a group PyTorch's DistributedDataParallel, which gives all processes the weights
    of the first, and after each backward pass the mean of all gradients (Li et al. 2020); alone the model itself."""
    return model if world() == 1 else nn.parallel.DistributedDataParallel(model)


def seed_own() -> None:
    """Seed torch's generators differently in each process but the first, so that dropout does not drop the same in all."""
    if rank():
        torch.manual_seed(torch.initial_seed() + rank())


def own(values: Tensor, dim: int = 0) -> Tensor:
    """This process's part along an axis, as equal to the others' as can be; empty where there is less than one for each."""
    return values.tensor_split(world(), dim)[rank()]


def total(*numbers: float) -> list[float]:
    """Each number summed over all processes: in all of them the same, to the last bit."""
    if world() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(sums)
    return sums.tolist()


def wait() -> None:
    """Until all processes are here."""
    if world() > 1:
        dist.barrier()


@contextlib.contextmanager
def one_first():
    """Within: the first process alone, then all the others, who find what it has fetched or built."""
    if rank():
        wait()
    try:
        yield
    finally:
        if not rank():
            wait()


def new_name() -> str:
    """A name that nothing had before, the same in all processes."""
    name = [uuid.uuid4().hex[:12]]
    if world() > 1:
        dist.broadcast_object_list(name)
    return name[0]
