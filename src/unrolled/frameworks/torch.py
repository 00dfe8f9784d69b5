"""PyTorch: the book's own layers and its language model, in the form that all frameworks share.

``Trainer`` does more; here is what the others can be laid beside. The steps run as they are written: what compiling them
gains is less than what it costs in a training as short as this.
"""
import time

import numpy as np

try:
    import torch
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"unrolled.frameworks.torch needs PyTorch: pip install torch ({error})", name=error.name) from None
from torch import nn

from unrolled.device import choose_device, synchronize
from unrolled.frameworks import checks
from unrolled.frameworks.arrays import LAYER, NAMES, sizes
from unrolled.frameworks.experiment import batches, order
from unrolled.history import Row
from unrolled.layers import LSTM, LSTMScratch
from unrolled.layers.parameters import load_weights, named_weights
from unrolled.models import LanguageModel, evaluating
from unrolled.names import LSTM_PARAMETERS

KINDS = {"scratch": LSTMScratch, "concise": LSTM}


def on_device(batch, where):
    """NumPy's tokens as tensors there."""
    return [torch.from_numpy(tokens).long().to(where) for tokens in batch]


def make_optimizer(model, settings, steps):
    """The optimizer, and the schedule that gives it each step's learning rate."""
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=settings.lr)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=0.0)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: settings.rate(step, steps) / settings.lr)


def train_step(model, optimizer, scheduler, clip, tokens, targets):
    """One step on a batch, (steps, batch) each; the loss before it."""
    logits, _ = model(tokens)                                                     # (steps, batch, tokens)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    scheduler.step()
    return loss.detach()


def train(model, train_windows, validation_windows, settings, seed=0, on_epoch=None):
    """Train a model in place on windows of ``experiment.windows``; returns a ``Row`` for each epoch.

    ``validation_windows`` may be None. ``on_epoch`` is called with each row. Dropout is the model's own, drawn by torch's
    global generator, which the seed sets.
    """
    checks.check_training(train_windows, validation_windows, model.num_tokens)
    torch.manual_seed(seed)
    optimizer, scheduler = make_optimizer(model, settings, settings.steps(len(train_windows)))
    rows = []
    for epoch in range(1, settings.epochs + 1):
        model.train()
        losses, counts, began = [], [], time.perf_counter()
        for batch in batches(train_windows, settings.batch_size, order(len(train_windows), seed, epoch - 1)):
            tokens, targets = on_device(batch, model.device)
            losses.append(train_step(model, optimizer, scheduler, settings.clip, tokens, targets))
            counts.append(targets.numel())
        synchronize(model.device)                                                 # a GPU answers before it has done the work
        seconds = time.perf_counter() - began
        train_loss = float(np.average(torch.stack(losses).cpu(), weights=counts))
        validation_loss = None if validation_windows is None else evaluate(model, validation_windows)
        rows.append(Row(epoch, train_loss, validation_loss, seconds))
        if on_epoch is not None:
            on_epoch(rows[-1])
    return rows


def evaluate(model, windows, batch_size=1024):
    """Mean loss in nats per token over all windows, each from a zero state."""
    checks.check_windows(windows, model.num_tokens)
    total = 0.0
    with evaluating(model):
        for batch in batches(windows, batch_size):
            tokens, targets = on_device(batch, model.device)
            logits, _ = model(tokens)                                             # (steps, batch, tokens)
            total += nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
    return total / windows[:, 1:].size


def read(model, tokens, state=None):
    """Logits (steps, batch, tokens) and the last state (H, C) after tokens (steps, batch), all of NumPy."""
    with evaluating(model):
        inputs = torch.tensor(tokens, device=model.device).long()
        state = state and tuple(torch.tensor(part, device=model.device) for part in state)
        logits, state = model(inputs, state)
    return logits.cpu().numpy(), tuple(part.cpu().numpy() for part in state)


def generate(model, prefix_ids, num_tokens):
    """The token ids that the model adds to a prefix, each the likeliest."""
    tokens, state, written = checks.check_prefix(prefix_ids, num_tokens, model.num_tokens), None, []
    tokens, = on_device([tokens], model.device)
    with evaluating(model):
        for _ in range(num_tokens):
            logits, state = model(tokens, state)
            tokens = logits[-1:].argmax(-1)                                       # (1, 1)
            written.append(tokens.item())
    return written


def new_model(num_tokens, num_hiddens, kind="concise", seed=0):
    """A model with the first weights that PyTorch draws: uniform within ±1/√h. The concise layer's two biases both learn."""
    checks.check_kind(kind)
    torch.manual_seed(seed)
    model = LanguageModel(KINDS[kind](num_tokens, num_hiddens), num_tokens)
    return model.to(choose_device())


def to_arrays(model):
    """The weights as NumPy arrays, by the names of ``frameworks.arrays``."""
    weights = {LAYER + name: value for name, value in named_weights(model.layer).items()}
    weights |= {"head.weight": model.head.weight, "head.bias": model.head.bias}
    return {name: weights[name].detach().cpu().numpy().copy() for name in NAMES}


def from_arrays(arrays, kind="scratch", dropout=0.0):
    """A model with these weights, on the best device there is; its layer is "scratch" or "concise".

    Raises:
        TypeError, ValueError: as ``arrays.sizes`` does; another kind.
    """
    num_inputs, num_hiddens, num_tokens = sizes(arrays)
    checks.check_kind(kind)
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    layer = KINDS[kind](num_inputs, num_hiddens, dtype=tensors["head.bias"].dtype)
    load_weights(layer, {name: tensors[LAYER + name] for name in LSTM_PARAMETERS})
    if kind == "concise":                 # torch.nn has two biases; if both learnt, their sum would learn twice as fast
        layer.rnn.bias_hh_l0.requires_grad_(False)
    model = LanguageModel(layer, num_tokens, dropout=dropout)
    model.head.load_state_dict({"weight": tensors["head.weight"], "bias": tensors["head.bias"]})
    return model.to(choose_device())


def versions():
    """What the results depend on."""
    return {"torch": torch.__version__}


def device():
    """Where the models compute, in words."""
    where = choose_device()
    if where.type == "cuda":
        return f"{torch.cuda.get_device_name(where)} (CUDA)"
    return "the processor" if where.type == "cpu" else "Apple's GPU (MPS)"
