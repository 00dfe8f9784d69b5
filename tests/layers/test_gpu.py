"""The engine "gpu": on a GPU where there is one, else by Triton's interpreter on the CPU; and compiled for GPUs elsewhere."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from unrolled.layers import LSTM, engines
from unrolled.layers.engines import EngineMissing, choice, gpu
from unrolled.layers.parameters import from_torch, load_weights

HAVE_GPU = torch.cuda.is_available()
DEVICE = "cuda" if HAVE_GPU else "cpu"
# Half the distance of two neighbouring numbers around 1. The interpreter cuts off what it shortens to bfloat16.
UNIT = {torch.float16: 2 ** -11, torch.bfloat16: 2 ** -8 if HAVE_GPU else 2 ** -7}


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """The kernels for this module alone: elsewhere nobody expects the engine to run on a CPU."""
    pytest.importorskip("triton", reason="Triton is missing, which the GPU engine is written in: pip install triton")
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "unrolled.layers.engines.gpu_kernels", raising=False)
        patch.delattr(engines, "gpu_kernels", raising=False)
        patch.setattr(gpu, "_ready", False)
        patch.setattr(choice, "_loaded", {})
        if not HAVE_GPU:
            patch.setenv("TRITON_INTERPRET", "1")
        yield gpu.kernels()
        sys.modules.pop("unrolled.layers.engines.gpu_kernels")
        del engines.gpu_kernels


class Case(NamedTuple):
    steps: int
    batch: int
    num_inputs: int
    hidden: int
    tokens: bool
    seed: int = 0


cases = st.builds(Case, st.integers(1, 4), st.integers(1, 20), st.integers(1, 30), st.integers(1, 20), st.booleans(),
                  st.integers(0, 2 ** 31))


def draw(case, dtype=torch.float32):
    """An nn.LSTM, what it reads, H and C, and what the loss weighs outputs and both states with."""
    torch.manual_seed(case.seed)
    make = {"dtype": dtype, "device": DEVICE}
    module = nn.LSTM(case.num_inputs, case.hidden, **make)
    shape = case.steps, case.batch
    inputs = (torch.randint(case.num_inputs, shape, device=DEVICE) if case.tokens
              else torch.randn(*shape, case.num_inputs, **make, requires_grad=True))
    state = [torch.randn(case.batch, case.hidden, **make, requires_grad=True) for _ in "HC"]
    probes = [torch.randn(*shape, case.hidden, **make), *(torch.randn(case.batch, case.hidden, **make) for _ in "HC")]
    return module, inputs, state, probes


def added(module, inputs):
    """What the inputs add to the gates: the engine's x."""
    return from_inputs(inputs, module.weight_ih_l0, module.bias_ih_l0 + module.bias_hh_l0)


def from_inputs(inputs, W_x, b):
    return inputs @ W_x.T + b if inputs.is_floating_point() else (inputs, W_x.T + b)


def results(module, inputs, state, probes, found):
    """Outputs and states, and all gradients of the loss, by name."""
    sum((value * probe).sum() for value, probe in zip(found, probes, strict=True)).backward()
    leaves = dict(module.named_parameters()) | dict(zip(("H0", "C0"), state))
    leaves |= {"inputs": inputs} if inputs.is_floating_point() else {}
    return dict(zip(("outputs", "H", "C"), found)) | {f"gradient of {name}": leaf.grad for name, leaf in leaves.items()}


def by_engine(module, inputs, state, probes):
    return results(module, inputs, state, probes, gpu.sequence(added(module, inputs), *state, module.weight_hh_l0))


def by_torch(module, inputs, state, probes):
    """torch.nn's layer in float64, of the same numbers."""
    module, state, probes = module.to(torch.float64), [leaf(value) for value in state], [probe.double() for probe in probes]
    inputs = leaf(inputs) if inputs.is_floating_point() else inputs
    vectors = inputs if inputs.is_floating_point() else nn.functional.one_hot(inputs, module.input_size).double()
    outputs, (H, C) = module(vectors, tuple(value[None] for value in state))
    return results(module, inputs, state, probes, (outputs, H[0], C[0]))


def leaf(value):
    return value.detach().double().requires_grad_()


def copied(module):
    other = nn.LSTM(module.input_size, module.hidden_size, dtype=module.weight_hh_l0.dtype, device=DEVICE)
    other.load_state_dict(module.state_dict())
    return other


def assert_same(ours, theirs, tolerance=1e-5):
    """No entry differs by more than the tolerance, relative to the largest where that is above 1."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape and ours[name].dtype == torch.float32, name
        largest = max(1.0, theirs[name].abs().max().item())
        assert (ours[name] - theirs[name]).abs().max().item() <= tolerance * largest, name


@example(Case(1, 1, 1, 1, False))
@example(Case(1, 1, 3, 16, True))
@example(Case(1, 17, 3, 4, False))                          # two blocks of rows, the second with one
@example(Case(3, 33, 28, 32, True))                         # the chapter's sizes, three blocks
@example(Case(3, 2, 90, 17, True))                          # more tokens than gates; units filled up from 17 to 32
@settings(max_examples=10, deadline=None, derandomize=True)
@given(cases)
def test_the_engine_is_torch(case):
    module, *rest = draw(case)
    ours = by_engine(module, *rest)
    assert_same(ours, by_torch(copied(module), *rest))


def test_the_golden_numbers():
    content = json.loads((Path(__file__).parents[1] / "golden" / "lstm.json").read_text())

    def tensors(value):
        return {name: tensors(inner) for name, inner in value.items()} if isinstance(value, dict) else torch.tensor(
            numbers(value), dtype=torch.float32, device=DEVICE)

    def numbers(value):
        return [numbers(inner) for inner in value] if isinstance(value, list) else float(value)

    golden = tensors({name: content[name] for name in ("parameters", "inputs", "initial", "final", "probe", "gradients")})
    module = load_weights(LSTM(golden["inputs"].shape[2], golden["probe"].shape[2], device=DEVICE), golden["parameters"]).rnn
    inputs, *state = (value.requires_grad_() for value in (golden["inputs"], *golden["initial"].values()))
    outputs, H, C = gpu.sequence(added(module, inputs), *state, module.weight_hh_l0)
    (outputs * golden["probe"]).sum().backward()
    close = lambda ours, theirs: torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)   # noqa: E731
    close(outputs, torch.stack([tensors(step)["H"] for step in content["steps"]]))
    close({"H": H, "C": C}, golden["final"])
    gradients = golden["gradients"]
    close(from_torch(module, gradients=True), {name: gradients[name] for name in golden["parameters"]})
    close(inputs.grad, gradients["inputs"])
    close(dict(zip("HC", (value.grad for value in state))), gradients["initial"])


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("options, lengths", [({"num_layers": 2}, None), ({"bidirectional": True}, [3, 1, 2]), ({}, [1, 3, 2]),
                                              ({"segment": 2}, [1, 3, 2])])
def test_a_layer_with_this_engine(tokens, options, lengths):
    """Layers, directions, segments and lengths, whose padding comes as infinite gates: as with torch's own engine."""
    torch.manual_seed(0)
    ours, theirs = (LSTM(4, 5, engine=name, device=DEVICE, **options) for name in ("gpu", "vendor"))
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randint(4, (3, 3), device=DEVICE) if tokens else torch.randn(3, 3, 4, device=DEVICE)
    lengths = None if lengths is None else torch.tensor(lengths)
    found = []
    for layer in (ours, theirs):
        outputs, state = layer(inputs, lengths=lengths)
        states = state if isinstance(state[0], tuple) else (state,)
        (outputs.square().sum() + sum((H * C).sum() for H, C in states)).backward()
        found.append((outputs, state, {name: value.grad for name, value in layer.named_parameters()}))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


# Short numbers

def noisy(x, H, C, W_h, probes, noise):
    """The engine's arithmetic in float64, each rounding a factor (1 + noise): outputs, states, and all gradients."""
    in_H, in_gates, in_gradients = noise
    kept, gates, outputs = [(H, C)], [], []
    for t, from_input in enumerate(x):
        gates.append(from_input + H @ W_h.T)
        i, f, g, o = gates[t].chunk(4, dim=1)
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        kept.append((torch.sigmoid(o) * torch.tanh(C) * (1 + in_H[t]), C))
        H = kept[-1][0]
        outputs.append(H)
    dH, dC, d_x = probes[1], probes[2], []
    for t in reversed(range(len(x))):
        before, (_, C) = kept[t][1], kept[t + 1]
        i, f, g, o = (gates[t] * (1 + in_gates[t])).chunk(4, dim=1)
        i, f, g, o, squashed = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o), torch.tanh(C)
        dH = dH + probes[0][t]
        dC = dC + dH * o * (1 - squashed ** 2)
        d_gates = torch.cat([dC * g * i * (1 - i), dC * before * f * (1 - f), dC * i * (1 - g ** 2),
                             dH * squashed * o * (1 - o)], 1) * (1 + in_gradients[t])
        d_x.insert(0, d_gates)
        dH, dC = d_gates @ W_h, dC * f
    d_W = sum(d.T @ H for d, (H, _) in zip(d_x, kept))
    return torch.stack(outputs), *kept[-1], torch.stack(d_x), dH, dC, d_W


@pytest.mark.parametrize("dtype", UNIT, ids=str)
def test_short_numbers(dtype):
    """Off by no more than their roundings can add up to: to first order, the sum of what each alone can do.

    A rounding changes a number by a unit at most, relatively; the Jacobian says what that does to each result. A tenth
    on top is for products of roundings, 1e-6 for sums in float32.
    """
    module, inputs, state, probes = draw(Case(3, 2, 4, 5, False), dtype)
    given = [value.detach().requires_grad_() for value in (added(module, inputs), *state, module.weight_hh_l0)]
    found = gpu.sequence(*given)
    assert {value.dtype for value in found} == {dtype}
    ours = *found, *torch.autograd.grad(found, given, probes)
    exact, wide = [value.detach().double() for value in given], [probe.double() for probe in probes]
    noise = tuple(torch.zeros(3, 2, width, dtype=torch.float64, device=DEVICE) for width in (5, 20, 20))

    def function(*noise):
        return noisy(*exact, wide, noise)

    for value, theirs, jacobians in zip(ours, function(*noise), torch.autograd.functional.jacobian(function, noise), strict=True):
        effect = sum(jacobian.abs().flatten(theirs.ndim).sum(-1) for jacobian in jacobians)
        band = 1.1 * UNIT[dtype] * (effect + theirs.abs()) + 1e-6
        assert value.dtype == dtype and (value.double() - theirs).abs().lt(band).all()


def test_the_arithmetic_of_the_band_is_the_layers():
    module, inputs, state, probes = draw(Case(3, 2, 4, 5, False), torch.float64)
    given = [value.detach() for value in (added(module, inputs), *state, module.weight_hh_l0)]
    ours = noisy(*given, probes, [torch.zeros(3, 1, 1, dtype=torch.float64, device=DEVICE)] * 3)
    theirs = by_torch(module, inputs, state, probes)
    for value, name in zip(ours, ("outputs", "H", "C", None, "gradient of H0", "gradient of C0", "gradient of weight_hh_l0")):
        if name:
            torch.testing.assert_close(value, theirs[name], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours[3] @ module.weight_ih_l0, theirs["gradient of inputs"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", UNIT, ids=str)
def test_autocast(dtype):
    """Products in 16 bits, as autocast says; the weights' gradients are float32 again."""
    module, inputs, state, probes = draw(Case(2, 3, 4, 5, False))
    with torch.autocast(DEVICE, dtype):
        outputs, H, C = gpu.sequence(added(module, inputs), *state, module.weight_hh_l0)
    assert {outputs.dtype, H.dtype, C.dtype} == {dtype}
    found = results(module, inputs, state, [probe.to(dtype) for probe in probes], (outputs, H, C))
    assert all(value.dtype == torch.float32 for name, value in found.items() if "gradient" in name)
    exact = by_torch(copied(module), inputs, state, probes)
    assert all((found[name] - exact[name]).abs().max() < 40 * UNIT[dtype] for name in found)    # right, if short


# What is kept, and how

def watched(monkeypatch, name):
    """The arguments of each call of an operation from here on."""
    operation, calls = getattr(gpu, name), []
    monkeypatch.setattr(gpu, name, lambda *args: calls.append(args) or operation(*args))
    return calls


def test_kept_for_the_way_back(monkeypatch):
    """From tokens: H and C after every step, and little more; without gradients nothing."""
    steps, batch, hidden = 40, 3, 16
    module, tokens, state, probes = draw(Case(steps, batch, 5, hidden, True))
    kept = {}

    def pack(tensor):
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    x, W_h = added(module, tokens), module.weight_hh_l0
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        gpu.sequence(x, *state, W_h)
    states = 2 * steps * batch * hidden * 4
    weights = sum(value.numel() * 4 for value in (W_h, x[1]))
    assert states < sum(kept.values()) - weights <= 1.2 * states
    calls = watched(monkeypatch, "_forward")
    with torch.no_grad():
        gpu.sequence(x, *state, W_h)
    _, _, _, cells = torch.ops.unrolled.lstm_gpu(*calls[0])
    assert cells.numel() == 0


@pytest.mark.parametrize("of_bytes", [1, 1000])
def test_segments(monkeypatch, of_bytes):
    """The way back in segments of one step, and of three and the rest, gives the gradients of one piece."""
    module, *rest = draw(Case(5, 2, 4, 10, True))
    theirs = by_engine(copied(module), *rest)
    for value in rest[1]:
        value.grad = None
    monkeypatch.setattr(gpu, "SEGMENT", of_bytes)
    assert_same(by_engine(module, *rest), theirs, 1e-6)


@pytest.mark.parametrize("which", range(3))
def test_a_loss_that_looks_at_one_result(which, monkeypatch):
    """Of what nobody looks at there is no gradient, not a tensor of zeros; and none is missed."""
    calls = watched(monkeypatch, "_backward")
    module, inputs, state, probes = draw(Case(3, 2, 4, 5, False))
    x, W_h = added(module, inputs).detach().requires_grad_(), module.weight_hh_l0
    of = [x, *state, W_h]
    found = torch.autograd.grad((gpu.sequence(x, *state, W_h)[which] * probes[which]).sum(), of)
    assert [gradient is None for gradient in calls[0][:3]] == [k != which for k in range(3)]
    with_zeros = gpu.sequence(x, *state, W_h)
    weights = [probe if k == which else torch.zeros_like(probe) for k, probe in enumerate(probes)]
    torch.testing.assert_close(found, torch.autograd.grad(with_zeros, of, weights), rtol=0, atol=1e-7)


def test_strides():
    """Tensors that lie across or far apart in memory, and a gradient that is one number for all."""
    module, inputs, state, _ = draw(Case(3, 4, 4, 5, False))
    given = [value.detach() for value in (added(module, inputs), *state, module.weight_hh_l0)]
    across = [torch.stack([value.mT, value.mT + 1], -1)[..., 0].mT.requires_grad_() for value in given]
    assert not any(value.is_contiguous() for value in across)
    plain = [value.requires_grad_() for value in given]
    ours, theirs = (torch.autograd.grad(gpu.sequence(*values)[0].sum(), values) for values in (across, plain))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def among(value, around):
    """The same numbers in one piece, in the middle of memory full of others."""
    buffer = torch.full((value.numel() + 400,), around, dtype=value.dtype, device=value.device)
    middle = buffer[200:-200].view(value.shape)
    return buffer, middle.copy_(value)


@pytest.mark.parametrize("tokens", [False, True])
def test_nothing_beside_is_read_or_written(monkeypatch, tokens):
    """Neither before nor behind any tensor: what lies there is NaN, or a number that is there afterwards too."""
    module, inputs, state, probes = draw(Case(3, 3, 4, 5, tokens))
    given = added(module, inputs)
    read, x = given if tokens else (None, given)
    plain = [value.detach().requires_grad_() for value in (x, *state, module.weight_hh_l0)]
    hidden = [among(value.detach(), float("nan"))[1].requires_grad_() for value in plain]
    probes = [among(probe, float("nan"))[1] for probe in probes]
    shapes, buffers = gpu._shapes, []

    def inside(*args):
        buffers[:], middles = zip(*(among(torch.zeros_like(value), 7.0) for value in shapes(*args)))
        return middles

    found = []
    for values in (plain, hidden):
        x, *others = values
        found.append(gpu.sequence((read, x) if tokens else x, *others))
        found[-1] += torch.autograd.grad(found[-1], values, probes)
        monkeypatch.setattr(gpu, "_shapes", inside)
    torch.testing.assert_close(*found, rtol=0, atol=0)
    assert len(buffers) == 4 and all((buffer[:200] == 7).all() and (buffer[-200:] == 7).all() for buffer in buffers)


def test_nan_stays_in_its_row_and_a_strange_token_is_never_read():
    module, tokens, state, _ = draw(Case(3, 4, 6, 5, True))
    _, table = added(module, tokens)
    state[0].data[1, 2] = float("nan")
    tokens[1, 3], tokens[0, 2] = 6, -1
    with torch.no_grad():
        outputs, H, _ = gpu.sequence((tokens, table), *state, module.weight_hh_l0)
    clean = outputs.isnan().logical_not().all(-1)
    assert clean.tolist() == [[True, False, False, True], [True, False, False, False], [True, False, False, False]]


# What torch wants of an operation

def test_torch_checks_the_operations():
    """Schema, shapes without numbers, autograd and compilation, by torch's own examination."""
    module, tokens, state, probes = draw(Case(2, 3, 4, 5, True))
    ops = torch.ops.unrolled
    for x, read in ((added(module, tokens)[1].detach(), tokens), (torch.randn(2, 3, 20, device=DEVICE), None)):
        given = [x.requires_grad_(), read, *state, module.weight_hh_l0]
        torch.library.opcheck(ops.lstm_gpu.default, (*given, True))
        plain = [value if value is None else value.detach() for value in given]
        outputs, _, _, cells = ops.lstm_gpu(*plain, True)
        torch.library.opcheck(ops.lstm_gpu_backward.default, (probes[0], None, probes[2], *plain, outputs, cells))


@pytest.mark.parametrize("tokens", [False, True])
def test_compiled_in_one_graph(tokens):
    module, *rest = draw(Case(2, 3, 4, 5, tokens))

    @torch.compile(fullgraph=True, backend="aot_eager")
    def run(inputs, H, C, W_x, W_h, b_x, b_h):
        return gpu.sequence(from_inputs(inputs, W_x, b_x + b_h), H, C, W_h)

    inputs, state, _ = rest
    ours = results(module, *rest, run(inputs, *state, *module.parameters()))
    assert_same(ours, by_torch(copied(module), *rest))


def test_a_second_derivative_is_refused():
    module, inputs, state, _ = draw(Case(2, 3, 4, 5, False))
    loss = gpu.sequence(added(module, inputs), *state, module.weight_hh_l0)[0].square().sum()
    gradient, = torch.autograd.grad(loss, module.weight_hh_l0, create_graph=True)
    with pytest.raises(RuntimeError, match='"gpu" has a first gradient only; engine="loop"'):
        gradient.sum().backward()


# Bad input

BAD = [
    (lambda x, H, C, W: (x.double(), H.double(), C.double(), W.double()), TypeError, "all in bfloat16, got x in torch.float64"),
    (lambda x, H, C, W: (x, H.half(), C, W), TypeError, "in bfloat16, got x in torch.float32 and H0 in torch.float16"),
    (lambda x, H, C, W: ((x[..., 0].int(), W.T), H, C, W), TypeError, "tokens are int64, got torch.int32"),
    (lambda x, H, C, W: (x[0], H, C, W), ValueError, "x has shape (steps, batch, 20 (4 hidden)), none of them 0, got (3, 20)"),
    (lambda x, H, C, W: (x[:, :0], H[:0], C[:0], W), ValueError, "none of them 0, got (2, 0, 20)"),
    (lambda x, H, C, W: (x[..., 1:], H, C, W), ValueError, "none of them 0, got (2, 3, 19)"),
    (lambda x, H, C, W: (x, H[1:], C, W), ValueError, "H0 has shape (3 (batch), 5 (hidden)), none of them 0, got (2, 5)"),
    (lambda x, H, C, W: (x, H, C[None], W), ValueError, "none of them 0, got (1, 3, 5)"),
    (lambda x, H, C, W: (x, H, C, W[1:]), ValueError, "W_h has shape (20 (4 hidden), 5 (hidden)), none of them 0, got (19, 5)"),
    (lambda x, H, C, W: (x, H, C, W.sum()), ValueError, "W_h has shape (4 hidden, hidden), none of them 0, got ()"),
    (lambda x, H, C, W: (x, H, C.to("meta"), W), ValueError, f"all tensors on one device, {DEVICE}, got C0 on meta"),
]


@pytest.mark.parametrize("spoil, error, words", BAD, ids=[words[-18:] for *_, words in BAD])
def test_bad_input(spoil, error, words):
    module, inputs, state, _ = draw(Case(2, 3, 4, 5, False))
    with pytest.raises(error, match=re.escape(words)):
        gpu.sequence(*spoil(added(module, inputs), *state, module.weight_hh_l0))


def test_without_a_gpu_a_layer_says_so(monkeypatch):
    monkeypatch.setattr(choice, "_loaded", {})
    monkeypatch.setattr(gpu, "_ready", False)
    monkeypatch.setattr(gpu, "interpreted", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineMissing, match="needs a GPU of NVIDIA, and torch finds none here"):
        LSTM(4, 5, engine="gpu")


def test_too_many_units():
    hidden = 300
    assert gpu.fits(128, torch.float16, DEVICE) and not gpu.fits(hidden, torch.float16, DEVICE)
    assert not gpu.fits(8, torch.float64, DEVICE) and not gpu.fits(8, torch.float32, "meta")
    given = [torch.zeros(shape, device=DEVICE) for shape in ((1, 1, 4 * hidden), (1, hidden), (1, hidden), (4 * hidden, hidden))]
    with pytest.raises(ValueError, match='300 hidden units in torch.float32 do not fit on this GPU\'s chip: engine="vendor"'):
        gpu.sequence(*given)


def test_what_is_missing(monkeypatch):
    given = [torch.zeros(shape, device=DEVICE) for shape in ((1, 1, 4), (1, 1), (1, 1), (4, 1))]
    monkeypatch.setattr(gpu, "_ready", False)
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "interpreted", lambda: False)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(EngineMissing, match="needs a GPU of NVIDIA, and torch finds none here"):
            gpu.sequence(*given)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not gpu.fits(1, torch.float32, DEVICE)
    with pytest.raises(EngineMissing, match="needs Triton.*: pip install triton"):
        gpu.sequence(*given)


@pytest.mark.skipif(HAVE_GPU, reason="a GPU measures the real sizes: make bench-gpu")
def test_the_benchmark_runs(tmp_path):
    """At tiny sizes: each engine that can, training and inference, all of one opinion."""
    done = subprocess.run([sys.executable, Path(__file__).parents[2] / "benchmarks" / "gpu_engines.py", "--try",
                           "--out", tmp_path / "record.json"], capture_output=True, text=True,
                          env=os.environ | {"TRITON_INTERPRET": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads((tmp_path / "record.json").read_text())["rows"]
    assert [row["work"] for row in rows] == ["inference", "training"] * 3
    for row in rows:
        assert ("gpu" in row["seconds"]) == (row["num_hiddens"] < 300) and not row["refused"]
        assert max(row["difference"].values()) < (1e-6 if row["dtype"] == "float32" else 0.02), row


# For GPUs that are not here

def largest(capability, dtype):
    return max(hidden for hidden in (16, 32, 64, 128, 256) if gpu.plan(hidden, getattr(torch, dtype), divmod(capability, 10)))


def test_plans():
    """T4, A100 and H100: what fits, and what does not."""
    sizes = {(capability, dtype): largest(capability, dtype) for capability in (75, 80, 90) for dtype in ("float32", "float16")}
    assert sizes == {(75, "float32"): 32, (75, "float16"): 32, (80, "float32"): 64, (80, "float16"): 128,
                     (90, "float32"): 64, (90, "float16"): 128}
    assert gpu.plan(1, torch.float32, (7, 0)) is None               # older than tensor cores as Triton knows them
    assert gpu.plan(64, torch.float32, (8, 9)).precision == "ieee"  # less on the chip: the weights fit once, not as two parts


def test_the_kernels_compile_for_gpus_that_are_not_here(tmp_path):
    """Down to machine code: no register is spilled, the weights come on chip before the loop, and no more than planned."""
    cases = [(where, dtype, largest(where, dtype), False) for where in (75, 80, 90) for dtype in ("float32", "bfloat16")]
    cases += [(75, "float16", 32, False), (80, "float32", 32, False), (90, "float16", 50, False), (100, "bfloat16", 128, False),
              (120, "float32", 64, False), (75, "float16", 17, True), (80, "float32", 1, True)]
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_DEFAULT_FP_FUSION": "1"}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run([sys.executable, Path(__file__).with_name("compile_gpu.py"), json.dumps(cases)], capture_output=True,
                          text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 2 * len(cases)
    for kernel in found:
        assert kernel["stack"] == 0 and kernel["shared"] <= kernel["planned"], kernel
        twice = kernel["precision"] == "tf32x3"                     # each weight is the sum of two
        if kernel["hidden"] >= 32:
            assert (kernel["tiles_before"], kernel["tiles_within"]) == (8 if twice else 4, 0), kernel
        assert kernel["tensor_cores"] == (kernel["capability"] >= 80 and (twice or kernel["dtype"] != "float32")), kernel
