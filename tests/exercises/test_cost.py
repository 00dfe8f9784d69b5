"""Exercise 3: counts against real layers, and a stopwatch examined from all sides."""
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import pytest

from unrolled.exercises import check, get
from unrolled.exercises import cost as room
from unrolled.exercises.clock import Clock
from unrolled.exercises.cost import (ACCIDENT, BACKWARD_ONLY, CHANGED, COLD, FORWARD_ONLY, KEPT_GRAPH, MEAN, NO_GRADIENT, SLOWEST, TOTAL, UNITS, Probe,
                                     alike, judge, standing)
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.specification import defined
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch

SCRATCH = {"rnn": RNNScratch, "gru": GRUScratch, "lstm": LSTMScratch}


def solved(name):
    exercise = get(name)
    return defined(exercise.solution, exercise.answers)[0]


def from_code(body, before=""):
    return defined(f"import statistics, time, torch\n{before}\ndef measure(layer, inputs, training):\n{body}", ("measure",))[0]


@pytest.mark.parametrize("kind", SCRATCH)
def test_the_solutions_count_what_real_layers_have(kind):
    d, h, T, n = 5, 7, 4, 3
    layer = SCRATCH[kind](d, h)
    assert solved("parameters")(kind, d, h) == sum(p.numel() for p in layer.parameters())
    with FlopCounterMode(display=False) as forward:
        outputs, state = layer(torch.randn(T, n, d))
    with FlopCounterMode(display=False) as backward:
        outputs.sum().backward()
    inference, training = solved("multiply_adds")(kind, d, h, T, n)
    assert 2 * inference == forward.get_total_flops() and 2 * training == forward.get_total_flops() + backward.get_total_flops()
    assert solved("kept")(kind, h, T, n)[0] == sum(s.numel() for s in state)


@pytest.mark.parametrize("name", ["parameters", "multiply_adds", "kept"])
def test_cases_tell_d_from_h_and_steps_from_examples(name):
    cases = list(get(name).cases(torch.Generator().manual_seed(0)))
    assert {case[0] for case in cases} == set(SCRATCH)
    assert all(len(set(case[1:3])) == 2 for case in cases if 1 not in case)
    assert any(1 in case[1:] for case in cases)


def test_a_mistake_in_one_kind_is_recognised():
    right = solved("parameters")
    feedback = check("parameters", lambda kind, d, h: right(kind, d, h) - (3 * h if kind == "gru" else 0))
    assert not feedback.passed and feedback.message.startswith('`parameters("gru", 1,')
    feedback = check("parameters", lambda kind, d, h: right(kind, d, h) if kind != "lstm" else 4 * (d * h + h * h))
    assert "The biases are missing" in feedback.message


# ---- the stopwatch

def test_a_probe_remembers_what_was_done_to_it():
    clock = Clock()
    probe = Probe(LSTM(3, 4), clock)
    inputs, start = torch.randn(5, 2, 3), clock.now
    outputs, (H, C) = probe(inputs)
    assert outputs.shape == (5, 2, 4) and H.shape == C.shape == (2, 4) and (probe.num_inputs, probe.num_hiddens) == (3, 4)
    H.sum().backward()                                                 # the state leads back, too
    with torch.no_grad():
        probe(inputs, (H, C))
    assert probe.backwards == 1 and probe.tracked == [True, False]
    assert probe.seconds == [room.FORWARD + room.FIRST + room.BACKWARD, room.FORWARD]
    assert clock.now - start == pytest.approx(sum(probe.seconds))
    assert all(p.grad is not None for p in probe.parameters())


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_probe_computes_what_its_layer_computes(kind):
    layer, inputs = kind(3, 4), torch.randn(5, 2, 3)
    probe = Probe(layer, Clock())
    gradients = []
    for one in (layer, probe):
        outputs, state = one(inputs)
        gradients.append([outputs, *state, *torch.autograd.grad(outputs.square().sum(), list(layer.parameters()))])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_what_stands_and_what_has_changed():
    layer = nn.Linear(2, 2)
    before = standing(layer)
    assert alike(before, standing(layer))
    layer.eval()
    assert not alike(before, standing(layer))
    layer.train()
    layer.bias.requires_grad_(False)
    assert not alike(before, standing(layer))
    layer.bias.requires_grad_()
    with torch.no_grad():
        layer.weight += 1e-6
    assert not alike(before, standing(layer))


def test_praise_tells_of_this_machine_and_nothing_depends_on_it(monkeypatch):
    feedback = check("measured", solved("measured"))
    assert feedback.passed and "On this machine just now" in feedback.message and "LSTM : RNN" in feedback.message
    monkeypatch.setattr(room, "on_this_machine", lambda function: {("rnn", True): 0.0})
    feedback = check("measured", solved("measured"))
    assert feedback.passed and "On this machine" not in feedback.message


RIGHT = {
    "a helper and its own loss": ("    works(layer, inputs, training)\n    return statistics.median(works(layer, inputs, training) for _ in range(9))",
                                  "def works(layer, inputs, training):\n    start = time.time()\n    with torch.inference_mode(not training):\n"
                                  "        outputs, state = layer(inputs)\n    if training:\n        (outputs ** 2).mean().backward()\n"
                                  "    return time.time() - start\n"),
    "frozen for inference, and set back": ("    layer.requires_grad_(training)\n    times = []\n    for k in range(9):\n        a = time.perf_counter()\n"
                                           "        out, _ = layer(inputs)\n        if training:\n            out.sum().backward()\n"
                                           "        times.append(time.perf_counter() - a)\n    layer.requires_grad_(True)\n    return sorted(times)[4]", ""),
    "as long as there is time": ("    times, end = [], time.monotonic() + 0.3\n    while time.monotonic() < end:\n        a = time.monotonic()\n"
                                 "        with torch.set_grad_enabled(training):\n            out, _ = layer(inputs)\n        if training:\n"
                                 "            out.sum().backward()\n        times.append(time.monotonic() - a)\n    return torch.tensor(times).median()", ""),
    "no warm-up, but a median of many": ("    times = []\n    for k in range(7):\n        a = time.perf_counter()\n        with torch.set_grad_enabled(training):\n"
                                         "            out, _ = layer(inputs)\n        if training:\n            out.sum().backward()\n"
                                         "        times.append(time.perf_counter() - a)\n    return statistics.median(times)", ""),
}


@pytest.mark.parametrize("body, before", RIGHT.values(), ids=RIGHT)
def test_other_right_ways(body, before):
    feedback = check("measured", from_code(body, before))
    assert feedback.passed, feedback.message


def test_a_stopwatch_that_cannot_be_moved_is_judged_by_what_it_does():
    class Watch:
        def __call__(self, layer, inputs, training):
            return self.work(layer, inputs, training)

        def work(self, layer, inputs, training, times=6):
            for _ in range(times):
                with torch.set_grad_enabled(training):
                    outputs, _ = layer(inputs)
                if training:
                    outputs.sum().backward()
            return 1e-3

    assert check("measured", Watch()).passed

    class Hasty(Watch):
        def __call__(self, layer, inputs, training):
            return self.work(layer, inputs, training, times=2)

    feedback = check("measured", Hasty())
    assert not feedback.passed and "The layer ran 2 times." in feedback.message and ACCIDENT in feedback.message


@pytest.mark.parametrize("function, said", [
    (3, "`measure` should be a function, and is an int."),
    (lambda layer, inputs, training: 0.1, "never calls the layer"),
    (lambda layer, inputs, training: None, "What `measure` returns for training should be a number, and is None"),
    (lambda layer, inputs, training: ..., "still open"),
    (..., "still open"),
    (lambda layer, inputs, training: float(layer(inputs + 1)[0].sum().detach()), "something else than the inputs it was given"),
    (lambda layer, inputs, training: float(layer(inputs)[0].sum().detach()), NO_GRADIENT),
    (lambda layer, inputs, training: float(layer.eval()(inputs)[0].sum().detach()), CHANGED),
    (from_code("    for _ in range(5):\n        layer(inputs)[0].sum().backward()\n    return 1.0"), "there is a backward pass, too"),
    (lambda layer: 1.0, "Your code stopped with TypeError"),
])
def test_what_is_no_stopwatch(function, said):
    feedback = check("measured", function)
    assert not feedback.passed and said in feedback.message, feedback.message


def test_inference_that_only_keeps_too_much():
    body = "    for k in range(5):\n        out, _ = layer(inputs)\n        if training:\n            out.sum().backward()\n    return 1.0"
    feedback = check("measured", from_code(body))                      # it never looks at the clock, so its 1.0 is not judged
    assert not feedback.passed and feedback.message == KEPT_GRAPH


SECONDS = [0.036, 0.006, 0.006, 0.206, 0.006, 0.006]                   # of training steps: the first, and one disturbed


@pytest.mark.parametrize("got, told", [(0.002, FORWARD_ONLY), (0.004, BACKWARD_ONLY), (6.0, UNITS), (6e3, UNITS), (6e6, UNITS), (0.206, SLOWEST), (0.036, COLD),
                                       (0.266 / 6, COLD), (0.230 / 5, MEAN), (0.224 / 4, MEAN), (0.266, TOTAL), (0.230, TOTAL)])
def test_a_wrong_number_is_recognised(got, told):
    with pytest.raises(Wrong) as wrong:
        judge(got + 4e-6, SECONDS, True)
    assert str(wrong.value).endswith(told)


def test_a_number_that_fits_nothing_is_only_reported():
    with pytest.raises(Wrong) as wrong:
        judge(0.0009, [0.036, 0.006, 0.006, 0.206], True)
    assert str(wrong.value) == "On a clock that the check moves, one training step takes 6 ms, and `measure` says 0.9 ms."
    judge(0.0061, [0.036, 0.006, 0.006, 0.206], True)
    with pytest.raises(Wrong, match="one inference takes 2 ms"):
        judge(0.0004, [0.032, 0.002, 0.002, 0.202], False)


def test_the_learners_layer_and_random_state_stay():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    check("measured", solved("measured"))
    assert torch.equal(before, torch.random.get_rng_state())
