"""TensorFlow's module: the layer by scan and Keras's own, eagerly and as graphs."""
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
from contract import SGD, TRAIN, Contract, close, orthogonal, uniform

from unrolled.frameworks import arrays, experiment
from unrolled.frameworks import tensorflow as framework

keras = framework.keras


class TestTensorFlow(Contract):
    framework, packages, foreign = framework, ("tensorflow", "keras"), torch.zeros(2, 1, dtype=torch.int32)
    brings = ("jax",)                  # its lite converter looks for it
    max_examples = 10

    def array(self, value):
        return tf.convert_to_tensor(value)

    def differentiate(self, layer, inputs, state, probe, state_probes):
        inputs, state = tf.Variable(inputs), state and tuple(map(tf.Variable, state))
        with tf.GradientTape() as tape:
            outputs, final = layer(inputs, state)
            loss = tf.reduce_sum(outputs * probe) + sum(tf.reduce_sum(s * p) for s, p in zip(final, state_probes))
        by_weights, by_inputs, by_state = tape.gradient(loss, (layer.trainable_variables, inputs, state or ()))
        return (outputs.numpy(), tuple(s.numpy() for s in final),
                layer.by_name([tf.convert_to_tensor(g).numpy() for g in by_weights]), by_inputs, by_state)

    def first_values(self, weights):
        orthogonal(weights)
        for name, value in weights.items():
            if value.ndim == 1:
                assert (value == (name == "layers.0.b_f")).all(), name
            elif "W_h" not in name:                           # by both sizes; the four gates are one matrix
                uniform(value, np.sqrt(6 / ((60 if "head" in name else 60 + 3 * 40) + 40)), name)

    def logits(self, model, tokens, training):
        return model(tokens, training=training)[0].numpy()

    def python(self, code):
        done = super().python(code)
        assert done.returncode or not done.stderr, "TensorFlow is loaded in silence"
        return done


def test_keras_on_another_backend_is_told():
    done = subprocess.run([sys.executable, "-c", "import unrolled.frameworks.tensorflow"], capture_output=True, text=True,
                          env=os.environ | {"KERAS_BACKEND": "jax"})
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: unrolled.frameworks.tensorflow needs Keras on TensorFlow, and here it runs on jax: "
        "set KERAS_BACKEND=tensorflow before anything imports Keras")


@pytest.mark.parametrize("kind", framework.KINDS)
def test_a_graph_is_the_same_as_eager_steps(kind):
    layer, tokens = framework.from_arrays(arrays.draw(6, 5), kind).layer, TRAIN[:3].T
    state = tuple(np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32"))
    eager, graph = layer(tokens, state), tf.function(layer)(tokens, state)
    for one, other in zip(tf.nest.flatten(eager), tf.nest.flatten(graph)):
        close(one, other, 1e-6, kind)


def test_the_graph_is_made_before_the_clock_runs(monkeypatch):
    steps, made = [], []

    def make_step(*args):
        steps.append(original(*args))
        return steps[-1]

    def order(*args):                                         # asked for in the first line that the clock sees
        made.append(steps[0].experimental_get_tracing_count())
        return experiment.order(*args)

    original = framework.make_step
    monkeypatch.setattr(framework, "make_step", make_step)
    monkeypatch.setattr(framework, "order", order)
    framework.train(framework.from_arrays(arrays.draw(6, 5)), TRAIN[:40], None, experiment.Settings(3, 32, "sgd", 1.0))
    assert made == [1] * 3 and steps[0].experimental_get_tracing_count() == 1                      # for batches of 32 and of 8


def test_a_look_ups_gradient_is_clipped_as_a_whole():
    """Rows that are there twice have to be added before the norm is taken: here all tokens are the same."""
    windows = np.zeros((8, 5), "int64")
    settings = experiment.Settings(1, 8, "sgd", 1.0, clip=1e-3)
    start = arrays.draw(3, 4, dtype="float64")
    model = framework.from_arrays(start)
    framework.train(model, windows, None, settings)
    squares = [((value - start[name]) ** 2).sum() for name, value in framework.to_arrays(model).items()]
    moved = np.sqrt(sum(squares))
    assert moved == pytest.approx(1e-3, rel=1e-6)


def test_layers_draw_by_kerass_seed():
    for kind in framework.KINDS.values():
        drawn = []
        for seed in (0, 0, 1):
            keras.utils.set_random_seed(seed)
            layer = kind(3, 4)
            drawn.append(layer.by_name(layer.get_weights()))
        for name in drawn[0]:
            np.testing.assert_array_equal(drawn[0][name], drawn[1][name])
        assert np.abs(drawn[0]["W_xi"] - drawn[2]["W_xi"]).max() > 1e-4
        assert np.abs(drawn[0]["W_xi"] - drawn[0]["W_xf"]).max() > 1e-4
    layer = framework.LSTMScratch(30, 40, forget_bias=1.0, sigma=0.1)
    drawn = layer.by_name(layer.get_weights())
    assert (drawn["b_f"] == 1).all() and (drawn["b_i"] == 0).all() and 0.09 < drawn["W_xi"].std() < 0.11
    concise = framework.LSTM(3, 4)
    assert (concise.by_name(concise.get_weights())["b_f"] == 1).all()                              # Keras's own habit


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
def test_tokens_of_any_integer(dtype):
    model = framework.from_arrays(arrays.draw(6, 5))
    tokens = TRAIN[:3].T
    np.testing.assert_array_equal(model(tokens.astype(dtype))[0], model(tokens.astype("int32"))[0])


@pytest.mark.parametrize("kind", framework.KINDS.values())
def test_sizes(kind):
    with pytest.raises(ValueError, match="num_hiddens is a whole number of at least 1, not 0"):
        kind(3, 0)
    with pytest.raises(ValueError, match="4 tokens cannot feed a layer of 3 inputs"):
        framework.LanguageModel(kind(3, 2), 4)
