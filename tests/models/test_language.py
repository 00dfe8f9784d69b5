"""The language model: shapes, options, and a file that is whole or refused."""
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from unrolled import layers
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel, evaluating, language, load, save, single_layers
from unrolled.text import Vocabulary

ALL = (RNNScratch, GRUScratch, LSTMScratch, RNN, GRU, LSTM)
VOCAB = Vocabulary.from_text("the quick brown fox jumps over the lazy dog")
N = len(VOCAB)


def tokens(steps=5, batch=3, seed=0):
    return torch.randint(N, (steps, batch), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("options", [{}, {"embedding": 6}, {"embedding": 8, "tied": True}], ids=str)
def test_logits_and_state(cls, options):
    model = LanguageModel(cls(options.get("embedding", N), 8), N, **options)
    logits, state = model(tokens())
    assert logits.shape == (5, 3, N) and logits.dtype == torch.float32
    assert [s.shape for s in state] == [(3, 8)] * len(model.layer.state_names)


@pytest.mark.parametrize("cls", ALL)
def test_two_halves_with_the_state_equal_the_whole(cls):
    model, x = LanguageModel(cls(N, 8), N), tokens(steps=6)
    whole, _ = model(x)
    first, state = model(x[:2])
    second, _ = model(x[2:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_the_head_sees_the_hidden_state_alone():
    model = LanguageModel(LSTM(N, 8), N)
    outputs, _ = model.layer(tokens())
    torch.testing.assert_close(model(tokens())[0], outputs @ model.head.weight.T + model.head.bias)


@pytest.mark.parametrize("engine", ["vendor", "loop"])
def test_two_directions_would_see_what_they_are_to_predict(engine):
    with pytest.raises(ValueError, match="a bidirectional layer has read the token that a language model is to predict"):
        LanguageModel(LSTM(N, 8, bidirectional=True, engine=engine), N)


def test_tied_is_one_parameter():
    model = LanguageModel(LSTM(8, 8), N, embedding=8, tied=True, sigma=0.5)
    free = LanguageModel(LSTM(8, 8), N, embedding=8)
    assert model.embedding.weight is model.head.weight
    assert sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in model.parameters()) == N * 8
    assert 0.3 < model.head.weight.std() < 0.7


def test_sigma_draws_a_gaussian_head_without_bias():
    torch.manual_seed(0)
    model = LanguageModel(LSTMScratch(N, 64), N, sigma=0.01)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.1) and not model.head.bias.any()


def test_an_untrained_model_is_as_lost_as_a_die():
    model = LanguageModel(LSTMScratch(N, 8), N, sigma=0.01)
    loss = torch.nn.functional.cross_entropy(model(tokens())[0].flatten(0, 1), tokens(seed=1).flatten())
    assert loss.exp().item() == pytest.approx(N, rel=0.01)


def test_dropout_acts_before_the_head_and_in_training_alone():
    model, x = LanguageModel(LSTM(N, 8), N, dropout=0.5), tokens()
    assert not torch.equal(model(x)[0], model(x)[0])
    with evaluating(model):
        first, again = model(x)[0], model(x)[0]
        assert not first.requires_grad
    assert torch.equal(first, again) and model.training


def test_evaluating_leaves_an_evaluated_model_evaluated_and_survives_an_error():
    model = LanguageModel(LSTM(N, 8), N).eval()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        1 / 0
    assert not model.training
    model.train()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        1 / 0
    assert model.training


@pytest.mark.parametrize("build, error, message", [
    (lambda: LanguageModel(LSTM(5, 8), N), ValueError, f"{N} tokens cannot feed a layer of 5 inputs"),
    (lambda: LanguageModel(LSTM(5, 8), N, embedding=6), ValueError,
     "an embedding of 6 cannot feed a layer of 5 inputs"),
    (lambda: LanguageModel(LSTM(5, 8), N, embedding=5, tied=True), ValueError,
     "a tied head needs an embedding as wide as the 8 hidden units, got 5"),
    (lambda: LanguageModel(LSTM(N, 8), N, tied=True), ValueError, "as wide as the 8 hidden units, got None"),
    (lambda: LanguageModel(LSTM(N, 8), N, dropout=1.0), ValueError,
     r"dropout is a probability in \[0, 1\), got 1.0"),
    (lambda: LanguageModel(LSTM(5, 8), 0, embedding=5), ValueError, "at least one token, got num_tokens=0"),
    (lambda: LanguageModel(torch.nn.Linear(N, 8), N), TypeError, "Linear lacks num_inputs and num_hiddens"),
])
def test_sizes_that_do_not_fit(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("options", [{}, {"embedding": N}], ids=["one-hot", "embedding"])
@pytest.mark.parametrize("wrong, error, message", [
    (torch.zeros(5, 3), TypeError, "tokens are integers, got torch.float32"),
    ([[1]], TypeError, "a tensor, not list"),
    (torch.zeros(5, dtype=torch.int64), ValueError, r"shape \(steps, batch\), got \(5,\)"),
    (torch.full((2, 2), N), ValueError, f"between 0 and {N - 1}, got {N}"),
    (torch.full((2, 2), -1), ValueError, f"between 0 and {N - 1}, got -1"),
    (torch.zeros(0, 2, dtype=torch.int64), ValueError, "at least one step"),
])
def test_tokens_that_are_none(options, wrong, error, message):
    with pytest.raises(error, match=message):
        LanguageModel(LSTM(N, 8), N, **options)(wrong)


# Files

def builds():
    for cls in ALL:
        yield cls.__name__, lambda cls=cls: LanguageModel(cls(N, 8), N, dropout=0.25)
    yield "embedding", lambda: LanguageModel(LSTM(6, 8), N, embedding=6)
    yield "tied", lambda: LanguageModel(LSTM(8, 8), N, embedding=8, tied=True)
    yield "float64", lambda: LanguageModel(GRU(N, 8, dtype=torch.float64), N)
    yield "stack", lambda: LanguageModel(Stacked([LSTM(N, 8), GRUScratch(8, 5), RNN(5, 7)], dropout=0.1), N)


@pytest.mark.parametrize("build", [pytest.param(build, id=name) for name, build in builds()])
def test_a_saved_model_comes_back_the_same(tmp_path, build):
    model = build()
    save(model, VOCAB, tmp_path / "model.safetensors")
    random = torch.get_rng_state()
    loaded, vocab = load(tmp_path / "model.safetensors")
    assert torch.equal(random, torch.get_rng_state()), "loading disturbs the global generator"
    assert vocab.to_dict() == VOCAB.to_dict() and not loaded.training
    assert str(loaded) == str(model) and loaded.options == model.options
    with evaluating(model):
        expected, state = model(tokens())
    found, loaded_state = loaded(tokens())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(loaded_state, state)


def test_the_file_speaks_the_names_of_the_equations(tmp_path):
    model = LanguageModel(Stacked([LSTM(N, 8), RNN(8, 7)]), N)
    save(model, VOCAB, tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        metadata, names = json.loads(file.metadata()["unrolled"]), set(file.keys())
    assert {"layers.0.W_xi", "layers.0.b_c", "layers.1.W_xh", "head.weight", "head.bias"} <= names
    assert metadata["kind"] == ["lstm", "rnn"] and metadata["format"] == 1
    assert metadata["vocabulary"]["tokens"] == VOCAB.tokens
    assert metadata["layer"]["layers"][1] == {"class": "RNN", "num_inputs": 8, "num_hiddens": 7}


def test_a_scratch_file_loads_into_what_it_names_bit_by_bit(tmp_path):
    model = LanguageModel(LSTMScratch(N, 8), N)
    save(model, VOCAB, tmp_path / "m")
    loaded, _ = load(tmp_path / "m")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_save_refuses_another_vocabulary_and_a_foreign_layer(tmp_path):
    with pytest.raises(ValueError, match=f"the model has {N + 1} tokens and the vocabulary {N}"):
        save(LanguageModel(LSTM(N + 1, 8), N + 1), VOCAB, tmp_path / "m")

    class Mine(LSTMScratch):
        pass

    with pytest.raises(ValueError, match="only models of the package's own layers can be saved, got Mine"):
        save(LanguageModel(Mine(N, 8), N), VOCAB, tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save(LanguageModel(LSTM(6, 8), N, embedding=6), VOCAB, path)
    with safe_open(path, "pt") as file:
        return path, load_file(path), json.loads(file.metadata()["unrolled"])


def describe(metadata):
    return {"unrolled": json.dumps(metadata)}


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_a_file_cut_short_is_refused(saved, keep):
    path, _, _ = saved
    data = path.read_bytes()
    path.write_bytes(data[:keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        load(path)


@pytest.mark.parametrize("name", ["head.weight", "head.bias", "embedding.weight", "layers.0.W_xf"])
def test_a_missing_weight_is_named(saved, name):
    path, weights, metadata = saved
    del weights[name]
    save_file(weights, path, describe(metadata))
    with pytest.raises(ValueError, match=f"lacks {name}$"):
        load(path)


@pytest.mark.parametrize("name", ["head.bias", "layers.0.W_hc"])
def test_a_weight_of_another_shape_is_named(saved, name):
    path, weights, metadata = saved
    weights[name] = torch.zeros(3, 4)
    save_file(weights, path, describe(metadata))
    with pytest.raises(ValueError, match=rf"{name} in .* has shape \(3, 4\), expected \("):
        load(path)


@pytest.mark.parametrize("name", ["layer", "options", "vocabulary"])
def test_missing_metadata_is_named(saved, name):
    path, weights, metadata = saved
    del metadata[name]
    save_file(weights, path, describe(metadata))
    with pytest.raises(ValueError, match=f"does not describe a model of this package .it lacks {name}"):
        load(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_somebody_else(saved, metadata):
    path, weights, _ = saved
    save_file(weights, path, metadata)
    with pytest.raises(ValueError, match="not saved by this package: its metadata has no entry 'unrolled'"):
        load(path)


@pytest.mark.parametrize("change, why", [
    ({"layer": {"class": "Transformer"}}, "no layer is called 'Transformer'"),
    ({"layer": {"class": "LSTM"}}, "num_inputs"),
    ({"layer": None}, "NoneType"),
    ({"vocabulary": {"tokens": []}}, "a stored vocabulary has"),
    ({"options": {"heads": 8}}, "heads"),
    ({"options": {"embedding": 7}}, "an embedding of 7 cannot feed"),
])
def test_metadata_that_describes_no_model(saved, change, why):
    path, weights, metadata = saved
    save_file(weights, path, describe(metadata | change))
    with pytest.raises(ValueError, match=f"does not describe a model of this package.*{why}"):
        load(path)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_metadata_that_is_not_ours(saved, text):
    path, weights, _ = saved
    save_file(weights, path, {"unrolled": text})
    with pytest.raises(ValueError, match="does not describe a model of this package"):
        load(path)


def test_equal_models_give_equal_files(tmp_path):
    model = LanguageModel(LSTM(N, 8), N)
    for name in "ab":
        save(model, VOCAB, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model at .*nowhere"):
        load(tmp_path / "nowhere")


def test_every_layer_of_the_package_can_be_saved():
    """A new layer that cannot be described would be found here."""
    for name in layers.__all__:
        cls = getattr(layers, name)
        if isinstance(cls, type) and cls is not Stacked:
            assert language._rebuild(language._describe(cls(4, 5)), torch.float32).num_hiddens == 5


def test_single_layers():
    a, b = LSTM(N, 8), LSTM(8, 8)
    assert single_layers(LanguageModel(a, N)) == [a]
    assert single_layers(LanguageModel(Stacked([a, b]), N)) == [a, b]


@pytest.mark.parametrize("ours, theirs", [(RNNScratch, RNN), (GRUScratch, GRU), (LSTMScratch, LSTM)])
def test_layers_of_one_kind_are_interchangeable(ours, theirs):
    """The same weights in ours and in the library's layer give the same model."""
    a, b = LanguageModel(ours(N, 8, sigma=0.5), N), LanguageModel(theirs(N, 8), N)
    load_weights(b.layer, named_weights(a.layer))
    b.head.load_state_dict(a.head.state_dict())
    torch.testing.assert_close(a(tokens())[0], b(tokens())[0])


def test_tokens_are_left_unread_in_training_alone():
    torch.manual_seed(0)
    model, tokens = LanguageModel(LSTM(6, 4), 6, input_dropout=0.5), torch.randint(1, 6, (200, 3))
    whole, seen = LanguageModel(model.layer, 6), []
    whole.head = model.head
    model.layer.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    model(tokens)
    assert 0.4 < (seen[0] == 0).float().mean() < 0.6 and (seen[0][seen[0] != 0] == tokens[seen[0] != 0]).all()
    assert model.eval()(tokens)[0].equal(whole(tokens)[0])
    with pytest.raises(ValueError, match=r"input_dropout is a probability in \[0, 1\), got 1"):
        LanguageModel(LSTM(6, 4), 6, input_dropout=1)
