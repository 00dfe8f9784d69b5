"""MXNet's own tests, in MXNet's own environment."""
import re
import subprocess
from pathlib import Path

import pytest

from unrolled.frameworks.processes import is_available, python_of


def test_mxnet_in_its_own_environment():
    if not is_available("mxnet"):
        pytest.skip("MXNet's environment is not here: make frameworks")
    done = subprocess.run([python_of("mxnet"), "-m", "pytest", "-W", "ignore:Unknown config option", "tests/frameworks/test_mxnet.py"],
                          cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"^\d{3} passed in", done.stdout, re.M), done.stdout            # not skipped
