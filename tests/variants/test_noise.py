"""What disturbs an LSTM in training: the masks themselves, and the layer under given masks."""
import papers
import pytest
import torch

from unrolled.layers import LSTM
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.variants import LSTMVariant, Noise

DOUBLE = {"dtype": torch.float64}
KINDS = {"inputs": Noise(inputs=0.4), "state": Noise(state=0.4), "node": Noise(node=0.4), "weights": Noise(weights=0.4),
         "zoneout_H": Noise(zoneout_H=0.4), "zoneout_C": Noise(zoneout_C=0.4),
         "all": Noise(0.3, 0.3, 0.3, 0.3, 0.3, 0.3)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def given(steps=5, batch=2, d=2, h=3):
    torch.manual_seed(1)
    return torch.randn(steps, batch, d, **DOUBLE), tuple(torch.randn(batch, h, **DOUBLE) for _ in range(2))


@every_kind
@pytest.mark.parametrize("options", [{}, {"coupled": True, "peepholes": True, "layer_norm": True}], ids=["plain", "parts added"])
@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients_under_given_masks(kind, options, training):
    layer = papers.parameters_drawn(LSTMVariant(2, 3, noise=KINDS[kind], **options, **DOUBLE)).train(training)
    inputs, state = given()
    masks = layer.masks(inputs)
    papers.compare(layer, papers.lstm, inputs, state, call=lambda X, state: layer(X, state, masks),
                   masks={name: mask.numpy() for name, mask in masks.items()}, **options)


@every_kind
def test_a_call_draws_what_masks_would_draw(kind):
    layer = papers.parameters_drawn(LSTMVariant(2, 3, noise=KINDS[kind], **DOUBLE))
    inputs, state = given()
    torch.manual_seed(5)
    masks = layer.masks(inputs)
    torch.manual_seed(5)
    outputs, last = layer(inputs, state)
    torch.testing.assert_close((outputs, last), layer(inputs, state, masks), rtol=0, atol=0)
    assert not torch.equal(outputs, layer(inputs, state)[0]), "two calls had the same masks"


@every_kind
def test_in_evaluation_it_is_the_plain_layer_or_the_mean_of_both_outcomes(kind):
    layer = papers.parameters_drawn(LSTMVariant(2, 3, noise=KINDS[kind], **DOUBLE)).eval()
    plain = load_weights(LSTM(2, 3, **DOUBLE), named_weights(layer))
    inputs, state = given(steps=1)
    (outputs, (H, C)), (expected, (H_new, C_new)) = layer(inputs, state), plain(inputs, state)
    before = torch.get_rng_state()
    layer(inputs, state)
    assert torch.equal(before, torch.get_rng_state()), "something was drawn"
    p_H, p_C = KINDS[kind].zoneout_H, KINDS[kind].zoneout_C
    torch.testing.assert_close(H, p_H * state[0] + (1 - p_H) * H_new, rtol=0, atol=1e-12)
    torch.testing.assert_close(C, p_C * state[1] + (1 - p_C) * C_new, rtol=0, atol=1e-12)
    torch.testing.assert_close(outputs[0], H, rtol=0, atol=0)


def test_shapes_values_and_means_of_the_masks():
    torch.manual_seed(0)
    noise = Noise(inputs=0.1, state=0.2, node=0.3, weights=0.4, zoneout_H=0.25, zoneout_C=0.5)
    masks = noise.draw(True, 40, 30, 50, torch.zeros(60, 240))
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {
        "inputs": (30, 50), "state": (30, 60), "node": (40, 30, 60), "weights": (60, 240), "zoneout_H": (40, 30, 60),
        "zoneout_C": (40, 30, 60)}
    for name, mask in masks.items():
        p = getattr(noise, name)
        scale, mean = (1.0, p) if name.startswith("zoneout") else (1 / (1 - p), 1.0)
        values = mask.unique()
        assert values.tolist() == pytest.approx([0.0, scale])
        deviation = scale * (p * (1 - p) / mask.numel()) ** 0.5
        assert abs(mask.mean().item() - mean) < 4 * deviation, name
    for name in ("node", "zoneout_H", "zoneout_C"):                # anew at each step
        assert not torch.equal(masks[name][0], masks[name][1])
    assert noise.draw(False, 40, 30, 50, torch.zeros(60, 240)).keys() == {"zoneout_H", "zoneout_C"}
    assert Noise().draw(True, 4, 3, 5, torch.zeros(6, 24)) == {}


def test_variational_masks_hold_for_all_steps():
    """A unit that is dropped on its way into the gates is never seen: its recurrent weights have no gradient at any step."""
    layer = papers.parameters_drawn(LSTMVariant(2, 3, noise=Noise(state=0.5), **DOUBLE))
    inputs, state = given(steps=6, batch=1)
    mask = torch.tensor([[2.0, 0.0, 2.0]], **DOUBLE)
    outputs, _ = layer(inputs, state, {"state": mask})
    outputs.sum().backward()
    assert all(torch.equal(getattr(layer, f"W_h{k}").grad[1], torch.zeros(3, **DOUBLE)) for k in "ifoc")
    assert all((getattr(layer, f"W_h{k}").grad[0] != 0).all() for k in "ifoc")


def test_recurrent_dropout_loses_no_memory_and_zoneout_keeps_it():
    """With every node dropped the cell only fades, by the forget gates; with every unit held the state stands still."""
    layer = papers.parameters_drawn(LSTMVariant(2, 3, **DOUBLE))
    inputs, (H, C) = given(steps=1)
    F = torch.sigmoid(inputs[0] @ layer.W_xf + H @ layer.W_hf + layer.b_f)
    _, (_, faded) = layer(inputs, (H, C), {"node": torch.zeros(1, 2, 3, **DOUBLE)})
    torch.testing.assert_close(faded, F * C, rtol=0, atol=1e-14)
    held = torch.ones(1, 2, 3, **DOUBLE)
    _, last = layer(inputs, (H, C), {"zoneout_H": held, "zoneout_C": held})
    assert torch.equal(last[0], H) and torch.equal(last[1], C)


def test_tokens_are_dropped_like_the_vectors_that_they_stand_for():
    layer = papers.parameters_drawn(LSTMVariant(6, 3, noise=Noise(inputs=0.5), **DOUBLE))
    tokens = torch.randint(6, (9, 4))
    masks = layer.masks(tokens)
    assert 0 < (masks["inputs"] == 0).sum() < masks["inputs"].numel()
    vectors = torch.nn.functional.one_hot(tokens, 6).double()
    torch.testing.assert_close(layer(tokens, None, masks), layer(vectors, None, masks), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["inputs", "state", "node", "weights", "zoneout_H", "zoneout_C"])
@pytest.mark.parametrize("p", [1, -0.1, 1.5])
def test_what_is_refused(name, p):
    with pytest.raises(ValueError, match=rf"^{name} is a probability in \[0, 1\), got {p}$"):
        Noise(**{name: p})
