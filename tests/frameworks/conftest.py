"""The tests of the frameworks share ``reference``, which needs NumPy alone: it has to be there where torch is not."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
