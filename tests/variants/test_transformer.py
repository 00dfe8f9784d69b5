"""The Transformer that is called like a recurrent layer."""
import papers
import pytest
import torch

from unrolled.variants import Transformer

DOUBLE = {"dtype": torch.float64}


def past(steps, batch=2, blocks=2):
    torch.manual_seed(3)
    return tuple(tuple(torch.randn(batch, 2, steps, 2, **DOUBLE) for _ in range(2)) for _ in range(blocks))


def equations(p, X, *states, heads, context):
    return papers.transformer(p, X, *states, heads=heads, context=context)


@pytest.mark.parametrize("steps, batch, before, context", [(4, 2, 2, 3), (1, 1, 0, 3), (3, 1, 1, 8), (2, 1, 0, 1)])
def test_values_and_gradients_are_those_of_the_equations(steps, batch, before, context):
    layer = papers.parameters_drawn(Transformer(3, 4, num_heads=2, context=context, feedforward=5, **DOUBLE))
    torch.manual_seed(1)
    inputs = torch.randn(steps, batch, 3, **DOUBLE)
    papers.compare(layer, equations, inputs, past(before, batch), heads=2, context=context)


@pytest.mark.parametrize("context, blocks", [(1, 2), (3, 1), (4, 3)])
def test_a_step_sees_its_context_in_each_block_and_nothing_else(context, blocks):
    torch.manual_seed(0)
    layer = Transformer(5, 4, num_blocks=blocks, num_heads=2, context=context, **DOUBLE)
    inputs = torch.randn(14, 1, 5, **DOUBLE, requires_grad=True)
    layer(inputs)[0][10].square().sum().backward()
    seen = (inputs.grad.abs().sum((1, 2)) > 0).nonzero().flatten().tolist()
    assert seen == list(range(max(0, 10 - blocks * (context - 1)), 11))


@pytest.mark.parametrize("cut", [1, 2, 5, 8])
def test_pieces_of_any_length_are_the_whole(cut):
    torch.manual_seed(0)
    layer = papers.parameters_drawn(Transformer(5, 4, num_heads=2, context=4, **DOUBLE))
    tokens = torch.randint(5, (9, 2))
    outputs, state = layer(tokens)
    pieces, between = [], None
    for piece in tokens.split(cut):
        piece, between = layer(piece, between)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces), outputs, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(between, state, rtol=1e-12, atol=1e-13)
    assert [K.shape for K, _ in state] == [(2, 2, 3, 2)] * 2


def test_what_is_refused():
    with pytest.raises(ValueError, match="^5 hidden units cannot be shared out among 4 heads$"):
        Transformer(3, 5)
    with pytest.raises(ValueError, match="^a Transformer has at least one block and sees at least one step, not 0 and 64$"):
        Transformer(3, 4, num_blocks=0)
    with pytest.raises(ValueError, match="^a Transformer has at least one block and sees at least one step, not 2 and 0$"):
        Transformer(3, 4, context=0)
    layer = Transformer(3, 4, num_heads=2, context=4, **DOUBLE)
    expected = r"^a state is a pair \(K, V\) for each of 2 blocks, each \(2, 2, at most 3, 2\), got "
    single = tuple(tuple(value.float() for value in pair) for pair in past(2))
    for state, error, came in ((past(4), ValueError, "the shapes"), (past(2, blocks=1), ValueError, "1 of them"),
                               ((), ValueError, "0 of them"), (past(2)[0][0][:1], ValueError, "Tensor"),
                               (past(2, batch=1), ValueError, "the shapes"),
                               ((past(2)[0], past(1)[0]), ValueError, "the shapes"), ((past(2)[0], None), TypeError, "NoneType"),
                               (((None, 1),) * 2, TypeError, r"\['NoneType', 'int'\]")):
        with pytest.raises(error, match=expected + came):
            layer(torch.zeros(5, 2, 3, **DOUBLE), state)
    with pytest.raises(TypeError, match="^a state is torch.float64 like the weights, got torch.float32$"):
        layer(torch.zeros(5, 2, 3, **DOUBLE), single)
