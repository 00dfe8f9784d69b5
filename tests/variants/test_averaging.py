"""When the averaging begins, and what it is the mean of."""
import random

import pytest
import torch
from torch import nn

from unrolled.variants import Averaging


def began(losses, n):
    """The algorithm of Merity et al. 2018, as the authors' program reads it: the validation that triggers the averaging."""
    logs, t = [], 0
    for v in losses:
        if t > n and v > min(logs[:t - n]):
            return t
        logs.append(v)
        t += 1
    return None


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_the_trigger_is_that_of_the_paper(n):
    draw = random.Random(n)
    for _ in range(50):
        losses = [3 * 0.8 ** k + draw.gauss(0, 1) for k in range(30)]      # some rise before the first n are in
        averaging = Averaging(nn.Linear(1, 1), n)
        answers = [averaging.validated(loss) for loss in losses]
        assert (answers.index(True) if True in answers else None) == began(losses, n)
        assert answers == sorted(answers), "once it has begun, it goes on"


def test_a_loss_that_only_falls_or_stands_starts_nothing():
    averaging = Averaging(nn.Linear(1, 1), 2)
    assert not any(averaging.validated(1 / (k + 1)) for k in range(20))
    assert not any(averaging.validated(1 / 20) for _ in range(10))
    averaging.stepped()
    assert averaging.model is averaging.trained


def test_the_mean_of_all_weights_since_the_trigger():
    torch.manual_seed(0)
    model = nn.Linear(3, 2, dtype=torch.float64)
    averaging, optimizer = Averaging(model, 1), torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    for step in range(12):
        optimizer.zero_grad()
        model(torch.randn(4, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
        averaging.stepped()
        if averaging.mean is not None:
            seen.append(model.weight.detach().clone())
            torch.testing.assert_close(averaging.model.weight, torch.stack(seen).mean(0), rtol=1e-12, atol=1e-14)
            assert torch.equal(model.weight, seen[-1])
        else:
            assert averaging.model is model
        averaging.validated([3.0, 2.0, 2.5, 2.4][min(step, 3)])
    assert len(seen) == 12 - 4                                   # the fourth loss is above one that is two validations old


@pytest.mark.parametrize("interval", [-1, 2.5, True, None])
def test_what_is_refused(interval):
    with pytest.raises(ValueError, match="^interval is a whole number of at least 0, not"):
        Averaging(nn.Linear(1, 1), interval)
