"""Figures in the book's style, drawn without a screen and closed after each test. The tests share ``drawn``."""
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot as plt

from unrolled.figures import use_style

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("drawn")


@pytest.fixture(autouse=True)
def style():
    plt.switch_backend("Agg")
    with matplotlib.rc_context():
        use_style()
        yield
        plt.close("all")
