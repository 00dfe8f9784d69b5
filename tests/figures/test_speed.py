"""The ladder, the roofline and the growth curves draw the numbers that they are given."""
import pytest
from drawn import assert_labels_apart, lines_of

from unrolled.figures import COLORS, Picture, plot_growth, plot_ladder, plot_roofline

SECONDS = {"eight products": [0.04, 0.05, 0.06], "ours": [0.009, 0.010, 0.012], "floor": [0.007, 0.008, 0.009],
           "vendor's": [0.02, 0.025, 0.03]}


def test_the_ladder_has_a_bar_for_each_and_a_line_at_the_floor():
    fig = plot_ladder(SECONDS, ours="ours", floor="floor")
    (ax,) = fig.axes
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    widths = [bar.get_width() for bar in ax.patches]
    assert dict(zip(names, widths)) == pytest.approx({"ours": 10, "vendor's": 25, "eight products": 50})
    assert names == ["ours", "vendor's", "eight products"], "the slowest is on top"
    texts = {text.get_text() for text in ax.texts}
    assert texts == {"10", "25", "50", "floor"}
    assert ax.lines[-1].get_xdata() == pytest.approx([8, 8])
    whiskers = sorted(end for line in ax.lines[:-1] for end in line.get_xdata())
    assert whiskers == pytest.approx([9, 12, 20, 30, 40, 60])
    assert_labels_apart(fig)
    assert COLORS["C"] in Picture(fig, "words").svg


def test_the_ladder_knows_its_names():
    with pytest.raises(ValueError, match="there are eight products, ours, .*, there is no 'mine'"):
        plot_ladder(SECONDS, ours="mine", floor="floor")


def test_the_roof_bends_where_memory_and_arithmetic_meet():
    fig = plot_roofline({"ours": [(1, 5e9), (100, 8e10)], "vendor's": [(1, 2e9)]}, per_second=1e11, bytes_per_second=1e10)
    (ax,) = fig.axes
    roof = ax.lines[0]
    assert roof.get_xdata()[1] == pytest.approx(10) and roof.get_ydata().tolist() == pytest.approx([5, 100, 100])
    assert lines_of(ax)["ours"].get_ydata() == pytest.approx([5, 80])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_growth_has_its_sizes_below_and_its_names_beside():
    fig = plot_growth({"vendor's": [(16, 1.0), (64, 5.0)], "ours": [(16, 0.5), (64, 4.9)]}, across="units", up="ms")
    (ax,) = fig.axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["16", "64"]
    assert lines_of(ax)["ours"].get_ydata() == pytest.approx([0.5, 4.9])
    assert_labels_apart(fig)
