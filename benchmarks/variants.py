"""Variants and successors of the LSTM on one text, with equally many parameters: bits per character and time per step.

    make bench-variants     # or: python benchmarks/variants.py [--steps N] [--seeds 3] [--only NAME …] [--out FILE]

The task: the next character of the novel, all of it, in three parts that share nothing (90/5/5). 32 streams are read side by
side, 64 characters a step, the state carried on and the gradient cut between. AdamW, learning rate 0.02 after a warm-up
and down a cosine, weight decay 0.05, clipping at 1, forget bias 1, so many steps for each. Then validation and test text
are read as one stream each, from an empty state. Each variant is as wide as makes its model's parameters those of
an LSTM with 144 units. All are loops in plain PyTorch, so that their times can be compared with one another; a library's
LSTM is faster. Bidirectional layers are not here: they would see the character that they are to predict.

Seeds come one after the other, each run is recorded when it is done, and a benchmark that was stopped goes on from what
is recorded, if that has the same budget. The times of a training step are taken at the end, in turns. The result goes to
book/data/variants.json.
"""
import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import torch
from torch.nn.functional import cross_entropy

from unrolled.layers import GRUScratch, RNNScratch, Stacked, detach_state
from unrolled.models import LanguageModel, evaluating
from unrolled.recorded import write_record
from unrolled.text import Vocabulary, Windows, load_corpus, split_ids
from unrolled.training import clip_gradients, evaluate, no_subnormals
from unrolled.variants import MGU, MLSTM, SLSTM, Averaging, Dense, Highway, LSTMVariant, Noise, Residual, Transformer

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENS, STREAMS, WINDOW = 28, 32, 64
STEPS, SEEDS = 800, 3
LR, DECAY, WARM_UP, CLIP = 0.02, 0.05, 0.1, 1.0          # the warm-up is a share of the steps
VALIDATIONS, PATIENCE = 25, 3                            # where weights are averaged


def drawn(width):
    """Gaussian weights as large as the uniform ones of torch's own layers."""
    return {"sigma": (3 * width) ** -0.5}


def lstm(h, inputs=TOKENS, **options):
    return LSTMVariant(inputs, h, forget_bias=1.0, **drawn(h), **options)


def noisy(**probabilities):
    return lambda h: lstm(h, noise=Noise(**probabilities))


def stack(layers, h, between=lambda layer: layer, **options):
    return Stacked([lstm(h), *(between(lstm(h, h)) for _ in range(layers - 1))], **options)


def matrix(h, heads):
    return Residual(MLSTM(h, h, num_heads=heads, at_once=True, forget_bias=1.0, **drawn(h)), norm=True)


# The width that brings the model nearest to the LSTM's number of parameters, and the layer of that width.
VARIANTS = {
    "RNN": (295, lambda h: RNNScratch(TOKENS, h, **drawn(h))),
    "GRU": (168, lambda h: GRUScratch(TOKENS, h, **drawn(h))),
    "minimal gated unit": (207, lambda h: MGU(TOKENS, h, **drawn(h))),
    "LSTM": (144, lstm),
    "no input gate": (168, lambda h: lstm(h, without="input gate")),
    "no forget gate": (168, lambda h: lstm(h, without="forget gate")),
    "no output gate": (168, lambda h: lstm(h, without="output gate")),
    "no input activation": (144, lambda h: lstm(h, without="input activation")),
    "no output activation": (144, lambda h: lstm(h, without="output activation")),
    "coupled gates": (168, lambda h: lstm(h, coupled=True)),
    "peepholes": (144, lambda h: lstm(h, peepholes=True)),
    "full gate recurrence": (84, lambda h: lstm(h, gate_recurrence=True)),
    "layer normalisation": (143, lambda h: lstm(h, layer_norm=True)),
    "two layers": (87, lambda h: stack(2, h)),
    "four layers": (58, lambda h: stack(4, h)),
    "four layers, residual": (58, lambda h: stack(4, h, Residual)),
    "two layers, dropout between": (87, lambda h: stack(2, h, dropout=0.1)),
    "variational dropout": (144, noisy(inputs=0.05, state=0.1)),
    "recurrent dropout": (144, noisy(node=0.1)),
    "zoneout": (144, noisy(zoneout_C=0.1, zoneout_H=0.05)),
    "DropConnect": (144, noisy(weights=0.2)),
    "no weight decay": (144, lstm),
    "averaging": (144, lstm),
    "AWD": (144, noisy(inputs=0.05, weights=0.2)),
    "LSTM, four dense": (105, lambda h: Stacked([lstm(h), *(Dense(h, h, **drawn(h)) for _ in range(4))])),
    "LSTM, four dense residual": (105, lambda h: Stacked([lstm(h), *(Residual(Dense(h, h, **drawn(h))) for _ in range(4))])),
    "LSTM, four highway": (87, lambda h: Stacked([lstm(h), *(Highway(h, **drawn(h)) for _ in range(4))])),
    "sLSTM": (144, lambda h: SLSTM(TOKENS, h, forget_bias=1.0, **drawn(h))),
    "mLSTM, three residual": (88, lambda h: Stacked([matrix(h, 8) for _ in range(3)])),
    "xLSTM": (90, lambda h: Stacked([matrix(h, 2), Residual(SLSTM(h, h, forget_bias=1.0, **drawn(h)), norm=True)])),
    "Transformer": (64, lambda h: Transformer(TOKENS, h, context=WINDOW)),
}
AVERAGED, UNDECAYED = ("averaging", "AWD"), ("no weight decay",)


def build(name):
    """The model of a variant; a layer that takes no tokens is given an embedding as wide as itself."""
    width, make = VARIANTS[name]
    layer = make(width)
    return LanguageModel(layer, TOKENS, embedding=None if layer.num_inputs == TOKENS else width)


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def batches(ids, steps):
    """(inputs, targets) of so many steps, (64, 32) each, and whether the streams begin anew."""
    length = (len(ids) - 1) // STREAMS
    inputs, targets = (part[:STREAMS * length].view(STREAMS, length).T for part in (ids[:-1], ids[1:]))      # (length, 32)
    starts = range(0, length - WINDOW + 1, WINDOW)
    for step in range(steps):
        start = starts[step % len(starts)]
        yield inputs[start:start + WINDOW], targets[start:start + WINDOW], start == 0


def prepare(name, steps):
    """The untrained model, its optimiser and its schedule; averaging wants a rate that stays."""
    model = build(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.0 if name in UNDECAYED else DECAY)
    warm = max(1, round(WARM_UP * steps))

    def rate(step):
        along = min(1.0, max(0.0, (step - warm) / max(1, steps - warm)))
        return min(1.0, (step + 1) / warm) * (1.0 if name in AVERAGED else 0.5 + 0.5 * math.cos(math.pi * along))

    return model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def train_step(model, optimizer, inputs, targets, state):
    """One update; the loss in nats and the state, cut off from its history."""
    logits, state = model(inputs, state)
    loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    clip_gradients(model.parameters(), CLIP)
    optimizer.step()
    return loss.item(), detach_state(state)


def stream_bits(model, ids):
    """Bits per character of a text read as one stream, the state carried on; pieces so short that those which take all
    steps at once, in a table of steps by steps, have the room for it."""
    total, state = 0.0, None
    with evaluating(model):
        for inputs, targets in zip(ids[:-1, None].split(256), ids[1:].split(256)):
            logits, state = model(inputs, state)
            total += cross_entropy(logits[:, 0], targets, reduction="sum").item()
    return total / (len(ids) - 1) / math.log(2)


def run(name, seed, parts, steps):
    """Train and evaluate: a row of the record."""
    train, validation, test = parts
    torch.manual_seed(seed)
    model, optimizer, schedule = prepare(name, steps)
    averaging = Averaging(model, PATIENCE) if name in AVERAGED else None
    windows, every, state, losses, began = Windows(validation, WINDOW, WINDOW), max(1, steps // VALIDATIONS), None, [], None
    start = time.perf_counter()
    with no_subnormals():
        for step, (inputs, targets, anew) in enumerate(batches(train, steps), start=1):
            loss, state = train_step(model, optimizer, inputs, targets, None if anew else state)
            schedule.step()
            losses.append(loss)
            if averaging:
                averaging.stepped()
                if step % every == 0 and averaging.validated(evaluate(model, windows)) and began is None:
                    began = step
    seconds = time.perf_counter() - start
    best = averaging.model if averaging else model
    row = {"variant": name, "seed": seed, "num_hiddens": VARIANTS[name][0], "parameters": parameters(model), "steps": steps,
           "train_bits": statistics.fmean(losses[-max(1, steps // 10):]) / math.log(2),
           "validation_bits": stream_bits(best, validation), "test_bits": stream_bits(best, test), "seconds": seconds}
    row = {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in row.items()}
    return row | ({"averaged_from": began} if averaging else {})


def step_times(names, train, rounds):
    """The median milliseconds of a training step; every round takes one step of each, the first is not counted."""
    torch.manual_seed(0)
    inputs, targets, _ = next(batches(train, 1))
    ready = {name: prepare(name, 100)[:2] for name in names}
    taken, states = {name: [] for name in names}, dict.fromkeys(names)
    for _ in range(rounds + 1):
        for name, (model, optimizer) in ready.items():
            start = time.perf_counter()
            _, states[name] = train_step(model, optimizer, inputs, targets, states[name])
            taken[name].append(1000 * (time.perf_counter() - start))
    return [{"variant": name, "milliseconds": float(f"{statistics.median(those[1:]):.4g}"), "rounds": rounds}
            for name, those in taken.items()]


def table(rows, times):
    """A line a variant: width, parameters, time, and mean and spread of the test over the seeds."""
    milliseconds = {row["variant"]: row["milliseconds"] for row in times}
    yield f"{'variant':28} width parameters  ms/step  bits per character"
    for name in VARIANTS:
        own = [row for row in rows if row["variant"] == name]
        bits = [row["test_bits"] for row in own]
        if own:
            yield (f"{name:28} {own[0]['num_hiddens']:5} {own[0]['parameters']:10} {milliseconds.get(name, math.nan):8.1f}  "
                   f"{statistics.fmean(bits):.3f} ({min(bits):.3f} to {max(bits):.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=10, help="of the timing")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "variants.json")
    args = parser.parse_args()

    corpus = load_corpus()
    vocab = Vocabulary.from_text(corpus.text)
    assert len(vocab) == TOKENS, f"the benchmark is for {TOKENS} characters, and this text has {len(vocab)}"
    parts = split_ids(vocab.encode(corpus.text))
    budget = {"text": corpus.title, "stand_in": corpus.stand_in, "steps": args.steps, "streams": STREAMS, "window": WINDOW,
              "lr": LR, "weight_decay": DECAY, "warm_up": WARM_UP, "clip": CLIP, "validations": VALIDATIONS,
              "patience": PATIENCE, "split": [len(part) for part in parts]}
    before = json.loads(args.out.read_text(encoding="utf-8")) if args.out.is_file() else {}
    rows = before["rows"] if before.get("budget") == budget else []

    def record(times=()):
        write_record(args.out, "variants and successors of the LSTM as character language models with equally many "
                     "parameters; bits per character of text read as one stream, train_bits the mean loss of the last tenth "
                     "of the steps; milliseconds of a training step, median over rounds in which each takes its turn; "
                     "averaged_from is the step at which the averaging began",
                     "make bench-variants", rows, threads=torch.get_num_threads(), budget=budget, times=list(times))

    done = {(row["variant"], row["seed"]) for row in rows}
    to_do = [(name, seed) for seed in range(args.seeds) for name in args.only if (name, seed) not in done]
    for number, (name, seed) in enumerate(to_do, start=1):
        rows.append(run(name, seed, parts, args.steps))
        record()
        print(f"{number} of {len(to_do)}: {name}, seed {seed}: {rows[-1]['test_bits']:.3f} bits, {rows[-1]['seconds']:.0f} s",
              file=sys.stderr, flush=True)
    times = step_times(args.only, parts[0], args.rounds)
    record(times)
    print(*table(rows, times), sep="\n")


if __name__ == "__main__":
    main()
