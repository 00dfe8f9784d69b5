"""Run the exported notebooks from top to bottom, and say what happened.

    python tools/run_notebooks.py                            every learner's notebook of _build/notebooks
    python tools/run_notebooks.py --variant solved index     one, with its exercises solved
    python tools/run_notebooks.py --gpu --record notebooks-gpu

Each runs in a kernel of this Python and in a folder of its own, and alone where it may have something to install: the first, and
those whose first cell is another one.
Executed notebooks are left in _build/notebooks-run, a report that can be an issue in _build/notebooks-run.md; the exit status
says whether one failed. This needs nbclient and ipykernel, which Colab has, and nothing of the book.
"""
import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
WATCH = Path(__file__).with_name("kernel_watch.py")
LINES = 25                             # of an error
PACKAGES = ("numpy", "matplotlib", "ipywidgets", "ipython", "ipykernel", "anywidget")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Run:
    """What happened to one notebook."""

    name: str
    seconds: float = 0.0
    error: str = ""
    cell: str = ""                     # where: its number, and the first line of its code
    seen: dict = field(default_factory=dict)

    def __str__(self) -> str:
        step = self.seen.get("first_step_seconds")
        return (f"{self.name}: " + (f"FAILED in {self.cell}, after" if self.error else "ran in") + f" {self.seconds:.0f} s"
                + (f", first training step after {step:.1f} s" if step else ""))

    def row(self) -> dict:
        return {"notebook": self.name, "seconds": round(self.seconds, 1), **self.seen}


async def execute(notebook, folder: Path, timeout: float = 600, on_cell=None, watch: Path | None = None) -> float:
    """Execute a notebook in place, in a folder; returns the seconds it took.

    A cell that fails raises CellExecutionError, one that takes longer than ``timeout`` CellTimeoutError. A bare
    AssertionError is nbclient's own, whose watch over a kernel may outlive the kernel: then once more.

    Args:
        on_cell: called with each cell and its number before it runs.
        watch: where the kernel writes what `kernel_watch.py` sees.
    """
    options, env = ["--HistoryManager.enabled=False", "--Application.log_level=40"], dict(os.environ)
    if watch:
        line = f"exec(compile(open({str(WATCH)!r}).read(), 'kernel_watch', 'exec'), {{'__name__': 'kernel_watch'}})"
        options, env = [*options, f"--IPKernelApp.exec_lines={line}"], {**env, "NOTEBOOK_WATCH": str(watch)}
    for attempt in range(3):
        start = time.perf_counter()
        client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", extra_arguments=options,
                                resources={"metadata": {"path": str(folder)}}, on_cell_start=on_cell)
        try:
            await client.async_execute(env=env)
            return time.perf_counter() - start
        except AssertionError:
            if attempt == 2:
                raise


async def run(path: Path, folder: Path, timeout: float) -> Run:
    """Run one notebook file; the executed notebook is left in the folder."""
    notebook, done = nbformat.read(path, as_version=4), Run(path.stem)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []                                    # what is there afterwards comes from this run

    def begins(cell, cell_index):
        done.cell = f"cell {cell_index + 1}, `{next((line for line in cell.source.splitlines() if line[:2] != '#@'), '')}`"

    folder.mkdir(parents=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as beside:
        watch = Path(beside) / "watch.json"
        try:
            await execute(notebook, folder, timeout, begins, watch)
        except Exception as error:                               # of the notebook, of its kernel: the next ones run all the same
            done.error = COLOUR.sub("", str(error)).rstrip() or type(error).__name__
        done.seconds = time.perf_counter() - start
        if watch.is_file():
            done.seen = json.loads(watch.read_text())
    nbformat.write(notebook, folder / path.name)
    print(f"  {done}", flush=True)
    return done


async def run_all(paths: list[Path], out: Path, jobs: int, timeout: float) -> list[Run]:
    """Alone those that may install, the first and those that begin otherwise; the others ``jobs`` at a time."""
    turn, common = asyncio.Semaphore(jobs), begins_with(paths[0])
    alone = [path for path in paths if path == paths[0] or begins_with(path) != common]

    async def one(path):
        async with turn:
            return await run(path, out / path.stem, timeout)

    runs = {path: await one(path) for path in alone}
    others = [path for path in paths if path not in runs]
    runs |= zip(others, await asyncio.gather(*map(one, others)))
    return [runs[path] for path in paths]


def begins_with(path: Path) -> str:
    """The code of a notebook's first cell."""
    return next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def find(folder: Path, names: list[str]) -> list[Path]:
    """The files of these notebooks, of all where none is named; those that hold no code are left out.

    Raises:
        FileNotFoundError: no such folder, no such notebook in it, or none with code.
    """
    there = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if not there:
        raise FileNotFoundError(f"there are no notebooks in {folder}: run make notebooks first")
    if missing := [name for name in names if name not in there]:
        raise FileNotFoundError(f"there is no notebook {missing[0]!r} in {folder}, which has {', '.join(there)}")
    with_code = {name for name, path in there.items() if any(cell.cell_type == "code" for cell in nbformat.read(path, 4).cells)}
    if not with_code.intersection(names or there):
        raise FileNotFoundError(f"there is no code to run in {', '.join(names or there)}")
    return [there[name] for name in names or there if name in with_code]


def demand_gpu() -> str:
    """The GPU that torch finds here; stops with one sentence where there is none."""
    try:
        import torch
    except ImportError:
        sys.exit("This needs a GPU, and torch to find one: torch is not installed here.")
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    if torch.backends.mps.is_available():
        return f"the GPU of this Mac, {platform.processor()}"
    sys.exit(f"This needs a GPU: torch {torch.__version__} finds neither CUDA nor MPS on this machine.")


def versions(names=PACKAGES) -> dict[str, str]:
    """Those of the packages that are here."""
    there = {}
    for name in names:
        try:
            there[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return there


def report(runs: list[Run], command: str, machine: str) -> str:
    """What happened, as an issue would say it."""
    failed = [one for one in runs if one.error]
    about = ", ".join(f"{name} {version}" for name, version in versions(("torch", *PACKAGES)).items())
    title = f"{len(failed)} of {len(runs)} notebooks failed" if failed else f"All {len(runs)} notebooks ran"
    lines = [f"# {title}", "", f"`{command}` on {machine}, with Python {platform.python_version()}, {about}.", ""]
    for one in failed:
        lines += [f"## {one.name}", "", f"It failed in {one.cell}, after {one.seconds:.0f} seconds:", "",
                  "````text", *one.error.splitlines()[-LINES:], "````", ""]
    lines += ["## Every notebook", "",
              "| notebook | seconds | to the first training step | memory at most, MB | ended |", "|" + " --- |" * 5]
    for one in runs:
        step, memory = (one.seen.get(name, "") for name in ("first_step_seconds", "peak_mb"))
        lines.append(f"| {one.name} | {one.seconds:.0f} | {step} | {memory} | {'failed' if one.error else 'well'} |")
    return "\n".join(lines) + "\n"


def record(name: str, runs: list[Run], command: str, gpu: str) -> None:
    """Keep the times in book/data; nothing of a run in which a notebook failed."""
    from unrolled.recorded import write_record                   # on Colab it comes with the first notebook

    what = ("Exported notebooks, each executed from top to bottom in a kernel of its own: seconds in all, seconds from the start of "
            "its first cell to the end of the first step of an optimizer, and the memory of its process at most. The first notebook "
            "ran alone.")
    write_record(ROOT / "book" / "data" / f"{name}.json", what, command, [one.row() for one in runs], machine=gpu or None,
                 versions=versions())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to run, such as memory-cell; all where none is named")
    parser.add_argument("--folder", type=Path, default=ROOT / "_build/notebooks", help="where they are (_build/notebooks)")
    parser.add_argument("--variant", choices=["learner", "solved", "instructor", "plain"], default="learner")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that a cell may take (600)")
    parser.add_argument("--out", type=Path, default=ROOT / "_build/notebooks-run",
                        help="where they run, emptied before (_build/notebooks-run)")
    parser.add_argument("--gpu", action="store_true", help="demand a GPU")
    parser.add_argument("--record", metavar="RECORD", help="keep the times as book/data/RECORD.json")
    parser.add_argument("--command", help="what to call this run in its report and its record")
    asked = parser.parse_args(arguments)
    if asked.jobs < 1:
        parser.error(f"--jobs is at least 1, not {asked.jobs}")
    if not re.fullmatch("[a-z0-9-]+", asked.record or "none"):
        parser.error(f"--record is a name of small letters, digits and hyphens, such as notebooks-gpu, not {asked.record!r}")
    command = asked.command or " ".join(["python tools/run_notebooks.py", *(sys.argv[1:] if arguments is None else arguments)])
    gpu = demand_gpu() if asked.gpu else ""
    folder = asked.folder if asked.variant == "learner" else asked.folder / asked.variant
    try:
        paths = find(folder, asked.names)
    except FileNotFoundError as error:
        sys.exit(f"{str(error)[0].upper()}{str(error)[1:]}.")
    out = asked.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    print(f"Running {len(paths)} notebooks of {folder}, {asked.jobs} at a time.", flush=True)
    runs = asyncio.run(run_all(paths, out, asked.jobs, asked.timeout))
    machine = gpu or f"{os.cpu_count()} cores, {platform.machine()}"
    told = Path(f"{out}.md")
    told.write_text(report(runs, command, machine), encoding="utf-8")
    failed = [one.name for one in runs if one.error]
    if failed:
        print(f"{len(failed)} of {len(runs)} failed: {', '.join(failed)}. Their errors are in {told}.")
    elif asked.record:
        record(asked.record, runs, command, gpu)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
