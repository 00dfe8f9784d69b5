"""What a model writes while it learns: recorded, and the training none the wiser."""
import json
import random

import pytest
import torch

from unrolled.generation import generate
from unrolled.layers import GRU, LSTM, RNN, LSTMScratch, Stacked
from unrolled.models import LanguageModel
from unrolled.probe import trace
from unrolled.snapshots import BINS, Snapshots
from unrolled.text import Vocabulary, Windows
from unrolled.history import History, Snapshot
from unrolled.training import Trainer

TEXT = "it has the time that it has and the thing has that time " * 3
VOCAB = Vocabulary.from_text(TEXT)
IDS = VOCAB.encode(TEXT)
N = len(VOCAB)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")


def make(layer=LSTM, seed=0, dropout=0.3) -> Trainer:
    torch.manual_seed(seed)
    model = LanguageModel(layer(N, 8), N, dropout=dropout)
    return Trainer(model, Windows(IDS[:100], 6), Windows(IDS[100:], 6), lr=1.0, batch_size=16, device="cpu", seed=seed)


def recorder(trainer: Trainer, **options) -> Snapshots:
    return Snapshots(trainer.model, VOCAB, "that time it has", **{"num_tokens": 10} | options)


def losses(history):
    return [(row.epoch, row.train_loss, row.validation_loss, row.gradient_norm) for row in history.rows]


def test_the_training_does_not_notice():
    """The same weights, losses, mode and random numbers, with dropout, in training mode and in evaluation mode."""
    ends = []
    for watched in (False, True):
        trainer = make()
        random.seed(0)
        record = recorder(trainer)
        if watched:
            record(trainer.history)
        trainer.fit(3, on_epoch=record if watched else None)
        ends.append((trainer, torch.get_rng_state(), trainer.generator.get_state(), random.getstate()))
    (a, *plain), (b, *seen) = ends
    torch.testing.assert_close(a.model.state_dict(), b.model.state_dict(), rtol=0, atol=0)
    assert losses(a.history) == losses(b.history) and plain[2] == seen[2]
    assert torch.equal(plain[0], seen[0]) and torch.equal(plain[1], seen[1])
    assert len(a.history.snapshots) == 0 and [s.epoch for s in b.history.snapshots] == [0, 1, 2, 3]
    for training in (True, False):
        b.model.train(training)
        gradients = [p.grad for p in b.model.parameters()]
        record(b.history)
        assert b.model.training is training and all(p.grad is g for p, g in zip(b.model.parameters(), gradients))


def test_a_snapshot_is_the_model_at_that_epoch():
    trainer = make(LSTMScratch, dropout=0.0)
    record = recorder(trainer, prefix="it", temperature=0.5, seed=3)
    record(trainer.history)
    seen = []
    trainer.fit(3, on_epoch=[record, lambda history: seen.append((
        generate(trainer.model, VOCAB, "it", 10), generate(trainer.model, VOCAB, "it", 10, temperature=0.5, seed=3),
        trace(trainer.model, VOCAB, "that time it has").values))])
    first, *rest = trainer.history.snapshots
    assert first.epoch == 0 and first.share("F", 0.4, 0.6) == 1            # drawn with 0.01: near one half
    for snapshot, (greedy, drawn, values) in zip(rest, seen, strict=True):
        assert snapshot.prefix == "it" and snapshot.samples == {"greedy": greedy, "temperature 0.5": drawn}
        assert list(snapshot.gates) == ["I", "F", "O"]
        for name, counts in snapshot.gates.items():
            inside = [((values[name] >= k / BINS) & (values[name] < (k + 1) / BINS)).sum().item() for k in range(BINS)]
            assert counts == inside and sum(counts) == 16 * 8


@pytest.mark.parametrize("layer, gates", [
    (GRU, ["R", "Z"]), (RNN, []), (lambda n, h: Stacked([RNN(n, h), LSTM(h, h)]), ["I", "F", "O"])])
def test_a_layer_has_its_own_gates_or_none(layer, gates):
    trainer = make(layer)
    trainer.fit(1, on_epoch=recorder(trainer))
    assert list(trainer.history.snapshots[0].gates) == gates


def test_double_precision():
    trainer = make()
    trainer.model.double()
    trainer.fit(1, on_epoch=recorder(trainer))
    assert sum(trainer.history.snapshots[0].gates["I"]) == 16 * 8


def test_every_so_many_epochs_and_one_snapshot_each():
    trainer = make()
    record = recorder(trainer, every=2)
    record(trainer.history)
    trainer.fit(5, on_epoch=record)
    record(trainer.history)
    assert [s.epoch for s in trainer.history.snapshots] == [0, 2, 4]
    again = recorder(trainer, prefix="time")
    trainer.fit(1, on_epoch=again)
    again(trainer.history)
    assert [(s.epoch, s.prefix) for s in trainer.history.snapshots] == [(0, "it has"), (2, "it has"), (4, "it has"), (6, "time")]


def test_snapshots_survive_json_and_a_stored_history_may_have_none():
    trainer = make()
    history = trainer.fit(2, on_epoch=recorder(trainer))
    stored = json.loads(json.dumps(history.to_dict()))
    assert History.from_dict(stored) == history and len(history.snapshots) == 2
    assert History.from_dict({"rows": stored["rows"]}).snapshots == []
    stored["snapshots"][0].pop("prefix")
    with pytest.raises(ValueError, match="and snapshots of epoch, prefix, samples, gates; this one does not .*prefix"):
        History.from_dict(stored)


def test_an_epoch_that_is_undone_leaves_none(tmp_path):
    trainer, steps = make(), []

    def press(*_):
        steps.append(None)
        if len(steps) == 2 * trainer.steps_per_epoch + 2:               # within the third epoch
            raise KeyboardInterrupt

    trainer.optimizer.register_step_pre_hook(press)
    trainer.fit(4, on_epoch=recorder(trainer), checkpoint=tmp_path / "c")
    assert len(trainer.history) == 2 and [s.epoch for s in trainer.history.snapshots] == [1, 2]
    straight = make()
    straight.fit(4, on_epoch=recorder(straight))
    resumed = make(seed=1).resume(tmp_path / "c")
    assert resumed.history.snapshots == trainer.history.snapshots == straight.history.snapshots[:2]
    resumed.fit(2, on_epoch=recorder(resumed))
    assert resumed.history.snapshots == straight.history.snapshots


def test_going_back_to_a_checkpoint_goes_back_in_the_snapshots(tmp_path):
    trainer = make()
    trainer.save(tmp_path / "fresh")
    trainer.fit(2, on_epoch=recorder(trainer))
    trainer.resume(tmp_path / "fresh")
    assert trainer.history.snapshots == []


@pytest.mark.parametrize("options, error, message", [
    (dict(every=0), ValueError, "every is a whole number of at least 1, not 0"),
    (dict(every=1.5), ValueError, "every is a whole number of at least 1, not 1.5"),
    (dict(temperature=0), ValueError, "greedy already: give the second a temperature above 0"),
    (dict(temperature=-1.0), ValueError, "the temperature is 0 .* not -1.0"),
    (dict(prefix=""), ValueError, "the prefix is empty"),
    (dict(prefix="It"), ValueError, "unknown chars: 'I' at 0"),
    (dict(num_tokens=-1), ValueError, "num_tokens is a whole number, 0 or more, not -1"),
])
def test_what_cannot_be_recorded_is_said_before_the_training(options, error, message):
    with pytest.raises(error, match=message):
        recorder(make(), **options)


def test_model_vocabulary_and_text_that_do_not_fit():
    model = make().model
    with pytest.raises(TypeError, match="taken of a LanguageModel, not of LSTM"):
        Snapshots(model.layer, VOCAB, "it has")
    with pytest.raises(ValueError, match=f"the model has {N} tokens and the vocabulary 4"):
        Snapshots(model, Vocabulary("abc"), "abc")
    with pytest.raises(ValueError, match="unknown chars: '!' at 2"):
        Snapshots(model, VOCAB, "it!")
    with pytest.raises(ValueError, match="the text is empty"):
        Snapshots(model, VOCAB, "")


# Shares and quantiles

COUNTS = [0] * BINS
COUNTS[4], COUNTS[24], COUNTS[25], COUNTS[45] = 10, 50, 30, 10
SNAPSHOT = Snapshot(0, "", {}, {"F": COUNTS})


def test_shares_and_quantiles_of_a_histogram():
    """The same numbers as in the page's own test."""
    ends = [(0, 0.1), (0.4, 0.6), (0.9, 1)]
    assert [SNAPSHOT.share("F", *pair) for pair in ends] == [0.1, 0.8, 0.1] and SNAPSHOT.share("F", 0, 1) == 1
    expected = {0: 4, 0.05: 4.5, 0.5: 24.8, 0.6: 25, 0.95: 45.5, 1: 46}
    for q, bins in expected.items():
        assert SNAPSHOT.quantile("F", q) == pytest.approx(bins / BINS, rel=1e-12)


def test_quantiles_are_near_those_of_the_values():
    values = torch.rand(5000, generator=torch.Generator().manual_seed(0)) ** 2
    snapshot = Snapshot(1, "", {}, {"F": torch.histc(values, BINS, 0, 1).int().tolist()})
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert snapshot.quantile("F", q) == pytest.approx(values.quantile(q).item(), abs=0.5 / BINS)


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_no_such_quantile(q):
    with pytest.raises(ValueError, match=f"lies between 0 and 1, got {q}"):
        SNAPSHOT.quantile("F", q)
