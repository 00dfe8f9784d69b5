"""What a trained character model has learnt: each unit's gates and states, on any text that the reader types."""
import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
import traitlets
from torch import Tensor

from unrolled.equations import LSTM_PARAMETERS
from unrolled.figures.palette import COLORS
from unrolled.figures.plots import LABELS
from unrolled.figures.style import Picture
from unrolled.layers import LSTMScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel, check_vocabulary, single_layers
from unrolled.probe import walk
from unrolled.text import Vocabulary
from unrolled.text.vocabulary import clean
from unrolled.widgets.base import Widget, module

LIMIT = 2500                    # characters of a text that are read
MOST_BYTES = 300_000            # of weights that travel in a page
GATES = ("I", "F", "O")
QUANTITIES = ("I", "F", "O", "C_tilde", "C", "H", "surprise")
ROW, ROWS = 40, 6               # of the still picture


def _so_far(text: str) -> list[int]:
    """For each character, how many letters of its word have been read; 0 at a space."""
    counts = [0]
    for character in text:
        counts.append(0 if character == " " else counts[-1] + 1)
    return counts[1:]


def _word_before(text: str) -> list[int]:
    """For each character, the length of the last word that was finished."""
    lengths, length, last = [], 0, 0
    for character in text:
        if character == " " and length:
            last = length
        length = 0 if character == " " else length + 1
        lengths.append(last)
    return lengths


def _within(word: str) -> Callable[[str], list[bool]]:
    """Whether the word so far is the beginning, or the whole, of ``word``."""
    return lambda text: [0 < n <= len(word) and text[k + 1 - n:k + 1] == word[:n]
                         for k, n in enumerate(_so_far(text))]


# What a unit may follow: its name -> a number for each character of a cleaned text.
FEATURES: dict[str, Callable[[str], Sequence[float]]] = {
    "the letters since the last space": _so_far,
    "the spaces": lambda text: [c == " " for c in text],
    "the first letter of each word": lambda text: [n == 1 for n in _so_far(text)],
    "the second letter of each word": lambda text: [n == 2 for n in _so_far(text)],
    "the last letter of each word": lambda text: [c != " " and d == " " for c, d in zip(text, text[1:] + " ")],
    "words of five letters and more": lambda text: [n >= 5 for n in _so_far(text)],
    "the length of the word before": _word_before,
    "the vowels": lambda text: [c in "aeiou" for c in text],
    "the letter after a vowel": lambda text: [c in "aeiou" for c in " " + text[:-1]],
    "the inside of “the”": _within("the"),
    "the inside of “and”": _within("and"),
    **{f"the letter {c}": (lambda text, c=c: [d == c for d in text]) for c in "abcdefghijklmnopqrstuvwxyz"},
    **{f"the letter after {c}": (lambda text, c=c: [d == c for d in " " + text[:-1]])
       for c in "abcdefghijklmnopqrstuvwxyz"},
}


def correlations(values: Tensor, text: str, features: Mapping[str, Callable] = FEATURES) -> Tensor:
    """Pearson's r of every unit with every feature of a text, in the order of ``features``.

    Args:
        values: (steps, hidden), such as ``trace(...).values["C"]`` of the same text.
        text: cleaned, one character a step.
        features: name -> function from the text to a number for each of its characters.

    Returns:
        (features, hidden); 0 where either does not vary.

    Raises:
        ValueError: a feature that gives another number of values, or one that is not finite.
    """
    columns = []
    for name, feature in features.items():
        column = torch.as_tensor(feature(text), dtype=torch.float64)
        if column.shape != (len(text),) or not column.isfinite().all():
            raise ValueError(f"the feature {name!r} gives one finite number for each of the {len(text)} characters, "
                             f"got {tuple(column.shape)}" + (" with others in it" if column.shape == (len(text),) else ""))
        columns.append(column)

    def standard(x: Tensor) -> Tensor:                       # (steps, columns): mean 0, length 1, or all 0
        x = x - x.mean(0)
        return x / x.norm(dim=0).clamp_min(1e-9)
    return standard(torch.stack(columns, 1)).T @ standard(values.cpu().double())


def _travelling(model: LanguageModel, vocab: Vocabulary) -> LanguageModel:
    """The model as it travels: one-hot input, weights rounded to 16 bits, computed in double precision."""
    if not isinstance(model, LanguageModel):
        raise TypeError(f"the microscope looks at a LanguageModel, got {type(model).__name__}")
    check_vocabulary(model, vocab)
    if vocab.level != "char":
        raise ValueError(f"the microscope reads characters, and this vocabulary is of level {vocab.level!r}")
    layers = single_layers(model)
    for k, layer in enumerate(layers):
        if getattr(layer, "kind", None) != "lstm":
            raise TypeError(f"the microscope looks into LSTM layers, and layer {k} is a {type(layer).__name__}")
    weights = [{name: value.cpu().double() for name, value in named_weights(layer).items()} for layer in layers]
    if model.embedding is not None:                          # a token's vector times W_x is a row of a larger W_x
        table = model.embedding.weight.detach().cpu().double()                 # (tokens, embedding)
        weights[0] |= {name: table @ value for name, value in weights[0].items() if name.startswith("W_x")}
    with torch.random.fork_rng(devices=[]):                  # the caller's generator is left alone
        copies = [LSTMScratch(w["W_xi"].shape[0], w["W_xi"].shape[1], dtype=torch.float64) for w in weights]
        copy = LanguageModel(copies[0] if len(copies) == 1 else Stacked(copies), len(vocab)).eval()
    for k, (one, w) in enumerate(zip(copies, weights)):
        load_weights(one, {name: _rounded(value, f"{name} of layer {k}") for name, value in w.items()})
    copy.head.weight.data = _rounded(model.head.weight.detach().cpu().double(), "the head's weight")
    copy.head.bias.data = _rounded(model.head.bias.detach().cpu().double(), "the head's bias")
    return copy


def _rounded(value: Tensor, name: str) -> Tensor:
    if not value.isfinite().all():
        raise ValueError(f"{name} holds a number that is not finite: the model is spoilt, train it anew")
    if not (rounded := value.half().double()).isfinite().all():
        raise ValueError(f"{name} holds {value.abs().max():.3g}, too large for a number of 16 bits")
    return rounded


def _shown(token: str) -> str:
    return token.replace(" ", "␣")


def _look(model: LanguageModel, ids: Tensor) -> tuple[list[dict[str, Tensor]], Tensor]:
    """Every value of every layer along (steps,) tokens, each (steps, hidden), and what is expected next, (steps, tokens)."""
    inputs, seen = ids[:, None], []
    with torch.no_grad():
        for layer in single_layers(model):
            steps = walk(layer, inputs)
            seen.append({name: torch.cat([getattr(step, name) for step in steps]) for name in steps[0]._fields})
            inputs = seen[-1]["H"][:, None]                  # (steps, 1, hidden)
        return seen, model.head(inputs[:, 0]).softmax(-1)


def _packed(model: LanguageModel) -> bytes:
    """Every weight as a 16-bit number, least byte first: layer by layer by the equations' names, then the head."""
    tensors = [getattr(layer, name) for layer in single_layers(model) for name in LSTM_PARAMETERS]
    tensors += [model.head.weight.T, model.head.bias]
    return b"".join(tensor.detach().numpy().astype("<f2").tobytes() for tensor in tensors)


class StateMicroscope(Widget):
    """A character model that reads what the reader types, and shows what each of its units does.

    The text is coloured by one quantity of one unit; at a position it gives all six values and what the model
    expects next; and the model writes on. The weights travel in the page as 16-bit numbers, and both Python
    and the page compute with these, in double precision.

    Args:
        model: a ``LanguageModel`` of one or several LSTM layers, over characters.
        vocab: its vocabulary.
        text: what it reads first; cleaned as the vocabulary's texts are, 2,500 characters at most.
        held_out: a text that the model was not trained on. A unit is named by the feature that its C or H
            follows there, if the correlation is at least ``threshold``. Without it no unit is named.
        features: name -> function from a cleaned text to a number for each character; ``FEATURES`` unless told.
        threshold: the least correlation, of either sign, that gives a name.
        layer: which layer, where there are several; the top one unless told.
        unit: the best named one, or the one that reacts most, unless told.
        quantity: "I", "F", "O", "C_tilde", "C", "H", or "surprise" (bits of each character, -log2 p); the one
            that gave the unit its name unless told.
        position: the last character unless told.
        temperature, top_k, seed: of the continuation; top_k 0 draws among all tokens.

    Attributes:
        text, layer, unit, quantity, position, temperature, top_k, seed: synchronised with the page.
        generated: what the model wrote after the text; the page writes it.
        named: the named units, best first: layer, unit, quantity, feature, r.

    Raises:
        TypeError: another kind of model or layer.
        ValueError: a vocabulary of another size or of words, weights that are not finite or weigh more than
            300 kB, a text without letters, a value out of its range.
    """

    _esm = module("state_microscope.mjs")
    weights = traitlets.Bytes(read_only=True).tag(sync=True)
    sizes = traitlets.List(traitlets.Int(), read_only=True).tag(sync=True)       # tokens, hidden of each layer
    tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    named = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)
    limit = traitlets.Int(LIMIT, read_only=True).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    unit = traitlets.Int(0).tag(sync=True)
    quantity = traitlets.Enum(QUANTITIES, "H").tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    temperature = traitlets.Float(0.5).tag(sync=True)
    top_k = traitlets.Int(0).tag(sync=True)
    seed = traitlets.Int(1).tag(sync=True)
    generated = traitlets.Unicode().tag(sync=True)

    def __init__(self, model: LanguageModel, vocab: Vocabulary, text: str, *, held_out: str | None = None,
                 features: Mapping[str, Callable] | None = None, threshold: float = 0.5, layer: int = -1,
                 unit: int | None = None, quantity: str | None = None, position: int | None = None, **kwargs):
        self.model, self.vocab = _travelling(model, vocab), vocab
        if not isinstance(text, str):
            raise TypeError(f"the text is a string, got {type(text).__name__}")
        if not clean(text).strip():
            raise ValueError(f"the text has no letters to read, got {text[:20]!r}")
        packed = _packed(self.model)
        if len(packed) > MOST_BYTES:
            raise ValueError(f"the weights take {len(packed)} bytes; {MOST_BYTES} at most travel in a page")
        layers = single_layers(self.model)
        named = [] if held_out is None else self._name(held_out, FEATURES if features is None else features, threshold)
        self._seen = None
        super().__init__(**kwargs)
        self.set_trait("weights", packed)
        self.set_trait("sizes", [len(vocab), *(one.num_hiddens for one in layers)])
        self.set_trait("tokens", vocab.tokens)
        self.set_trait("named", named)
        self.text = text
        self.layer = len(layers) + layer if layer < 0 else layer
        best = next((entry for entry in named if entry["layer"] == self.layer and unit in (None, entry["unit"])), {})
        self.unit = best.get("unit", int(self.reactions().argmax())) if unit is None else unit
        self.quantity = quantity or best.get("quantity", "H")
        self.position = len(self.read) - 1 if position is None else position

    def _name(self, held_out: str, features: Mapping[str, Callable], threshold: float) -> list[dict]:
        """The units that follow a feature of the held-out text, the closest first."""
        text, named = clean(held_out), []
        if not text.strip():
            raise ValueError("the held-out text has no letters to measure on")
        for layer, values in enumerate(_look(self.model, self.vocab.encode(list(text)))[0]):
            r = torch.stack([correlations(values[name], text, features) for name in ("C", "H")])
            best = r.abs().flatten(0, 1).max(0)              # (hidden,): over quantities and features
            for unit, (size, index) in enumerate(zip(best.values.tolist(), best.indices.tolist())):
                if size >= threshold:
                    quantity, feature = divmod(index, len(features))
                    named.append({"layer": layer, "unit": unit, "quantity": "CH"[quantity],
                                  "feature": list(features)[feature], "r": r[quantity, feature, unit].item()})
        return sorted(named, key=lambda entry: -abs(entry["r"]))

    # What may be set

    def _whole(self, name: str, value: int, least: int, most: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"{name} is a whole number from {least} to {most}, got {value}")
        return value

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        return self._whole("layer", proposal.value, 0, len(self.sizes) - 2)

    @traitlets.validate("unit")
    def _check_unit(self, proposal):
        return self._whole(f"unit of layer {self.layer}", proposal.value, 0, self.sizes[1 + self.layer] - 1)

    @traitlets.validate("position")
    def _check_position(self, proposal):
        return self._whole("position", proposal.value, 0, max(0, len(self.read) - 1))

    @traitlets.validate("top_k")
    def _check_top_k(self, proposal):
        return self._whole("top_k", proposal.value, 0, len(self.vocab))

    @traitlets.validate("seed")
    def _check_seed(self, proposal):
        return self._whole("seed", proposal.value, 0, 2 ** 32 - 1)

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal):
        if not 0 <= proposal.value <= 2:                     # not a number is not between either
            raise ValueError(f"temperature lies between 0 and 2, got {proposal.value!r}")
        return proposal.value

    @traitlets.observe("text", "layer")
    def _stay_within(self, change):
        """A shorter text or a smaller layer takes position and unit with it."""
        self.position = min(self.position, max(0, len(self.read) - 1))
        self.unit = min(self.unit, self.sizes[1 + self.layer] - 1)

    # What is shown

    @property
    def read(self) -> str:
        """The text as the model reads it: cleaned, and cut where it is too long."""
        return clean(self.text)[:LIMIT] if clean(self.text).strip() else ""

    def look(self) -> tuple[dict[str, Tensor], Tensor]:
        """The chosen layer's values along the text, name -> (steps, hidden), and what is expected next, (steps, tokens).

        Raises:
            ValueError: the reader has left no letters to read.
        """
        if not self.read:
            raise ValueError("there are no letters to read")
        if self._seen is None or self._seen[0] != self.read:
            self._seen = self.read, *_look(self.model, self.vocab.encode(list(self.read)))
        return self._seen[1][self.layer], self._seen[2]

    def reactions(self) -> Tensor:
        """How much each unit of the layer reacts to the text: the standard deviation of its H, (hidden,)."""
        return self.look()[0]["H"].std(0, correction=0)

    def values(self) -> Tensor:
        """What the text is coloured by, (steps,). The first character has no surprise: it is nan."""
        values, probabilities = self.look()
        if self.quantity != "surprise":
            return values[self.quantity][:, self.unit]
        came = self.vocab.encode(list(self.read))[1:, None]                      # (steps - 1, 1)
        return torch.cat([torch.tensor([math.nan], dtype=torch.float64), -probabilities[:-1].gather(1, came)[:, 0].log2()])

    def _title(self) -> str:
        if self.quantity == "surprise":
            return "surprise in bits"
        where = f" of layer {self.layer}" if len(self.sizes) > 2 else ""
        names = [f", which follows {entry['feature']} (r = {entry['r']:.2f} for {entry['quantity'].lower()})"
                 for entry in self.named if (entry["layer"], entry["unit"]) == (self.layer, self.unit)]
        return f"{LABELS[self.quantity]} of unit {self.unit}{where}{''.join(names)}"

    def describe(self) -> str:
        if not self.read:
            return "A character model waits for a text: there are no letters to read."
        start = max(0, min(self.position - ROW // 2, len(self.read) - ROW))      # what is around the position
        around = slice(start, start + ROW)
        pairs = [f"{_shown(character)} {value:.2f}" for character, value in zip(self.read[around], self.values()[around])
                 if not value.isnan()]
        p = self.look()[1][self.position]                                        # (tokens,)
        likely = ", ".join(f"{_shown(self.tokens[k])} {p[k]:.2f}" for k in p.argsort(descending=True)[:3])
        before, after = "…" * (start > 0), "…" * (start + ROW < len(self.read))
        return (f"A character model reads “{before}{self.read[around]}{after}”. {self._title().capitalize()}: "
                f"{', '.join(pairs)}. After character {self.position + 1}, {_shown(self.read[self.position])}, "
                f"it expects {likely}.")

    def picture(self) -> Picture:
        text, values = self.read[:ROW * ROWS] or " ", self.values() if self.read else torch.zeros(1)
        bound = 1.0 if self.quantity in GATES else max(1e-9, float(values.nan_to_num().abs().max()))
        rows = math.ceil(len(text) / ROW)
        fig, ax = plt.subplots(figsize=(6.4, 0.5 + 0.52 * rows))
        for k, (character, value) in enumerate(zip(text, values.nan_to_num().tolist())):
            column, row, share = k % ROW, k // ROW, value / bound
            ax.text(column, -row, character, family="monospace", ha="center", va="bottom")
            color = COLORS[self.quantity] if self.quantity in GATES else COLORS["C" if value > 0 else "I"]
            signed = self.quantity not in (*GATES, "surprise")
            ax.bar(column, share * (0.2 if signed else 0.36), 0.9, -row - (0.24 if signed else 0.4), color=color)
            if signed:
                ax.plot([column - 0.5, column + 0.5], [-row - 0.24] * 2, color="black", lw=0.5, alpha=0.4)
        ends = f"bars from {'0' if self.quantity in (*GATES, 'surprise') else f'{-bound:.2f}'} to {bound:.2f}"
        ax.set(xlim=(-0.7, ROW - 0.3), ylim=(-rows + 0.45, 0.6))
        ax.set_title(f"{self._title().split(',')[0]}, {ends}", loc="left")
        ax.set_axis_off()
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture
