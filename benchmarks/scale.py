"""How time and memory grow with hidden units, steps and batch, engine by engine, and where each engine wins.

    make bench-scale        # or: python benchmarks/scale.py [--budget 1.0] [--out FILE]

Three sweeps in powers of two around one centre, and a grid of hidden units and batches for the two engines that "auto"
chooses between. Engines take their turns as in engines.py, for as many rounds as the budget of a size allows, three at least.
The two loops stand back where they would take too long. The result goes to book/data/scale.json.

Memory is of one training step: the most that the process ever held in it, less what it held before, as Linux counts its pages
(VmHWM, set back before; VmRSS). So what a library takes behind torch's back counts too. Other systems do not tell.
"""
import argparse
import ctypes
import os
import pathlib
import sys
import time

import torch
from engines import NUM_TOKENS, ROOT, STEPS, in_turns, layer_work, rows_of, tell

from unrolled.layers import LSTM
from unrolled.recorded import write_record

CENTRE = {"hidden": 256, "steps": 64, "batch": 64}
SWEEPS = {"hidden": (16, 2048), "steps": (8, 4096), "batch": (1, 4096)}         # in powers of two
GRID = {"hidden": (16, 32, 64, 128, 256, 512, 1024), "batch": (1, 2, 3, 4, 5, 6, 8, 16, 64, 256, 1024)}
TINY = {"hidden": 4, "steps": 3, "batch": 2}
ENGINES = ("vendor", "cpu", "manual", "loop")
MANY = 2 ** 36              # multiplications of a training step, about a second's work: too many for the loops, and for the grid


def powers(first, last):
    return [1 << power for power in range(first.bit_length() - 1, last.bit_length())]


def multiplications(hidden, steps, batch):
    return 12 * hidden ** 2 * steps * batch


def sizes():
    """Every size with the sweep it belongs to, and who takes part; "auto" chooses between the first two."""
    for name, ends in SWEEPS.items():
        for value in powers(*ends):
            size = CENTRE | {name: value}
            heavy = multiplications(**size) >= MANY or size["steps"] > 1024
            yield name, size, ENGINES[:2] if heavy else ENGINES
    for hidden in GRID["hidden"]:
        for batch in GRID["batch"]:
            size = {"hidden": hidden, "steps": STEPS, "batch": batch}
            if multiplications(**size) < MANY:
                yield "grid", size, ENGINES[:2]


def status(name):
    """A line of what Linux says of this process, in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def memory_of(work):
    """Bytes that the process had at most while it worked, beyond those it had before; None where no one counts them."""
    if sys.platform != "linux":
        return None
    ctypes.CDLL(None).malloc_trim(0)                            # what is free already would hide what is taken
    pathlib.Path("/proc/self/clear_refs").write_text("5")       # VmHWM begins anew
    before = status("VmRSS")
    work()
    return max(0, status("VmHWM") - before)


def work_of(engine, hidden, steps, batch, training, segment=None):
    return layer_work(LSTM(NUM_TOKENS, hidden, engine=engine, segment=segment), batch, training, steps)


def measure(sweep, size, engines, budget):
    """The rows of one size: training with its memory, then inference, of each engine."""
    rows = []
    for training in (True, False):
        contenders = {name: work_of(name, training=training, **size) for name in engines}
        what = {"sweep": sweep, "work": "training" if training else "inference", **size}
        memory = {name: memory_of(work) for name, work in contenders.items()} if training and sweep != "grid" else {}
        taken = in_turns(contenders, 30, budget if training else budget / 3)
        rows += [row | ({"memory": memory[row["name"]]} if memory else {}) for row in rows_of(taken, "vendor", **what)]
        tell(rows[-len(contenders):])
        if training and sweep == "steps":
            work = work_of("cpu", training=True, segment="auto", **size)
            rows.append({**what, "name": "cpu, in segments", "memory": memory_of(work)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds for the rounds of a size")
    parser.add_argument("--try", dest="tiny", action="store_true", help="one tiny size; writes only where --out says")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    load, rows, start = os.getloadavg(), [], time.perf_counter()
    for name in ENGINES:
        work_of(name, 16, STEPS, 2, training=True)()            # what is loaded once is part of no size
    for sweep, size, engines in [("steps", TINY, ENGINES), ("grid", TINY, ENGINES[:2])] if args.tiny else sizes():
        rows += measure(sweep, size, engines, args.budget / 2 if sweep == "grid" else args.budget)
    if args.tiny and not args.out:
        return
    write_record(args.out or ROOT / "book" / "data" / "scale.json", "the LSTM's engines over sizes: quartiles of seconds, and of "
                 "the vendor's time divided by this one's, over the rounds; memory in bytes, of one training step",
                 "make bench-scale", rows,
                 threads=torch.get_num_threads(), load=[round(value, 1) for value in load],
                 seconds=round(time.perf_counter() - start))


if __name__ == "__main__":
    main()
