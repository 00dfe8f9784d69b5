"""The LSTM's engines on the CPU, side by side in one run, beside the source's own code and the floor.

    make bench-engines      # or: python benchmarks/engines.py [--rounds 30] [--epochs 20] [--out FILE]

A layer: training (forward and backward) and inference of 32 characters at the chapter's size, and at hidden 256 and 1024
with a batch of 1 and of 64. An epoch: the source's experiment (source_experiment.py), its layers in its trainer, ours in
ours, training and validation. Each takes its turn in every round, so that whatever else the machine does falls on all
alike; ratios are taken round by round. The floor takes its turns too: the products alone, all steps of one batch in one
torch.mm, as if no step waited for the one before. The epochs run twice: with the allocator as it is, and told to keep what
is freed. The result goes to book/data/engines.json.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import torch

from unrolled.layers import LSTM
from unrolled.layers.engines import ENGINES
from unrolled.recorded import write_record

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUM_TOKENS, STEPS = 28, 32
SIZES = [(32, 1024), (256, 1), (256, 64), (1024, 1), (1024, 64)]                 # hidden, batch
TUNED = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_TOP_PAD_": "200000000"}


def floor(hidden, rows, products):
    """The recurrent products of so many rows, each with its operands as a layer has them."""
    W_h, H, sums = torch.randn(4 * hidden, hidden), torch.randn(rows, hidden), torch.randn(rows, 4 * hidden)

    def work():
        torch.mm(H, W_h.T)                                      # forward
        if products == 3:
            torch.mm(sums, W_h), torch.mm(sums.T, H)            # backward: to H, to W_h

    return work


def layer_work(engine, hidden, batch, training):
    torch.manual_seed(0)
    layer, tokens = LSTM(NUM_TOKENS, hidden, engine=engine), torch.randint(NUM_TOKENS, (STEPS, batch))

    def train():
        layer.zero_grad()
        layer(tokens)[0].sum().backward()

    return train if training else torch.no_grad()(lambda: layer(tokens))


def in_turns(contenders, rounds):
    """The seconds that each took, round by round; the first round is slower than all others, and not counted."""
    taken = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if number:
                taken[name].append(time.perf_counter() - start)
    return taken


def rows_of(taken, base, **what):
    """For each contender: median and quartiles of its seconds, and of the base's seconds divided by its own."""
    quartiles = lambda values: [float(f"{q:.4g}") for q in statistics.quantiles(values, n=4)]      # noqa: E731
    return [{**what, "name": name, "rounds": len(seconds), "seconds": quartiles(seconds), "base": base,
             "speed_up": quartiles([a / b for a, b in zip(taken[base], seconds)])} for name, seconds in taken.items()]


def layers(rounds, engines):
    rows = []
    for hidden, batch in SIZES:
        for training in (True, False):
            contenders = {name: layer_work(name, hidden, batch, training) for name in engines}
            contenders["floor"] = floor(hidden, STEPS * batch, 3 if training else 1)
            taken = in_turns(contenders, rounds if hidden < 1024 or batch == 1 else max(5, rounds // 5))
            work = "training" if training else "inference"
            rows += rows_of(taken, "vendor", work=work, hidden=hidden, batch=batch, steps=STEPS)
            tell(rows[-len(contenders):])
    return rows


def epochs(count, allocator):
    import source_experiment as source
    d2l = source.import_d2l()
    data, ids = source.novel(d2l)
    torch.manual_seed(0)
    contenders = {"source, scratch": source.Source(d2l, data, concise=False),
                  "source, concise": source.Source(d2l, data, concise=True)}
    for engine in ("vendor", "manual", "cpu"):
        contenders[engine] = source.Ours(ids, LSTM(len(data.vocab), source.HIDDEN, engine=engine), seed=0)
    works = {name: contender.epoch for name, contender in contenders.items()}
    rows, head = source.STEPS * source.BATCH, torch.nn.Linear(source.HIDDEN, len(data.vocab))
    train, validate, states = floor(source.HIDDEN, rows, 3), floor(source.HIDDEN, rows, 1), torch.randn(rows, source.HIDDEN)
    logits = torch.randn(rows, len(data.vocab))

    @torch.no_grad()
    def products():
        for _ in range(10):                                     # 10,000 windows to train on, 5,000 to validate
            train(), torch.mm(states, head.weight.T), torch.mm(logits, head.weight), torch.mm(logits.T, states)
        for _ in range(5):
            validate(), torch.mm(states, head.weight.T)

    taken = in_turns(works | {"floor": products}, count)
    return rows_of(taken, "source, scratch", work="epoch", allocator=allocator, hidden=source.HIDDEN, batch=source.BATCH,
                   steps=source.STEPS)


def tell(rows):
    for row in rows:
        times, speed_up = f"{1000 * row['seconds'][1]:9.2f} ms", " ".join(f"{q:.2f}" for q in row["speed_up"])
        print(f"{row['work']:10} hidden {row['hidden']:4} batch {row['batch']:4}  {row['name']:16} {times}  "
              f"{row['base']} / this: {speed_up}  {row.get('allocator', '')}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--compiled", action="store_true", help="with torch.compile of the loop: minutes more")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "engines.json")
    parser.add_argument("--only-epochs", metavar="ALLOCATOR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only_epochs:
        return print(json.dumps(epochs(args.epochs, args.only_epochs)))

    load = os.getloadavg()
    left_out = {"gpu"} if args.compiled else {"gpu", "compiled"}        # the first has gpu_engines.py
    rows = layers(args.rounds, [name for name in ENGINES if name not in left_out])
    for allocator, settings in (("as it is", {}), ("keeps what is freed", TUNED)):
        command = [sys.executable, __file__, "--epochs", str(args.epochs), "--only-epochs", allocator]
        done = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True, text=True)
        rows += json.loads(done.stdout.splitlines()[-1])
        tell(rows[-6:])
    write_record(args.out, "the LSTM's engines in turns; seconds and speed_up are quartiles over the rounds, speed_up is the "
                 "base's time divided by this one's; the floor is the products alone", "make bench-engines", rows,
                 threads=torch.get_num_threads(), load=[round(value, 1) for value in load])


if __name__ == "__main__":
    main()
