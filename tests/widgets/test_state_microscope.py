"""The microscope's numbers are the model's own, in Python and in the very module that the page runs."""
import base64
import json
import math
import subprocess
from pathlib import Path

import pytest
import torch
import traitlets

from unrolled.layers import GRU, LSTM, LSTMScratch, RNNScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel, single_layers
from unrolled.probe import trace
from unrolled.text import Vocabulary
from unrolled.text.vocabulary import clean
from unrolled.widgets import StateMicroscope, base
from unrolled.widgets.state_microscope import FEATURES, LIMIT, correlations

ALPHABET = Vocabulary.from_text("the quick brown fox jumps over the lazy dog")
N = len(ALPHABET)                                        # 28
TEXT = "it has the machine"


def make(*hidden, cls=LSTMScratch, tokens=N, seed=0, dtype=None, **options):
    """A model with weights large enough to tell one unit from another."""
    torch.manual_seed(seed)
    sizes = [options.get("embedding") or tokens, *hidden]
    layers = [cls(a, b, dtype=dtype) for a, b in zip(sizes, hidden)]
    for layer in layers:
        load_weights(layer, {name: torch.randn_like(w) * 0.4 for name, w in named_weights(layer).items()})
    model = LanguageModel(layers[0] if len(layers) == 1 else Stacked(layers), tokens, **options)
    torch.nn.init.normal_(model.head.weight)
    return model


def rounded(model):
    """The same model with its weights rounded to 16 bits; an embedding is multiplied out first."""
    layers = single_layers(model)
    for k, layer in enumerate(layers):
        weights = named_weights(layer)
        if k == 0 and model.embedding is not None:
            weights |= {name: model.embedding.weight.detach() @ w for name, w in weights.items() if name.startswith("W_x")}
            layers[0] = type(layer)(model.num_tokens, layer.num_hiddens, dtype=model.head.weight.dtype)
        load_weights(layers[k], {name: w.half().to(w.dtype) for name, w in weights.items()})
    other = LanguageModel(layers[0] if len(layers) == 1 else Stacked(layers), model.num_tokens).to(model.head.weight.dtype)
    other.head.weight.data, other.head.bias.data = (w.detach().half().to(w.dtype) for w in (model.head.weight, model.head.bias))
    return other


def story():
    """Our own, cleaned."""
    return clean((Path(base.__file__).parents[1] / "text/embedded.txt").read_text(encoding="utf-8")).strip()


@pytest.fixture(scope="module")
def page():
    return story()[:1500]


# The page's own module against PyTorch

NODE = """
import { readFileSync } from "node:fs";
const { Scope, prepare, QUANTITIES } = await import(process.argv[1]);
const given = JSON.parse(readFileSync(process.argv[2]));
const bytes = Buffer.from(given.weights, "base64");
const { ids } = prepare(given.text, given.tokens, given.limit);
const scope = new Scope(given.sizes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), ids.length + 80);
scope.read(ids);
const values = given.sizes.slice(1).map((hidden, layer) => Object.fromEntries(QUANTITIES.map((name) =>
  [name, ids.map((_, t) => Array.from({ length: hidden }, (_, unit) => scope.value(layer, name, unit, t)))])));
const reactions = values.map((_, layer) => [...scope.reactions(layer)]);
console.log(JSON.stringify({ ids, values, reactions, expected: ids.map((_, t) => [...scope.expected(t)]),
  surprise: ids.map((_, t) => scope.surprise(t)), written: scope.write(80, given.options) }));
"""


def in_node(node, widget, tmp_path, **options):
    given = {"weights": base64.b64encode(widget.weights).decode(), "sizes": widget.sizes, "tokens": widget.tokens,
             "text": widget.text, "limit": widget.limit, "options": {"temperature": 0.8, "topK": 5, "seed": 3} | options}
    (tmp_path / "given.json").write_text(json.dumps(given))
    done = subprocess.run([node, "--input-type=module", "-e", NODE, (base.FOLDER / "state_microscope.mjs").as_uri(),
                           str(tmp_path / "given.json")], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("hidden, cls, options", [
    ((24,), LSTM, {}), ((24,), LSTMScratch, {"dtype": torch.float64}), ((16, 10), LSTMScratch, {}),
    ((12,), LSTM, {"embedding": 12, "tied": True}), ((9, 7), LSTMScratch, {"embedding": 5}),
])
def test_the_module_equals_the_model_on_a_page_of_text(hidden, cls, options, page, node, tmp_path):
    model = make(*hidden, cls=cls, **options)
    widget = StateMicroscope(model, ALPHABET, page)
    found, torch_model = in_node(node, widget, tmp_path), rounded(model)
    assert len(found["ids"]) == 1500
    for layer in range(len(hidden)):
        seen = trace(torch_model, ALPHABET, page, layer=layer)
        for name, values in seen.values.items():
            torch.testing.assert_close(torch.tensor(found["values"][layer][name], dtype=values.dtype), values, atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.tensor(found["expected"], dtype=seen.probabilities.dtype), seen.probabilities, atol=1e-5, rtol=0)
        widget.layer = layer
        torch.testing.assert_close(torch.tensor(found["reactions"][layer], dtype=torch.float64), widget.reactions(), atol=1e-9, rtol=0)
        ours, expected = widget.look()                                # Python computes what the page computes, more closely still
        for name, values in ours.items():
            torch.testing.assert_close(torch.tensor(found["values"][layer][name], dtype=torch.float64), values, atol=1e-9, rtol=0)
    widget.quantity = "surprise"
    surprise = torch.tensor([math.nan if bits is None else bits for bits in found["surprise"]], dtype=torch.float64)
    torch.testing.assert_close(surprise, widget.values(), atol=1e-6, rtol=0, equal_nan=True)
    bits = -torch.tensor([p[k] for p, k in zip(found["expected"], found["ids"][1:])]).log2()
    torch.testing.assert_close(surprise[1:].float(), bits, atol=1e-4, rtol=0)


def mulberry32(state):
    while True:
        state = state + 0x6D2B79F5 & 0xFFFFFFFF
        t = (state ^ state >> 15) * (state | 1) & 0xFFFFFFFF
        t ^= t + ((t ^ t >> 7) * (t | 61) & 0xFFFFFFFF) & 0xFFFFFFFF
        yield (t ^ t >> 14) / 2 ** 32


@pytest.mark.parametrize("temperature, top_k", [(0, 0), (0.8, 5), (1.3, 0)])
def test_what_it_writes_is_drawn_from_the_model(temperature, top_k, node, tmp_path):
    model = make(24)
    widget = StateMicroscope(model, ALPHABET, TEXT)
    written = in_node(node, widget, tmp_path, temperature=temperature, topK=top_k, seed=7)["written"]
    torch_model, draw = rounded(model).double(), mulberry32(7)
    ids = ALPHABET.encode(TEXT).tolist()
    for token in written:
        with torch.no_grad():
            logits = torch_model(torch.tensor(ids)[:, None])[0][-1, 0]                        # (tokens,)
        u = next(draw)
        scores, order = logits.topk(top_k or N)
        if temperature == 0:
            expected = order[0].item()
        else:
            expected = order[torch.searchsorted((scores / temperature).softmax(0).cumsum(0), u, right=True)].item()
        assert token == expected
        ids.append(token)
    assert len(written) == 80 and len(set(written)) > 1


# Features

def test_features_say_what_their_names_say():
    text = " the quiet then ran"
    value = {name: [int(v) for v in feature(text)] for name, feature in FEATURES.items()}
    assert value["the letters since the last space"] == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert value["the spaces"] == [int(c == " ") for c in text]
    assert value["the first letter of each word"] == [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    assert value["the second letter of each word"] == [0, *value["the first letter of each word"][:-1]]
    assert value["the last letter of each word"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert value["words of five letters and more"] == [int(k == 9) for k in range(19)]
    assert value["the length of the word before"] == [0, 0, 0, 0, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 4, 4, 4, 4]
    assert value["the vowels"] == [int(c in "aeiou") for c in text]
    assert value["the letter after a vowel"] == [0, *value["the vowels"][:-1]]
    assert value["the inside of “the”"] == [0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert value["the letter t"] == [int(c == "t") for c in text] and value["the letter after t"] == [0, *value["the letter t"][:-1]]
    assert len(FEATURES) == 11 + 52


def test_correlations_are_pearsons():
    torch.manual_seed(0)
    values = torch.randn(200, 4)
    values[:, 3] = 2.0                                                                        # does not vary
    text = "".join("ab "[k] for k in torch.randint(0, 3, (200,)))
    r = correlations(values, text)
    assert r.shape == (len(FEATURES), 4)
    for name, row in zip(FEATURES, r):
        column = torch.tensor(FEATURES[name](text), dtype=torch.float64)
        for unit in range(4):
            both = torch.stack([column, values[:, unit].double()])
            expected = torch.corrcoef(both)[0, 1].item() if column.std() > 0 and unit < 3 else 0.0
            assert row[unit].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("feature, what", [(lambda text: [1.0], r"\(1,\)"), (lambda text: [math.nan] * len(text), "with others"),
                                           (lambda text: [[1.0]] * len(text), r"\(2, 1\)")])
def test_a_feature_of_another_shape_is_refused(feature, what):
    with pytest.raises(ValueError, match=f"the feature 'odd' gives one finite number for each of the 2 characters, got .*{what}"):
        correlations(torch.zeros(2, 1), "ab", {"odd": feature})


def test_units_are_named_by_what_they_follow():
    """One unit is made to know spaces: its candidate, and all of its gates, look at nothing else."""
    model = make(6)
    weights = named_weights(model.layer)
    space = ALPHABET.tokens.index(" ")
    for letter in "ifoc":
        weights[f"W_h{letter}"][:, 2] = 0
        weights[f"W_x{letter}"][:, 2] = 0
        weights[f"b_{letter}"][2] = -6 if letter == "f" else 0
    weights["W_xc"][space, 2] = 3
    load_weights(model.layer, weights)
    widget = StateMicroscope(model, ALPHABET, TEXT, held_out=story()[:600], threshold=0.8)
    best = widget.named[0]
    assert (best["layer"], best["unit"], best["feature"]) == (0, 2, "the spaces") and best["r"] > 0.99
    assert (widget.unit, widget.quantity) == (2, best["quantity"])
    assert f"of unit 2, which follows the spaces (r = {best['r']:.2f} for {best['quantity'].lower()})" in widget.describe()
    assert [abs(e["r"]) for e in widget.named] == sorted((abs(e["r"]) for e in widget.named), reverse=True)
    assert all(abs(e["r"]) >= 0.8 for e in widget.named)
    text = clean(story()[:600])
    seen = trace(rounded(model).double(), ALPHABET, text).values[best["quantity"]]
    assert best["r"] == pytest.approx(correlations(seen, text, {"spaces": FEATURES["the spaces"]})[0, 2].item(), abs=1e-9)

    own = StateMicroscope(model, ALPHABET, TEXT, held_out=story()[:600], threshold=0.8, quantity="F", unit=2,
                          features={"my spaces": lambda text: [c == " " for c in text]})
    assert own.named[0]["feature"] == "my spaces" and (own.unit, own.quantity) == (2, "F")
    assert not StateMicroscope(model, ALPHABET, TEXT, held_out=story()[:600], threshold=1.1).named


def test_without_a_held_out_text_the_unit_that_reacts_most_is_shown():
    widget = StateMicroscope(make(6), ALPHABET, TEXT)
    assert widget.named == [] and widget.quantity == "H" and widget.position == len(TEXT) - 1
    H = trace(rounded(make(6)).double(), ALPHABET, TEXT).values["H"]
    torch.testing.assert_close(widget.reactions(), H.std(0, correction=0))
    assert widget.unit == H.std(0).argmax()


# What the page may change, and what it may not

def test_everything_is_synchronised_and_reported_back():
    widget = StateMicroscope(make(6, 4), ALPHABET, TEXT, seed=5, temperature=1.5)
    state = widget.get_state()
    assert state["sizes"] == [N, 6, 4] and state["tokens"] == ALPHABET.tokens and state["limit"] == LIMIT >= 2000
    assert (state["layer"], state["seed"], state["temperature"]) == (1, 5, 1.5)
    assert len(state["weights"]) == 2 * sum(p.numel() for p in widget.model.parameters())
    widget.set_state({"text": "now then", "position": 2, "layer": 0, "unit": 5, "quantity": "O", "generated": "x", "top_k": 3})
    assert (widget.text, widget.position, widget.layer, widget.unit, widget.quantity) == ("now then", 2, 0, 5, "O")
    assert (widget.generated, widget.top_k) == ("x", 3)


def test_a_shorter_text_or_a_smaller_layer_takes_position_and_unit_along():
    widget = StateMicroscope(make(6, 4), ALPHABET, TEXT, layer=0, unit=5)
    widget.text = "it"
    assert widget.position == 1
    widget.layer = 1
    assert widget.unit == 3
    widget.text = ""
    assert widget.position == 0 and "no letters" in widget.describe() and widget.picture().png
    with pytest.raises(ValueError, match="no letters to read"):
        widget.look()


@pytest.mark.parametrize("name, values, words", [
    ("layer", (-1, 1), "layer is a whole number from 0 to 0, got "), ("unit", (-1, 6), "unit of layer 0 is a whole number from 0 to 5, got "),
    ("position", (-1, len(TEXT)), f"position is a whole number from 0 to {len(TEXT) - 1}, got "),
    ("top_k", (-1, N + 1), f"top_k is a whole number from 0 to {N}, got "), ("seed", (-1, 2 ** 32), "seed is a whole number from 0 to 4294967295, got "),
    ("temperature", (-0.1, 2.1, math.nan, math.inf), "temperature lies between 0 and 2, got "),
])
def test_numbers_outside_are_refused(name, values, words):
    widget = StateMicroscope(make(6), ALPHABET, TEXT)
    before = getattr(widget, name)
    for value in values:
        with pytest.raises(ValueError, match=words):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


@pytest.mark.parametrize("name, value", [("quantity", "G"), ("text", 3), ("unit", 1.5), ("weights", b"")])
def test_values_of_another_kind_are_refused(name, value):
    widget = StateMicroscope(make(6), ALPHABET, TEXT)
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def spoil(model, value, name="W_xi"):
    with torch.no_grad():
        dict(model.named_parameters())[name].view(-1)[0] = value
    return model


WORDS = Vocabulary.from_text("the cat and the dog", "word")


@pytest.mark.parametrize("make_model, vocab, text, error, words", [
    (lambda: torch.nn.LSTM(28, 6), ALPHABET, TEXT, TypeError, "looks at a LanguageModel, got LSTM"),
    (lambda: make(6, cls=GRU), ALPHABET, TEXT, TypeError, "layer 0 is a GRU"),
    (lambda: LanguageModel(Stacked([LSTM(N, 6), RNNScratch(6, 4)]), N), ALPHABET, TEXT, TypeError, "layer 1 is a RNNScratch"),
    (lambda: make(6, tokens=20), ALPHABET, TEXT, ValueError, "has 20 tokens and the vocabulary 28"),
    (lambda: make(6, tokens=len(WORDS)), WORDS, TEXT, ValueError, "reads characters.*'word'"),
    (lambda: spoil(make(6), math.nan, "layer.W_xi"), ALPHABET, TEXT, ValueError, "W_xi of layer 0 holds a number that is not finite"),
    (lambda: spoil(make(6), math.inf, "head.bias"), ALPHABET, TEXT, ValueError, "the head's bias holds a number that is not finite"),
    (lambda: spoil(make(6), 1e5, "head.weight"), ALPHABET, TEXT, ValueError, r"the head's weight holds 1e\+05, too large"),
    (lambda: make(200), ALPHABET, TEXT, ValueError, "the weights take .* bytes; 300000 at most"),
    (lambda: make(6), ALPHABET, "", ValueError, "no letters to read, got ''"),
    (lambda: make(6), ALPHABET, "123 …", ValueError, "no letters to read, got '123 …'"),
    (lambda: make(6), ALPHABET, None, TypeError, "the text is a string, got NoneType"),
])
def test_what_it_cannot_look_at_is_refused_in_words(make_model, vocab, text, error, words):
    with pytest.raises(error, match=words):
        StateMicroscope(make_model(), vocab, text)


def test_a_held_out_text_without_letters_is_refused():
    with pytest.raises(ValueError, match="held-out text has no letters"):
        StateMicroscope(make(6), ALPHABET, TEXT, held_out="…")


def test_looking_changes_nothing():
    model = make(6, cls=LSTM).train()
    before, state = {name: p.clone() for name, p in model.state_dict().items()}, torch.get_rng_state()
    StateMicroscope(model, ALPHABET, TEXT, held_out=TEXT).picture()
    assert model.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


# Words and picture

def test_the_words_say_the_values():
    widget = StateMicroscope(make(6), ALPHABET, "It has, then!", unit=4, quantity="C", position=3)
    seen = trace(rounded(make(6)).double(), ALPHABET, "it has then ")
    values = ", ".join(f"{c.replace(' ', '␣')} {v:.2f}" for c, v in zip(seen.tokens, seen.values["C"][:, 4]))
    p = seen.probabilities[3]
    likely = ", ".join(f"{ALPHABET.tokens[k].replace(' ', '␣')} {p[k]:.2f}" for k in p.argsort(descending=True)[:3])
    assert widget.describe() == (f"A character model reads “it has then ”. Cell state c of unit 4: {values}. "
                                 f"After character 4, h, it expects {likely}.")
    assert widget.picture().alt == widget.describe() and widget.picture().png.startswith(b"\x89PNG")


def test_of_a_long_text_the_words_say_what_is_around_the_position():
    widget = StateMicroscope(make(6, 5), ALPHABET, "ab " * 2000, position=1000, layer=0, unit=1)
    assert len(widget.read) == LIMIT
    words = widget.describe()
    assert words.startswith("A character model reads “…") and "of unit 1 of layer 0:" in words and len(words) < 700
    widget.position = 0
    assert widget.describe().startswith("A character model reads “ab ab ab")


@pytest.mark.parametrize("quantity, title", [("F", "forget gate f of unit 1, bars from 0 to 1.00"),
                                             ("H", "hidden state h of unit 1, bars from -"), ("surprise", "surprise in bits, bars from 0 to")])
def test_the_picture_says_what_its_bars_are(quantity, title):
    widget = StateMicroscope(make(6), ALPHABET, "it has the machine and the time of the traveller " * 3, quantity=quantity, unit=1)
    svg = widget.picture().svg
    assert title.replace("-", "\u2212") in svg.replace("-", "\u2212")
    assert ("nan" in widget.describe()) is False


def test_letters_that_the_vocabulary_lacks_are_unknown_tokens():
    few = Vocabulary.from_text("the cat sat")
    model = make(6, tokens=len(few))
    widget = StateMicroscope(model, few, "the dog")
    assert widget.read == "the dog"
    with torch.no_grad():
        logits = rounded(model).double()(few.encode(list("the dog"))[:, None])[0][:, 0]
    torch.testing.assert_close(widget.look()[1], logits.softmax(-1))
