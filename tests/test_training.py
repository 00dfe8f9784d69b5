"""The trainer: what it computes, what it keeps, and how it stops."""
import json
import math
import os
import statistics
import subprocess
import sys

import pytest
import torch
from torch import nn

from unrolled import training
from unrolled.layers import LSTM, LSTMScratch
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.history import Epoch, History, bits, perplexity
from unrolled.training import NotFinite, Trainer, clip_gradients, evaluate, no_subnormals

N = 7
IDS = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0)).cumsum(0) % N     # three may follow
TRAIN, VALIDATION = Windows(IDS[:60], 6), Windows(IDS[60:], 6)
RECIPES = {
    "sgd": dict(optimizer="sgd", lr=1.0),
    "adamw": dict(optimizer="adamw", lr=0.02, weight_decay=0.1),
    "adamw one-cycle": dict(optimizer="adamw", lr=0.02, schedule="one-cycle"),
    "sgd one-cycle": dict(optimizer="sgd", lr=1.0, schedule="one-cycle"),
    "adamw cosine": dict(optimizer="adamw", lr=0.02, schedule="cosine"),
}


def make(seed=0, layer=LSTM, hidden=8, dropout=0.3, validation=VALIDATION, **options):
    torch.manual_seed(seed)
    model = LanguageModel(layer(N, hidden), N, dropout=dropout)
    options = dict(optimizer="sgd", lr=1.0, batch_size=16, device="cpu", seed=seed) | options
    return Trainer(model, TRAIN, validation, **options)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def losses(history):
    """All of a history but the timings."""
    return [(row.epoch, row.train_loss, row.validation_loss, row.gradient_norm) for row in history.rows]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")


# Measures

@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e3, math.inf])
def test_clipping_equals_torch(max_norm):
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in ((3, 4), (5,), (2, 3, 2))]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    unused = nn.Parameter(torch.zeros(2))
    for p, q in zip(ours, theirs):
        p.grad = torch.randn_like(p) * 2
        q.grad = p.grad.clone()
    norm = clip_gradients([*ours, unused], max_norm)
    expected = nn.utils.clip_grad_norm_(theirs, max_norm)
    assert norm == pytest.approx(expected.item(), rel=1e-14)
    # torch divides by the norm plus 1e-6, where the formula has the norm
    correction = (norm + 1e-6) / norm if max_norm < norm else 1.0
    for p, q in zip(ours, theirs):
        torch.testing.assert_close(p.grad, q.grad * correction, rtol=1e-14, atol=0)
    clipped = torch.cat([p.grad.flatten() for p in ours]).norm().item()
    assert clipped == pytest.approx(min(norm, max_norm), rel=1e-14)


def test_clipping_nothing_and_clipping_what_is_not_finite():
    p = nn.Parameter(torch.zeros(2))
    assert clip_gradients(iter([p]), 1.0) == 0.0
    p.grad = torch.tensor([1.0, math.inf])
    assert clip_gradients(iter([p]), 1.0) == math.inf and p.grad[0] == 1.0


def test_evaluation_is_the_mean_over_all_tokens_whatever_the_batches():
    model = make().model.train()
    model.double()
    inputs, targets = VALIDATION[torch.arange(len(VALIDATION))]
    model.eval()
    p = model(inputs)[0].softmax(-1)                                               # (steps, batch, tokens)
    expected = -p.gather(-1, targets[..., None]).log().mean().item()
    model.train()
    for batch_size in (1, 5, 1000):
        assert evaluate(model, VALIDATION, batch_size) == pytest.approx(expected, rel=1e-12)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_subnormals_are_flushed_within_and_kept_outside():
    small = torch.full((1 << 17,), 2.0 ** -126)                              # large enough for all threads
    for already in (False, True):
        torch.set_flush_denormal(already)
        try:
            with pytest.raises(ZeroDivisionError), no_subnormals():
                assert (small[:1] / 2).item() == 0
                1 / 0
            assert ((small[:1] / 2).item() == 0) == already
        finally:
            torch.set_flush_denormal(False)
    assert (small / 2).count_nonzero() == len(small)


def test_torch_workers_do_not_inherit_the_switch():
    """In a fresh process with two threads, where training is the first thing that wakes torch's workers."""
    program = ("import torch; from unrolled.training import no_subnormals\n"
               "x = torch.full((1 << 20,), 2.0 ** -126)\n"
               "with no_subnormals(): (x * 1).sum()\n"
               "print((x / 2).count_nonzero().item() == len(x))")
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | {"OMP_NUM_THREADS": "2"},
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


# The inner loop

def test_one_epoch_is_the_textbook_loop():
    """The same steps by hand: windows in the generator's order, one long gradient clipped, plain SGD."""
    trainer = make(dropout=0.0, layer=LSTMScratch, lr=0.5, clip=0.05, validation=None)
    trainer.model.double()
    torch.manual_seed(0)
    model = LanguageModel(LSTMScratch(N, 8), N).double()
    total, norms = 0.0, []
    for index in torch.randperm(len(TRAIN), generator=torch.Generator().manual_seed(0)).split(16):
        inputs, targets = TRAIN[index]
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs)[0].permute(1, 2, 0), targets.T)
        loss.backward()
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.5 * p.grad * min(1.0, 0.05 / norms[-1])
        total += loss.item() * targets.numel()
    history = trainer.fit(1)
    torch.testing.assert_close(trainer.model.state_dict(), model.state_dict(), rtol=1e-12, atol=1e-14)
    assert min(norms) > 0.05, "the test should clip"
    assert history.final.train_loss == pytest.approx(total / TRAIN.num_tokens, rel=1e-12)
    assert history.final.gradient_norm == pytest.approx(statistics.median(norms), rel=1e-12)
    assert history.final.validation_loss is None and history.validation_perplexity == [None]
    assert history.final.tokens_per_second == pytest.approx(TRAIN.num_tokens / history.final.seconds)


def test_training_learns_and_validates():
    trainer = make(dropout=0.0, optimizer="adamw", lr=0.05)
    history = trainer.fit(30)
    assert history is trainer.history and len(history) == 30
    assert history.train_perplexity[-1] < 2.5 < history.train_perplexity[0]
    assert history.final.validation_loss == evaluate(trainer.model, VALIDATION)
    assert history.seconds == sum(row.seconds for row in history.rows) > 0


def test_no_clipping():
    clipped, free = make(clip=1e-3), make(clip=None)
    before = weights(free)
    for trainer in (clipped, free):
        trainer.fit(1)
    move = [max((w - before[n]).abs().max() for n, w in weights(t).items()) for t in (clipped, free)]
    assert 0 < move[0] <= 1e-3 * clipped.steps_per_epoch < move[1]


def test_a_step_of_sgd_one_cycle_has_no_momentum():
    trainer = make(schedule="one-cycle")
    trainer.fit(2)
    assert trainer.optimizer.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(recipe):
    a, b, c = make(**RECIPES[recipe]), make(**RECIPES[recipe]), make(seed=1, **RECIPES[recipe])
    for trainer in (a, b, c):
        torch.manual_seed(5)                                                       # of the dropout
        trainer.fit(2)
    assert same(weights(a), weights(b)) and losses(a.history) == losses(b.history)
    assert not same(weights(a), weights(c))


@pytest.mark.parametrize("schedule, expected", [
    ("cosine", lambda t, total: 0.01 * (1 + math.cos(math.pi * t / total))), ("one-cycle", None)])
def test_the_schedule_spans_the_first_fit(schedule, expected):
    trainer, rates = make(optimizer="adamw", lr=0.02, schedule=schedule), []
    trainer.optimizer.register_step_pre_hook(lambda opt, *_: rates.append(opt.param_groups[0]["lr"]))
    trainer.fit(3)
    total = 3 * trainer.steps_per_epoch
    assert len(rates) == total
    if expected:
        assert rates == pytest.approx([expected(t, total) for t in range(total)])
    else:
        assert max(rates) == pytest.approx(0.02, rel=0.05) and rates[0] < 0.001 and rates[-1] < 0.002
    with pytest.raises(ValueError, match=f"for {total} steps, 0 are left, and 1 epochs take {total // 3}"):
        trainer.fit(1)


def test_a_schedule_that_has_not_begun_is_laid_out_anew():
    trainer = make(optimizer="adamw", lr=0.02, schedule="one-cycle")
    key = at_step(trainer, 2, press)
    trainer.fit(7)
    key.remove()
    trainer.fit(2)
    straight = make(optimizer="adamw", lr=0.02, schedule="one-cycle")
    straight.fit(2)
    assert same(weights(trainer), weights(straight))


# The history

def test_callbacks_see_the_history_after_each_epoch():
    seen, lengths = [], []
    trainer = make()
    trainer.fit(3, on_epoch=[seen.append, lambda h: lengths.append(len(h))])
    trainer.fit(1, on_epoch=lambda h: lengths.append(len(h)))
    assert lengths == [1, 2, 3, 4] and seen[0] is trainer.history


def test_the_progress_bar_and_its_switches(monkeypatch, capsys):
    make().fit(1)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("UNROLLED_PROGRESS", "on")
    make().fit(1, progress=False)
    assert capsys.readouterr().err == ""
    make().fit(2)
    make(validation=None).fit(1)
    shown = capsys.readouterr().err
    assert "0/2" in shown and "perplexity=" in shown


def scripted(monkeypatch, script):
    """Let the validation losses be these."""
    script = iter(script)
    monkeypatch.setattr(training, "evaluate", lambda *args: next(script))


def test_patience_stops_and_the_best_weights_come_back(monkeypatch):
    scripted(monkeypatch, [3.0, 2.0, 2.5, 2.4, 1.0])
    trainer, kept = make(), {}
    history = trainer.fit(9, patience=2, restore_best=True,
                          on_epoch=lambda h: kept.update({len(h): weights(trainer)}))
    assert len(history) == 4 and history.best.epoch == 2
    assert same(weights(trainer), kept[2]) and not same(kept[2], kept[4])


def test_until_stops_at_the_first_epoch_that_reaches_it(monkeypatch):
    scripted(monkeypatch, [3.0, 2.0, 1.0])
    trainer = make()
    assert not trainer.enough(until=99) and len(trainer.fit(9, until=math.exp(2.0))) == 2
    assert trainer.enough(until=7.4) and not trainer.enough(until=7.38) and not trainer.enough()


def test_without_restore_best_the_last_weights_stay(monkeypatch):
    scripted(monkeypatch, [3.0, 2.0, 2.5, 2.4])
    trainer, kept = make(), {}
    trainer.fit(4, on_epoch=lambda h: kept.update({len(h): weights(trainer)}))
    assert same(weights(trainer), kept[4])
    trainer.restore_best()
    assert same(weights(trainer), kept[2])


def test_restore_best_before_any_epoch_does_nothing():
    trainer = make()
    before = weights(trainer)
    trainer.restore_best()
    assert same(weights(trainer), before)


def test_the_best_weights_survive_a_checkpoint(monkeypatch, tmp_path):
    scripted(monkeypatch, [1.0, 2.0, 3.0])
    trainer, kept = make(), {}
    trainer.fit(2, checkpoint=tmp_path / "c", on_epoch=lambda h: kept.update({len(h): weights(trainer)}))
    later = make(seed=3).resume(tmp_path / "c")
    later.fit(1, restore_best=True)
    assert same(weights(later), kept[1])


# Interrupts

def at_step(trainer, step, what, after=False):
    """Call ``what`` before (or after) this step of the optimizer, counted from now; returns the hook."""
    steps = []

    def hook(*_):
        steps.append(None)
        if len(steps) == step:
            what()

    optimizer = trainer.optimizer
    return (optimizer.register_step_post_hook if after else optimizer.register_step_pre_hook)(hook)


def press():
    raise KeyboardInterrupt


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_interrupt_undoes_the_epoch_begun(recipe, tmp_path):
    straight = make(**RECIPES[recipe])
    straight.fit(3)
    trainer = make(**RECIPES[recipe])
    key = at_step(trainer, 2 * trainer.steps_per_epoch + 2, press)                 # within the third epoch
    history = trainer.fit(3, checkpoint=tmp_path / "c", every=5)
    assert len(history) == 2 and history is trainer.history
    key.remove()
    random = torch.get_rng_state()                             # dropout's draws are undone too
    trainer.fit(1)
    torch.manual_seed(99)
    resumed = make(seed=9, **RECIPES[recipe]).resume(tmp_path / "c")
    assert torch.equal(torch.get_rng_state(), random)
    resumed.fit(1)
    for goes_on in (trainer, resumed):
        assert same(weights(goes_on), weights(straight))
        assert losses(goes_on.history) == losses(straight.history)


def test_an_interrupt_in_the_first_epoch_leaves_the_model_as_it_was(tmp_path):
    trainer = make()
    before = weights(trainer)
    at_step(trainer, 2, press)
    assert len(trainer.fit(2, checkpoint=tmp_path / "c")) == 0
    assert same(weights(trainer), before) and os.listdir(tmp_path) == []


def test_an_interrupt_between_epochs_keeps_them(tmp_path):
    trainer = make()
    trainer.fit(5, on_epoch=lambda history: len(history) == 2 and press(), checkpoint=tmp_path / "c")
    assert len(trainer.history) == 2 and len(make().resume(tmp_path / "c").history) == 2


def test_an_interrupt_while_saving_leaves_the_checkpoint_before(monkeypatch, tmp_path):
    trainer = make()
    trainer.fit(1, checkpoint=tmp_path / "c")
    whole, real = (tmp_path / "c").read_bytes(), torch.save

    def half(state, path):
        real(state, path)
        os.truncate(path, 100)
        press()

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        trainer.save(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == whole and os.listdir(tmp_path) == ["c"]


def test_any_other_error_undoes_the_epoch_and_is_raised():
    trainer = make()
    trainer.fit(1)
    before = weights(trainer)
    at_step(trainer, 3, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(1)
    assert len(trainer.history) == 1 and same(weights(trainer), before)


# Checkpoints

@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_training_is_bit_exact(recipe, tmp_path):
    """Four epochs straight against two, a checkpoint, a new trainer with other weights, and two more."""
    straight = make(**RECIPES[recipe])
    straight.fit(4)
    after = torch.get_rng_state()

    first = make(**RECIPES[recipe])                            # laid out for four, as the schedule must know
    first.fit(4, checkpoint=tmp_path / "c", on_epoch=lambda history: len(history) == 2 and press())
    second = make(seed=1, **RECIPES[recipe]).resume(tmp_path / "c")
    assert same(weights(second), weights(first)) and losses(second.history) == losses(first.history)
    second.fit(2)
    assert same(weights(second), weights(straight))
    assert losses(second.history) == losses(straight.history)
    assert torch.equal(torch.get_rng_state(), after)


def test_every_says_how_often(tmp_path, monkeypatch):
    trainer, saved = make(), []
    monkeypatch.setattr(trainer, "save", lambda path: saved.append(len(trainer.history)))
    trainer.fit(5, checkpoint=tmp_path / "c", every=2)
    assert saved == [2, 4, 5]


def test_resume_goes_back_on_a_trainer_that_has_gone_on(tmp_path):
    trainer = make(optimizer="adamw", lr=0.02, schedule="cosine")
    trainer.save(tmp_path / "fresh")
    trainer.fit(2)
    trained = weights(trainer)
    trainer.resume(tmp_path / "fresh")
    assert len(trainer.history) == 0 and trainer.scheduler is None
    trainer.fit(2)
    assert same(weights(trainer), trained)


def refused(trainer, path, message):
    before, history = weights(trainer), losses(trainer.history)
    random, order = torch.get_rng_state(), trainer.generator.get_state()
    optimizer = json.dumps(trainer.optimizer.state_dict(), default=str)
    with pytest.raises(ValueError, match=message):
        trainer.resume(path)
    assert same(weights(trainer), before) and losses(trainer.history) == history
    assert torch.equal(torch.get_rng_state(), random) and torch.equal(trainer.generator.get_state(), order)
    assert json.dumps(trainer.optimizer.state_dict(), default=str) == optimizer


@pytest.fixture
def checkpoint(tmp_path):
    make().fit(1, checkpoint=tmp_path / "c")
    return tmp_path / "c"


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint(checkpoint, keep):
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[:int(keep * len(data))])
    refused(make(seed=1), checkpoint, "c is not a whole checkpoint")


def test_foreign_files(tmp_path):
    (tmp_path / "text").write_text("it has")
    refused(make(), tmp_path / "text", "text is not a whole checkpoint")
    for foreign in ({"model": make().model.state_dict()}, [1, 2], {"format": "another"}):
        torch.save(foreign, tmp_path / "foreign")
        refused(make(), tmp_path / "foreign", "foreign is not a checkpoint of this package")
    torch.save(make().model, tmp_path / "pickle")                            # could run code: never unpickled
    refused(make(), tmp_path / "pickle", "pickle is not a whole checkpoint")


@pytest.mark.parametrize("part", ["settings", "model", "optimizer", "history", "order", "rng"])
@pytest.mark.parametrize("value", [None, {"rows": [1]}])
def test_a_checkpoint_with_a_part_spoilt(checkpoint, part, value):
    state = torch.load(checkpoint, weights_only=True)
    if value is None:
        del state[part]
    else:
        state[part] = value
    torch.save(state, checkpoint)
    message = {"settings": "was written by a trainer with optimizer None",
               "model": "is of another model"}.get(part)
    lacks = f"is not a whole checkpoint: it lacks {part}$"
    refused(make(seed=1), checkpoint, lacks if value is None else message or r"is not a whole checkpoint \(")


@pytest.mark.parametrize("options, message", [
    (dict(hidden=9), "c is of another model: layer.rnn.weight_ih_l0, "),
    (dict(layer=LSTMScratch), "c is of another model"),
    (dict(optimizer="adamw"), r"c was written by a trainer with optimizer 'sgd' \(here 'adamw'\)$"),
    (dict(lr=0.5, batch_size=8), r"lr 1.0 \(here 0.5\), batch_size 16 \(here 8\)$"),
    (dict(clip=None), r"clip 1.0 \(here None\)$"),
    (dict(schedule="cosine"), r"schedule None \(here 'cosine'\)$"),
    (dict(validation=None), r"validation windows 24 \(here None\)$"),
])
def test_a_checkpoint_of_another_trainer(checkpoint, options, message):
    refused(make(seed=1, **options), checkpoint, message)


def test_a_checkpoint_of_another_precision(checkpoint):
    trainer = make()
    trainer.model.double()
    refused(trainer, checkpoint, "c is of another model: layer.rnn.weight_ih_l0")


def test_no_such_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at .*nowhere"):
        make().resume(tmp_path / "nowhere")


# Not finite

def spoil(trainer, at, what):
    """Call ``what`` with the logits at this step (counted from the first of the epoch)."""
    calls = []

    def hook(module, inputs, output):
        if module.training:
            calls.append(None)
            if len(calls) == at:
                return what(output[0]), output[1]

    return trainer.model.register_forward_hook(hook)


@pytest.mark.parametrize("what, message", [
    (lambda logits: logits * math.nan, "the logits are not finite"),
    (lambda logits: logits * 0 + torch.tensor([3e38, -3e38] + [0] * (N - 2)), "the logits are too large"),
])
def test_a_loss_that_is_not_finite(what, message):
    trainer = make(dropout=0.0)
    trainer.fit(1)
    spoil(trainer, 3, what)
    kept = {}
    at_step(trainer, 2, lambda: kept.update(weights(trainer)), after=True)
    with pytest.raises(NotFinite, match=f"loss is not finite at epoch 2, step 3 of 4: {message}") as caught:
        trainer.fit(1)
    assert str(caught.value).endswith("The model keeps the weights from before this step. A lower learning "
                                      "rate (now 1) or clipping (now 1.0) may help.")
    assert caught.value.in_time and same(weights(trainer), kept) and len(trainer.history) == 1


def test_a_gradient_that_is_not_finite_names_its_parameters():
    trainer = make()
    trainer.model.head.bias.register_hook(lambda g: g * math.nan)
    before = weights(trainer)
    with pytest.raises(NotFinite, match="gradient is not finite at epoch 1, step 1 of 4: that of head.bias. "):
        trainer.fit(1)
    assert same(weights(trainer), before)


def test_a_gradient_whose_norm_overflows():
    trainer = make()
    trainer.model.head.bias.register_hook(lambda g: torch.full_like(g, 3e38))
    with pytest.raises(NotFinite, match="not finite at epoch 1, step 1 of 4: its norm is too large"):
        trainer.fit(1)


@pytest.mark.parametrize("validation", [VALIDATION, None])
@pytest.mark.parametrize("step", [2, 4])
def test_weights_that_overflow_in_an_update_undo_the_epoch(step, validation):
    trainer = make(dropout=0.0, validation=validation)
    trainer.fit(1)
    before = weights(trainer)
    at_step(trainer, step, lambda: trainer.model.head.weight.data.fill_(math.inf), after=True)
    message = {2: "the loss is not finite at epoch 2, step 3 of 4: the weights head.weight are not finite",
               4: "the weights head.weight are not finite at the end of epoch 2, after step 4"}[step]
    with pytest.raises(NotFinite, match=f"{message}. The model is back at the last whole epoch") as caught:
        trainer.fit(1)
    assert not caught.value.in_time and same(weights(trainer), before) and len(trainer.history) == 1


def test_a_validation_loss_that_is_not_finite(monkeypatch):
    scripted(monkeypatch, [math.inf])
    trainer = make()
    before = weights(trainer)
    with pytest.raises(NotFinite, match="validation loss is not finite at the end of epoch 1, after step 4"):
        trainer.fit(1)
    assert same(weights(trainer), before)


def test_a_learning_rate_out_of_all_reason():
    """No trick: the weights run away by themselves."""
    trainer = make(dropout=0.0, layer=LSTMScratch, lr=1e37, clip=None)
    with pytest.raises(NotFinite, match="A lower learning rate"):
        trainer.fit(5)
    assert all(value.isfinite().all() for value in weights(trainer).values())


# Bad input

@pytest.mark.parametrize("options, error, message", [
    (dict(optimizer="adam"), ValueError, "the optimizer is one of sgd, adamw, not 'adam'"),
    (dict(schedule="linear"), ValueError, "the schedule is None, 'one-cycle' or 'cosine', not 'linear'"),
    (dict(lr=0), ValueError, "lr is a positive number, not 0"),
    (dict(lr=math.nan), ValueError, "lr is a positive number, not nan"),
    (dict(clip=-1.0), ValueError, "clip is a positive number, not -1.0"),
    (dict(clip=math.inf), ValueError, "clip is a positive number, not inf"),
    (dict(weight_decay=-0.1), ValueError, "weight_decay is 0 or a positive number, not -0.1"),
    (dict(batch_size=0), ValueError, "batch_size is a whole number of at least 1, not 0"),
    (dict(batch_size=16.0), ValueError, "batch_size is a whole number of at least 1, not 16.0"),
    (dict(validation="text"), TypeError, "validation is given as Windows or Streams, not str"),
    (dict(device="gpu"), ValueError, "unknown device 'gpu'"),
])
def test_options_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


def test_training_windows_are_windows():
    with pytest.raises(TypeError, match="train is given as Windows or Streams, not Tensor"):
        Trainer(make().model, IDS, lr=1.0, batch_size=4)
    with pytest.raises(TypeError, match="train is given as Windows or Streams, not NoneType"):
        Trainer(make().model, None, lr=1.0, batch_size=4)


@pytest.mark.parametrize("options, error, message", [
    (dict(epochs=0), ValueError, "epochs is a whole number of at least 1, not 0"),
    (dict(epochs=1.5), ValueError, "epochs is a whole number of at least 1, not 1.5"),
    (dict(epochs=True), ValueError, "epochs is a whole number of at least 1, not True"),
    (dict(epochs=1, patience=0), ValueError, "patience is a whole number of at least 1, not 0"),
    (dict(epochs=1, until=1), ValueError, "until is a perplexity, a number above 1, not 1"),
    (dict(epochs=1, every=0), ValueError, "every is a whole number of at least 1, not 0"),
    (dict(epochs=1, on_epoch=[print, 3]), TypeError, "on_epoch is a function or several, got int"),
])
def test_fit_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        make().fit(**options)


@pytest.mark.parametrize("options", [dict(patience=1), dict(until=2.0), dict(restore_best=True)])
def test_early_stopping_needs_validation(options):
    with pytest.raises(ValueError, match="give the trainer validation windows"):
        make(validation=None).fit(1, **options)


def test_tokens_that_the_model_does_not_have():
    trainer = Trainer(LanguageModel(LSTM(3, 4), 3), TRAIN, lr=1.0, batch_size=4)
    with pytest.raises(ValueError, match=f"token ids lie between 0 and 2, got {N - 1}"):
        trainer.fit(1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(tmp_path):
    trainer = make(optimizer="adamw", lr=0.02, schedule="one-cycle", device="cuda")
    trainer.fit(2, checkpoint=tmp_path / "c")
    assert trainer.model.device.type == "cuda" and trainer.history.final.train_loss < math.log(N)
    other = make(seed=1, optimizer="adamw", lr=0.02, schedule="one-cycle", device="cuda").resume(tmp_path / "c")
    assert same(weights(other), weights(trainer)) and losses(other.history) == losses(trainer.history)
