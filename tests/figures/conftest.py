"""Figures in the book's style, drawn without a screen and closed after each test."""
import matplotlib
import pytest
from matplotlib import pyplot as plt

from unrolled.figures import use_style


@pytest.fixture(autouse=True)
def style():
    plt.switch_backend("Agg")
    with matplotlib.rc_context():
        use_style()
        yield
        plt.close("all")
