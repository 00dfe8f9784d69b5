"""What is asked of every framework alike: over there the values are those of here, and both those of the reference."""
import importlib
import importlib.util
import time

import numpy as np
import pytest
import reference
from contract import ADAMW, FRAMEWORKS, TRAIN, VALIDATION, close

from unrolled.frameworks import arrays, experiment, tasks
from unrolled.frameworks.checks import KINDS
from unrolled.frameworks.processes import NAMES
from unrolled.history import Row

WEIGHTS = arrays.draw(6, 5, seed=1, sigma=0.8)


@pytest.fixture(params=NAMES)
def places(request, process):
    """A framework's process, and where this Python has it the framework, as two ways to ask the same: ask(task, …)."""
    ways = [process(request.param).call]
    if importlib.util.find_spec(request.param):
        framework = importlib.import_module(f"unrolled.frameworks.{request.param}")
        ways.append(lambda task, *args: task(framework, *args))
    return ways


def same(values, tolerance, what):
    """What was answered at all places lies that close together."""
    for other in values[1:]:
        close(other, values[0], tolerance, what)


@pytest.mark.parametrize("kind", KINDS)
def test_values(places, kind):
    exact = {name: value.astype("float64") for name, value in WEIGHTS.items()}
    tokens = TRAIN[:3].T.copy()
    for ask in places:
        carried = ask(tasks.carry, WEIGHTS, kind)
        for name, value in WEIGHTS.items():
            np.testing.assert_array_equal(carried[name], value, strict=True)
        logits, state = ask(tasks.read, WEIGHTS, kind, tokens)
        expected, expected_state = reference.logits(exact, tokens)
        close(logits, expected, 1e-5, "logits")
        close(state, expected_state, 1e-5, "state")
        assert ask(tasks.write, WEIGHTS, kind, [0, 3], 9) == reference.generate(WEIGHTS, [0, 3], 9)
    same([ask(tasks.read, WEIGHTS, kind, tokens)[0] for ask in places], 1e-6, "logits")


@pytest.mark.parametrize("kind", KINDS)
def test_trainings(places, kind):
    expected, losses = reference.train(WEIGHTS, TRAIN, VALIDATION, ADAMW, seed=4)
    ended = []
    for ask in places:
        rows, weights = ask(tasks.train, WEIGHTS, kind, TRAIN, VALIDATION, ADAMW, 4)
        assert all(type(row) is Row and row.seconds > 0 for row in rows)
        close([(row.train_loss, row.validation_loss) for row in rows], losses, 1e-5, "losses")
        for name, value in weights.items():
            close(value, expected[name], 1e-4, name)
        ended.append(weights["head.weight"])
        rows, _ = ask(tasks.train, WEIGHTS, kind, TRAIN, None, ADAMW)
        assert [row.validation_loss for row in rows] == [None, None]
    same(ended, 1e-5, "weights")


def test_own_starts(places):
    for kind in KINDS:
        starts = [ask(tasks.own_start, 6, 5, kind, 3) for ask in places]
        assert arrays.sizes(starts[0]) == (6, 5, 6)
        same([np.concatenate([start[name].ravel() for name in arrays.NAMES]) for start in starts], 0, "first weights")


def test_the_wait_is_less_than_the_whole(places):
    for ask in places:
        began = time.perf_counter()
        assert 0 < ask(tasks.wait, WEIGHTS, "concise", TRAIN, ADAMW) < time.perf_counter() - began


def test_the_wait_is_counted_from_the_call_to_the_first_step(monkeypatch):
    """It stands for all epochs that one would have taken, and only that one is trained, without validation."""
    class Framework:
        from_arrays = staticmethod(lambda *args, **named: (args, named))

        @staticmethod
        def train(model, windows, validation, settings, seed, on_epoch):
            assert model == ((WEIGHTS, "scratch"), {"dropout": 0.5}) and validation is None and settings.epochs == 1
            clock[0] += 7.0                                   # compiling
            clock[0] += 2.0                                   # the epoch
            row = Row(1, 1.0, None, 2.0)
            on_epoch(row)
            clock[0] += 100.0                                 # nobody's
            return [row]

    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    settings = experiment.Settings(epochs=50, batch_size=8, optimizer="sgd", lr=1.0, dropout=0.5)
    assert tasks.wait(Framework, WEIGHTS, "scratch", TRAIN, settings) == 7.0


def test_about(places):
    told = [ask(tasks.about) for ask in places]
    versions, device = told[0]
    assert versions and set(versions) <= FRAMEWORKS and isinstance(device, str) and device
    assert all(one == told[0] for one in told)
