"""The replay of a training, moved in a browser, with a history that a real training recorded."""
import json

import pytest
import torch

from unrolled.layers import GRU, RNN, LSTMScratch
from unrolled.models import LanguageModel
from unrolled.snapshots import Snapshots
from unrolled.text import Vocabulary, Windows
from unrolled.history import Epoch, History
from unrolled.training import Trainer
from unrolled.widgets import TrainingReplay
from unrolled.widgets.training_replay import percent, visible

TEXT = "it has the time that it has and the thing has that time and the other things " * 6
VOCAB = Vocabulary.from_text(TEXT)
BARE = History([Epoch(k, 3 / k, 3.1 / k, 1.0, 1.0, 1.0) for k in range(1, 9)])


def trained(layer, epochs=5) -> History:
    torch.manual_seed(0)
    model, ids = LanguageModel(layer(len(VOCAB), 12), len(VOCAB)), VOCAB.encode(TEXT)
    trainer = Trainer(model, Windows(ids[:300], 16), Windows(ids[300:], 16), optimizer="adamw", lr=0.02, batch_size=32, device="cpu")
    record = Snapshots(model, VOCAB, TEXT[:120])
    record(trainer.history)
    return trainer.fit(epochs, on_epoch=record, progress=False)


@pytest.fixture(scope="module")
def history() -> History:
    return trained(LSTMScratch)


def go(page, stop):
    page.locator("input[type=range]").evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(stop))


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, history, theme, width, reduced):
    watched = show(TrainingReplay(history), theme, width, reduced)
    assert sweep(watched.page) == 1 + 3                                  # the scrubber, Back, Play, Step
    assert not watched.axe() and not watched.overflow()
    sizes = watched.page.eval_on_selector_all("svg text", "nodes => nodes.map(n => 13 * n.getScreenCTM().a)")
    assert min(sizes) >= 10


def test_it_shows_what_python_computes(show, history):
    replay = TrainingReplay(history)
    page = show(replay).page
    for stop in (5, 0, 3, 1):
        go(page, stop)
        replay.epoch, snapshot = stop, history.snapshots[stop]
        said = page.locator(".u-said").inner_text()
        assert replay.describe().startswith(said + " Sample, greedy: ") and len(said) > 80
        assert page.locator(".u-value").inner_text() == f"{stop} of 5"
        assert page.locator("dd").all_text_contents() == [visible(text) for text in snapshot.samples.values()]
        assert page.locator("dt").all_text_contents() == list(snapshot.samples)
        cells = [row.locator("td").all_text_contents() for row in page.locator("tbody tr").all()]
        assert cells == [[f"{snapshot.quantile(name, 0.5):.2f}"] + [percent(snapshot.share(name, *ends)) for ends in
                                                                   ((0, 0.1), (0.4, 0.6), (0.9, 1))] for name in "IFO"]
        shown = page.locator(".u-panels svg").first.locator("text").all_text_contents()
        numbers = [f"{curve[stop - 1]:.3g}" for curve in (history.train_perplexity, history.validation_perplexity)]
        assert [t for t in shown if t in (numbers if stop else ["not yet"])] == (numbers if stop else ["not yet"] * 2)
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.startsWith('After epoch 1 of 5')")


def test_the_gates_leave_one_half(show, history):
    """The bands and the histogram: narrow before the training, wide after it."""
    page = show(TrainingReplay(history)).page
    strips = page.locator(".u-panels svg")
    assert strips.count() == 4

    def height(k):                                                       # of the histogram's bars that are not empty
        d = strips.nth(k).locator("path.u-fill").last.get_attribute("d")
        points = [tuple(map(float, pair.split())) for pair in d[1:-1].split("L")]
        ys = [y for x, y in points if x > 304.5]
        return max(ys) - min(ys)

    spread = [height(k) for k in (1, 2, 3)]
    go(page, 0)
    assert all(height(k) < 5 < wide for k, wide in zip((1, 2, 3), spread))


def test_a_loop_is_marked_lap_by_lap(show, history):
    page = show(TrainingReplay(history, epoch=0)).page
    for stop, snapshot in enumerate(history.snapshots):
        go(page, stop)
        laps = page.locator("dd").first.locator(".u-lap").all_text_contents()
        assert ("ends in" in page.locator(".u-said").inner_text()) == bool(laps)
        assert len(set(laps[:-1])) <= 1 and snapshot.samples["greedy"].endswith("".join(laps).replace("␣", " "))
        assert page.locator("dd").first.locator(".u-prefix").inner_text() == "it has"


def test_keyboard_pointer_and_play(show, history):
    page = show(TrainingReplay(history), reduced_motion=True).page
    value, said = page.locator(".u-value"), page.locator(".u-said")
    page.locator("input[type=range]").focus()
    for key, expected in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("End", 5), ("ArrowLeft", 4)):
        page.keyboard.press(key)
        assert value.inner_text() == f"{expected} of 5"
    box = page.locator(".u-panels svg").nth(2).bounding_box()
    for epoch in (3, 0, 5):
        x, y = box["x"] + box["width"] * (40 + 250 * epoch / 5) / 420, box["y"] + 30
        page.mouse.move(box["x"] + 60, y)
        page.mouse.down()
        page.mouse.move(x + 4, y)
        page.mouse.up()
        assert value.inner_text() == f"{epoch} of 5"
    page.wait_for_timeout(700)
    assert value.inner_text() == "5 of 5"                                # nothing plays by itself
    page.get_by_role("button", name="Play").click()
    assert said.inner_text().startswith("Before the first epoch.")       # from the end it begins anew
    page.wait_for_function("() => document.querySelector('.u-said').textContent.startsWith('After epoch 5')")
    assert page.get_by_role("button", name="Play").count() == 1


def test_without_snapshots(show, sweep):
    watched = show(TrainingReplay(BARE), width=360)
    sweep(watched.page)
    go(watched.page, 1)
    assert watched.page.locator(".u-said").inner_text() == "After epoch 2 of 8: perplexity 4.48 in training, 4.71 in validation."
    assert "record = Snapshots(model, vocab, text)" in watched.page.locator("pre").inner_text()
    assert watched.page.locator(".u-panels svg").count() == 1 and not watched.page.locator("table, dl").count()
    assert not watched.axe() and not watched.overflow()


@pytest.mark.parametrize("layer, names", [(GRU, ["reset gate r", "update gate z"]), (RNN, [])])
def test_other_layers(show, layer, names):
    watched = show(TrainingReplay(trained(layer, 1)))
    assert watched.page.locator("tbody th").all_text_contents() == names
    assert watched.page.locator("text=This layer has no gates.").count() == (not names)
    assert watched.page.locator("dd").count() == 2 and not watched.axe()


def test_a_curve_that_falls_by_decades(show):
    rows = [Epoch(k, loss, None, 1.0, 1.0, 1.0) for k, loss in enumerate((9.0, 3.0, 1.0), 1)]
    page = show(TrainingReplay(History(rows))).page
    assert {"10⁰", "10³", "10⁴"} <= set(page.locator("svg text").all_text_contents())


@pytest.mark.parametrize("damage, words", [
    (lambda state: state.update(history={}), "the history lacks training, validation or snapshots"),
    (lambda state: state["history"]["training"].clear(), "the history is empty"),
    (lambda state: state["history"]["validation"].__setitem__(1, None), "the validation perplexity of epoch 2 is null"),
    (lambda state: state["history"]["snapshots"][2].update(epoch=77), "a snapshot of epoch 77 does not fit a history of 5 epochs"),
    (lambda state: state["history"]["snapshots"][2]["gates"].update(F=[1, -1]), "the histogram of gate F at epoch 2 is damaged"),
    (lambda state: state.update(epoch=9), "epoch 9 is not among those recorded"),
])
def test_a_damaged_state_is_said_in_words(show, history, damage, words, monkeypatch):
    replay = TrainingReplay(history)
    state = json.loads(json.dumps({"history": replay.history, "epoch": replay.epoch}))
    damage(state)
    real = TrainingReplay.get_state
    monkeypatch.setattr(TrainingReplay, "get_state", lambda self, *args, **kwargs: real(self, *args, **kwargs) | state)
    watched = show(replay)
    assert watched.page.locator("[role=alert]").inner_text().startswith(f"This widget cannot be shown: {words}")
    assert watched.page.locator(".unrolled").count() == 1 and not watched.axe()


def test_a_sample_is_never_markup(show, history):
    trick = "it has <img src=x onerror=alert(1)> &amp;"
    data = history.to_dict()
    data["snapshots"] = [one | {"samples": {"greedy": trick}} for one in data["snapshots"]]
    page = show(TrainingReplay(History.from_dict(data))).page
    assert page.locator("dd").inner_text() == trick and not page.locator(".unrolled img").count()
