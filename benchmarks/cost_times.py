"""RNN, GRU and LSTM of torch.nn side by side: how long training and inference take, from small to large.

    make bench-costs        # or: python benchmarks/cost_times.py [--rounds 5] [--out FILE]

Three works (unrolled.timing) at each setting, the three kinds in turns. The settings are gone through
several times, so that a minute in which the machine was busy spoils none of them. Ratios to the RNN are
taken turn by turn. The result goes to book/data/cost-times.json, from where the book shows it.
"""
import argparse
import pathlib
import sys

import torch

from unrolled.recorded import write_record
from unrolled.timing import WORKS, summary, turns

ROOT = pathlib.Path(__file__).resolve().parent.parent
INPUTS, STEPS = 28, 32                                              # the book's characters and windows
SETTINGS = [(hidden, batch) for batch in (1, 64, 1024) for hidden in (16, 32, 64, 128, 256, 512, 1024)
            if batch * hidden ** 2 <= 1024 * 256 ** 2]              # above, one turn takes ten seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "cost-times.json")
    args = parser.parse_args()

    torch.manual_seed(0)
    taken = {(hidden, batch, work): [] for hidden, batch in SETTINGS for work in WORKS}
    for number in range(args.rounds):
        for hidden, batch, work in taken:
            taken[hidden, batch, work] += turns(work, INPUTS, hidden, STEPS, batch, seconds=0.3)
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    rows = [{"work": work, "num_inputs": INPUTS, "num_hiddens": hidden, "steps": STEPS, "batch": batch,
             "turns": len(those), **summary(those)} for (hidden, batch, work), those in taken.items()]
    write_record(args.out, "RNN, GRU and LSTM of torch.nn in turns, one layer; seconds are medians over the turns, "
                 "ratios to the RNN of the same turn are quartiles; training is forward and backward, reading one "
                 "call without gradients, writing a call a step without gradients",
                 "make bench-costs", rows, threads=torch.get_num_threads())
    for row in rows:
        ratios = "  ".join(f"{kind} {low:.2f} {middle:.2f} {high:.2f}" for kind, (low, middle, high) in row["ratio"].items())
        print(f"{row['work']:8} batch {row['batch']:4} hidden {row['num_hiddens']:4}  "
              f"{1000 * row['seconds']['rnn']:8.2f} ms  {ratios}")


if __name__ == "__main__":
    main()
