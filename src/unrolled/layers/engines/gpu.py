"""Our kernel for the GPU, ``gpu_kernels``: the whole loop over time in one launch, forward and backward.

The way forward keeps H and C after every step, nothing else. The way back makes the gates again, by one product for
many steps at once, and its kernel writes their gradients over them.
"""
import importlib.util
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.layers.engines.choice import EngineMissing

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SEGMENT = 2 ** 26       # bytes the gates may take on the way back from tokens, where they are nobody's result

# KiB of shared memory that a program can have, by compute capability (NVIDIA, CUDA C++ Programming Guide).
SHARED = {(7, 5): 64, (8, 0): 163, (8, 6): 99, (8, 7): 163, (8, 9): 99, (9, 0): 227, (10, 0): 227, (10, 3): 227, (12, 0): 99}
INTERPRETED = (9, 0)    # what Triton's interpreter, on the CPU, stands in for

LAYOUT = {"x": ("steps", "batch", "4 hidden"), "tokens": ("steps", "batch"), "table": ("num_tokens", "4 hidden"),
          "H0": ("batch", "hidden"), "C0": ("batch", "hidden"), "W_h": ("4 hidden", "hidden")}
_ready = False


def prepare() -> None:
    """Load the kernels; Triton compiles each on its first use.

    Raises:
        EngineMissing: no Triton, or no GPU.
    """
    global _ready
    if not _ready:
        if importlib.util.find_spec("triton") is None:
            raise EngineMissing('the engine "gpu" needs Triton, which comes with torch for NVIDIA\'s GPUs: pip install triton')
        if not interpreted() and not (torch.cuda.is_available() and torch.version.cuda):
            raise EngineMissing('the engine "gpu" needs a GPU of NVIDIA, and torch finds none here')
        _ready = True


def kernels():
    """The module with the kernels, which needs Triton."""
    from unrolled.layers.engines import gpu_kernels

    return gpu_kernels


def interpreted() -> bool:
    """Whether Triton interprets the kernels, on the CPU: TRITON_INTERPRET=1 was set before they were imported."""
    import triton

    return not isinstance(kernels().forward, triton.JITFunction)


@dataclass(frozen=True)
class Plan:
    """How a kernel is launched.

    Attributes:
        rows: examples a program takes.
        units: hidden units, filled up to a power of two.
        warps: groups of 32 threads a program has.
        precision: of products of float32: "tf32x3" has tensor cores take each number as the sum of two, "ieee" has none.
        shared: at most how many bytes of shared memory it takes.
    """

    rows: int
    units: int
    warps: int
    precision: str
    shared: int


def plan(hidden: int, dtype: torch.dtype, capability: tuple[int, int]) -> Plan | None:
    """The first way that fits on the chip with all recurrent weights; None where none does.

    What fits is the compiler's word. That it is also fast, and with these rows and warps, is an estimate: no
    GPU has measured it yet (``benchmarks/gpu_engines.py``).
    """
    modern = capability >= (8, 0)                                   # Triton has no use for older tensor cores
    units = max(16, 1 << (hidden - 1).bit_length())
    rows, warps = 16, min(8, units // 8)                            # 16: what a tensor core takes at once
    limit = 1024 * SHARED.get(capability, 99 if modern else 0)
    precisions = {"tf32x3": 8, "ieee": 4} if modern else {"ieee": 4}
    for precision, size in precisions.items() if dtype == torch.float32 or not modern else [("ieee", 2)]:
        shared = 4 * units ** 2 * size + 16 * rows * units          # the weights; what threads hand to one another
        if shared <= limit:
            return Plan(rows, units, warps, precision, shared)
    return None


def fits(hidden: int, dtype: torch.dtype, device: torch.device | str) -> bool:
    """Whether this engine can compute so many hidden units there; for more, torch.nn's layer can."""
    try:
        prepare()
    except EngineMissing:
        return False
    device = torch.device(device)
    return dtype in DTYPES and device.type == _home() and plan(hidden, dtype, _capability(device)) is not None


def _home() -> str:
    return "cpu" if interpreted() else "cuda"


def _capability(device: torch.device) -> tuple[int, int]:
    return INTERPRETED if device.type == "cpu" else torch.cuda.get_device_capability(device)


def sequence(x: Tensor | tuple[Tensor, Tensor], H0: Tensor, C0: Tensor, W_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See ``unrolled.layers.engines``. float32, float16 and bfloat16, under autocast what autocast says; gates and
    states are float32 always. A token that the table lacks gives NaN.

    Raises:
        EngineMissing: no Triton, or no GPU.
        TypeError: dtypes that differ, or another dtype.
        ValueError: shapes that do not go together, tensors elsewhere, or more hidden units than fit on the chip.
    """
    if not _ready:
        prepare()
    tokens, x = x if isinstance(x, tuple) else (None, x)
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        x, H0, C0, W_h = (value.to(torch.get_autocast_dtype(kind)) for value in (x, H0, C0, W_h))
    _check(x, tokens, H0, C0, W_h)
    keep = torch.is_grad_enabled() and any(value.requires_grad for value in (x, H0, C0, W_h))
    outputs, H, C, _ = _forward(x, tokens, H0, C0, W_h, keep)
    return outputs, H, C


def _check(x: Tensor, tokens: Tensor | None, H0: Tensor, C0: Tensor, W_h: Tensor) -> None:
    inputs = {"x": x} if tokens is None else {"tokens": tokens, "table": x}
    hidden = W_h.shape[-1] if W_h.ndim else 0
    sizes = {"hidden": hidden, "4 hidden": 4 * hidden}
    for name, value in ({"W_h": W_h} | inputs | {"H0": H0, "C0": C0}).items():
        if value.device != x.device or value.device.type != _home():
            raise ValueError(f'the engine "gpu" wants all tensors on one device, {_home()}, got {name} on {value.device}')
        if name == "tokens" and value.dtype != torch.int64:
            raise TypeError(f"tokens are int64, got {value.dtype}")
        if name != "tokens" and (value.dtype not in DTYPES or value.dtype != x.dtype):
            raise TypeError('the engine "gpu" wants all numbers in float32, all in float16 or all in bfloat16, '
                            f"got x in {x.dtype} and {name} in {value.dtype}")
        names, shape = LAYOUT[name], value.shape
        if len(names) != len(shape) or 0 in shape or any(sizes.setdefault(*pair) != pair[1] for pair in zip(names, shape)):
            expected = ", ".join(f"{sizes[each]} ({each})" if sizes.get(each) else each for each in names)
            raise ValueError(f"{name} has shape ({expected}), none of them 0, got {tuple(shape)}")
    if plan(hidden, x.dtype, _capability(x.device)) is None:
        raise ValueError(f'{hidden} hidden units in {x.dtype} do not fit on this GPU\'s chip: engine="vendor" takes them')


def _launch(kernel, batch: int, hidden: int, like: Tensor, *args, **options) -> None:
    """One program for each block of rows, on the device of ``like``."""
    chosen = plan(hidden, like.dtype, _capability(like.device))
    with torch.cuda.device_of(like):
        kernel[(-(-batch // chosen.rows),)](*args, HIDDEN=hidden, ROWS=chosen.rows, UNITS=chosen.units, num_warps=chosen.warps,
                                            PRECISION="widened" if interpreted() else chosen.precision, **options)


@torch.library.custom_op("unrolled::lstm_gpu", mutates_args=())
def _forward(x: Tensor, tokens: Tensor | None, H0: Tensor, C0: Tensor, W_h: Tensor,
             keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """outputs, H and C after the last step, and C after every step where it is to be kept, in float32."""
    outputs, H, C, cells = results = _shapes(x, tokens, H0, C0, W_h, keep)
    x, H0, C0, W_h = (value.contiguous() for value in (x, H0, C0, W_h))
    steps, batch, hidden = outputs.shape
    num_rows = steps * batch if tokens is None else len(x)
    _launch(kernels().forward, batch, hidden, x, x, None if tokens is None else tokens.contiguous(), W_h, H0, C0,
            outputs, cells, H, C, num_rows, steps, batch, TOKENS=tokens is not None, KEEP=keep)
    return results


@_forward.register_fake
def _shapes(x, tokens, H0, C0, W_h, keep):
    steps = (x if tokens is None else tokens).shape[0]
    return (x.new_empty(steps, *H0.shape), H0.new_empty(H0.shape), C0.new_empty(C0.shape),
            x.new_empty(steps if keep else 0, *H0.shape, dtype=torch.float32))


@torch.library.custom_op("unrolled::lstm_gpu_backward", mutates_args=())
def _backward(d_outputs: Tensor | None, d_H: Tensor | None, d_C: Tensor | None, x: Tensor, tokens: Tensor | None, H0: Tensor,
              C0: Tensor, W_h: Tensor, outputs: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, H0, C0 and W_h, from the last segment of steps to the first."""
    steps, batch, hidden = outputs.shape
    C0, W_h = C0.contiguous(), W_h.contiguous()
    d_H, d_C = (H0.new_zeros(H0.shape, dtype=torch.float32) if value is None else
                value.to(torch.float32, memory_format=torch.contiguous_format, copy=True) for value in (d_H, d_C))
    d_step = 0 if d_outputs is None else batch * hidden                 # none: the same zeros at every step
    d_outputs = H0.new_zeros(1, batch, hidden) if d_outputs is None else d_outputs.contiguous()
    d_x, d_W = (x.clone(memory_format=torch.contiguous_format) if tokens is None else None), None
    span = steps if tokens is None else max(1, SEGMENT // (4 * batch * hidden * x.element_size()))
    for last in range(steps, 0, -span):
        first = max(0, last - span)
        read = None if tokens is None else tokens[first:last].flatten()
        H = outputs[first - 1:last - 1] if first else torch.cat([H0[None], outputs[:last - 1]])
        H = H.reshape(-1, hidden)                                       # before each step
        gates = d_x.view(-1, 4 * hidden) if tokens is None else x[read]
        gates.addmm_(H, W_h.T)                                          # before their functions
        _launch(kernels().backward, batch, hidden, x, gates, cells[first:], cells[first - 1] if first else C0, W_h,
                d_outputs[first if d_step else 0:], d_step, d_H, d_C, last - first, batch)
        d_W = _add(d_W, gates.T @ H)                                    # now gates are their gradients
        if tokens is not None:
            d_x = _add(d_x, _by_token(gates, read, len(x)))
    return d_x.to(x.dtype), d_H.to(H0.dtype), d_C.to(C0.dtype), d_W.to(W_h.dtype)


def _add(total: Tensor | None, part: Tensor) -> Tensor:
    return part.float() if total is None else total.add_(part)


def _by_token(gradients: Tensor, tokens: Tensor, num_tokens: int) -> Tensor:
    """The sum of each token's rows, the same in every run, which atomic additions would not be."""
    if num_tokens <= gradients.shape[1]:                                # one-hot vectors are smaller than what they add up
        one_hot = tokens[:, None] == torch.arange(num_tokens, device=tokens.device)
        return one_hot.to(gradients.dtype).T @ gradients
    return torch.ops.aten.embedding_dense_backward(gradients, tokens, num_tokens, -1, False)


@_backward.register_fake
def _(d_outputs, d_H, d_C, x, tokens, H0, C0, W_h, outputs, cells):
    return tuple(value.new_empty(value.shape) for value in (x, H0, C0, W_h))


def _save(ctx, inputs, output):
    *tensors, _ = inputs
    ctx.set_materialize_grads(False)                                    # no tensor of zeros where nobody asks
    ctx.save_for_backward(*tensors, output[0], output[3])


def _differentiate(ctx, d_outputs, d_H, d_C, _):
    d_x, d_H0, d_C0, d_W_h = _backward(d_outputs, d_H, d_C, *ctx.saved_tensors)
    return d_x, None, d_H0, d_C0, d_W_h, None


def _no_second(ctx, *_):
    raise RuntimeError('the engine "gpu" has a first gradient only; engine="loop" can be differentiated again')


_forward.register_autograd(_differentiate, setup_context=_save)
_backward.register_autograd(_no_second)
