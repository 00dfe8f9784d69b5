"""First values: the biases have the law of their paper, the matrices keep lengths, and all else is left alone."""
import math

import pytest
import torch

from unrolled.layers import GRU, LSTM, RNN, LSTMScratch
from unrolled.layers.initialisation import chrono, orthogonal
from unrolled.layers.parameters import named_weights


@pytest.mark.parametrize("cls", [LSTM, LSTMScratch])
def test_chrono_biases_are_logarithms_of_uniform_spans(cls):
    torch.manual_seed(0)
    layer = cls(1, 500)
    before = named_weights(layer)
    assert chrono(layer, 101) is layer
    after = named_weights(layer)
    spans = after["b_f"].exp()
    assert torch.equal(after["b_i"], -after["b_f"])
    assert spans.min() >= 1 - 1e-4 and spans.max() <= 100 + 1e-2
    quarters = torch.histc(spans, 4, 1, 100) / len(spans)                       # uniform: a quarter in each
    assert (quarters - 0.25).abs().max() < 0.06
    for name in after:
        if name not in ("b_f", "b_i"):
            assert torch.equal(after[name], before[name])


@pytest.mark.parametrize("cls, names", [(RNN, ["W_hh"]), (GRU, ["W_hr", "W_hz", "W_hh"]), (LSTM, ["W_hi", "W_hf", "W_ho", "W_hc"])])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal_matrices_change_lengths_by_the_gain(cls, names, gain):
    torch.manual_seed(0)
    layer = cls(3, 8, dtype=torch.float64)
    before = named_weights(layer)
    after = named_weights(orthogonal(layer, gain) if gain != 1 else orthogonal(layer))
    for name, value in after.items():
        if name in names:
            torch.testing.assert_close(value @ value.T, gain ** 2 * torch.eye(8, dtype=torch.float64))
        else:
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-15)
    assert len({value[0, 0].item() for name, value in after.items() if name in names}) == len(names)


def test_what_cannot_be_initialised_is_said():
    with pytest.raises(TypeError, match="only an LSTM has forget gates, got GRU"):
        chrono(GRU(2, 3), 10)
    for longest in (2, math.inf, True, "10"):
        with pytest.raises(ValueError, match="the longest span is a number of steps above 2, not"):
            chrono(LSTM(2, 3), longest)
    with pytest.raises(TypeError, match="got Linear"):
        orthogonal(torch.nn.Linear(2, 3))
