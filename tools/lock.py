"""Resolve pyproject.toml into requirements.lock, the one list of versions that everything reads.

The lock is universal: one file with markers serves Linux, macOS and Windows on Python 3.11 and
later. Torch's CUDA packages are left out of it, so that a CPU build of torch stays a CPU install;
a CUDA build asks for them itself.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = "# Made by `make lock` from pyproject.toml and tools/constraints.txt. Do not edit.\n"
CUDA = re.compile(r"(nvidia-|cuda-|triton\b|lazy-importer\b)")


def main() -> None:
    resolved = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--all-extras", "--upgrade",
         "--python-version", "3.11", "--no-header", "--no-annotate", "--no-emit-index-url",
         "--constraint", "tools/constraints.txt", "pyproject.toml"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    pins = [line for line in resolved.splitlines() if not CUDA.match(line)]
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(pins)} packages")


if __name__ == "__main__":
    main()
