"""One LSTM layer, in one direction, by our own GPU kernel: the whole loop over time in one launch (``gpu_kernels``).

The way forward keeps H and C, nothing else. The way back makes the gates again, by one product for many steps at
once, and its kernel writes their gradients over them.
"""
import importlib.util
from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SEGMENT = 2 ** 26       # bytes that the gates may take on the way back from tokens, where they are nobody's result

# kB of shared memory that a program can have, by compute capability (NVIDIA, CUDA C++ Programming Guide).
SHARED = {(7, 5): 64, (8, 0): 163, (8, 6): 99, (8, 7): 163, (8, 9): 99, (9, 0): 227, (10, 0): 227, (10, 3): 227, (12, 0): 99}
INTERPRETED = (9, 0)    # the capability that Triton's interpreter, on the CPU, stands in for


@dataclass(frozen=True)
class Plan:
    """How a kernel is launched.

    Attributes:
        rows: examples a program takes, at least the 16 that tensor cores take.
        units: hidden units, filled up to a power of two.
        warps: groups of 32 threads a program has.
        precision: of products in float32: "tf32x3" on tensor cores, each number as the sum of two, or "ieee" without.
        shared: about how many bytes of shared memory it takes.
    """

    rows: int
    units: int
    warps: int
    precision: str
    shared: int


def plan(hidden: int, dtype: torch.dtype, capability: tuple[int, int]) -> Plan | None:
    """The first way that fits on the chip, the recurrent weights and one block of rows; None where none does.

    Only what the compiler says went into this (how much shared memory, no register spilled). Rows and
    warps are estimates: no GPU has measured them yet.
    """
    units = max(16, 1 << (hidden - 1).bit_length())
    rows, warps = 16, min(8, units // 8)
    limit = 1024 * SHARED.get(capability, 99 if capability > (8, 0) else 0)
    half = dtype != torch.float32 and capability >= (8, 0)              # Triton leaves a T4's tensor cores alone
    ways = [("ieee", 2)] if half else [("tf32x3", 8), ("ieee", 4)] if capability >= (8, 0) else [("ieee", 4)]
    for precision, size in ways:
        shared = 4 * units ** 2 * size + rows * units * 16              # the weights, and gates that change threads
        if shared <= limit:
            return Plan(rows, units, warps, precision, shared)
    return None


def missing() -> str:
    """What keeps this engine from running on this machine, in one sentence; empty where nothing does."""
    if importlib.util.find_spec("triton") is None:
        return "the GPU engine needs Triton, which torch brings along for NVIDIA's GPUs on Linux: pip install triton"
    if not interpreted() and not (torch.cuda.is_available() and torch.version.cuda):
        return "the GPU engine needs a GPU of NVIDIA, and torch finds none here"
    return ""


def interpreted() -> bool:
    """Whether Triton interprets the kernels on the CPU: TRITON_INTERPRET=1, set before Triton was imported."""
    import triton

    return not isinstance(kernels().forward, triton.JITFunction)


def kernels():
    """The module with the kernels, which needs Triton."""
    from unrolled.layers.engines import gpu_kernels

    return gpu_kernels


def fits(hidden: int, dtype: torch.dtype, device: torch.device | str) -> bool:
    """Whether this engine can take a layer of so many hidden units; where it cannot, take torch.nn's."""
    device = torch.device(device)
    return (not missing() and dtype in DTYPES and device.type == ("cpu" if interpreted() else "cuda")
            and plan(hidden, dtype, _capability(device)) is not None)


def _capability(device: torch.device) -> tuple[int, int]:
    return INTERPRETED if device.type == "cpu" else torch.cuda.get_device_capability(device)


def sequence(x: Tensor | tuple[Tensor, Tensor], H_0: Tensor, C_0: Tensor, W_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One layer over all steps.

    Can be differentiated once by x or the table, H_0, C_0 and W_h. Under autocast it computes in autocast's
    dtype; gates and states are float32 in any.

    Args:
        x: what the inputs add to the gates, (steps, batch, 4 * hidden); or tokens (steps, batch), int64, and a
            table (num_tokens, 4 * hidden) of what each adds. A token that the table lacks gives NaN.
        H_0, C_0: the state before the first step, (batch, hidden).
        W_h: the recurrent weights as in torch.nn.LSTM, (4 * hidden, hidden): gates i, f, g, o.

    Returns:
        outputs: H after every step, (steps, batch, hidden).
        H_T, C_T: the state after the last, (batch, hidden).

    Raises:
        RuntimeError: no Triton, or no GPU.
        TypeError: dtypes that differ, or another than float32, float16 and bfloat16.
        ValueError: shapes that do not belong together, tensors elsewhere, or more hidden units than fit on the chip.
    """
    tokens, x = x if isinstance(x, tuple) else (None, x)
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        x, H_0, C_0, W_h = (value.to(torch.get_autocast_dtype(kind)) for value in (x, H_0, C_0, W_h))
    _check(x, tokens, H_0, C_0, W_h)
    keep = torch.is_grad_enabled() and any(value.requires_grad for value in (x, H_0, C_0, W_h))
    outputs, H_T, C_T, _ = _forward(x, tokens, H_0, C_0, W_h, keep)
    return outputs, H_T, C_T


def _check(x, tokens, H_0, C_0, W_h) -> None:
    if reason := missing():
        raise RuntimeError(reason)
    given = {"x": x, "H_0": H_0, "C_0": C_0, "W_h": W_h}
    if x.dtype not in DTYPES:
        raise TypeError(f"the GPU engine computes in float32, float16 or bfloat16, got {x.dtype}: "
                        "for others take the engine \"vendor\"")
    for name, value in given.items():
        if value.dtype != x.dtype:
            raise TypeError(f"{name} has the dtype of x, {x.dtype}, got {value.dtype}")
    if tokens is not None and tokens.dtype != torch.int64:
        raise TypeError(f"tokens are int64, got {tokens.dtype}")
    hidden = W_h.shape[-1]
    steps, batch = (x.shape if tokens is None else tokens.shape)[:2] if (x if tokens is None else tokens).ndim > 1 else (0, 0)
    shapes = {"x": (steps, batch, 4 * hidden) if tokens is None else (x.shape[0], 4 * hidden),
              "H_0": (batch, hidden), "C_0": (batch, hidden), "W_h": (4 * hidden, hidden)}
    if tokens is not None:
        given, shapes = given | {"tokens": tokens}, shapes | {"tokens": (steps, batch)}
    for name, value in given.items():
        if tuple(value.shape) != shapes[name] or 0 in value.shape:
            raise ValueError(f"{name} has shape {shapes[name]}, with no size 0, got {tuple(value.shape)}")
    expected = "cpu" if interpreted() else "cuda"
    for name, value in given.items():
        if value.device != x.device or value.device.type != expected:
            raise ValueError(f"the GPU engine's tensors are on one device, {expected}, got {name} on {value.device}")
    if plan(hidden, x.dtype, _capability(x.device)) is None:
        raise ValueError(f"{hidden} hidden units in {x.dtype} do not fit on the chip of this GPU: take the engine \"vendor\"")


def _options(hidden: int, like: Tensor) -> dict:
    """What both kernels are compiled for."""
    chosen = plan(hidden, like.dtype, _capability(like.device))
    return {"HIDDEN": hidden, "ROWS": chosen.rows, "UNITS": chosen.units, "PRECISION": chosen.precision,
            "num_warps": chosen.warps}


def _blocks(batch: int, options: dict) -> tuple[int]:
    return (-(-batch // options["ROWS"]),)


@torch.library.custom_op("unrolled::lstm_gpu", mutates_args=())
def _forward(x: Tensor, tokens: Tensor | None, H_0: Tensor, C_0: Tensor, W_h: Tensor,
             keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """outputs, H_T, C_T, and C after every step, which is float32 and empty unless it is to be kept."""
    x, H_0, C_0, W_h = (value.contiguous() for value in (x, H_0, C_0, W_h))
    tokens = None if tokens is None else tokens.contiguous()
    outputs, H_T, C_T, cells = _forward_shapes(x, tokens, H_0, C_0, W_h, keep)
    steps, batch, hidden = outputs.shape
    options = _options(hidden, x)
    num_rows = steps * batch if tokens is None else x.shape[0]
    kernels().forward[_blocks(batch, options)](x, tokens, W_h, H_0, C_0, outputs, cells, H_T, C_T, num_rows, steps, batch,
                                               TOKENS=tokens is not None, KEEP=keep, **options)
    return outputs, H_T, C_T, cells


@_forward.register_fake
def _forward_shapes(x, tokens, H_0, C_0, W_h, keep):
    steps = (x if tokens is None else tokens).shape[0]
    return (x.new_empty(steps, *H_0.shape), torch.empty_like(H_0), torch.empty_like(C_0),
            x.new_empty(steps if keep else 0, *H_0.shape, dtype=torch.float32))


@torch.library.custom_op("unrolled::lstm_gpu_backward", mutates_args=())
def _backward(d_outputs: Tensor | None, d_H_T: Tensor | None, d_C_T: Tensor | None, x: Tensor, tokens: Tensor | None,
              H_0: Tensor, C_0: Tensor, W_h: Tensor, outputs: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, H_0, C_0 and W_h, from the last segment of steps to the first."""
    steps, batch, hidden = outputs.shape
    C_0, W_h = C_0.contiguous(), W_h.contiguous()
    options = _options(hidden, x)
    d_H, d_C = (torch.zeros(batch, hidden, device=x.device) if value is None else
                value.to(torch.float32, memory_format=torch.contiguous_format, copy=True) for value in (d_H_T, d_C_T))
    d_step = 0 if d_outputs is None else batch * hidden                 # no gradient: the same zeros at every step
    d_outputs = torch.zeros_like(H_0)[None] if d_outputs is None else d_outputs.contiguous()
    d_W = torch.zeros_like(W_h, dtype=torch.float32)
    d_x = x.clone(memory_format=torch.contiguous_format) if tokens is None else torch.zeros_like(x, dtype=torch.float32)
    span = steps if tokens is None else max(1, SEGMENT // (4 * batch * hidden * x.element_size()))
    for last in range(steps, 0, -span):
        first = max(0, last - span)
        read = None if tokens is None else tokens[first:last].flatten()
        gates = d_x.view(-1, 4 * hidden) if tokens is None else x[read]
        H = outputs[first - 1:last - 1] if first else torch.cat([H_0[None], outputs[:last - 1]])
        H = H.reshape(-1, hidden)                                       # before each step
        gates.addmm_(H, W_h.T)                                          # as they were before their functions
        kernels().backward[_blocks(batch, options)](
            gates, cells[first:], cells[first - 1] if first else C_0, W_h, d_outputs[first if d_step else 0:], d_step,
            d_H, d_C, last - first, batch, **options)                   # from here on gates are their gradients
        d_W += gates.T @ H
        if tokens is not None:
            d_x += _by_token(gates, read, len(x))
    return d_x.to(x.dtype), d_H.to(H_0.dtype), d_C.to(C_0.dtype), d_W.to(W_h.dtype)


def _by_token(gradients: Tensor, tokens: Tensor, num_tokens: int) -> Tensor:
    """The sum of the rows of each token, the same in every run: atomic sums would not be."""
    if num_tokens <= gradients.shape[1]:                                # one-hot vectors are the smaller ones
        one_hot = tokens[:, None] == torch.arange(num_tokens, device=tokens.device)
        return one_hot.to(gradients.dtype).T @ gradients
    return torch.ops.aten.embedding_dense_backward(gradients, tokens, num_tokens, -1, False)


@_backward.register_fake
def _(d_outputs, d_H_T, d_C_T, x, tokens, H_0, C_0, W_h, outputs, cells):
    return tuple(torch.empty_like(value, memory_format=torch.contiguous_format) for value in (x, H_0, C_0, W_h))


def _setup(ctx, inputs, output):
    *tensors, _ = inputs
    ctx.save_for_backward(*tensors, output[0], output[3])
    ctx.set_materialize_grads(False)


def _differentiate(ctx, d_outputs, d_H_T, d_C_T, _):
    d_x, d_H_0, d_C_0, d_W_h = _backward(d_outputs, d_H_T, d_C_T, *ctx.saved_tensors)
    return d_x, None, d_H_0, d_C_0, d_W_h, None


_forward.register_autograd(_differentiate, setup_context=_setup)


def _twice(ctx, *_):
    raise RuntimeError("the GPU engine can be differentiated once: for gradients of gradients take the engine \"loop\"")


_backward.register_autograd(_twice)
