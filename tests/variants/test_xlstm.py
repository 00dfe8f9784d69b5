"""xLSTM's two cells against the paper's equations without its stabiliser, and with numbers that need one."""
import papers
import pytest
import torch

from unrolled.variants import MLSTM, SLSTM

DOUBLE = {"dtype": torch.float64}


def memory(cls, batch=2):
    """A state as after some steps: N is positive in the sLSTM."""
    torch.manual_seed(4)
    if cls is SLSTM:
        H, C, M = (torch.randn(batch, 4, **DOUBLE) for _ in range(3))
        return H, C, 1 + torch.rand(batch, 4, **DOUBLE), M
    return torch.randn(batch, 2, 2, 2, **DOUBLE), torch.randn(batch, 2, 2, **DOUBLE), torch.randn(batch, 2, **DOUBLE)


CELLS = {"slstm": (lambda **options: SLSTM(3, 4, **options), papers.slstm), "mlstm": (
    lambda **options: MLSTM(3, 4, num_heads=2, **options), papers.mlstm)}
every_cell = pytest.mark.parametrize("name", CELLS)


@every_cell
@pytest.mark.parametrize("exponential_forget", [False, True])
@pytest.mark.parametrize("steps, batch", [(4, 2), (1, 1)])
def test_values_and_gradients_are_those_of_the_equations(name, exponential_forget, steps, batch):
    make, equations = CELLS[name]
    layer = papers.parameters_drawn(make(exponential_forget=exponential_forget, **DOUBLE))
    inputs = torch.randn(steps, batch, 3, **DOUBLE)
    papers.compare(layer, equations, inputs, memory(type(layer), batch), exponential_forget=exponential_forget)


@pytest.mark.parametrize("exponential_forget", [False, True])
@pytest.mark.parametrize("steps, batch", [(5, 2), (1, 1)])
def test_the_parallel_form_is_the_recurrent_one(exponential_forget, steps, batch):
    layer = papers.parameters_drawn(MLSTM(3, 4, num_heads=2, at_once=True, exponential_forget=exponential_forget, **DOUBLE))
    inputs = torch.randn(steps, batch, 3, **DOUBLE)
    papers.compare(layer, papers.mlstm, inputs, memory(MLSTM, batch), exponential_forget=exponential_forget)
    at_once = layer(inputs)
    layer.at_once = False
    torch.testing.assert_close(at_once, layer(inputs), rtol=1e-12, atol=1e-13)


@every_cell
def test_an_empty_memory_is_none_at_all(name):
    """From the empty memory the first output is O * C_tilde, or O * V: what was written first is all there is to read."""
    layer = papers.parameters_drawn(CELLS[name][0](**DOUBLE))
    x = torch.randn(1, 2, 3, **DOUBLE)
    outputs, _ = layer(x)
    if name == "slstm":
        expected = torch.sigmoid(x[0] @ layer.W_xo + layer.b_o) * torch.tanh(x[0] @ layer.W_xc + layer.b_c)
    else:
        Q, K, V, O, i, _ = layer.scores(x)
        match = (Q * K).sum(-1) * torch.exp(i)
        expected = (O.unflatten(2, (2, 2)) * V * (match / match.abs().clamp(min=1))[..., None]).flatten(2)[0]
    torch.testing.assert_close(outputs[0], expected, rtol=1e-12, atol=1e-14)
    outputs.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize("name, at_once", [("slstm", False), ("mlstm", False), ("mlstm", True)])
def test_large_scores_stay_finite_and_exact(name, at_once):
    """exp(300) is no float32, and exp(1000) no float64. Shifting an exponential memory's scores by as much shifts nothing."""
    layer = papers.parameters_drawn(CELLS[name][0](**DOUBLE))
    if name == "mlstm":
        layer.at_once = at_once
    bias = layer.b_i
    torch.manual_seed(0)
    inputs = torch.randn(6, 2, 3, **DOUBLE)
    with torch.no_grad():
        bias += 30
        plain = layer(inputs)[0].clone()
        bias += 970
    outputs, _ = layer(inputs)
    torch.testing.assert_close(outputs, plain, rtol=1e-9, atol=1e-12)       # 970 more cost three digits
    outputs.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_one_head_and_many():
    """Heads share no memory: two heads are two layers of one head, side by side."""
    both = papers.parameters_drawn(MLSTM(3, 4, num_heads=2, **DOUBLE))
    inputs = torch.randn(5, 2, 3, **DOUBLE)
    halves = []
    for head in range(2):
        one = MLSTM(3, 2, **DOUBLE)
        with torch.no_grad():
            for name, value in one.named_parameters():
                width = value.shape[-1]
                value.copy_(getattr(both, name)[..., head * width:(head + 1) * width])
        halves.append(one(inputs)[0])
    torch.testing.assert_close(both(inputs)[0], torch.cat(halves, dim=2), rtol=1e-12, atol=1e-14)


def test_first_values_and_what_is_refused():
    torch.manual_seed(0)
    for layer in (SLSTM(30, 40, forget_bias=2.0, sigma=0.2), MLSTM(30, 40, num_heads=8, forget_bias=2.0, sigma=0.2)):
        for name, value in layer.named_parameters():
            if name.startswith("W"):
                assert 0.15 < value.std() < 0.25, name
            else:
                assert torch.equal(value, torch.full_like(value, 2.0 * (name == "b_f"))), name
    assert repr(MLSTM(3, 4, num_heads=2)) == "MLSTM(3, 4, num_heads=2)"
    for heads in (0, 3):
        with pytest.raises(ValueError, match=f"^4 hidden units cannot be shared out among {heads} heads$"):
            MLSTM(3, 4, num_heads=heads)
    with pytest.raises(ValueError, match=r"^a state is \(C, N, M\) of the shapes .*\(2, 1\)\), got the shapes \(\(2, 4\), "):
        MLSTM(3, 4)(torch.zeros(5, 2, 3), (torch.zeros(2, 4),) * 3)
