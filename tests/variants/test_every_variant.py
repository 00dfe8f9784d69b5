"""What every variant keeps to: the layers' call, in both precisions, for numbers and tokens, from any state, and its refusals."""
import papers
import pytest
import torch
from torch.func import functional_call

from unrolled.layers import Stacked, detach_state
from unrolled.models import LanguageModel
from unrolled.variants import MGU, MLSTM, SLSTM, Dense, Highway, LSTMVariant, Noise, Residual, Transformer

D, H = 6, 4
MAKE = {"lstm": lambda **kind: LSTMVariant(D, H, **kind),
        "parts added": lambda **kind: LSTMVariant(D, H, coupled=True, peepholes=True, layer_norm=True, **kind),
        "parts away": lambda **kind: LSTMVariant(D, H, without=("input gate", "output activation"), **kind),
        "gate recurrence": lambda **kind: LSTMVariant(D, H, gate_recurrence=True, **kind),
        "zoneout": lambda **kind: LSTMVariant(D, H, noise=Noise(zoneout_H=0.2, zoneout_C=0.3), **kind).eval(),
        "mgu": lambda **kind: MGU(D, H, **kind), "slstm": lambda **kind: SLSTM(D, H, **kind),
        "mlstm": lambda **kind: MLSTM(D, H, num_heads=2, **kind),
        "mlstm at once": lambda **kind: MLSTM(D, H, num_heads=2, at_once=True, **kind),
        "transformer": lambda **kind: Transformer(D, H, num_heads=2, context=5, **kind),
        "stack": lambda **kind: Stacked([Dense(D, H, **kind), Residual(SLSTM(H, H, **kind), norm=True), Highway(H, **kind)])}
every_variant = pytest.mark.parametrize("name", MAKE)


def drawn(name, dtype=torch.float64):
    return papers.parameters_drawn(MAKE[name](dtype=dtype))


@every_variant
@pytest.mark.parametrize("steps, batch", [(1, 1), (1, 3), (7, 1), (6, 2)])
def test_two_halves_are_the_whole_and_nothing_given_is_changed(name, steps, batch):
    layer = drawn(name)
    torch.manual_seed(steps)
    tokens = torch.randint(D, (2 * steps, batch))
    outputs, state = layer(tokens)
    assert outputs.shape == (2 * steps, batch, H) and outputs.dtype == torch.float64
    first, between = layer(tokens[:steps])
    kept = [value.clone() for value in papers.flat(between)]
    second, last = layer(tokens[steps:], detach_state(between))
    torch.testing.assert_close(torch.cat([first, second]), outputs, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(last, state, rtol=1e-12, atol=1e-13)
    assert all(torch.equal(a, b) for a, b in zip(kept, papers.flat(between)))
    assert len(papers.flat(state)) == len(papers.flat_names(layer.state_names))


@every_variant
def test_tokens_are_one_hot_vectors(name):
    layer = drawn(name)
    tokens = torch.randint(D, (5, 2))
    vectors = torch.nn.functional.one_hot(tokens, D).double()
    torch.testing.assert_close(layer(tokens), layer(vectors), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(layer(tokens.to(torch.uint8)), layer(tokens), rtol=0, atol=0)


@every_variant
def test_single_precision_is_the_same_to_single_precision(name):
    double, single = drawn(name), MAKE[name](dtype=torch.float32)
    single.load_state_dict(double.state_dict())
    tokens = torch.randint(D, (9, 2))
    outputs, state = single(tokens)
    assert {value.dtype for value in [outputs, *papers.flat(state)]} == {torch.float32}
    torch.testing.assert_close(outputs.double(), double(tokens)[0], rtol=1e-4, atol=2e-5)


@every_variant
def test_gradients_are_differences(name):
    """By torch's own check, from a state that is not empty."""
    layer = drawn(name)
    torch.manual_seed(0)
    inputs = torch.randn(3, 2, D, dtype=torch.float64)
    _, state = layer(torch.randn(2, 2, D, dtype=torch.float64))
    leaves = [value.detach().requires_grad_() for value in papers.flat(state)]
    parameters = dict(layer.named_parameters())

    def call(X, *values):
        weights, states = values[:len(parameters)], values[len(parameters):]
        outputs, last = functional_call(layer, dict(zip(parameters, weights)), (X, papers.like(state, iter(states))))
        return outputs, *papers.flat(last)

    values = [value.detach().requires_grad_() for value in parameters.values()]
    assert torch.autograd.gradcheck(call, (inputs.requires_grad_(), *values, *leaves), fast_mode=True)


@every_variant
def test_no_output_hangs_on_a_later_input(name):
    layer = drawn(name)
    tokens = torch.randint(D, (8, 1))
    changed = tokens.clone()
    changed[5:] = (changed[5:] + 1) % D
    before, after = layer(tokens)[0], layer(changed)[0]
    torch.testing.assert_close(before[:5], after[:5], rtol=1e-12, atol=1e-13)
    assert not torch.allclose(before[5:], after[5:])


@every_variant
def test_a_language_model_learns_with_it(name):
    torch.manual_seed(0)
    model = LanguageModel(MAKE[name](), D)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    text = torch.arange(D).repeat(12)[:, None]                 # 0 1 2 3 4 5 0 1 …
    losses, state = [], None
    for _ in range(60):
        logits, state = model(text[:-1], detach_state(state))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), text[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5 and losses[-1] < 0.3


@every_variant
def test_what_is_refused(name):
    layer = MAKE[name]()
    for inputs, error, sentence in ((torch.zeros(5, 2, 3), ValueError, rf"inputs have shape \(steps, batch, {D}\), got "),
                                    (torch.zeros(5, 2, D).double(), TypeError, "inputs are integer tokens or torch.float32"),
                                    (torch.zeros(0, 2, D), ValueError, "inputs have at least one step and one example"),
                                    (torch.full((5, 2), D), ValueError, f"token ids lie between 0 and {D - 1}, got {D}"),
                                    ([1, 2], TypeError, "inputs are a tensor, not list")):
        with pytest.raises(error, match=sentence):
            layer(inputs)
    _, state = layer(torch.zeros(5, 2, D))
    for bad in (state[0], state[:-1], "state", tuple(papers.like(state, (value[:1] for value in papers.flat(state))))):
        with pytest.raises((TypeError, ValueError), match="state"):
            layer(torch.zeros(5, 2, D), bad)


@pytest.mark.parametrize("cls", [LSTMVariant, MGU, SLSTM, MLSTM, Dense, Transformer])
@pytest.mark.parametrize("size", [0, -3, 2.5, True, None])
def test_sizes(cls, size):
    for sizes, name in (((size, 4), "num_inputs"), ((4, size), "num_hiddens")):
        with pytest.raises(ValueError, match=f"^{name} is a whole number of at least 1, not {size!r}$"):
            cls(*sizes)
