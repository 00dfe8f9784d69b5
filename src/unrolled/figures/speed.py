"""How fast something is: the ladder, the roofline, and how time and memory grow."""
import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from unrolled.figures.curves import label_ends, looks
from unrolled.figures.palette import COLORS


def plot_ladder(seconds: Mapping[str, Sequence[float]], *, ours: str, floor: str) -> Figure:
    """A bar for each contender, the slowest on top, with the milliseconds beside it, and a line at the floor.

    Args:
        seconds: name -> the quartiles of its seconds, three numbers.
        ours: which bar stands out.
        floor: which is the floor; it has no bar.

    Raises:
        ValueError: no such name.
    """
    if strangers := {ours, floor} - set(seconds):
        raise ValueError(f"there are {', '.join(seconds)}, there is no {strangers.pop()!r}")
    rest = sorted((name for name in seconds if name != floor), key=lambda name: seconds[name][1])
    fig, ax = plt.subplots(figsize=(6.4, 0.36 * len(rest) + 0.9))
    for place, name in enumerate(rest):
        low, middle, high = (1000 * value for value in seconds[name])
        ax.barh(place, middle, color=COLORS["C" if name == ours else "x"], height=0.62)
        ax.plot([low, high], [place, place], color="black", lw=1.2)
        ax.annotate(f"{middle:.3g}", (max(high, middle), place), xytext=(5, 0), textcoords="offset points", va="center")
    limit = 1000 * seconds[floor][1]
    ax.axvline(limit, color=COLORS["F"], linestyle="--")
    ax.annotate(floor, (limit, len(rest) - 0.4), xytext=(5, 2), textcoords="offset points", color=COLORS["F"], va="center")
    ax.set_yticks(range(len(rest)), rest)
    ax.set(xlabel="milliseconds", xlim=(0, 1.14 * max(1000 * values[2] for values in seconds.values())),
           ylim=(-0.6, len(rest) - 0.1))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return fig


def plot_roofline(points: Mapping[str, Sequence[tuple[float, float]]], *, per_second: float, bytes_per_second: float) -> Figure:
    """The roofline (Williams et al. 2009): what is done in a second over what is done for each byte, on log axes.

    Args:
        points: name -> (operations for each byte, operations a second), one for each size of layer.
        per_second: the most operations that the machine does in a second.
        bytes_per_second: the most bytes that it moves.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    corner = per_second / bytes_per_second
    xs = [corner, *(x for some in points.values() for x, _ in some)]
    left, right = min(xs) / 2, max(xs) * 2
    ax.plot([left, corner, right], [left * bytes_per_second / 1e9, per_second / 1e9, per_second / 1e9], color="black", lw=1.2)
    for (name, some), look, mark in zip(points.items(), looks(list(points)), itertools.cycle("os^Dv")):
        ax.plot([x for x, _ in some], [y / 1e9 for _, y in some], mark, color=look["color"], markersize=7, label=name)
    ax.set(xscale="log", yscale="log", xlabel="operations for each byte", ylabel="billion operations a second", xlim=(left, right))
    ax.legend(loc="lower right")
    return fig


def plot_growth(curves: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str) -> Figure:
    """How something grows with a size, on log axes, each curve with its name at its end.

    Args:
        curves: name -> (size, value), in the order of the sizes.
        across, up: the words at the axes.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.0))
    lines = []
    for (name, some), look in zip(curves.items(), looks(list(curves))):
        lines += ax.plot([x for x, _ in some], [y for _, y in some], **look | {"marker": "o", "markersize": 4, "markevery": 1})
    sizes = sorted({x for some in curves.values() for x, _ in some})
    ax.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    ax.set_xticks(sizes, [f"{size:g}" if k % (1 + len(sizes) // 9) == 0 else "" for k, size in enumerate(sizes)])
    ax.xaxis.set_minor_formatter(NullFormatter())
    label_ends(ax, lines)
    return fig
