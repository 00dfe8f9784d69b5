"""What every framework's module has to keep. A test file subclasses ``Contract`` and says how its framework is spoken to."""
import contextlib
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import reference
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from unrolled.frameworks import arrays, experiment

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
FRAMEWORKS = {"torch", "jax", "flax", "optax", "tensorflow", "keras", "mxnet"}
SGD = experiment.Settings(epochs=2, batch_size=32, optimizer="sgd", lr=2.0, clip=0.1)
ADAMW = experiment.Settings(epochs=2, batch_size=40, optimizer="adamw", lr=0.05, clip=0.1, one_cycle=True)
TEXT = experiment.windows(np.random.default_rng(0).choice(6, 180, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05]), num_steps=8)
TRAIN, VALIDATION = TEXT[:120], TEXT[120:]                    # in batches of 32 the last one has 24


class Case(NamedTuple):
    steps: int
    batch: int
    num_inputs: int
    num_hiddens: int
    with_state: bool
    tokens: bool
    seed: int


def of(*shapes):
    """Cases of these shapes (steps, batch, inputs, hidden) alone, for a framework that compiles for each."""
    return st.builds(lambda shape, *rest: Case(*shape, *rest), st.sampled_from(shapes), st.booleans(), st.booleans(),
                     st.integers(0, 2**31))


ANY = st.builds(Case, st.integers(1, 12), st.integers(1, 5), st.integers(1, 8), st.integers(1, 9), st.booleans(), st.booleans(),
                st.integers(0, 2**31))


def close(actual, expected, tolerance, what):
    """No entry differs by more than the tolerance, relative to the largest where that is above 1."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    assert actual.shape == expected.shape, what
    difference, largest = np.abs(actual - expected).max(), max(1.0, np.abs(expected).max())
    assert difference <= tolerance * largest, f"{what}: {difference} apart"


def uniform(values, bound, what):
    """They lie within ±bound, and go nearly as far."""
    assert 0.8 * bound < np.abs(values).max() <= bound * (1 + 1e-6), what


def orthogonal(weights):
    """The recurrent weights of a layer are orthogonal: those of all four gates as one matrix."""
    W_h = np.concatenate([weights[f"{arrays.LAYER}W_h{gate}"] for gate in "ifoc"], axis=1)          # (hidden, 4 hidden)
    close(W_h @ W_h.T, np.eye(len(W_h)), 1e-5, "recurrent weights")


def with_head(parameters, dtype):
    """The weights of a model around a layer's parameters."""
    num_inputs, num_hiddens = parameters["W_xi"].shape
    weights = {arrays.LAYER + name: value.astype(dtype) for name, value in parameters.items()}
    return weights | {"head.weight": np.ones((num_inputs, num_hiddens), dtype), "head.bias": np.zeros(num_inputs, dtype)}


class Contract:
    """
    Attributes:
        framework: the module; ``packages``, which it needs.
        kinds, cases, max_examples: of layers, of shapes, and how many of these.
        foreign: something that is not the framework's array.
    """

    framework = packages = foreign = None
    brings = ()                        # packages of other frameworks that this one imports by itself
    kinds, dtypes, cases, max_examples = ("scratch", "concise"), ("float64", "float32"), ANY, 25

    def pytest_generate_tests(self, metafunc):
        for name, values in (("kind", self.kinds), ("dtype", self.dtypes)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values)

    def array(self, value):
        """NumPy's array as the framework's."""
        raise NotImplementedError

    def numpy(self, value):
        """The framework's array as NumPy's."""
        return np.asarray(value)

    def differentiate(self, layer, inputs, state, probe, state_probes):
        """Call a layer, all in NumPy, and differentiate ``sum(outputs * probe) + sum(H * …) + sum(C * …)``.

        Returns: outputs, (H, C), the gradients by name, by the inputs (None for tokens), by the state (None without one).
        """
        raise NotImplementedError

    def logits(self, model, tokens, training):
        """A model's logits, all in NumPy, with what its dropout does in training or without."""
        raise NotImplementedError

    def precision(self, dtype):
        """Within, the framework keeps numbers of that dtype."""
        return contextlib.nullcontext()

    def layer(self, num_inputs, num_hiddens):
        return self.framework.from_arrays(arrays.draw(num_inputs, num_hiddens)).layer

    def compare(self, kind, dtype, parameters, inputs, state, probe, state_probes):
        """Outputs, states and all gradients against the reference, which is given the same rounded numbers."""
        rounded = lambda value: value.astype(dtype).astype("float64")                                     # noqa: E731
        parameters = {name: rounded(value) for name, value in parameters.items()}
        tokens = np.issubdtype(inputs.dtype, np.integer)
        inputs = inputs if tokens else rounded(inputs)
        state = state if state is None else tuple(map(rounded, state))
        outputs, final, steps = reference.forward(parameters, inputs, state)
        gradients, by_inputs, by_state = reference.backward(parameters, steps, probe, *state_probes)

        cast = lambda values: None if values is None else tuple(value.astype(dtype) for value in values)  # noqa: E731
        with self.precision(dtype):
            layer = self.framework.from_arrays(with_head(parameters, dtype), kind).layer
            ours = self.differentiate(layer, inputs.astype("int32" if tokens else dtype), cast(state), probe.astype(dtype),
                                      cast(state_probes))
        assert ours[0].dtype == dtype and all(value.dtype == dtype for value in ours[1])
        close(ours[0], outputs, TOLERANCE[dtype], "outputs")
        assert set(ours[2]) == set(gradients)
        for name, gradient in gradients.items():
            close(ours[2][name], gradient, TOLERANCE[dtype], f"gradient of {name}")
        if not tokens:
            close(ours[3], by_inputs, TOLERANCE[dtype], "gradient of the inputs")
        for k, name in enumerate("HC"):
            close(ours[1][k], final[k], TOLERANCE[dtype], f"last {name}")
            if state is not None:
                close(ours[4][k], by_state[k], TOLERANCE[dtype], f"gradient of the initial {name}")

    # The layer

    def test_golden(self, kind, dtype):
        golden = reference.golden()
        initial = golden["initial"]["H"], golden["initial"]["C"]
        with self.precision(dtype):
            layer = self.framework.from_arrays(with_head(golden["parameters"], dtype), kind).layer
            nothing = np.zeros(initial[0].shape, dtype)
            outputs, final, gradients, by_inputs, by_state = self.differentiate(
                layer, golden["inputs"].astype(dtype), tuple(value.astype(dtype) for value in initial),
                golden["probe"].astype(dtype), (nothing, nothing))
        close(outputs, golden["outputs"], TOLERANCE[dtype], "outputs")
        for k, name in enumerate("HC"):
            close(final[k], golden["final"][name], TOLERANCE[dtype], f"last {name}")
            close(by_state[k], golden["gradients"]["initial"][name], TOLERANCE[dtype], f"gradient of the initial {name}")
        for name, gradient in (gradients | {"inputs": by_inputs}).items():
            close(gradient, golden["gradients"][name], TOLERANCE[dtype], f"gradient of {name}")

    def test_random_shapes(self, kind, dtype):
        @hypothesis_settings(max_examples=self.max_examples, deadline=None, derandomize=True, database=None)
        @given(case=self.cases)
        @example(case=Case(1, 1, 3, 4, True, True, 1))
        @example(case=Case(1, 1, 3, 4, False, False, 2))
        def over(case):
            random = np.random.default_rng(case.seed)
            parameters = reference.layer(arrays.draw(case.num_inputs, case.num_hiddens, case.seed, sigma=0.5, dtype="float64"))
            parameters |= {name: random.normal(size=case.num_hiddens) for name in parameters if name.startswith("b")}
            shape = case.steps, case.batch
            numbers = random.normal(size=(*shape, case.num_inputs))
            inputs = random.integers(case.num_inputs, size=shape) if case.tokens else numbers
            pair = lambda: tuple(random.normal(size=(2, case.batch, case.num_hiddens)))                   # noqa: E731
            probe = random.normal(size=(*shape, case.num_hiddens))
            self.compare(kind, dtype, parameters, inputs, pair() if case.with_state else None, probe, pair())

        over()

    # The model

    def test_weights_come_back_to_the_last_bit(self, kind, dtype):
        with self.precision(dtype):
            weights = arrays.draw(5, 4, seed=3, dtype=dtype)
            model = self.framework.from_arrays(weights, kind)
            back = self.framework.to_arrays(model)
            assert tuple(back) == arrays.NAMES and arrays.sizes(back) == (5, 4, 5)
            for name, value in weights.items():
                np.testing.assert_array_equal(back[name], value, strict=True)
            back["head.bias"][:] = 7                          # a copy: the model keeps its own
            np.testing.assert_array_equal(self.framework.to_arrays(model)["head.bias"], weights["head.bias"])

    def test_logits_and_a_state_that_goes_on(self, kind):
        weights, tokens = arrays.draw(6, 5), TRAIN[:3].T.astype("int32")
        model = self.framework.from_arrays(weights, kind)
        logits, (H, C) = model(self.array(tokens))
        expected, state = reference.logits({name: value.astype("float64") for name, value in weights.items()}, tokens)
        for actual, wanted, what in ((logits, expected, "logits"), (H, state[0], "H"), (C, state[1], "C")):
            close(self.numpy(actual), wanted, 1e-5, what)
        _, half = model(self.array(tokens[:4]))
        close(self.numpy(model(self.array(tokens[4:]), half)[0]), expected[4:], 1e-5, "second half")

    def test_read(self, kind, dtype):
        weights, state = arrays.draw(6, 5, seed=2, sigma=0.7, dtype=dtype), np.random.default_rng(3).uniform(-0.9, 0.9, (2, 4, 5))
        exact = {name: value.astype("float64") for name, value in weights.items()}
        first, second = np.split(TRAIN[:4, :8].T, 2)        # views that cannot be written to, as windows are
        with self.precision(dtype):
            model = self.framework.from_arrays(weights, kind, dropout=0.5)          # nothing is dropped while it reads
            half = self.framework.read(model, first)
            whole = self.framework.read(model, second, half[1])
            given = self.framework.read(model, first, tuple(state.astype(dtype)))
        for (logits, last), tokens, before in ((half, first, None), (whole, np.concatenate([first, second]), None),
                                               (given, first, state.astype(dtype).astype("float64"))):
            expected, final = reference.logits(exact, tokens, before)
            for actual, wanted, what in zip((logits, *last), (expected[-len(first):], *final), ("logits", "H", "C"), strict=True):
                assert type(actual) is np.ndarray and actual.dtype == dtype, what
                close(actual, wanted, TOLERANCE[dtype], what)

    def test_a_new_model(self, kind):
        model, again, other = (self.framework.new_model(60, 40, kind, *seed) for seed in ((), (0,), (1,)))
        assert type(model.layer) is self.framework.KINDS[kind]
        weights, again, other = map(self.framework.to_arrays, (model, again, other))
        assert arrays.sizes(weights) == (60, 40, 60) and weights["head.bias"].dtype == "float32"
        for name, value in weights.items():
            np.testing.assert_array_equal(value, again[name])
            assert value.ndim == 1 or (value != other[name]).mean() > 0.99, name    # biases may be constants
        if kind == "concise":
            self.first_values(weights)
        if kind == "scratch":
            for name, value in reference.layer(weights).items():
                assert 0.009 < value.std() < 0.011 if value.ndim == 2 else not value.any(), name

    def first_values(self, weights):
        """Assert that a concise layer of 60 inputs and 40 hidden units, and its head, begin as the framework has it."""
        raise NotImplementedError

    @pytest.mark.parametrize("settings", [SGD, ADAMW], ids=["sgd", "adamw"])
    def test_training_is_the_reference(self, kind, settings):
        start, seen = arrays.draw(6, 5, seed=1), []
        expected, losses = reference.train(start, TRAIN, VALIDATION, settings, seed=5)
        model = self.framework.from_arrays(start, kind)
        rows = self.framework.train(model, TRAIN, VALIDATION, settings, seed=5, on_epoch=seen.append)
        trained = self.framework.to_arrays(model)
        for name, value in expected.items():
            close(trained[name], value, 1e-4, name)
        assert [row.epoch for row in rows] == [1, 2] and seen == rows and all(row.seconds > 0 for row in rows)
        close([(row.train_loss, row.validation_loss) for row in rows], losses, 1e-5, "losses")

    def test_the_settings_matter(self):
        """Else the test above would not see what was left out: each changes the reference's weights by far more."""
        start = arrays.draw(6, 5, seed=1)
        for settings, change in ((SGD, {"clip": 9.0}), (ADAMW, {"clip": 9.0}), (ADAMW, {"one_cycle": False}), (SGD, {"lr": 1.9})):
            one, other = (reference.train(start, TRAIN, VALIDATION, s, seed=5)[0]
                          for s in (settings, experiment.Settings(**vars(settings) | change)))
            assert max(np.abs(one[name] - other[name]).max() for name in one) > 1e-3, change

    def test_training_without_validation(self):
        model = self.framework.from_arrays(arrays.draw(6, 5))
        assert [row.validation_loss for row in self.framework.train(model, TRAIN, None, SGD)] == [None, None]

    def test_dropout_scales_what_it_keeps(self):
        weights = arrays.draw(40, 40, sigma=0.5) | {"head.weight": np.eye(40, dtype="float32")}     # the logits are the hidden states
        tokens = np.random.default_rng(0).integers(0, 40, (8, 4)).astype("int32")
        model = self.framework.from_arrays(weights, dropout=0.25)
        whole, dropped = (self.logits(model, tokens, training) for training in (False, True))
        kept = dropped != 0
        assert 0.2 < 1 - kept.mean() < 0.3
        close(dropped[kept], whole[kept] / 0.75, 1e-5, "what is kept")

    def test_dropout_only_while_training(self):
        def train(model):
            self.framework.train(model, TRAIN, None, ADAMW)
            return self.framework.to_arrays(model)

        weights = arrays.draw(6, 5)
        first, again, without = (self.framework.from_arrays(weights, dropout=p) for p in (0.5, 0.5, 0.0))
        assert self.framework.evaluate(first, VALIDATION) == self.framework.evaluate(without, VALIDATION)
        results = [train(model)["head.weight"] for model in (first, again, without)]
        np.testing.assert_array_equal(results[0], results[1])                     # the seed draws
        assert np.abs(results[0] - results[2]).max() > 1e-3

    def test_evaluate(self, kind):
        weights = arrays.draw(6, 5, seed=2)
        model, expected = self.framework.from_arrays(weights, kind), reference.evaluate(weights, VALIDATION)
        for batch_size in (len(VALIDATION), 13):
            close(self.framework.evaluate(model, VALIDATION, batch_size), expected, 1e-6, batch_size)

    def test_generate(self, kind):
        weights = arrays.draw(6, 5, seed=4, sigma=2.0)
        model, expected = self.framework.from_arrays(weights, kind), reference.generate(weights, [0, 3, 1], 12)
        assert len(set(expected)) > 1
        written = self.framework.generate(model, [0, 3, 1], 12)
        assert written == expected and all(type(token) is int for token in written)
        assert self.framework.generate(model, [0, 3, 1], 0) == []

    # What is refused

    @pytest.mark.parametrize("bad, error, says", [
        (np.zeros((2, 1, 3), "int32"), ValueError, r"integer tokens have shape \(steps, batch\), got \(2, 1, 3\)"),
        (np.zeros((2, 1, 4), "float32"), ValueError, r"inputs have shape \(steps, batch, 3\), got \(2, 1, 4\)"),
        (np.zeros((2, 3), "float32"), ValueError, r"inputs have shape \(steps, batch, 3\), got \(2, 3\)"),
        (np.zeros((2, 0), "int32"), ValueError, r"at least one step and one example, got shape \(2, 0\)"),
        (np.zeros((2, 1, 3), "float16"), TypeError, "inputs are integer tokens or .*float32 like the weights, got .*float16"),
        (np.array([[0], [3]], "int32"), ValueError, "token ids lie between 0 and 2, got 3"),
        (np.array([[0], [-1]], "int32"), ValueError, "token ids lie between 0 and 2, got -1"),
    ], ids=lambda value: None if isinstance(value, (np.ndarray, type)) else value[:20])
    def test_inputs(self, kind, bad, error, says):
        layer = self.framework.from_arrays(arrays.draw(3, 2), kind).layer
        with pytest.raises(error, match=says):
            layer(self.array(bad))

    def test_what_cannot_be_read(self, kind):
        model = self.framework.from_arrays(arrays.draw(3, 2), kind)
        with pytest.raises(ValueError, match="token ids lie between 0 and 2, got 3"):
            self.framework.read(model, np.array([[0], [3]]))
        with pytest.raises(ValueError, match=r"a state is \(H, C\), each \(1, 2\), got C of shape \(2, 2\)"):
            self.framework.read(model, np.array([[0]]), (np.zeros((1, 2), "float32"), np.zeros((2, 2), "float32")))

    def test_another_frameworks_array(self):
        layer = self.layer(3, 2)
        with pytest.raises(TypeError, match=f"inputs .* (got|not) .*{type(self.foreign).__name__}"):
            layer(self.foreign)

    @pytest.mark.parametrize("state, error, says", [
        ([(1, 2)], ValueError, r"a state is \(H, C\), each \(1, 2\), got 1"),
        ([(1, 2), (2, 2)], ValueError, r"got C of shape \(2, 2\)"),
        (None, TypeError, r"a state is \(H, C\), each \(1, 2\), got int"),
    ])
    def test_states(self, kind, state, error, says):
        layer = self.framework.from_arrays(arrays.draw(3, 2), kind).layer
        state = 7 if state is None else [self.array(np.zeros(shape, "float32")) for shape in state]
        with pytest.raises(error, match=says):
            layer(self.array(np.zeros((2, 1), "int32")), state)

    def test_weights(self):
        weights = arrays.draw(3, 2)
        with pytest.raises(ValueError, match="kind is one of scratch, concise.*, not 'quick'"):
            self.framework.from_arrays(weights, "quick")
        with pytest.raises(ValueError, match="kind is one of scratch, concise.*, not 'quick'"):
            self.framework.new_model(3, 2, "quick")
        with pytest.raises(ValueError, match="missing: head.bias; unknown: none"):
            self.framework.from_arrays({name: value for name, value in weights.items() if name != "head.bias"})
        with pytest.raises(TypeError, match="head.bias is a NumPy array of float32 or float64, got"):
            self.framework.from_arrays(weights | {"head.bias": self.array(weights["head.bias"])})
        with pytest.raises(ValueError, match="dropout is a probability"):
            self.framework.from_arrays(weights, dropout=1.0)

    @pytest.mark.parametrize("windows, error, says", [
        (TRAIN.astype("float32"), TypeError, "windows are a NumPy array of integers, got float32"),
        (TRAIN[0], ValueError, r"windows have shape \(windows, steps \+ 1\), at least one of each, got \(9,\)"),
        (TRAIN[:0], ValueError, r"got \(0, 9\)"),
        (TRAIN + 1, ValueError, "token ids lie between 0 and 5, got 6"),
        ([[1, 2]], TypeError, "windows are a NumPy array of integers, got builtins.list"),
    ], ids=["floats", "one", "none", "range", "list"])
    def test_windows(self, windows, error, says):
        model = self.framework.from_arrays(arrays.draw(6, 5))
        before = self.framework.to_arrays(model)
        for call in (lambda: self.framework.train(model, windows, None, SGD),
                     lambda: self.framework.train(model, TRAIN, windows, SGD), lambda: self.framework.evaluate(model, windows)):
            with pytest.raises(error, match=says):
                call()
        for name, value in self.framework.to_arrays(model).items():
            np.testing.assert_array_equal(value, before[name])

    def test_windows_to_train_on_are_needed(self):
        with pytest.raises(TypeError, match="windows are a NumPy array of integers, got builtins.NoneType"):
            self.framework.train(self.framework.from_arrays(arrays.draw(6, 5)), None, None, SGD)

    @pytest.mark.parametrize("prefix, num_tokens, says", [
        ([], 3, "the prefix is a list of token ids, at least one"), ([1.5], 3, "the prefix is a list of token ids"),
        ([0, 6], 3, "token ids lie between 0 and 5, got 6"), ([0], -1, "num_tokens is a whole number, 0 or more, not -1"),
    ])
    def test_prefix(self, prefix, num_tokens, says):
        with pytest.raises(ValueError, match=says):
            self.framework.generate(self.framework.from_arrays(arrays.draw(6, 5)), prefix, num_tokens)

    # The module

    def test_words(self):
        assert set(self.framework.versions()) <= FRAMEWORKS and all(self.framework.versions().values())
        assert isinstance(self.framework.device(), str) and self.framework.device()

    def python(self, code):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    def test_no_other_framework_is_imported(self):
        name, may = self.framework.__name__, {*self.packages, *self.brings}
        done = self.python(f"import sys, {name}; print(*({FRAMEWORKS!r} - {may!r}) & set(sys.modules))")
        assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]

    def test_a_missing_framework_is_told(self):
        for package in self.packages:
            done = self.python(f"import sys; sys.modules[{package!r}] = None; import {self.framework.__name__}")
            last = done.stderr.strip().splitlines()[-1]
            assert done.returncode == 1 and last.startswith("ModuleNotFoundError: unrolled.frameworks.") and "pip install" in last

