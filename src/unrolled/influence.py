"""What a record of trials says: every change against the centre, and against the noise of the centre itself."""
import math
import numbers
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unrolled.trials import CENTRE, NAMES, Setting, shown

QUANTITIES = {"time": "time", "perplexity": "validation_perplexity"}     # name -> where a row has it
STATES = ("complete", "failed", "pruned", "stopped")
SIGMAS = 2                                                               # of the centre's trials, to either side


def check_rows(rows) -> None:
    """Raise ValueError, naming what is wrong, unless these are rows of a sweep."""
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise ValueError(f"trials are a list of rows, got {type(rows).__name__}")
    for k, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"row {k} of the trials is a {type(row).__name__}, not a dictionary")
        if missing := [name for name in (*NAMES, "seed", "state") if name not in row]:
            raise ValueError(f"row {k} of the trials lacks {', '.join(missing)}")
        if row["state"] not in STATES:
            raise ValueError(f"the state of row {k} is one of {', '.join(STATES)}, not {row['state']!r}")
        try:
            setting_of(row)
        except ValueError as error:
            raise ValueError(f"row {k} of the trials: {error}") from None
        for name in ("train_perplexity", "validation_perplexity", "seconds", "windows", "time"):
            value = row.get(name)
            if value is None and (name == "time" or row["state"] in ("failed", "pruned")):
                continue
            if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value < math.inf:
                raise ValueError(f"row {k} has {value!r} as {name}, where a number was expected")


def setting_of(row: Mapping) -> Setting:
    """The setting of a row."""
    return Setting(**{name: row[name] for name in NAMES})


@dataclass(frozen=True)
class Band:
    """The noise: where trials lie that differ in nothing but their seed."""

    mean: float
    low: float              # two standard deviations below the mean
    high: float
    trials: int


@dataclass(frozen=True)
class Effect:
    """A change, and what came of it.

    Attributes:
        values: of its trials; a training that failed counts as infinite perplexity.
        band: of the centre.
    """

    values: tuple[float, ...]
    band: Band

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def sign(self) -> str:
        """"+" or "-" where every trial lies outside of the band on the same side, else "0": within the noise."""
        if min(self.values) > self.band.high:
            return "+"
        return "-" if max(self.values) < self.band.low else "0"


class Measured:
    """A record of trials, to be asked.

    Raises:
        ValueError: rows that are no trials, or fewer than two whole ones of the centre, without which
            there is no noise to compare with.
    """

    def __init__(self, record: Mapping):
        if not isinstance(record, Mapping) or "rows" not in record:
            raise ValueError("a record of trials is a dictionary with rows, as `unrolled sweep --export` writes it")
        check_rows(record["rows"])
        self.all = [(setting_of(row), row) for row in record["rows"] if row["state"] != "pruned"]
        for quantity in QUANTITIES:
            self.band(quantity)

    def rows(self, changes: Mapping | None = None) -> list[Mapping]:
        """The trials of the centre with these changes, pruned ones left out."""
        wanted = Setting(**{name: getattr(CENTRE, name) for name in NAMES} | dict(changes or {}))
        return [row for setting, row in self.all if setting == wanted]

    def values(self, name: str, also: Mapping | None = None) -> list:
        """The values of a hyperparameter that were tried, all others as at the centre but for ``also``; in order."""
        held = {one: getattr(CENTRE, one) for one in NAMES if one != name} | dict(also or {})
        found = {getattr(setting, name) for setting, _ in self.all
                 if all(getattr(setting, one) == value for one, value in held.items())}
        return sorted(found, key=lambda value: math.inf if name == "clip" and value == 0 else value)    # none is the loosest

    def partners(self, name: str) -> list[str]:
        """The hyperparameters that were changed together with this one."""
        pairs = [setting.differences(CENTRE) for setting, _ in self.all]
        return [other for other in NAMES if other != name and any({name, other} == set(pair) for pair in pairs)]

    def band(self, quantity: str) -> Band:
        """The noise of the centre in "time" or "perplexity"."""
        values = [row[QUANTITIES[quantity]] for row in self.rows() if row.get(QUANTITIES[quantity]) is not None]
        if len(values) < 2:
            raise ValueError(f"the record has {len(values)} trials of the centre with a {quantity}: two at least tell the noise")
        mean, spread = statistics.fmean(values), SIGMAS * statistics.stdev(values)
        return Band(mean, mean - spread, mean + spread, len(values))

    def effect(self, changes: Mapping, quantity: str) -> Effect:
        """What came of a change.

        Raises:
            ValueError: it was not tried, or all of its trainings failed and it has no time.
        """
        rows = self.rows(changes)
        values = [row.get(QUANTITIES[quantity]) for row in rows]
        if quantity == "perplexity":
            values = [math.inf if value is None else value for value in values]
        values = tuple(value for value in values if value is not None)
        if not values:
            tried = "no trial" if not rows else "no whole trial"
            raise ValueError(f"the record has {tried} with {', '.join(f'{name} {shown(name, value)}' for name, value in changes.items())}")
        return Effect(values, self.band(quantity))
