"""Our kernel for the CPU, in C++ beside this file: built by this machine's compiler on first use, kept, told to torch."""
import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.utils import cpp_extension

from unrolled.layers.engines.choice import EngineMissing

SOURCES = [Path(__file__).with_name(name) for name in ("cpu.cpp", "cpu_lstm.h", "cpu_vector.h")]
VECTORS = {"AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"], "AVX2": ["-mavx2", "-mfma"]}
_ready = False


def prepare() -> None:
    """Build the kernel unless it lies there, and load it.

    Raises:
        EngineMissing: there is no compiler, or it fails.
    """
    global _ready
    if not _ready:
        torch.ops.load_library(_library())
        _tell_torch()
        _ready = True


def _library() -> Path:
    """The built kernel: another one for every source, torch, and kind of processor."""
    command = _command()
    sources = b"".join(source.read_bytes() for source in SOURCES)
    key = hashlib.sha256(sources + f"{torch.__version__} {command}".encode()).hexdigest()[:16]
    folder = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()) / "unrolled"
    library = folder / f"lstm-{key}.so"
    if not library.exists():
        print("Building the LSTM kernel for this processor, once: some ten seconds.", file=sys.stderr)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as unfinished:     # whole or not at all, whoever else builds it
                built = Path(unfinished) / library.name
                subprocess.run([*command, "-o", built], check=True, capture_output=True, text=True)
                built.replace(library)
        except subprocess.CalledProcessError as failed:
            lines = failed.stderr.splitlines()
            why = next((line for line in lines if "error" in line), lines[0] if lines else "it does not say why")
            raise EngineMissing(f"The CPU's LSTM kernel needs a C++20 compiler, and {command[0]} fails: {why}.") from None
        except OSError as error:
            raise EngineMissing(f"The CPU's LSTM kernel needs a C++20 compiler and a folder for its work: {error}.") from None
    return library


def _command() -> list[str]:
    """PyTorch's own builder would call the same compiler, but through Ninja, and wait for ever where a build was killed."""
    headers = [f"-isystem{path}" for path in cpp_extension.include_paths()]
    libraries = [f"-L{path}" for path in cpp_extension.library_paths()]
    threads = [] if sys.platform == "darwin" else ["-fopenmp"]
    return [*shlex.split(cpp_extension.get_cxx_compiler()), str(SOURCES[0]), "-std=c++20", "-O3", "-shared", "-fPIC", *threads,
            *VECTORS.get(torch.backends.cpu.get_cpu_capability(), []), *headers, *libraries, "-ltorch", "-ltorch_cpu", "-lc10",
            f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]


def _tell_torch() -> None:
    """What torch.compile and autograd have to know of the kernel: the shapes that come out, and its gradient."""
    library, ops = torch.library, torch.ops.unrolled

    @library.register_fake("unrolled::lstm_forward")
    def _(x, tokens, H0, C0, W_h, keep):
        steps, batch = (x if tokens is None else tokens).shape[:2]
        hidden = W_h.shape[1]
        kept = steps if keep else 0
        return (x.new_empty(steps, batch, hidden), torch.empty_like(H0), torch.empty_like(C0),
                x.new_empty(kept, batch, 4 * hidden), x.new_empty(kept or 1, batch, hidden))

    @library.register_fake("unrolled::lstm_backward")
    def _(d_outputs, dH, dC, tokens, num_tokens, outputs, gates, C, H0, C0, W_h):
        d_x = torch.empty_like(gates) if tokens is None else gates.new_empty(num_tokens, gates.shape[2])
        return d_x, torch.empty_like(H0), torch.empty_like(C0), torch.empty_like(W_h)

    def keep(ctx, inputs, output):
        x, tokens, H0, C0, W_h, _ = inputs
        outputs, _, _, gates, C = output
        ctx.set_materialize_grads(False)                        # a gradient that nobody asks for is not a tensor of zeros
        ctx.save_for_backward(tokens, outputs, gates, C, H0, C0, W_h)
        ctx.num_tokens = x.shape[0]

    def backward(ctx, d_outputs, dH, dC, *_):
        tokens, *kept = ctx.saved_tensors
        d_x, dH, dC, dW_h = ops.lstm_backward(d_outputs, dH, dC, tokens, ctx.num_tokens, *kept)
        return d_x, None, dH, dC, dW_h, None

    def no_second(ctx, *_):
        raise RuntimeError('the engine "cpu" has a first gradient only; engine="loop" can be differentiated again')

    library.register_autograd("unrolled::lstm_forward", backward, setup_context=keep)
    library.register_autograd("unrolled::lstm_backward", no_second)


def sequence(x: Tensor | tuple[Tensor, Tensor], H: Tensor, C: Tensor, W_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See ``unrolled.layers.engines``. float32 and float64; autocast makes no number shorter.

    Raises:
        ValueError: another device.
        RuntimeError: another dtype, or shapes that do not fit.
        EngineMissing: the kernel cannot be built.
    """
    if W_h.device.type not in ("cpu", "meta"):
        raise ValueError(f'the engine "cpu" computes on the CPU, and the weights are on {W_h.device}')
    if not _ready:
        prepare()
    tokens, x = x if isinstance(x, tuple) else (None, x)
    x = x.to(W_h.dtype)                                         # a product under autocast has 16 bits
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, H, C, W_h))
    outputs, H, C, *_ = torch.ops.unrolled.lstm_forward(x, tokens, H, C, W_h, keep)
    return outputs, H, C
