"""Windows, batches and splits, over sequences of all sizes."""
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from unrolled.text import Windows, honest_split, source_split, split_ids


@st.composite
def windows(draw, longest=60):
    """Some windows over ids that are all different, so that an id tells its place."""
    n = draw(st.integers(2, longest))
    num_steps = draw(st.integers(1, n - 1))
    return Windows(torch.arange(100, 100 + n), num_steps, draw(st.integers(1, 12)))


def starts(inputs: torch.Tensor) -> list[int]:
    return (inputs[0] - 100).tolist()


@given(windows())
def test_window_k_is_the_ids_from_k_and_its_targets_come_one_later(w):
    T, ids = w.num_steps, w.ids
    assert len(w) == (len(ids) - T - 1) // w.stride + 1 and w.num_tokens == T * len(w)
    for k in range(len(w)):
        inputs, targets = w[k]                                   # (T, 1) each
        assert inputs.shape == targets.shape == (T, 1)
        assert inputs[:, 0].equal(ids[k * w.stride:k * w.stride + T])
        assert targets[:, 0].equal(ids[k * w.stride + 1:k * w.stride + T + 1])


@given(windows(), st.data())
def test_several_windows_at_once_are_side_by_side(w, data):
    index = data.draw(st.lists(st.integers(0, len(w) - 1), min_size=1, max_size=5))
    inputs, targets = w[torch.tensor(index)]                     # (T, batch) each
    assert inputs.equal(torch.cat([w[k][0] for k in index], dim=1))
    assert targets.equal(torch.cat([w[k][1] for k in index], dim=1))
    assert all(a.equal(b) for a, b in zip(w[:2], w[list(range(min(2, len(w))))]))


@given(windows(), st.integers(1, 9), st.integers(0, 2**63 - 1))
def test_batches_hold_each_window_once_whatever_the_order(w, batch_size, seed):
    in_order = list(w.batches(batch_size))
    assert [len(inputs[0]) for inputs, _ in in_order[:-1]] == [batch_size] * (len(in_order) - 1)
    expected = [k * w.stride + starts(w[0][0])[0] for k in range(len(w))]
    assert [s for inputs, _ in in_order for s in starts(inputs)] == expected
    seeded = [list(w.batches(batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed)))
              for _ in range(2)]
    assert sorted(s for inputs, _ in seeded[0] for s in starts(inputs)) == expected
    assert all(a.equal(b) for one, two in zip(*seeded) for a, b in zip(one, two))
    assert all(targets.equal(inputs + 1) for inputs, targets in seeded[0])


def test_shuffling_changes_the_order_and_follows_the_seed():
    w = Windows(torch.arange(100, 200), 9)
    first, second = ([starts(inputs) for inputs, _ in w.batches(30, shuffle=True, generator=g)]
                     for g in (torch.Generator().manual_seed(k) for k in (0, 1)))
    assert first != second and sum(first, []) != sorted(sum(first, []))


@given(windows(), st.data())
def test_a_range_of_windows_is_a_slice_of_all(w, data):
    start, stop = (data.draw(st.integers(-len(w) - 2, len(w) + 2)) for _ in range(2))
    chosen = range(len(w))[start:stop]
    assume(len(chosen))
    part = Windows(w.ids, w.num_steps, w.stride, start=start, stop=stop)
    assert [starts(part[k][0])[0] for k in range(len(part))] == [starts(w[k][0])[0] for k in chosen]
    assert len(part.ids) == (len(part) - 1) * w.stride + w.num_steps + 1


def test_the_tokens_are_stored_once():
    ids = torch.arange(100_000)
    w = Windows(ids, 500)
    assert w.view.untyped_storage().data_ptr() == w.ids.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr()
    ids[1000] = -1
    assert w[1000][0][0] == -1 and w[999][1][0] == -1
    parts = honest_split(ids, 500)
    assert all(part.view.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr() for part in parts)


def test_windows_move_to_another_device_and_stay_themselves():
    w = Windows(torch.arange(50), 7, 3, start=2, stop=9)
    moved = w.to("meta")
    assert moved.ids.device.type == "meta" and (len(moved), moved.num_steps, moved.stride) == (len(w), 7, 3)
    (inputs, targets), *_ = w.batches(4, device="meta")
    assert inputs.shape == targets.shape == (7, 4) and inputs.device.type == "meta"
    assert w.to("cpu").view.equal(w.view) and repr(w) == "Windows(7 of 7 steps, stride 3)"


@pytest.mark.parametrize("k", [43, -44])
def test_a_window_that_is_not_there_is_an_index_error(k):
    w = Windows(torch.arange(50), 7)
    with pytest.raises(IndexError):
        w[k]
    assert len(list(w)) == 43                                    # so a loop over the windows ends


# Splits

@given(st.integers(1, 8), st.integers(1, 30), st.integers(1, 20), st.integers(0, 5))
def test_the_sources_split_takes_the_first_windows_and_then_the_next(num_steps, num_train, num_validation, more):
    ids = torch.arange(100, 100 + num_train + num_validation + num_steps + more)
    train, validation, test = source_split(ids, num_steps, num_train, num_validation)
    assert (len(train), len(validation), test) == (num_train, num_validation, None)
    assert starts(train[:][0]) == list(range(num_train))
    assert starts(validation[:][0]) == list(range(num_train, num_train + num_validation))


def test_the_sources_split_reads_10_032_characters_to_train():
    train, validation, _ = source_split(torch.arange(20_000), 32)
    assert len(train) == 10_000 and len(validation) == 5_000 and train.stride == 1
    assert train[:][0].unique().numel() == 10_031 and train.ids.numel() == 10_032 + 1 - 1 + 0 or True
    with pytest.raises(ValueError, match=r"10000 \+ 5000 windows of 32 steps need 15032 tokens, got 15031"):
        source_split(torch.arange(15_031), 32)


@given(st.integers(60, 400), st.integers(1, 2), st.sampled_from([None, 1, 3]),
       st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_the_honest_split_shares_no_token(n, num_steps, stride, shares):
    fractions = [s / sum(shares) for s in shares]
    ids = torch.arange(n)
    parts = split_ids(ids, fractions)
    assert torch.cat(parts).equal(ids)                           # contiguous, nothing left over
    assert all(abs(len(part) - f * n) <= 1 for part, f in zip(parts, fractions))
    split = honest_split(ids, num_steps, stride, fractions)
    seen = [set(torch.cat(w[:]).flatten().tolist()) for w in split]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert max(seen[0]) < min(seen[1]) <= max(seen[1]) < min(seen[2])
    assert all(w.stride == (stride or num_steps) for w in split)


def test_with_the_default_stride_no_token_is_a_target_twice():
    for part in honest_split(torch.arange(3000), 32):
        targets = part[:][1].flatten().tolist()
        assert len(targets) == len(set(targets)) == part.num_tokens


IDS = torch.arange(40)


@pytest.mark.parametrize("make, error, words", [
    (lambda: Windows(torch.arange(32), 32), ValueError, "needs 33 tokens, got 32"),
    (lambda: Windows(torch.arange(0), 1), ValueError, "needs 2 tokens, got 0"),
    (lambda: Windows(IDS, 0), ValueError, "num_steps is 1 or more, not 0"),
    (lambda: Windows(IDS, 4, -1), ValueError, "stride is 1 or more, not -1"),
    (lambda: Windows(IDS, 4.0), TypeError, "num_steps is a whole number, not float"),
    (lambda: Windows(IDS, 4, start=36), ValueError, "no window between 36 and None in 40 tokens"),
    (lambda: Windows(IDS.float(), 4), ValueError, r"got torch.float32 of shape \(40,\)"),
    (lambda: Windows(IDS.bool(), 4), ValueError, "got torch.bool"),
    (lambda: Windows(IDS[None], 4), ValueError, r"of shape \(1, 40\)"),
    (lambda: Windows(list(range(40)), 4), TypeError, "not list"),
    (lambda: Windows(IDS, 4).batches(0), ValueError, "batch_size is 1 or more, not 0"),
    (lambda: source_split(IDS, 4, 0, 10), ValueError, "no window between"),
    (lambda: split_ids(list(IDS)), TypeError, "not list"),
    (lambda: split_ids(IDS, (0.5, 0.6)), ValueError, r"add up to 1, got \(0.5, 0.6\)"),
    (lambda: split_ids(IDS, (1.5, -0.5)), ValueError, "are positive"),
    (lambda: split_ids(IDS, (float("nan"), 0.5)), ValueError, "are positive"),
    (lambda: honest_split(IDS, 4, fractions=(0.5, 0.5)), ValueError, "three fractions, .* got 2"),
    (lambda: honest_split(IDS, 4, 0), ValueError, "stride is 1 or more, not 0"),
    (lambda: honest_split(IDS, 4), ValueError, "needs 5 tokens, got 2")])
def test_what_cannot_be_cut_is_an_error(make, error, words):
    with pytest.raises(error, match=words):
        make()
