"""MXNet's model against the golden file and the reference in NumPy. Runs in MXNet's own environment: make test-mxnet."""
import importlib.util

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.frameworks import experiment
from unrolled.frameworks.arrays import LAYER, NAMES, draw, load_arrays, save_arrays
from unrolled.frameworks.experiment import Settings

if importlib.util.find_spec("torch") and not importlib.util.find_spec("mxnet"):     # the book's environment
    pytest.skip("MXNet has an environment of its own: make test-mxnet", allow_module_level=True)

from unrolled.frameworks import mxnet as framework      # first: it gives MXNet the NumPy that it expects
from unrolled.frameworks.mxnet import LSTM, LanguageModel, LSTMScratch

from mxnet import autograd, gluon, init, nd

KINDS = {"scratch": LSTMScratch, "concise": LSTM}
kinds = pytest.mark.parametrize("kind", KINDS)
# Five tokens in an order with something to learn.
TEXT = experiment.windows(np.cumsum(np.random.default_rng(0).integers(1, 3, 90)) % 5, 7)
TRAIN, VALIDATION = TEXT[:60], TEXT[60:]


def close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def with_layer(parameters, kind, dtype="float64"):
    """A model whose layer has these parameters."""
    d, h = parameters["W_xi"].shape
    weights = {LAYER + name: value for name, value in parameters.items()}
    weights |= {"head.weight": np.zeros((d, h)), "head.bias": np.zeros(d)}
    return framework.from_arrays({name: value.astype(dtype) for name, value in weights.items()}, kind)


def tokens_of(*shape, high=5, seed=0):
    return np.random.default_rng(seed).integers(0, high, shape)


# The layers

@kinds
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("compiled", [False, True])
def test_golden(kind, dtype, tolerance, compiled):
    golden = reference.golden()
    layer = with_layer(golden["parameters"], kind, dtype).layer
    layer.hybridize(compiled)
    inputs, probe, *state = (nd.array(a, dtype=dtype) for a in (golden["inputs"], golden["probe"], *golden["initial"].values()))
    for leaf in (inputs, *state):
        leaf.attach_grad()
    with autograd.record():
        outputs, last = layer(inputs, state)
        loss = (outputs * probe).sum()
    loss.backward()
    assert outputs.asnumpy().dtype == last[0].asnumpy().dtype == dtype
    close(outputs.asnumpy(), golden["outputs"], tolerance)
    close(loss.asnumpy(), golden["loss"], tolerance)
    found = framework.layer_arrays(layer, gluon.Parameter.grad) | {"inputs": inputs.grad.asnumpy()}
    assert set(found) | {"initial"} == set(golden["gradients"])
    for name, gradient in found.items():
        close(gradient, golden["gradients"][name], tolerance)
    for name, start, end in zip("HC", state, last):
        close(end.asnumpy(), golden["final"][name], tolerance)
        close(start.grad.asnumpy(), golden["gradients"]["initial"][name], tolerance)


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(list(KINDS)), steps=st.integers(1, 6), batch=st.integers(1, 4), d=st.integers(1, 6), h=st.integers(1, 5),
       as_tokens=st.booleans(), with_state=st.booleans(), compiled=st.booleans(), seed=st.integers(0, 9))
def test_any_shape(kind, steps, batch, d, h, as_tokens, with_state, compiled, seed):
    random, parameters = np.random.default_rng(seed), reference.layer(draw(d, h, seed, dtype="float64"))
    inputs = tokens_of(steps, batch, high=d, seed=seed) if as_tokens else random.normal(size=(steps, batch, d))
    state = tuple(random.normal(size=(2, batch, h))) if with_state else None
    layer = with_layer(parameters, kind).layer
    layer.hybridize(compiled)
    outputs, last = layer(nd.array(inputs, dtype=inputs.dtype),
                          state and tuple(nd.array(s, dtype="float64") for s in state))
    expected, expected_last, _ = reference.forward(parameters, inputs, state)
    close(outputs.asnumpy(), expected, 1e-12)
    assert isinstance(last, tuple) and len(last) == 2
    for found, wanted in zip(last, expected_last):
        close(found.asnumpy(), wanted, 1e-12)


@kinds
def test_a_compiled_layer_takes_tokens_and_vectors_of_any_length_in_turn(kind):
    parameters = reference.layer(draw(5, 3, dtype="float64"))
    layer = with_layer(parameters, kind).layer
    layer.hybridize(static_alloc=True)
    for steps, batch in ((7, 3), (1, 1), (9, 2)):
        tokens = tokens_of(steps, batch)
        for inputs in (tokens, np.eye(5)[tokens], tokens.astype("int32")):
            close(layer(nd.array(inputs, dtype=inputs.dtype))[0].asnumpy(), reference.forward(parameters, tokens)[0], 1e-12)


def test_first_values_from_scratch():
    model = LanguageModel(LSTMScratch(50, 40, forget_bias=1.0, sigma=0.1), 50)
    model.initialize()
    weights = framework.to_arrays(model)
    assert all(weights[name].dtype == "float32" for name in NAMES)
    assert all((weights[f"{LAYER}b_{k}"] == (k == "f")).all() for k in "ifoc")
    assert 0.095 < np.std([weights[f"{LAYER}W_x{k}"] for k in "ifoc"]) < 0.105


def test_gluons_second_bias_does_not_learn_and_its_options_go_through():
    model = LanguageModel(LSTM(5, 4, dtype="float64", i2h_bias_initializer=init.LSTMBias(1.0)), 5)
    model.initialize()
    assert [framework.to_arrays(model)[f"{LAYER}b_{k}"].tolist() for k in "if"] == [[0] * 4, [1] * 4]
    framework.train(model, TRAIN, None, Settings(epochs=1, batch_size=32, optimizer="sgd", lr=1.0))
    assert (model.layer.rnn.l0_h2h_bias.data().asnumpy() == 0).all()
    assert (model.layer.rnn.l0_i2h_bias.data().asnumpy() != [0] * 4 + [1] * 4 + [0] * 8).all()


# Weights

@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_come_back_as_they_were(kind, dtype, tmp_path):
    weights = draw(5, 3, seed=2, forget_bias=1.0, dtype=dtype)
    save_arrays(framework.to_arrays(framework.from_arrays(weights, kind)), tmp_path / "model.safetensors")
    back = load_arrays(tmp_path / "model.safetensors")
    assert tuple(back) == NAMES
    for name in NAMES:
        assert back[name].dtype == dtype
        np.testing.assert_array_equal(back[name], weights[name])


def test_wrong_weights_are_told():
    weights = draw(5, 3)
    with pytest.raises(ValueError, match="missing: head.bias; unknown: none"):
        framework.from_arrays({name: value for name, value in weights.items() if name != "head.bias"})
    with pytest.raises(TypeError, match=r"head.bias is a NumPy array of float32 or float64, got <class 'numpy.float32'>|mxnet"):
        framework.from_arrays(weights | {"head.bias": nd.zeros(5)})
    with pytest.raises(ValueError, match=r"layers.0.b_f has shape \(3,\) beside the others, got \(4,\)"):
        framework.from_arrays(weights | {LAYER + "b_f": np.zeros(4, "float32")})
    with pytest.raises(ValueError, match="the kind of a layer is scratch or concise, not 'fused'"):
        framework.from_arrays(weights, "fused")


# Training

@kinds
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 2e-6)])    # Gluon's AdamW rounds its numbers to float32
@pytest.mark.parametrize("one_cycle", [False, True])
@pytest.mark.parametrize("optimizer, lr", [("sgd", 4.0), ("adamw", 0.02)])
def test_training_is_the_references(kind, dtype, tolerance, one_cycle, optimizer, lr):
    how = Settings(epochs=2, batch_size=16, optimizer=optimizer, lr=lr, clip=0.5, one_cycle=one_cycle)
    start = draw(5, 4, seed=1, dtype=dtype)
    model, seen = framework.from_arrays(start, kind), []
    rows = framework.train(model, TRAIN, VALIDATION, how, seed=3, on_epoch=seen.append)
    expected, losses = reference.train(start, TRAIN, VALIDATION, how, seed=3)
    found = framework.to_arrays(model)
    for name in NAMES:
        assert found[name].dtype == dtype
        close(found[name], expected[name], tolerance)
    assert seen == rows and [row.epoch for row in rows] == [1, 2] and all(row.seconds > 0 for row in rows)
    close([(row.train_loss, row.validation_loss) for row in rows], losses, tolerance)


def test_sgd_in_float64_is_the_reference_to_the_last_digits():
    how, start = Settings(epochs=2, batch_size=16, optimizer="sgd", lr=4.0, clip=0.5), draw(5, 4, seed=1, dtype="float64")
    model = framework.from_arrays(start)
    framework.train(model, TRAIN, None, how)
    for name, value in reference.train(start, TRAIN, VALIDATION, how)[0].items():
        close(framework.to_arrays(model)[name], value, 1e-13)


@pytest.mark.parametrize("other", [{"clip": 0.1}, {"one_cycle": True}, {"batch_size": 20}, {"lr": 1.0}])
def test_every_setting_counts(other):
    def weights(**changed):
        model = framework.from_arrays(draw(5, 4))
        framework.train(model, TRAIN, None, Settings(**{"epochs": 1, "batch_size": 16, "optimizer": "sgd", "lr": 2.0} | changed))
        return framework.to_arrays(model)["head.weight"]

    assert np.abs(weights() - weights(**other)).max() > 1e-3


def test_clipping():
    model = framework.from_arrays(draw(5, 4, dtype="float64"), "concise")
    with autograd.record():
        loss = model(nd.array(tokens_of(3, 2), dtype="int32"))[0].sum()
    loss.backward()
    read = lambda: np.concatenate([g.ravel() for g in framework.layer_arrays(model.layer, gluon.Parameter.grad).values()] +    # noqa: E731
                                  [p.grad().asnumpy().ravel() for p in (model.head.weight, model.head.bias)])
    before = read()
    framework.clip_gradients(model, 1e6)
    np.testing.assert_array_equal(read(), before)
    framework.clip_gradients(model, 0.25)
    close(read(), before * 0.25 / np.linalg.norm(before), 1e-13)


def test_dropout_is_for_training_alone_and_comes_from_the_seed():
    tokens, weights = nd.array(tokens_of(6, 4), dtype="int32"), draw(5, 4)
    model, plain = framework.from_arrays(weights, dropout=0.5), framework.from_arrays(weights)
    np.testing.assert_array_equal(model(tokens)[0].asnumpy(), plain(tokens)[0].asnumpy())
    with autograd.train_mode():
        assert np.abs(model(tokens)[0].asnumpy() - plain(tokens)[0].asnumpy()).max() > 0.01

    def trained(seed, order=TRAIN):
        one = framework.from_arrays(weights, dropout=0.5)
        framework.train(one, order, None, Settings(epochs=1, batch_size=60, optimizer="sgd", lr=2.0, dropout=0.5), seed)
        return framework.to_arrays(one)["head.weight"]

    np.testing.assert_array_equal(trained(0), trained(0))
    assert np.abs(trained(0) - trained(1)).max() > 1e-4       # one batch holds all windows: only dropout can differ so much
    with pytest.raises(ValueError, match=r"the model drops 0\.5 of its hidden states, and the settings say 0$"):
        framework.train(model, TRAIN, None, Settings(epochs=1, batch_size=16, optimizer="sgd", lr=1.0))


@kinds
def test_evaluate_and_generate_are_the_references(kind):
    how = Settings(epochs=20, batch_size=16, optimizer="adamw", lr=0.05)
    model = framework.from_arrays(draw(5, 8), kind)
    before = framework.to_arrays(model)
    close(framework.evaluate(model, VALIDATION), reference.evaluate(before, VALIDATION), 1e-6)
    framework.train(model, TRAIN, None, how)
    after = framework.to_arrays(model)
    for batch_size in (1, 7, 1024):
        close(framework.evaluate(model, VALIDATION, batch_size), reference.evaluate(after, VALIDATION), 1e-5)
    for prefix in ([0], [0, 1, 3, 4]):
        written = framework.generate(model, prefix, 12)
        assert written == reference.generate(after, prefix, 12) and all(type(token) is int for token in written)
    assert len(set(framework.generate(model, [0], 12))) > 1 and framework.generate(model, [0], 0) == []


# What does not fit is told in a sentence

@kinds
@pytest.mark.parametrize("inputs, error, sentence", [
    (np.zeros((2, 3), "int32"), TypeError, "inputs are an MXNet NDArray, not numpy.ndarray"),
    (nd.array([[0, 5]], dtype="int32"), ValueError, "token ids lie between 0 and 4, got 5"),
    (nd.array([[0, -1]], dtype="int32"), ValueError, "token ids lie between 0 and 4, got -1"),
    (nd.zeros(3, dtype="int32"), ValueError, r"integer tokens have shape (steps, batch), got (3,)"),
    (nd.zeros((2, 3, 5), dtype="int32"), ValueError, "integer tokens have shape (steps, batch), got (2, 3, 5)"),
    (nd.zeros((2, 3)), ValueError, "inputs have shape (steps, batch, 5), got (2, 3)"),
    (nd.zeros((2, 3, 4)), ValueError, "inputs have shape (steps, batch, 5), got (2, 3, 4)"),
    (nd.zeros((2, 3, 5), dtype="float64"), TypeError, "inputs are integer tokens or float32 like the weights, got float64"),
])
def test_wrong_inputs(kind, inputs, error, sentence):
    with pytest.raises(error) as raised:
        framework.from_arrays(draw(5, 4), kind).layer(inputs)
    assert str(raised.value) == sentence


@kinds
@pytest.mark.parametrize("state, error, got", [
    (nd.zeros((3, 4)), TypeError, "NDArray"),
    ((nd.zeros((3, 4)), np.zeros((3, 4))), TypeError, "NDArray and ndarray"),
    ((nd.zeros((3, 4)),), ValueError, "(3, 4) float32"),
    ((nd.zeros((3, 4)), nd.zeros((2, 4))), ValueError, "(3, 4) float32 and (2, 4) float32"),
    ((nd.zeros((3, 4)), nd.zeros((3, 4), dtype="float64")), ValueError, "(3, 4) float32 and (3, 4) float64"),
])
def test_wrong_states(kind, state, error, got):
    with pytest.raises(error) as raised:
        framework.from_arrays(draw(5, 4), kind)(nd.zeros((2, 3), dtype="int32"), state)
    assert str(raised.value) == f"a state is (H, C), each an MXNet NDArray of shape (3, 4) and float32, got {got}"


@pytest.mark.parametrize("build, error, sentence", [
    (lambda: LanguageModel(LSTM(5, 4), 6), ValueError, "6 tokens cannot feed a layer of 5 inputs"),
    (lambda: LanguageModel(LSTM(5, 4), 5, dropout=1), ValueError, "dropout is a probability in [0, 1), got 1"),
    (lambda: LSTMScratch(5, 0), ValueError, "num_hiddens is a whole number of at least 1, not 0"),
    (lambda: LSTM(True, 4), ValueError, "num_inputs is a whole number of at least 1, not True"),
    (lambda: framework.from_arrays(draw(5, 4))(nd.zeros((2, 3))), TypeError, "tokens are integers, got float32"),
    (lambda: framework.generate(framework.from_arrays(draw(5, 4)), [], 3), ValueError,
     "the prefix is empty: the model needs at least one token to begin with"),
    (lambda: framework.generate(framework.from_arrays(draw(5, 4)), [7], 3), ValueError, "token ids lie between 0 and 4, got 7"),
    (lambda: framework.generate(framework.from_arrays(draw(5, 4)), [1], -1), ValueError,
     "num_tokens is a whole number, 0 or more, not -1"),
])
def test_what_else_cannot_be(build, error, sentence):
    with pytest.raises(error) as raised:
        build()
    assert str(raised.value) == sentence


# Where it ran

def test_device_and_versions():
    assert framework.device() == "CPU" and framework.best_context().device_type == "cpu"
    assert framework.versions()["mxnet"] == "1.9.1" and framework.versions()["numpy"] == np.__version__
