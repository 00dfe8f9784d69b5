"""The GPU engine's tests in a process of their own, with Triton, which must not meet TensorFlow in one."""
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / (os.environ.get("UNROLLED_VENV", ".venv") + "-triton")


def test_the_gpu_engine_where_triton_is():
    if importlib.util.find_spec("triton"):
        pytest.skip("Triton is here: test_gpu.py runs in this process")
    if not (FOLDER / "triton").is_dir():
        pytest.skip("Triton is not here: python tools/prepare.py triton")
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([sys.executable, "-m", "pytest", "tests/layers/test_gpu.py"], cwd=ROOT, env=os.environ | {"PYTHONPATH": path},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"^\d\d passed in", done.stdout, re.M), done.stdout            # not skipped
