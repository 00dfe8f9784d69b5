"""Every rung of the ladder is the same layer: outputs, state and gradients, in double precision."""
import shlex
import shutil

import pytest
import torch
from torch.utils.cpp_extension import get_cxx_compiler

from unrolled.ladder import RUNGS, Rung
from unrolled.layers import LSTM
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.training import Trainer

COMPILER = shutil.which(shlex.split(get_cxx_compiler())[0])
NEED_ONE = {"compiled", "ours"}


def each_rung(*but):
    return pytest.mark.parametrize("rung", [
        pytest.param(rung, marks=pytest.mark.skipif(rung in NEED_ONE and not COMPILER, reason="needs a C++ compiler"))
        for rung in RUNGS if rung not in but])


# torch.compile looks at what is no leaf, and has torch's warning about it silenced, but not where a warning is an error.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


def results(layer, tokens, state):
    outputs, (H, C) = layer(tokens, state)
    loss = outputs.square().sum() + (2 * H - C).sum()
    gradients = torch.autograd.grad(loss, [*layer.parameters(), *(state or ())])
    return [outputs, H, C, *gradients]


@each_rung()
@pytest.mark.parametrize("with_state", [False, True])
def test_a_rung_is_the_layer(rung, with_state):
    torch.manual_seed(0)
    layer, ours = LSTM(7, 5, dtype=torch.float64), Rung(7, 5, rung, dtype=torch.float64)
    ours.load_state_dict(layer.state_dict())
    tokens = torch.randint(7, (6, 3))
    state = tuple(torch.randn(2, 3, 5, dtype=torch.float64).requires_grad_().unbind()) if with_state else None
    for ours_here, theirs in zip(results(ours, tokens, state), results(layer, tokens, state), strict=True):
        torch.testing.assert_close(ours_here, theirs, rtol=0, atol=1e-12)


@each_rung("compiled")                  # whose graphs for four shapes would take a minute; its gradients are tested above
def test_a_rung_trains_the_language_model_along_the_layers_curve(rung):
    ids = torch.randint(7, (400,), generator=torch.Generator().manual_seed(0))
    curves = []
    for make in (lambda: LSTM(7, 8), lambda: Rung(7, 8, rung)):
        torch.manual_seed(0)
        model = LanguageModel(make(), 7)
        trainer = Trainer(model, Windows(ids, 10, stop=300), Windows(ids, 10, start=300), lr=1.0, batch_size=64)
        curves.append(torch.tensor(trainer.fit(3, progress=False).validation_perplexity))
    torch.testing.assert_close(*curves, rtol=1e-5, atol=0)


def test_no_such_rung():
    with pytest.raises(ValueError, match="the rung is one of eight products, .*, not 'nine products'"):
        Rung(7, 5, "nine products")


@pytest.mark.parametrize("rung", RUNGS[:2])
def test_the_first_rungs_read_tokens_only(rung):
    with pytest.raises(ValueError, match="reads tokens, integers of shape .* not torch.float32"):
        Rung(7, 5, rung)(torch.randn(4, 3, 7))
