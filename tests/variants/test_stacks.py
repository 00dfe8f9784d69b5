"""Layers with a line along the depth, and one without."""
import papers
import pytest
import torch

from unrolled.layers import LSTM, Stacked
from unrolled.variants import Dense, Highway, LSTMVariant, Residual

DOUBLE = {"dtype": torch.float64}


def inputs(steps=3, batch=2, d=3):
    torch.manual_seed(2)
    return torch.randn(steps, batch, d, **DOUBLE)


@pytest.mark.parametrize("steps, batch", [(3, 2), (1, 1)])
def test_dense_and_highway_are_their_equations(steps, batch):
    papers.compare(papers.parameters_drawn(Dense(3, 2, **DOUBLE)), papers.dense, inputs(steps, batch), ())
    papers.compare(papers.parameters_drawn(Highway(3, **DOUBLE)), papers.highway, inputs(steps, batch), ())


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("make", [lambda: LSTMVariant(3, 3, **DOUBLE), lambda: Dense(3, 3, **DOUBLE)], ids=["lstm", "dense"])
def test_a_residual_layer_adds_its_inputs(make, norm):
    layer = papers.parameters_drawn(Residual(make(), norm=norm))
    inner = papers.lstm if len(layer.state_names) else papers.dense

    def equations(p, X, *state):
        own = {name.removeprefix("layer."): value for name, value in p.items()}
        seen = X
        if norm:
            seen = papers.np.array([[papers.normalised(x, p["norm.weight"], p["norm.bias"]) for x in batch] for batch in X])
        outputs, last = inner(own, seen, *state)
        return X + outputs, last

    papers.compare(layer, equations, inputs(), tuple(torch.randn(2, 3, **DOUBLE) for _ in layer.state_names))


def test_a_highway_begins_by_carrying():
    torch.manual_seed(0)
    X = inputs(d=50)
    carried, _ = Highway(50, gate_bias=-30.0, **DOUBLE)(X)
    torch.testing.assert_close(carried, X, rtol=0, atol=1e-11)
    transformed, _ = Highway(50, gate_bias=30.0, sigma=0.3, **DOUBLE)(X)
    assert (transformed.abs() < 1).all() and not torch.allclose(transformed, X)
    assert torch.equal(Highway(4, gate_bias=-2.0).b_t, torch.full((4,), -2.0))


def test_through_fifty_layers_a_gradient_survives_only_along_a_line():
    """Weights of the same size in each; without a line nothing is left at the bottom."""
    def left(make):
        torch.manual_seed(0)
        X = inputs(1, 1, 20).requires_grad_()
        Stacked([make() for _ in range(50)])(X)[0].sum().backward()
        return X.grad.norm().item()

    plain = left(lambda: Dense(20, 20, sigma=0.1, **DOUBLE))
    highway = left(lambda: Highway(20, gate_bias=-3.0, sigma=0.1, **DOUBLE))
    residual = left(lambda: Residual(Dense(20, 20, sigma=0.1, **DOUBLE)))
    assert plain < 1e-12 and highway > 1e-2 and residual > 1e-2


def test_they_stack_with_recurrent_layers_and_keep_their_states():
    stack = Stacked([LSTM(5, 4), Residual(LSTM(4, 4), norm=True), Highway(4), Dense(4, 3)])
    assert stack.state_names == (("H", "C"), ("H", "C"), (), ()) and stack.num_hiddens == 3
    tokens = torch.randint(5, (7, 2))
    outputs, state = stack(tokens)
    first, between = stack(tokens[:4])
    second, last = stack(tokens[4:], between)
    torch.testing.assert_close(torch.cat([first, second]), outputs)
    torch.testing.assert_close(last, state)


def test_what_is_refused():
    with pytest.raises(ValueError, match="^a residual layer adds its inputs to its outputs, but 3 inputs cannot be added to 4 "):
        Residual(LSTM(3, 4))
    tokens = torch.zeros(2, 1, dtype=torch.long)
    for layer, what in ((Residual(LSTM(3, 3)), "a residual layer"), (Highway(3), "a highway layer")):
        with pytest.raises(TypeError, match=f"^{what} carries its inputs on, so they are numbers, not torch.int64 tokens"):
            layer(tokens)
    with pytest.raises(ValueError, match="^a state is"):
        Dense(3, 4)(torch.zeros(2, 1, 3), (torch.zeros(1, 4),))
