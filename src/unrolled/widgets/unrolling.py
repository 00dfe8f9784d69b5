"""A text read window by window: what is kept for the backward pass, and where the gradient ends."""
from dataclasses import dataclass, fields
from typing import NamedTuple

import matplotlib.pyplot as plt
import traitlets

from unrolled.cost import BOXES, kept_values
from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.models import single_layers
from unrolled.training import Trainer
from unrolled.widgets.base import Widget, module

LIMITS = {"steps": 10_000_000, "truncation": 10_000_000, "batch": 4096, "hidden": 4096}
FLOAT32 = 4                                                    # bytes
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
KINDS = {"lstm": "an LSTM", "gru": "a GRU", "rnn": "an RNN"}


class Refused(traitlets.TraitError, ValueError):
    """A value out of its range: a ValueError that also makes traitlets put the old values back."""


def check(name: str, value: int, low: int, high: int) -> None:
    """Raise Refused unless ``value`` is a whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(f"{name} is a whole number from {low:,} to {high:,}, got {value!r}")


class Moment(NamedTuple):
    """Where a training is: "begin", "forward", "backward", "cut" or "end"; window and step count from 1."""

    phase: str
    window: int
    step: int
    kept: range           # the steps whose values wait for the backward pass


@dataclass(frozen=True)
class Plan:
    """How one text is read when the gradient is cut after every so many steps.

    Args:
        steps: T, of the text; each example of the batch has as many.
        truncation: K, the steps of a window; the last one may be shorter. T or more cuts nothing.
        batch, hidden: N examples, h hidden units of the one layer.
        kind: "lstm", "gru" or "rnn".

    Raises:
        ValueError: a number out of its range, or an unknown kind.
    """

    steps: int = 12
    truncation: int = 4
    batch: int = 32
    hidden: int = 32
    kind: str = "lstm"

    def __post_init__(self):
        for name, limit in LIMITS.items():
            check(name, getattr(self, name), 1, limit)
        if self.kind not in BOXES:
            raise Refused(f"the kind is one of {', '.join(KINDS)}, got {self.kind!r}")

    def first(self, step: int) -> int:
        """The first step of this step's window: how far back a gradient from here can go."""
        return step - (step - 1) % self.truncation

    def kept(self, steps: int) -> int:
        """How many values so many steps keep for their backward pass, by ``cost.kept_values``.

        On the layers from scratch, autograd keeps one value a unit more than this: in an LSTM tanh(C), in
        a GRU 1 - Z, each at every step; in an RNN the state that the window began with, once a window.
        Inputs, weights and the output layer are not counted.
        """
        return steps * self.batch * kept_values(self.kind, self.hidden)

    @property
    def whole(self) -> "Plan":
        """The same text without a cut."""
        return Plan(self.steps, self.steps, self.batch, self.hidden, self.kind)

    @property
    def backward_passes(self) -> int:
        """One for each window."""
        return -(-self.steps // self.truncation)

    @property
    def last_moment(self) -> int:
        """Moments count what has been done: each step once forward and once backward, and a cut after each window."""
        return 2 * self.steps + self.backward_passes

    @property
    def kept_values(self) -> int:
        """At most, at the end of a window's forward pass."""
        return self.kept(min(self.truncation, self.steps))

    @property
    def memory_bytes(self) -> int:
        """Of ``kept_values`` in float32."""
        return FLOAT32 * self.kept_values

    @property
    def connected_pairs(self) -> int:
        """Pairs (cause, effect) = (s, t), s <= t, where a gradient leads from the loss at t to the token read at s."""
        windows, rest = divmod(self.steps, self.truncation)
        return (windows * self.truncation * (self.truncation + 1) + rest * (rest + 1)) // 2

    @property
    def all_pairs(self) -> int:
        return self.steps * (self.steps + 1) // 2

    @property
    def reach_max(self) -> int:
        """The most steps that a gradient can go back; the fewest are 0, at the first step of a window."""
        return min(self.truncation, self.steps) - 1

    @property
    def reach_mean(self) -> float:
        """The mean, over all losses, of the steps that their gradients can go back."""
        return self.connected_pairs / self.steps - 1

    def at(self, moment: int) -> Moment:
        """What is being done, and what is kept, when so much has been done."""
        length = 2 * self.truncation + 1
        window = min(moment // length, self.backward_passes - 1)
        done, first = moment - window * length, window * self.truncation + 1
        last = min(first + self.truncation - 1, self.steps)
        forward, backward = last - first + 1, 2 * (last - first + 1)
        if done == 0:
            return Moment("cut" if window else "begin", max(window, 1), first - 1, range(0))
        if done <= forward:
            return Moment("forward", window + 1, first + done - 1, range(first, first + done))
        if done <= backward:
            step = last - (done - forward) + 1
            return Moment("backward", window + 1, step, range(first, step))
        return Moment("end", window + 1, last, range(0))


def grouped(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def in_bytes(value: float) -> str:
    """Three digits and a unit."""
    unit = 0
    while value >= 999.5:
        value, unit = value / 1000, unit + 1
    return f"{value * (1 + 1e-12):.3g}\u00a0{UNITS[unit]}"      # a half goes up, as in the page


def span(first: int, last: int) -> str:
    """step 5, steps 5 and 6, steps 5 to 7."""
    if first == last:
        return f"step {grouped(first)}"
    return f"steps {grouped(first)} {'and' if last == first + 1 else 'to'} {grouped(last)}"


class Unrolling(Widget):
    """An unrolled network, its cuts, and the memory and the gradients between them.

    Args:
        steps, batch, truncation, hidden, kind: as for ``Plan``.
        carried: whether the state crosses a cut, or each window begins with zeros.
        moment: how much has been done, 0 to ``2 * steps + backward_passes``.
        loss_step: the step whose loss is followed back; the last one unless told.

    These eight are synchronised with the page. Read only, and computed here from them, are ``kept_now``,
    ``kept_values``, ``kept_values_whole``, ``memory_bytes``, ``memory_bytes_whole``, ``backward_passes``,
    ``reach`` (of the loss followed), ``reach_min``, ``reach_mean``, ``reach_max``, ``connected_pairs``,
    ``all_pairs`` and ``connected_share``: see ``Plan``. "Whole" is without a cut.

    Raises:
        ValueError: a number out of its range, or an unknown kind.
        traitlets.TraitError: a value of another type.
    """

    _esm = module("unrolling.mjs")
    steps = traitlets.Int(12).tag(sync=True)
    batch = traitlets.Int(32).tag(sync=True)
    truncation = traitlets.Int(4).tag(sync=True)
    hidden = traitlets.Int(32).tag(sync=True)
    kind = traitlets.Unicode("lstm").tag(sync=True)
    carried = traitlets.Bool(True).tag(sync=True)
    moment = traitlets.Int(0).tag(sync=True)
    loss_step = traitlets.Int(12).tag(sync=True)

    kept_now = traitlets.Int(read_only=True)
    kept_values = traitlets.Int(read_only=True)
    kept_values_whole = traitlets.Int(read_only=True)
    memory_bytes = traitlets.Int(read_only=True)
    memory_bytes_whole = traitlets.Int(read_only=True)
    backward_passes = traitlets.Int(read_only=True)
    reach = traitlets.Int(read_only=True)
    reach_min = traitlets.Int(0, read_only=True)
    reach_mean = traitlets.Float(read_only=True)
    reach_max = traitlets.Int(read_only=True)
    connected_pairs = traitlets.Int(read_only=True)
    all_pairs = traitlets.Int(read_only=True)
    connected_share = traitlets.Float(read_only=True)

    def __init__(self, steps: int = 12, batch: int = 32, truncation: int = 4, hidden: int = 32, *, kind: str = "lstm",
                 carried: bool = True, moment: int = 0, loss_step: int | None = None, **kwargs):
        if isinstance(steps, Trainer):
            raise TypeError("steps is a whole number; for a Trainer's own sizes call Unrolling.of(trainer)")
        super().__init__(steps=steps, batch=batch, truncation=truncation, hidden=hidden, kind=kind, carried=carried,
                         moment=moment, loss_step=steps if loss_step is None else loss_step, **kwargs)
        self._count()

    @classmethod
    def of(cls, trainer: Trainer, **kwargs) -> "Unrolling":
        """One epoch of a trainer: a window for each of its batches, each beginning with zeros.

        Opens where most is kept, at the end of the first forward pass.

        Raises:
            TypeError: no ``Trainer``.
            ValueError: a model of several layers, or sizes beyond what is drawn.
        """
        if not isinstance(trainer, Trainer):
            raise TypeError(f"expected a Trainer, got {type(trainer).__name__}")
        layers = single_layers(trainer.model)
        if len(layers) != 1:
            raise ValueError(f"one recurrent layer is drawn, this model has {len(layers)}")
        length = trainer.train.num_steps
        sizes = {"steps": length * trainer.steps_per_epoch, "truncation": length, "hidden": layers[0].num_hiddens,
                 "batch": min(trainer.batch_size, len(trainer.train)), "kind": getattr(layers[0], "kind", "unknown")}
        return cls(**sizes | {"carried": False, "moment": length} | kwargs)

    @property
    def plan(self) -> Plan:
        return Plan(**{field.name: getattr(self, field.name) for field in fields(Plan)})

    @traitlets.validate(*LIMITS)
    def _check_size(self, proposal):
        check(proposal.trait.name, proposal.value, 1, LIMITS[proposal.trait.name])
        return proposal.value

    @traitlets.validate("kind")
    def _check_kind(self, proposal):
        return Plan(kind=proposal.value).kind

    @traitlets.validate("moment")
    def _check_moment(self, proposal):
        check("moment", proposal.value, 0, self.plan.last_moment)
        return proposal.value

    @traitlets.validate("loss_step")
    def _check_loss_step(self, proposal):
        check("loss_step", proposal.value, 1, self.plan.steps)
        return proposal.value

    @traitlets.observe("steps", "truncation")
    def _stay_within(self, change):
        """A shorter text, or longer windows, end sooner."""
        self.moment = min(self.moment, self.plan.last_moment)
        self.loss_step = min(self.loss_step, self.steps)

    @traitlets.observe("steps", "batch", "truncation", "hidden", "kind", "moment", "loss_step")
    def _count(self, change=None):
        plan, whole = self.plan, self.plan.whole
        counts = {name: getattr(plan, name) for name in ("kept_values", "memory_bytes", "backward_passes", "reach_mean",
                                                         "reach_max", "connected_pairs", "all_pairs")}
        counts |= {"kept_values_whole": whole.kept_values, "memory_bytes_whole": whole.memory_bytes,
                   "kept_now": plan.kept(len(plan.at(self.moment).kept)),
                   "reach": self.loss_step - plan.first(self.loss_step),
                   "connected_share": plan.connected_pairs / plan.all_pairs}
        for name, value in counts.items():
            self.set_trait(name, value)

    def moment_in_words(self) -> str:
        """As the page says it."""
        phase, window, step, kept = self.plan.at(self.moment)
        if phase == "begin":
            return "Nothing is read yet, and nothing is kept."
        if phase == "cut":
            state = "the state goes on without its history" if self.carried else "the next window begins with zeros"
            return f"Cut after step {grouped(step)}: the weights are updated, and {state}."
        if phase == "end":
            passes = "1 backward pass" if window == 1 else f"{grouped(window)} backward passes"
            return f"The whole text is read, in {passes}. Nothing is kept."
        size = "nothing"
        if kept:
            size = f"{span(kept[0], kept[-1])}, {grouped(self.kept_now)} values, {in_bytes(FLOAT32 * self.kept_now)}"
        where = f"step {grouped(step)}, window {grouped(window)}"
        if phase == "forward":
            return f"Forward, {where}. Kept for the backward pass: {size}."
        return f"Backward, {where}: its values are used and freed. Still kept: {size}."

    def reach_in_words(self) -> str:
        """As the page says it."""
        loss, far = self.loss_step, self.reach
        first = loss - far
        back = f"goes {grouped(far)} {'step' if far == 1 else 'steps'} back" if far else "does not go back at all"
        text = f"The gradient of the loss at step {grouped(loss)} {back}, and ends at step {grouped(first)}."
        if first == 1:
            return f"{text} Nothing that was read is out of its reach."
        pairs = f"(1,\u00a0{grouped(loss)})"
        if first > 2:
            pairs += f" to ({grouped(first - 1)},\u00a0{grouped(loss)})"
        why = ("The state may carry what was read there, but this loss cannot teach it to." if self.carried else
               "The state began with zeros and knows nothing of what was read there.")
        return f"{text} No gradient joins the pairs (cause, effect) {pairs}. {why}"

    def describe(self) -> str:
        plan = self.plan
        cut = f"cut after every {grouped(plan.truncation)}" if plan.truncation < plan.steps else "not cut"
        return (f"A text of {grouped(plan.steps)} steps, {cut}, read by {KINDS[plan.kind]} of {grouped(plan.hidden)} hidden "
                f"units in a batch of {grouped(plan.batch)}: at most {in_bytes(self.memory_bytes)} of values kept, "
                f"{in_bytes(self.memory_bytes_whole)} without a cut; backward passes {grouped(plan.backward_passes)}; "
                f"{grouped(plan.connected_pairs)} of {grouped(plan.all_pairs)} pairs (cause, effect) joined by a gradient. "
                f"{self.moment_in_words()} {self.reach_in_words()}")

    def picture(self) -> Picture:
        plan = self.plan
        drawn = plan.steps <= 24
        rows = [["net", "net"], ["memory", "pairs"]] if drawn else [["memory", "pairs"]]
        fig, axes = plt.subplot_mosaic(rows, figsize=(6, 4) if drawn else (6, 2.6), width_ratios=(3, 2),
                                       height_ratios=(2, 5) if drawn else None)
        if drawn:
            _draw_network(axes["net"], plan, plan.at(self.moment))
        _draw_memory(axes["memory"], plan, self.moment)
        _draw_pairs(axes["pairs"], plan, self.loss_step)
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture


def _corners(plan: Plan) -> tuple[list[int], list[int]]:
    """Moments and steps kept, where the line of the memory turns; of many windows, the block that they fill."""
    if plan.backward_passes > 200:
        peak = min(plan.truncation, plan.steps)
        return [0, 0, plan.last_moment, plan.last_moment], [0, peak, peak, 0]
    x, y = [0], [0]
    for window in range(plan.backward_passes):
        begin = window * (2 * plan.truncation + 1)
        length = min(plan.truncation, plan.steps - window * plan.truncation)
        x += [begin + length, begin + 2 * length, begin + 2 * length + 1]
        y += [length, 0, 0]
    return x, y


def _draw_memory(ax, plan: Plan, moment: int) -> None:
    x, y = _corners(plan)
    ax.plot([0, plan.steps, 2 * plan.steps], [0, plan.steps, 0], color=COLORS["x"], linestyle="--", label="not cut")
    ax.plot(x, y, color=COLORS["H"], label="cut")
    ax.fill_between(x, y, color=COLORS["H"], alpha=0.2)
    ax.plot(moment, len(plan.at(moment).kept), "o", color=COLORS["H"], markersize=8)
    ax.set(xlabel="work done", ylabel="steps kept", xticks=[0, plan.last_moment], xticklabels=["begin", "end"],
           ylim=(0, 1.3 * plan.steps))
    ax.legend(loc="upper right", ncols=2)


def _draw_pairs(ax, plan: Plan, loss: int) -> None:
    ax.fill([0, 0, plan.steps], [0, plan.steps, plan.steps], color=COLORS["x"], alpha=0.25, linewidth=0)
    if plan.backward_passes > 200:
        ax.plot([0, plan.steps], [0, plan.steps], color=COLORS["H"])
    else:
        for a in range(0, plan.steps, plan.truncation):
            b = min(a + plan.truncation, plan.steps)
            ax.fill([a, a, b], [a, b, b], color=COLORS["H"])
    ax.plot([0, loss], [loss - 0.5] * 2, color=COLORS["x"], linestyle=":")
    ax.set(xlabel="cause", ylabel="effect", xlim=(0, plan.steps), ylim=(plan.steps, 0), xticks=[], yticks=[],
           aspect="equal", title=f"joined: {100 * plan.connected_pairs / plan.all_pairs:.3g} %")
    ax.grid(False)


def _draw_network(ax, plan: Plan, now: Moment) -> None:
    for step in range(1, plan.steps + 1):
        inside = COLORS["H"] if step in now.kept else "none"
        ax.plot(step, 0.2, "o", color=COLORS["H"], markersize=12, markerfacecolor=inside)
        ax.text(step, -0.75, step, ha="center", va="center", fontsize=10)
        if step < plan.steps and plan.first(step + 1) == step + 1:
            ax.axvline(step + 0.5, color=COLORS["x"], linestyle=":")
    ax.set(title="filled: kept for the backward pass; dotted: a cut", xlim=(0.2, plan.steps + 0.8), ylim=(-1, 1))
    ax.axis("off")
