"""The tasks ask what they say, the same for the same seed, and not remembering scores what they say it does."""
import itertools
import math

import pytest
import torch

from unrolled.tasks import Adding, Copy, KeepFirst, Reset, Skip

ALL = (Adding(12), Copy(6, 3, 4), KeepFirst(9, 3), Skip(9), Reset(9))


def drawn(task, size=500, seed=0):
    return task.batch(size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("task", ALL, ids=lambda task: type(task).__name__)
def test_shapes_types_and_seeds(task):
    inputs, targets = drawn(task, 7)
    assert inputs.shape == (task.steps, 7, task.num_inputs) and inputs.dtype == torch.float32
    assert targets.shape == (task.scored, 7) and targets.dtype == (torch.float32 if task.num_outputs == 1 else torch.int64)
    for same, one in zip(drawn(task, 7), (inputs, targets)):
        assert torch.equal(same, one)
    assert not torch.equal(drawn(task, 7, seed=1)[0], inputs)


def test_two_numbers_are_to_be_added_one_from_each_half():
    for steps in (2, 3, 12):
        inputs, targets = drawn(Adding(steps))
        assert 0 <= inputs[..., 0].min() and inputs[..., 0].max() < 1
        for example, target in zip(inputs.unbind(1), targets[0]):
            marked = [t for t in range(steps) if example[t, 1] == 1]
            assert len(marked) == 2 and marked[0] < steps // 2 <= marked[1] and example[:, 1].sum() == 2
            assert target.item() == pytest.approx(sum(example[t, 0].item() for t in marked), abs=1e-6)
    firsts = drawn(Adding(12))[0][..., 1].argmax(0)
    assert set(firsts.tolist()) == set(range(6))


def test_what_was_said_is_to_be_copied():
    """Against the pattern of the paper, written out: symbols, blanks, the signal, blanks."""
    inputs, targets = drawn(Copy(6, 3, 4), 50)
    assert (inputs.sum(-1) == 1).all()
    for tokens, target in zip(inputs.argmax(-1).T.tolist(), targets.T.tolist()):
        said = tokens[:3]
        assert set(said) <= {0, 1, 2, 3}
        assert tokens == said + [4] * 5 + [5] + [4] * 3
        assert target == [4] * 9 + said
    assert Copy().baseline == pytest.approx(10 * math.log(8) / 120)     # Arjovsky et al. 2016, at T = 100


def test_the_first_symbol_is_to_be_named():
    inputs, targets = drawn(KeepFirst(9, 3))
    tokens = inputs.argmax(-1)
    assert torch.equal(tokens[:1], targets)
    assert set(tokens[0].tolist()) == {0, 1, 2} and set(tokens[1:].flatten().tolist()) == {3, 4, 5}


def test_only_what_is_marked_counts():
    inputs, targets = drawn(Skip(9))
    for example, target in zip(inputs.unbind(1), targets[0]):
        assert target == sum(number for number, mark in example.tolist() if mark)
    assert set(inputs[..., 0].flatten().tolist()) == {-1, 1} and inputs[..., 1].mean() == pytest.approx(0.25, abs=0.03)
    marked = inputs[..., 1] == 1
    for some in (marked, ~marked):                               # a mark says nothing of the number
        assert inputs[..., 0][some].mean().abs() < 0.1


def test_a_reset_makes_all_before_it_irrelevant():
    inputs, targets = drawn(Reset(9))
    for example, target in zip(inputs.unbind(1), targets[0]):
        total = 0
        for number, mark in example.tolist():
            total = 0 if mark else total + number
        assert target == total
    assert set(inputs[inputs[..., 1] == 1][:, 0].tolist()) == {0} and inputs[..., 1].mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("task", ALL, ids=lambda task: type(task).__name__)
def test_the_baseline_is_the_loss_of_not_remembering(task):
    """The best constant answer, on many sequences; for the copies the best that hangs on the step alone."""
    _, targets = drawn(task, 40_000)
    if task.num_outputs == 1:
        predictions = targets.mean().expand(1, targets.shape[1])[..., None]
    else:
        shares = torch.stack([(targets == k).double().mean(1) for k in range(task.num_outputs)], -1)     # (scored, symbols)
        predictions = shares.log().clamp(min=-100)[:, None].expand(-1, targets.shape[1], -1)
        targets = targets.long()
    assert task.loss(predictions, targets).item() == pytest.approx(task.baseline, rel=0.03)


def test_the_baseline_of_a_reset_by_all_sequences():
    """Every sequence of three steps, weighed by its probability."""
    total = 0.0
    for marks in itertools.product((0, 1), repeat=3):
        for signs in itertools.product((-1, 1), repeat=3):
            state = 0
            for mark, sign in zip(marks, signs):
                state = 0 if mark else state + sign
            total += math.prod(0.1 if mark else 0.9 for mark in marks) / 8 * state ** 2
    assert Reset(3).baseline == pytest.approx(total)


def test_losses_right_answers_and_solved():
    adding, copy = Adding(4), Copy(2, 1, 2)
    predictions, targets = torch.tensor([[[1.0], [0.5]]]), torch.tensor([[1.07, 0.6]])       # (1, 2, 1), (1, 2)
    assert adding.loss(predictions, targets).item() == pytest.approx((0.07 ** 2 + 0.1 ** 2) / 2)
    assert adding.right(predictions, targets) == 0.5
    assert Skip(4).right(torch.tensor([[[1.4], [1.6]]]), torch.tensor([[1.0, 1.0]])) == 0.5
    blank = torch.tensor([[[0.0, 0.0, 5.0]]])
    said = torch.cat([blank, blank, blank, torch.tensor([[[5.0, 0.0, 0.0]]])])                 # (4, 1, 3)
    assert copy.right(said, torch.tensor([[2], [2], [2], [0]])) == 1 and copy.right(said, torch.tensor([[2], [2], [2], [1]])) == 0
    assert copy.right(blank.expand(4, 1, 3), torch.tensor([[2], [2], [2], [0]])) == 0          # saying blanks is no feat
    expected = (3 * (math.log(2 + math.exp(5)) - 5) + math.log(2 + math.exp(5)) - 5) / 4
    assert copy.loss(said, torch.tensor([[2], [2], [2], [0]])).item() == pytest.approx(expected, rel=1e-4)
    assert adding.solved(0.0166) and not adding.solved(0.0167)


@pytest.mark.parametrize("make, words", [
    (lambda: Adding(1), "steps is a whole number of at least 2, not 1"),
    (lambda: Copy(2, 0), "length is a whole number of at least 1, not 0"),
    (lambda: KeepFirst(3, 1), "symbols is a whole number of at least 2, not 1"),
    (lambda: Skip(2.0), "steps is a whole number of at least 1, not 2.0"),
    (lambda: Reset(True), "steps is a whole number of at least 1, not True")])
def test_a_size_out_of_range_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
