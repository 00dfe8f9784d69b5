"""Many trials in one Optuna study, kept in a storage that several workers and machines may share."""
import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import torch

from unrolled.recorded import this_machine, write_record
from unrolled.training import NotFinite
from unrolled.trials import CENTRE, NAMES, Bench, Setting

STORAGE, STUDY = "sqlite:///sweep.db", "hyperparameters"
GRID = {
    "num_hiddens": (8, 16, 64, 128), "num_steps": (8, 16, 64, 128), "batch_size": (32, 64, 256, 1024),
    "lr": (0.25, 1.0, 16.0, 64.0), "optimizer": ("adamw",), "num_layers": (2, 3),
    "clip": (0.0, 0.01, 0.1, 10.0), "forget_bias": (-2.0, 1.0, 2.0, 4.0),
}
CROSSES = (
    *({"batch_size": batch, "lr": lr} for batch in (32, 1024) for lr in (1.0, 16.0)),
    *({"lr": lr, "clip": clip} for lr in (16.0, 64.0) for clip in (0.0, 0.1)),
    *({"optimizer": "adamw", "lr": lr} for lr in (0.001, 0.01, 0.1)),
    *({"num_steps": steps, "forget_bias": 2.0} for steps in (8, 128)),
)
STATES = {"COMPLETE": "complete", "FAIL": "failed", "PRUNED": "pruned"}
CENTRE_EVERY = 10            # in a grid, so many trials stand between two of the centre
SILENCE = 1800               # seconds without a word after which a trial on another machine counts as lost
WHAT = ("Trials of the character model on The Time Machine around one centre. Each sees the same number of training windows; "
        "seconds are of training alone (the processor's, on a CPU), time is their ratio to the centre's trials made nearest in "
        "time on the same machine; perplexity of training is the mean of the last pass, while the weights changed")


def load_optuna():
    """The optional package.

    Raises:
        RuntimeError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise RuntimeError("a sweep needs Optuna, which is not installed: pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def grid(vary: dict[str, Iterable] | None = None, seeds: int = 2) -> list[tuple[Setting, int]]:
    """(setting, seed) of every trial, in the order to run them: the centre comes back again and again.

    Args:
        vary: name -> values, one hyperparameter at a time; the book's grid with its crosses unless told.
        seeds: how often every setting is run. The centre has more, one seed for each time that it comes.

    Raises:
        ValueError: an unknown name, or a value out of its range.
    """
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise ValueError(f"seeds is a whole number of at least 1, not {seeds!r}")
    changes = [{name: value} for name, values in (GRID if vary is None else vary).items() for value in values]
    if unknown := [name for change in changes for name in change if name not in NAMES]:
        raise ValueError(f"there is no hyperparameter {unknown[0]!r}; there are {', '.join(NAMES)}")
    settings = dict.fromkeys(replace(CENTRE, **change) for change in (*changes, *(CROSSES if vary is None else ())))
    settings.pop(CENTRE, None)
    plan = [(setting, seed) for seed in range(seeds) for setting in settings]
    result = []
    for k in range(0, len(plan), CENTRE_EVERY):
        result += [(CENTRE, k // CENTRE_EVERY), *plan[k:k + CENTRE_EVERY]]
    return [*result, (CENTRE, -(-len(plan) // CENTRE_EVERY))]


def parameters(setting: Setting) -> dict:
    """A setting as Optuna's parameters: without clipping there is no norm, and each optimiser has a rate of its own."""
    params = asdict(setting)
    params["clipping"] = setting.clip > 0
    params[f"lr_{setting.optimizer}"] = params.pop("lr")
    if not setting.clip:
        del params["clip"]
    return params


def suggested(trial, like: Setting = CENTRE) -> Setting:
    """What Optuna chose for a trial, in ranges that are stretched to hold ``like``.

    The ranges of a search are sensible ones; a grid may go beyond them.
    """
    def number(suggest, name, low, high, value, log=True):
        return suggest(name, min(low, value), max(high, value), log=log)

    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adamw"])
    rates = {"sgd": (0.1, 30.0), "adamw": (1e-3, 0.1)}[optimizer]
    rate = like.lr if like.optimizer == optimizer else rates[0]
    clipping = trial.suggest_categorical("clipping", [True, False])
    return Setting(
        num_hiddens=number(trial.suggest_int, "num_hiddens", 8, 128, like.num_hiddens),
        num_steps=number(trial.suggest_int, "num_steps", 8, 128, like.num_steps),
        batch_size=number(trial.suggest_int, "batch_size", 16, 1024, like.batch_size),
        lr=number(trial.suggest_float, f"lr_{optimizer}", *rates, rate),
        optimizer=optimizer,
        num_layers=number(trial.suggest_int, "num_layers", 1, 3, like.num_layers, log=False),
        clip=number(trial.suggest_float, "clip", 0.01, 10.0, like.clip or 1.0) if clipping else 0.0,
        forget_bias=number(trial.suggest_float, "forget_bias", -2.0, 5.0, like.forget_bias, log=False))


def lost(trial) -> bool:
    """Whether a trial ended without a result and without a cause: interrupted, or its process is gone."""
    return trial.state.name == "FAIL" and "cause" not in trial.user_attrs


def gone(trial) -> bool:
    """Whether nobody is making a running trial any more, as far as can be told from here."""
    worker = trial.user_attrs.get("worker", {})
    if worker.get("host") == platform.node() and os.name == "posix":
        try:
            os.kill(worker["process"], 0)                 # asks, and does nothing
        except ProcessLookupError:
            return True
        except PermissionError:                           # another user's, and alive
            return False
    heard = trial.user_attrs.get("heard", trial.datetime_start.timestamp())
    return time.time() - heard > SILENCE


def ratios(trials: list[tuple]) -> list[float | None]:
    """The seconds of each trial over those of the centre, made just before and just after it on the same machine.

    A trial of the centre is compared with others of the centre. None where there are none, or no seconds.

    Args:
        trials: (setting, seconds or None, machine), in the order in which they began.
    """
    result = []
    for k, (_, seconds, machine) in enumerate(trials):
        near = [[one[1] for one in side if one[0] == CENTRE and one[1] and one[2] == machine][:1]
                for side in (trials[:k][::-1], trials[k + 1:])]
        centre = [one for side in near for one in side]
        result.append(seconds * len(centre) / sum(centre) if seconds and centre else None)
    return result


class Sweep:
    """A study, a bench, and the trials of the one on the other.

    A trial that was begun and never ended (its process was killed, or interrupted) is made again by whoever comes
    next. One whose training failed is kept as failed, with the cause.

    Args:
        bench: what all trials share. A study remembers it, and refuses another.
        storage: Optuna's: the address of a database. Workers that name the same share the study.
        study: its name.

    Attributes:
        study: the Optuna study. A trial's value is its perplexity in validation.

    Raises:
        RuntimeError: Optuna is not installed.
        ValueError: no study can be kept there, or it was begun on another bench.
    """

    def __init__(self, bench: Bench, *, storage: str = STORAGE, study: str = STUDY):
        self.optuna, self.bench = load_optuna(), bench
        self.worker = {"host": platform.node(), "process": os.getpid(), "machine": this_machine(),
                       "threads": torch.get_num_threads(), "device": bench.device.type}
        ours = {"text": bench.text, "split": bench.split, "windows": bench.windows}
        try:
            self.study = self.optuna.create_study(storage=storage, study_name=study, load_if_exists=True)
            theirs = self.study.user_attrs.get("bench", ours)
            self.study.set_user_attr("bench", theirs)
        except Exception as error:                        # every database has its own kinds
            raise ValueError(f"no study can be kept in {storage!r} ({str(error).splitlines()[0]})") from None
        if differing := [f"{name} {theirs[name]!r} (here {ours[name]!r})" for name in ours if theirs[name] != ours[name]]:
            raise ValueError(f"the study {study!r} in {storage!r} was begun with {', '.join(differing)}: "
                             "give the same, or the study another name")

    def grid(self, plan: list[tuple[Setting, int]]) -> Iterator[dict]:
        """Make the trials of a plan that nobody has made or is making; yields each row when it is done."""
        plan = [{"setting": asdict(setting), "seed": seed} for setting, seed in plan]
        while True:
            self._give_up_gone()
            known = [trial.user_attrs.get("plan") for trial in self._trials() if not lost(trial)]
            for one in plan:
                if one not in known:
                    self.study.enqueue_trial(parameters(Setting(**one["setting"])), user_attrs={"plan": one})
            if not any(trial.state.name == "WAITING" for trial in self._trials()):
                return
            trial = self.study.ask()
            if "plan" in trial.user_attrs:
                yield from self._make(trial)
            else:                                         # another worker took the last one, so Optuna drew one
                self._tell(trial, "FAIL")

    def search(self, trials: int, seed: int = 0) -> Iterator[dict]:
        """Let Optuna choose settings (Bergstra et al. 2011) until the study has so many trials of a search.

        Each has its own seed of the weights. One that is worse than the median at the same pass is pruned.

        Raises:
            ValueError: a number of trials below 1.
        """
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            raise ValueError(f"trials is a whole number of at least 1, not {trials!r}")
        self.study.pruner = self.optuna.pruners.MedianPruner(n_startup_trials=8, n_warmup_steps=1)
        while True:
            self._give_up_gone()
            there = self._trials()
            if sum("searched" in trial.user_attrs and not lost(trial) for trial in there) >= trials:
                return
            # A new sampler for each trial, so that a study that is gone on with draws nothing twice.
            self.study.sampler = self.optuna.samplers.TPESampler(seed=seed + len(there))
            trial = self.study.ask()
            if "plan" not in trial.user_attrs:            # else one that a grid left waiting
                trial.set_user_attr("searched", True)
                trial.set_user_attr("plan", {"setting": asdict(suggested(trial)), "seed": seed + trial.number})
            yield from self._make(trial)

    def rows(self) -> list[dict]:
        """Every trial that ended, in the order in which they began, as a record keeps them."""
        ended = sorted(self._ended(), key=lambda trial: trial.datetime_start)
        rows, clocked = [], []
        for trial in ended:
            known = trial.user_attrs
            cause = {"cause": known["cause"]} if "cause" in known else {}
            rows.append({**known["plan"]["setting"], "seed": known["plan"]["seed"], "state": STATES[trial.state.name],
                         **known.get("row", {}), **cause})
            clocked.append((Setting(**known["plan"]["setting"]), rows[-1].get("seconds"), known["worker"]["machine"]))
        for row, ratio in zip(rows, ratios(clocked)):
            if ratio is not None:
                row["time"] = float(f"{ratio:.4g}")
        return rows

    def export(self, path: str | os.PathLike, command: str) -> dict:
        """Write a record of all trials that ended, and return it.

        Raises:
            ValueError: none has.
        """
        ended = self._ended()
        if not ended:
            raise ValueError("no trial has ended yet: there is nothing to record")
        workers = [trial.user_attrs["worker"] for trial in ended]
        where = {name: list(dict.fromkeys(worker[name] for worker in workers)) for name in ("machine", "threads", "device")}
        where = {name: those[0] if len(those) == 1 else "; ".join(map(str, those)) for name, those in where.items()}
        return write_record(path, WHAT, command, self.rows(), machine=where["machine"],
                            date=max(trial.datetime_complete for trial in ended).date().isoformat(),
                            versions={"optuna": self.optuna.__version__}, threads=where["threads"], device=where["device"],
                            bench=self.study.user_attrs["bench"], centre=asdict(CENTRE))

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _ended(self):
        return [trial for trial in self._trials() if trial.state.name in STATES and "plan" in trial.user_attrs and not lost(trial)]

    def _give_up_gone(self) -> None:
        for trial in self._trials():
            if trial.state.name == "RUNNING" and gone(trial):
                self._tell(trial.number, "FAIL")

    def _tell(self, trial, state: str, value: float | None = None) -> None:
        self.study.tell(trial, value, state=self.optuna.trial.TrialState[state], skip_if_finished=True)

    def _make(self, trial) -> Iterator[dict]:
        """One trial, made and told to the study; nothing where an earlier one has the same plan."""
        plan, searched = trial.user_attrs["plan"], "searched" in trial.user_attrs
        if any(one.number < trial.number and one.user_attrs.get("plan") == plan and not lost(one) for one in self._trials()):
            return self._tell(trial, "FAIL")              # two workers planned it in the same moment
        setting, heard = Setting(**plan["setting"]), 0.0
        suggested(trial, setting)
        trial.set_user_attr("worker", self.worker)

        def on_step(seen, budget):
            nonlocal heard
            if time.monotonic() > heard + SILENCE / 30:
                heard = time.monotonic()
                trial.set_user_attr("heard", time.time())

        def on_epoch(history):
            reached = history.validation_perplexity[-1]
            trial.report(reached, len(history))
            if searched and trial.should_prune():
                raise self.optuna.TrialPruned(f"worse than the median: perplexity {reached:.4g} after pass {len(history)}")

        said = {**plan["setting"], "seed": plan["seed"]}
        try:
            row = self.bench.run(setting, plan["seed"], on_epoch=on_epoch, on_step=on_step)
            if not row["whole"]:
                raise KeyboardInterrupt                   # the trainer ends cleanly; a trial that is not whole is none
        except KeyboardInterrupt:
            self._tell(trial, "FAIL")
            raise
        except (NotFinite, ValueError, self.optuna.TrialPruned) as error:
            trial.set_user_attr("cause", str(error))
            state = "PRUNED" if isinstance(error, self.optuna.TrialPruned) else "FAIL"
            self._tell(trial, state)
            yield {**said, "state": STATES[state], "cause": str(error)}
        else:
            trial.set_user_attr("row", {name: row[name] for name in row if name not in (*NAMES, "seed", "whole")})
            self._tell(trial, "COMPLETE", row["validation_perplexity"])
            yield {**row, "state": "complete"}
