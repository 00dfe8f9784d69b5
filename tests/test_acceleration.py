"""Mixed precision and torch.compile: what is chosen, what is computed, and what is said where neither can be had."""
import functools
import math
import warnings

import pytest
import torch
from torch import nn

from unrolled.acceleration import Fallback, Precision, choose_precision
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.training import NotFinite, Trainer, evaluate

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)
N = 7
IDS = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0)).cumsum(0) % N     # three may follow
TRAIN, VALIDATION = Windows(IDS[:60], 6), Windows(IDS[60:], 6)


def make(seed=0, layer=LSTMScratch, dropout=0.3, **options):
    torch.manual_seed(seed)
    model = LanguageModel(layer(N, 8), N, dropout=dropout)
    return Trainer(model, TRAIN, VALIDATION, **dict(optimizer="sgd", lr=1.0, batch_size=16, device="cpu", seed=seed) | options)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def losses(trainer):
    return [(row.train_loss, row.validation_loss, row.gradient_norm) for row in trainer.history.rows]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")


@pytest.fixture
def gpu(monkeypatch):
    """Play a GPU, the second of two, of some capability."""
    def play(*capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: {GPU: capability}[device])
    return play


# What is chosen

def chosen(asked, device=CPU, weights=torch.float32):
    """The choice where every rehearsal goes well."""
    return choose_precision(asked, device, weights, lambda precision: None)


@pytest.mark.parametrize("asked", [None, "float32", "bfloat16", "float16"])
def test_what_can_be_had_is_used_without_a_word(asked):
    assert chosen(asked) == Precision(asked or "float32", CPU, "")


@pytest.mark.parametrize("capability, used, why", [
    ((9, 0), "bfloat16", "this GPU has tensor cores for it"),
    ((8, 0), "bfloat16", "this GPU has tensor cores for it"),
    ((7, 5), "float16", "this GPU has tensor cores for it, and none for bfloat16"),
    ((6, 1), "float32", "a GPU of capability 6.1 has no tensor cores"),
])
def test_auto_takes_what_the_gpu_is_good_at(gpu, capability, used, why):
    gpu(*capability)
    assert chosen("auto", GPU) == Precision(used, GPU, f"Precision 'auto' was asked for, {used} is used: {why}.")


@pytest.mark.parametrize("name", ["cpu", "mps"])
def test_auto_leaves_other_devices_alone(name):
    found = chosen("auto", torch.device(name))
    assert found.used == "float32" and found.mixed is None
    assert found.note.endswith(f"float32 is used: auto mixes on NVIDIA's GPUs alone, and on {name} only what is asked for by name.")


def test_a_gpu_without_bfloat16(gpu):
    gpu(7, 5)
    with pytest.warns(Fallback, match="'bfloat16' was asked for, float32 is used: this GPU would only imitate bfloat16, slowly.$"):
        assert chosen("bfloat16", GPU).used == "float32"
    gpu(8, 6)
    assert chosen("bfloat16", GPU).mixed == "bfloat16"


@pytest.mark.parametrize("raised, reason", [
    (RuntimeError("not here\nand much more"), "RuntimeError (not here)"), (NotImplementedError(), "NotImplementedError ()"),
    (UserWarning("In MPS autocast, but the target dtype is not supported. Disabling autocast."),
     "UserWarning (In MPS autocast, but the target dtype is not supported. Disabling autocast.)")])
@pytest.mark.parametrize("asked", ["float16", "auto"])
def test_a_device_that_cannot_take_the_step(gpu, asked, raised, reason):
    gpu(7, 0)

    def rehearse(precision):
        assert precision == Precision("float16", GPU)
        warnings.warn("a word about something else")
        warnings.warn(raised) if isinstance(raised, Warning) else None
        raise raised

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = choose_precision(asked, GPU, torch.float32, rehearse)
    assert found.used == "float32" and [str(one.message) for one in caught] == [found.note] * (asked != "auto")
    assert found.note == f"Precision '{asked}' was asked for, float32 is used: a step in float16 fails here with {reason}."


@pytest.mark.parametrize("asked, warned", [("bfloat16", 1), ("float32", 1), ("auto", 0), (None, 0)])
def test_weights_in_double_precision_stay_so(asked, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = chosen(asked, CPU, torch.float64)
    assert found.used == "float64" and found.mixed is None and len(caught) == warned
    assert ("float64 is used: the weights are in it" in found.note) == (asked is not None)


@pytest.mark.parametrize("asked", ["half", "float64", 16])
def test_no_such_precision(asked):
    with pytest.raises(ValueError, match=f"precision is one of None, float32, bfloat16, float16, auto, not {asked!r}"):
        make(precision=asked)


def test_a_model_that_cannot_take_the_step_trains_as_it_is(monkeypatch):
    """Played: a library without a kernel for 16 bits. The training is the same bits as if nobody had asked."""
    plain, real = make(), nn.Linear.forward

    def linear(self, inputs):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive")
        return real(self, inputs)

    monkeypatch.setattr(nn.Linear, "forward", linear)
    with pytest.warns(Fallback, match="a step in bfloat16 fails here with RuntimeError"):
        trainer = make(precision="bfloat16")
    assert trainer.notes == [trainer.precision.note] and trainer.settings["precision"] is None
    for one in (plain, trainer):
        torch.manual_seed(5)
        one.fit(2)
    assert same(weights(plain), weights(trainer)) and losses(plain) == losses(trainer)


# What is computed

def copies():
    """Each layer from scratch with weights of some size, and its concise twin with the same."""
    from unrolled.layers.parameters import load_weights, named_weights

    for scratch, concise in ((LSTMScratch, LSTM), (GRUScratch, GRU), (RNNScratch, RNN)):
        layer = scratch(5, 16, sigma=0.3)
        yield layer, load_weights(concise(5, 16), named_weights(layer))


def computed(layer, inputs, precision):
    """Outputs, states and gradients, by name."""
    layer.zero_grad()
    inputs = inputs.clone().requires_grad_()
    with precision.autocast():
        outputs, state = layer(inputs)                              # (steps, batch, hidden)
    loss = outputs.square().sum() + sum(value.sum() for value in state)
    loss.backward()
    gradients = {f"gradient {name}": p.grad.clone() for name, p in layer.named_parameters()}
    return {"outputs": outputs.detach(), **{name: s.detach() for name, s in zip(layer.state_names, state)},
            "gradient inputs": inputs.grad, **gradients}


@pytest.mark.parametrize("used, bits", [("bfloat16", 8), ("float16", 11)])
def test_values_and_gradients_within_the_rounding_of_16_bits(used, bits):
    """A product rounds both factors and its result, each by half a unit in the last place; both passes have products.

    torch.nn's layers have no kernel for float16 on most processors.
    """
    torch.manual_seed(0)
    inputs = torch.randn(12, 4, 5)                                  # (steps, batch, inputs)
    for layer in (one for scratch, concise in copies() for one in ([scratch, concise] if used == "bfloat16" else [scratch])):
        exact, mixed = (computed(layer, inputs, Precision(name, CPU)) for name in ("float32", used))
        assert all(value.dtype == torch.float32 for value in mixed.values())
        gaps = {name: ((mixed[name] - exact[name]).norm() / exact[name].norm()).item() for name in exact}
        assert 0 < max(gaps.values()), "something was rounded"
        for name, gap in gaps.items():
            assert gap < (8 if name.startswith("gradient") else 4) * 2.0 ** -bits, (type(layer).__name__, name, gap)


@pytest.mark.parametrize("cls", [LSTMScratch, GRUScratch, RNNScratch])
def test_states_from_scratch_keep_all_their_bits(cls):
    torch.manual_seed(0)
    layer = cls(5, 16, sigma=0.3)
    with Precision("bfloat16", CPU).autocast():
        _, state = layer(torch.randn(12, 4, 5))
        assert (torch.randn(3, 3) @ torch.randn(3, 3)).dtype == torch.bfloat16      # else nothing is shown here
    for value in state:
        assert value.dtype == torch.float32 and (value != value.bfloat16()).double().mean() > 0.9


@pytest.mark.parametrize("cls", [LSTMScratch, LSTM, GRUScratch, GRU, RNNScratch, RNN])
def test_layers_stand_on_each_other_and_hand_their_state_on(cls):
    torch.manual_seed(0)
    stack, inputs = Stacked([cls(N, 8), cls(8, 8)]), torch.randint(N, (6, 3))       # (steps, batch)
    with Precision("bfloat16", CPU).autocast():
        whole, _ = stack(inputs)
        first, state = stack(inputs[:4])
        second, _ = stack(inputs[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=2e-2)


# What is trained

@pytest.mark.parametrize("used, clip", [("bfloat16", 0.05), ("float16", 0.05), ("float16", None)])
def test_one_epoch_is_the_textbook_loop_in_16_bits(used, clip):
    """The same steps by hand. In float16 the loss is scaled; clipping and the norm are of the true gradient."""
    trainer = make(dropout=0.0, lr=0.5, clip=clip, precision=used)
    torch.manual_seed(0)
    model = LanguageModel(LSTMScratch(N, 8), N)
    scale, norms = 2.0 ** 16 if used == "float16" else 1.0, []
    for index in torch.randperm(len(TRAIN), generator=torch.Generator().manual_seed(0)).split(16):
        inputs, targets = TRAIN[index]
        model.zero_grad()
        with torch.autocast("cpu", getattr(torch, used)):
            logits, _ = model(inputs)
        (scale * nn.functional.cross_entropy(logits.float().permute(1, 2, 0), targets.T)).backward()
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item() / scale)
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.5 * p.grad / scale * min(1.0, (clip or math.inf) / norms[-1])
    history = trainer.fit(1)
    torch.testing.assert_close(trainer.model.state_dict(), model.state_dict(), rtol=1e-3, atol=1e-4)
    assert history.final.gradient_norm == pytest.approx(sorted(norms)[1] / 2 + sorted(norms)[2] / 2, rel=1e-3)
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters()) and trainer.notes == []
    assert history.final.validation_loss == evaluate(trainer.model, VALIDATION)     # in float32, as whatever comes later


def test_float32_by_name_and_by_default_are_the_same_bits():
    a, b, c = make(), make(precision="float32"), make(precision="bfloat16")
    for trainer in (a, b, c):
        torch.manual_seed(5)
        trainer.fit(2)
    assert same(weights(a), weights(b)) and losses(a) == losses(b) and not same(weights(a), weights(c))
    assert losses(c)[-1] == pytest.approx(losses(a)[-1], rel=2e-2)


def at(trainer, scale):
    """Let the scaler begin at this scale."""
    trainer.scale = trainer.precision.scaler().state_dict() | {"scale": scale}
    return trainer


def test_steps_that_the_scaler_skips_spoil_nothing():
    trainer, steps = at(make(dropout=0.0, precision="float16", optimizer="adamw", lr=0.02, schedule="one-cycle"), 2.0 ** 30), []
    trainer.optimizer.register_step_pre_hook(lambda *_: steps.append(None))
    history = trainer.fit(8)
    skipped = 8 * trainer.steps_per_epoch - len(steps)
    assert skipped > 0 and trainer.scale["scale"] == 2.0 ** (30 - skipped)
    assert trainer.scheduler.last_epoch == len(steps)                   # the schedule counts steps that were taken
    assert history.final.train_loss < history.rows[0].train_loss and 0 < history.final.gradient_norm < math.inf


def test_an_epoch_without_a_step():
    trainer = at(make(dropout=0.0, precision="float16"), 2.0 ** 100)
    before = weights(trainer)
    row = trainer.fit(1).final
    assert same(weights(trainer), before) and row.gradient_norm == math.inf and row.validation_loss == evaluate(trainer.model, VALIDATION)


def test_a_gradient_that_no_scale_mends_is_said():
    trainer = make(precision="float16")
    trainer.model.head.bias.register_hook(lambda g: g * math.nan)
    before = weights(trainer)
    with pytest.raises(NotFinite, match="gradient is not finite at epoch 5, step 1 of 4: that of head.bias. ") as caught:
        trainer.fit(9)                                                  # from 2 ** 16 down to 1 in four epochs of four steps
    assert caught.value.in_time and same(weights(trainer), before) and len(trainer.history) == 4
    trainer.model.head.bias._backward_hooks.clear()
    trainer.fit(1)
    assert len(trainer.history) == 5 and not same(weights(trainer), before)


def test_a_loss_that_overflows_is_not_the_scalers_affair():
    trainer = make(precision="float16")
    trainer.model.register_forward_hook(lambda module, inputs, output: (output[0] * math.inf, output[1]))
    with pytest.raises(NotFinite, match="the loss is not finite at epoch 1, step 1 of 4: the logits are not finite"):
        trainer.fit(1)


def test_an_interrupt_between_unscaling_and_the_step():
    straight, trainer = (make(precision="float16") for _ in range(2))
    torch.manual_seed(5)
    straight.fit(3)
    torch.manual_seed(5)
    trainer.fit(1)

    def press(*_):
        raise KeyboardInterrupt

    key = trainer.optimizer.register_step_pre_hook(press)
    assert len(trainer.fit(1)) == 1
    key.remove()
    trainer.fit(2)
    assert same(weights(trainer), weights(straight)) and trainer.scale == straight.scale


# What is kept

@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_resumed_training_is_bit_exact(precision, tmp_path):
    straight = make(precision=precision)
    torch.manual_seed(5)
    straight.fit(4)
    first = make(precision=precision)
    torch.manual_seed(5)
    at(first, 2.0 ** 16).fit(2, checkpoint=tmp_path / "c") if precision == "float16" else first.fit(2, checkpoint=tmp_path / "c")
    second = make(seed=1, precision=precision).resume(tmp_path / "c")
    assert second.scale == first.scale and bool(second.scale) == (precision == "float16")
    second.fit(2)
    assert same(weights(second), weights(straight)) and losses(second) == losses(straight) and second.scale == straight.scale


def test_the_scale_is_in_the_checkpoint(tmp_path):
    trainer = at(make(dropout=0.0, precision="float16"), 2.0 ** 30)
    trainer.fit(2, checkpoint=tmp_path / "c")
    other = make(dropout=0.0, precision="float16").resume(tmp_path / "c")
    assert other.scale["scale"] == trainer.scale["scale"] < 2.0 ** 30


def test_a_checkpoint_from_before_there_was_a_choice(tmp_path):
    trainer = make()
    trainer.fit(1, checkpoint=tmp_path / "c")
    state = torch.load(tmp_path / "c", weights_only=True)
    del state["scale"], state["settings"]["precision"]
    for row in state["history"]["rows"]:
        del row["peak_memory"]
    torch.save(state, tmp_path / "c")
    torch.manual_seed(5)
    trainer.fit(1)
    old = make(seed=1).resume(tmp_path / "c")
    torch.manual_seed(5)
    old.fit(1)
    assert same(weights(old), weights(trainer)) and losses(old) == losses(trainer)
    with pytest.raises(ValueError, match=r"c was written by a trainer with precision None \(here 'bfloat16'\)$"):
        make(precision="bfloat16").resume(tmp_path / "c")


# torch.compile

def test_compiled_training_is_the_same_training(monkeypatch):
    """Traced by torch.compile and taken apart into forward and backward, by the way that needs no compiler."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plain, traced = make(dropout=0.0), make(dropout=0.0, compile=True)
    plain.fit(2)
    traced.fit(2)
    torch.testing.assert_close(traced.model.state_dict(), plain.model.state_dict(), rtol=1e-4, atol=1e-5)
    assert traced.forward is not traced.model and plain.forward is plain.model
    assert len(traced.notes) == 1 and traced.notes[0].startswith("torch.compile took ")
    traced.fit(1)
    assert len(traced.notes) == 1                                       # it is compiled once


def test_the_rehearsal_leaves_no_trace(monkeypatch):
    """Every size of batch is met before the first step; weights, gradients and dropout's draws stay."""
    seen = []

    def spied(model):
        def forward(inputs):
            seen.append((inputs.shape[1], model.training))
            return model(inputs)
        return forward

    monkeypatch.setattr(torch, "compile", spied)
    plain, rehearsed = make(), make(compile=True)
    for trainer in (plain, rehearsed):
        torch.manual_seed(5)
        trainer.fit(2)
    assert seen[:2] == [(16, True), (6, True)] and len(seen) == 2 + 2 * 4
    assert same(weights(plain), weights(rehearsed)) and losses(plain) == losses(rehearsed)


def fails_at_once(model):
    raise RuntimeError("torch.compile is not supported on this Python")


def fails_when_called(model):
    def forward(inputs):
        raise OSError("no g++ was found\nand a long story")
    return forward


def fails_in_the_backward_pass(model):
    def forward(inputs):
        logits, state = model(inputs)
        logits.register_hook(lambda gradient: 1 / 0)
        return logits, state
    return forward


@pytest.mark.parametrize("compiler, reason", [
    (fails_at_once, "RuntimeError (torch.compile is not supported on this Python)"), (fails_when_called, "OSError (no g++ was found)"),
    (fails_in_the_backward_pass, "ZeroDivisionError (division by zero)")])
def test_without_a_compiler_the_training_goes_on_as_it_is(monkeypatch, compiler, reason):
    monkeypatch.setattr(torch, "compile", compiler)
    plain, trainer = make(), make(compile=True)
    torch.manual_seed(5)
    plain.fit(2)
    torch.manual_seed(5)
    with pytest.warns(Fallback) as caught:
        trainer.fit(2)
    assert trainer.notes == [f"torch.compile was asked for, the model runs as it is: {reason}."] == [str(one.message) for one in caught]
    assert same(weights(trainer), weights(plain)) and losses(trainer) == losses(plain)
