"""Curves of a training show its numbers, each line with a look of its own, and one is drawn while it goes on."""
import math

import pytest
from drawn import assert_labels_apart, lines_of, look
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import pyplot as plt
from traitlets.config import Config

from unrolled.figures import COLORS, LiveCurve, Picture, describe_history, plot_history
from unrolled.figures.curves import looks
from unrolled.history import Epoch, History, Row


def a_history(*losses, validation=True) -> History:
    return History([Epoch(k, loss, loss + 0.1 if validation else None, 1.0, 2.0, 3.0) for k, loss in enumerate(losses, 1)])


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


def test_a_live_curve_takes_single_epochs(shell):
    curve = LiveCurve()
    for epoch in (1, 2, 3):
        curve(Row(epoch, 2.0 / epoch, 3.0 / epoch, 0.5))
    assert curve.history.train_perplexity == [math.exp(2.0), math.exp(1.0), math.exp(2 / 3)]
    shell.events.trigger("post_run_cell", None)
    assert displayed(shell)[-1][-1].startswith("Perplexity over 3 epochs")


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
