"""Every engine computes the same layer: against the golden file, the written-down loop, torch.nn, and differences."""
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.cpp_extension import get_cxx_compiler

from unrolled.layers import LSTM
from unrolled.layers.engines import ENGINES, choose, engine
from unrolled.layers.parameters import from_torch, load_weights

if not shutil.which(shlex.split(get_cxx_compiler())[0]):
    pytest.skip("two of the engines need a C++ compiler, and there is none", allow_module_level=True)

GOLDEN = Path(__file__).parent.parent / "golden" / "lstm.json"
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
HERE = [name for name in ENGINES if name != "gpu"]                      # that one has test_gpu.py
every_engine = pytest.mark.parametrize("name", HERE)
quick_engines = pytest.mark.parametrize("name", [name for name in HERE if name != "compiled"])
of_our_own = pytest.mark.parametrize("name", ["manual", "cpu"])


@pytest.fixture(params=TOLERANCE, ids=str)
def dtype(request):
    return request.param


def read(value, dtype):
    if isinstance(value, dict):
        return {name: read(inner, dtype) for name, inner in value.items()}
    floats = lambda entries: [floats(e) for e in entries] if isinstance(entries, list) else float(entries)     # noqa: E731
    return torch.tensor(floats(value), dtype=dtype)


def leaves(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


def draw(steps, batch, hidden, tokens, dtype, seed=0):
    """x (and tokens, or None), H0, C0 and W_h as leaves; gates that are neither shut nor open all the time."""
    torch.manual_seed(seed)
    shape = (7, 4 * hidden) if tokens else (steps, batch, 4 * hidden)
    values = [torch.randn(shape), *torch.randn(2, batch, hidden), torch.randn(4 * hidden, hidden) / hidden**0.5]
    return torch.randint(7, (steps, batch)) if tokens else None, leaves(*(value.to(dtype) for value in values))


def results(name, tokens, tensors, with_last=True):
    """Outputs, last state, and the gradients of a loss that asks for all of them."""
    x, *rest = tensors
    outputs, H, C = engine(name).sequence(x if tokens is None else (tokens, x), *rest)
    probes = [torch.linspace(-1, 2, value.numel(), dtype=value.dtype).view_as(value) for value in (outputs, H, C)]
    asked = zip((outputs, H, C), probes) if with_last else [(outputs, probes[0])]
    return outputs, H, C, *torch.autograd.grad(sum((value * probe).sum() for value, probe in asked), tensors)


def compare(ours, theirs, tolerance):
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == their.dtype
        torch.testing.assert_close(our, their, rtol=tolerance, atol=tolerance * max(1.0, their.abs().max().item()))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")           # torch.compile looks at it on its way
@every_engine
def test_the_golden_numbers(name, dtype):
    file = json.loads(GOLDEN.read_text())
    golden = {part: read(file[part], dtype) for part in ("parameters", "inputs", "initial", "final", "probe", "gradients")}
    expected = torch.stack([read(step["H"], dtype) for step in file["steps"]])
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    layer = LSTM(golden["inputs"].shape[2], expected.shape[2], engine=name, dtype=dtype)
    load_weights(layer, golden["parameters"])
    inputs, H, C = leaves(golden["inputs"], *golden["initial"].values())
    outputs, final = layer(inputs, (H, C))
    (outputs * golden["probe"]).sum().backward()
    torch.testing.assert_close(outputs, expected, **tolerance)
    torch.testing.assert_close(final, tuple(golden["final"].values()), **tolerance)
    for parameter, gradient in from_torch(layer.rnn, gradients=True).items():
        torch.testing.assert_close(gradient, golden["gradients"][parameter], **tolerance)
    for value, gradient in ((inputs, golden["gradients"]["inputs"]), *zip((H, C), golden["gradients"]["initial"].values())):
        torch.testing.assert_close(value.grad, gradient, **tolerance)


@pytest.mark.parametrize("tokens", [False, True])
@of_our_own
def test_gradients_are_differences_of_outputs(name, tokens):
    ids, tensors = draw(3, 5, 3, tokens, torch.float64)
    assert torch.autograd.gradcheck(lambda x, *rest: engine(name).sequence((ids, x) if tokens else x, *rest), tensors)


@of_our_own
@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps=st.integers(1, 9), batch=st.integers(1, 40), hidden=st.integers(1, 40), tokens=st.booleans(),
       with_last=st.booleans(), dtype=st.sampled_from(list(TOLERANCE)), seed=st.integers(0, 999))
@example(steps=1, batch=1, hidden=1, tokens=True, with_last=True, dtype=torch.float32, seed=0)
@example(steps=4, batch=3, hidden=300, tokens=True, with_last=True, dtype=torch.float64, seed=0)     # threads share panels
@example(steps=4, batch=9, hidden=300, tokens=False, with_last=False, dtype=torch.float32, seed=0)
def test_any_shape_is_the_loop(name, steps, batch, hidden, tokens, with_last, dtype, seed):
    ids, tensors = draw(steps, batch, hidden, tokens, dtype, seed)
    if with_last:
        exact = results("loop", ids, leaves(*(tensor.detach().double() for tensor in tensors)))
        compare(results(name, ids, tensors), [value.to(dtype) for value in exact], TOLERANCE[dtype])
    else:
        compare(results(name, ids, tensors, False)[3:], results("loop", ids, tensors, False)[3:], TOLERANCE[dtype])
    with torch.no_grad():                                       # nothing is kept then, and the numbers are the same
        again = engine(name).sequence((ids, tensors[0]) if tokens else tensors[0], *tensors[1:])
    compare(again, results(name, ids, tensors)[:3], 0)


def expected_of(module, inputs, state, lengths, probe):
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, enforce_sorted=False) if lengths is not None else inputs
    outputs, state = module(packed, state)
    if lengths is not None:
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, total_length=len(inputs))
    (outputs * probe).sum().add(state[0].sum() + 2 * state[1].sum()).backward()
    return outputs, *state


@pytest.mark.parametrize("lengths", [None, [6, 1, 4, 6, 2]])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("tokens", [False, True])
@quick_engines
def test_layers_directions_and_lengths_are_torchs(name, tokens, num_layers, bidirectional, lengths):
    torch.manual_seed(0)
    how = {"num_layers": num_layers, "bidirectional": bidirectional, "dtype": torch.float64}
    many = num_layers * (1 + bidirectional)
    layer, module = LSTM(4, 5, engine=name, **how), nn.LSTM(4, 5, **how)
    module.load_state_dict(layer.rnn.state_dict())
    inputs = torch.randint(4, (6, 5)) if tokens else torch.randn(6, 5, 4, dtype=torch.float64)
    theirs = nn.functional.one_hot(inputs, 4).double() if tokens else inputs
    state = torch.randn(2, many, 5, 5, dtype=torch.float64)
    probe = torch.randn(6, 5, 5 * (1 + bidirectional), dtype=torch.float64)
    lengths = None if lengths is None else torch.tensor(lengths)
    for start in (None, state):
        layer.zero_grad(), module.zero_grad()
        outputs, *last = expected_of(module, theirs, None if start is None else tuple(start), lengths, probe)
        given = None if start is None else tuple(zip(*start))
        ours, ends = layer(inputs, given if many > 1 or given is None else given[0], lengths)
        ends = ends if many > 1 else (ends,)
        H, C = (torch.stack(values) for values in zip(*ends))
        (ours * probe).sum().add(H.sum() + 2 * C.sum()).backward()
        torch.testing.assert_close((ours, H, C), (outputs, *last), rtol=1e-12, atol=1e-12)
        for our, their in zip(layer.rnn.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(our.grad, their.grad, rtol=1e-10, atol=1e-10)
        if lengths is not None:
            assert not ours[torch.arange(6)[:, None] >= lengths].any()


@pytest.mark.parametrize("hidden", [32, 300])
def test_the_number_of_threads_changes_nothing_but_the_order_of_sums(hidden, dtype):
    ids, tensors = draw(5, 70, hidden, True, dtype)
    before, results_of = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results_of.append(results("cpu", ids, tensors))
    finally:
        torch.set_num_threads(before)
    compare(results_of[1], results_of[0], TOLERANCE[dtype] / 10)
    compare(results_of[2], results_of[0], TOLERANCE[dtype] / 10)


def test_auto_leaves_to_the_vendor_what_it_reads_faster():
    wide, narrow = torch.empty(2048, 512), torch.empty(2044, 511)
    with torch.no_grad():
        assert [choose("auto", wide, batch) for batch in (1, 4, 5, 8, 9)] == ["cpu", "cpu", "vendor", "vendor", "cpu"]
        assert choose("auto", narrow, 6) == "cpu" and choose("cpu", wide, 6) == "cpu"
    assert choose("auto", wide, 6) == "cpu", "where the gates are kept, ours is level"


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_a_compiled_model_holds_the_kernel_in_one_graph(name):
    torch.manual_seed(0)
    layer, tokens = LSTM(6, 5, engine=name), torch.randint(6, (4, 3))
    layer(tokens)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    (expected, _), (outputs, _) = layer(tokens), compiled(tokens)
    torch.testing.assert_close(outputs, expected)
    wanted = torch.autograd.grad(expected.square().sum(), list(layer.parameters()))
    for ours, theirs in zip(torch.autograd.grad(outputs.square().sum(), list(layer.parameters())), wanted):
        torch.testing.assert_close(ours, theirs)


def test_torch_checks_what_it_was_told_of_the_kernel():
    ids, tensors = draw(3, 2, 4, True, torch.float64)
    engine("cpu")
    x, H0, C0, W_h = (tensor.detach() for tensor in tensors)
    forward, backward = torch.ops.unrolled.lstm_forward.default, torch.ops.unrolled.lstm_backward.default
    for keep in (True, False):
        torch.library.opcheck(forward, (x, ids, H0, C0, W_h, keep))
    outputs, _, _, gates, C = forward(x, ids, H0, C0, W_h, True)
    torch.library.opcheck(backward, (outputs, H0, C0, ids, 7, outputs, gates, C, H0, C0, W_h))


@quick_engines
def test_autocast_leaves_the_state_in_full_precision(name):
    torch.manual_seed(0)
    layer, X = LSTM(4, 5, engine=name), torch.randn(6, 3, 4)
    exact, _ = layer(X)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, (H, C) = layer(X)
    outputs.sum().backward()
    assert outputs.dtype == H.dtype == C.dtype == layer.rnn.weight_hh_l0.grad.dtype == torch.float32
    torch.testing.assert_close(outputs, exact, rtol=0, atol=0.02)                    # bfloat16 has 8 bits


@of_our_own
def test_strides_do_not_matter(name):
    _, tensors = draw(5, 6, 8, False, torch.float64)
    steps_last = lambda tensor: tensor.detach().movedim(0, -1).contiguous().movedim(-1, 0).requires_grad_()      # noqa: E731
    strided = [steps_last(tensor) for tensor in tensors]
    assert not any(tensor.is_contiguous() for tensor in strided)
    compare(results(name, None, strided), results(name, None, tensors), 1e-14)


@of_our_own
def test_not_a_number_goes_through_its_own_row_alone(name):
    _, tensors = draw(5, 9, 8, False, torch.float32)
    with torch.no_grad():
        tensors[0][2, 4, 11] = torch.nan
    outputs, H, C, *gradients = results(name, None, tensors)
    assert outputs[2:, 4].isnan().any(1).all() and H[4].isnan().any() and C[4].isnan().any()
    others = torch.arange(9) != 4
    assert outputs[:, others].isfinite().all() and outputs[:2].isfinite().all() and gradients[0][:, others].isfinite().all()
    assert gradients[-1].isnan().any()


@of_our_own
def test_huge_sums_shut_and_open_the_gates(name, dtype):
    tensors = [torch.full((3, 2, 12), 1e30, dtype=dtype), *torch.ones(2, 2, 3, dtype=dtype), torch.ones(12, 3, dtype=dtype)]
    for sign in (1, -1):
        _, expected, C = engine("loop").sequence(sign * tensors[0], *tensors[1:])
        outputs, H, cells = engine(name).sequence(sign * tensors[0], *tensors[1:])
        torch.testing.assert_close((H, cells), (expected, C), rtol=0, atol=1e-7 if dtype == torch.float32 else 1e-15)


@of_our_own
def test_a_gradient_of_the_gradient_is_refused(name):
    _, tensors = draw(3, 2, 4, False, torch.float64)
    with pytest.raises(RuntimeError, match=f'"{name}" has a first gradient only; engine="loop"'):
        gradient, = torch.autograd.grad(engine(name).sequence(*tensors)[0].square().sum(), tensors[0], create_graph=True)
        gradient.sum().backward()


@of_our_own
def test_a_graph_that_is_kept_gives_its_gradient_twice(name):
    _, tensors = draw(3, 20, 4, False, torch.float64)
    loss = engine(name).sequence(*tensors)[0].square().sum()
    compare(torch.autograd.grad(loss, tensors, retain_graph=True), torch.autograd.grad(loss, tensors), 0)


@pytest.mark.parametrize("tokens", [False, True])
def test_training_keeps_the_gates_and_the_states_and_inference_nothing(tokens):
    layer, kept = LSTM(16, 16, engine="cpu"), []
    inputs = torch.randint(16, (20, 30)) if tokens else torch.randn(20, 30, 16)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        layer(inputs)
    given = [inputs, *layer.parameters()]
    sizes = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept}
    for tensor in given:
        sizes.pop(tensor.untyped_storage().data_ptr(), None)
    assert sum(sizes.values()) <= 1.2 * 6 * 20 * 30 * 16 * 4                # four gates, C and H, as in unrolled.cost
    ids, (x, *rest) = draw(20, 30, 16, tokens, torch.float32)
    assert [value.numel() for value in torch.ops.unrolled.lstm_forward(x, ids, *rest, False)[3:]] == [0, 30 * 16]


@pytest.mark.parametrize(("change", "message"), [
    ({"x": torch.zeros(3, 2, 15)}, r"x has shape \[3, 2, 16\], got \[3, 2, 15\]"),
    ({"H0": torch.zeros(3, 4)}, r"H0 has shape \[2, 4\], got \[3, 4\]"),
    ({"C0": torch.zeros(2, 4, dtype=torch.float64)}, "C0 is Float, got Double"),
    ({"W_h": torch.zeros(4, 16)}, r"W_h has shape \(4 hidden, hidden\), got \[4, 16\]"),
    ({"x": torch.zeros(0, 2, 16)}, "at least one step and one example, got 0 and 2"),
    ({"x": (torch.full((3, 2), 7), torch.zeros(7, 16))}, "token ids lie between 0 and 6, got 7"),
    ({"x": (torch.full((3, 2), -1), torch.zeros(7, 16))}, "token ids lie between 0 and 6, got -1"),
    ({"x": (torch.zeros(3, 2), torch.zeros(7, 16))}, r"tokens are int64 of shape \(steps, batch\)"),
])
def test_the_kernel_reads_nothing_that_does_not_fit(change, message):
    fits = {"x": torch.zeros(3, 2, 16), "H0": torch.zeros(2, 4), "C0": torch.zeros(2, 4), "W_h": torch.zeros(16, 4)}
    with pytest.raises(RuntimeError, match=message):
        engine("cpu").sequence(*(fits | change).values())


@every_engine
def test_bad_input_gets_the_layers_own_words(name):
    layer = LSTM(4, 5, engine=name)
    with pytest.raises(ValueError, match="at least one step and one example"):
        layer(torch.zeros(3, 0, 4))
    with pytest.raises(ValueError, match="token ids lie between 0 and 3, got 4"):
        layer(torch.full((3, 2), 4))
    with pytest.raises(ValueError, match=r"lengths lie between 1 and 3 steps, got 0"):
        layer(torch.zeros(3, 2, 4), lengths=torch.tensor([3, 0]))
    with pytest.raises(ValueError, match=r"lengths have shape \(2,\), one for each example, got \(1,\)"):
        layer(torch.zeros(3, 2, 4), lengths=[3])
    with pytest.raises(TypeError, match="lengths are integers"):
        layer(torch.zeros(3, 2, 4), lengths=[3.0, 1.0])
    with pytest.raises(ValueError, match="a tuple of 4 pairs, one for each layer and direction, got 2"):
        LSTM(4, 5, num_layers=2, bidirectional=True, engine=name)(torch.zeros(3, 2, 4), (torch.zeros(2, 5), torch.zeros(2, 5)))


def test_an_engine_that_does_not_exist():
    with pytest.raises(ValueError, match="the engine is one of auto, vendor, loop, manual, compiled, cpu, gpu, not 'steam'"):
        LSTM(3, 4, engine="steam")


def test_weights_elsewhere_are_refused():
    _, (x, H, C, W_h) = draw(3, 2, 4, False, torch.float32)

    class Elsewhere:
        device, dtype = torch.device("cuda"), torch.float32

    with pytest.raises(ValueError, match='"cpu" computes on the CPU, and the weights are on cuda'):
        engine("cpu").sequence(x, H, C, Elsewhere())


AUTO = """
import sys, warnings, torch
from unrolled.layers import LSTM
from unrolled.layers.engines import EngineMissing
try:
    LSTM(3, 4, engine="cpu")
except EngineMissing as missing:
    print("cpu:", missing)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    layer = LSTM(3, 4, engine="auto")
    outputs = [layer(torch.zeros(2, 5, dtype=torch.long))[0] for _ in range(2)]
layer.engine = "vendor"
print("auto:", len(caught), torch.equal(outputs[0], layer(torch.zeros(2, 5, dtype=torch.long))[0]), caught[0].message)
"""


@pytest.mark.parametrize(("compiler", "why"), [("no-such-compiler", "No such file"), ("false", "false fails")])
def test_without_a_compiler_the_vendor_computes_and_a_sentence_says_so(tmp_path, compiler, why):
    surroundings = {"CXX": compiler, "TORCH_EXTENSIONS_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", AUTO], capture_output=True, text=True, check=True, env=os.environ | surroundings)
    cpu, auto = done.stdout.splitlines()
    assert cpu.startswith("cpu: The CPU's LSTM kernel needs a C++20 compiler") and why in cpu
    assert auto.startswith("auto: 1 True The CPU's LSTM kernel") and "torch.nn's layer computes instead" in auto
    assert not list(tmp_path.rglob("*.so"))


OTHER = """
import torch
from test_engines import TOLERANCE, compare, draw, results
for dtype, tolerance in TOLERANCE.items():
    for batch, hidden in ((1, 5), (2, 16), (7, 33), (19, 16), (33, 1), (3, 270), (40, 257)):
        for tokens in (True, False):
            ids, tensors = draw(4, batch, hidden, tokens, dtype)
            compare(results("cpu", ids, tensors), results("loop", ids, tensors), tolerance)
print(torch.backends.cpu.get_cpu_capability())
"""


@pytest.mark.parametrize("vectors", ["default", "avx2"])
def test_processors_with_shorter_vectors_compute_the_same(vectors):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True,
                          env=os.environ | {"ATEN_CPU_CAPABILITY": vectors, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() in ("DEFAULT", "NO AVX", vectors.upper())


def test_the_kernel_reads_and_writes_inside_its_tensors():
    """The shapes above once more, built with AddressSanitizer, which ends the program at the first address outside."""
    compiler = shutil.which("g++")
    library = Path(subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
                   if compiler else "libasan.so")
    if not library.is_absolute():
        pytest.skip("g++ with its AddressSanitizer is not here")
    surroundings = {"CXX": f"{compiler} -fsanitize=address", "LD_PRELOAD": str(library), "ASAN_OPTIONS": "detect_leaks=0",
                    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, env=os.environ | surroundings)
    assert done.returncode == 0, done.stderr[-3000:]


def everything(layer, inputs, state, lengths):
    """Outputs, last states, and the gradients of inputs, first states and weights, of a loss that asks for all."""
    starts = leaves(*(value for pair in state for value in pair))
    inputs = inputs if inputs.dtype == torch.long else leaves(inputs)[0]
    pairs = tuple(zip(starts[::2], starts[1::2]))
    outputs, ends = layer(inputs, pairs if layer.states > 1 else pairs[0], lengths)
    ends = [value for pair in (ends if layer.states > 1 else (ends,)) for value in pair]
    probes = [torch.linspace(-1, 2, value.numel(), dtype=value.dtype).view_as(value) for value in (outputs, *ends)]
    loss = sum((value * probe).sum() for value, probe in zip((outputs, *ends), probes))
    asked = [*([inputs] if inputs.is_floating_point() else []), *starts, *layer.parameters()]
    return [outputs, *ends, *torch.autograd.grad(loss, asked)]


@quick_engines
@settings(max_examples=30, deadline=None, derandomize=True)
@given(steps=st.integers(1, 20), segment=st.sampled_from(["auto", 1, 3, 7, 30]), batch=st.integers(1, 6),
       hidden=st.integers(1, 9), num_layers=st.integers(1, 3), bidirectional=st.booleans(), tokens=st.booleans(),
       padded=st.booleans(), seed=st.integers(0, 999))
@example(steps=12, segment=4, batch=5, hidden=5, num_layers=2, bidirectional=True, tokens=True, padded=True, seed=0)
@example(steps=12, segment=4, batch=5, hidden=5, num_layers=2, bidirectional=True, tokens=False, padded=True, seed=0)
@example(steps=9, segment="auto", batch=3, hidden=200, num_layers=1, bidirectional=False, tokens=True, padded=False, seed=0)
def test_segments_that_are_computed_again_change_nothing(name, steps, segment, batch, hidden, num_layers, bidirectional, tokens,
                                                         padded, seed):
    torch.manual_seed(seed)
    layer = LSTM(4, hidden, num_layers=num_layers, bidirectional=bidirectional, engine=name, dtype=torch.float64)
    inputs = torch.randint(4, (steps, batch)) if tokens else torch.randn(steps, batch, 4, dtype=torch.float64)
    state = torch.randn(layer.states, 2, batch, hidden, dtype=torch.float64)
    lengths = torch.randint(1, steps + 1, (batch,)) if padded else None
    whole = everything(layer, inputs, state, lengths)
    layer.segment = segment
    compare(everything(layer, inputs, state, lengths), whole, 1e-12)


@quick_engines
def test_segments_under_autocast_and_with_weights_that_rest(name):
    torch.manual_seed(0)
    layer, X = LSTM(4, 5, engine=name), torch.randn(7, 3, 4)
    layer.rnn.weight_hh_l0.requires_grad_(False)
    results = []
    for layer.segment in (None, 3):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            outputs, _ = layer(X)
        outputs.square().sum().backward()
        results.append([outputs.detach(), *(weight.grad for weight in layer.parameters() if weight.requires_grad)])
        assert layer.rnn.weight_hh_l0.grad is None
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02 * theirs.abs().max().item())      # bfloat16 has 8 bits


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")           # torch.compile looks at it on its way
def test_a_compiled_model_may_have_segments():
    torch.manual_seed(0)
    layer, tokens = LSTM(6, 5, engine="cpu", segment=3), torch.randint(6, (8, 3))
    compiled = torch.compile(layer, backend="aot_eager")
    wanted, ours = (torch.autograd.grad(each(tokens)[0].square().sum(), list(layer.parameters())) for each in (layer, compiled))
    compare(ours, wanted, 1e-6)


@pytest.mark.parametrize("segment", [0, -3, 2.5, True, "some"])
def test_a_segment_that_is_none(segment):
    with pytest.raises(ValueError, match=f'segment is None, "auto" or a number of steps, at least 1; got {segment!r}'):
        LSTM(4, 5, segment=segment)


def test_segments_have_a_first_gradient_only():
    layer = LSTM(4, 5, engine="loop", segment=2)
    with pytest.raises(RuntimeError, match="segments have a first gradient only; segment=None"):
        torch.autograd.grad(layer(torch.randn(6, 3, 4))[0].square().sum(), layer.rnn.weight_hh_l0, create_graph=True)


MEMORY = """
import sys, torch
from pathlib import Path
from unrolled.layers import LSTM
steps, hidden, segment = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
memory = lambda name: next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name))
layer, inputs = LSTM(28, hidden, engine="cpu", segment=segment), torch.randn(steps, 1, 28)
layer(inputs[:100])[0].sum().backward()
before = memory("VmRSS")
layer(inputs)[0].sum().backward()
print((memory("VmHWM") - before) * 1024)
"""


def memory_of_training(*args):
    """Bytes that a training step takes beyond what the process has anyway: the largest part of it that was in memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux says how much a process had at most")
    done = subprocess.run([sys.executable, "-c", MEMORY, *map(str, args)], capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    return int(done.stdout)


@pytest.mark.parametrize(("steps", "hidden", "segment", "low", "high"), [
    (100_000, 256, "auto", 0.9, 1.5),                                       # a tenth of a gigabyte
    (20_000, 256, None, 8, 14),                                             # gates, H, C, and the gradients of the sums
])
def test_segments_take_little_more_than_the_outputs(steps, hidden, segment, low, high):
    assert low <= memory_of_training(steps, hidden, *[segment] * bool(segment)) / (steps * hidden * 4) < high
