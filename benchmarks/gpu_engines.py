"""Our GPU kernel beside cuDNN and the eager loop, on one GPU, in one run.

    make bench-gpu        # or: python benchmarks/gpu_engines.py [--seconds 0.5] [--out FILE]
    TRITON_INTERPRET=1 python benchmarks/gpu_engines.py --try        # tiny sizes on a CPU: does the script work?

At each setting the engines take turns, ten calls a turn, and the device is waited for after each turn: what is measured is
how fast calls follow one another, launching included, as in a training. "floor" is the arithmetic alone, one product of
the same size (three for training). cuDNN computes float32 twice: as exactly as the others, and with TF32. The kernel
runs also with more rows a program, and with fewer warps: that is what ``gpu.plan`` has to choose by. The loop runs as it is,
and recorded as CUDA graphs, one forward and one backward. The first setting is
the chapter's, 1024 windows of 32 characters and 32 units; the result goes to book/data/engines-gpu.json.

Predictions, made before any GPU had run the kernel; the record will say. An H100, the chapter's size, float32, forward and
backward. Arithmetic: 1.69 GFLOP, 25 µs at 67 TFLOP/s without tensor cores. Sequential: 64 programs side by side, 32 steps
forward and 32 back of some 1500 to 2000 cycles each (four products, two exchanges between threads, six exponentials):
60 to 70 µs. Memory: the gates are 17 MB and cross it seven times on the way back, 35 µs at 3.3 TB/s, less where they stay
in the cache of 50 MB. Launches: 1 forward, 12 backward, at 5 to 8 µs each for Python and driver: 60 to 100 µs, beside some
50 µs for two custom operations. So 0.15 to 0.25 ms a training step, bound by launching, where cuDNN needs 0.8 to 1.2 ms
(64 dependent steps of several launches); inference 0.05 to 0.08 ms. On a T4, without tensor cores: arithmetic 0.21 ms,
memory 0.4 ms, 64 steps of 3 to 4 µs; 0.8 to 1.2 ms a training step. Hidden 64 and 128, batch 64: per step as long as
at 32 (a step waits for its threads more than for products), so 2 to 4 times faster than cuDNN; at batch 4096, where
cuDNN's products fill the GPU, about as fast, and float32 at 128 and everything at 256 do not fit.
"""
import argparse
import contextlib
import dataclasses
import pathlib
import statistics
import sys
import time
from functools import partial

import torch
import triton
from torch import nn

from unrolled.device import choose_device, peak_memory, synchronize
from unrolled.layers.engines import gpu, loop
from unrolled.recorded import write_record

ROOT = pathlib.Path(__file__).resolve().parent.parent
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
PLANS = {"gpu": lambda plan: plan, "gpu, 32 rows": lambda plan: dataclasses.replace(plan, rows=32),
         "gpu, half the warps": lambda plan: dataclasses.replace(plan, warps=plan.warps // 2)}


@dataclasses.dataclass(frozen=True)
class Setting:
    dtype: str
    num_inputs: int
    num_hiddens: int
    steps: int
    batch: int
    tokens: bool


def settings(tiny: bool):
    if tiny:
        return [Setting("float32", 5, 6, 2, 3, True), Setting("bfloat16", 4, 6, 2, 3, False),
                Setting("float32", 4, 300, 2, 1, False)]
    sizes = [(28, 32, 32, 1024, True), *((hidden, hidden, 128, batch, False) for hidden in (64, 128, 256)
                                         for batch in (1, 16, 64, 256, 1024, 4096))]
    return [Setting(dtype, *size) for dtype in DTYPES for size in sizes]


@contextlib.contextmanager
def changed(change):
    """Within: the kernel is launched by another plan than ``gpu.plan`` would choose."""
    plan = gpu.plan
    gpu.plan = lambda *args: change(found) if (found := plan(*args)) else None
    try:
        yield
    finally:
        gpu.plan = plan


class Loop(nn.Module):
    """The loop as a module, which is what CUDA graphs are recorded of: its parameters are part of the record."""

    def __init__(self, lstm: nn.LSTM, compute):
        super().__init__()
        self.lstm, self.compute = lstm, compute

    def forward(self, inputs):
        return self.compute(loop.sequence)                          # it reads the very inputs that the graph is recorded with


def contestants(setting: Setting, device: torch.device):
    """The engines that can do it, each a call that gives outputs and in what it is to run; and the leaves of its gradient."""
    dtype, hidden = DTYPES[setting.dtype], setting.num_hiddens
    module = nn.LSTM(setting.num_inputs, hidden, dtype=dtype, device=device)
    shape, zeros = (setting.steps, setting.batch), torch.zeros(setting.batch, hidden, dtype=dtype, device=device)
    inputs = (torch.randint(setting.num_inputs, shape, device=device) if setting.tokens
              else torch.randn(*shape, setting.num_inputs, dtype=dtype, device=device))
    rows = torch.randn(setting.steps * setting.batch, hidden, dtype=dtype, device=device, requires_grad=True)

    def ours(sequence):
        W_x, b = module.weight_ih_l0.T, module.bias_ih_l0 + module.bias_hh_l0
        x = (inputs, W_x + b) if setting.tokens else torch.addmm(b, inputs.flatten(0, 1), W_x).view(*shape, -1)
        return sequence(x, zeros, zeros, module.weight_hh_l0)[0]

    def vendor():
        return module(nn.functional.one_hot(inputs, setting.num_inputs).to(dtype) if setting.tokens else inputs)[0]

    def kernel():
        return ours(gpu.sequence)

    exact = partial(torch.backends.cudnn.flags, allow_tf32=False)
    found = {"vendor": (vendor, exact), "loop": (lambda: ours(loop.sequence), exact),
             "floor": (lambda: rows @ module.weight_hh_l0.T, exact)}
    if dtype == torch.float32 and device.type == "cuda":
        found["vendor, TF32"] = vendor, partial(torch.backends.cudnn.flags, allow_tf32=True)
    if device.type == "cuda":                                       # capturing needs launches that can be recorded
        try:
            graphed = torch.cuda.make_graphed_callables(Loop(module, ours), (inputs,))
            found["loop, CUDA graph"] = lambda: graphed(inputs), exact
        except RuntimeError as error:
            print(f"the loop could not be recorded as a CUDA graph: {error}", file=sys.stderr)
    if gpu.fits(hidden, dtype, device):
        found |= {name: (kernel, partial(changed, change)) for name, change in PLANS.items()}
    return found, [rows, *module.parameters()]


def work(call, within, leaves, training: bool) -> torch.Tensor:
    with within(), torch.set_grad_enabled(training):
        outputs = call()
        if training:
            torch.autograd.grad(outputs, leaves, torch.ones_like(outputs), allow_unused=True)
    return outputs.detach()


def measured(setting: Setting, training: bool, device: torch.device, seconds: float, calls: int) -> dict:
    """One row: seconds a call of each engine, its ratio to cuDNN's in the same turn, the most memory that it took on top."""
    contest, leaves = contestants(setting, device)
    found, outputs, peaks, refused = {}, {}, {}, []
    for name, engine in contest.items():
        before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        try:
            with peak_memory(device) as peak:
                outputs[name] = work(*engine, leaves, training)     # compiles; the first call is slower than all others
        except (triton.runtime.errors.OutOfResources, torch.cuda.OutOfMemoryError) as error:
            refused.append(f"{name}: {type(error).__name__}")
        else:
            found[name], peaks[name] = engine, peak.bytes and peak.bytes - before
    difference = {name: (value - outputs["vendor"]).abs().max().item() for name, value in outputs.items() if name != "floor"}
    del outputs
    taken, end = {name: [] for name in found}, time.perf_counter() + seconds
    while len(taken["vendor"]) < 3 or time.perf_counter() < end:
        for name, engine in found.items():
            synchronize(device)
            start = time.perf_counter()
            for _ in range(calls):
                work(*engine, leaves, training)
            synchronize(device)
            taken[name].append((time.perf_counter() - start) / calls)
    rounded = lambda value: float(f"{value:.4g}")                   # noqa: E731
    ratios = {name: [ours / theirs for ours, theirs in zip(times, taken["vendor"])] for name, times in taken.items()}
    return {"work": "training" if training else "inference", **dataclasses.asdict(setting), "turns": len(taken["vendor"]),
            "seconds": {name: rounded(statistics.median(times)) for name, times in taken.items()},
            "ratio": {name: [rounded(q) for q in statistics.quantiles(values, n=4, method="inclusive")]
                      for name, values in ratios.items()},
            "peak_bytes": peaks, "refused": refused,
            "difference": {name: rounded(value) for name, value in difference.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each setting")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "engines-gpu.json")
    parser.add_argument("--try", action="store_true", dest="tiny", help="tiny sizes, on any device; writes only where --out says")
    args = parser.parse_args()
    device = choose_device(None if args.tiny else "cuda")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows = []
    for setting in settings(args.tiny):
        if device.type == "cuda" and setting.dtype == "bfloat16" and torch.cuda.get_device_capability(device) < (8, 0):
            continue                                                # such a GPU would only imitate it
        for training in (False, True):
            rows.append(row := measured(setting, training, device, *((0, 1) if args.tiny else (args.seconds, 10))))
            print(f"{row['work']:9} {setting.dtype:8} batch {setting.batch:4} hidden {setting.num_hiddens:3}  "
                  + "  ".join(f"{name} {1e6 * seconds:.0f} µs" for name, seconds in row["seconds"].items()), file=sys.stderr)
    if not args.tiny or args.out != parser.get_default("out"):
        write_record(args.out, "The LSTM's engines on a GPU, one layer; seconds of one call are medians over turns of ten calls, "
                     "ratios to the vendor's layer in the same turn are quartiles, peak_bytes is what a call takes on top of (a CUDA graph's own memory lies ready) "
                     "inputs and weights, difference the largest to the vendor's outputs; training is forward and backward, and "
                     "its floor one product in place of three for the forward pass, and their gradients",
                     "make bench-gpu", rows, versions={"triton": triton.__version__, "cuda": torch.version.cuda},
                     machine=torch.cuda.get_device_name(device) if device.type == "cuda" else None)


if __name__ == "__main__":
    main()
