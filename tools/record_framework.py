"""The source's experiment in one framework, both layers, recorded in book/data/framework-NAME.json.

    make frameworks                                                 for mxnet
    python tools/record_framework.py NAME [--seeds 3] [--epochs 50] [--cores 1] [--out FILE]

NAME is a module of unrolled.frameworks: torch, jax, tensorflow, mxnet. Run it with the book's Python, which makes tokens
of the novel and writes the record. The training is a process of its own, MXNet's with the Python of its environment; it
stays on so many cores, since not every framework can be told a number of threads. The same seed is the same first
weights and the same order of the windows everywhere.
"""
import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
from prepare import MXNET_VENV, python_of, stop

from unrolled.frameworks import arrays, experiment

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMEWORKS = ("torch", "jax", "tensorflow", "mxnet")
STEPS, HIDDEN, TRAIN, VALIDATION = 32, 32, 10_000, 5_000
PREFIX, WRITTEN = "it has", 20


def measure(framework, kind: str, seed: int, ids: np.ndarray, num_tokens: int, prefix: list[int],
            settings: experiment.Settings) -> dict:
    """One training: how long it made its clock wait, its epochs, and what the model writes."""
    windows = experiment.windows(ids, STEPS)
    train, validation = windows[:TRAIN], windows[TRAIN:TRAIN + VALIDATION]
    start = arrays.draw(num_tokens, HIDDEN, seed)
    # A first epoch for the wait alone: without a validation nothing else is between the call and the row.
    model, ended = framework.from_arrays(start, kind, dropout=settings.dropout), []
    began = time.perf_counter()
    first, = framework.train(model, train, None, dataclasses.replace(settings, epochs=1), seed,
                             lambda row: ended.append(time.perf_counter()))
    waited = ended[0] - began - first.seconds
    model = framework.from_arrays(start, kind, dropout=settings.dropout)
    rows = framework.train(model, train, validation, settings, seed, lambda row: print(
        f"{kind}, seed {seed}, epoch {row.epoch}: {row.seconds:.2f} s, {row.validation_loss:.3f} nats", file=sys.stderr))
    return {"kind": kind, "seed": seed, "seconds_before": waited, "written": framework.generate(model, prefix, WRITTEN),
            "rows": [dataclasses.asdict(row) for row in rows]}


def measure_all(job: dict) -> dict:
    """Every kind with every seed, in this process."""
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:job["cores"]])      # before the framework counts them
    framework = importlib.import_module(f"unrolled.frameworks.{job['name']}")
    settings, ids = experiment.Settings(**job["settings"]), np.array(job["ids"])
    versions = {"python": platform.python_version(), "numpy": np.__version__} | framework.versions()
    return {"versions": versions, "device": framework.device(),
            "runs": [measure(framework, kind, seed, ids, job["num_tokens"], job["prefix"], settings)
                     for seed in range(job["seeds"]) for kind in ("scratch", "concise")]}


def apart(job: dict) -> dict:
    """``measure_all`` in a new process with the framework's Python; stops with its last words if it fails."""
    python = python_of(MXNET_VENV) if job["name"] == "mxnet" else sys.executable
    if not os.path.isfile(python):
        stop("MXNet's environment is missing: run make frameworks first.")
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder, "job.json"), pathlib.Path(folder, "found.json")
        given.write_text(json.dumps(job))
        if subprocess.call([python, __file__, "--job", str(given), str(found)]):
            stop(f"The training with {job['name']} failed: see the message above.")
        return json.loads(found.read_text())


def record(name: str, seeds: int, epochs: int, cores: int, out: pathlib.Path) -> None:
    from unrolled.recorded import write_record
    from unrolled.text import Vocabulary, load_corpus

    corpus = load_corpus()
    if corpus.stand_in:
        stop(f"A record is of the novel, and only a text that stands in for it is here: {corpus.notice}")
    vocab = Vocabulary.from_text(corpus.text)
    settings = dataclasses.replace(experiment.SOURCE, epochs=epochs)
    found = apart({"name": name, "seeds": seeds, "cores": cores, "settings": dataclasses.asdict(settings),
                   "num_tokens": len(vocab), "ids": vocab.ids(corpus.text)[:TRAIN + VALIDATION + STEPS],
                   "prefix": vocab.ids(PREFIX, strict=True)})
    runs = found.pop("runs")
    rows = [{"kind": run["kind"], "seed": run["seed"]} | row for run in runs for row in run.pop("rows")]
    for run in runs:
        run["written"] = vocab.decode(run["written"])
    write_record(out, "the source's experiment in one framework, a row an epoch: losses in nats per character, seconds of "
                 "training alone; seconds_before: how long a run made its clock wait, for compiling above all; written: after the prefix, "
                 "the likeliest characters", f"python tools/record_framework.py {name}", rows,
                 versions={"torch": None} | found["versions"], framework=name, device=found["device"], cores=cores,
                 settings=dataclasses.asdict(settings), num_hiddens=HIDDEN, prefix=PREFIX, runs=runs)


def main(arguments=None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--job"]:            # the new process
        given, found = map(pathlib.Path, arguments[1:])
        found.write_text(json.dumps(measure_all(json.loads(given.read_text()))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=FRAMEWORKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=experiment.SOURCE.epochs)
    parser.add_argument("--cores", type=int, default=1, help="0 leaves it to the framework")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args(arguments)
    record(args.name, args.seeds, args.epochs, args.cores, args.out or ROOT / "book" / "data" / f"framework-{args.name}.json")


if __name__ == "__main__":
    main()
