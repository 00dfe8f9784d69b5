"""The experiment: settings, learning rates, windows, batches and their order. (Rates against torch's own: test_torch.py.)"""
import dataclasses

import numpy as np
import pytest

from unrolled.frameworks import experiment
from unrolled.frameworks.experiment import QUICK, RECIPE, SOURCE, Settings


@pytest.mark.parametrize("change, says", [
    ({"optimizer": "adam"}, "the optimizer is sgd or adamw, not 'adam'"), ({"epochs": 0}, "epochs is positive, not 0"),
    ({"batch_size": -1}, "batch_size is positive, not -1"), ({"lr": float("nan")}, "lr is positive, not nan"),
    ({"clip": 0}, "clip is positive, not 0"), ({"dropout": 1.0}, r"dropout is a probability in \[0, 1\), got 1.0"),
    ({"dropout": -0.1}, "dropout is a probability"),
])
def test_settings(change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(SOURCE, **change)


def test_steps():
    assert SOURCE.steps(10_000) == 500 and RECIPE.steps(10_000) == 632 and QUICK.steps(10_000) == 157
    assert Settings(3, 4, "sgd", 1.0).steps(9) == 9 and Settings(3, 4, "sgd", 1.0).steps(8) == 6


def test_rates():
    assert {SOURCE.rate(step, 500) for step in range(500)} == {4.0}
    rates = [RECIPE.rate(step, 600) for step in range(600)]
    assert rates[0] == pytest.approx(0.02 / 25) and rates[179] == pytest.approx(0.02) and rates[-1] == pytest.approx(0.02 / 25e4)
    assert np.argmax(rates) == 179 and all(np.diff(rates[:180]) > 0) and all(np.diff(rates[179:]) < 0)
    assert rates[89] == pytest.approx((0.02 / 25 + 0.02) / 2, rel=0.01)           # half way up, by a cosine


def test_windows():
    ids = np.arange(10)
    windows = experiment.windows(ids, num_steps=3)
    assert windows.tolist() == [list(range(k, k + 4)) for k in range(7)] and np.shares_memory(windows, ids)
    assert experiment.windows(ids, 3, 2, 4).tolist() == [[2, 3, 4, 5], [3, 4, 5, 6]]
    assert experiment.windows(ids, 9).shape == (1, 10)


@pytest.mark.parametrize("ids, says", [
    (np.arange(3), "a window of 3 steps and its targets needs 4 tokens, got 3"),
    (np.zeros(9), r"ids are a NumPy array of shape \(tokens,\), integers; got \(9,\)"),
    (np.zeros((9, 1), int), r"got \(9, 1\)"), ([1, 2, 3, 4], "got list"),
])
def test_what_has_no_windows(ids, says):
    with pytest.raises(ValueError, match=says):
        experiment.windows(ids, 3)


def test_batches():
    windows = experiment.windows(np.arange(10), num_steps=3)
    pairs = list(experiment.batches(windows, 3, np.array([6, 0, 5, 1, 4, 2, 3])))
    assert [inputs.shape for inputs, _ in pairs] == [(3, 3), (3, 3), (3, 1)]
    assert pairs[0][0].tolist() == [[6, 0, 5], [7, 1, 6], [8, 2, 7]]              # a column is a window
    for inputs, targets in pairs:
        assert inputs.dtype == targets.dtype == "int32" and inputs.flags.c_contiguous
        np.testing.assert_array_equal(targets, inputs + 1)                        # here each token's follower is the next number
    in_turn = np.concatenate([inputs[0] for inputs, _ in experiment.batches(windows, 4)])
    assert in_turn.tolist() == list(range(7))


def test_order():
    orders = [experiment.order(50, *which) for which in ((0, 0), (0, 1), (1, 0), (0, 0))]
    for one in orders:
        assert sorted(one) == list(range(50))
    assert orders[0].tolist() == orders[3].tolist()
    assert len({tuple(one) for one in orders}) == 3
