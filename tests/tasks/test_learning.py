"""The training is the one that is written out by hand, and layers that can remember learn what others cannot."""
import math

import pytest
import torch
from torch import nn

from unrolled.layers import GRU, LSTM, RNN
from unrolled.tasks import Adding, Copy, KeepFirst, Reader, Skip, learn, measure


@pytest.mark.parametrize("optimizer, clip", [("adam", 0.1), ("sgd", None)])
def test_a_training_equals_one_by_hand(optimizer, clip):
    task = Skip(5)
    torch.manual_seed(3)
    found = learn(task, GRU(2, 4), updates=3, batch_size=6, optimizer=optimizer, lr=0.1, clip=clip, seed=7)
    torch.manual_seed(3)
    layer, head = nn.GRU(2, 4), nn.Linear(4, 1)
    parameters = [*layer.parameters(), *head.parameters()]
    steps = (torch.optim.Adam if optimizer == "adam" else torch.optim.SGD)(parameters, lr=0.1)
    generator = torch.Generator().manual_seed(7)
    losses, norms = [], []
    for _ in range(3):
        inputs, targets = task.batch(6, generator)
        loss = (head(layer(inputs)[0][-1])[:, 0] - targets[0]).square().mean()
        steps.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append(nn.utils.clip_grad_norm_(parameters, clip or math.inf).item())
        steps.step()
    assert found.losses == pytest.approx(losses, rel=1e-5) and found.norms == pytest.approx(norms, rel=1e-5)
    assert clip is None or max(norms) > clip
    torch.testing.assert_close(found.model.head.weight, head.weight)
    torch.testing.assert_close(found.model.layer.rnn.weight_hh_l0, layer.weight_hh_l0)


def test_the_head_reads_the_steps_that_are_scored():
    for task in (Skip(5), Copy(2, 2, 3)):
        model = Reader(LSTM(task.num_inputs, 4), task)
        inputs, _ = task.batch(3, torch.Generator())
        outputs, _ = model.layer(inputs)
        torch.testing.assert_close(model(inputs), model.head(outputs)[task.steps - task.scored:])


def test_a_cell_learns_to_keep_and_the_test_is_of_other_sequences():
    found = measure(KeepFirst(10, 2), lambda: LSTM(4, 4, forget_bias=3.0), 2, updates=150, lr=0.03)
    assert all(one.solved and one.test_right == 1 for one in found)
    for one in found:
        assert len(one.losses) == len(one.norms) == 150
        assert one.losses[0] > 0.5 > one.losses[-1]


def test_a_seed_decides_everything_and_nothing_else_is_touched():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    made = lambda seeds: measure(Adding(6), lambda: RNN(2, 3), seeds, updates=4)      # noqa: E731
    (first, second), (again,) = made(2), made([1])
    assert second.losses == again.losses and second.test_loss == again.test_loss and first.losses != second.losses
    assert torch.equal(torch.get_rng_state(), before)
    threads = torch.get_num_threads()
    made(1)
    assert torch.get_num_threads() == threads and torch.tensor(2.0 ** -126) / 2 != 0    # subnormal numbers are back


def test_training_makes_no_subnormal_numbers():
    class Watched(RNN):
        def forward(self, inputs, state=None):
            flushed.append((torch.tensor(2.0 ** -126) / 2).item() == 0)
            return super().forward(inputs, state)

    flushed = []
    learn(Adding(6), Watched(2, 3), updates=2)
    assert flushed == [True, True, True]


def test_a_loss_that_is_not_finite_ends_the_training():
    found = learn(Adding(6), RNN(2, 3), updates=50, optimizer="sgd", lr=1e30, clip=None)
    assert len(found.losses) < 50 and not found.solved and all(math.isfinite(loss) for loss in found.losses[:-1])


def test_float64_layers_learn_in_float64():
    found = learn(KeepFirst(4, 2), LSTM(4, 3, dtype=torch.float64), updates=2)
    assert found.model.head.weight.dtype == torch.float64 and math.isfinite(found.test_loss)


def test_what_cannot_be_tried_is_said():
    with pytest.raises(ValueError, match="updates is a whole number of at least 1, not 0"):
        learn(Adding(4), RNN(2, 3), updates=0)
    with pytest.raises(ValueError, match="batch_size is a whole number of at least 1, not 1.5"):
        learn(Adding(4), RNN(2, 3), batch_size=1.5)
    with pytest.raises(ValueError, match="the optimizer is one of adam, sgd, not 'lbfgs'"):
        learn(Adding(4), RNN(2, 3), optimizer="lbfgs")
    with pytest.raises(TypeError, match="a layer on trial has num_hiddens; Linear lacks it"):
        learn(Adding(4), nn.Linear(2, 3))
