"""The tests of the frameworks share ``reference`` and ``contract``, which need no framework: they have to be there where torch is not."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("contract")
