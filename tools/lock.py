"""Resolve pyproject.toml into requirements.lock, the one list of versions that everything reads, and
tools/mxnet.in into tools/mxnet.lock, the versions of MXNet's own environment.

A lock is universal: one file with markers serves Linux, macOS and Windows on Python 3.11 and
later. Torch's CUDA packages are left out, so that a CPU build of torch stays a CPU install;
a CUDA build asks for them itself.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CUDA = re.compile(r"(nvidia-|cuda-|triton\b|lazy-importer\b)")


def resolve(lock: str, sources: str, *arguments: str) -> None:
    resolved = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--upgrade", "--python-version", "3.11", "--no-header",
         "--no-annotate", "--no-emit-index-url", *arguments],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    pins = [line for line in resolved.splitlines() if not CUDA.match(line)]
    header = f"# Made by `make lock` from {sources}. Do not edit.\n"
    (ROOT / lock).write_text(header + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"{lock}: {len(pins)} packages")


def main() -> None:
    resolve("requirements.lock", "pyproject.toml and tools/constraints.txt",
            "--all-extras", "--constraint", "tools/constraints.txt", "pyproject.toml")
    resolve("tools/mxnet.lock", "tools/mxnet.in", "tools/mxnet.in")


if __name__ == "__main__":
    main()
