"""``unrolled train``, ``generate`` and ``sweep``: the Python calls, with the same options, from a shell."""
import argparse
import json
import time
import warnings
from pathlib import Path

import torch

from unrolled import distributed, generation, layers, models, sweep, trials
from unrolled.acceleration import PRECISIONS
from unrolled.device import choose_device
from unrolled.files import write_whole
from unrolled.frameworks.experiment import RECIPES, Settings
from unrolled.layers.engines import ENGINES
from unrolled.text import Vocabulary, honest_split, load_corpus, source_split
from unrolled.history import bits, perplexity
from unrolled.training import OPTIMIZERS, SCHEDULES, Trainer, evaluate

LAYERS = [name for name in layers.__all__ if isinstance(getattr(layers, name), type) and name != "Stacked"]


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default where there is one to show."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def add_commands(subparsers) -> None:
    """Add the commands to what ``ArgumentParser.add_subparsers`` returned.

    Each sets ``run``, a function of the parsed arguments. It raises ValueError, RuntimeError or OSError
    with one sentence for whatever cannot be done.
    """
    _add_train(subparsers)
    _add_generate(subparsers)
    _add_sweep(subparsers)


def _add_train(subparsers) -> None:
    parser = subparsers.add_parser(
        "train", formatter_class=Help,
        help="train a language model on a text and save it",
        description="Train a recurrent language model on The Time Machine, or on a text of yours, and save "
                    "it. The defaults are the experiment of the book: 10,000 windows of 32 characters, SGD. Under "
                    "torchrun several processes train one model, with the curve of one: `torchrun --nproc-per-node 2 -m "
                    "unrolled train ...`; with --checkpoint and torchrun's --max-restarts they go on after one was killed.")
    parser.set_defaults(run=train)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="where the model goes (safetensors)")
    text = parser.add_argument_group("the text")
    text.add_argument("--text", type=Path, metavar="FILE", help="a text file of yours instead of the novel")
    text.add_argument("--level", choices=["char", "word"], default="char", help="what a token is")
    text.add_argument("--min-freq", type=int, default=1, metavar="N", help="rarer tokens are unknown")
    text.add_argument("--split", choices=["source", "honest"], default="source",
                      help="source: the first 10,000 windows train, the next 5,000 validate; "
                           "honest: the whole text, 90/5/5, nothing shared")
    text.add_argument("--num-steps", type=int, default=32, metavar="N", help="length of a window")
    model = parser.add_argument_group("the model")
    model.add_argument("--layer", choices=LAYERS, default="LSTM", help="the recurrent layer")
    model.add_argument("--num-layers", type=int, default=1, metavar="N",
                       help="how many, one on top of another")
    model.add_argument("--num-hiddens", type=int, default=32, metavar="N", help="hidden units in each")
    model.add_argument("--forget-bias", type=float, metavar="B",
                       help="first value of an LSTM's forget-gate bias")
    model.add_argument("--embedding", type=int, metavar="N", help="learn vectors of this size for the tokens")
    model.add_argument("--tied", action="store_true", help="head and embedding share their weight")
    model.add_argument("--engine", choices=["auto", *ENGINES], help="what computes an LSTM; vendor unless given")
    model.add_argument("--dropout", type=float, metavar="P", help=_by_recipe("before the head, and between layers", "dropout"))
    how = parser.add_argument_group("the training")
    how.add_argument("--recipe", choices=list(RECIPES), default="source",
                     help="what stands for the settings that are not given: source is the book's experiment; better goes "
                          "lower in 8 epochs; quick sees each window once")
    how.add_argument("--epochs", type=int, metavar="N", help=_by_recipe("passes over the training windows", "epochs"))
    how.add_argument("--optimizer", choices=list(OPTIMIZERS), help=_by_recipe("how the weights are changed", "optimizer"))
    how.add_argument("--lr", type=float, help=_by_recipe("learning rate; with a schedule its highest value", "lr"))
    how.add_argument("--schedule", choices=[s or "constant" for s in SCHEDULES],
                     help=_by_recipe("how the rate changes", "schedule"))
    how.add_argument("--batch-size", type=int, metavar="N",
                     help=_by_recipe("windows in a batch, of all processes together", "batch_size"))
    how.add_argument("--clip", type=float, metavar="NORM",
                     help=_by_recipe("largest norm of the gradient; 0 for no clipping", "clip"))
    how.add_argument("--weight-decay", type=float, default=0.0, metavar="W", help="of the optimizer")
    how.add_argument("--patience", type=int, metavar="N",
                     help="stop after N epochs without a better validation loss, and keep the best weights")
    how.add_argument("--until", type=float, metavar="PERPLEXITY",
                     help="stop after the first epoch whose validation perplexity is this or lower, and say how long it took")
    how.add_argument("--checkpoint", type=Path, metavar="FILE",
                     help="written after each epoch; where it exists already, the training goes on from it")
    how.add_argument("--seed", type=int, default=0, help="of the weights and of the order of the windows")
    how.add_argument("--device", help="cuda, mps, cpu; the best there is unless given")
    how.add_argument("--precision", choices=[p for p in PRECISIONS if p],
                     help="mixed precision: 16 bits in the products; auto takes them where they can help")
    how.add_argument("--compile", action="store_true",
                     help="put the training steps through torch.compile, or say why that cannot be")
    how.add_argument("--history", type=Path, metavar="FILE",
                     help="write the losses of every epoch here (JSON)")
    how.add_argument("--allocator", choices=["keep", "as-is"], default="keep",
                     help="keep: on Linux the command starts itself once more with glibc's MALLOC_MMAP_THRESHOLD_, "
                          "MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ raised, those that you have not set yourself, so that "
                          "memory freed by one step is there for the next; as-is: it does not")


def _settings(recipe: Settings) -> dict:
    """What a recipe says, by the names of the options."""
    said = {name: getattr(recipe, name) for name in ("epochs", "optimizer", "lr", "batch_size", "clip", "dropout")}
    return said | {"schedule": "one-cycle" if recipe.one_cycle else "constant"}


def _by_recipe(text: str, option: str) -> str:
    """Help for an option whose default is the recipe's."""
    said = {name: _settings(recipe)[option] for name, recipe in RECIPES.items()}
    same = len(set(said.values())) == 1
    return f"{text} (default: {said['source'] if same else ', '.join(f'{value} of {name}' for name, value in said.items())})"


def _add_generate(subparsers) -> None:
    parser = subparsers.add_parser(
        "generate", formatter_class=Help,
        help="let a saved model write",
        description="Let a model that `unrolled train` saved go on with a text.")
    parser.set_defaults(run=generate)
    parser.add_argument("model", type=Path, metavar="FILE", help="the saved model")
    parser.add_argument("--prefix", default="it has",
                        help="the text to go on with, in tokens that the model knows")
    parser.add_argument("--num-tokens", type=int, default=20, metavar="N", help="how many tokens to add")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T",
                        help="0 takes the likeliest token; higher is bolder")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw among the K likeliest only")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--device", help="cuda, mps, cpu; the best there is unless given")


def _add_sweep(subparsers) -> None:
    parser = subparsers.add_parser(
        "sweep", formatter_class=Help,
        help="try many hyperparameters, in a study that several workers may share",
        description="Train many small models and keep time, perplexity and sample of each in an Optuna study. Run the "
                    "same command again to go on with a study that was stopped, or beside it, on this machine or "
                    "another, to share the work. Each trial sees the same number of training windows.")
    parser.set_defaults(run=run_sweep)
    parser.add_argument("mode", choices=["grid", "search"], nargs="?", default="grid",
                        help="grid: one hyperparameter at a time around the book's centre; search: Optuna chooses")
    study = parser.add_argument_group("the study")
    study.add_argument("--storage", default=sweep.STORAGE, metavar="URL",
                       help="the database, as Optuna names it; workers with the same one share the study")
    study.add_argument("--study", default=sweep.STUDY, metavar="NAME", help="its name in the storage")
    study.add_argument("--export", type=Path, metavar="FILE", help="in the end write all trials here (JSON)")
    every = parser.add_argument_group("every trial")
    every.add_argument("--windows", type=int, default=trials.WINDOWS, metavar="N", help="training windows that it sees")
    every.add_argument("--text", type=Path, metavar="FILE", help="a text file of yours instead of the novel")
    every.add_argument("--split", choices=list(trials.SPLITS), default="source", help="as of `unrolled train`")
    every.add_argument("--device", help="cuda, mps, cpu; the best there is unless given")
    which = parser.add_argument_group("which trials")
    which.add_argument("--vary", action="append", metavar="NAME=V,V,…",
                       help="of a grid: these values in place of the book's, as in --vary lr=1,4,16; may be repeated. "
                            f"Names: {', '.join(trials.NAMES)}")
    which.add_argument("--seeds", type=int, default=2, metavar="N", help="of a grid: how often each setting is run")
    which.add_argument("--trials", type=int, default=30, metavar="N", help="of a search: how many, all workers together")
    which.add_argument("--seed", type=int, default=0, help="of a search")


def _build(args, num_tokens: int) -> models.LanguageModel:
    """The model that the options describe."""
    if args.num_layers < 1:
        raise ValueError(f"num_layers is 1 or more, not {args.num_layers}")
    if args.embedding is not None and args.embedding < 1:
        raise ValueError(f"an embedding is 1 or more numbers wide, not {args.embedding}")
    cls = getattr(layers, args.layer)
    given = {"forget_bias": args.forget_bias, "engine": args.engine}
    options = {name: value for name, value in given.items() if value is not None}
    if "forget_bias" in options and not args.layer.startswith("LSTM"):
        raise ValueError(f"only an LSTM has a forget gate; --forget-bias does not go with {args.layer}")
    if "engine" in options and args.layer != "LSTM":
        raise ValueError(f"engines compute the layer LSTM; --engine does not go with {args.layer}")
    widths = [args.embedding or num_tokens] + [args.num_hiddens] * (args.num_layers - 1)
    stack = [cls(width, args.num_hiddens, **options) for width in widths]
    layer = stack[0] if len(stack) == 1 else layers.Stacked(stack, args.dropout)
    # The scratch layers start from a Gaussian of 0.01, and their head with them, as in the book.
    sigma = 0.01 if args.layer.endswith("Scratch") else None
    return models.LanguageModel(layer, num_tokens, embedding=args.embedding, tied=args.tied,
                                dropout=args.dropout, sigma=sigma)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8 (byte {error.start})") from None


def train(args) -> None:
    """Train as the options say, save the model, print how it went; under torchrun as one of several processes."""
    with distributed.group(args.device) as args.device:
        if distributed.rank():
            warnings.simplefilter("ignore")                 # the first says it for all
        _train(args, say=print if distributed.rank() == 0 else lambda *_: None)


def _train(args, say) -> None:
    vars(args).update({name: value for name, value in _settings(RECIPES[args.recipe]).items() if getattr(args, name) is None})
    if args.out.is_dir():
        raise ValueError(f"--out names a file for the model, and {args.out} is a folder")
    args.out.parent.mkdir(parents=True, exist_ok=True)      # fails now rather than after the training
    with distributed.one_first():
        if args.text is None:
            corpus = load_corpus()
            say(corpus.notice)
        text = _read(args.text) if args.text else corpus.text
        vocab = Vocabulary.from_text(text, args.level, min_freq=args.min_freq)
        split = (source_split if args.split == "source" else honest_split)(vocab.encode(text), args.num_steps)
        torch.manual_seed(args.seed)
        model = _build(args, len(vocab))
    trainer = Trainer(model, split.train, split.validation, optimizer=args.optimizer, lr=args.lr,
                      batch_size=args.batch_size, clip=args.clip or None, weight_decay=args.weight_decay,
                      schedule=None if args.schedule == "constant" else args.schedule, seed=args.seed, device=args.device,
                      precision=args.precision, compile=args.compile)
    history = trainer.history
    if args.checkpoint and args.checkpoint.exists():
        trainer.resume(args.checkpoint)
        say(f"going on after epoch {len(history)}")
    start = time.perf_counter()
    if len(history) < max(args.epochs, 1) and not trainer.enough(args.patience, args.until):
        trainer.fit(args.epochs - len(history), patience=args.patience, until=args.until, checkpoint=args.checkpoint)
    seconds = time.perf_counter() - start
    if not len(history):
        raise RuntimeError("interrupted before the first epoch was done: there is nothing to save")
    reached = args.until and trainer.enough(until=args.until)
    if args.patience:
        trainer.restore_best()
    if not distributed.rank():
        models.save(model, vocab, args.out)
        if args.history:
            rows = json.dumps(history.to_dict(), indent=1) + "\n"
            write_whole(args.history, lambda partial: partial.write_text(rows))
    several = f", {distributed.world()} processes" if distributed.world() > 1 else ""
    say(f"{len(history)} of {args.epochs} epochs, {history.seconds:.1f} s of training on {trainer.device}{several}: "
        f"perplexity {history.train_perplexity[-1]:.2f} in training, "
        f"{history.validation_perplexity[-1]:.2f} in validation")
    if reached:
        say(f"{args.until:g} in validation was reached after epoch {len(history)}: {history.seconds:.2f} s of training, "
            f"{seconds:.2f} s of this run with validation and checkpoints")
    elif args.until:
        say(f"{args.until:g} in validation was not reached: {min(history.validation_perplexity):.2f} at best")
    for note in trainer.notes:
        say(note)
    if history.peak_memory is not None:
        say(f"memory: tensors took at most {history.peak_memory / 1e6:,.1f} MB on {trainer.device}")
    if split.test is not None:
        loss = evaluate(model, split.test)
        say(f"test: perplexity {perplexity(loss):.2f}, {bits(loss):.3f} bits a token")
    say(f"saved as {args.out}")


def generate(args) -> None:
    """Print the prefix and, as they are chosen, the tokens that follow."""
    device = choose_device(args.device)
    model, vocab = models.load(args.model)
    tokens = generation.stream(model.to(device), vocab, args.prefix, args.num_tokens,
                               temperature=args.temperature, top_k=args.top_k, seed=args.seed)
    print(args.prefix, end="", flush=True)
    for token in tokens:
        print(("" if vocab.level == "char" else " ") + token, end="", flush=True)
    print()


def _value(name: str, text: str):
    """A hyperparameter's value out of the command line."""
    kind = type(getattr(trials.CENTRE, name, ""))
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"--vary {name} takes {'whole ' if kind is int else ''}numbers, not {text!r}") from None


def _varied(given: list[str] | None) -> dict | None:
    """``--vary lr=1,4`` as {"lr": [1.0, 4.0]}; None where it was not given."""
    if given is None:
        return None
    pairs = [text.partition("=")[::2] for text in given]
    if wrong := [name for name, values in pairs if not values]:
        raise ValueError(f"--vary is a name and values, as in lr=1,4,16; got {wrong[0]!r}")
    pairs = [(name.replace("-", "_"), values) for name, values in pairs]
    return {name: [_value(name, text) for text in values.split(",")] for name, values in pairs}


def _said(row: dict) -> str:
    """A trial in a line."""
    changes = trials.Setting(**{name: row[name] for name in trials.NAMES}).differences(trials.CENTRE)
    which = f"{trials.named(changes)} (seed {row['seed']})"
    if row["state"] != "complete":
        return f"{which}: {row['state']}, {row['cause']}"
    return (f"{which}: perplexity {row['train_perplexity']:.2f} in training, {row['validation_perplexity']:.2f} in validation, "
            f"{row['seconds']:.1f} s")


def run_sweep(args) -> None:
    """Make the trials that a study still lacks, and write the record."""
    if args.vary and args.mode == "search":
        raise ValueError("--vary goes with a grid: a search chooses by itself")
    plan = sweep.grid(_varied(args.vary), args.seeds)
    if args.text is None:
        corpus = load_corpus()
        print(corpus.notice)
    bench = trials.Bench(_read(args.text) if args.text else corpus.text, split=args.split, windows=args.windows,
                         device=args.device)
    study = sweep.Sweep(bench, storage=args.storage, study=args.study)
    for row in study.grid(plan) if args.mode == "grid" else study.search(args.trials, args.seed):
        print(_said(row), flush=True)
    print(f"{len(study.rows())} trials in the study {args.study!r}")
    if args.export:
        parts = {"text": args.text, "split": args.split, "windows": args.windows, "vary": args.vary}
        parts |= {"seeds": args.seeds} if args.mode == "grid" else {"trials": args.trials, "seed": args.seed}
        defaults = {"split": "source", "windows": trials.WINDOWS, "seeds": 2}
        options = [f"--{name} {one}" for name, value in parts.items() if value is not None and value != defaults.get(name)
                   for one in (value if isinstance(value, list) else [value])]
        study.export(args.export, " ".join([f"unrolled sweep {args.mode}", *options, f"--export {args.export}"]))
        print(f"recorded in {args.export}")
