"""The plots draw the numbers that they are given, each line with a look of its own, and say what is wrong."""
import pytest
import torch
from drawn import assert_labels_apart, lines_of, look
from matplotlib import pyplot as plt

from unrolled.figures import COLORS, Picture, plot_gradient_norms, plot_heatmap, plot_losses, plot_trace
from unrolled.figures.plots import LABELS
from unrolled.probe import Trace


def a_trace(kind: str = "lstm", tokens: str = "the machine", hidden: int = 20) -> Trace:
    names = {"lstm": ("I", "F", "O", "C_tilde", "C", "H"), "gru": ("R", "Z", "H_tilde", "H"), "rnn": ("H",)}[kind]
    draw = torch.Generator().manual_seed(0)
    values = {name: torch.rand(len(tokens), hidden, generator=draw) - 0.5 * (name in ("C_tilde", "C", "H")) for name in names}
    return Trace(list(tokens), values, torch.ones(len(tokens), 3) / 3)


# Gradients through time

def test_gradient_norms_are_relative_to_the_last_step():
    fig = plot_gradient_norms({"LSTM": torch.tensor([2.0, 1.0, 0.5]), "rnn": torch.tensor([4.0, 0.4, 0.04], requires_grad=True)})
    (ax,) = fig.axes
    lines = lines_of(ax)
    assert list(lines["LSTM"].get_xdata()) == [0, 1, 2]
    assert lines["LSTM"].get_ydata().tolist() == pytest.approx([1, 0.5, 0.25])
    assert lines["rnn"].get_ydata().tolist() == pytest.approx([1, 0.1, 0.01])
    assert (ax.get_xlabel(), ax.get_yscale()) == ("steps back in time", "log") and not ax.collections
    assert look(lines["LSTM"])[1:] != look(lines["rnn"])[1:]
    assert_labels_apart(fig)


def test_several_seeds_are_a_geometric_mean_and_a_range():
    norms = torch.tensor([[1.0, 0.1, 0.01], [2.0, 2.0, 2.0]])
    (ax,) = plot_gradient_norms({"GRU": norms}).axes
    assert lines_of(ax)["GRU"].get_ydata().tolist() == pytest.approx([1, 0.1 ** 0.5, 0.1])
    corners = ax.collections[0].get_paths()[0].vertices.tolist()
    for corner in ([1, 0.1], [2, 0.01], [2, 1.0]):
        assert min(abs(x - corner[0]) + abs(y - corner[1]) for x, y in corners) < 1e-7


def test_labels_below_the_axes_are_moved_apart():
    assert_labels_apart(plot_gradient_norms({f"run {k}": torch.tensor([1.0, 1e-3, 1e-9]) for k in range(5)}))


def test_a_vanished_norm_leaves_a_gap_and_the_line_its_name():
    norms = {"rnn": torch.tensor([1.0, 1e-20, 0.0, 0.0]), "GRU": torch.tensor([1.0, 0.0, 0.3, 0.2]), "LSTM": torch.ones(4)}
    fig = plot_gradient_norms(norms)
    drawn = lines_of(fig.axes[0])["GRU"].get_ydata()
    assert drawn[2] == pytest.approx(0.3) and drawn[1] != drawn[1]
    assert sorted(text.get_text() for text in fig.axes[0].texts) == sorted(norms)
    assert_labels_apart(fig)
    assert all(f">{name}<" in Picture(fig, "words").svg for name in norms)


@pytest.mark.parametrize("norms, message", [
    ({}, "there are no norms to draw"),
    ({"LSTM": torch.ones(3), "GRU": torch.ones(2, 3, 4)}, r"the norms of 'GRU' are .*, got shape \(2, 3, 4\)"),
    ({"LSTM": torch.tensor([[1.0, 1.0], [0.0, 1.0]])}, "the norms of 'LSTM' begin with the last step, which must be above 0"),
])
def test_norms_that_cannot_be_drawn(norms, message):
    with pytest.raises(ValueError, match=message):
        plot_gradient_norms(norms)
    assert plt.get_fignums() == []                                 # no half figure that a notebook would show


# Along a text

def test_a_trace_has_a_panel_for_gates_and_one_for_states():
    trace = a_trace()
    fig = plot_trace(trace, 7)
    gates, states = fig.axes
    assert list(lines_of(gates)) == [LABELS[name] for name in ("I", "F", "O")]
    assert list(lines_of(states)) == [LABELS[name] for name in ("C_tilde", "C", "H")]
    lines = lines_of(gates) | lines_of(states)
    for name, values in trace.values.items():
        assert lines[LABELS[name]].get_ydata().tolist() == values[:, 7].tolist()
        assert lines[LABELS[name]].get_color() == COLORS[name]
    assert gates.get_ylim()[0] < 0 and gates.get_ylim()[1] > 1
    assert all(len({look(line)[1] for line in lines_of(ax).values()}) == 3 for ax in fig.axes)
    assert [tick.get_text() for tick in states.get_xticklabels()] == list("the␣machine")
    assert_labels_apart(fig)


def test_a_trace_of_some_values_or_of_another_layer():
    assert [list(lines_of(ax)) for ax in plot_trace(a_trace(), 0, ["F"]).axes] == [[LABELS["F"]]]
    assert [list(lines_of(ax)) for ax in plot_trace(a_trace("rnn"), 0).axes] == [[LABELS["H"]]]
    assert [len(lines_of(ax)) for ax in plot_trace(a_trace("gru"), 0).axes] == [2, 2]


def test_long_texts_and_words_leave_room():
    (ax,) = plot_trace(a_trace("rnn", "a long text " * 10), 0).axes
    assert len(ax.get_xticks()) == 120 and ax.get_xticklabels()[0].get_fontsize() < 5
    trace = a_trace("rnn", "x" * 48)
    trace = Trace([f"word{k}" for k in range(48)], trace.values, trace.probabilities)
    (ax,) = plot_trace(trace, 0).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()][:3] == ["word0", "word3", "word6"]
    assert ax.get_xticklabels()[0].get_rotation() == 45


@pytest.mark.parametrize("units", [None, [5, 2], (0, 3), range(4)])
def test_a_heatmap_shows_a_row_a_unit(units):
    trace = a_trace()
    ax, bar = plot_heatmap(trace, "F", units).axes
    rows = list(range(20) if units is None else units)
    (image,) = ax.images
    assert image.get_array().tolist() == trace.values["F"].T[rows].tolist() and image.get_clim() == (0, 1)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [str(rows[int(k)]) for k in ax.get_yticks()]
    assert bar.get_ylabel() == LABELS["F"] and ax.get_ylabel() == "unit"


def test_a_heatmap_of_states_is_symmetric():
    trace = a_trace()
    image = plot_heatmap(trace, "C").axes[0].images[0]
    bound = trace.values["C"].abs().max().item()
    assert image.get_clim() == pytest.approx((-bound, bound))


@pytest.mark.parametrize("draw, message", [
    (lambda trace: plot_trace(trace, 20), "the layer has units 0 to 19, there is no unit 20"),
    (lambda trace: plot_trace(trace, -1), "there is no unit -1"),
    (lambda trace: plot_trace(trace, 0, ["F", "R"]), "the trace has I, F, O, C_tilde, C, H, there is no 'R'"),
    (lambda trace: plot_heatmap(trace, "R"), "there is no 'R'"),
    (lambda trace: plot_heatmap(trace, "F", [1, 99]), "there is no unit 99"),
])
def test_no_such_unit_and_no_such_value(draw, message):
    with pytest.raises(ValueError, match=message):
        draw(a_trace())
    assert plt.get_fignums() == []


# Losses of several trainings

def test_losses_are_shares_of_the_baseline_with_mean_and_range():
    runs = torch.tensor([[2.0, 4.0, 0.0, 0.0], [2.0, 0.0, 2.0, 0.0]])
    (ax,) = plot_losses({"LSTM": runs, "RNN": torch.full((1, 4), 2.0)}, 2.0, window=2).axes
    lines = lines_of(ax)
    assert list(lines["LSTM"].get_xdata()) == [2, 3, 4]
    assert lines["LSTM"].get_ydata().tolist() == pytest.approx([1.0, 0.75, 0.25])
    assert lines["RNN"].get_ydata().tolist() == pytest.approx([1.0, 1.0, 1.0])
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices.round(6).tolist()}
    assert {(2, 0.5), (2, 1.5), (3, 0.5), (3, 1.0), (4, 0.0), (4, 0.5)} <= corners


@pytest.mark.parametrize("losses, baseline, words", [
    ({}, 1.0, "there are no losses to draw"), ({"a": torch.zeros(1, 30)}, 0.0, "the baseline is a loss above 0, got 0.0"),
    ({"a": torch.zeros(30)}, 1.0, "the losses of 'a' are"), ({"a": torch.zeros(1, 9)}, 1.0, "at least 25 updates")])
def test_losses_that_cannot_be_drawn(losses, baseline, words):
    with pytest.raises(ValueError, match=words):
        plot_losses(losses, baseline)
