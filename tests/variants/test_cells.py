"""The LSTM with parts away and parts added, and the minimal gated unit, against their published equations."""
import itertools

import papers
import pytest
import torch

from unrolled.layers import LSTM, LSTMScratch
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.variants import MGU, LSTMVariant
from unrolled.variants.cells import ABLATIONS

DOUBLE = {"dtype": torch.float64}
OPTIONS = [{}, *({"without": part} for part in ABLATIONS), {"without": ("input gate", "output activation")},
           {"without": ("input gate", "forget gate", "output gate", "input activation", "output activation")},
           {"coupled": True}, {"peepholes": True}, {"layer_norm": True}, {"gate_recurrence": True},
           {"gate_recurrence": True, "peepholes": True, "layer_norm": True, "without": "input activation"},
           {"coupled": True, "peepholes": True, "layer_norm": True},
           {"peepholes": True, "without": "forget gate"}, {"layer_norm": True, "without": ("input gate", "output activation")}]


def written(options):
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "plain"


def given(steps, batch, d=2, h=3):
    torch.manual_seed(steps + 10 * batch)
    return torch.randn(steps, batch, d, **DOUBLE), tuple(torch.randn(batch, h, **DOUBLE) for _ in range(2))


@pytest.mark.parametrize("options", OPTIONS, ids=written)
@pytest.mark.parametrize("steps, batch", [(4, 2), (1, 1)])
def test_values_and_gradients_are_those_of_the_equations(options, steps, batch):
    layer = papers.parameters_drawn(LSTMVariant(2, 3, **options, **DOUBLE))
    inputs, state = given(steps, batch)
    state += tuple(torch.rand(batch, 3, **DOUBLE) for _ in layer.state_names[2:])
    papers.compare(layer, papers.lstm, inputs, state, **options)


def test_with_nothing_taken_away_it_is_the_lstm():
    theirs = papers.parameters_drawn(LSTM(5, 4, **DOUBLE))
    ours = load_weights(LSTMVariant(5, 4, **DOUBLE), named_weights(theirs))
    inputs, state = given(7, 3, 5, 4)
    (outputs, last), (expected, expected_last) = ours(inputs, state), theirs(inputs, state)
    torch.testing.assert_close((outputs, last), (expected, expected_last), rtol=0, atol=1e-12)
    ours_d, theirs_d = (torch.autograd.grad(y.sin().sum(), layer.parameters())
                        for y, layer in ((outputs, ours), (expected, theirs)))
    found = dict(zip(ours.names, ours_d))
    for letter, rows in zip("ifco", theirs_d[0].chunk(4)):                # weight_ih, in torch's order
        torch.testing.assert_close(found[f"W_x{letter}"], rows.T, rtol=0, atol=1e-12)
    torch.manual_seed(3)
    scratch = LSTMScratch(5, 4, forget_bias=1.5, sigma=0.3)
    torch.manual_seed(3)
    begun = LSTMVariant(5, 4, forget_bias=1.5, sigma=0.3)
    assert all(torch.equal(a, b) for a, b in zip(scratch.parameters(), begun.parameters(), strict=True))


def test_coupled_gates_are_two_gates_that_are_tied():
    """1 - sigmoid(a) is sigmoid(-a), so a full LSTM can be made to have them."""
    coupled = papers.parameters_drawn(LSTMVariant(2, 3, coupled=True, peepholes=True, **DOUBLE))
    full = LSTMVariant(2, 3, peepholes=True, **DOUBLE)
    weights = named_weights(coupled)
    tied = {f"{part}i": -weights[f"{part}f"] for part in ("W_x", "W_h", "b_", "p_")}
    load_weights(full, weights | tied)
    torch.testing.assert_close(full(*given(5, 2)), coupled(*given(5, 2)), rtol=0, atol=1e-14)


def test_a_peephole_of_zero_sees_nothing_and_a_gate_that_is_wide_open_is_none():
    weights = named_weights(papers.parameters_drawn(LSTMVariant(2, 3, **DOUBLE)))
    zeros = {f"p_{letter}": torch.zeros(3, **DOUBLE) for letter in "ifo"}
    with_peepholes = load_weights(LSTMVariant(2, 3, peepholes=True, **DOUBLE), weights | zeros)
    plain = load_weights(LSTMVariant(2, 3, **DOUBLE), weights)
    torch.testing.assert_close(with_peepholes(*given(5, 2)), plain(*given(5, 2)), rtol=0, atol=0)
    for letter, part in (("i", "input gate"), ("f", "forget gate"), ("o", "output gate")):
        away = load_weights(LSTMVariant(2, 3, without=part, **DOUBLE),
                            {name: value for name, value in weights.items() if not name.endswith(letter)})
        wide_open = load_weights(LSTMVariant(2, 3, **DOUBLE), weights | {f"b_{letter}": torch.full((3,), 60.0, **DOUBLE)})
        torch.testing.assert_close(away(*given(5, 2)), wide_open(*given(5, 2)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options, boxes, vectors", [({}, 4, 0), ({"without": "input gate"}, 3, 0), ({"coupled": True}, 3, 0),
                                                     ({"without": "input activation"}, 4, 0), ({"peepholes": True}, 4, 3),
                                                     ({"layer_norm": True}, 4, 10), ({"peepholes": True, "coupled": True}, 3, 2),
                                                     ({"gate_recurrence": True}, 4, 9 * 5)])
def test_how_many_parameters_there_are(options, boxes, vectors):
    layer = LSTMVariant(7, 5, **options)
    assert sum(p.numel() for p in layer.parameters()) == boxes * (7 * 5 + 5 * 5 + 5) + vectors * 5
    assert tuple(dict(layer.named_parameters())) == layer.names


def test_first_values():
    torch.manual_seed(0)
    layer = LSTMVariant(40, 30, peepholes=True, layer_norm=True, forget_bias=1.0, sigma=0.2)
    for name, value in layer.named_parameters():
        if name[0] in "Wp":
            assert 0.05 < value.std() < 0.4, name
        elif name[0] == "g":
            assert torch.equal(value, torch.ones(30)), name
        else:
            assert torch.equal(value, torch.full((30,), float(name == "b_f"))), name
    coupled = LSTMVariant(3, 4, coupled=True, forget_bias=2.0)
    assert torch.equal(coupled.b_f, torch.full((4,), 2.0))


def test_what_is_refused():
    with pytest.raises(ValueError, match="^an LSTM can be without input gate, forget gate, output gate, input activation, "
                                         "output activation, not without 'cell'$"):
        LSTMVariant(3, 4, without=("input gate", "cell"))
    for part in ("input gate", "forget gate"):
        with pytest.raises(ValueError, match=f"^coupled gates need an input gate and a forget gate, but it is without {part}$"):
            LSTMVariant(3, 4, without=part, coupled=True)
    for options in ({"coupled": True}, {"without": "output gate"}):
        with pytest.raises(ValueError, match="^a recurrence of the gates needs an input gate, a forget gate and an output gate of "):
            LSTMVariant(3, 4, gate_recurrence=True, **options)


@pytest.mark.parametrize("steps, batch", itertools.product((1, 4), (1, 2)))
def test_the_minimal_gated_unit(steps, batch):
    layer = papers.parameters_drawn(MGU(2, 3, **DOUBLE))
    inputs, (H, _) = given(steps, batch)
    papers.compare(layer, papers.mgu, inputs, (H,))
    assert sum(p.numel() for p in layer.parameters()) == 2 * (2 * 3 + 3 * 3 + 3)
