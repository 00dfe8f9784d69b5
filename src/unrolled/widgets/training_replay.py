"""A training, replayed: the perplexity, and at each snapshot what the model wrote and where its gates stood."""
import math
import re

import matplotlib.pyplot as plt
import traitlets

from unrolled.figures.palette import COLORS
from unrolled.figures.curves import curves_of
from unrolled.figures.plots import LABELS, STYLES
from unrolled.figures.style import STYLE, Picture
from unrolled.probe import GATES
from unrolled.history import History, Snapshot
from unrolled.widgets.base import Widget, module

SHARES = {"below 0.1": (0.0, 0.1), "between 0.4 and 0.6": (0.4, 0.6), "above 0.9": (0.9, 1.0)}


def percent(part: float) -> str:
    """One decimal, a half rounded up as in the page."""
    return f"{math.floor(1000 * part + 0.5) / 10:.1f}\u202f%"


def loop(text: str, start: int = 0) -> tuple[int, int] | None:
    """Where a text begins to repeat itself to its end, and the length of a lap.

    It takes three laps and 15 characters to count as a loop, and it may not begin before ``start``.
    """
    for lap in range(1, len(text) // 3 + 1):
        first = len(text) - lap
        while first > start and text[first - 1] == text[first - 1 + lap]:
            first -= 1
        if len(text) - first >= max(15, 3 * lap):
            spaces = len(text[first:first + lap - 1]) - len(text[first:first + lap - 1].lstrip(" "))
            return first + spaces, lap              # a lap begins with its first letter
    return None


def visible(text: str) -> str:
    """Spaces that would not be seen, as open boxes."""
    return re.sub(" {2,}| $", lambda run: "␣" * len(run[0]), text)


def ending(name: str, text: str, prefix: str) -> str:
    """One sentence about the end of a sample."""
    found = loop(text, len(prefix) if text.startswith(prefix) else 0)
    if found is None:
        return f"The {name} text does not end in a loop."
    first, lap = found
    what = text[first:first + lap]
    if lap > 1:
        return f"The {name} text ends in a loop of {lap} characters, “{visible(what)}”."
    return f"The {name} text ends in nothing but " + ("spaces." if what == " " else f"“{what}”.")


def named(snapshot: Snapshot) -> list[str]:
    """A snapshot's gates in the order of ``GATES``."""
    return [name for name in GATES if name in snapshot.gates]


def check_snapshot(snapshot: Snapshot, first: Snapshot, epochs: int) -> None:
    """Raise TypeError or ValueError, in words, unless the page can show it beside the first one."""
    if not isinstance(snapshot, Snapshot):
        raise TypeError(f"a history keeps snapshots as Snapshot, got {type(snapshot).__name__}")
    where = f"the snapshot of epoch {snapshot.epoch!r}"
    if not isinstance(snapshot.epoch, int) or not 0 <= snapshot.epoch <= epochs:
        raise ValueError(f"{where} does not fit a history of {epochs} epochs")
    if list(snapshot.samples) != list(first.samples) or list(snapshot.gates) != list(first.gates):
        raise ValueError(f"{where} has other samples or gates than the first")
    if not all(isinstance(text, str) for text in (snapshot.prefix, *snapshot.samples.values())):
        raise TypeError(f"{where} has samples that are not text")
    for name, counts in snapshot.gates.items():
        if name not in GATES:
            raise ValueError(f"{where} has a gate {name!r}; gates are {', '.join(GATES)}")
        whole = all(isinstance(count, int) and count >= 0 for count in counts)
        if not whole or not sum(counts) or len(counts) != len(first.gates[name]):
            raise ValueError(f"{where} has a damaged histogram of gate {name}: counts are whole numbers, as many as "
                             f"in the first snapshot, and not all 0")


def packed(history: History) -> dict:
    """What the page needs of a history, without anything that depends on the machine's speed."""
    if not isinstance(history, History):
        raise TypeError(f"a History is replayed, as Trainer.fit returns it, got {type(history).__name__}")
    for row in history.rows:
        for name, loss in (("training", row.train_loss), ("validation", row.validation_loss)):
            if loss is not None and not -700 < loss < 700:
                raise ValueError(f"the {name} loss of epoch {row.epoch} is {loss}: there is no perplexity to draw")
    curves = curves_of(history, "perplexity")
    for snapshot in history.snapshots:
        check_snapshot(snapshot, history.snapshots[0], len(history))
    order = [snapshot.epoch for snapshot in history.snapshots]
    if order != sorted(set(order)):
        raise ValueError(f"the snapshots are not in the order of their epochs: {', '.join(map(str, order))}")
    return {"training": curves["training"], "validation": curves.get("validation", []),
            "snapshots": [dict(vars(snapshot)) for snapshot in history.snapshots]}


class TrainingReplay(Widget):
    """The perplexity of a training, a scrubber, and at each snapshot two samples and the spread of the gates.

    Snapshots come into a history when ``Trainer.fit`` is given ``on_epoch=Snapshots(...)``. Without any, the
    widget shows the curve and says how to record them.

    Args:
        history: a ``History`` of at least one epoch.
        epoch: the one to show first; the last recorded one unless told.

    ``epoch`` is synchronised with the page: it is the epoch that the reader looks at.

    Raises:
        TypeError: no ``History``, or a snapshot that is none.
        ValueError: an empty history, a loss that is not finite, a snapshot that does not fit, an epoch that was
            not recorded.
    """

    _esm = module("training_replay.mjs")
    history = traitlets.Dict().tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)

    def __init__(self, history: History, epoch: int | None = None, **kwargs):
        self.packed = packed(history)
        self.snapshots = {snapshot.epoch: snapshot for snapshot in history.snapshots}
        self.stops = list(self.snapshots) or list(range(1, len(history) + 1))
        super().__init__(history=self.packed, epoch=self.stops[-1] if epoch is None else epoch, **kwargs)

    @traitlets.validate("history")
    def _keep_history(self, proposal):
        if proposal.value != self.packed:
            raise ValueError("a replay keeps the history that it was made with: make another TrainingReplay")
        return proposal.value

    @traitlets.validate("epoch")
    def _check_epoch(self, proposal):
        if proposal.value not in self.stops:
            raise ValueError(f"the epochs recorded are {', '.join(map(str, self.stops))}; got {proposal.value!r}")
        return proposal.value

    def _sentences(self) -> list[str]:
        """As the page says them."""
        training, validation = self.history["training"], self.history["validation"]
        said = ["Before the first epoch."]
        if self.epoch:
            said = [f"After epoch {self.epoch} of {len(training)}: perplexity {training[self.epoch - 1]:.3g} in training"
                    + (f", {validation[self.epoch - 1]:.3g} in validation." if validation else ".")]
        if snapshot := self.snapshots.get(self.epoch):
            if "greedy" in snapshot.samples:
                said.append(ending("greedy", snapshot.samples["greedy"], snapshot.prefix))
            near = [f"{percent(snapshot.share(name, 0.4, 0.6))} of the {LABELS[name][:-2]}’s" for name in named(snapshot)]
            if near:
                said.append(f"Between 0.4 and 0.6 lie {', '.join(near).replace('’s', '’s values', 1)}.")
        return said

    def describe(self) -> str:
        snapshot, said = self.snapshots.get(self.epoch), self._sentences()
        if snapshot is None:
            return " ".join([*said, "No snapshots were taken during this training: give fit on_epoch=Snapshots(...) to "
                                    "see samples and gates."])
        said += [f"Sample, {name}: “{text}”." for name, text in snapshot.samples.items()]
        for name in named(snapshot):
            parts = ", ".join(f"{percent(snapshot.share(name, *ends))} {what}" for what, ends in SHARES.items())
            said.append(f"{LABELS[name].capitalize()}: median {snapshot.quantile(name, 0.5):.2f}, {parts}.")
        return " ".join(said)

    def picture(self) -> Picture:
        snapshot = self.snapshots.get(self.epoch)
        gates = named(snapshot) if snapshot else []
        with plt.rc_context(STYLE):
            fig, axes = plt.subplots(1 + len(gates), 2, figsize=(6.4, 2.8 + 1.25 * len(gates)), squeeze=False,
                                     sharex="col", width_ratios=(3, 1.3), height_ratios=(2,) + (1.2,) * len(gates))
            self._draw_curves(*axes[0])
            for name, pair in zip(gates, axes[1:]):
                self._draw_gate(name, *pair)
        for ax in axes[:, 0]:
            ax.axvline(self.epoch, color="black", lw=1)
            ax.set_xlim(0, len(self.history["training"]))
        axes[-1, 0].set_xlabel("epoch")
        if gates:
            axes[1, 1].set_title(f"epoch {self.epoch}", loc="left", pad=3)
        if snapshot:
            fig.suptitle("\n".join(f"{name}: {visible(text)}" for name, text in snapshot.samples.items()),
                         fontsize=8, family="monospace", x=0.02, ha="left")
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture

    def _draw_curves(self, ax, side) -> None:
        """Both curves, with a point at the chosen epoch and its values beside them."""
        chosen = [self.epoch - 1] if self.epoch else []
        for name, key, stroke in (("training", "train", "--"), ("validation", "validation", "-")):
            if values := self.history[name]:
                label = "\n".join([name, *(f"{values[k]:.3g}" for k in chosen)])
                ax.plot(range(1, len(values) + 1), values, stroke, color=COLORS[key], label=label, marker="o",
                        markevery=chosen)
        everything = self.history["training"] + self.history["validation"]
        if max(everything) > 30 * min(everything):
            ax.set_yscale("log")
        else:
            ax.set_ylim(0)
        ax.set(ylabel="perplexity")
        side.legend(*ax.get_legend_handles_labels(), loc="upper left", borderaxespad=0)
        side.axis("off")

    def _draw_gate(self, name: str, ax, side) -> None:
        """Bands of a gate's values over the epochs, and their histogram at the chosen one."""
        color, snapshots = COLORS[name], self.snapshots.values()
        for low, high, alpha in ((0.05, 0.95, 0.25), (0.25, 0.75, 0.4)):
            ax.fill_between(list(self.snapshots), [s.quantile(name, low) for s in snapshots],
                            [s.quantile(name, high) for s in snapshots], color=color, alpha=alpha, lw=0)
        ax.plot(list(self.snapshots), [s.quantile(name, 0.5) for s in snapshots], STYLES[name], color=color)
        counts = self.snapshots[self.epoch].gates[name]
        side.stairs(counts, [k / len(counts) for k in range(len(counts) + 1)], orientation="horizontal", fill=True, color=color)
        side.set(xticks=[], ylim=(0, 1), yticks=[0, 0.5, 1], yticklabels=[])
        ax.set(ylim=(0, 1), yticks=[0, 0.5, 1])
        ax.set_title(LABELS[name], color=color, loc="left", pad=3)
