"""Looking inside: the values are the layer's own, and the gradients those of an independent computation."""
import copy

import pytest
import torch

from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel
from unrolled.probe import clamped, forget_products, gradient_norms, trace, walk, written
from unrolled.text import Vocabulary

TEXT = "it has the time and the traveller has it"
CHARS, WORDS = Vocabulary.from_text(TEXT), Vocabulary.from_text(TEXT, "word")
N = len(CHARS)
ALL = (RNNScratch, GRUScratch, LSTMScratch, RNN, GRU, LSTM)
NAMES = {"lstm": ["I", "F", "O", "C_tilde", "C", "H"], "gru": ["R", "Z", "H_tilde", "H"], "rnn": ["H"]}
DOUBLE = {"dtype": torch.float64}
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def make(cls, num_inputs=3, num_hiddens=5, seed=0):
    """A layer in float64 with weights large enough to tell one from another."""
    torch.manual_seed(seed)
    layer = cls(num_inputs, num_hiddens, **DOUBLE)
    return load_weights(layer, {name: torch.randn_like(w) * 0.7 for name, w in named_weights(layer).items()})


# Walking and tracing

@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("steps, batch", [(1, 1), (6, 2)])
@pytest.mark.parametrize("with_state", [False, True])
def test_walking_equals_the_layer(cls, steps, batch, with_state):
    layer = make(cls)
    inputs = torch.randn(steps, batch, 3, **DOUBLE)
    state = tuple(torch.randn(batch, 5, **DOUBLE) for _ in layer.state_names) if with_state else None
    outputs, last = layer(inputs, state)
    walked = walk(layer, inputs, state)
    torch.testing.assert_close(torch.stack([s.H for s in walked]), outputs, **CLOSE)
    found = tuple(getattr(walked[-1], name) for name in layer.state_names)
    torch.testing.assert_close(found, last, **CLOSE)
    assert not walked[-1].H.requires_grad


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("embedding", [None, 6])
def test_trace_equals_the_layer_and_the_model(cls, embedding):
    layer = make(cls, embedding or N)
    model = LanguageModel(layer, N, embedding=embedding, dropout=0.5).train()
    found = trace(model, CHARS, "it has")
    assert model.training and found.tokens == list("it has")
    assert list(found.values) == NAMES[layer.kind]
    assert all(v.shape == (6, 5) and not v.requires_grad for v in found.values.values())
    ids = CHARS.encode("it has")[:, None]
    outputs, _ = layer(ids if embedding is None else model.embedding(ids))
    torch.testing.assert_close(found.values["H"], outputs[:, 0], **CLOSE)
    torch.testing.assert_close(found.probabilities, model.eval()(ids)[0][:, 0].softmax(-1), **CLOSE)
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(6, **DOUBLE))


def test_the_values_of_an_lstm_obey_its_equations():
    v = trace(LanguageModel(make(LSTM, N), N), CHARS, "it has the time").values
    before = torch.cat([torch.zeros(1, 5, **DOUBLE), v["C"][:-1]])
    torch.testing.assert_close(v["C"], v["F"] * before + v["I"] * v["C_tilde"])
    torch.testing.assert_close(v["H"], v["O"] * v["C"].tanh())
    assert all(((v[gate] > 0) & (v[gate] < 1)).all() for gate in "IFO")


@pytest.mark.parametrize("layer, kind, width",
                         [(0, "lstm", 5), (1, "gru", 4), (2, "rnn", 6), (-1, "rnn", 6), (-3, "lstm", 5)])
def test_trace_of_one_layer_among_several(layer, kind, width):
    stack = Stacked([make(LSTM, N, 5), make(GRUScratch, 5, 4), make(RNN, 4, 6)], dropout=0.5)
    found = trace(LanguageModel(stack, N), CHARS, "it has", layer=layer)
    assert list(found.values) == NAMES[kind] and found.values["H"].shape == (6, width)
    outputs = CHARS.encode("it has")[:, None]
    for below in stack.layers[:layer % 3 + 1]:
        outputs, _ = below(outputs)
    torch.testing.assert_close(found.values["H"], outputs[:, 0], **CLOSE)


def test_trace_of_words():
    found = trace(LanguageModel(make(LSTM, len(WORDS)), len(WORDS)), WORDS, "it has time")
    assert found.tokens == ["it", "has", "time"] and found.probabilities.shape == (3, len(WORDS))


# Gradients through time

def by_jacobian(layer, inputs, state=None, seed=0):
    """The same norms by the chain rule over states, from full Jacobians of the layer's own forward.

    With s the pair (H, C) of one example and J_t = ds_t / ds_{t-1}, the gradient with respect to s_t is that
    of s_{t+1} times J_{t+1}. The layer runs one step at a time and is never unrolled.
    """
    steps, batch, h = len(inputs), inputs.shape[1], layer.num_hiddens
    states = 2 if layer.kind == "lstm" else 1
    projection = torch.randn((batch, h), generator=torch.Generator().manual_seed(seed), **DOUBLE)
    norms = torch.zeros(steps, batch, **DOUBLE)
    for n in range(batch):
        def step(s, x):
            _, new = layer(x[None, None], tuple(part[None] for part in s.chunk(states)))
            return torch.cat([part[0] for part in new])

        s = torch.zeros(states * h, **DOUBLE) if state is None else torch.cat([part[n] for part in state])
        jacobians = []
        for x in inputs[:, n]:
            jacobians.append(torch.autograd.functional.jacobian(lambda s: step(s, x), s))
            s = step(s, x).detach()
        g = torch.cat([projection[n], torch.zeros((states - 1) * h, **DOUBLE)])   # dL / d(H_T, C_T)
        for k in range(steps):
            if states == 1:
                norms[k, n] = g.norm()
            else:
                # C_t acts through H_t = O_t tanh(C_t) too: add that path, dH_t / dC_t, of this step alone
                t = steps - 1 - k
                start = states_before(layer, inputs[:, n], t, state, n)
                norms[k, n] = (g[h:] + g[:h] * hidden_by_cell(layer, inputs[t, n], start)).norm()
            g = g @ jacobians[steps - 1 - k]
    return norms.mean(1)


def states_before(layer, inputs, t, state, n):
    if t == 0:
        return None if state is None else tuple(part[n:n + 1] for part in state)
    _, new = layer(inputs[:t, None], None if state is None else tuple(part[n:n + 1] for part in state))
    return tuple(part.detach() for part in new)


def hidden_by_cell(layer, x, start):
    """dH_t / dC_t = O_t (1 - tanh(C_t)^2), with O_t read off the layer's two states: H_t = O_t tanh(C_t)."""
    _, (H, C) = layer(x[None, None], start)
    return (H / C.tanh() * (1 - C.tanh() ** 2))[0].detach()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("with_state", [False, True])
def test_gradient_norms_equal_the_chain_of_jacobians(cls, with_state):
    layer = make(cls)
    inputs = torch.randn(7, 3, 3, **DOUBLE)
    state = tuple(torch.randn(3, 5, **DOUBLE) for _ in layer.state_names) if with_state else None
    found = gradient_norms(layer, inputs, state)
    assert found.shape == (7,) and (found > 0).all()
    torch.testing.assert_close(found, by_jacobian(layer, inputs, state), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cls", ALL)
def test_gradient_norms_equal_finite_differences(cls):
    """Move the state k steps back by hand and see what the loss does: no autograd at all."""
    layer, eps = make(cls), 1e-6
    inputs = torch.randn(5, 1, 3, **DOUBLE)
    projection = torch.randn((1, 5), generator=torch.Generator().manual_seed(4), **DOUBLE)
    found = gradient_norms(layer, inputs, seed=4)
    for k in range(1, 5):
        with torch.no_grad():
            _, state = layer(inputs[:5 - k])
            gradient = []
            for j in range(5):
                ends = []
                for sign in (1, -1):
                    moved = [part.clone() for part in state]
                    moved[-1][0, j] += sign * eps
                    if layer.kind == "lstm":                               # H goes with C: H = O tanh(C)
                        moved[0] = state[0] / state[1].tanh() * moved[1].tanh()
                    ends.append((layer(inputs[5 - k:], tuple(moved))[0][-1] * projection).sum())
                gradient.append((ends[0] - ends[1]) / (2 * eps))
        assert found[k].item() == pytest.approx(torch.stack(gradient).norm().item(), rel=1e-6)


@pytest.mark.parametrize("ours, theirs", [(RNNScratch, RNN), (GRUScratch, GRU), (LSTMScratch, LSTM)])
def test_gradient_norms_belong_to_the_weights_and_not_to_the_class(ours, theirs):
    a, b = make(ours), make(theirs, seed=1)
    load_weights(b, named_weights(a))
    inputs = torch.randn(6, 2, 3, **DOUBLE)
    torch.testing.assert_close(gradient_norms(a, inputs), gradient_norms(b, inputs), rtol=1e-12, atol=0)


def test_gradient_norms_take_tokens_and_one_step():
    layer = make(LSTM)
    tokens = torch.tensor([[0, 1], [2, 0]])
    one_hot = torch.nn.functional.one_hot(tokens, 3).double()
    torch.testing.assert_close(gradient_norms(layer, tokens), gradient_norms(layer, one_hot), **CLOSE)
    assert gradient_norms(layer, tokens[:1]).shape == (1,)


def test_gradient_norms_leave_everything_alone():
    layer, inputs = make(LSTMScratch), torch.randn(4, 2, 3, **DOUBLE)
    before = torch.get_rng_state()
    with torch.no_grad():
        first = gradient_norms(layer, inputs)
    assert torch.equal(first, gradient_norms(layer, inputs))
    assert not torch.equal(first, gradient_norms(layer, inputs, seed=1))
    assert torch.equal(torch.get_rng_state(), before) and all(p.grad is None for p in layer.parameters())


def test_the_gradient_at_the_last_step_of_a_plain_rnn_is_the_projection():
    projection = torch.randn((2, 5), generator=torch.Generator().manual_seed(0), **DOUBLE)
    found = gradient_norms(make(RNN), torch.randn(3, 2, 3, **DOUBLE))[0]
    assert found.item() == pytest.approx(projection.norm(dim=1).mean().item(), rel=1e-12)


def test_forget_products():
    layer, inputs = make(LSTM), torch.randn(5, 2, 3, **DOUBLE)
    F = torch.stack([step.F for step in walk(layer, inputs)])
    expected = [torch.ones(2, 5, **DOUBLE), F[4], F[4] * F[3], F[4] * F[3] * F[2], F[4] * F[3] * F[2] * F[1]]
    torch.testing.assert_close(forget_products(layer, inputs), torch.stack([e.mean() for e in expected]))


def test_a_zero_lstm_halves_its_memory_at_each_step():
    layer = LSTMScratch(3, 5, sigma=0.0, **DOUBLE)
    kept = forget_products(layer, torch.zeros(33, 1, 3, **DOUBLE))
    torch.testing.assert_close(kept, 0.5 ** torch.arange(33, **DOUBLE))
    # nothing else carries the gradient there: the norms shrink by the same factor
    norms = gradient_norms(layer, torch.zeros(33, 1, 3, **DOUBLE))
    torch.testing.assert_close(norms / norms[0], kept)


# Bad input

@pytest.mark.parametrize("call", [walk, gradient_norms])
@pytest.mark.parametrize("layer, inputs, error, message", [
    (Stacked([LSTM(3, 5)]), torch.zeros(2, 1, 3), TypeError, "one RNN, GRU or LSTM layer, got Stacked"),
    (torch.nn.LSTM(3, 5), torch.zeros(2, 1, 3), TypeError, "expected one RNN, GRU or LSTM layer, got LSTM"),
    (LSTM(3, 5), torch.zeros(2, 1, 4), ValueError, r"inputs have shape \(steps, batch, 3\), got \(2, 1, 4\)"),
    (LSTM(3, 5), torch.zeros(2, 1, 3, **DOUBLE), TypeError, "like the weights, got torch.float64"),
    (LSTM(3, 5), [[0]], TypeError, "inputs are a tensor, not list"),
    (LSTM(3, 5), torch.zeros(0, 1, 3), ValueError, "at least one step"),
])
def test_what_cannot_be_walked(call, layer, inputs, error, message):
    with pytest.raises(error, match=message):
        call(layer, inputs)


@pytest.mark.parametrize("call", [walk, gradient_norms, forget_products])
def test_a_state_that_does_not_fit(call):
    with pytest.raises(ValueError, match=r"a state is \(H, C\), each \(1, 5\), got 1 tensors"):
        call(LSTM(3, 5), torch.zeros(2, 1, 3), (torch.zeros(1, 5),))


def test_forget_products_need_a_forget_gate():
    with pytest.raises(TypeError, match="only an LSTM has forget gates, got GRU"):
        forget_products(GRU(3, 5), torch.zeros(2, 1, 3))


@pytest.mark.parametrize("vocab, text, layer, message", [
    (CHARS, "it hax", -1, "unknown chars: 'x' at 5"),
    (CHARS, "", -1, "nothing to encode"),
    (CHARS, "it", 1, "the model's layers are numbered 0 to 0, there is no layer 1"),
    (CHARS, "it", -2, "there is no layer -2"),
    (WORDS, "it", -1, f"the model has {N} tokens and the vocabulary {len(WORDS)}"),
])
def test_what_cannot_be_traced(vocab, text, layer, message):
    with pytest.raises(ValueError, match=message):
        trace(LanguageModel(LSTM(N, 5), N), vocab, text, layer=layer)


@pytest.mark.parametrize("with_state", [False, True])
def test_what_the_steps_wrote_is_the_last_cell_state(with_state):
    """Each part by hand, a product of gates at a time; and their sum is what the layer itself ends with."""
    layer, inputs = make(LSTM), torch.randn(6, 2, 3, **DOUBLE)
    state = tuple(torch.randn(2, 5, **DOUBLE) for _ in range(2)) if with_state else None
    steps, parts = walk(layer, inputs, state), written(layer, inputs, state)
    assert parts.shape == (6, 2, 5)
    for s in range(6):
        expected = steps[s].I * steps[s].C_tilde
        for later in steps[s + 1:]:
            expected = expected * later.F
        torch.testing.assert_close(parts[s], expected, **CLOSE)
    rest = torch.zeros(2, 5, **DOUBLE) if state is None else state[1] * torch.stack([step.F for step in steps]).prod(0)
    torch.testing.assert_close(parts.sum(0) + rest, layer(inputs, state)[1][1], **CLOSE)


def test_only_a_cell_is_written_to():
    with pytest.raises(TypeError, match="only an LSTM has a cell that gates write to, got GRU"):
        written(make(GRU), torch.zeros(2, 1, 3, **DOUBLE))


@pytest.mark.parametrize("quantity", ["C", "H"])
def test_a_clamped_unit_says_the_same_at_every_step(quantity):
    torch.manual_seed(0)
    model = LanguageModel(LSTM(5, 4, dtype=torch.float64), 5)
    tokens = torch.randint(5, (9, 3))
    silent = clamped(model, tokens, 2, 0.0, quantity)
    deaf = copy.deepcopy(model)                     # nobody listens to the unit: the same as one that says 0
    deaf.layer.rnn.weight_hh_l0.data[:, 2] = 0
    deaf.head.weight.data[:, 2] = 0
    torch.testing.assert_close(silent, deaf(tokens)[0])
    assert not silent.allclose(clamped(model, tokens, 2, 1.0, quantity))


def test_what_cannot_be_clamped():
    model = LanguageModel(LSTM(5, 4), 5)
    with pytest.raises(ValueError, match="numbered 0 to 3, there is no unit 4"):
        clamped(model, torch.zeros(2, 1, dtype=torch.long), 4, 0.0)
    with pytest.raises(ValueError, match="C or H, not 'F'"):
        clamped(model, torch.zeros(2, 1, dtype=torch.long), 1, 0.0, "F")
    with pytest.raises(TypeError, match="one LSTM layer can be held, got a GRU"):
        clamped(LanguageModel(GRU(5, 4), 5), torch.zeros(2, 1, dtype=torch.long), 1, 0.0)
