"""How much of a gradient arrives k steps back: along the memory line alone, and measured."""
import copy
import math
import numbers
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
import traitlets
from torch import Tensor, nn

from unrolled.figures.palette import COLORS
from unrolled.figures.curves import DASH_DOT_DOT, label_ends
from unrolled.figures.style import RAISED, Picture
from unrolled.layers import GRU, LSTM, RNN
from unrolled.probe import STEP, forget_products, gradient_norms
from unrolled.widgets.base import Widget, module

BIASES = tuple(k / 2 for k in range(-4, 13))                       # -2, -1.5, … 6
UNDERFLOW = math.log10(torch.finfo(torch.float32).tiny)            # of single precision's smallest normal number
TAKEN = ("LSTM", "GRU", "RNN")                                     # the names that the book's own layers have
OWN = ("I", "O", "C_tilde")                                        # the colours of the reader's own layers
VERDICTS = ((-6, "It has vanished."), (-1, "It is fading."), (1, "It is alive."), (2, "It is growing."),
            (math.inf, "It is exploding."))


def measured(make: Callable[[], nn.Module], sizes: Mapping, probe=gradient_norms) -> Tensor:
    """What ``probe`` finds in a layer for each seed of the noise, as powers of ten of entry 0: (seeds, steps + 1).

    Each seed fixes the noise first and the layer's first values after it; the generator's state stays as it was.
    """
    found = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(sizes["seeds"]):
            torch.default_generator.manual_seed(seed)              # the CPU's alone, for no other is set back
            noise = torch.randn(sizes["steps"] + 1, 4, sizes["inputs"], dtype=torch.float64)   # (…, batch, inputs)
            found.append(probe(make(), noise))                     # (steps + 1,)
    found = torch.stack(found)                                     # (seeds, steps + 1)
    return (found / found[:, :1]).log10()


def rounded(logs: Tensor) -> list:
    """(steps + 1,) as a list that travels in a page; a zero has no logarithm and becomes None."""
    return [round(value, 3) if value > -math.inf else None for value in logs.tolist()]


def finite(value) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def check_curve(name: str, curve, steps: int) -> None:
    """Raise ValueError unless the curve is a list of steps + 1 finite numbers, or None for a zero."""
    if not isinstance(curve, Sequence) or len(curve) != steps + 1:
        came = len(curve) if isinstance(curve, Sequence) else type(curve).__name__
        raise ValueError(f"{name} is a list of {steps + 1} values, for steps 0 to {steps}; got {came}")
    for value in curve:
        if not (value is None or finite(value)):
            raise ValueError(f"{name} holds {value!r}, which is neither a finite number nor None")


def check_data(data: Mapping) -> None:
    """Raise ValueError, naming the part, unless this is a measurement as ``GradientFlow.measure`` makes it."""
    missing = [name for name in ("inputs", "hidden", "seeds", "steps", "biases", "rnn", "gru", "lstm", "low", "high")
               if name not in data]
    if missing:
        raise ValueError(f"the measurement lacks {', '.join(missing)}: GradientFlow.measure() makes a whole one")
    biases, steps = data["biases"], data["steps"]
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps is a whole number of at least 1, got {steps!r}")
    ascending = isinstance(biases, Sequence) and all(map(finite, biases)) and list(biases) == sorted(set(biases))
    if not ascending or not biases:
        raise ValueError(f"the biases are finite, ascending, and at least one; got {biases!r}")
    for name in ("rnn", "gru"):
        check_curve(name, data[name], steps)
    for name in ("lstm", "low", "high"):
        if not isinstance(data[name], Sequence) or len(data[name]) != len(biases):
            raise ValueError(f"{name} has a curve for each of the {len(biases)} biases, got {data[name]!r:.60}")
        for bias, curve in zip(biases, data[name]):
            check_curve(f"{name} at bias {bias:g}", curve, steps)


def scale(steps: int) -> tuple[int, int]:
    """The powers of ten at the picture's floor and top: 0.5 ** steps just fits."""
    return math.floor(-0.325 * steps), math.ceil(steps / 32)


def amount(log: float | None, digits: int = 3) -> str:
    """10 ** log in a few digits, also where a floating-point number would underflow. None is a zero."""
    if log is None:
        return "0"
    if -3 <= log < 3:
        return f"{float(f'{10 ** log:.{digits}g}'):g}"
    exponent = math.floor(log)
    mantissa = f"{10 ** (log - exponent):.1f}"
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    return f"{mantissa}\u00a0·\u00a010{str(exponent).translate(RAISED)}"


def verdict(log: float) -> str:
    return next(words for end, words in VERDICTS if log <= end)


class GradientFlow(Widget):
    """Two sliders, the forget bias and the steps back: what is left of a gradient there.

    The memory line alone, the product of the forget gates, stands beside the gradient measured by autograd in
    untrained LSTMs, and beside a GRU and a plain RNN, which have no such bias.

    Args:
        data: a measurement, from ``GradientFlow.measure(…).data``: "inputs", "hidden", "seeds", "steps", "biases";
            "rnn" and "gru" (steps + 1); "lstm", "low" and "high" (biases, steps + 1): the mean of the seeds, the
            least and the greatest. All are log10 of the gradient's norm relative to the last step; None is a zero.
        bias: one of the data's biases.
        steps: 1 to the data's steps.
        layers: name -> layer, the reader's own; see ``add``.

    ``bias``, ``steps``, ``data`` and ``own`` (what was added) are synchronised with the page. Raises ValueError on
    values outside, and on a measurement that is not whole.
    """

    _esm = module("gradient_flow.mjs")
    bias = traitlets.Float(0.0).tag(sync=True)
    steps = traitlets.Int(32).tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    own = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, data: Mapping, *, bias: float = 0.0, steps: int = 32, layers: Mapping | None = None, **kwargs):
        if not isinstance(data, Mapping):
            raise TypeError(f"a measurement is a dict, from GradientFlow.measure().data; got {type(data).__name__}")
        check_data(data)                                           # also where it is {}, which no validator sees
        super().__init__(data=dict(data), bias=bias, steps=steps, **kwargs)
        for name, layer in (layers or {}).items():
            self.add(name, layer)

    @classmethod
    def measure(cls, biases: Sequence[float] = BIASES, *, steps: int = 128, seeds: int = 5, hidden: int = 64,
                inputs: int = 8, **kwargs) -> "GradientFlow":
        """Measure untrained layers in float64 on noise, an LSTM for each bias; a widget that shows them.

        Args:
            biases: of the forget gates.
            steps: back in time, from the last.
            seeds: each another noise and other first values.
            hidden, inputs: the layers' sizes.
            kwargs: as for ``GradientFlow``: bias, steps shown are 0 and 32 where they were measured.
        """
        sizes = {"inputs": inputs, "hidden": hidden, "seeds": seeds, "steps": steps}
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1, got {value!r}")
        biases = sorted({float(b) for b in biases})
        double = {"dtype": torch.float64}
        lstms = [measured(lambda: LSTM(inputs, hidden, forget_bias=b, **double), sizes) for b in biases]
        data = sizes | {
            "biases": biases,
            "rnn": rounded(measured(lambda: RNN(inputs, hidden, **double), sizes).mean(0)),
            "gru": rounded(measured(lambda: GRU(inputs, hidden, **double), sizes).mean(0)),
            "lstm": [rounded(logs.mean(0)) for logs in lstms],
            "low": [rounded(logs.amin(0)) for logs in lstms],
            "high": [rounded(logs.amax(0)) for logs in lstms],
        }
        return cls(data, **{"bias": min(biases, key=abs, default=0.0), "steps": min(32, steps)} | kwargs)

    def add(self, name: str, layer: nn.Module) -> None:
        """Measure a layer of the reader's own on the same noise and draw it beside the others.

        Args:
            name: of at most 24 characters; a name that was there before is measured anew.
            layer: one RNN, GRU or LSTM layer of ``unrolled.layers``, trained or not, that takes as many inputs as
                the noise has. A copy is measured, on the CPU in float64.

        Raises:
            TypeError: no such layer.
            ValueError: a name that is empty, too long or taken, another width, a fourth layer, or weights from which no
                gradient comes.
        """
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 24:
            raise ValueError(f"a layer's name has 1 to 24 characters, got {name!r}")
        if name in TAKEN or name.endswith("line alone"):
            raise ValueError(f"{name!r} is the name of a line that is there already")
        if getattr(layer, "kind", None) not in STEP:
            raise TypeError(f"expected one RNN, GRU or LSTM layer of unrolled.layers, got "
                            f"{type(layer).__module__}.{type(layer).__name__}")
        if layer.num_inputs != self.data["inputs"]:
            raise ValueError(f"the noise is {self.data['inputs']} numbers wide, but {name!r} takes {layer.num_inputs}: "
                             f"GradientFlow.measure(inputs={layer.num_inputs}) makes noise that fits")
        others = [entry for entry in self.own if entry["name"] != name]
        if len(others) == len(OWN):
            raise ValueError(f"there is room for {len(OWN)} layers of your own, {name!r} would be one more")
        layer = copy.deepcopy(layer).cpu().double()               # in this order: MPS has no float64
        logs = measured(lambda: layer, self.data)                  # (seeds, steps + 1)
        if not (logs < math.inf).all():                            # NaN too
            raise ValueError(f"the gradient of {name!r} is not a number at every step: are its weights finite, and does "
                             "a gradient reach its last state?")
        entry = {"name": name, "curve": rounded(logs.mean(0)), "gates": None}
        if layer.kind == "lstm":
            entry["gates"] = rounded(measured(lambda: layer, self.data, forget_products).mean(0))
        self.own = [*others, entry]

    @traitlets.validate("data", "bias", "steps", "own")
    def _check(self, proposal):
        """What is shown fits together, whichever part of it changes."""
        data, bias, steps, own = ({name: getattr(self, name) for name in ("data", "bias", "steps", "own")}
                                  | {proposal.trait.name: proposal.value}).values()
        check_data(data)
        if bias not in data["biases"]:
            raise ValueError(f"the bias is one of {', '.join(f'{b:g}' for b in data['biases'])}; got {bias!r}")
        if not 1 <= steps <= data["steps"]:
            raise ValueError(f"the steps lie between 1 and {data['steps']}, got {steps!r}")
        if len(own) > len(OWN):
            raise ValueError(f"there is room for {len(OWN)} layers of your own, got {len(own)}")
        for entry in own:
            if not {"name", "curve", "gates"} <= set(entry):
                raise ValueError(f"a layer of your own comes from add(name, layer), got {entry!r}")
            for curve in (entry["curve"], entry["gates"] or entry["curve"]):
                check_curve(entry["name"], curve, data["steps"])
        return proposal.value

    @property
    def gate(self) -> float:
        """Where the bias alone lets the forget gates stand."""
        return 1 / (1 + math.exp(-self.bias))

    @property
    def curves(self) -> dict[str, list]:
        """Name -> log10 of what is left 0, 1, … steps back, at the bias shown."""
        line = [k * math.log10(self.gate) for k in range(self.data["steps"] + 1)]
        curves = {"LSTM": self.data["lstm"][self.data["biases"].index(self.bias)], "memory line alone": line,
                  "GRU": self.data["gru"], "RNN": self.data["rnn"]}
        for entry in self.own:
            curves[entry["name"]] = entry["curve"]
            if entry["gates"]:
                curves[f"{entry['name']}, line alone"] = entry["gates"]
        return curves

    @property
    def left(self) -> dict[str, float]:
        """Name -> the part of the last step's gradient that is left ``steps`` steps back, at the bias shown."""
        logs = {name: curve[self.steps] for name, curve in self.curves.items()}
        return {name: 0.0 if log is None else 10 ** log for name, log in logs.items()}

    def describe(self) -> str:
        at = {name: curve[self.steps] for name, curve in self.curves.items()}
        level = {name: -math.inf if log is None else log for name, log in at.items()}
        lstm, line, gru = level["LSTM"], level["memory line alone"], level["GRU"]
        gate, detour = amount(math.log10(self.gate), 4), lstm - line
        if detour > 0.3:
            told = f"Detours through the hidden state brought {amount(detour, 2)} times what the line alone brings."
        elif detour >= -0.3:
            told = "The line alone brings nearly all of it."
        else:
            told = "The line alone would bring more: detours cancel a part of it."
        words = [f"With a forget bias of {self.bias:g} the gates stand at {gate}.".replace("-", "−"),
                 f"{self.steps} step{'s' * (self.steps > 1)} back, {gate}{str(self.steps).translate(RAISED)} = "
                 f"{amount(line)} of the gradient is left along the memory line alone.",
                 f"Measured: {amount(at['LSTM'])}. {verdict(lstm)}", told]
        if lstm < UNDERFLOW:
            words.append("Single precision could not even write it down.")
        if -math.inf < gru and lstm < gru + 0.5:
            words.append("A GRU keeps about as much." if lstm > gru - 0.5 else "A GRU keeps more.")
        words += [f"{entry['name']}: {amount(at[entry['name']])}." for entry in self.own]
        floor, top = scale(self.data["steps"])
        for where, names in (("Below", [name for name in at if level[name] < floor]),
                             ("Above", [name for name in at if level[name] > top])):
            words += [f"{where} the picture here: {'; '.join(names)}."] * bool(names)
        return " ".join(words)

    def picture(self) -> Picture:
        floor, top = scale(self.data["steps"])
        looks = {"LSTM": (COLORS["lstm"], "-"), "memory line alone": (COLORS["F"], "--"), "GRU": (COLORS["gru"], ":"),
                 "RNN": (COLORS["rnn"], DASH_DOT_DOT)}
        for entry, key in zip(self.own, OWN):
            looks |= {entry["name"]: (COLORS[key], "-"), f"{entry['name']}, line alone": (COLORS[key], ":")}
        fig, ax = plt.subplots(figsize=(6.0, 3.2))
        lines = []
        for name, curve in self.curves.items():
            color, stroke = looks[name]
            values = [10.0 ** log if log is not None and floor <= log <= top else math.nan for log in curve]
            lines += ax.semilogy(values, color=color, linestyle=stroke, label=name)
            ax.plot(self.steps, values[self.steps], "o", color=color)
        ax.axvline(self.steps, color="black", lw=0.8, alpha=0.4)
        ax.set(xlabel="steps back in time", ylabel="left of the gradient", ylim=(10.0 ** floor, 10.0 ** top))
        label_ends(ax, lines)
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture
