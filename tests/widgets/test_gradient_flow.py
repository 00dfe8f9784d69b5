"""What the widget measures is what the probe finds, and where theory knows the answer, what theory says."""
import json
import math

import pytest
import torch
import traitlets

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.probe import forget_products, gradient_norms
from unrolled.widgets import GradientFlow
from unrolled.widgets.gradient_flow import amount, scale, verdict

DOUBLE = {"dtype": torch.float64}
SIZES = {"steps": 40, "seeds": 2, "hidden": 8, "inputs": 3}


@pytest.fixture(scope="module")
def data():
    return GradientFlow.measure([-2, 0, 6], **SIZES).data


def silent(layer):
    """The layer with no weights at all, only its biases."""
    return load_weights(layer, {name: w * name.startswith("b") for name, w in named_weights(layer).items()})


# Measuring

@pytest.mark.parametrize("name, make", [("rnn", RNN), ("gru", GRU)])
def test_the_yardsticks_are_what_the_probe_finds(data, name, make):
    logs = []
    for seed in range(2):
        torch.manual_seed(seed)
        noise = torch.randn(41, 4, 3, **DOUBLE)
        norms = gradient_norms(make(3, 8, **DOUBLE), noise)
        logs.append((norms / norms[0]).log10())
    assert data[name] == pytest.approx(torch.stack(logs).mean(0).tolist(), abs=6e-4)


def test_an_lstm_for_each_bias_with_its_seeds(data):
    for place, bias in enumerate((-2.0, 0.0, 6.0)):
        logs = []
        for seed in range(2):
            torch.manual_seed(seed)
            noise = torch.randn(41, 4, 3, **DOUBLE)
            norms = gradient_norms(LSTM(3, 8, forget_bias=bias, **DOUBLE), noise)
            logs.append((norms / norms[0]).log10())
        logs = torch.stack(logs)
        for name, expected in (("lstm", logs.mean(0)), ("low", logs.amin(0)), ("high", logs.amax(0))):
            assert data[name][place] == pytest.approx(expected.tolist(), abs=6e-4)
    assert data["biases"] == [-2, 0, 6] and {name: data[name] for name in SIZES} == SIZES


def test_measuring_leaves_the_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    GradientFlow.measure([0], steps=2, seeds=1, hidden=2, inputs=1)
    assert torch.equal(torch.randn(3), expected)


def test_what_it_opens_on():
    widget = GradientFlow.measure([1, 0.5], steps=5, seeds=1, hidden=2, inputs=1)
    assert (widget.bias, widget.steps) == (0.5, 5)
    widget = GradientFlow.measure([1, 0.5], bias=1, steps=40, seeds=1, hidden=2, inputs=1)
    assert (widget.bias, widget.steps) == (1, 32)


@pytest.mark.parametrize("name", ["steps", "seeds", "hidden", "inputs"])
@pytest.mark.parametrize("value", [0, 1.5, None])
def test_sizes_that_are_none(name, value):
    with pytest.raises(ValueError, match=f"{name} is a whole number of at least 1, got {value}"):
        GradientFlow.measure([0], **SIZES | {name: value})


@pytest.mark.parametrize("biases", [[], [math.nan]])
def test_biases_that_are_none(biases):
    with pytest.raises(ValueError, match="the biases are finite, ascending, and at least one"):
        GradientFlow.measure(biases, **SIZES)


# The reader's own layers

@pytest.mark.parametrize("bias", [-2.0, 0.0, 6.0])
def test_without_detours_the_measured_is_the_line(data, bias):
    """No weights, no detours: the gradient through the cell is sigmoid(bias) at every step, exactly."""
    widget = GradientFlow(data, bias=bias, layers={"no detours": silent(LSTM(3, 8, forget_bias=bias, **DOUBLE))})
    line = widget.curves["memory line alone"]
    assert widget.curves["no detours"] == pytest.approx(line, abs=6e-4)
    assert widget.curves["no detours, line alone"] == pytest.approx(line, abs=6e-4)
    assert line[40] == pytest.approx(40 * math.log10(1 / (1 + math.exp(-bias))))


@pytest.mark.parametrize("make", [GRU, RNN, LSTM, LSTMScratch, GRUScratch])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_own_layers_are_measured_on_the_same_noise(data, make, dtype):
    torch.manual_seed(3)
    layer = make(3, 5, dtype=dtype)
    weights = {name: w.clone() for name, w in named_weights(layer).items()}
    widget = GradientFlow(data)
    widget.add("mine", layer)
    double, logs, gates = load_weights(make(3, 5, **DOUBLE), {n: w.double() for n, w in weights.items()}), [], []
    for seed in range(2):
        torch.manual_seed(seed)
        noise = torch.randn(41, 4, 3, **DOUBLE)
        norms = gradient_norms(double, noise)
        logs.append((norms / norms[0]).log10())
        gates.append(forget_products(double, noise).log10() if layer.kind == "lstm" else None)
    [entry] = widget.own
    assert entry["name"] == "mine" and entry["curve"] == pytest.approx(torch.stack(logs).mean(0).tolist(), abs=6e-4)
    if layer.kind == "lstm":
        assert entry["gates"] == pytest.approx(torch.stack(gates).mean(0).tolist(), abs=6e-4)
    else:
        assert entry["gates"] is None
    assert next(layer.parameters()).dtype == dtype, "the reader's layer stays as it was"
    assert f"mine: {amount(entry['curve'][32])}." in widget.describe()


def test_a_name_again_is_measured_anew_and_three_are_enough(data):
    widget = GradientFlow(data, layers={"a": RNN(3, 2), "b": GRU(3, 2), "c": LSTM(3, 2)})
    first = widget.own[0]["curve"]
    widget.add("a", GRU(3, 4))
    assert [entry["name"] for entry in widget.own] == ["b", "c", "a"] and widget.own[2]["curve"] != first
    with pytest.raises(ValueError, match="room for 3 layers of your own, 'd' would be one more"):
        widget.add("d", RNN(3, 2))
    with pytest.raises(ValueError, match="room for 3 layers of your own, got 4"):
        widget.own = [*widget.own, widget.own[0]]


@pytest.mark.parametrize("name", ["", "  ", "x" * 25, None])
def test_names_that_are_none(data, name):
    with pytest.raises(ValueError, match="a layer's name has 1 to 24 characters"):
        GradientFlow(data).add(name, RNN(3, 2))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN", "memory line alone", "mine, line alone"])
def test_names_that_are_taken(data, name):
    with pytest.raises(ValueError, match=f"'{name}' is the name of a line that is there already"):
        GradientFlow(data).add(name, RNN(3, 2))


@pytest.mark.parametrize("layer, came", [("LSTM", "builtins.str"), (torch.nn.LSTM(3, 2), "torch.nn.modules.rnn.LSTM"),
                                         (Stacked([RNN(3, 2)]), "unrolled.layers.stacked.Stacked")])
def test_no_layer_of_ours(data, layer, came):
    with pytest.raises(TypeError, match=f"expected one RNN, GRU or LSTM layer of unrolled.layers, got {came}"):
        GradientFlow(data).add("mine", layer)


def test_a_layer_of_another_width(data):
    with pytest.raises(ValueError, match=r"the noise is 3 numbers wide, but 'mine' takes 28: GradientFlow.measure\(inputs=28\)"):
        GradientFlow(data).add("mine", LSTM(28, 2))


def test_weights_from_which_no_gradient_comes(data):
    broken = RNN(3, 2)
    with torch.no_grad():
        next(broken.parameters()).fill_(math.nan)
    deaf = LSTMScratch(3, 2)
    with torch.no_grad():
        deaf.b_o.fill_(-1e6)                                       # its output gates are shut: nothing reaches the cell
    for layer in (broken, deaf):
        widget = GradientFlow(data)
        with pytest.raises(ValueError, match="the gradient of 'mine' is not a number at every step"):
            widget.add("mine", layer)
        assert widget.own == []


def test_a_gradient_of_zero_has_no_logarithm(data):
    shut = silent(LSTM(3, 2, forget_bias=-100, **DOUBLE))          # sigmoid(-100) ** 40 is 0 in float64
    widget = GradientFlow(data, steps=40, layers={"shut": shut})
    assert widget.own[0]["curve"][40] is None and widget.left["shut"] == 0
    assert "shut: 0." in widget.describe() and "Below the picture here: shut; shut, line alone." in widget.describe()
    assert widget.picture().alt == widget.describe()


# Words, numbers, picture

def test_the_words_of_the_sources_case():
    widget = GradientFlow.measure([0], seeds=1, steps=32, hidden=64)
    said = widget.describe().replace("\u00a0", " ")
    assert said.startswith("With a forget bias of 0 the gates stand at 0.5. 32 steps back, 0.5³² = 2.3 · 10⁻¹⁰ of the gradient is "
                           f"left along the memory line alone. Measured: {amount(widget.curves['LSTM'][32])}".replace("\u00a0", " "))
    assert "It has vanished. Detours through the hidden state brought" in said and said.endswith("A GRU keeps about as much.")
    assert widget.left["memory line alone"] == pytest.approx(0.5 ** 32)
    assert set(widget.left) == {"LSTM", "memory line alone", "GRU", "RNN"}
    assert widget.picture().alt == widget.describe()


def test_other_words(data):
    def about(slope, **kwargs):
        curve = [k * slope for k in range(41)]
        return GradientFlow(data | {"lstm": [curve] * 3, "rnn": curve}, **kwargs).describe()

    line = math.log10(0.5)
    assert "The line alone brings nearly all of it." in about(line)
    assert "The line alone would bring more: detours cancel a part of it." in about(line - 0.1)
    assert "brought 10 times what the line alone brings." in about(line + 0.1, steps=10)
    assert "It is exploding." in about(0.5) and "Above the picture here: LSTM; RNN." in about(0.5)
    assert "A GRU keeps more." in about(-1) and "Single precision could not even write it down." not in about(-1)
    assert "Single precision could not even write it down." in about(-1, steps=40)
    assert "1 step back, 0.1192¹ = 0.119 of" in about(-1, bias=-2, steps=1) and "bias of −2" in about(-1, bias=-2)
    assert "keeps" not in GradientFlow(data | {"gru": [None] * 41}).describe()
    assert "Measured: 0. It has vanished." in GradientFlow(data | {"lstm": [[0, *[None] * 40]] * 3}).describe()


@pytest.mark.parametrize("log, digits, text", [(None, 3, "0"), (-0.808, 3, "0.156"), (2.9999, 3, "1000"), (-6.0001, 3, "1.0 · 10⁻⁶"),
                                               (-1000.5, 3, "3.2 · 10⁻¹⁰⁰¹"), (math.log10(0.9975274), 4, "0.9975")])
def test_amounts(log, digits, text):
    assert amount(log, digits).replace("\u00a0", " ") == text


def test_verdicts_and_scale():
    assert [verdict(log) for log in (-math.inf, -6.1, -1.1, 0.9, 1.1, 2.1)] == [
        "It has vanished.", "It has vanished.", "It is fading.", "It is alive.", "It is growing.", "It is exploding."]
    assert scale(128) == (-42, 4) and scale(1) == (-1, 1)


# The state that the page shares

def test_the_state_is_synchronised_and_is_plain(data):
    widget = GradientFlow(data, bias=-2, steps=7)
    state = widget.get_state(["bias", "steps", "data", "own"])
    assert state == {"bias": -2, "steps": 7, "data": data, "own": []}
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    widget.set_state({"bias": 6, "steps": 40})                     # as the page does
    assert (widget.bias, widget.steps) == (6, 40)
    assert widget.left["LSTM"] == pytest.approx(10 ** data["lstm"][2][40])


@pytest.mark.parametrize("name, values, words", [
    ("bias", (0.3, math.nan, 7.0), "the bias is one of -2, 0, 6; got "),
    ("steps", (0, 41, -1), "the steps lie between 1 and 40, got "),
    ("own", ([{"name": "mine"}],), r"a layer of your own comes from add\(name, layer\), got "),
    ("own", ([{"name": "mine", "curve": [0.0], "gates": None}],), "mine is a list of 41 values, for steps 0 to 40; got 1"),
])
def test_values_outside_are_refused(data, name, values, words):
    widget = GradientFlow(data)
    before = getattr(widget, name)
    for value in values:
        with pytest.raises(ValueError, match=words):
            setattr(widget, name, value)
        assert getattr(widget, name) == before
        if name != "own":
            with pytest.raises(ValueError, match=words):
                GradientFlow(data, **{name: value})
    with pytest.raises(traitlets.TraitError):
        setattr(widget, name, "nonsense")


@pytest.mark.parametrize("change, words", [
    ({"gru": None}, "gru is a list of 41 values, for steps 0 to 40; got NoneType"),
    ({"rnn": [0.0]}, "rnn is a list of 41 values, for steps 0 to 40; got 1"),
    ({"rnn": [math.nan] * 41}, "rnn holds nan, which is neither a finite number nor None"),
    ({"low": [["x"] * 41] * 3}, "low at bias -2 holds 'x'"),
    ({"lstm": []}, r"lstm has a curve for each of the 3 biases, got \[\]"),
    ({"lstm": 5}, "lstm has a curve for each of the 3 biases, got 5"),
    ({"steps": 0}, "steps is a whole number of at least 1, got 0"),
    ({"biases": [0, -2, 6]}, "the biases are finite, ascending, and at least one"),
    ({"biases": ["low", "mid", "high"]}, "the biases are finite, ascending, and at least one"),
    ({"biases": [-3, -2, -1]}, "the bias is one of -3, -2, -1; got 0.0"),
])
def test_a_measurement_that_is_broken(data, change, words):
    with pytest.raises(ValueError, match=words):
        GradientFlow(data | change)
    widget = GradientFlow(data)
    with pytest.raises(ValueError, match=words):
        widget.data = data | change
    assert widget.data == data


def test_no_measurement_at_all(data):
    with pytest.raises(ValueError, match="the measurement lacks inputs, hidden, .*: GradientFlow.measure"):
        GradientFlow({})
    with pytest.raises(TypeError, match="a measurement is a dict, from GradientFlow.measure.*; got LSTM"):
        GradientFlow(LSTM(3, 8))
    widget = GradientFlow(data)
    with pytest.raises(ValueError, match="the measurement lacks"):
        widget.data = {}
    assert widget.data == data
