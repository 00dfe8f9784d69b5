"""A recurrent language model: any layer, and a linear head on its hidden states."""
import json
import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unrolled import layers
from unrolled.layers.checks import check_inputs
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.text import Vocabulary


class LanguageModel(nn.Module):
    """Predicts the next token at every step (Mikolov et al. 2010).

    Args:
        layer: a recurrent layer, or several as ``Stacked``.
        num_tokens: size of the vocabulary.
        embedding: ``None`` feeds the tokens straight to the layer (one-hot as an index); a number
            feeds it learnt vectors of that size.
        tied: the head's weight is the embedding's (Press & Wolf 2017); needs an embedding as wide as
            the layer's hidden state.
        dropout: probability with which hidden states are dropped before the head, while training.
        sigma: standard deviation of a Gaussian head with zero bias; ``None`` keeps PyTorch's own draw.

    Raises:
        ValueError: sizes that do not fit each other, or a dropout outside [0, 1).
    """

    def __init__(self, layer: nn.Module, num_tokens: int, *, embedding: int | None = None, tied: bool = False,
                 dropout: float = 0.0, sigma: float | None = None):
        super().__init__()
        width = num_tokens if embedding is None else embedding
        if layer.num_inputs != width:
            what = f"{num_tokens} tokens" if embedding is None else f"an embedding of {embedding}"
            raise ValueError(f"{what} cannot feed a layer of {layer.num_inputs} inputs")
        if tied and embedding != layer.num_hiddens:
            raise ValueError(f"a tied head needs an embedding as wide as the {layer.num_hiddens} hidden units, "
                             f"got {embedding}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1), got {dropout!r}")
        like = next(layer.parameters())
        kind = {"dtype": like.dtype, "device": like.device}
        self.num_tokens, self.options = num_tokens, {"embedding": embedding, "tied": tied, "dropout": dropout}
        self.embedding = None if embedding is None else nn.Embedding(num_tokens, embedding, **kind)
        self.layer = layer
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(layer.num_hiddens, num_tokens, **kind)
        if sigma is not None:
            nn.init.normal_(self.head.weight, std=sigma)
            nn.init.zeros_(self.head.bias)
        if tied:
            self.head.weight = self.embedding.weight

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, tokens: Tensor, state=None) -> tuple[Tensor, object]:
        """tokens (steps, batch) integers -> logits (steps, batch, num_tokens), and the layer's state."""
        if tokens.is_floating_point() or tokens.ndim != 2:
            raise ValueError(f"tokens are integers of shape (steps, batch), got {tokens.dtype} of shape "
                             f"{tuple(tokens.shape)}")
        inputs = tokens
        if self.embedding is not None:
            check_inputs(tokens, self.num_tokens, self.head.weight.dtype)
            inputs = self.embedding(tokens)                               # (steps, batch, embedding)
        outputs, state = self.layer(inputs, state)                        # (steps, batch, hidden)
        return self.head(self.dropout(outputs)), state                    # (steps, batch, num_tokens)


def _describe(layer: nn.Module) -> dict:
    if isinstance(layer, layers.Stacked):
        return {"class": "Stacked", "dropout": layer.dropout.p, "layers": [_describe(one) for one in layer.layers]}
    return {"class": type(layer).__name__, "num_inputs": layer.num_inputs, "num_hiddens": layer.num_hiddens}


def _rebuild(description: dict, dtype: torch.dtype) -> nn.Module:
    if description["class"] == "Stacked":
        return layers.Stacked([_rebuild(one, dtype) for one in description["layers"]], description["dropout"])
    if description["class"] not in layers.__all__:
        raise ValueError(f"this file needs a layer called {description['class']!r}, which this package does not have")
    return getattr(layers, description["class"])(description["num_inputs"], description["num_hiddens"], dtype=dtype)


def _single_layers(model: LanguageModel) -> list[nn.Module]:
    return list(model.layer.layers) if isinstance(model.layer, layers.Stacked) else [model.layer]


def save(model: LanguageModel, vocab: Vocabulary, path: str | os.PathLike) -> None:
    """Write model and vocabulary to one safetensors file, whole or not at all.

    Weights carry the names of the equations (``layers.0.W_xi``), whatever class holds them.
    """
    if len(vocab) != model.num_tokens:
        raise ValueError(f"the model has {model.num_tokens} tokens and the vocabulary {len(vocab)}")
    weights = {f"layers.{k}.{name}": value.contiguous()
               for k, layer in enumerate(_single_layers(model)) for name, value in named_weights(layer).items()}
    weights |= {"head.weight": model.head.weight.detach().clone(), "head.bias": model.head.bias.detach()}
    if model.embedding is not None and not model.options["tied"]:
        weights["embedding.weight"] = model.embedding.weight.detach()
    metadata = {"format": "unrolled 1", "layer": json.dumps(_describe(model.layer)),
                "options": json.dumps(model.options), "vocabulary": json.dumps(vocab.to_dict())}
    write_whole(path, lambda partial: save_file({k: v.cpu() for k, v in weights.items()}, partial, metadata))


def load(path: str | os.PathLike) -> tuple[LanguageModel, Vocabulary]:
    """Read what ``save`` wrote: (model, vocabulary), on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a file of ours, damaged, or a part is missing; the sentence says which.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no model at {path}")
    try:
        with safe_open(path, "pt") as file:
            metadata, weights = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from None
    missing = {"layer", "options", "vocabulary"} - set(metadata)
    if missing:
        raise ValueError(f"{path} was not saved by this package: its metadata lacks {', '.join(sorted(missing))}")
    needed = "head.weight"
    try:
        dtype = weights[needed].dtype
        vocab = Vocabulary.from_dict(json.loads(metadata["vocabulary"]))
        model = LanguageModel(_rebuild(json.loads(metadata["layer"]), dtype), len(vocab), **json.loads(metadata["options"]))
        with torch.no_grad():
            for needed in ("head.weight", "head.bias"):
                getattr(model.head, needed[5:]).copy_(weights[needed])
            if model.embedding is not None and not model.options["tied"]:
                needed = "embedding.weight"
                model.embedding.weight.copy_(weights[needed])
    except KeyError:
        raise ValueError(f"{path} lacks {needed}") from None
    for k, layer in enumerate(_single_layers(model)):
        prefix = f"layers.{k}."
        load_weights(layer, {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)})
    return model.eval(), vocab


def write_whole(path: str | os.PathLike, write) -> None:
    """Call ``write(partial path)``, then move the file into place: a reader never sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    os.close(handle)
    try:
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
