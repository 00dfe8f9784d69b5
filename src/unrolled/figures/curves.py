"""Curves that end in their names, and how a training went, drawn while it goes on. Nothing here needs torch."""
import math
import time
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure

from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.history import History, Row

DASH_DOT_DOT = (0, (5, 1.5, 1, 1.5, 1, 1.5))
STROKES = ["-", "--", "-.", ":", DASH_DOT_DOT]
MARKERS = [None, "o", "s", "^", "D"]
MEASURES = {"perplexity": "perplexity", "bits": "bits per character"}


def looks(labels: Sequence[str]) -> list[dict]:
    """How to draw each of several lines: a kind's own colour where its label begins with one, a stroke of its own."""
    spare = [COLORS[name] for name in ("I", "F", "O", "C_tilde", "C", "H")]
    result = []
    for k, label in enumerate(labels):
        kind = next((kind for kind in ("lstm", "gru", "rnn") if label.lower().startswith(kind)), None)
        result.append({"color": COLORS[kind] if kind else spare[k % len(spare)],
                       "linestyle": STROKES[k % len(STROKES)], "marker": MARKERS[k // len(STROKES) % len(MARKERS)],
                       "markevery": 0.2, "label": label})
    return result


def label_ends(ax, lines: Sequence) -> None:
    """Write each line's label beside its last point, in its colour, moved apart where two would meet."""
    ax.get_xlim(), ax.get_ylim()                                   # settles the limits
    to_axes = ax.transData + ax.transAxes.inverted()
    last = [[y for y in line.get_ydata(orig=False) if math.isfinite(y)][-1] for line in lines]     # before a gap
    ends = [to_axes.transform((line.get_xdata()[-1], y))[1] for line, y in zip(lines, last)]
    gap = 1.3 * plt.rcParams["font.size"] / 72 / (ax.get_position().height * ax.figure.get_figheight())
    places = {}
    for k in sorted(range(len(lines)), key=ends.__getitem__):
        places[k] = max(ends[k], 0, max(places.values(), default=-1) + gap)
    over = max(0, max(places.values(), default=0) - 1)
    for k, y in places.items():
        ax.annotate(lines[k].get_label(), (1, y - over), xycoords="axes fraction", xytext=(6, 0),
                    textcoords="offset points", color=lines[k].get_color(), va="center")


def curves_of(history: History | Mapping[str, History], measure: str) -> dict[str, list]:
    """Name -> values, one an epoch: training and validation of one history, or one curve of each of several."""
    if measure not in MEASURES:
        raise ValueError(f"the measure is 'perplexity' or 'bits', not {measure!r}")
    column = {"perplexity": "validation_perplexity", "bits": "bits_per_character"}[measure]
    if isinstance(history, History):
        curves = {"validation": getattr(history, column)}
        if measure == "perplexity":
            curves = {"training": history.train_perplexity} | curves
    elif isinstance(history, Mapping):
        curves = {name: getattr(one, column) for name, one in history.items()}
    else:
        raise TypeError(f"a History or a mapping of names to histories is drawn, got {type(history).__name__}")
    curves = {name: values for name, values in curves.items() if values and None not in values}
    if not curves:
        raise ValueError(f"there is no {MEASURES[measure]} to draw: train for at least one epoch first"
                         + (", with validation windows" if measure == "bits" or isinstance(history, Mapping) else ""))
    return curves


def plot_history(history: History | Mapping[str, History], *, measure: str = "perplexity") -> Figure:
    """Curves of one training (training and validation) or of several (the validation of each).

    The axis turns logarithmic where the curves fall by more than a factor of 30.

    Args:
        measure: "perplexity" or "bits" (per character, of the validation text).

    Raises:
        ValueError: an unknown measure, or nothing to draw.
        TypeError: neither a History nor a mapping of names to histories.
    """
    curves = curves_of(history, measure)
    fig, ax = plt.subplots()
    styles = looks(list(curves))
    if isinstance(history, History):
        styles = [{"color": COLORS[key], "linestyle": stroke, "label": name} for name, key, stroke in
                  (("training", "train", "--"), ("validation", "validation", "-")) if name in curves]
    lines = []
    for values, style in zip(curves.values(), styles):
        marker = {"marker": "o"} if len(values) == 1 else {}          # one epoch is a point, not a line
        lines += ax.plot(range(1, len(values) + 1), values, **style | marker)
    everything = [v for values in curves.values() for v in values]
    if max(everything) > 30 * min(everything):
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, 1.05 * max(everything))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel=MEASURES[measure])
    label_ends(ax, lines)
    return fig


def describe_history(history: History | Mapping[str, History], *, measure: str = "perplexity") -> str:
    """The alt text of ``plot_history``: where each curve begins and where it ends."""
    curves = curves_of(history, measure)
    epochs = max(map(len, curves.values()))
    ways = [f"{name} goes from {values[0]:.1f} to {values[-1]:.1f}" for name, values in curves.items()]
    return f"{MEASURES[measure].capitalize()} over {epochs} epoch{'s' * (epochs > 1)}: {', '.join(ways)}."


class LiveCurve:
    """For ``Trainer.fit(on_epoch=LiveCurve())``: the curve redraws in place while the model trains.

    It is called with the history, or with the next epoch of one, as the trainings of ``unrolled.frameworks`` do.

    Drawing takes at most about a tenth of the time; the last epoch is always drawn, when the cell ends.
    Outside a notebook it does nothing.

    Args:
        measure: "perplexity" or "bits", as in ``plot_history``.
    """

    def __init__(self, measure: str = "perplexity"):
        if measure not in MEASURES:
            raise ValueError(f"the measure is 'perplexity' or 'bits', not {measure!r}")
        self.measure = measure
        self.shell = get_ipython()
        self.history = self.handle = None
        self.rest_until = 0.0

    def __call__(self, history: History | Row) -> None:
        if self.shell is None:
            return
        if self.history is None:
            self.shell.events.register("post_run_cell", self.finish)
        if not isinstance(history, History):
            history = History([*(self.history.rows if self.history else ()), history])
        self.history = history
        start = time.perf_counter()
        if start >= self.rest_until:
            self.draw()
            end = time.perf_counter()
            self.rest_until = end + 9 * (end - start)

    def draw(self) -> None:
        """Draw the history as it stands."""
        fig = plot_history(self.history, measure=self.measure)
        picture = Picture(fig, describe_history(self.history, measure=self.measure))
        plt.close(fig)
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)

    def finish(self, *_) -> None:
        """Draw the last epoch and rest; a later ``fit`` begins a new curve."""
        self.shell.events.unregister("post_run_cell", self.finish)
        try:
            self.draw()
        finally:
            self.history = self.handle = None
            self.rest_until = 0.0
