"""The hyperparameters' laboratory: recorded trials against the noise of their centre, and the reader's own beside them."""
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import traitlets

from unrolled.figures.palette import COLORS
from unrolled.figures.style import RAISED, STYLE, Picture
from unrolled.influence import Measured, check_rows
from unrolled.text import load_corpus
from unrolled.training import NotFinite
from unrolled.trials import CENTRE, LABELS, NAMES, WINDOWS, Bench, named, shown
from unrolled.widgets.base import Widget, module

SAYS = {"perplexity": {"+": "above the noise, so worse", "-": "below the noise, so better", "0": "within the noise"},
        "time": {"+": "above the noise, so slower", "-": "below the noise, so faster", "0": "within the noise"}}
CEILING = 20.0                  # of the perplexities that are drawn: who knows only how frequent letters are has about 17
PACE = 0.5                      # seconds for which the centre is timed before each run of the reader's own
OFTEN = 0.2                     # seconds between two reports of progress


def brief(value: float) -> str:
    """Three digits, or a power of ten where a plain number would be long; as in the page."""
    if value != 0 and not 0.001 <= abs(value) < 1000:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa} · 10{str(int(exponent)).translate(RAISED)}"
    return f"{value:.3g}"


def upper(text: str) -> str:
    return text[0].upper() + text[1:]


def listed(values) -> str:
    return " and ".join("failed" if value == math.inf else brief(value) for value in values)


def outcome(row: Mapping) -> str:
    """A run of the reader's own, in words."""
    if row["state"] == "failed":
        return f"the training failed: {row['cause']}"
    said = f"perplexity {brief(row['validation_perplexity'])}"
    if row.get("time") is not None:
        said += f", {brief(row['time'])} times the time of the centre here"
    if row["state"] == "stopped":
        said += f", stopped after {row['windows']:,} windows"
    return said + ("" if row.get("same_text", True) else ", on another text, where perplexities do not compare")


class Laboratory(Widget):
    """One hyperparameter at a time, over trials that were recorded: time, perplexity and sample against the centre.

    With a kernel the reader's own runs come beside them: by ``run`` in a cell, or by the buttons in the page.

    Args:
        record: what ``unrolled sweep --export`` wrote; see ``unrolled.recorded``.
        name, value: the hyperparameter to show first, and which of its values; the centre's unless told.
        partner, other: a second one that was changed together with it, and its value.
        text: what own runs train on; the book's unless told.

    ``name``, ``value``, ``partner``, ``other``, ``runs`` (the reader's own, rows as in the record) and ``progress``
    are synchronised with the page.

    Raises:
        ValueError: a record that is not whole, or a name or value that was not tried.
    """

    _esm = module("laboratory.mjs")
    record = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode("lr").tag(sync=True)
    value = traitlets.Union([traitlets.Int(), traitlets.Float(), traitlets.Unicode()], default_value=CENTRE.lr).tag(sync=True)
    partner = traitlets.Unicode("").tag(sync=True)
    other = traitlets.Any(None, allow_none=True).tag(sync=True)
    runs = traitlets.List().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)

    def __init__(self, record: Mapping, *, name: str = "lr", value=None, partner: str = "", other=None, text: str | None = None,
                 **kwargs):
        self.measured = Measured(record)
        self.text, self.bench = text, None
        self.stopping, self.busy = threading.Event(), threading.Lock()
        super().__init__(record=dict(record) | {"centre": asdict(CENTRE)}, **kwargs)
        for trait, wanted in (("name", name), ("value", value), ("partner", partner), ("other", other)):
            if wanted is not None:
                setattr(self, trait, wanted)
        self.on_msg(self._asked)

    @traitlets.validate("record")
    def _keep_record(self, proposal):
        if self.record and proposal.value != self.record:
            raise ValueError("a laboratory keeps the record that it was made with: make another Laboratory")
        return proposal.value

    @traitlets.validate("name")
    def _check_name(self, proposal):
        if proposal.value not in NAMES:
            raise ValueError(f"a hyperparameter is one of {', '.join(NAMES)}, not {proposal.value!r}")
        return proposal.value

    @traitlets.validate("partner")
    def _check_partner(self, proposal):
        known = self.measured.partners(self.name)
        if proposal.value and proposal.value not in known:
            raise ValueError(f"changed together with {self.name} was {', '.join(known) or 'nothing'}, not {proposal.value!r}")
        return proposal.value

    @traitlets.validate("value")
    def _check_value(self, proposal):
        return self._tried(self.name, proposal.value)

    @traitlets.validate("other")
    def _check_other(self, proposal):
        return self._tried(self.partner, proposal.value) if self.partner else None

    @traitlets.validate("runs")
    def _check_runs(self, proposal):
        check_rows(proposal.value)
        return proposal.value

    @traitlets.observe("name")
    def _another_name(self, change):
        self.partner, self.value = "", getattr(CENTRE, self.name)

    @traitlets.observe("partner")
    def _another_partner(self, change):
        self.other = getattr(CENTRE, self.partner) if self.partner else None

    def _tried(self, name: str, value):
        """The value, if it was tried in whatever company, by the record or by the reader."""
        known = sorted({row[name] for row in [*self.record["rows"], *self.runs]})
        if value not in known or isinstance(value, bool):
            raise ValueError(f"tried as {name} were {', '.join(shown(name, one) for one in known)}; got {value!r}")
        return value

    @property
    def changes(self) -> dict:
        """What is chosen, as changes of the centre."""
        chosen = {self.name: self.value} | ({self.partner: self.other} if self.partner else {})
        return {name: value for name, value in chosen.items() if value != getattr(CENTRE, name)}

    def own(self) -> list[Mapping]:
        """The reader's runs of the chosen setting."""
        wanted = asdict(replace(CENTRE, **self.changes))
        return [row for row in self.runs if all(row[name] == value for name, value in wanted.items())]

    # ---- own runs

    def run(self, *, seconds: float = 60.0, seed: int = 0, wait: bool = True, **changes) -> dict | None:
        """Make a trial here, with as many training windows as those of the record, and add it to ``runs``.

        The centre is timed for half a second first, so that the time can be compared on this machine. A run ends
        early, with the last whole pass, after ``seconds``, by ``stop`` or the page's button, or by interrupting the cell.

        Args:
            wait: return when it is done. Without, it goes on in the background, and the page's Stop is heard.
            changes: what differs from the centre, as in ``num_hiddens=64, lr=1.0``.

        Returns:
            The new row; None where it was stopped before the first pass was done, or goes on.

        Raises:
            TypeError: no such hyperparameter.
            ValueError: a value out of its range, or a text too short.
            RuntimeError: another run is on its way.
        """
        if unknown := [name for name in changes if name not in NAMES]:
            raise TypeError(f"there is no hyperparameter {unknown[0]!r}; there are {', '.join(NAMES)}")
        setting = replace(CENTRE, **changes)
        if not isinstance(seconds, (int, float)) or not seconds > 0:
            raise ValueError(f"seconds is a positive number, not {seconds!r}")
        if not self.busy.acquire(blocking=False):
            raise RuntimeError("another run is on its way: stop it, or wait until it is done")
        self.stopping.clear()
        self.progress = {"what": named(setting.differences(CENTRE)), "seen": 0, "windows": 1}
        if wait:
            return self._run(setting, seconds, seed)
        threading.Thread(target=self._in_background, args=(setting, seconds, seed), daemon=True).start()
        return None

    def stop(self) -> None:
        """End the run that is on its way, if there is one; what it has learnt until then is kept."""
        self.stopping.set()

    def _run(self, setting, seconds: float, seed: int) -> dict | None:
        what, begun, last, note = named(setting.differences(CENTRE)), time.monotonic(), 0.0, ""

        def on_step(seen, windows):
            nonlocal last
            now = time.monotonic()
            if self.stopping.is_set() or now - begun > seconds:
                raise KeyboardInterrupt
            if now - last > OFTEN:
                last, self.progress = now, {"what": what, "seen": seen, "windows": windows}

        try:
            row = self._trial(setting, seed, on_step)
            self.runs = [*self.runs, row]
            note = f"{upper(what)}: {outcome(row)}."
            return row
        except KeyboardInterrupt:
            note = f"{upper(what)}: stopped before the first pass was done, so there is nothing to show."
        except Exception as error:
            note = f"{upper(what)}: {error}."
            raise
        finally:
            self.progress = {"note": note}
            self.busy.release()

    def _in_background(self, *args) -> None:
        try:
            self._run(*args)
        except Exception:                               # it is said in the page
            pass

    def _trial(self, setting, seed: int, on_step) -> dict:
        shared = self.record.get("bench", {})
        if self.bench is None:
            self.bench = Bench(load_corpus().text if self.text is None else self.text, split=shared.get("split", "source"),
                               windows=shared.get("windows", WINDOWS))
        about = {**asdict(setting), "seed": seed, "same_text": self.bench.text == shared.get("text", self.bench.text)}
        try:
            pace = self.bench.pace(CENTRE, PACE)
            row = self.bench.run(setting, seed, on_step=on_step)
        except NotFinite as error:
            return {**about, "state": "failed", "cause": str(error)}
        state = "complete" if row.pop("whole") else "stopped"
        return {**row, **about, "state": state, "time": float(f"{row['seconds'] / row['windows'] / pace:.4g}")}

    def _asked(self, widget, content, buffers) -> None:
        """What the page says: hello, which shows that a kernel listens; run; stop."""
        if content.get("kind") == "hello":
            self.send({"kind": "here"})
        if content.get("kind") == "stop":
            self.stop()
        if content.get("kind") == "run":
            try:
                self.run(wait=False, **content["changes"])
            except (TypeError, ValueError, RuntimeError) as error:
                self.progress = {**self.progress, "note": f"{error}."}

    # ---- in words, and still

    def words(self) -> str:
        """What is chosen against the centre, as the page says it."""
        title, bands = upper(named(self.changes)), {name: self.measured.band(name) for name in SAYS}
        noise = {name: f"{brief(band.low)} to {brief(band.high)}" for name, band in bands.items()}
        if not self.changes:
            said = [f"{title}: perplexity {brief(bands['perplexity'].mean)} on average of {bands['perplexity'].trials} trials.",
                    f"With nothing changed but the seed it lies between {noise['perplexity'].replace(' to ', ' and ')}, and the "
                    f"time between {noise['time'].replace(' to ', ' and ')} of the average: this is the noise."]
        elif not self.measured.rows(self.changes):
            said = [f"{title}: the record has no such trial."]
        else:
            said = []
            for name, unit in (("perplexity", ""), ("time", " times the centre’s")):
                try:
                    effect = self.measured.effect(self.changes, name)
                except ValueError:
                    continue                                # no training came to its end, so none has a time
                said.append(f"{name} {listed(effect.values)}{unit} (noise: {noise[name]}), {SAYS[name][effect.sign]}.")
            said = [f"{title}: {said[0]}", *map(upper, said[1:])]
        said += [f"Your run: {outcome(row)}." for row in self.own()]
        return " ".join(said)

    def describe(self) -> str:
        lines = [self.words()]
        rows = self.measured.rows(self.changes) + self.own()
        lines += [f"It writes ({how}): {text}" for row in rows[:1] for how, text in row.get("samples", {}).items()]
        lines.append(f"All values of {LABELS[self.name]}:")
        fixed = {self.partner: self.other} if self.partner else {}
        for value in self.measured.values(self.name, fixed):
            effects = []
            for quantity in SAYS:
                try:
                    effects.append(f"{quantity} {listed(self.measured.effect({self.name: value} | fixed, quantity).values)}")
                except ValueError:
                    continue
            lines.append(f"  {shown(self.name, value)}: {', '.join(effects)}")
        return "\n".join([*lines, *(f"Your run, {named_row(row)}: {outcome(row)}." for row in self.runs)])

    def picture(self) -> Picture:
        fixed = {self.partner: self.other} if self.partner else {}
        values = self.measured.values(self.name, fixed)
        with plt.rc_context(STYLE):
            fig, axes = plt.subplots(2, 1, figsize=(5.6, 4.4), sharex=True, height_ratios=(3, 2))
            for ax, quantity, label in zip(axes, SAYS, ("perplexity", "time, × the centre's")):
                band = self.measured.band(quantity)
                ax.axhspan(band.low, band.high, color=COLORS["x"], alpha=0.25, lw=0, label="noise of the centre")
                self._draw(ax, quantity, values, fixed)
                ax.set(yscale="log", ylabel=label)
                ax.minorticks_off()
            axes[0].set_yticks([4, 5, 6, 8, 10, 14, 20], ["4", "5", "6", "8", "10", "14", "20"])
            axes[0].set_ylim(3.5, CEILING)
            axes[1].set_yticks([0.5, 1, 2, 4, 8], ["½", "1", "2", "4", "8"])
            axes[1].set_xticks(range(len(values)), [shown(self.name, value) for value in values])
            axes[1].set_xlabel(", ".join([LABELS[self.name], *([named(fixed)] if fixed else [])]))
            axes[0].legend(loc="best")
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture

    def _draw(self, ax, quantity: str, values: list, fixed: dict) -> None:
        """The trials of each value as points, and their means as a line."""
        means = []
        for k, value in enumerate(values):
            try:
                effect = self.measured.effect({self.name: value} | fixed, quantity)
            except ValueError:
                means.append(math.nan)
                continue
            heights = [min(one, CEILING) for one in effect.values]
            ax.plot([k] * len(heights), heights, "o", color=COLORS["H"], markersize=5, alpha=0.7)
            means.append(min(effect.mean, CEILING))
        ax.plot(range(len(values)), means, "-", color=COLORS["H"], label="trials, and their mean")


def named_row(row: Mapping) -> str:
    """The setting of a row in words."""
    return named({name: row[name] for name in NAMES if row[name] != getattr(CENTRE, name)})
