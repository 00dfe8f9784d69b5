"""The book's plots: how training went, what gradients do through time, what gates do along a text."""
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from matplotlib.figure import Figure

from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.probe import Trace
from unrolled.training import History

LABELS = {"I": "input gate i", "F": "forget gate f", "O": "output gate o", "C_tilde": "input node c\u0303",
          "C": "cell state c", "H": "hidden state h", "R": "reset gate r", "Z": "update gate z",
          "H_tilde": "candidate h\u0303"}
STYLES = {"I": "-", "F": "--", "O": "-.", "C_tilde": ":", "C": "-", "H": (0, (5, 1, 1, 1, 1, 1))}
CYCLE = [("I", "-"), ("F", "--"), ("O", "-."), ("C_tilde", ":"), ("C", (0, (5, 1))), ("H", "-"), ("x", "--")]


def label_ends(ax, lines: Sequence, gap: float = 0.07) -> None:
    """Write each line's label beside its last point instead of a legend, pushed apart where they meet."""
    ends = sorted((ax.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1], line) for line in lines)
    height, low, last = ax.bbox.height, ax.bbox.y0, -1e9
    for y, line in ends:
        y = last = max(y, last + gap * height)
        ax.text(1.01, (y - low) / height, line.get_label(), transform=ax.transAxes, color=line.get_color(), va="center")


def plot_history(history: History | Mapping[str, History], *, measure: str = "perplexity") -> Figure:
    """Curves of one training (training and validation) or of several (validation each).

    Args:
        measure: "perplexity" or "bits" (per character, of the validation text).
    """
    if measure not in ("perplexity", "bits"):
        raise ValueError(f"the measure is 'perplexity' or 'bits', not {measure!r}")
    fig, ax = plt.subplots()
    if isinstance(history, History):
        curves = {"training": history.train_perplexity, "validation": history.validation_perplexity}
        if measure == "bits":
            curves = {"validation": history.bits_per_character}
        curves = {name: values for name, values in curves.items() if values and values[0] is not None}
        looks = {"training": ("train", "--"), "validation": ("validation", "-")}
    else:
        curves = {name: h.bits_per_character if measure == "bits" else h.validation_perplexity
                  for name, h in history.items()}
        looks = dict(zip(curves, CYCLE))
    for name, values in curves.items():
        color, style = looks[name]
        ax.plot(range(1, len(values) + 1), values, color=COLORS[color], linestyle=style, label=name)
    ax.set(xlabel="epoch", ylabel="perplexity" if measure == "perplexity" else "bits per character")
    if measure == "perplexity":
        top = max(v for values in curves.values() for v in values)
        ax.set_ylim(0, min(top, 30) * 1.05)
    ax.legend()
    return fig


def describe_history(history: History) -> str:
    """The alt text of a training curve: where it begins and where it ends."""
    train, validation = history.train_perplexity, history.validation_perplexity
    text = f"Perplexity over {len(history)} epochs: training falls from {train[0]:.1f} to {train[-1]:.1f}"
    if validation[-1] is not None:
        text += f", validation from {validation[0]:.1f} to {validation[-1]:.1f}"
    return text + "."


class LiveCurve:
    """For ``Trainer.fit(on_epoch=LiveCurve())``: the curve redraws in place while the model trains.

    Args:
        every: redraw after so many epochs.
    """

    def __init__(self, every: int = 5):
        self.every, self.handle = every, None

    def __call__(self, history: History) -> None:
        if self.handle is not None and len(history) % self.every and len(history) != 1:
            return
        fig = plot_history(history)
        picture = Picture(fig, describe_history(history))
        plt.close(fig)
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)


def plot_gradient_norms(norms: Mapping[str, torch.Tensor], *, spread: Mapping[str, torch.Tensor] | None = None) -> Figure:
    """Gradient norms against steps back in time, on a log axis, relative to the last step.

    Args:
        norms: label -> (steps,) as from ``probe.gradient_norms``, or (seeds, steps), drawn as the
            geometric mean with the range of the seeds.
    """
    fig, ax = plt.subplots()
    lines = []
    for (label, values), (color, style) in zip(norms.items(), CYCLE):
        values = torch.as_tensor(values)
        values = (values[None] if values.ndim == 1 else values)
        logs = (values / values[:, :1]).log10()                        # (seeds, steps)
        steps = range(logs.shape[1])
        lines += ax.plot(steps, 10 ** logs.mean(0), color=COLORS[color], linestyle=style, label=label)
        if len(logs) > 1:
            ax.fill_between(steps, 10 ** logs.amin(0), 10 ** logs.amax(0), color=COLORS[color], alpha=0.15, lw=0)
    ax.set(xlabel="steps back in time", ylabel="gradient norm (last step = 1)", yscale="log")
    label_ends(ax, lines)
    return fig


def plot_trace(trace: Trace, unit: int, names: Sequence[str] | None = None) -> Figure:
    """The values of one unit along a text, one small panel for gates and one for states.

    Args:
        unit: which hidden unit.
        names: which values; all of them unless told.
    """
    hidden = next(iter(trace.values.values())).shape[1]
    if not 0 <= unit < hidden:
        raise ValueError(f"the layer has units 0 to {hidden - 1}, there is no unit {unit}")
    names = list(names or trace.values)
    gates = [n for n in names if n in "IFORZ"]
    groups = [g for g in (gates, [n for n in names if n not in gates]) if g]
    fig, axes = plt.subplots(len(groups), 1, sharex=True, figsize=(6.4, 1.9 * len(groups) + 0.4), squeeze=False)
    for ax, group in zip(axes[:, 0], groups):
        for name in group:
            ax.plot(trace.values[name][:, unit], color=COLORS[name], linestyle=STYLES.get(name, "-"), label=LABELS[name])
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1, 0].set_xticks(range(len(trace.tokens)), [t.replace(" ", "\u2423") for t in trace.tokens])
    return fig


def plot_heatmap(trace: Trace, name: str, units: Sequence[int] | None = None) -> Figure:
    """One value of many units along a text: rows are units, columns are tokens."""
    values = trace.values[name].T                                      # (hidden, steps)
    units = list(range(len(values)) if units is None else units)
    low, high = (0, 1) if name in "IFORZ" else (-float(values.abs().max()), float(values.abs().max()))
    fig, ax = plt.subplots(figsize=(6.4, 0.6 + 0.14 * len(units) + 0.5))
    image = ax.imshow(values[units], aspect="auto", cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
    ax.set_xticks(range(len(trace.tokens)), [t.replace(" ", "\u2423") for t in trace.tokens])
    ax.set(ylabel="unit", yticks=[0, len(units) - 1], yticklabels=[units[0], units[-1]])
    ax.grid(False)
    fig.colorbar(image, ax=ax, label=LABELS[name])
    return fig
