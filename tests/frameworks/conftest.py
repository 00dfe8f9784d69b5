"""The tests of the frameworks share ``reference`` and ``contract``, which need no torch: they are also for where there is none."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("contract")
