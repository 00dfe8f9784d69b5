"""Streams: every token a target once, each batch where the last one stopped, and a state that is carried."""
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import Streams, Windows
from unrolled.training import Trainer, evaluate


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 60))
def test_a_pass_reads_each_piece_from_end_to_end(num_streams, num_steps, more):
    streams = Streams(torch.arange(2 * num_streams + more), num_streams, num_steps)
    batches = list(streams.batches())
    inputs, targets = (torch.cat(parts) for parts in zip(*batches))         # (length - 1, streams)
    assert targets.equal(inputs + 1) and (inputs[1:] == inputs[:-1] + 1).all()
    assert inputs[0].equal(torch.arange(num_streams) * streams.length) and targets.numel() == streams.num_tokens
    assert len(batches) * num_streams == len(streams) and all(len(x) <= num_steps for x, _ in batches)


def test_turned_it_is_the_same_circle_cut_elsewhere():
    streams, draw = Streams(torch.arange(40), 4, 3), torch.Generator().manual_seed(0)
    passes = [torch.cat([x for x, _ in streams.batches(shuffle=True, generator=draw)]) for _ in range(2)]
    assert not passes[0].equal(passes[1])
    assert all(((one[1:] - one[:-1]) % 40 == 1).all() for one in passes)


def test_the_gradient_stops_where_the_state_goes_on():
    """Training on streams is, step by step, the loop that carries the state by hand."""
    ids = torch.randint(5, (61,), generator=torch.Generator().manual_seed(0))
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(LanguageModel(LSTM(5, 6), 5))
    streams = Streams(ids, 3, 4)
    Trainer(models[0], streams, lr=0.5, batch_size=3, clip=None, seed=2).fit(2, progress=False)
    optimizer, draw = torch.optim.SGD(models[1].parameters(), lr=0.5), torch.Generator().manual_seed(2)
    for _ in range(2):
        H = C = torch.zeros(3, 6)
        for inputs, targets in streams.batches(shuffle=True, generator=draw):
            logits, (H, C) = models[1](inputs, (H.detach(), C.detach()))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
            optimizer.step()
    for ours, by_hand in zip(models[0].parameters(), models[1].parameters()):
        torch.testing.assert_close(ours, by_hand)


def test_one_stream_is_judged_as_a_whole():
    torch.manual_seed(0)
    model, ids = LanguageModel(LSTM(5, 6), 5), torch.randint(5, (50,))
    whole = evaluate(model, Windows(ids, 49))
    assert evaluate(model, Streams(ids, 1, 7)) == pytest.approx(whole, rel=1e-5)
    assert evaluate(model, Windows(ids, 7, 7)) != pytest.approx(whole, rel=1e-5)      # each from a state of zeros


def test_bad_input():
    with pytest.raises(ValueError, match="4 streams need 8 tokens at least, got 7"):
        Streams(torch.arange(7), 4, 2)
    with pytest.raises(ValueError, match="2 streams are batches of 2, not of 3"):
        Streams(torch.arange(9), 2, 2).batches(3)
    with pytest.raises(ValueError, match="2 streams are batches of 2, not of 3"):
        Trainer(LanguageModel(LSTM(9, 2), 9), Streams(torch.arange(9), 2, 2), lr=1, batch_size=3)
