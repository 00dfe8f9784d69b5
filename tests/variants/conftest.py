"""The tests of the variants share ``papers``, the published equations in NumPy."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("papers")
