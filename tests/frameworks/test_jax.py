"""JAX's module: the layer by scan, NNX's and linen's."""
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import torch
from contract import TRAIN, VALIDATION, Contract, of, orthogonal

from unrolled.frameworks import arrays, experiment
from unrolled.frameworks import jax as framework


def loss(call, probe, state_probes):
    layer, inputs, state = call
    outputs, final = layer(inputs, state)
    return (outputs * probe).sum() + sum((s * p).sum() for s, p in zip(final, state_probes)), (outputs, final)


# Tokens have no gradient: allow_int gives them an empty one. This is called once or twice for each shape: not worth optimizing.
gradient = jax.jit(jax.grad(loss, has_aux=True, allow_int=True), compiler_options={"xla_backend_optimization_level": 0})


class TestJax(Contract):
    framework, packages, foreign = framework, ("jax", "flax", "optax"), torch.zeros(2, 1, dtype=torch.int32)
    kinds, cases, max_examples = ("scratch", "concise", "linen"), of((4, 2, 3, 3)), 3      # the golden file's: compiled once

    def array(self, value):
        return jax.numpy.asarray(value)

    def differentiate(self, layer, inputs, state, probe, state_probes):
        (by_layer, by_inputs, by_state), (outputs, final) = gradient((layer, inputs, state), probe, state_probes)
        return (np.asarray(outputs), tuple(map(np.asarray, final)), by_layer.named(), by_inputs, by_state)

    def first_values(self, weights):
        orthogonal(weights)
        for name, value in weights.items():
            if value.ndim == 1:
                assert not value.any(), name
            elif "W_h" not in name:                           # a Gaussian, cut off at two sigma
                sigma = (40 if "head" in name else 60) ** -0.5
                assert abs(value.std() / sigma - 1) < 0.05 and np.abs(value).max() < 2.3 * sigma, name

    def logits(self, model, tokens, training):
        return np.asarray(model(tokens, key=jax.random.key(0) if training else None)[0])

    def precision(self, dtype):
        return jax.enable_x64(dtype == "float64")


def test_float64_is_kept_or_refused():
    with pytest.raises(ValueError, match="call jax.config.update.*jax_enable_x64.* first"):
        framework.from_arrays(arrays.draw(3, 2, dtype="float64"))


def test_every_step_is_compiled_before_the_clock_runs(monkeypatch):
    compiled = []
    def order(*args):                                         # asked for in the first line that the clock sees
        compiled.append(framework.train_step._cache_size())
        return experiment.order(*args)

    monkeypatch.setattr(framework, "order", order)
    before, model = framework.train_step._cache_size(), framework.from_arrays(arrays.draw(6, 5), "concise")
    framework.train(model, TRAIN[:40], VALIDATION, experiment.Settings(3, 32, "sgd", 1.0))
    assert compiled == [before + 2] * 3 and framework.train_step._cache_size() == before + 2      # batches of 32 and of 8


@pytest.mark.parametrize("kind", framework.KINDS.values())
def test_layers_draw_by_their_key(kind):
    one, again, other = (kind(3, 2, rngs=framework.nnx.Rngs(seed)).named() for seed in (0, 0, 1))
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
    assert np.abs(one["W_xi"] - other["W_xi"]).max() > 1e-4


def test_first_values():
    drawn = framework.LSTMScratch(30, 40, forget_bias=1.0, sigma=0.1, rngs=framework.nnx.Rngs(0)).named()
    assert (drawn["b_f"] == 1).all() and (drawn["b_i"] == 0).all() and 0.09 < drawn["W_xi"].std() < 0.11


@pytest.mark.parametrize("kind", framework.KINDS.values())
def test_sizes(kind):
    with pytest.raises(ValueError, match="num_hiddens is a whole number of at least 1, not 0"):
        kind(3, 0, rngs=framework.nnx.Rngs(0))
    with pytest.raises(ValueError, match="4 tokens cannot feed a layer of 3 inputs"):
        framework.LanguageModel(kind(3, 2, rngs=framework.nnx.Rngs(0)), 4, rngs=framework.nnx.Rngs(0))


@pytest.mark.parametrize("platform, kind, words", [("cpu", "cpu", "the processor"), ("gpu", "NVIDIA H100", "NVIDIA H100 (GPU)")])
def test_device_in_words(monkeypatch, platform, kind, words):
    monkeypatch.setattr(jax, "devices", lambda: [SimpleNamespace(platform=platform, device_kind=kind)])
    assert framework.device() == words
