"""The whole book, by counting, by the page's network, and by a larger one.

    make bench-whole-book      # or: python benchmarks/whole_book.py [--seeds 3] [--device auto] [--[no-]large] [--try]

Every n-gram of both kinds; the page's recipe with each seed; and, where there is a GPU, a larger network that no page could
train while it is built. All are judged alike: trained on the first nine tenths, decided on the next twentieth, read as one
stream, bits per character of the last twentieth. The record is book/data/whole-book.json, and beside it the network of the
first seed, which the page about its state looks into. --try trains everything for two passes, and keeps nothing.
"""
import argparse
import math
import pathlib
import sys
import time

import torch

from unrolled.device import choose_device
from unrolled.judging import best_share, mixed, surprise
from unrolled.layers import LSTM
from unrolled.models import LanguageModel, save
from unrolled.ngram import KneserNey, WittenBell
from unrolled.recorded import write_record
from unrolled.text import Streams, Vocabulary, load_corpus, split_ids
from unrolled.training import Trainer

DATA = pathlib.Path(__file__).resolve().parent.parent / "book" / "data"
ORDERS = range(1, 9)
PAGE = {"hidden": 256, "dropout": 0.5, "input_dropout": 0.15, "lr": 0.015, "weight_decay": 0.05, "streams": 16, "steps": 64,
        "epochs": 40}
LARGE = PAGE | {"hidden": 1024, "dropout": 0.7, "input_dropout": 0.2, "lr": 0.005, "weight_decay": 0.1, "epochs": 120}


def network(name, recipe, seed, vocab, parts, counted, device):
    """A row of the record, and the trained model."""
    train, validation, test = parts
    torch.manual_seed(seed)
    layer = LSTM(len(vocab), recipe["hidden"], forget_bias=1.0, engine="auto")
    model = LanguageModel(layer, len(vocab), dropout=recipe["dropout"], input_dropout=recipe["input_dropout"])
    trainer = Trainer(model, Streams(train, recipe["streams"], recipe["steps"]), Streams(validation, 1, 1024),
                      optimizer="adamw", lr=recipe["lr"], weight_decay=recipe["weight_decay"], batch_size=recipe["streams"],
                      schedule="one-cycle", seed=seed, device=device)
    start = time.perf_counter()
    history = trainer.fit(recipe["epochs"])
    row = {"name": name, "seed": seed, **recipe, "weights": sum(p.numel() for p in model.parameters()),
           "updates": recipe["epochs"] * trainer.steps_per_epoch, "seconds": round(time.perf_counter() - start, 1),
           "curve": [round(bits, 4) for bits in history.bits_per_character]}
    ours, theirs = ({part: bits for part, bits in zip(("validation", "test"), pair)} for pair in (
        [surprise(model, ids) for ids in (validation, test)], [counted(ids) for ids in (validation, test)]))
    share = best_share(ours["validation"], theirs["validation"])
    for part in ours:
        row |= {part: rounded(ours[part].mean()), f"{part} with counts": rounded(mixed(ours[part], theirs[part], share).mean())}
    return row | {"share": share, "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type}, model


def bits_of(counts, ids):
    """Bits of every token but the first, (tokens - 1,)."""
    ids = ids.tolist()
    return torch.tensor(counts.losses(ids[1:], ids[:1])).double() / math.log(2)


def rounded(value):
    return float(f"{float(value):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default=None, help="auto unless told, as in the package")
    parser.add_argument("--large", action=argparse.BooleanOptionalAction, default=None, help="where there is a GPU unless told")
    parser.add_argument("--try", dest="trial", action="store_true", help="two passes each, and nothing is kept")
    parser.add_argument("--out", type=pathlib.Path, default=DATA / "whole-book.json")
    args = parser.parse_args()

    device = choose_device(args.device)
    corpus = load_corpus()
    if corpus.stand_in:
        sys.exit("the record is about the novel, and it is not here: run `unrolled data fetch` first")
    vocab = Vocabulary.from_text(corpus.text)
    parts = train, validation, test = split_ids(vocab.encode(corpus.text))
    rows, best = [], None
    for kind in (WittenBell, KneserNey):
        for order in ORDERS:
            counts = kind(train.tolist(), order, len(vocab))
            rows.append({"name": kind.__name__, "order": order, "validation": rounded(bits_of(counts, validation).mean()),
                         "test": rounded(bits_of(counts, test).mean())})
            if best is None or rows[-1]["validation"] < best[0]:
                best = rows[-1]["validation"], counts
            print(rows[-1], file=sys.stderr)
    trainings = [("page", PAGE, seed) for seed in range(args.seeds)]
    if args.large or (args.large is None and device.type != "cpu"):
        trainings += [("large", LARGE, 0)]
    for name, recipe, seed in trainings:
        recipe = recipe | ({"epochs": 2} if args.trial else {})
        row, model = network(name, recipe, seed, vocab, parts, lambda ids: bits_of(best[1], ids), device)
        rows.append(row)
        print({key: value for key, value in row.items() if key != "curve"}, file=sys.stderr, flush=True)
        if name == "page" and seed == 0 and not args.trial:
            save(model, vocab, args.out.with_suffix(".safetensors"))
    if not args.trial:
        write_record(args.out, "bits per character of the whole book, cut 90/5/5, each part read as one stream; n-grams, the "
                     "page's network, and on a GPU a larger one", "make bench-whole-book", rows)


if __name__ == "__main__":
    main()
