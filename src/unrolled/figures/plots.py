"""The book's plots: how training went, what gradients do through time, what gates do along a text."""
import math
import time
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from torch import Tensor

from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.probe import GATES, Trace
from unrolled.training import History

LABELS = {"I": "input gate i", "F": "forget gate f", "O": "output gate o", "C_tilde": "input node c\u0303",
          "C": "cell state c", "H": "hidden state h", "R": "reset gate r", "Z": "update gate z",
          "H_tilde": "candidate h\u0303"}
DASH_DOT_DOT = (0, (5, 1.5, 1, 1.5, 1, 1.5))
STYLES = {"I": "-", "F": "--", "O": "-.", "C_tilde": ":", "C": "-", "H": DASH_DOT_DOT, "R": "--", "Z": "-", "H_tilde": ":"}
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

    def __call__(self, history: History) -> None:
        if self.shell is None:
            return
        if self.history is None:
            self.shell.events.register("post_run_cell", self.finish)
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


def plot_gradient_norms(norms: Mapping[str, Tensor]) -> Figure:
    """Gradient norms against steps back in time, on a log axis, relative to the last step.

    Args:
        norms: label -> (steps,) as from ``probe.gradient_norms``, or (seeds, steps), drawn as the
            geometric mean with the range of the seeds. A norm of 0 has no logarithm and leaves a gap.

    Raises:
        ValueError: nothing to draw, another number of dimensions, or a last step of norm 0.
    """
    if not norms:
        raise ValueError("there are no norms to draw: give a mapping of labels to tensors")
    relative = []
    for label, values in norms.items():
        values = values.detach().cpu() if isinstance(values, torch.Tensor) else values      # first: MPS has no float64
        values = torch.as_tensor(values, dtype=torch.float64)
        if values.ndim not in (1, 2):
            raise ValueError(f"the norms of {label!r} are (steps,) or (seeds, steps), got shape {tuple(values.shape)}")
        values = values[None] if values.ndim == 1 else values      # (seeds, steps)
        if not (values[:, 0] > 0).all():
            raise ValueError(f"the norms of {label!r} begin with the last step, which must be above 0")
        logs = (values / values[:, :1]).log10()                    # (seeds, steps)
        logs[logs.isinf()] = torch.nan
        relative.append(logs)
    fig, ax = plt.subplots()
    lines = []
    for logs, look in zip(relative, looks(list(norms))):
        steps = range(logs.shape[1])
        lines += ax.plot(steps, 10 ** logs.mean(0), **look)
        if len(logs) > 1:
            ax.fill_between(steps, 10 ** logs.amin(0), 10 ** logs.amax(0), color=look["color"], alpha=0.15, lw=0)
    ax.set(xlabel="steps back in time", ylabel="gradient norm (last step = 1)", yscale="log")
    label_ends(ax, lines)
    return fig


def tokens_below(ax, tokens: Sequence[str]) -> None:
    """Write the tokens along the axis: a space as an open box, long words slanted, no more than there is room for."""
    letters = max(map(len, tokens)) == 1
    every = 1 if letters else max(1, round(len(tokens) / 16))
    ax.set_xticks(range(0, len(tokens), every), [t.replace(" ", "\u2423") for t in tokens[::every]],
                  fontsize=11.5 if len(tokens) <= 40 else 460 / len(tokens),
                  rotation=0 if letters else 45, ha="center" if letters else "right", rotation_mode="anchor")
    ax.tick_params(axis="x", length=0)


def values_of(trace: Trace, name: str) -> Tensor:
    """One of the trace's values, (steps, hidden), or an error that says which there are."""
    if name not in trace.values:
        raise ValueError(f"the trace has {', '.join(trace.values)}, there is no {name!r}")
    return trace.values[name]


def check_units(trace: Trace, units: Sequence[int]) -> None:
    hidden = next(iter(trace.values.values())).shape[1]
    if bad := [unit for unit in units if not 0 <= unit < hidden]:
        raise ValueError(f"the layer has units 0 to {hidden - 1}, there is no unit {bad[0]}")


def plot_trace(trace: Trace, unit: int, names: Sequence[str] | None = None) -> Figure:
    """The values of one unit along a text: a panel for the gates, a panel for candidate and states.

    Args:
        unit: which hidden unit.
        names: which values; all of them unless told.

    Raises:
        ValueError: no such unit, or no such value.
    """
    check_units(trace, [unit])
    names = list(trace.values if names is None else names)
    values = {name: values_of(trace, name)[:, unit] for name in names}
    groups = [group for group in ([n for n in names if n in GATES], [n for n in names if n not in GATES]) if group]
    fig, axes = plt.subplots(len(groups), 1, sharex=True, figsize=(6.0, 1.9 * len(groups) + 0.3), squeeze=False)
    for ax, group in zip(axes[:, 0], groups):
        lines = [ax.plot(values[name], color=COLORS[name], linestyle=STYLES[name], label=LABELS[name])[0] for name in group]
        if group[0] in GATES:
            ax.set_ylim(-0.03, 1.03)
        else:
            ax.axhline(0, color="black", lw=0.8, alpha=0.4)
        label_ends(ax, lines)
    tokens_below(axes[-1, 0], trace.tokens)
    return fig


def plot_heatmap(trace: Trace, name: str, units: Sequence[int] | None = None) -> Figure:
    """One value of many units along a text: rows are units, columns are tokens.

    Args:
        name: which value, such as "F".
        units: which hidden units, top to bottom; all of them unless told.

    Raises:
        ValueError: no such unit, or no such value.
    """
    values = values_of(trace, name).T                              # (hidden, steps)
    units = list(range(len(values)) if units is None else units)
    check_units(trace, units)
    bound = 1.0 if name in GATES else float(values.abs().max())
    fig, ax = plt.subplots(figsize=(6.0, min(6.0, 1.0 + 0.13 * len(units))))
    image = ax.imshow(values[units], aspect="auto", cmap="cividis", vmin=0 if name in GATES else -bound, vmax=bound,
                      interpolation="nearest")
    ax.set(ylabel="unit", yticks=range(0, len(units), max(1, len(units) // 8)))
    ax.set_yticklabels([units[k] for k in ax.get_yticks()])
    ax.grid(False)
    tokens_below(ax, trace.tokens)
    fig.colorbar(image, ax=ax, label=LABELS[name], pad=0.02)
    return fig
