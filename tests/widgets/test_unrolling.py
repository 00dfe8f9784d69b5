"""What the widget counts, against autograd; its traits, its words, its picture."""
import weakref
from collections import Counter

import pytest
import torch
import traitlets
from torch.autograd.graph import saved_tensors_hooks

from unrolled import layers
from unrolled.equations import lstm_step
from unrolled.layers.stacked import detach_state
from unrolled.models import LanguageModel
from unrolled.probe import STEP
from unrolled.text import Windows
from unrolled.training import Trainer
from unrolled.widgets import Unrolling
from unrolled.widgets.unrolling import LIMITS, Moment, Plan, in_bytes, span

SHAPES = [(1, 1), (1, 5), (5, 1), (12, 4), (11, 4), (7, 7), (6, 9), (10, 3)]
SCRATCH = {"lstm": layers.LSTMScratch, "gru": layers.GRUScratch, "rnn": layers.RNNScratch}
N, D, H = 3, 2, 5                                              # all different: a shape tells what a tensor is


# ---- counts against plain enumeration ----

@pytest.mark.parametrize("steps, truncation", SHAPES)
def test_pairs_and_reach_are_those_counted_one_by_one(steps, truncation):
    plan = Plan(steps, truncation)
    window = [(t - 1) // truncation for t in range(1, steps + 1)]
    pairs = [(s, t) for t in range(1, steps + 1) for s in range(1, t + 1)]
    joined = [(s, t) for s, t in pairs if window[s - 1] == window[t - 1]]
    back = [t - min(s for s, effect in joined if effect == t) for t in range(1, steps + 1)]
    assert (plan.all_pairs, plan.connected_pairs, plan.backward_passes) == (len(pairs), len(joined), len(set(window)))
    assert (plan.reach_max, min(back)) == (max(back), 0)
    assert plan.reach_mean == pytest.approx(sum(back) / steps)
    assert [t - plan.first(t) for t in range(1, steps + 1)] == back


def story(steps: int, truncation: int) -> list[Moment]:
    """All moments, told one by one."""
    told = [Moment("begin", 1, 0, range(0))]
    for window, first in enumerate(range(1, steps + 1, truncation), start=1):
        last = min(first + truncation - 1, steps)
        told += [Moment("forward", window, t, range(first, t + 1)) for t in range(first, last + 1)]
        told += [Moment("backward", window, t, range(first, t)) for t in range(last, first - 1, -1)]
        told.append(Moment("end" if last == steps else "cut", window, last, range(0)))
    return told


@pytest.mark.parametrize("steps, truncation", SHAPES)
def test_every_moment(steps, truncation):
    plan = Plan(steps, truncation)
    assert [plan.at(moment) for moment in range(plan.last_moment + 1)] == story(steps, truncation)
    assert max(plan.kept(len(plan.at(moment).kept)) for moment in range(plan.last_moment + 1)) == plan.kept_values


# ---- where autograd's gradients end ----

@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("steps, truncation", SHAPES)
@pytest.mark.parametrize("kind", SCRATCH)
def test_gradients_end_where_the_widget_says(kind, steps, truncation, carried):
    """The pattern of d loss_t / d input_s, zero or not, is the widget's; and a state that is carried knows of every input."""
    torch.manual_seed(0)
    layer, plan = SCRATCH[kind](D, H, sigma=0.5).double(), Plan(steps, truncation)
    inputs = torch.randn(steps, N, D, dtype=torch.float64, requires_grad=True)

    def run(inputs):
        outputs, state = [], None
        for window in inputs.split(truncation):
            output, state = layer(window, detach_state(state) if carried else None)
            outputs += output
        return outputs

    outputs = run(inputs)
    joined = 0
    for t, output in enumerate(outputs, start=1):
        gradient, = torch.autograd.grad(output.sum(), inputs, retain_graph=True)
        reached = [s for s in range(1, steps + 1) if gradient[s - 1].abs().max() > 0]
        assert reached == list(range(plan.first(t), t + 1))
        joined += len(reached)
    assert joined == plan.connected_pairs
    changed = inputs.detach().clone()
    changed[0] += 1.0
    knows = [t for t, (one, other) in enumerate(zip(run(changed), outputs), start=1) if not torch.equal(one, other)]
    assert knows == list(range(1, (steps if carried else min(truncation, steps)) + 1))


@pytest.mark.parametrize("carried", [True, False])
def test_gradients_of_the_states_end_there_too(carried):
    """d loss_t / d state_s for both states of the LSTM; the state at a cut is a number without history."""
    torch.manual_seed(0)
    layer, plan = layers.LSTMScratch(D, H, sigma=0.5).double(), Plan(12, 4)
    weights, states = dict(layer.named_parameters()), {}
    state = zeros = (torch.zeros(N, H, dtype=torch.float64),) * 2
    for t in range(1, 13):
        if plan.first(t) == t:
            state = detach_state(state) if carried else zeros
        step = lstm_step(torch.randn(N, D, dtype=torch.float64), *state, weights)
        state = states[t] = (step.H, step.C)
    for t in range(1, 13):
        for which in (0, 1):
            gradients = torch.autograd.grad(states[t][0].sum(), [states[s][which] for s in states], retain_graph=True, allow_unused=True)
            assert [s for s, g in zip(states, gradients) if g is not None and g.abs().max() > 0] == list(range(plan.first(t), t + 1))


# ---- what autograd keeps ----

def autograd_keeps(kind: str, kept: int) -> int:
    """Tensors of (batch, hidden), by what ``Plan.kept`` says of autograd and the layers from scratch."""
    if kind == "rnn":
        return kept + (kept > 0)
    return kept * {"lstm": 6 + 1, "gru": 5 + 1}[kind]


@pytest.mark.parametrize("kind", SCRATCH)
def test_the_layers_keep_what_is_counted(kind):
    layer, saved = SCRATCH[kind](D, H), set()

    def pack(tensor):
        if tensor.shape == (N, H):
            saved.add(tensor.data_ptr())
        return tensor

    state = tuple(torch.zeros(N, H) for _ in layer.state_names)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs, _ = layer(torch.randn(7, N, D), state)            # (7, N, H), kept alive with its graph
    assert len(saved) == autograd_keeps(kind, 7)
    each = {"lstm": 6, "gru": 5, "rnn": 1}[kind]
    assert Plan(7, 7, N, H, kind).kept_values == 7 * each * N * H


@pytest.mark.parametrize("steps, truncation", [(12, 4), (7, 3), (5, 9)])
@pytest.mark.parametrize("kind", SCRATCH)
def test_memory_rises_and_falls_as_drawn(kind, steps, truncation):
    """What autograd keeps, counted at every moment of a training."""
    layer, plan, alive, measured = SCRATCH[kind](D, H), Plan(steps, truncation, N, H, kind), Counter(), [0]
    weights = dict(layer.named_parameters())

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            if tensor.shape == (N, H):
                place = tensor.data_ptr()
                alive[place] += 1
                weakref.finalize(self, alive.subtract, [place])

    def look(_=None):
        measured.append(sum(count > 0 for count in alive.values()))

    state = tuple(torch.zeros(N, H) for _ in layer.state_names)
    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        for X in torch.randn(steps, N, D).split(truncation):
            outputs, state = [], detach_state(state)
            for x in X:
                step = STEP[kind](x, *state, weights)
                state = tuple(getattr(step, name) for name in layer.state_names)
                outputs.append(step.H)
                look()
            for H_t in outputs[:-1]:                               # its gradient is whole: the step after it is done
                H_t.register_hook(look)
            torch.stack(outputs).sum().backward()
            look()                                                 # the first step is done too
            look()                                                 # and the cut
    told = [autograd_keeps(kind, len(plan.at(moment).kept)) for moment in range(plan.last_moment + 1)]
    assert measured == told
    assert max(told) == autograd_keeps(kind, min(steps, truncation))


# ---- traits ----

def test_the_numbers_follow_what_is_set():
    widget = Unrolling(12, 8, 4, 16, moment=15, loss_step=7)
    assert (widget.kept_values, widget.kept_values_whole, widget.kept_now) == (4 * 6 * 8 * 16, 12 * 6 * 8 * 16, 2 * 6 * 8 * 16)
    assert (widget.memory_bytes, widget.memory_bytes_whole) == (4 * widget.kept_values, 4 * widget.kept_values_whole)
    assert (widget.backward_passes, widget.reach, widget.reach_min, widget.reach_mean, widget.reach_max) == (3, 2, 0, 1.5, 3)
    assert (widget.connected_pairs, widget.all_pairs, widget.connected_share) == (30, 78, 30 / 78)
    widget.set_state({"truncation": 6, "kind": "gru"})                # as the page does
    assert (widget.kept_values, widget.backward_passes, widget.reach_max, widget.connected_pairs) == (6 * 5 * 8 * 16, 2, 5, 42)


def test_what_is_set_is_synchronised_and_what_is_counted_is_read_only():
    widget = Unrolling()
    state = {"steps": 12, "batch": 32, "truncation": 4, "hidden": 32, "kind": "lstm", "carried": True, "moment": 0, "loss_step": 12}
    assert state.items() <= widget.get_state().items()
    assert "kept_values" not in widget.get_state()                     # it would grow stale where no kernel runs
    with pytest.raises(traitlets.TraitError, match="kept_values"):
        widget.kept_values = 3


def test_a_shorter_text_ends_sooner():
    widget = Unrolling(moment=27)
    widget.steps = 5
    assert (widget.moment, widget.loss_step) == (12, 5)
    widget.truncation = 5
    assert (widget.moment, widget.loss_step) == (11, 5)
    widget.set_state({"steps": 3, "moment": 7, "loss_step": 2})
    assert (widget.moment, widget.loss_step, widget.backward_passes) == (7, 2, 1)


@pytest.mark.parametrize("name, values, said", [
    *((name, (0, -1, limit + 1), f"{name} is a whole number from 1 to {limit:,}, got ") for name, limit in LIMITS.items()),
    ("moment", (-1, 28), "moment is a whole number from 0 to 27, got "),
    ("loss_step", (0, 13), "loss_step is a whole number from 1 to 12, got "),
    ("kind", ("", "LSTM", "transformer"), "the kind is one of lstm, gru, rnn, got "),
])
def test_values_outside_are_refused_and_the_old_stay(name, values, said):
    widget = Unrolling()
    before = getattr(widget, name)
    for value in values:
        for attempt in (lambda: Unrolling(**{name: value}), lambda: setattr(widget, name, value), lambda: widget.set_state({name: value})):
            with pytest.raises(ValueError, match=said + repr(value)):
                attempt()
        assert getattr(widget, name) == before


@pytest.mark.parametrize("name, value", [("steps", 1.5), ("batch", "many"), ("hidden", None), ("carried", "no"), ("kind", 3), ("moment", float("nan"))])
def test_values_of_another_type(name, value):
    with pytest.raises(traitlets.TraitError, match=name):
        Unrolling(**{name: value})
    widget = Unrolling()
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(widget, name, value)


def test_true_is_no_number():
    with pytest.raises(ValueError, match="batch is a whole number from 1 to 4,096, got True"):
        Unrolling(batch=True)
    with pytest.raises(ValueError, match="steps is a whole number from 1 to 10,000,000, got 'twelve'"):
        Plan(steps="twelve")


# ---- a reader's own trainer ----

def trainer_of(layer, windows=20, num_steps=8, batch_size=6):
    ids = torch.arange(windows + num_steps) % 5                        # (tokens,)
    return Trainer(LanguageModel(layer, 5), Windows(ids, num_steps), lr=1.0, batch_size=batch_size, device="cpu")


@pytest.mark.parametrize("layer, kind", [(layers.LSTMScratch(5, 7), "lstm"), (layers.GRU(5, 7), "gru"), (layers.RNNScratch(5, 7), "rnn")])
def test_an_epoch_of_a_trainer(layer, kind):
    trainer = trainer_of(layer)
    widget = Unrolling.of(trainer)
    assert (widget.steps, widget.truncation, widget.batch, widget.hidden, widget.kind) == (4 * 8, 8, 6, 7, kind)
    assert widget.backward_passes == trainer.steps_per_epoch == 4
    assert (widget.carried, widget.moment, widget.kept_now) == (False, 8, widget.kept_values)
    assert Unrolling.of(trainer, loss_step=9).reach == 0
    assert Unrolling.of(trainer_of(layer, windows=3)).batch == 3       # no batch is larger than all windows


def test_a_trainer_that_cannot_be_drawn():
    with pytest.raises(TypeError, match="expected a Trainer, got int"):
        Unrolling.of(12)
    with pytest.raises(TypeError, match=r"call Unrolling.of\(trainer\)"):
        Unrolling(trainer_of(layers.RNN(5, 7)))
    with pytest.raises(ValueError, match="one recurrent layer is drawn, this model has 2"):
        Unrolling.of(trainer_of(layers.Stacked([layers.LSTM(5, 7), layers.LSTM(7, 7)])))
    strange = layers.LSTM(5, 7)
    strange.kind = None
    with pytest.raises(traitlets.TraitError, match="kind"):
        Unrolling.of(trainer_of(strange))


# ---- words and picture ----

def test_every_phase_in_words():
    widget = Unrolling(12, 1, 4, 1)
    said = []
    for moment in (0, 3, 4, 8, 9, 15, 27):
        widget.moment = moment
        said.append(widget.moment_in_words())
    assert said == [
        "Nothing is read yet, and nothing is kept.",
        "Forward, step 3, window 1. Kept for the backward pass: steps 1 to 3, 18 values, 72\u00a0B.",
        "Forward, step 4, window 1. Kept for the backward pass: steps 1 to 4, 24 values, 96\u00a0B.",
        "Backward, step 1, window 1: its values are used and freed. Still kept: nothing.",
        "Cut after step 4: the weights are updated, and the state goes on without its history.",
        "Backward, step 7, window 2: its values are used and freed. Still kept: steps 5 and 6, 12 values, 48\u00a0B.",
        "The whole text is read, in 3 backward passes. Nothing is kept.",
    ]
    widget.moment, widget.carried = 9, False
    assert widget.moment_in_words() == "Cut after step 4: the weights are updated, and the next window begins with zeros."
    assert Unrolling(3, truncation=3, moment=7).moment_in_words() == "The whole text is read, in 1 backward pass. Nothing is kept."


def test_the_reach_in_words():
    said = [Unrolling(loss_step=step, carried=carried).reach_in_words() for step, carried in ((4, True), (5, True), (7, False))]
    said.append(Unrolling(truncation=1, loss_step=2).reach_in_words())
    assert said == [
        "The gradient of the loss at step 4 goes 3 steps back, and ends at step 1. Nothing that was read is out of its reach.",
        "The gradient of the loss at step 5 does not go back at all, and ends at step 5. No gradient joins the pairs (cause, effect) "
        "(1,\u00a05) to (4,\u00a05). The state may carry what was read there, but this loss cannot teach it to.",
        "The gradient of the loss at step 7 goes 2 steps back, and ends at step 5. No gradient joins the pairs (cause, effect) "
        "(1,\u00a07) to (4,\u00a07). The state began with zeros and knows nothing of what was read there.",
        "The gradient of the loss at step 2 does not go back at all, and ends at step 2. No gradient joins the pairs (cause, effect) "
        "(1,\u00a02). The state may carry what was read there, but this loss cannot teach it to.",
    ]


def test_the_description_says_it_all():
    text = Unrolling(170_000, 1, 32, 256, moment=1, loss_step=33).describe()
    for part in ("170\u202f000 steps, cut after every 32, read by an LSTM of 256 hidden units in a batch of 1",
                 "at most 197\u00a0kB of values kept, 1.04\u00a0GB without a cut", "backward passes 5\u202f313",
                 "Forward, step 1, window 1.", "the loss at step 33 does not go back at all"):
        assert part in text
    assert "3 steps, not cut, read by a GRU" in Unrolling(3, kind="gru").describe()


@pytest.mark.parametrize("settings", [{"moment": 15}, {"steps": 40}, {"steps": 100_000}, {"steps": 1}])
def test_the_picture(settings):
    widget = Unrolling(**settings)
    picture = widget.picture()
    assert picture.alt == widget.describe()
    assert ("filled: kept for the backward pass" in picture.svg) == (widget.steps <= 24)
    assert f"joined: {100 * widget.connected_share:.3g} %" in picture.svg


def test_sizes_in_words():
    assert [in_bytes(value) for value in (0, 999, 999.6, 12_250, 999_499, 1e6, 4e15)] == [
        f"{text}\u00a0{unit}" for text, unit in (("0", "B"), ("999", "B"), ("1", "kB"), ("12.3", "kB"), ("999", "kB"), ("1", "MB"), ("4", "PB"))]
    assert [span(5, last) for last in (5, 6, 7)] == ["step 5", "steps 5 and 6", "steps 5 to 7"]
