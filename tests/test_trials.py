"""A trial is the training written out, within its budget, watched and stopped."""
import math

import pytest
import torch

from unrolled import trials
from unrolled.generation import generate
from unrolled.layers import LSTM, Stacked
from unrolled.models import LanguageModel
from unrolled.text import Vocabulary, honest_split, source_split
from unrolled.training import NotFinite, Trainer
from unrolled.trials import CENTRE, Bench, Setting, named, shown

STORY = "the machine stood in the old garden, and it has nobody who moved it since the summer before last. " * 12
SMALL = {"num_hiddens": 6, "num_steps": 8, "batch_size": 16}


@pytest.fixture
def bench():
    return Bench(STORY, split="honest", windows=300, device="cpu")


def test_the_centre_is_the_source_with_smaller_batches():
    assert CENTRE == Setting(num_hiddens=32, num_steps=32, batch_size=128, lr=4.0, optimizer="sgd", num_layers=1, clip=1.0, forget_bias=0.0)
    assert abs(trials.WINDOWS / 128 - 50 * 10_000 / 1024) < 25                      # nearly as many updates


@pytest.mark.parametrize("name, bad, words", [
    ("num_hiddens", 0, "num_hiddens is a whole number of at least 1, not 0"), ("num_steps", 2.5, "num_steps is a whole number"),
    ("batch_size", True, "batch_size is a whole number"), ("num_layers", "two", "num_layers is a whole number"),
    ("lr", 0, "lr is a positive number, not 0"), ("lr", math.inf, "lr is a positive number"), ("lr", "fast", "lr is a positive number"),
    ("clip", -1, "clip is a 0 or positive number, not -1"), ("clip", True, "clip is a"), ("forget_bias", math.nan, "forget_bias is a finite number"),
    ("optimizer", "adam", "the optimizer is one of sgd, adamw, not 'adam'"),
])
def test_settings_out_of_range(name, bad, words):
    with pytest.raises(ValueError, match=words):
        Setting(**{name: bad})


def test_settings_compare_by_value_and_say_what_differs():
    assert Setting(lr=1) == Setting(lr=1.0) and isinstance(Setting(lr=1).lr, float)
    assert Setting(lr=1, num_layers=2).differences(CENTRE) == {"lr": 1.0, "num_layers": 2}
    assert named({}) == "the centre" and named({"lr": 0.25, "clip": 0.0}) == "learning rate 0.25, no clipping"
    assert named({"num_hiddens": 128, "num_layers": 1, "num_steps": 1}) == "128 hidden units, 1 layer, 1 step"
    assert named({"clip": 0.1, "optimizer": "adamw", "batch_size": 1024}) == "clipping 0.1, optimiser adamw, batch 1024"
    assert [shown("clip", 0.0), shown("forget_bias", 0.0), shown("lr", 16.0)] == ["none", "0", "16"]


@pytest.mark.parametrize("setting", [Setting(**SMALL), Setting(**SMALL, lr=0.01, optimizer="adamw", num_layers=2, clip=0, forget_bias=3)])
def test_a_trial_is_the_training_written_out(bench, setting):
    state = torch.get_rng_state()
    row = bench.run(setting, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    vocab = Vocabulary.from_text(STORY)
    split = honest_split(vocab.encode(STORY), 8)
    passes = round(300 / len(split.train))
    torch.manual_seed(5)
    if setting.num_layers == 1:
        layer = LSTM(len(vocab), 6, forget_bias=0)
    else:
        layer = Stacked([LSTM(len(vocab), 6, forget_bias=3), LSTM(6, 6, forget_bias=3)])
    model = LanguageModel(layer, len(vocab))
    history = Trainer(model, split.train, split.validation, optimizer=setting.optimizer, lr=setting.lr, batch_size=16,
                      clip=setting.clip or None, seed=5, device="cpu").fit(passes, progress=False)
    assert passes > 1 and row["validation_perplexity"] == pytest.approx(history.validation_perplexity[-1], rel=1e-4)
    assert row["train_perplexity"] == pytest.approx(history.train_perplexity[-1], rel=1e-4)
    assert row["windows"] == passes * len(split.train) and row["updates"] == passes * -(-len(split.train) // 16)
    assert row["samples"] == {"greedy": generate(model, vocab, "it has", 40),
                              "temperature 0.7": generate(model, vocab, "it has", 40, temperature=0.7, seed=0)}
    assert row["seed"] == 5 and row["lr"] == setting.lr and row["whole"] is True and row["seconds"] > 0


def test_the_seed_makes_it_another_trial(bench):
    one, again, other = (bench.run(Setting(**SMALL), seed)["validation_perplexity"] for seed in (0, 0, 1))
    assert one == again != other


def test_the_budget_counts_windows():
    text = STORY * 20
    bench = Bench(text, windows=21_000, device="cpu")
    assert bench.passes(10_000) == 2 and bench.passes(100_000) == 1
    trainer = bench.trainer(Setting(num_steps=8))
    assert len(trainer.train) == len(source_split(bench.ids, 8).train) == 10_000


def test_it_is_watched(bench):
    steps, losses = [], []
    row = bench.run(Setting(**SMALL), on_step=lambda *seen: steps.append(seen), on_epoch=lambda history: losses.append(len(history)))
    assert steps[0] == (0, row["windows"]) and steps[1][0] == 16 and steps[-1][0] == row["windows"]
    assert losses == list(range(1, bench.passes(len(bench.trainer(Setting(**SMALL)).train)) + 1))
    assert not bench.trainer(Setting(**SMALL)).model._forward_pre_hooks


def test_it_is_stopped(bench):
    def after(limit):
        def on_step(seen, budget):
            if seen >= limit:
                raise KeyboardInterrupt
        return on_step

    windows = len(bench.trainer(Setting(**SMALL)).train)
    row = bench.run(Setting(**SMALL), on_step=after(windows + 1))
    assert row["windows"] == windows and row["whole"] is False
    with pytest.raises(KeyboardInterrupt):
        bench.run(Setting(**SMALL), on_step=after(1))


def test_what_fails_says_why(bench, monkeypatch):
    with pytest.raises(NotFinite, match="is not finite"):
        bench.run(Setting(**SMALL, lr=1e37, clip=0))
    with pytest.raises(ValueError, match="a window of 2000 steps"):
        bench.run(Setting(num_steps=2000))
    monkeypatch.setattr("unrolled.training.evaluate", lambda *args: 800.0)
    with pytest.raises(NotFinite, match="larger than any number"):
        bench.run(Setting(**SMALL))


@pytest.mark.parametrize("options, words", [
    ({"split": "half"}, "the split is one of source, honest, not 'half'"), ({"windows": 0}, "at least 1, not 0"),
    ({"windows": 1.5}, "at least 1, not 1.5"), ({"windows": True}, "not True"), ({"device": "cuda:99"}, "not on this machine"),
])
def test_a_bench_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        Bench(STORY, **options)


def test_the_clock_counts_the_training_alone(bench, monkeypatch):
    ticks = iter([10.0, 13.0, 20.0, 24.0])
    trainer = bench.trainer(Setting(**SMALL))
    monkeypatch.setattr(trials.time, "process_time", lambda: next(ticks))
    trainer.fit(2, progress=False)
    assert trainer.counted == 7.0
    trainer.device = torch.device("meta")                            # elsewhere the clock on the wall
    monkeypatch.setattr(trials.time, "perf_counter", iter([1.0, 2.0]).__next__)
    monkeypatch.setattr(Trainer, "_train_epoch", lambda self: "done")
    assert trainer._train_epoch() == "done" and trainer.counted == 8.0


def test_the_pace_of_a_setting(bench, monkeypatch):
    for seconds in (0.0, 0.3):                                       # two batches at least, or many passes
        assert 0 < bench.pace(Setting(**SMALL), seconds) < 0.05
    batches, real = [], Trainer._train_epoch

    def counted(self):
        batches.append(self)
        return real(self)
    monkeypatch.setattr(Trainer, "_train_epoch", counted)
    bench.pace(Setting(**SMALL), 0.3)
    assert len(batches) > 2 and len(set(batches)) == 1               # one trainer, warmed up

    def press(self):
        raise KeyboardInterrupt
    monkeypatch.setattr(Trainer, "_train_epoch", press)
    with pytest.raises(KeyboardInterrupt):
        bench.pace(Setting(**SMALL), 0.3)
