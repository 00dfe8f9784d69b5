"""What gradients do through time, and what gates do along a text."""
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from unrolled.figures.curves import DASH_DOT_DOT, label_ends, looks
from unrolled.figures.palette import COLORS
from unrolled.probe import GATES, Trace

LABELS = {"I": "input gate i", "F": "forget gate f", "O": "output gate o", "C_tilde": "input node c\u0303",
          "C": "cell state c", "H": "hidden state h", "R": "reset gate r", "Z": "update gate z",
          "H_tilde": "candidate h\u0303"}
STYLES = {"I": "-", "F": "--", "O": "-.", "C_tilde": ":", "C": "-", "H": DASH_DOT_DOT, "R": "--", "Z": "-", "H_tilde": ":"}


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


def plot_losses(losses: Mapping[str, Tensor], baseline: float, *, window: int = 25) -> Figure:
    """Losses against updates, as shares of what not remembering would score: the mean of some trainings, and their range.

    Args:
        losses: label -> (trainings, updates); each training is averaged over ``window`` updates.
        baseline: the loss of not remembering, the line at 1.

    Raises:
        ValueError: nothing to draw, another number of dimensions, fewer updates than the window, or a baseline that is not above 0.
    """
    if not losses:
        raise ValueError("there are no losses to draw: give a mapping of labels to tensors")
    if not baseline > 0:
        raise ValueError(f"the baseline is a loss above 0, got {baseline!r}")
    fig, ax = plt.subplots()
    ax.axhline(1, color="black", lw=0.8, alpha=0.6)
    lines = []
    for (label, values), look in zip(losses.items(), looks(list(losses))):
        values = torch.as_tensor(values, dtype=torch.float64)
        if values.ndim != 2 or values.shape[1] < window:
            raise ValueError(f"the losses of {label!r} are (trainings, updates) with at least {window} updates, "
                             f"got shape {tuple(values.shape)}")
        smooth = values.unfold(1, window, 1).mean(-1) / baseline       # (trainings, updates - window + 1)
        updates = range(window, values.shape[1] + 1)
        lines += ax.plot(updates, smooth.mean(0), **look)
        ax.fill_between(updates, smooth.amin(0), smooth.amax(0), color=look["color"], alpha=0.15, lw=0)
    ax.set(xlabel="update", ylabel="loss (not remembering = 1)", ylim=(0, 1.25))
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
