"""The LSTM language model in MXNet, with Gluon's blocks. What is compiled here is what ``hybridize`` makes a graph of.

MXNet is at its end: the Apache Software Foundation retired it in September 2023, and 1.9.1, of May 2022, is its last
version. It has to have an environment of its own, with a NumPy of its time: ``make frameworks`` makes one.
"""
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from unrolled.frameworks import arrays as named
from unrolled.frameworks import experiment
from unrolled.frameworks.experiment import Row, Settings
from unrolled.names import LSTM_PARAMETERS, parameter_shapes

# MXNet says np.bool, which NumPy 1.24 took away: the last version of MXNet is older.
if "bool" not in vars(np):
    np.bool = bool
try:
    import mxnet as mx
    from mxnet import autograd, gluon, nd
except (ImportError, AttributeError) as error:      # the second: it is there beside a NumPy that is too new for it
    raise ModuleNotFoundError(
        f"MXNet cannot be used here ({error}): make frameworks makes it an environment, or install mxnet==1.9.1, numpy==1.26.4 "
        f"and setuptools in one of Python 3.11 or 3.12", name="mxnet") from error


class LSTMScratch(gluon.HybridBlock):
    """The LSTM layer from scratch, ``outputs, state = layer(inputs, state)``.

        inputs   (steps, batch, num_inputs) floating, or (steps, batch) integer tokens (one-hot as look-up)
        outputs  (steps, batch, num_hiddens), the hidden state of every step
        state    (H, C), each (batch, num_hiddens); without one it begins with zeros

    Args:
        num_inputs: d, the width of an input, or the number of tokens.
        num_hiddens: h, the number of memory cells.
        forget_bias: first value of every entry of ``b_f``.
        sigma: standard deviation of the Gaussian weights that ``initialize`` draws; the other biases are 0.
    """

    def __init__(self, num_inputs, num_hiddens, forget_bias=0.0, sigma=0.01, dtype="float32", **kwargs):
        check_sizes(num_inputs, num_hiddens)
        super().__init__(**kwargs)
        self.num_inputs, self.num_hiddens, self.of_tokens = num_inputs, num_hiddens, None
        with self.name_scope():
            for name, shape in parameter_shapes(LSTM_PARAMETERS, num_inputs, num_hiddens).items():
                first = mx.init.Normal(sigma) if name[0] == "W" else mx.init.Constant(forget_bias if name == "b_f" else 0)
                setattr(self, name, self.params.get(name, shape=shape, dtype=dtype, init=first))

    def forward(self, inputs, state=None):
        H, C = check(self, inputs, state)
        if self.of_tokens != (inputs.ndim == 2):        # a graph is for the one or for the other
            self.of_tokens = inputs.ndim == 2
            self._clear_cached_op()
        outputs, H, C = super().forward(inputs, H, C)
        return outputs, (H, C)

    # F is MXNet's name for its operators: those on arrays, or those that make a graph. So the gates are small letters here.
    def hybrid_forward(self, F, inputs, H, C, W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c):
        W_x = F.concat(W_xi, W_xf, W_xo, W_xc, dim=1)                       # (inputs, 4 hidden)
        W_h = F.concat(W_hi, W_hf, W_ho, W_hc, dim=1)                       # (hidden, 4 hidden)
        b = F.concat(b_i, b_f, b_o, b_c, dim=0).reshape((1, 1, -1))         # (1, 1, 4 hidden)
        if self.of_tokens:
            from_inputs = F.Embedding(inputs, W_x, input_dim=self.num_inputs, output_dim=4 * self.num_hiddens)
        else:
            from_inputs = F.dot(inputs, W_x)                                # (steps, batch, 4 hidden)

        def step(from_input, state):                                        # (batch, 4 hidden)
            H, C = state                                                    # (batch, hidden) each
            i, f, o, c = F.split(from_input + F.dot(H, W_h), num_outputs=4, axis=1)
            i, f, o = F.sigmoid(i), F.sigmoid(f), F.sigmoid(o)
            C = f * C + i * F.tanh(c)
            H = o * F.tanh(C)
            return H, [H, C]

        outputs, (H, C) = F.contrib.foreach(step, F.broadcast_add(from_inputs, b), [H, C])
        return outputs, H, C                                                # (steps, batch, hidden)


class LSTM(gluon.Block):
    """Gluon's own layer behind the same call. Args: as for ``LSTMScratch``; ``kwargs`` are those of ``gluon.rnn.LSTM``."""

    def __init__(self, num_inputs, num_hiddens, dtype="float32", **kwargs):
        check_sizes(num_inputs, num_hiddens)
        super().__init__()
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        with self.name_scope():
            self.rnn = gluon.rnn.LSTM(num_hiddens, input_size=num_inputs, dtype=dtype, **kwargs)
        # It adds two biases, and both would learn: twice as fast as the equations' one. So the second stays 0.
        self.rnn.l0_h2h_bias.grad_req = "null"

    def forward(self, inputs, state=None):
        H, C = check(self, inputs, state)
        if inputs.ndim == 2:                                                # Gluon wants the one-hot vectors
            inputs = nd.one_hot(inputs, self.num_inputs, dtype=H.dtype)     # (steps, batch, inputs)
        outputs, (H, C) = self.rnn(inputs, [H.expand_dims(0), C.expand_dims(0)])    # (1, batch, hidden): one layer
        return outputs, (H[0], C[0])


class LanguageModel(gluon.Block):
    """Predicts the next token at every step: tokens (steps, batch) -> logits (steps, batch, num_tokens), state.

    Args:
        layer: one of the two above.
        dropout: probability with which hidden states are dropped before the head, while training.
    """

    def __init__(self, layer, num_tokens, dropout=0.0, **kwargs):
        if layer.num_inputs != num_tokens:
            raise ValueError(f"{num_tokens} tokens cannot feed a layer of {layer.num_inputs} inputs")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1), got {dropout!r}")
        super().__init__(**kwargs)
        with self.name_scope():
            self.layer = layer
            self.dropout = gluon.nn.Dropout(dropout)
            self.head = gluon.nn.Dense(num_tokens, flatten=False, in_units=layer.num_hiddens, dtype=dtype_of(layer))

    def forward(self, tokens, state=None):
        if isinstance(tokens, nd.NDArray) and np.issubdtype(tokens.dtype, np.floating):
            raise TypeError(f"tokens are integers, got {tokens.dtype.__name__}")
        outputs, state = self.layer(tokens, state)                          # (steps, batch, hidden)
        return self.head(self.dropout(outputs)), state                      # (steps, batch, tokens)


def dtype_of(block) -> str:
    """Of its parameters."""
    return np.dtype(next(iter(block.collect_params().values())).dtype).name


def context_of(block) -> mx.Context:
    """Where its parameters lie, which is where its inputs have to be."""
    return next(iter(block.collect_params().values())).list_ctx()[0]


def check_sizes(num_inputs, num_hiddens) -> None:
    """Raise ValueError unless both are whole numbers of at least 1."""
    for name, size in (("num_inputs", num_inputs), ("num_hiddens", num_hiddens)):
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {size!r}")


def check(layer, inputs, state):
    """The state, zeros where there is none, or one sentence about what does not fit the layer.

    Raises:
        TypeError: no MXNet arrays, or a dtype other than the layer's.
        ValueError: a shape that does not fit, or a token id out of range, which MXNet itself would not notice.
    """
    dtype = dtype_of(layer)
    if not isinstance(inputs, nd.NDArray):
        raise TypeError(f"inputs are an MXNet NDArray, not {type(inputs).__module__}.{type(inputs).__name__}")
    of_tokens = np.issubdtype(inputs.dtype, np.integer)
    if not of_tokens and np.dtype(inputs.dtype).name != dtype:
        raise TypeError(f"inputs are integer tokens or {dtype} like the weights, got {np.dtype(inputs.dtype).name}")
    if of_tokens and inputs.ndim != 2:
        raise ValueError(f"integer tokens have shape (steps, batch), got {inputs.shape}")
    if not of_tokens and (inputs.ndim != 3 or inputs.shape[2] != layer.num_inputs):
        raise ValueError(f"inputs have shape (steps, batch, {layer.num_inputs}), got {inputs.shape}")
    if of_tokens:
        low, high = int(inputs.min().asscalar()), int(inputs.max().asscalar())
        if low < 0 or high >= layer.num_inputs:
            raise ValueError(f"token ids lie between 0 and {layer.num_inputs - 1}, got {low if low < 0 else high}")
    shape = inputs.shape[1], layer.num_hiddens
    if state is None:
        return [nd.zeros(shape, ctx=inputs.context, dtype=dtype)] * 2
    expected = f"a state is (H, C), each an MXNet NDArray of shape {shape} and {dtype}"
    if not isinstance(state, (tuple, list)) or not all(isinstance(value, nd.NDArray) for value in state):
        what = [type(value).__name__ for value in state] if isinstance(state, (tuple, list)) else [type(state).__name__]
        raise TypeError(f"{expected}, got {' and '.join(what)}")
    if [(value.shape, np.dtype(value.dtype).name) for value in state] != [(shape, dtype)] * 2:
        what = " and ".join(f"{value.shape} {np.dtype(value.dtype).name}" for value in state)
        raise ValueError(f"{expected}, got {what}")
    return state


LAYERS = {"scratch": LSTMScratch, "concise": LSTM}
ORDER = "ifco"      # of the gates in Gluon's weights, which lie one below the other, transposed


def layer_arrays(layer, read: Callable = gluon.Parameter.data) -> dict[str, np.ndarray]:
    """The layer's parameters by the names of the equations, or with ``gluon.Parameter.grad`` their gradients."""
    if isinstance(layer, LSTMScratch):
        return {name: read(getattr(layer, name)).asnumpy() for name in LSTM_PARAMETERS}
    rnn, found = layer.rnn, {}
    for side, weight in (("x", rnn.l0_i2h_weight), ("h", rnn.l0_h2h_weight)):
        found |= {f"W_{side}{k}": part.T for k, part in zip(ORDER, np.split(read(weight).asnumpy(), 4))}
    found |= {f"b_{k}": part for k, part in zip(ORDER, np.split(read(rnn.l0_i2h_bias).asnumpy(), 4))}
    return {name: found[name] for name in LSTM_PARAMETERS}


def to_arrays(model: LanguageModel) -> dict[str, np.ndarray]:
    """The weights by the names of ``unrolled.frameworks.arrays``."""
    weights = {named.LAYER + name: value for name, value in layer_arrays(model.layer).items()}
    return weights | {"head.weight": model.head.weight.data().asnumpy(), "head.bias": model.head.bias.data().asnumpy()}


def from_arrays(arrays: Mapping[str, np.ndarray], kind: str = "scratch", dropout: float = 0.0,
                ctx: mx.Context | None = None) -> LanguageModel:
    """The model that has these weights, with the layer from scratch or Gluon's own ("concise"); on a GPU, where there is one.

    Raises:
        TypeError, ValueError: as ``arrays.sizes`` does, or an unknown kind.
    """
    num_inputs, num_hiddens, num_tokens = named.sizes(arrays)
    if kind not in LAYERS:
        raise ValueError(f"the kind of a layer is scratch or concise, not {kind!r}")
    layer = LAYERS[kind](num_inputs, num_hiddens, dtype=arrays["head.bias"].dtype.name)
    model = LanguageModel(layer, num_tokens, dropout)
    model.initialize(ctx=ctx or best_context())
    weights = {name.removeprefix(named.LAYER): value for name, value in arrays.items()}
    if kind == "scratch":
        for name in LSTM_PARAMETERS:
            getattr(layer, name).set_data(weights[name])
    else:
        layer.rnn.l0_i2h_weight.set_data(np.concatenate([weights[f"W_x{k}"].T for k in ORDER]))
        layer.rnn.l0_h2h_weight.set_data(np.concatenate([weights[f"W_h{k}"].T for k in ORDER]))
        layer.rnn.l0_i2h_bias.set_data(np.concatenate([weights[f"b_{k}"] for k in ORDER]))
    model.head.weight.set_data(weights["head.weight"])
    model.head.bias.set_data(weights["head.bias"])
    return model


def train(model: LanguageModel, train_windows: np.ndarray, validation_windows: np.ndarray | None, settings: Settings,
          seed: int = 0, on_epoch: Callable[[Row], None] | None = None) -> list[Row]:
    """Train on windows of ``experiment.windows``, and say what each epoch did.

    The graphs are made before the clock starts, by a step without an update.

    Raises:
        ValueError: a dropout of the settings that is not the model's.
    """
    if model.dropout._rate != settings.dropout:
        raise ValueError(f"the model drops {model.dropout._rate:g} of its hidden states, and the settings say {settings.dropout:g}")
    mx.random.seed(seed)                        # of dropout
    model.hybridize(static_alloc=True)
    cross_entropy, ctx = gluon.loss.SoftmaxCrossEntropyLoss(), context_of(model)
    # No weight decays here, and without it Gluon's Adam is AdamW.
    trainer = gluon.Trainer(model.collect_params(), {"sgd": "sgd", "adamw": "adam"}[settings.optimizer], {"wd": 0.0})

    def gradients(tokens, targets) -> float:
        """Leave the gradients of the mean loss in the parameters."""
        with autograd.record():
            logits, _ = model(nd.array(tokens, ctx, "int32"))                           # (steps, batch, tokens)
            loss = cross_entropy(logits, nd.array(targets, ctx, "int32")).mean()        # each step's mean, and theirs
        loss.backward()
        return float(loss.asscalar())

    gradients(*next(experiment.batches(train_windows, settings.batch_size)))
    steps, step, rows = settings.steps(len(train_windows)), 0, []
    for epoch in range(settings.epochs):
        start, total = time.perf_counter(), 0.0
        order = experiment.order(len(train_windows), seed, epoch)
        for tokens, targets in experiment.batches(train_windows, settings.batch_size, order):
            total += gradients(tokens, targets) * targets.size
            clip_gradients(model, settings.clip)
            trainer.set_learning_rate(settings.rate(step, steps))
            step += 1
            if settings.optimizer == "adamw":   # Gluon adds epsilon before it corrects the second moment, others after
                trainer.optimizer.epsilon = 1e-8 * math.sqrt(1 - 0.999 ** step)
            trainer.step(batch_size=1)          # the loss is a mean already
        nd.waitall()                            # before anybody looks at a clock
        seconds = time.perf_counter() - start
        validation = None if validation_windows is None else evaluate(model, validation_windows)
        rows.append(Row(epoch + 1, total / train_windows[:, 1:].size, validation, seconds))
        if on_epoch:
            on_epoch(rows[-1])
    return rows


def clip_gradients(model: LanguageModel, largest: float) -> None:
    """Scale all gradients where their common norm is above ``largest``: ``gluon.utils.clip_global_norm``, also in float64."""
    gradients = [p.grad() for p in model.collect_params().values() if p.grad_req != "null"]
    norm = float(nd.add_n(*[nd.sum(g * g) for g in gradients]).sqrt().asscalar())
    if norm > largest:
        for g in gradients:
            g *= largest / norm


def evaluate(model: LanguageModel, windows: np.ndarray, batch_size: int = 1024) -> float:
    """Mean loss in nats per token over all windows, each from a zero state."""
    cross_entropy, ctx, total = gluon.loss.SoftmaxCrossEntropyLoss(), context_of(model), 0.0
    for tokens, targets in experiment.batches(windows, batch_size):
        logits, _ = model(nd.array(tokens, ctx, "int32"))
        total += float(cross_entropy(logits, nd.array(targets, ctx, "int32")).mean().asscalar()) * targets.size
    return total / windows[:, 1:].size


def generate(model: LanguageModel, prefix_ids: Sequence[int], num_tokens: int) -> list[int]:
    """The tokens that follow, the likeliest each time.

    Raises:
        ValueError: an empty prefix, a token out of range, or a number of tokens below 0.
    """
    if len(prefix_ids) == 0:
        raise ValueError("the prefix is empty: the model needs at least one token to begin with")
    if num_tokens < 0:
        raise ValueError(f"num_tokens is a whole number, 0 or more, not {num_tokens!r}")
    tokens, state, written = list(prefix_ids), None, []
    for _ in range(num_tokens):
        logits, state = model(nd.array([tokens], context_of(model), "int32").T, state)      # (steps, 1, tokens)
        tokens = [int(logits[-1, 0].argmax(axis=0).asscalar())]
        written += tokens
    return written


def best_context() -> mx.Context:
    """A GPU, where there is one that this build of MXNet can use."""
    return mx.gpu() if mx.context.num_gpus() else mx.cpu()


def device() -> str:
    """What ``from_arrays`` puts a model on, in words."""
    return "GPU" if mx.context.num_gpus() else "CPU"


def versions() -> dict[str, str]:
    """Of all that counts."""
    return {"mxnet": mx.__version__, "numpy": np.__version__}
