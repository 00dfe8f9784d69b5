"""A recurrent language model: any layer, and a linear head on its hidden states."""
import contextlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unrolled import layers
from unrolled.files import write_whole
from unrolled.layers.checks import check_inputs
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.text import Vocabulary

METADATA = "unrolled"       # one key holds it all as JSON: safetensors writes several in no fixed order


class LanguageModel(nn.Module):
    """Predicts the next token at every step (Mikolov et al. 2010).

    Args:
        layer: a recurrent layer, or several as ``Stacked``.
        num_tokens: size of the vocabulary.
        embedding: ``None`` feeds the tokens straight to the layer (one-hot as an index); a number
            feeds it learnt vectors of that size.
        tied: head and embedding share one weight (Press & Wolf 2017), drawn as the head's; needs an
            embedding as wide as the layer's hidden state.
        dropout: probability with which hidden states are dropped before the head, while training.
        input_dropout: probability with which a token is not read, while training: token 0, a vocabulary's unknown one,
            stands in its place (Bowman et al. 2016).
        sigma: standard deviation of a Gaussian head with zero bias; ``None`` keeps PyTorch's own draw.

    Raises:
        TypeError: a layer that does not say its ``num_inputs`` and ``num_hiddens``.
        ValueError: sizes that do not fit each other, a layer of two directions, or a dropout outside [0, 1).
    """

    def __init__(self, layer: nn.Module, num_tokens: int, *, embedding: int | None = None, tied: bool = False,
                 dropout: float = 0.0, input_dropout: float = 0.0, sigma: float | None = None):
        super().__init__()
        if lacking := [name for name in ("num_inputs", "num_hiddens") if not hasattr(layer, name)]:
            raise TypeError(f"a recurrent layer has num_inputs and num_hiddens; {type(layer).__name__} lacks "
                            f"{' and '.join(lacking)}")
        if getattr(layer, "bidirectional", False):
            raise ValueError("a bidirectional layer has read the token that a language model is to predict: take one direction")
        if num_tokens < 1:
            raise ValueError(f"a vocabulary has at least one token, got num_tokens={num_tokens!r}")
        width = num_tokens if embedding is None else embedding
        if layer.num_inputs != width:
            what = f"{num_tokens} tokens" if embedding is None else f"an embedding of {embedding}"
            raise ValueError(f"{what} cannot feed a layer of {layer.num_inputs} inputs")
        if tied and embedding != layer.num_hiddens:
            raise ValueError(f"a tied head needs an embedding as wide as the {layer.num_hiddens} hidden "
                             f"units, got {embedding}")
        for name, share in (("dropout", dropout), ("input_dropout", input_dropout)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is a probability in [0, 1), got {share!r}")
        like = next(layer.parameters())
        kind = {"dtype": like.dtype, "device": like.device}
        self.num_tokens, self.options = num_tokens, {"embedding": embedding, "tied": tied, "dropout": dropout}
        if input_dropout:               # a file from before there was any reads the same without it
            self.options["input_dropout"] = input_dropout
        self.input_dropout = input_dropout
        self.embedding = None if embedding is None else nn.Embedding(num_tokens, embedding, **kind)
        self.layer = layer
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(layer.num_hiddens, num_tokens, **kind)
        if sigma is not None:
            nn.init.normal_(self.head.weight, std=sigma)
            nn.init.zeros_(self.head.bias)
        if tied:
            self.embedding.weight = self.head.weight

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, tokens: Tensor, state=None) -> tuple[Tensor, object]:
        """tokens (steps, batch) integers -> logits (steps, batch, num_tokens), and the layer's state.

        Raises:
            TypeError: tokens that are not a tensor of integers.
            ValueError: tokens of another shape, or out of range.
        """
        if isinstance(tokens, Tensor) and tokens.is_floating_point():
            raise TypeError(f"tokens are integers, got {tokens.dtype}")
        if self.training and self.input_dropout:
            tokens = tokens.masked_fill(torch.rand(tokens.shape, device=tokens.device) < self.input_dropout, 0)
        inputs = tokens
        if self.embedding is not None:
            tokens = check_inputs(tokens, self.num_tokens, self.head.weight.dtype)
            inputs = self.embedding(tokens)                               # (steps, batch, embedding)
        outputs, state = self.layer(inputs, state)                        # (steps, batch, hidden)
        return self.head(self.dropout(outputs)), state                    # (steps, batch, num_tokens)


@contextlib.contextmanager
def evaluating(model: nn.Module):
    """Within: no dropout and no gradients. Afterwards the model is in the mode that it was in."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.train(training)


def check_vocabulary(model: LanguageModel, vocab: Vocabulary) -> None:
    """Raise ValueError unless the vocabulary has as many tokens as the model."""
    if len(vocab) != model.num_tokens:
        raise ValueError(f"the model has {model.num_tokens} tokens and the vocabulary {len(vocab)}")


def single_layers(model: LanguageModel) -> list[nn.Module]:
    """The model's recurrent layers, lowest first: one, or those of the stack."""
    return list(model.layer.layers) if isinstance(model.layer, layers.Stacked) else [model.layer]


def _describe(layer: nn.Module) -> dict:
    if type(layer) is not getattr(layers, type(layer).__name__, None):
        raise ValueError(f"only models of the package's own layers can be saved, got {type(layer).__name__}")
    if isinstance(layer, layers.Stacked):
        below = [_describe(one) for one in layer.layers]
        return {"class": "Stacked", "dropout": layer.dropout.p, "layers": below}
    return {"class": type(layer).__name__, "num_inputs": layer.num_inputs, "num_hiddens": layer.num_hiddens}


def _rebuild(description: dict, dtype: torch.dtype) -> nn.Module:
    if description["class"] == "Stacked":
        return layers.Stacked([_rebuild(one, dtype) for one in description["layers"]], description["dropout"])
    if description["class"] not in layers.__all__:
        raise ValueError(f"no layer is called {description['class']!r}")
    sizes = description["num_inputs"], description["num_hiddens"]
    return getattr(layers, description["class"])(*sizes, dtype=dtype)


def _tensors(model: LanguageModel) -> dict[str, Tensor]:
    """Every weight by its name in a file, detached, on the CPU."""
    weights = {f"layers.{k}.{name}": value
               for k, layer in enumerate(single_layers(model))
               for name, value in named_weights(layer).items()}
    weights |= {"head.weight": model.head.weight, "head.bias": model.head.bias}
    if model.embedding is not None and not model.options["tied"]:       # tied, it is the head's
        weights["embedding.weight"] = model.embedding.weight
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}


def save(model: LanguageModel, vocab: Vocabulary, path: str | os.PathLike) -> None:
    """Write model and vocabulary to one safetensors file, whole or not at all.

    Weights carry the names of the equations (``layers.0.W_xi``), whatever class holds them. The metadata's
    entry "unrolled" says the rest, as JSON: the ``kind`` of each layer, ``layer`` and ``options`` to build
    the model again, ``vocabulary``. Equal models give equal files.

    Raises:
        ValueError: the vocabulary is of another size than the model, or the layer is not of this package.
    """
    check_vocabulary(model, vocab)
    description = {"format": 1, "kind": [layer.kind for layer in single_layers(model)],
                   "layer": _describe(model.layer), "options": model.options, "vocabulary": vocab.to_dict()}
    metadata = {METADATA: json.dumps(description)}
    write_whole(path, lambda partial: save_file(_tensors(model), partial, metadata))


def load(path: str | os.PathLike) -> tuple[LanguageModel, Vocabulary]:
    """Read what ``save`` wrote: (model, vocabulary), on the CPU, ready to evaluate.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a file of ours, damaged, or a part is missing or of the wrong shape; it says which.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no model at {path}")
    try:
        with safe_open(path, "pt") as file:
            metadata, weights = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from None
    if METADATA not in metadata:
        raise ValueError(f"{path} was not saved by this package: its metadata has no entry {METADATA!r}")
    try:
        description = json.loads(metadata[METADATA])
        if missing := [part for part in ("layer", "options", "vocabulary") if part not in description]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        vocab = Vocabulary.from_dict(description["vocabulary"])
        dtype = weights["head.weight"].dtype if "head.weight" in weights else None
        with torch.random.fork_rng(devices=[]):             # first values are drawn only to be overwritten
            layer = _rebuild(description["layer"], dtype)
            model = LanguageModel(layer, len(vocab), **description["options"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the metadata of {path} does not describe a model of this package ({error})"
                         ) from None
    expected = _tensors(model)
    if missing := [name for name in expected if name not in weights]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    for name, value in expected.items():
        if weights[name].shape != value.shape:
            raise ValueError(f"{name} in {path} has shape {tuple(weights[name].shape)}, "
                             f"expected {tuple(value.shape)}")
    for k, layer in enumerate(single_layers(model)):
        load_weights(layer, {name: weights[f"layers.{k}.{name}"] for name in layer.names})
    with torch.no_grad():
        for name in expected:
            if not name.startswith("layers."):
                model.get_parameter(name).copy_(weights[name])
    return model.eval(), vocab
