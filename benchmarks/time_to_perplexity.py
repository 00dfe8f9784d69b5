"""How long a training takes to a validation perplexity: the source's code, and ours by two recipes on two engines.

    make bench-training     # or: python benchmarks/time_to_perplexity.py [--seeds 3] [--out FILE]

All train on the source's 10,000 windows and are validated on its next 5,000, hidden 32. The goals are what the source
ends at: 7.34 with its scratch LSTM, 6.80 with its concise one. Its two models train for at most 50 epochs in its own
trainer (source_experiment.py); after every tenth epoch each of our recipes runs once from its beginning to its end, with
a seed of its own. Counted are the epochs, validation included; what comes before the first is not. Everything is done
twice: with the allocator as it is, and told to keep what is freed. The result goes to book/data/time-to-perplexity.json.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import source_experiment as source
import torch

from unrolled.frameworks.experiment import RECIPES
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.recorded import write_record
from unrolled.text import source_split
from unrolled.training import Trainer

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOALS = {7.34: "source, scratch", 6.80: "source, concise"}
OURS = [("better", "vendor"), ("better", "cpu"), ("quick", "vendor"), ("quick", "cpu")]


def recipe(split, size, name, engine, seed):
    """Seconds since the beginning and validation perplexity, after every epoch."""
    how, marks = RECIPES[name], []
    torch.manual_seed(seed)
    model = LanguageModel(LSTM(size, source.HIDDEN, engine=engine), size, dropout=how.dropout)
    trainer = Trainer(model, split.train, split.validation, optimizer=how.optimizer, lr=how.lr, clip=how.clip,
                      batch_size=how.batch_size, schedule="one-cycle" if how.one_cycle else None, seed=seed)
    start = time.perf_counter()
    trainer.fit(how.epochs, progress=False, on_epoch=lambda _: marks.append(time.perf_counter() - start))
    return list(zip(marks, trainer.history.validation_perplexity))


def measure(seeds, epochs, allocator):
    d2l = source.import_d2l()
    data, ids = source.novel(d2l)
    size, split = len(data.vocab), source_split(ids, source.STEPS)
    curves = {name: [] for name in (*GOALS.values(), *(f"{name}, {engine}" for name, engine in OURS))}
    for name, engine in OURS:
        recipe(split, size, name, engine, 0)                        # the first of each is slower than all others
    for seed in range(seeds):
        torch.manual_seed(seed)
        theirs = {name: source.Source(d2l, data, concise="concise" in name) for name in GOALS.values()}
        seconds = dict.fromkeys(theirs, 0.0)
        for name in theirs:
            curves[name].append([])
        for epoch in range(epochs):
            for name, contender in theirs.items():
                start = time.perf_counter()
                contender.epoch()
                seconds[name] += time.perf_counter() - start
                curves[name][-1].append((seconds[name], source.validation_perplexity(contender, split.validation)))
            if epoch % 10 == 9:
                for name, engine in OURS:
                    curves[f"{name}, {engine}"].append(recipe(split, size, name, engine, 10 * seed + epoch // 10))
    return [row_of(name, some, goal, allocator) for goal in GOALS for name, some in curves.items()]


def reached(curves, goal):
    """The seconds to the goal, of those that reach it."""
    return [next(s for s, p in curve if p <= goal) for curve in curves if min(p for _, p in curve) <= goal]


def row_of(name, curves, goal, allocator):
    took = reached(curves, goal)
    return {"name": name, "allocator": allocator, "goal": goal, "runs": len(curves), "reached": len(took),
            "seconds": [round(s, 3) for s in sorted(took)], "end": [round(curve[-1][1], 3) for curve in curves]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50, help="of the source's models")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "time-to-perplexity.json")
    parser.add_argument("--only", metavar="ALLOCATOR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        return print(json.dumps(measure(args.seeds, args.epochs, args.only)))
    load = os.getloadavg()
    rows = list(source.for_each_allocator(__file__, "--seeds", args.seeds, "--epochs", args.epochs))
    for row in rows:
        print({name: value for name, value in row.items() if name != "end"}, file=sys.stderr)
    write_record(args.out, "seconds of training and validation to a validation perplexity, of each run that gets there; end is where "
                 "each run ended", "make bench-training", rows, versions={"d2l": "1.0.3"}, threads=torch.get_num_threads(),
                 load=[round(value, 1) for value in load])


if __name__ == "__main__":
    main()
