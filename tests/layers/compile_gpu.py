"""Compile the GPU engine's kernels for GPUs that are not here, down to the code that they run; what the compiler says.

``python compile_gpu.py '[[75, "float32", 32, false], ...]'`` prints for each capability, dtype and number of hidden units, and
both kernels, one JSON object. "true" makes it a small case: no tokens, nothing kept, every size 1, which Triton then takes
for a constant. Triton brings the assembler along and needs no driver, but must not interpret: hence a process.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from unrolled.layers.engines import gpu, gpu_kernels

SHORT = {"float32": "*fp32", "float16": "*fp16", "bfloat16": "*bf16"}
ALWAYS_FLOAT32 = ("cells", "d_H", "d_C")
NUMBERS = ("num_rows", "steps", "batch", "d_step")


def compiled(name: str, capability: int, dtype: str, hidden: int, small: bool):
    plan = gpu.plan(hidden, getattr(torch, dtype), divmod(capability, 10))
    constants = {"HIDDEN": hidden, "TOKENS": not small, "KEEP": not small,
                 "ROWS": plan.rows, "UNITS": plan.units, "PRECISION": plan.precision}
    constants |= dict.fromkeys(NUMBERS, 1) | {"tokens": None} if small else {}
    kernel = getattr(gpu_kernels, name)
    kinds = {arg: "constexpr" if arg in constants else "i32" if arg in NUMBERS else "*i64" if arg == "tokens" else
             SHORT["float32" if arg in ALWAYS_FLOAT32 else dtype] for arg in kernel.arg_names}
    source = ASTSource(kernel, kinds, {(k,): constants[arg] for k, arg in enumerate(kinds) if arg in constants},
                       {(k,): [["tt.divisibility", 16]] for k, kind in enumerate(kinds.values()) if kind[0] == "*"})
    return plan, triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": plan.warps})


def resources(cubin: bytes) -> dict[str, int]:
    """Of one thread: registers, and bytes of stack, where registers are spilled to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.cubin")
        file.write_bytes(cubin)
        tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
        said = subprocess.run([tool, "-res-usage", file], check=True, capture_output=True, text=True).stdout
    return {name: int(re.search(rf"{name.upper()}:(\d+)", said)[1]) for name in ("reg", "stack")}


def main(cases) -> None:
    for capability, dtype, hidden, small in cases:
        for name in ("forward", "backward"):
            plan, kernel = compiled(name, capability, dtype, hidden, small)
            before, _, loop = kernel.asm["ttgir"].partition("scf.for")       # a single step has no loop
            tile = re.compile(rf"local_alloc .*tensor<{plan.units}x{plan.units}x")
            print(json.dumps({"kernel": name, "capability": capability, "dtype": dtype, "hidden": hidden,
                              "shared": kernel.metadata.shared, "planned": plan.shared, "precision": plan.precision,
                              "tensor_cores": "mma.sync" in kernel.asm["ptx"], "tiles_before": len(tile.findall(before)),
                              "tiles_within": len(tile.findall(loop)), **resources(kernel.asm["cubin"])}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
