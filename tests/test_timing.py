"""The clock: who is timed, how often, and what is made of it. No test asks how long anything takes."""
import pytest
import torch

from unrolled.layers import GRU
from unrolled.timing import KINDS, WORKS, reading, summary, training, turns, writing


@pytest.mark.parametrize("work", WORKS)
def test_every_turn_times_all_three(work):
    before = torch.random.get_rng_state()
    taken = list(turns(work, 3, 4, 5, 2, seconds=0.02))
    assert len(taken) >= 2
    assert all(set(turn) == set(KINDS) and min(turn.values()) > 0 for turn in taken)
    assert torch.equal(torch.random.get_rng_state(), before)        # the reader's random numbers stay


def test_two_turns_at_least():
    assert len(list(turns("reading", 3, 4, 5, 2, seconds=0))) == 2


class Spy(GRU):
    """Remembers its calls: steps, whether gradients were on, and the state that came."""

    def forward(self, inputs, state=None):
        outputs, after = super().forward(inputs, state)
        self.calls.append((len(inputs), torch.is_grad_enabled(), state, after))
        return outputs, after


def test_what_each_work_does():
    inputs = torch.randn(5, 2, 3)
    for work in (training, reading, writing):
        layer = Spy(3, 4)
        layer.calls = []
        work(layer, inputs)
        shapes = [(steps, on) for steps, on, _, _ in layer.calls]
        assert shapes == {training: [(5, True)], reading: [(5, False)], writing: [(1, False)] * 5}[work]
        assert all((p.grad is not None) == (work is training) for p in layer.parameters())
    assert layer.calls[0][2] is None                                # writing hands its state on
    assert all(one[3] is next_[2] for one, next_ in zip(layer.calls, layer.calls[1:]))
    assert torch.allclose(layer.calls[-1][3][0], GRU.forward(layer, inputs)[1][0])


def test_ratios_are_taken_turn_by_turn():
    taken = [{"rnn": 1.0, "gru": 3.0, "lstm": 2.0}, {"rnn": 10.0, "gru": 30.0, "lstm": 20.0},
             {"rnn": 2.0, "gru": 6.0, "lstm": 8.0}]
    found = summary(taken)
    assert found["seconds"] == {"rnn": 2.0, "gru": 6.0, "lstm": 8.0}
    assert found["ratio"] == {"rnn": [1, 1, 1], "gru": [3, 3, 3], "lstm": [2, 2, 3]}


def test_quartiles_stay_between_the_least_and_the_greatest():
    taken = [{"rnn": 1.0, "gru": 1.0, "lstm": 0.1}, {"rnn": 1.0, "gru": 1.0, "lstm": 10.0}]
    low, middle, high = summary(taken)["ratio"]["lstm"]
    assert 0.1 <= low <= middle <= high <= 10 and middle == pytest.approx(5.05)
