"""Weights go from any framework to any other, through a file: nothing of them changes, and the model says the same.

Each framework computes in a process of its own, begun once.
"""
import functools
import itertools

import numpy as np
import over_there
import pytest

from unrolled.frameworks import arrays, tasks
from unrolled.frameworks.checks import KINDS
from unrolled.frameworks.processes import NAMES
from unrolled.frameworks.torch import from_arrays, read
from unrolled.models import save
from unrolled.text import Vocabulary

NUM_TOKENS, NUM_HIDDENS = 28, 16
TOKENS = np.random.default_rng(0).integers(NUM_TOKENS, size=(12, 5)).astype("int32")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@pytest.fixture(scope="module")
def ask(process):
    """ask(name, task, …): what a framework gives."""
    return lambda name, task, *args: process(name).call(over_there.exactly, task, *args)


@pytest.fixture(scope="module")
def made(ask):
    """made(name, kind, dtype): weights that a framework drew and gave away, and what it makes of the tokens with them."""
    @functools.cache
    def make(name, kind, dtype):
        weights, random = ask(name, tasks.own_start, NUM_TOKENS, NUM_HIDDENS, kind), np.random.default_rng(1)
        # Less bland than any framework begins, so that no two outputs are alike.
        weights = {key: (value + random.normal(0, 0.5, value.shape)).astype(dtype) for key, value in weights.items()}
        return ask(name, tasks.carry, weights, kind), ask(name, tasks.read, weights, kind, TOKENS)

    return make


def apart(one, other):
    """How far two results of ``read`` are apart, at most."""
    (logits, state), (others, other_state) = one, other
    pairs = [*zip((logits, *state), (others, *other_state), strict=True)]
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    return max(np.abs(a - b).max() for a, b in pairs)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("first, second", itertools.permutations(NAMES, 2))
def test_every_pair(first, second, dtype, ask, made, tmp_path):
    for before, after in itertools.product(KINDS, KINDS):
        weights, expected = made(first, before, dtype)
        assert expected[0].dtype == dtype and expected[0].std(axis=(0, 1)).min() > 0.1        # not the same for all tokens
        arrays.save_arrays(weights, tmp_path / "weights.safetensors")
        read_there = ask(second, over_there.read_file, str(tmp_path / "weights.safetensors"), after, TOKENS)
        assert apart(read_there, expected) <= TOLERANCE[dtype], (before, after)
        back = ask(second, tasks.carry, arrays.load_arrays(tmp_path / "weights.safetensors"), after)
        for name, value in weights.items():
            np.testing.assert_array_equal(back[name], value, strict=True)


def test_the_weights_matter(ask, made):
    """Else the test above would not see two gates exchanged, or a transposed matrix."""
    weights, expected = made("torch", "scratch", "float64")
    for one, other in (("W_xi", "W_xf"), ("W_hf", "W_ho"), ("b_o", "b_c")):
        names = {arrays.LAYER + one: weights[arrays.LAYER + other], arrays.LAYER + other: weights[arrays.LAYER + one]}
        assert apart(ask("torch", tasks.read, weights | names, "scratch", TOKENS), expected) > 0.01
    turned = weights | {arrays.LAYER + "W_hc": weights[arrays.LAYER + "W_hc"].T.copy()}
    assert apart(ask("torch", tasks.read, turned, "scratch", TOKENS), expected) > 0.01


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file as the book's own training leaves it, and what that model says."""
    vocab = Vocabulary(list("abcdefghijklmnopqrstuvwxyz "))
    assert len(vocab) == NUM_TOKENS
    model = from_arrays(arrays.draw(NUM_TOKENS, NUM_HIDDENS, seed=5, sigma=0.5), "concise")
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    save(model, vocab, path)
    return path, read(model, TOKENS)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_the_book_saved(name, ask, saved):
    path, expected = saved
    for kind in KINDS:
        assert apart(ask(name, over_there.read_file, str(path), kind, TOKENS), expected) <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_whole(name, ask, saved, tmp_path):
    from safetensors.numpy import save

    whole, path = saved[0].read_bytes(), tmp_path / "broken.safetensors"
    weights = arrays.load_arrays(saved[0])
    lacking = {key: value for key, value in weights.items() if key != "layers.0.W_ho"}
    bent = weights | {"head.weight": weights["head.weight"][:, :-1].copy()}
    for content, error, says in (
            (whole[:-7], ValueError, f"in {name}: .*broken.safetensors is not a whole safetensors file"),
            (b"", ValueError, f"in {name}: .*broken.safetensors is not a whole safetensors file"),
            (save(lacking), ValueError, f"in {name}: the weights of a language model .*; missing: layers.0.W_ho; unknown: none"),
            (save(weights | {"layers.1.W_xi": weights["head.bias"]}), ValueError, "missing: none; unknown: layers.1.W_xi"),
            (save(bent), ValueError, rf"in {name}: head.weight has shape \(28, 16\) beside the others, got \(28, 15\)"),
            (save({key: value.astype("float16") for key, value in weights.items()}), TypeError,
             f"in {name}: .* is a NumPy array of float32 or float64, got float16")):
        path.write_bytes(content)
        with pytest.raises(error, match=says):
            ask(name, over_there.read_file, str(path), "concise", TOKENS)
    with pytest.raises(FileNotFoundError, match=f"in {name}: no weights at .*nothing"):
        ask(name, over_there.read_file, str(tmp_path / "nothing"), "concise", TOKENS)
