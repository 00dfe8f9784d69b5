"""The memory cell with a number on every wire: a run of a small LSTM that the reader steps through and changes."""
from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import torch
import traitlets
from torch import Tensor

from unrolled.equations import LSTM_PARAMETERS, LSTMStep, lstm_step
from unrolled.figures.cell import cell
from unrolled.figures.palette import COLORS
from unrolled.figures.curves import label_ends
from unrolled.figures.plots import LABELS, STYLES
from unrolled.figures.style import STYLE, Picture
from unrolled.layers.parameters import check_weights, named_weights
from unrolled.widgets.base import Widget, module

MOST_INPUTS, MOST_UNITS, MOST_STEPS, LARGEST = 3, 4, 60, 1000.0


class Refused(traitlets.TraitError, ValueError):
    """A value that the cell cannot take. The old one stays; with a bare ValueError a held change would not go back."""


class Plain(traitlets.Any):
    """What a validator turns into plain lists and dicts. None is refused like anything else."""

    allow_none = False


# ---- presets: the page reads them too ----

def one_unit(**layers) -> dict[str, list]:
    """The parameters of one unit that does not read its hidden state: ``i=([0, 12], -6)`` is input weights and bias."""
    return {f"{kind}{k}": value for k, (weights, bias) in layers.items()
            for kind, value in (("W_x", [[w] for w in weights]), ("W_h", [[0]]), ("b_", [bias]))}


def preset(watch: str, parameters: dict, *lines: list[float], names=("value", "cue"), state=None) -> dict:
    """``lines`` are the inputs, one line each; ``watch`` says in a sentence or two what to look at."""
    zeros = [0] * len(parameters["b_i"])
    return {"watch": watch, "parameters": parameters, "inputs": [list(x) for x in zip(*lines, strict=True)],
            "state": state or {"H": zeros, "C": zeros}, "names": list(names)}


def cue(*steps: int, of: int) -> list[int]:
    """1 at these steps, which count from 1, and 0 at all others."""
    return [int(step in steps) for step in range(1, of + 1)]


BY_HAND = {
    "W_xi": [[-2, 1]], "W_hi": [[-2, 0], [0, -2]], "b_i": [0, 1],
    "W_xf": [[0, -1]], "W_hf": [[2, 0], [0, 2]], "b_f": [2, -1],
    "W_xo": [[-1, 1]], "W_ho": [[-2, 0], [0, -2]], "b_o": [0, 0],
    "W_xc": [[1, 1]], "W_hc": [[0, 1], [1, 0]], "b_c": [0, 0],
}
KEEP, SHOW = ([0, 0], 6), ([0, 0], 2)                              # gates that no input shuts
TOKENS = [-0.9, 0.6, -0.3, 0.8, 0.5, -0.7, 0.9, 0.4, -0.2, 0.7, 0.3, -0.8, 0.6, 0.9, -0.4, 0.2, 0.8, -0.6, 0.5, 0.7]
MARKED = [0.3, 0.4, -0.2, 0.9, -1, 0.8, 0.5, 0.2, 0.4, 1, 0.9, -0.8, 1, 0.3, -0.3, 0.4, -0.9, -1, 0.2, 0.3]
ROOMS = [0.5, 0.3, 0.4, 0.2, 0.6, 0.4, 0.3, 0.8, 0.4, 0.2, 0.5, 0.3, 0.6, 0.2, 0.7, 0.3, 0.5, 0.4, 0.2, 0.6]
SMALL = [0.06, 0.11, 0.02, 0.09, 0.14, 0.05, 0.12, 0.01, 0.08, 0.1, 0.04, 0.13, 0.07, 0.03, 0.11,
         0.06, 0.15, 0.02, 0.09, 0.12, 0.05, 0.08, 0.14, 0.04, 0.1, 0.07, 0.03, 0.12, 0.06, 0.11]
NOISE = [-0.4, 0.2, -0.9, -0.3, 0.6, -0.8, -0.1, -0.7, 0.4, -0.5, -1, 0.1, -0.2, 0.8, -0.6, -0.9, 0.3, -0.4, -0.8,
         0.5, -0.3, -0.7, -0.2, 0.7, -0.9, -0.5, 0.2, -0.6, -0.1, -0.8, 0.4, -0.3, -1, 0.6, -0.4, -0.7, -0.2, 0.1,
         -0.5, 0.9, -0.8, -0.3, -0.6, 0.3, -0.9, -0.1, 0.5, -0.7, -0.4]
PRESETS = {
    "one step by hand": preset(
        "The step of the table above. Choose unit 1, which keeps, or unit 2, which writes anew.",
        BY_HAND, [1], names=("input",), state={"H": [0.5, -0.5], "C": [2, -1]}),
    "keep the first token": preset(
        "The input gate opens once, at the cue of step 1. Step on: the cell state stays where the first value put it, "
        "whatever comes.",
        one_unit(i=([0, 12], -6), f=KEEP, o=SHOW, c=([2, 0], 0)), TOKENS, cue(1, of=20)),
    "skip the irrelevant": preset(
        "Where the cue is 1 the input gate shuts and the cell state lies flat. The input node goes on proposing; "
        "nothing of it is written.",
        one_unit(i=([0, -12], 6), f=KEEP, o=SHOW, c=([1, 0], 0)), MARKED, cue(4, 5, 6, 10, 11, 12, 13, 17, 18, of=20)),
    "reset": preset(
        "The cell state climbs. At each cue, steps 8 and 15, forget gate and input gate shut together: the memory is "
        "empty, and nothing new comes in.",
        one_unit(i=([0, -12], 6), f=([0, -12], 6), o=SHOW, c=([1, 0], 0)), ROOMS, cue(8, 15, of=20)),
    "silent unit": preset(
        "The cell state climbs from the first step on. The hidden state says next to nothing until the cue opens the "
        "output gate at step 26.",
        one_unit(i=([0, 0], 4), f=KEEP, o=([0, 8], -4), c=([1, 0], 0)), SMALL, cue(*range(26, 31), of=30)),
    "challenge: hold for 50 steps": preset(
        "Step 1 writes a value, then come 49 steps of noise. Set the biases so that the cell state never strays "
        "more than 5 % from what was written.",
        one_unit(i=([0, 10], 0), f=([0, 0], 0), o=([0, 0], 0), c=([1, 0], 0)), [1, *NOISE], cue(1, of=50)),
}


# ---- what comes in ----

def numbers(name: str, value) -> Tensor:
    """The value in float64 on the CPU, or an error that says which number is none."""
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} holds numbers, got {value!r:.80}") from None
    if not (tensor.abs() <= LARGEST).all():                        # which nan is not either
        raise ValueError(f"{name} holds finite numbers, at most {LARGEST:g} in size, got {tensor.tolist()!r:.80}")
    return tensor


def parameters_of(source) -> dict[str, Tensor]:
    """The twelve parameters, named as in the equations, from a mapping or one of our LSTM layers.

    Raises:
        TypeError, ValueError: something else, a missing or unknown name, a wrong shape, or too large a cell.
    """
    weights = source if isinstance(source, Mapping) else named_weights(source)
    weights = {name: numbers(name, value) for name, value in weights.items()}
    shape = tuple(weights["W_xi"].shape) if "W_xi" in weights else (1, 1)
    if len(shape) != 2:
        raise ValueError(f"W_xi has shape (inputs, hidden), got {shape}")
    check_weights(weights, LSTM_PARAMETERS, *shape)
    if not (1 <= shape[0] <= MOST_INPUTS and 1 <= shape[1] <= MOST_UNITS):
        raise ValueError(f"the cell has 1 to {MOST_INPUTS} inputs and 1 to {MOST_UNITS} units, "
                         f"got {shape[0]} and {shape[1]}")
    return {name: weights[name] for name in LSTM_PARAMETERS}


def inputs_of(source, width: int) -> Tensor:
    """The sequence, (steps, width); (steps, 1, width) is a batch of one, and (steps,) will do for one input."""
    inputs = numbers("inputs", source)
    if inputs.ndim == 3 and inputs.shape[1] == 1:
        inputs = inputs[:, 0]
    if inputs.ndim == 1 and width == 1:
        inputs = inputs[:, None]
    if inputs.ndim != 2 or inputs.shape[1] != width or not 1 <= len(inputs) <= MOST_STEPS:
        raise ValueError(f"inputs have shape (steps, {width}) with 1 to {MOST_STEPS} steps, got {tuple(inputs.shape)}")
    return inputs


def state_of(source, units: int) -> dict[str, Tensor]:
    """The state before the first step, from {"H": …, "C": …} or a pair (H, C), each (units,) or (1, units)."""
    if not isinstance(source, Mapping):
        if not isinstance(source, (tuple, list)) or len(source) != 2:
            raise ValueError(f"a state is (H, C), each ({units},), got {source!r:.80}")
        source = dict(zip("HC", source))
    if set(source) != {"H", "C"}:
        raise ValueError(f"a state has H and C, got {', '.join(map(str, source)) or 'nothing'}")
    state = {name: numbers(name, source[name]) for name in "HC"}
    for name, value in state.items():
        if tuple(value.shape) not in ((units,), (1, units)):
            raise ValueError(f"{name} has shape ({units},), got {tuple(value.shape)}")
    return {name: value.reshape(units) for name, value in state.items()}


def lists(value):
    return {name: one.tolist() for name, one in value.items()} if isinstance(value, dict) else value.tolist()


class MemoryCell(Widget):
    """The drawing of the cell with a number on every wire, over a sequence of up to 60 steps.

    All of it is synchronised with the page, so what the reader moves there can be read here.

    Args:
        parameters: the twelve by their names (``W_xi`` … ``b_c``; tensors, arrays or lists), or one of our LSTM
            layers. At most 3 inputs and 4 units.
        inputs: (steps, inputs); unless told, a 1 on every line at the first of twelve steps, then zeros.
        state: the state before the first step, (H, C), each (units,); zeros unless told.
        unit, step: which are shown, from 0.
        preset: a name of ``PRESETS``; fills in what is not given. Without ``parameters`` it is "one step by hand".
        interventions: states set by hand, a list of ``[step, "H" or "C", unit, value]``: before that step, which
            is not the first, the state of that unit is the value, and from there the run goes on.

    Raises:
        TypeError: parameters that are neither a mapping nor one layer.
        ValueError: anything else that does not fit. A value that is refused later leaves the old one in its place.
    """

    _esm = module("memory_cell.mjs")
    drawing = traitlets.Unicode(cell("hidden"), read_only=True).tag(sync=True)
    presets = traitlets.Dict(PRESETS, read_only=True).tag(sync=True)
    parameters = Plain().tag(sync=True)
    inputs = Plain().tag(sync=True)
    state = Plain().tag(sync=True)
    interventions = Plain().tag(sync=True)
    unit = traitlets.Int().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    preset = traitlets.Unicode().tag(sync=True)

    def __init__(self, parameters=None, inputs=None, state=None, *, unit=0, step=0, preset=None, interventions=(),
                 **kwargs):
        if preset is None:
            preset = "one step by hand" if parameters is None else ""
        given = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
        parameters = given.get("parameters", BY_HAND) if parameters is None else parameters
        width, units = parameters_of(parameters)["W_xi"].shape
        impulse = torch.zeros(12, width)                           # (steps, inputs)
        impulse[0] = 1
        zeros = torch.zeros(units)
        super().__init__(parameters=parameters, inputs=given.get("inputs", impulse) if inputs is None else inputs,
                         state=given.get("state", (zeros, zeros)) if state is None else state,
                         interventions=interventions, unit=unit, step=step, preset=preset, **kwargs)

    @traitlets.validate("parameters", "inputs", "state", "interventions", "unit", "step", "preset")
    def _fits(self, proposal):
        """The proposed value in plain lists, if it fits to all others. In a held change these may still be raw."""
        try:
            return getattr(self, f"_fit_{proposal.trait.name}")(proposal.value)
        except (TypeError, ValueError) as error:
            raise Refused(str(error)) from None

    @property
    def _sizes(self) -> tuple[int, int]:
        return tuple(parameters_of(self.parameters)["W_xi"].shape)

    def _fit_parameters(self, value):
        parameters = parameters_of(value)
        width, units = parameters["W_xi"].shape
        inputs_of(self.inputs, width), state_of(self.state, units)
        return lists(parameters)

    def _fit_inputs(self, value):
        return lists(inputs_of(value, self._sizes[0]))

    def _fit_state(self, value):
        return lists(state_of(value, self._sizes[1]))

    def _fit_interventions(self, value):
        width, units = self._sizes
        steps, fitting = len(inputs_of(self.inputs, width)), []
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"interventions are a list, got {value!r:.80}")
        for one in value:
            match one:
                case [int(step), "H" | "C" as name, int(unit), number] if 0 < step < steps and 0 <= unit < units:
                    fitting.append([step, name, unit, numbers("an intervention", number).item()])
                case _:
                    raise ValueError(f"an intervention is [step from 1 to {steps - 1}, 'H' or 'C', unit from 0 to "
                                     f"{units - 1}, value], got {one!r:.80}")
        return fitting

    def _fit_unit(self, value):
        return self._place("unit", value, self._sizes[1])

    def _fit_step(self, value):
        return self._place("step", value, len(inputs_of(self.inputs, self._sizes[0])))

    def _fit_preset(self, value):
        if value and value not in PRESETS:
            raise ValueError(f"the presets are {', '.join(map(repr, PRESETS))}, got {value!r}")
        return value

    @staticmethod
    def _place(name: str, value: int, count: int) -> int:
        if not 0 <= value < count:
            raise ValueError(f"the {name} lies between 0 and {count - 1}, got {value}")
        return value

    @traitlets.observe("parameters", "inputs")
    def _follow(self, change):
        """In a shorter sequence or a smaller cell, what is shown moves back into it, and what has no place goes."""
        steps, units = len(self.inputs), self._sizes[1]
        self.unit, self.step = min(self.unit, units - 1), min(self.step, steps - 1)
        self.interventions = [one for one in self.interventions if one[0] < steps and one[2] < units]

    @property
    def values(self) -> dict[str, Tensor]:
        """Every value of the run, name -> (steps, units) in float64: I, F, O, C_tilde, C, H."""
        steps = [step for _, step in self._run()]
        return {name: torch.cat([getattr(step, name) for step in steps]) for name in LSTMStep._fields}

    def _run(self) -> Iterator[tuple[dict[str, Tensor], LSTMStep]]:
        """For each step the state that it begins with, by itself or set by hand, and its values, each (1, units)."""
        parameters = parameters_of(self.parameters)
        state = {name: value[None] for name, value in state_of(self.state, self._sizes[1]).items()}
        for t, x in enumerate(numbers("inputs", self.inputs)):
            state = {name: value.clone() for name, value in state.items()}
            for at, name, unit, value in self.interventions:
                if at == t:
                    state[name][0, unit] = value
            step = lstm_step(x[None], **state, parameters=parameters)
            yield state, step
            state = {"H": step.H, "C": step.C}

    def describe(self) -> str:
        before, step = list(self._run())[self.step]
        own = slice(self.unit, self.unit + 1)
        rows = [("input x", self.inputs[self.step]), ("hidden state before", before["H"][0]),
                ("cell state before", before["C"][0, own])]
        rows += [(LABELS[name], value[0, own]) for name, value in step._asdict().items()]
        table = "\n".join(f"{label:<20}" + "".join(f"{float(number):10.4f}" for number in row) for label, row in rows)
        hand = "".join(f"\nSet by hand before step {at + 1}: {name} of unit {unit + 1} is {value:g}."
                       for at, name, unit, value in self.interventions)
        return (f"The memory cell at step {self.step + 1} of {len(self.inputs)}, unit {self.unit + 1} of "
                f"{self._sizes[1]}.\n{table}{hand}")

    def picture(self) -> Picture:
        values = {name: value[:, self.unit] for name, value in self.values.items()}
        now = {LABELS[name]: value[self.step].item() for name, value in values.items()}
        many, steps = len(self.inputs) > 1, range(1, len(self.inputs) + 1)
        with plt.rc_context(STYLE):
            fig, axes = plt.subplots(3 if many else 1, 1, figsize=(6.0, 6.4 if many else 2.6), squeeze=False,
                                     height_ratios=[1.3, 1, 1.2] if many else None)
            bars, *panels = axes[:, 0]
            drawn = bars.barh(list(now), list(now.values()), color=[COLORS[name] for name in values])
            bars.bar_label(drawn, [f"{value:.4f}".replace("-", "−") for value in now.values()], padding=4)
            bars.invert_yaxis()
            bars.margins(x=0.4)
            bars.grid(False)
            bars.axvline(0, color="black", lw=0.8)
            bars.set_title(f"unit {self.unit + 1} at step {self.step + 1} of {len(self.inputs)}", loc="left")
            for ax, names in zip(panels, (("I", "F", "O"), ("C_tilde", "C", "H"))):
                lines = [line for name in names for line in ax.plot(steps, values[name], color=COLORS[name],
                                                                    linestyle=STYLES[name], label=LABELS[name])]
                ax.axvline(self.step + 1, color="black", lw=0.8, alpha=0.5)
                ax.xaxis.get_major_locator().set_params(integer=True)
                ax.set_xlabel("step")
                label_ends(ax, lines)
            picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture
