"""The source's experiment in all four frameworks, recorded in book/data/frameworks.json.

    make frameworks
    python tools/record_frameworks.py [--seeds 3] [--epochs 50] [--cores 1] [--only NAME …] [--out FILE]

Every training is a process of its own, held to so many cores, and the frameworks take turns, so that whatever else the
machine is doing falls on all alike. A seed is the same first weights and the same order of the windows everywhere: once
for both layers, and once more for the framework's own layer with the weights that the framework itself would draw.
"""
import argparse
import dataclasses
import pathlib
import statistics
import sys

import numpy as np
from prepare import stop

from unrolled.frameworks import arrays, experiment, tasks
from unrolled.frameworks.processes import NAMES, FrameworkProcess
from unrolled.recorded import write_record
from unrolled.text import Vocabulary, load_corpus

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS, HIDDEN, TRAIN, VALIDATION = 32, 32, 10_000, 5_000
PREFIX, WRITTEN = "it has", 20
RUNS = ("scratch", "shared"), ("concise", "shared"), ("concise", "own")     # the layer, and where its first weights are from


def run(name: str, kind: str, start: str, seed: int, cores: int, text: np.ndarray, vocab: Vocabulary,
        settings: experiment.Settings) -> tuple[dict, tuple]:
    """One training: what it waited for, its epochs, and what the model writes; then versions and device."""
    windows = experiment.windows(text, STEPS)
    train, validation = windows[:TRAIN], windows[TRAIN:TRAIN + VALIDATION]
    with FrameworkProcess(name, cores) as framework:
        if start == "shared":
            weights = arrays.draw(len(vocab), HIDDEN, seed)
        else:
            weights = framework.call(tasks.own_start, len(vocab), HIDDEN, kind, seed)
        waited = framework.call(tasks.wait, weights, kind, train, settings)
        rows, ended = framework.call(tasks.train, weights, kind, train, validation, settings, seed)
        written = framework.call(tasks.write, ended, kind, vocab.ids(PREFIX, strict=True), WRITTEN)
        about = framework.call(tasks.about)
    print(f"{name}, {kind}, {start} start, seed {seed}: {statistics.median(row.seconds for row in rows):.2f} s an epoch, "
          f"{rows[-1].validation_loss:.3f} nats", file=sys.stderr)
    lists = {field: [getattr(row, field) for row in rows] for field in ("train_loss", "validation_loss", "seconds")}
    return {"framework": name, "kind": kind, "start": start, "seed": seed, "seconds_to_import": framework.import_seconds,
            "seconds_before": waited, "written": vocab.decode(written)} | lists, about


def at_least(least: int):
    """What argparse makes of a whole number that is no smaller."""
    def whole(text):
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number of at least {least}, not {text}")
        return int(text)

    return whole


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--epochs", type=at_least(1), default=experiment.SOURCE.epochs)
    parser.add_argument("--cores", type=at_least(0), default=1, help="0 leaves it to the frameworks")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "frameworks.json")
    args = parser.parse_args(arguments)
    corpus = load_corpus()
    if corpus.stand_in:
        stop(f"A record is of the novel, and only a text that stands in for it is here: {corpus.notice}")
    try:
        for name in args.only:                 # before anything is measured: is it there?
            FrameworkProcess(name).close()
    except ModuleNotFoundError as error:
        stop(str(error))
    vocab = Vocabulary.from_text(corpus.text)
    text = np.array(vocab.ids(corpus.text)[:TRAIN + VALIDATION + STEPS])
    settings = dataclasses.replace(experiment.SOURCE, epochs=args.epochs)
    rows, versions, devices = [], {"torch": None}, {}
    for seed in range(args.seeds):
        for kind, start in RUNS:
            for name in args.only:
                row, (its_versions, devices[name]) = run(name, kind, start, seed, args.cores, text, vocab, settings)
                rows.append(row)
                versions |= its_versions
    write_record(args.out, "the source's experiment in each framework, a row a training: losses in nats per character and seconds "
                 "of training alone, one for each epoch; seconds_before: from the call to the first step, in a new process, "
                 "compiling above all; start: first weights shared by all, or the framework's own; written: after the prefix, "
                 "the likeliest characters", "python tools/record_frameworks.py", rows, versions=versions, devices=devices,
                 cores=args.cores, settings=dataclasses.asdict(settings), num_hiddens=HIDDEN, prefix=PREFIX)


if __name__ == "__main__":
    main()
