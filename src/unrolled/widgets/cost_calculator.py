"""RNN, GRU and LSTM side by side: what is counted, and what the clock says."""
import math
import numbers
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import traitlets
from torch import nn

from unrolled.cost import BOXES, cost
from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.models import LanguageModel, single_layers
from unrolled.timing import WORKS, summary, turns
from unrolled.widgets.base import Widget, module

GREATEST = {"num_inputs": 65536, "num_hiddens": 4096, "steps": 4096, "batch": 4096}
BYTES = {"float32": 4, "float16": 2}
TITLES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
MARKERS = {"rnn": "^", "gru": "s", "lstm": "o"}
COUNTS = {"parameters": "parameters", "stored_parameters": "parameters as the library stores them",
          "multiply_adds_forward": "multiply-adds forward", "multiply_adds_backward": "multiply-adds backward",
          "training_values": "numbers kept in training", "inference_values": "state kept in inference"}
MEMORY = ("training_values", "inference_values")
AFFORDABLE = {"multiply_adds_forward": 10 ** 10, "training_values": 2 ** 28}    # of an LSTM that is to be timed


def three_digits(value: float) -> str:
    """100, 12.3 or 1.20."""
    return f"{value:#.3g}".rstrip(".")


def short(value: float, unit: str = "") -> str:
    """7 808; from a hundred thousand on 1.02 M; with a unit the prefix comes from a thousand on. As in the page."""
    if value < (999.5 if unit else 99999.5):
        return f"{value:,.0f}".replace(",", "\u202f") + (unit and f"\u202f{unit}")
    power = 0
    while float(f"{value:.3g}") >= 1000:
        value, power = value / 1000, power + 1
    return f"{three_digits(value)}\u202f{['', 'k', 'M', 'G', 'T', 'P'][power]}{unit}"


def check_rows(rows) -> None:
    """Raise ValueError, naming what is wrong, unless these are rows as ``unrolled.timing`` makes them."""
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise ValueError(f"measured times are a list of rows, got {type(rows).__name__}")
    for k, row in enumerate(rows):
        names = ("work", *GREATEST, "seconds", "ratio")
        if missing := [name for name in names if not isinstance(row, Mapping) or name not in row]:
            raise ValueError(f"row {k} of the measured times lacks {', '.join(missing)}")
        values = [row[name] for name in GREATEST]
        for name in ("seconds", "ratio"):
            if lacking := [kind for kind in TITLES if not isinstance(row[name], Mapping) or kind not in row[name]]:
                raise ValueError(f"row {k} has no {name} of {', '.join(lacking)}")
        values += [row["seconds"][kind] for kind in TITLES]
        for kind in TITLES:
            if not isinstance(row["ratio"][kind], Sequence) or len(row["ratio"][kind]) != 3:
                raise ValueError(f"row {k} has three quartiles as ratio of {kind}, got {row['ratio'][kind]!r}")
            values += row["ratio"][kind]
        for value in values:
            if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
                raise ValueError(f"row {k} holds {value!r} where a number above 0 was expected")
        if row["work"] not in WORKS:
            raise ValueError(f"the work of row {k} is one of {', '.join(WORKS)}, not {row['work']!r}")


def nearest(rows: Sequence[Mapping], setting: Mapping[str, int]) -> dict[str, Mapping]:
    """Work -> row, of the measured setting that is the fewest doublings away; none where nothing was measured."""
    def away(row):
        return sum(abs(math.log2(row[name] / setting[name])) for name in GREATEST)
    best = min(rows, key=away, default=None)
    return {row["work"]: row for row in rows if all(row[name] == best[name] for name in GREATEST)}


def sizes_of(model: nn.Module) -> dict:
    """num_inputs, num_hiddens and tokens of a language model's layer, one of ours, or one of torch.nn's.

    Raises:
        TypeError: something else.
        ValueError: several layers, or both directions: the calculator counts one layer.
    """
    layer, tokens = model, False
    if isinstance(model, LanguageModel):
        several, tokens = single_layers(model), model.embedding is None
        if len(several) > 1:
            raise ValueError(f"the calculator counts one layer, this model has {len(several)}: give it one of "
                             "model.layer.layers")
        layer = several[0]
    if isinstance(layer, nn.RNNBase):
        if layer.num_layers != 1 or layer.bidirectional or layer.proj_size:
            raise ValueError(f"the calculator counts one layer in one direction, without projection; got {layer}")
        return {"num_inputs": layer.input_size, "num_hiddens": layer.hidden_size}
    if getattr(layer, "kind", None) not in BOXES:
        raise TypeError(f"expected a language model or a recurrent layer, got {type(layer).__name__}")
    return {"num_inputs": layer.num_inputs, "num_hiddens": layer.num_hiddens, "tokens": tokens}


class CostCalculator(Widget):
    """Sliders for the sizes of one layer; beside what an RNN, a GRU and an LSTM then cost stands what was measured.

    Args:
        num_inputs, num_hiddens, steps, batch: 1 to 4096, the inputs up to 65,536.
        tokens: the inputs are tokens, whose product with the weights is a look-up.
        precision: "float32" or "float16", how many bytes a number takes.
        record: what ``make bench-costs`` wrote: ``rows``, ``machine`` and ``date``. Without it nothing
            measured is shown.

    All are synchronised with the page, and so is ``measured``: the rows of ``measure``. Counts are those of
    ``unrolled.cost``. Raises ValueError on sizes outside and on rows that are not whole.
    """

    _esm = module("cost_calculator.mjs")
    num_inputs = traitlets.Int(28).tag(sync=True)
    num_hiddens = traitlets.Int(32).tag(sync=True)
    steps = traitlets.Int(32).tag(sync=True)
    batch = traitlets.Int(1024).tag(sync=True)
    tokens = traitlets.Bool(False).tag(sync=True)
    precision = traitlets.Unicode("float32").tag(sync=True)
    record = traitlets.Dict().tag(sync=True)
    measured = traitlets.List().tag(sync=True)

    def __init__(self, num_inputs: int = 28, num_hiddens: int = 32, steps: int = 32, batch: int = 1024, *,
                 tokens: bool = False, precision: str = "float32", record: Mapping | None = None, **kwargs):
        super().__init__(num_inputs=num_inputs, num_hiddens=num_hiddens, steps=steps, batch=batch, tokens=tokens,
                         precision=precision, record={} if record is None else record, **kwargs)

    @classmethod
    def of(cls, model: nn.Module, **kwargs) -> "CostCalculator":
        """The calculator at the sizes of a model: a ``LanguageModel``, a layer of ours or of torch.nn.

        Raises:
            TypeError, ValueError: as ``sizes_of`` does.
        """
        return cls(**(sizes_of(model) | kwargs))

    @traitlets.validate(*GREATEST)
    def _check_size(self, proposal):
        name, value = proposal.trait.name, proposal.value
        if isinstance(value, bool) or not 1 <= value <= GREATEST[name]:
            raise ValueError(f"{name} is a whole number between 1 and {GREATEST[name]}, got {value!r}")
        return value

    @traitlets.validate("precision")
    def _check_precision(self, proposal):
        if proposal.value not in BYTES:
            raise ValueError(f"the precision is one of {', '.join(BYTES)}, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("record", "measured")
    def _check_times(self, proposal):
        check_rows(proposal.value.get("rows", []) if proposal.trait.name == "record" else proposal.value)
        return proposal.value

    @property
    def setting(self) -> dict[str, int]:
        """The four sizes as they are now."""
        return {name: getattr(self, name) for name in GREATEST}

    def measure(self, *, seconds: float = 0.5, device=None) -> list[dict]:
        """Time the three kinds of torch.nn here, at the sizes of now; the page shows it beside the record.

        Args:
            seconds: how long to time each work, at least; there are three.
            device: the CPU unless told.

        Returns:
            A row for each work, as ``measured`` keeps them.

        Raises:
            ValueError: sizes at which one turn would take many seconds, or gigabytes.
        """
        counts = cost("lstm", **self.setting)
        for name, most in AFFORDABLE.items():
            if (value := getattr(counts, name)) > most:
                raise ValueError(f"an LSTM of this size has {short(value)} {COUNTS[name]}, and only up to {short(most)} "
                                 "are timed here: take fewer hidden units, inputs, steps or a smaller batch")
        self.measured = [{"work": work} | self.setting
                         | summary(list(turns(work, **self.setting, seconds=seconds, device=device))) for work in WORKS]
        return self.measured

    def _counts(self) -> dict:
        return {kind: cost(kind, **self.setting, tokens=self.tokens) for kind in TITLES}

    def describe(self) -> str:
        counts = self._counts()
        times = {"by the book": self.record.get("rows", []), "on this machine": self.measured}
        text = [f"One layer with {self.num_inputs} {'tokens' if self.tokens else 'inputs'} and {self.num_hiddens} hidden "
                f"units, {self.steps} steps, batch {self.batch}, as {', '.join(TITLES.values())}."]
        for name, title in COUNTS.items():
            values = [getattr(one, name) for one in counts.values()]
            memory = [short(BYTES[self.precision] * value, "B") for value in values] if name in MEMORY else []
            text.append(f"{title.capitalize()}: {', '.join(map(short, values))}"
                        + (f" ({', '.join(memory)} in {self.precision})." if memory else "."))
        for where, rows in times.items():
            for work, row in nearest(rows, self.setting).items():
                ratios = " : ".join(f"{row['ratio'][kind][1]:.2g}" for kind in TITLES)
                text.append(f"Measured {where} at {row['num_inputs']} inputs, {row['num_hiddens']} hidden units, "
                            f"{row['steps']} steps, batch {row['batch']}, {work}: the time is {ratios}.")
        return "\n".join(text if any(times.values()) else [*text, "Nothing measured was given."])

    def picture(self) -> Picture:
        near = nearest(self.record.get("rows", []) or self.measured, self.setting)
        names = [name for name in COUNTS if name != "stored_parameters"]
        fig, axes = plt.subplots(2 if near else 1, 1, figsize=(6.0, 5.4 if near else 2.7), squeeze=False,
                                 layout="constrained")
        ax = axes[0, 0]
        for kind, one in self._counts().items():
            ax.plot([getattr(one, name) for name in names], range(len(names)), MARKERS[kind], color=COLORS[kind],
                    label=TITLES[kind])
        ax.set(xscale="log", xlim=(1, 1e17), xlabel="counted", yticks=range(len(names)),
               yticklabels=[COUNTS[name] for name in names])
        ax.invert_yaxis()
        fig.legend(loc="outside upper right", ncols=3, frameon=False)
        if near:
            ax, places = axes[1, 0], [(row, kind) for row in near.values() for kind in ("gru", "lstm")]
            for k, (row, kind) in enumerate(places):
                low, middle, high = row["ratio"][kind]
                look = {"marker": MARKERS[kind], "color": COLORS[kind]}
                ax.plot(BOXES[kind], k, markerfacecolor="white", **look)
                ax.plot([low, high], [k, k], color=COLORS[kind])
                ax.plot(middle, k, **look)
            ax.set(xscale="log", yticks=range(len(places)), xlabel="times as long as the RNN (hollow: as counted)",
                   yticklabels=[f"{row['work']}, {TITLES[kind]}" for row, kind in places])
            ax.set_xticks([0.5, 1, 2, 4, 8, 16, 32], ["½", "1", "2", "4", "8", "16", "32"])
            ax.minorticks_off()
            ax.invert_yaxis()
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture
