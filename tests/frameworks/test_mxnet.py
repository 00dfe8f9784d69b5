"""MXNet's module. Its environment is its own, without torch; test_mxnet_elsewhere.py has these tests run there."""
import importlib.util

import numpy as np
import pytest
import reference
from contract import TRAIN, Contract, close, uniform

from unrolled.frameworks import arrays, experiment

if importlib.util.find_spec("torch") and not importlib.util.find_spec("mxnet"):     # the book's environment
    pytest.skip("they run in MXNet's own environment: test_mxnet_elsewhere.py", allow_module_level=True)

from unrolled.frameworks import mxnet as framework      # first: it gives MXNet the NumPy that it expects

from mxnet import autograd, gluon, init, nd

kinds = pytest.mark.parametrize("kind", framework.KINDS.values())


class TestMxnet(Contract):
    framework, packages, foreign = framework, ("mxnet",), np.zeros((2, 1), "int32")
    compiled = False

    def array(self, value):
        return nd.array(value, dtype=value.dtype)

    def numpy(self, value):
        return value.asnumpy()

    def differentiate(self, layer, inputs, state, probe, state_probes):
        layer.hybridize(self.compiled, static_alloc=True)
        inputs, probe, *state_probes = map(self.array, (inputs, probe, *state_probes))
        state = state and tuple(map(self.array, state))
        leaves = (*(state or ()), *(() if inputs.ndim == 2 else (inputs,)))
        for leaf in leaves:
            leaf.attach_grad()
        with autograd.record():
            outputs, final = layer(inputs, state)
            loss = sum((a * b).sum() for a, b in zip((outputs, *final), (probe, *state_probes)))
        loss.backward()
        grad = lambda leaf: leaf.grad.asnumpy()                             # noqa: E731
        return (outputs.asnumpy(), tuple(map(self.numpy, final)), layer.named(gluon.Parameter.grad),
                None if inputs.ndim == 2 else grad(inputs), state and tuple(map(grad, state)))

    def first_values(self, weights):
        for name, value in weights.items():
            if value.ndim == 2:
                uniform(value, 0.07, name)
            else:
                assert not value.any(), name

    def logits(self, model, tokens, training):
        with autograd.train_mode() if training else autograd.predict_mode():
            return model(self.array(tokens))[0].asnumpy()


class TestCompiled(TestMxnet):
    compiled = True


@kinds
def test_one_graph_takes_tokens_and_vectors_of_any_length_in_turn(kind):
    weights = reference.layer(arrays.draw(5, 3, dtype="float64"))
    layer = kind(5, 3, dtype="float64")
    layer.initialize()
    layer.load(weights)
    layer.hybridize(static_alloc=True)
    for shape in ((7, 3), (1, 1), (9, 2)):
        tokens = np.random.default_rng(0).integers(0, 5, shape)
        for inputs in (tokens, np.eye(5)[tokens], tokens.astype("int32")):
            outputs, _ = layer(nd.array(inputs, dtype=inputs.dtype))
            close(outputs.asnumpy(), reference.forward(weights, tokens)[0], 1e-12, shape)


@pytest.mark.parametrize("kind", ["scratch", "concise"])
def test_sgd_in_float64_is_the_reference_to_the_last_digits(kind):
    how, start = experiment.Settings(2, 32, "sgd", lr=2.0, clip=0.125), arrays.draw(6, 5, dtype="float64")
    model = framework.from_arrays(start, kind)
    framework.train(model, TRAIN, None, how)
    for name, value in reference.train(start, TRAIN, TRAIN, how)[0].items():
        close(framework.to_arrays(model)[name], value, 1e-13, name)


def test_clipping():
    model = framework.from_arrays(arrays.draw(6, 5, dtype="float64"))
    framework.backward(model, *next(experiment.batches(TRAIN, 8)))
    read = lambda: np.concatenate([p.grad().asnumpy().ravel() for p in model.collect_params().values()])      # noqa: E731
    before = read()
    framework.clip_gradients(model, 1e6)
    np.testing.assert_array_equal(read(), before)
    framework.clip_gradients(model, 0.01)
    close(read(), before * 0.01 / np.linalg.norm(before), 1e-13, "clipped")


def test_the_graphs_are_made_before_the_clock_runs(monkeypatch):
    """Each new graph asks ``hybrid_forward`` once; compiled, a step does not."""
    asked, begun, original = [], [], framework.LSTMScratch.hybrid_forward

    def counted(*args, **named):
        asked.append(1)
        return original(*args, **named)

    def order(*args):                                   # asked for in the first line that the clock sees
        begun.append(len(asked))
        return experiment.order(*args)

    monkeypatch.setattr(framework.LSTMScratch, "hybrid_forward", counted)
    monkeypatch.setattr(framework, "order", order)
    framework.train(framework.from_arrays(arrays.draw(6, 5)), TRAIN[:40], None, experiment.Settings(3, 32, "sgd", 1.0))
    assert asked and begun == [len(asked)] * 3


def test_first_values():
    layer = framework.LSTMScratch(30, 40, forget_bias=1.0, sigma=0.1)
    layer.initialize()
    drawn = layer.named()
    assert all((drawn[f"b_{gate}"] == (gate == "f")).all() for gate in "ifoc")
    assert 0.09 < np.std([drawn[f"W_x{gate}"] for gate in "ifoc"]) < 0.11


def test_gluons_initializers_and_that_its_second_bias_does_not_learn():
    model = framework.LanguageModel(framework.LSTM(6, 4, i2h_bias_initializer=init.LSTMBias(1.0)), 6)
    model.initialize()
    assert all((model.layer.named()[f"b_{gate}"] == (gate == "f")).all() for gate in "ifoc")
    framework.train(model, TRAIN, None, experiment.Settings(1, 32, "sgd", 1.0))
    assert (model.layer.rnn.l0_h2h_bias.data().asnumpy() == 0).all()
    assert all((model.layer.named()[f"b_{gate}"] != (gate == "f")).all() for gate in "ifoc")


@kinds
def test_sizes(kind):
    with pytest.raises(ValueError, match="num_hiddens is a whole number of at least 1, not 0"):
        kind(3, 0)
    with pytest.raises(ValueError, match="4 tokens cannot feed a layer of 3 inputs"):
        framework.LanguageModel(kind(3, 2), 4)


@kinds
def test_a_state_of_other_numbers(kind):
    layer = kind(3, 2)
    layer.initialize()
    tokens, zeros = nd.zeros((2, 1), dtype="int32"), nd.zeros((1, 2))
    with pytest.raises(TypeError, match="a state is float32 like the weights, got C of float64"):
        layer(tokens, (zeros, nd.zeros((1, 2), dtype="float64")))
    with pytest.raises(TypeError, match="inputs and states are arrays of MXNet, got numpy.ndarray"):
        layer(tokens, (zeros, zeros.asnumpy()))
