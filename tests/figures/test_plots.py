"""The plots draw the numbers that they are given, each line with a look of its own, and say what is wrong."""
from itertools import combinations

import pytest
import torch
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import pyplot as plt
from traitlets.config import Config

from unrolled.figures import (COLORS, LiveCurve, Picture, describe_history, plot_gradient_norms, plot_heatmap,
                              plot_history, plot_trace)
from unrolled.figures.plots import LABELS, looks
from unrolled.probe import Trace
from unrolled.training import Epoch, History


def a_history(*losses, validation=True) -> History:
    return History([Epoch(k, loss, loss + 0.1 if validation else None, 1.0, 2.0, 3.0) for k, loss in enumerate(losses, 1)])


def a_trace(kind: str = "lstm", tokens: str = "the machine", hidden: int = 20) -> Trace:
    names = {"lstm": ("I", "F", "O", "C_tilde", "C", "H"), "gru": ("R", "Z", "H_tilde", "H"), "rnn": ("H",)}[kind]
    draw = torch.Generator().manual_seed(0)
    values = {name: torch.rand(len(tokens), hidden, generator=draw) - 0.5 * (name in ("C_tilde", "C", "H")) for name in names}
    return Trace(list(tokens), values, torch.ones(len(tokens), 3) / 3)


def lines_of(ax) -> dict:
    """Label -> line, of the lines that have one."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def look(line) -> tuple:
    return line.get_color(), str(line._dash_pattern), line.get_marker()


def assert_labels_apart(fig):
    """Every label is where it can be read: none on another, none beyond the picture."""
    fig.canvas.draw()
    for ax in fig.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not [1 for a, b in combinations(boxes, 2) if a.overlaps(b)]
        assert all(0 <= box.x0 and box.x1 <= fig.bbox.width and 0 <= box.y0 and box.y1 <= fig.bbox.height for box in boxes)


# Curves of a training

def test_one_history_is_training_and_validation():
    history = a_history(2.5, 2.0, 1.8)
    fig = plot_history(history)
    (ax,) = fig.axes
    lines = lines_of(ax)
    assert list(lines) == ["training", "validation"] == [text.get_text() for text in ax.texts]
    assert list(lines["training"].get_xdata()) == [1, 2, 3]
    assert list(lines["training"].get_ydata()) == history.train_perplexity
    assert list(lines["validation"].get_ydata()) == history.validation_perplexity
    assert look(lines["training"])[1:] != look(lines["validation"])[1:]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "perplexity", "linear")
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > max(history.validation_perplexity)
    assert all(tick == round(tick) for tick in ax.get_xticks())
    assert_labels_apart(fig)


def test_bits_are_of_the_validation_alone():
    history = a_history(2.5, 2.0)
    (ax,) = plot_history(history, measure="bits").axes
    assert {name: list(line.get_ydata()) for name, line in lines_of(ax).items()} == {"validation": history.bits_per_character}
    assert ax.get_ylabel() == "bits per character"


def test_without_validation_there_is_training():
    assert list(lines_of(plot_history(a_history(2.0, 1.0, validation=False)).axes[0])) == ["training"]


def test_several_histories_are_their_validations():
    histories = {"LSTM": a_history(2.0, 1.0), "GRU, wide": a_history(2.1, 1.1, 1.05), "rnn": a_history(2.2, 1.5)}
    fig = plot_history(histories)
    lines = lines_of(fig.axes[0])
    assert {name: list(line.get_ydata()) for name, line in lines.items()} == {
        name: one.validation_perplexity for name, one in histories.items()}
    assert [line.get_color() for line in lines.values()] == [COLORS[kind] for kind in ("lstm", "gru", "rnn")]
    assert_labels_apart(fig)


def test_a_steep_fall_is_drawn_on_a_log_axis():
    assert plot_history(a_history(8.0, 1.0)).axes[0].get_yscale() == "log"


def test_one_epoch_is_a_point():
    (ax,) = plot_history(a_history(2.0)).axes
    assert {line.get_marker() for line in ax.lines} == {"o"}


def test_many_lines_differ_in_more_than_colour():
    names = [f"run {k}" for k in range(13)]
    lines = lines_of(plot_history({name: a_history(2.0, 1.0 + k / 9) for k, name in enumerate(names)}).axes[0])
    drawn = [look(line) for line in lines.values()]
    assert len(drawn) == len(set(drawn)) == len({(stroke, marker) for _, stroke, marker in drawn}) == 13
    assert looks(["LSTM"])[0]["color"] == looks(["lstm, two layers"])[0]["color"] == COLORS["lstm"]


def test_labels_of_lines_that_meet_are_moved_apart():
    same = {f"run {k}": a_history(2.0, 1.0) for k in range(6)}
    fig = plot_history(same)
    assert [text.get_text() for text in fig.axes[0].texts] == list(same)
    assert_labels_apart(fig)
    above = plot_history({f"run {k}": a_history(2.0, 2.0) for k in range(5)})
    assert max(text.xy[1] for text in above.axes[0].texts) <= 1 + 1e-9      # beside the axes, not above them
    assert_labels_apart(above)
    below = plot_gradient_norms({f"run {k}": torch.tensor([1.0, 1e-3, 1e-9]) for k in range(5)})
    assert_labels_apart(below)


def test_alt_text_says_where_the_curves_begin_and_end():
    history = a_history(2.0, 1.5, 1.0)
    ends = f"{history.train_perplexity[0]:.1f} to {history.train_perplexity[-1]:.1f}"
    words = describe_history(history)
    assert words.startswith("Perplexity over 3 epochs: ") and f"training goes from {ends}, validation" in words
    assert describe_history({"LSTM": a_history(2.0)}, measure="bits").startswith("Bits per character over 1 epoch: LSTM goes")


@pytest.mark.parametrize("draw", [plot_history, describe_history])
@pytest.mark.parametrize("history, measure, error, message", [
    (a_history(1.0), "loss", ValueError, "the measure is 'perplexity' or 'bits', not 'loss'"),
    ([1.0, 2.0], "bits", TypeError, "a History or a mapping of names to histories is drawn, got list"),
    (History(), "perplexity", ValueError, "no perplexity to draw: train for at least one epoch first$"),
    (a_history(1.0, validation=False), "bits", ValueError, "no bits per character to draw: .*, with validation windows"),
    ({"LSTM": a_history(1.0, validation=False)}, "perplexity", ValueError, "to draw: .*, with validation windows"),
])
def test_no_curve(draw, history, measure, error, message):
    with pytest.raises(error, match=message):
        draw(history, measure=measure)
    assert plt.get_fignums() == []


# The curve that is drawn while a model trains

@pytest.fixture
def shell(monkeypatch, tmp_path):
    """A real IPython, without a terminal, that keeps what is displayed."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.display_pub = CapturingDisplayPublisher()
    yield shell
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()


def displayed(shell) -> list[tuple[bool, str, str]]:
    """(whether it replaces an earlier one, its place on the page, its words) of each display."""
    return [(bool(one.get("update")), one["transient"]["display_id"], one["data"]["text/plain"]) for one in shell.display_pub.outputs]


def test_a_live_curve_draws_and_redraws_and_draws_the_last_epoch(shell):
    history, states = History(), []
    curve = LiveCurve()

    def fit(*losses):
        for row in a_history(*losses).rows:
            history.rows.append(row)
            curve(history)
            states.append(len(shell.display_pub.outputs))

    shell.user_ns["fit"] = fit
    shell.run_cell("fit(2.5, 2.0, 1.8, 1.7)").raise_error()
    shown = displayed(shell)
    assert states[0] == 1                                          # at once, and then no oftener than a tenth of the time
    assert shown[0][0] is False and shown[0][2] == describe_history(History(history.rows[:1]))
    assert len(shown) > 1 and shown[-1] == (True, shown[0][1], describe_history(history))
    assert shell.display_pub.outputs[-1]["data"]["text/html"] == Picture(plot_history(history), describe_history(history)
                                                                         )._repr_mimebundle_()["text/html"]
    plt.close("all")
    shell.run_cell("1")
    assert len(displayed(shell)) == len(shown)                     # it rests
    assert curve.finish not in shell.events.callbacks["post_run_cell"]
    shell.run_cell("fit(1.6)").raise_error()
    first, *_, last = displayed(shell)[len(shown):]
    assert first[0] is False and first[1] != shown[0][1] and last[2] == describe_history(history)
    assert plt.get_fignums() == []


def test_a_live_curve_draws_when_it_has_rested(shell):
    curve = LiveCurve("bits")
    curve(a_history(2.0))
    curve(a_history(2.0, 1.0))
    assert len(displayed(shell)) == 1
    curve.rest_until = 0.0
    curve(a_history(2.0, 1.0, 0.9))
    (_, place, _), (replaced, again, words) = displayed(shell)
    assert replaced and again == place and words == describe_history(a_history(2.0, 1.0, 0.9), measure="bits")
    curve.finish()


def test_a_live_curve_that_could_not_draw_begins_anew(shell):
    curve = LiveCurve("bits")
    with pytest.raises(ValueError, match="there is no bits per character to draw"):
        curve(a_history(2.0, validation=False))
    with pytest.raises(ValueError, match="there is no bits per character to draw"):
        curve.finish()
    curve(a_history(2.0))
    assert len(displayed(shell)) == 1 and curve.finish in shell.events.callbacks["post_run_cell"]
    curve.finish()


def test_a_live_curve_is_silent_outside_a_notebook(capsys):
    curve = LiveCurve()
    curve(a_history(2.0))
    assert curve.shell is None and capsys.readouterr().out == "" and plt.get_fignums() == []


def test_a_live_curve_checks_its_measure_before_the_training():
    with pytest.raises(ValueError, match="the measure is 'perplexity' or 'bits', not 'loss'"):
        LiveCurve("loss")


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
