"""What a training leaves behind: its epochs, and snapshots of the model on the way. Nothing here needs torch."""
import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


def perplexity(loss: float) -> float:
    """exp of a loss in nats per token: among how many equally likely tokens the model chooses, in effect."""
    return math.exp(loss) if loss < 700 else math.inf


def bits(loss: float) -> float:
    """A loss in nats per token as bits per token."""
    return loss / math.log(2)


@dataclass(frozen=True)
class Row:
    """What one epoch leaves behind in every framework. Losses are in nats per token; seconds of training alone."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    seconds: float

    peak_memory = None          # nobody counts it there


@dataclass(frozen=True)
class Epoch:
    """What one epoch leaves behind. Losses are in nats per token."""

    epoch: int
    train_loss: float           # mean over the epoch, measured while the weights changed
    validation_loss: float | None
    gradient_norm: float        # median over the steps, before clipping
    seconds: float              # training alone
    tokens_per_second: float
    peak_memory: int | None = None      # bytes that tensors took at most while it trained; only CUDA counts them


@dataclass(frozen=True)
class Snapshot:
    """What a model wrote after an epoch, and where its gates stood; ``Snapshots`` takes them."""

    epoch: int                      # 0 is before the first
    prefix: str                     # what every sample begins with
    samples: dict[str, str]         # how it was decoded -> the text, prefix included
    gates: dict[str, list[int]]     # name -> histogram over [0, 1], in bins of equal width

    def share(self, gate: str, low: float, high: float) -> float:
        """Which part of a gate's values lies between two edges of the histogram."""
        counts = self.gates[gate]
        return sum(counts[round(low * len(counts)):round(high * len(counts))]) / sum(counts)

    def quantile(self, gate: str, q: float) -> float:
        """The value that a share ``q`` of a gate's values lies below, between a bin's edges by proportion."""
        if not 0 <= q <= 1:
            raise ValueError(f"a share of a gate's values lies between 0 and 1, got {q!r}")
        counts = self.gates[gate]
        ends = list(itertools.accumulate(counts))
        wanted = q * ends[-1]
        k = next(k for k, end in enumerate(ends) if counts[k] and end >= wanted)
        return (k + 1 - (ends[k] - wanted) / counts[k]) / len(counts)


@dataclass(repr=False)
class History:
    """The epochs of a training, in order, and the snapshots that were taken on the way.

    The trainings of ``unrolled.frameworks`` leave a ``Row`` an epoch, which tells less.
    """

    rows: list[Epoch | Row] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no epoch yet)"
        ends = {"training": self.train_perplexity[-1]}
        if self.final.validation_loss is not None:
            ends["validation"] = self.validation_perplexity[-1]
        shown = ", ".join(f"{name} {value:.2f}" for name, value in ends.items())
        memory = "" if self.peak_memory is None else f", at most {self.peak_memory / 1e6:,.1f} MB on the GPU"
        return f"History({len(self)} epochs, perplexity {shown}{memory})"

    def _column(self, name: str, function: Callable) -> list:
        values = [getattr(row, name) for row in self.rows]
        return [None if value is None else function(value) for value in values]

    @property
    def train_perplexity(self) -> list[float]:
        """Of each epoch."""
        return self._column("train_loss", perplexity)

    @property
    def validation_perplexity(self) -> list[float | None]:
        """After each epoch; None where there were no validation windows."""
        return self._column("validation_loss", perplexity)

    @property
    def bits_per_character(self) -> list[float | None]:
        """Of the validation text (bits per token, where tokens are not characters)."""
        return self._column("validation_loss", bits)

    @property
    def seconds(self) -> float:
        """Time spent training, in all."""
        return sum(row.seconds for row in self.rows)

    @property
    def peak_memory(self) -> int | None:
        """The bytes that tensors took at most on the GPU; None where no epoch counted them."""
        return max((row.peak_memory for row in self.rows if row.peak_memory is not None), default=None)

    @property
    def final(self) -> Epoch:
        """The last epoch."""
        return self._some()[-1]

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss (of the lowest training loss, where none is measured)."""
        measure = "train_loss" if self._some()[-1].validation_loss is None else "validation_loss"
        return min(self._some(), key=lambda row: getattr(row, measure))

    def _some(self) -> list[Epoch]:
        if not self.rows:
            raise ValueError("the history is empty: train for at least one epoch first")
        return self.rows

    def to_dict(self) -> dict:
        """Everything in plain lists and numbers, for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "snapshots": [dict(vars(one)) for one in self.snapshots]}

    @classmethod
    def from_dict(cls, data: dict) -> "History":
        """The inverse of ``to_dict``. Raises ValueError where a part is missing or unknown.

        One that was stored before there were snapshots has none, and no peak of the memory.
        """
        try:
            return cls([Epoch(**row) for row in data["rows"]], [Snapshot(**one) for one in data.get("snapshots", ())])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a stored history has rows of {', '.join(Epoch.__annotations__)} and snapshots of "
                             f"{', '.join(Snapshot.__annotations__)}; this one does not ({error})") from None
