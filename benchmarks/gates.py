"""The LSTM with a part away or added, on the three tasks that need one gate each; in the manner of Greff et al. 2017.

    make bench-gates        # or: python benchmarks/gates.py [--seeds 5] [--updates 500] [--out FILE]

Every layer has as many units, and sees the same batches. The tasks and the training are those of the page "Gates on trial"
(unrolled.tasks.measure). The result goes to book/data/gates.json, a row for each task and layer, with the loss of each seed as a
share of what not remembering scores.
"""
import argparse
import pathlib
import statistics
import sys

from unrolled.recorded import write_record
from unrolled.tasks import KeepFirst, Reset, Skip, measure
from unrolled.variants import LSTMVariant

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS, HIDDEN, BIAS, LR = 30, 8, 3.0, 0.02
TASKS = {"keep": KeepFirst(STEPS, symbols=2), "skip": Skip(STEPS), "reset": Reset(STEPS)}
VARIANTS = {"LSTM": {}, "no input gate": {"without": "input gate"}, "no forget gate": {"without": "forget gate"},
            "no output gate": {"without": "output gate"}, "no input activation": {"without": "input activation"},
            "no output activation": {"without": "output activation"}, "coupled gates": {"coupled": True},
            "peepholes": {"peepholes": True}}


def rows(seeds: int, updates: int, hidden: int = HIDDEN, tasks=TASKS, variants=VARIANTS):
    """A row for each task and variant; weights are as large as the uniform ones of torch's own layers."""
    for task_name, task in tasks.items():
        for name, options in variants.items():
            def make():
                return LSTMVariant(task.num_inputs, hidden, forget_bias=BIAS, sigma=(3 * hidden) ** -0.5, **options)

            tries = measure(task, make, seeds, updates=updates, lr=LR)
            yield {"task": task_name, "layer": name, "hidden": hidden, "updates": updates, "baseline": task.baseline,
                   "share": [one.test_loss / task.baseline for one in tries], "right": [one.test_right for one in tries],
                   "solved": sum(one.solved for one in tries)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "gates.json")
    args = parser.parse_args()
    found = []
    for row in rows(args.seeds, args.updates):
        found.append(row)
        print(f"{row['task']:6} {row['layer']:22} {statistics.median(row['share']):8.3f}  solved {row['solved']} of {args.seeds}",
              file=sys.stderr, flush=True)
    write_record(args.out, "The LSTM without a part or with one more on three tasks: test loss as a share of what not "
                 "remembering scores, one entry a seed; solved is below a tenth", "make bench-gates", found, seeds=args.seeds, steps=STEPS)


if __name__ == "__main__":
    main()
