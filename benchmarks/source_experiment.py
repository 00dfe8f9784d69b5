"""The source's experiment, its code and ours, side by side in one run.

    make bench            # or: python benchmarks/source_experiment.py [--epochs 50] [--seeds 5] [--out FILE]

Four models train on the same windows with the same settings (10,000 windows of 32 characters, batch
1024, hidden 32, SGD 4, clip 1): the source's scratch and concise LSTM in the source's own trainer
(PyPI's d2l 1.0.3, live plotting off), and ours. A fifth is the book's better recipe on the same windows
and the same 32 units: AdamW, batch 128, one cycle, dropout, 8 epochs. They take turns epoch by epoch, so
that whatever else the machine does falls on all alike. Perplexities are measured by one function for
all. The result goes to book/data/source-experiment.json, from where the book shows it.

d2l is installed without its dependencies into a folder of the benchmark's own; its two imports that no
LSTM needs (torchvision) are answered by empty modules.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time
import types

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "bench"
NEEDS = ["d2l==1.0.3", "pandas==2.3.3", "pytz==2025.2", "scipy==1.16.3"]
STEPS, HIDDEN, BATCH, RATE, CLIP = 32, 32, 1024, 4.0, 1.0


def import_d2l():
    """d2l.torch from the benchmark's own folder; installed there on first use."""
    if not (SITE / "d2l").exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(SITE),
                        *NEEDS], check=True)
    sys.path.append(str(SITE))
    torchvision = types.ModuleType("torchvision")
    torchvision.transforms = types.ModuleType("torchvision.transforms")
    sys.modules |= {"torchvision": torchvision, "torchvision.transforms": torchvision.transforms}
    import d2l.torch
    return d2l.torch


def source_layer(d2l, concise):
    """The source's two layers. Its scratch LSTM stands only in print: eight products and four
    activations a step, in a Python loop, on one-hot input. Written here anew, with the same work."""

    class Scratch(d2l.Module):
        def __init__(self, num_inputs, num_hiddens, sigma=0.01):
            super().__init__()
            self.num_hiddens, self.sigma = num_hiddens, sigma
            for gate in "ifoc":
                for name, shape in (("x", (num_inputs, num_hiddens)), ("h", (num_hiddens, num_hiddens))):
                    self.register_parameter(f"W_{name}{gate}", nn.Parameter(torch.randn(shape) * sigma))
                self.register_parameter(f"b_{gate}", nn.Parameter(torch.zeros(num_hiddens)))

        def forward(self, inputs, state=None):
            if state is None:
                H = torch.zeros((inputs.shape[1], self.num_hiddens), device=inputs.device)
                C = torch.zeros((inputs.shape[1], self.num_hiddens), device=inputs.device)
            else:
                H, C = state
            outputs = []
            for X in inputs:
                I = torch.sigmoid(torch.matmul(X, self.W_xi) + torch.matmul(H, self.W_hi) + self.b_i)
                F = torch.sigmoid(torch.matmul(X, self.W_xf) + torch.matmul(H, self.W_hf) + self.b_f)
                O = torch.sigmoid(torch.matmul(X, self.W_xo) + torch.matmul(H, self.W_ho) + self.b_o)
                N = torch.tanh(torch.matmul(X, self.W_xc) + torch.matmul(H, self.W_hc) + self.b_c)
                C = F * C + I * N
                H = O * torch.tanh(C)
                outputs.append(H)
            return outputs, (H, C)

    class Concise(d2l.Module):
        def __init__(self, num_inputs, num_hiddens):
            super().__init__()
            self.num_hiddens = num_hiddens
            self.rnn = nn.LSTM(num_inputs, num_hiddens)

        def forward(self, inputs, state=None):
            return self.rnn(inputs, state)

    return Concise if concise else Scratch


class Source:
    """One model of the source in the source's trainer, advanced an epoch at a time."""

    def __init__(self, d2l, data, concise):
        size = len(data.vocab)
        layer = source_layer(d2l, concise)(size, HIDDEN)
        self.model = (d2l.RNNLM if concise else d2l.RNNLMScratch)(layer, vocab_size=size, lr=RATE)
        self.model.board.display = False
        self.model.plot = lambda *args, **kwargs: None          # live plotting would cost it another fifth
        self.trainer = d2l.Trainer(max_epochs=1, gradient_clip_val=CLIP)
        self.trainer.prepare_data(data)
        self.model(data.X[:2])                                  # materialises the lazy output layer
        self.trainer.prepare_model(self.model)
        self.trainer.optim = self.model.configure_optimizers()
        self.trainer.epoch = self.trainer.train_batch_idx = self.trainer.val_batch_idx = 0

    def epoch(self):
        self.trainer.fit_epoch()

    def logits(self, inputs):
        return self.model(inputs.T).transpose(0, 1)             # (steps, batch, vocabulary)


class Ours:
    """One of the package's layers in the package's trainer, advanced an epoch at a time."""

    def __init__(self, ids, layer, seed, sigma=None):
        from unrolled.models import LanguageModel
        from unrolled.text import source_split
        from unrolled.training import Trainer
        split = source_split(ids, STEPS)
        self.model = LanguageModel(layer, layer.num_inputs, sigma=sigma)
        self.trainer = Trainer(self.model, split.train, split.validation, optimizer="sgd", lr=RATE, clip=CLIP,
                               batch_size=BATCH, seed=seed)

    def epoch(self):
        self.trainer.fit(1, progress=False)

    def logits(self, inputs):
        return self.model(inputs)[0]


class Recipe(Ours):
    """The book's better recipe: its few epochs are one turn, since its schedule spans them."""

    def __init__(self, ids, layer, seed):
        from unrolled.frameworks.experiment import RECIPE
        from unrolled.models import LanguageModel
        from unrolled.text import source_split
        from unrolled.training import Trainer
        split, self.epochs = source_split(ids, STEPS), RECIPE.epochs
        self.model = LanguageModel(layer, layer.num_inputs, dropout=RECIPE.dropout)
        self.trainer = Trainer(self.model, split.train, split.validation, optimizer=RECIPE.optimizer, lr=RECIPE.lr,
                               clip=RECIPE.clip, batch_size=RECIPE.batch_size, schedule="one-cycle", seed=seed)

    def epoch(self):
        if not len(self.trainer.history):
            self.trainer.fit(self.epochs, progress=False)


@torch.no_grad()
def validation_perplexity(contender, windows):
    """exp of the mean loss over all validation characters: one measure for everybody."""
    contender.model.eval()
    total = 0.0
    for inputs, targets in windows.batches(BATCH):              # (steps, batch) each
        logits = contender.logits(inputs)
        total += nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
    contender.model.train()
    return math.exp(total / (len(windows) * STEPS))


def novel(d2l):
    """d2l's data, made of the novel, and the very ids that d2l trains on."""
    from unrolled.text import load_corpus
    corpus = load_corpus()
    if corpus.stand_in:
        sys.exit("this benchmark compares with numbers on the novel, and the novel could not be had")

    class TimeMachine(d2l.TimeMachine):
        def _download(self):
            return corpus.text

    data = TimeMachine(BATCH, STEPS)
    return data, torch.cat([data.X[0], data.Y[:, -1]])


def for_each_allocator(program, *options):
    """The rows that a program prints with the allocator as it is, and told, before it starts, to keep what is freed."""
    from unrolled.allocator import KEEP
    for allocator, settings in (("as it is", {}), ("keeps what is freed", KEEP)):
        command = [sys.executable, program, *map(str, options), "--only", allocator]
        done = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True, text=True)
        yield from json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "book" / "data" / "source-experiment.json")
    args = parser.parse_args()

    d2l = import_d2l()
    from unrolled.layers import LSTM, LSTMScratch
    from unrolled.recorded import write_record
    from unrolled.text import source_split
    data, ids = novel(d2l)
    size = len(data.vocab)
    validation = source_split(ids, STEPS).validation
    assert torch.equal(validation[torch.arange(3)][0].T, data.X[10_000:10_003]), "the two validate on different text"

    names = ["source, scratch", "source, concise", "unrolled, scratch", "unrolled, concise", "unrolled, better recipe"]
    seconds = {name: [] for name in names}                      # of every epoch
    whole = {name: [] for name in names}                        # of every training
    final = {name: [] for name in names}
    for seed in range(args.seeds):
        torch.manual_seed(seed)
        contenders = {
            names[0]: Source(d2l, data, concise=False),
            names[1]: Source(d2l, data, concise=True),
            names[2]: Ours(ids, LSTMScratch(size, HIDDEN), seed, sigma=0.01),
            names[3]: Ours(ids, LSTM(size, HIDDEN), seed),
            names[4]: Recipe(ids, LSTM(size, HIDDEN, forget_bias=0.0), seed),
        }
        taken = {name: [] for name in names}
        for epoch in range(args.epochs):
            for name, contender in contenders.items():
                start = time.perf_counter()
                contender.epoch()
                taken[name].append(time.perf_counter() - start)
            print(f"seed {seed} epoch {epoch + 1:2d}  " + "  ".join(f"{n} {s[-1]:.2f} s" for n, s in taken.items()), file=sys.stderr)
        few = contenders[names[4]].epochs
        taken[names[4]] = [taken[names[4]][0] / few] * few
        for name, contender in contenders.items():
            seconds[name] += taken[name]
            whole[name].append(sum(taken[name]))
            final[name].append(round(validation_perplexity(contender, validation), 3))

    rows = []
    for name in names:
        ratio = statistics.quantiles([a / b for a, b in zip(seconds[names[0]], seconds[name])], n=4)
        rows.append({"name": name, "epochs": len(seconds[name]) // args.seeds,
                     "seconds_per_epoch": round(statistics.median(seconds[name]), 4),
                     "speed_up": round(ratio[1], 3), "speed_up_quartiles": [round(ratio[0], 3), round(ratio[2], 3)],
                     "whole_speed_up": [round(a / b, 2) for a, b in zip(whole[names[0]], whole[name])],
                     "validation_perplexity": final[name]})
    write_record(args.out, "the source's experiment: its code and ours, interleaved epoch by epoch; speed_up is the median "
                 "over epochs of the source's scratch time divided by this one's, whole_speed_up the same of whole "
                 "trainings, one a seed; training and validation included", "make bench", rows, versions={"d2l": "1.0.3"},
                 epochs=args.epochs, seeds=args.seeds, threads=torch.get_num_threads())
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
