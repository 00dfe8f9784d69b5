"""The speed ladder on the CPU: every rung beside the source's own code and the floor, in turns.

    make bench-engines      # or: python benchmarks/engines.py [--rounds 30] [--epochs 50] [--out FILE]

The chapter's layer (32 characters, batch 1024, hidden 32): the source's two layers and every rung, training (forward and
backward) and inference. Other layers: hidden 256 and 1024 with a batch of 1 and of 64, on the rungs that are engines. An
epoch: the source's experiment (source_experiment.py), its layers in its trainer, the rungs in ours, training and validation;
all rungs begin with the same weights, and their curves are written down. Each contender takes its turn in every round, so
that whatever else the machine does falls on all alike; ratios are taken round by round. The floor takes its turns too: the
products alone, all steps of one batch in one torch.mm, as if no step waited for the one before. The epochs run twice: with
the allocator as it is, and told to keep what is freed. Two rows say what this machine can do: a product of 1024 x 1024, and
a copy of 256 MB, read and written. The result goes to book/data/engines.json.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import sys
import time

import torch
from torch import nn

from unrolled.ladder import ENGINES, RUNGS, Rung
from unrolled.recorded import write_record

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUM_TOKENS, STEPS = 28, 32
SIZES = [(256, 1), (256, 64), (1024, 1), (1024, 64)]                            # hidden, batch


def floor(hidden, rows, products):
    """The recurrent products of so many rows, each with its operands as a layer has them."""
    W_h, H, sums = torch.randn(4 * hidden, hidden), torch.randn(rows, hidden), torch.randn(rows, 4 * hidden)

    def work():
        torch.mm(H, W_h.T)                                      # forward
        if products == 3:
            torch.mm(sums, W_h), torch.mm(sums.T, H)            # backward: to H, to W_h

    return work


def layer_work(layer, batch, training, steps=STEPS):
    tokens = torch.randint(NUM_TOKENS, (steps, batch))

    def train():
        layer.zero_grad()
        layer(tokens)[0].sum().backward()

    return train if training else torch.no_grad()(lambda: layer(tokens))


def in_turns(contenders, rounds, budget=math.inf):
    """The seconds that each took, round by round; the first round is slower than all others, and not counted. When the
    budget, in seconds, is spent, no further round begins but the first three."""
    taken, end = {name: [] for name in contenders}, time.perf_counter() + budget
    for number in range(rounds + 1):
        if number > 3 and time.perf_counter() > end:
            break
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if number:
                taken[name].append(time.perf_counter() - start)
    return taken


def quartiles(values):
    return [float(f"{q:.4g}") for q in statistics.quantiles(values, n=4)]


def rows_of(taken, base, **what):
    """For each contender: median and quartiles of its seconds, and of the base's seconds divided by its own."""
    return [{**what, "name": name, "rounds": len(seconds), "seconds": quartiles(seconds), "base": base,
             "speed_up": quartiles([a / b for a, b in zip(taken[base], seconds)])} for name, seconds in taken.items()]


def limits(rounds):
    """What the machine can do: multiplications and additions, and bytes read and written, a second."""
    square, source, target = torch.randn(1024, 1024), torch.randn(1 << 26), torch.empty(1 << 26)
    taken = in_turns({"product": lambda: torch.mm(square, square), "copy": lambda: target.copy_(source)}, rounds)
    done = {"product": 2 * 1024 ** 3, "copy": 2 * 4 * (1 << 26)}
    return [{"work": "limit", "name": name, "per_second": quartiles([done[name] / one for one in seconds])}
            for name, seconds in taken.items()]


def source_layer(d2l, concise, batch, training):
    """The source's layer, from the tokens on: it makes the one-hot vectors itself."""
    import source_experiment as source
    layer, tokens = source.source_layer(d2l, concise)(NUM_TOKENS, source.HIDDEN), torch.randint(NUM_TOKENS, (STEPS, batch))
    one_hot = lambda: nn.functional.one_hot(tokens, NUM_TOKENS).to(torch.float32)       # noqa: E731

    def train():
        layer.zero_grad()
        outputs, _ = layer(one_hot())
        (outputs if concise else torch.stack(outputs)).sum().backward()

    return train if training else torch.no_grad()(lambda: layer(one_hot()))


def chapter(d2l, rounds, rungs):
    """The layer of the chapter's experiment, on every rung."""
    import source_experiment as source
    rows = []
    for training in (True, False):
        contenders = {"source, scratch": source_layer(d2l, False, source.BATCH, training),
                      "source, concise": source_layer(d2l, True, source.BATCH, training)}
        before = {}
        for rung in rungs:
            torch.manual_seed(0)
            contenders[rung] = layer_work(Rung(NUM_TOKENS, source.HIDDEN, rung), source.BATCH, training)
            start = time.perf_counter()
            contenders[rung]()
            before[rung] = float(f"{time.perf_counter() - start:.3g}")
        contenders["floor"] = floor(source.HIDDEN, STEPS * source.BATCH, 3 if training else 1)
        found = rows_of(in_turns(contenders, rounds), "source, scratch", work="training" if training else "inference",
                        hidden=source.HIDDEN, batch=source.BATCH, steps=STEPS)
        rows += [row | ({"first_call": before[row["name"]]} if row["name"] in before else {}) for row in found]
        tell(rows[-len(contenders):])
    return rows


def layers(rounds):
    rows = []
    for hidden, batch in SIZES:
        for training in (True, False):
            rungs = [rung for rung in ENGINES if rung != "compiled"]            # minutes for each shape
            contenders = {rung: layer_work(Rung(NUM_TOKENS, hidden, rung), batch, training) for rung in rungs}
            contenders["floor"] = floor(hidden, STEPS * batch, 3 if training else 1)
            taken = in_turns(contenders, rounds if hidden < 1024 or batch == 1 else max(5, rounds // 3))
            work = "training" if training else "inference"
            rows += rows_of(taken, "vendor's", work=work, hidden=hidden, batch=batch, steps=STEPS)
            tell(rows[-len(contenders):])
    return rows


def epochs(count, allocator, rungs):
    import source_experiment as source
    d2l = source.import_d2l()
    data, ids = source.novel(d2l)
    torch.manual_seed(0)
    contenders = {"source, scratch": source.Source(d2l, data, concise=False),
                  "source, concise": source.Source(d2l, data, concise=True)}
    for rung in rungs:
        torch.manual_seed(0)                                    # the same first weights for all
        contenders[rung] = source.Ours(ids, Rung(len(data.vocab), source.HIDDEN, rung), seed=0)
    works = {name: contender.epoch for name, contender in contenders.items()}
    rows, head = source.STEPS * source.BATCH, torch.nn.Linear(source.HIDDEN, len(data.vocab))
    train, validate, states = floor(source.HIDDEN, rows, 3), floor(source.HIDDEN, rows, 1), torch.randn(rows, source.HIDDEN)
    logits = torch.randn(rows, len(data.vocab))

    @torch.no_grad()
    def products():
        for _ in range(10):                                     # 10 batches and 5: 2 % more windows than an epoch has
            train(), torch.mm(states, head.weight.T), torch.mm(logits, head.weight), torch.mm(logits.T, states)
        for _ in range(5):
            validate(), torch.mm(states, head.weight.T)

    found = rows_of(in_turns(works | {"floor": products}, count - 1), "source, scratch", work="epoch", allocator=allocator,
                    hidden=source.HIDDEN, batch=source.BATCH, steps=source.STEPS)
    for row in found:
        if row["name"] in RUNGS:
            curve = contenders[row["name"]].trainer.history.validation_perplexity
            row["validation_perplexity"] = [float(f"{value:.6g}") for value in curve]
    return found


def tell(rows):
    for row in rows:
        times, speed_up = f"{1000 * row['seconds'][1]:9.2f} ms", " ".join(f"{q:.2f}" for q in row["speed_up"])
        print(f"{row['work']:10} hidden {row['hidden']:4} batch {row['batch']:4}  {row['name']:22} {times}  "
              f"{row['base']} / this: {speed_up}  {row.get('allocator', '')}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--without-compiler", action="store_true", help="leave torch.compile out, which takes minutes")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "engines.json")
    parser.add_argument("--only", metavar="ALLOCATOR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    rungs = [rung for rung in RUNGS if rung != "compiled" or not args.without_compiler]
    if args.only:
        return print(json.dumps(epochs(args.epochs, args.only, rungs)))

    import source_experiment as source
    load = os.getloadavg()
    rows = limits(args.rounds) + chapter(source.import_d2l(), args.rounds, rungs) + layers(args.rounds)
    whole = list(source.for_each_allocator(__file__, "--epochs", args.epochs, *["--without-compiler"] * args.without_compiler))
    tell(whole)
    rows += whole
    write_record(args.out, "the rungs of the ladder in turns; seconds and speed_up are quartiles over the rounds, speed_up is "
                 "the base's time divided by this one's, first_call the seconds of a rung's first call, compiling included; "
                 "what earlier calls have built is there already; the floor is the products alone; per_second of the limits is in multiplications and additions, or in "
                 "bytes read and written", "make bench-engines", rows, versions={"d2l": "1.0.3"},
                 threads=torch.get_num_threads(), load=[round(value, 1) for value in load])


if __name__ == "__main__":
    main()
