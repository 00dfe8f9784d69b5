"""What a kernel notes of itself while a notebook runs: when its first training step ended, and the memory it needed.

`run_notebooks.py` has the kernel execute this file before the notebook's first cell, in a namespace of its own, so that the
notebook finds no name that is not its own. What was seen is in the file that NOTEBOOK_WATCH names, written after every cell.
"""
import json
import os
import sys
import time

from IPython import get_ipython

try:
    import resource
except ImportError:                                              # Windows
    resource = None

PATH = os.environ["NOTEBOOK_WATCH"]
seen = {}
begun = []                             # when the first cell began
watched = []                           # torch, from the end of the cell that imports it on


def before_cell(*_):
    if not begun:
        begun.append(time.perf_counter())


def after_step(*_):
    """Any optimizer has made a step. The hook stays, since it cannot leave while torch walks through its hooks."""
    if "first_step_seconds" not in seen:
        if watched[0].cuda.is_available():
            watched[0].cuda.synchronize()
        seen["first_step_seconds"] = round(time.perf_counter() - begun[0], 2)


def after_cell(*_):
    torch = sys.modules.get("torch")
    if torch and not watched:
        from torch.optim.optimizer import register_optimizer_step_post_hook
        register_optimizer_step_post_hook(after_step)
        watched.append(torch)
    if torch and torch.cuda.is_available():
        seen["gpu_peak_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    if resource:
        unit = 1 if sys.platform == "darwin" else 1024
        seen["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
    with open(PATH + ".partial", "w") as file:
        json.dump(seen, file)
    os.replace(PATH + ".partial", PATH)


get_ipython().events.register("pre_run_cell", before_cell)
get_ipython().events.register("post_run_cell", after_cell)
