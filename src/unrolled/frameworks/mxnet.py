"""The LSTM language model in MXNet, with Gluon's blocks. What is compiled here is what ``hybridize`` makes a graph of.

MXNet is at its end: the Apache Software Foundation retired it in September 2023, and 1.9.1, of May 2022, is its last
version. It has to have an environment of its own, with a NumPy of its time: ``make frameworks`` makes one.
"""
import math
import time

import numpy as np

from unrolled.frameworks import arrays as named
from unrolled.frameworks import checks
from unrolled.frameworks.experiment import batches, order
from unrolled.history import Row
from unrolled.names import LSTM_PARAMETERS, parameter_shapes

# MXNet says np.bool, which NumPy 1.24 took away: the last version of MXNet is older.
if "bool" not in vars(np):
    np.bool = bool
try:
    import mxnet as mx
    from mxnet import autograd, gluon, nd
except (ImportError, AttributeError) as error:    # the second: it is there, beside a NumPy that is too new for it
    raise ModuleNotFoundError(f"unrolled.frameworks.mxnet needs MXNet in an environment of its own: make frameworks, or in "
                              f"Python 3.11 or 3.12 pip install mxnet==1.9.1 numpy==1.26.4 setuptools ({error})", name="mxnet") from None


def check(layer, inputs, state):
    """The state, or zeros in its place; one sentence says what is wrong with it or with the inputs."""
    for value in (inputs, *(state if isinstance(state, (tuple, list)) else ())):
        if not isinstance(value, nd.NDArray):
            raise TypeError(f"inputs and states are arrays of MXNet, got {type(value).__module__}.{type(value).__name__}")
    dtype, name_of = dtype_of(layer), lambda array: np.dtype(array.dtype).name
    checks.check_inputs(inputs.shape, name_of(inputs), layer.num_inputs, dtype)
    if inputs.ndim == 2:                          # MXNet itself takes the nearest row for a token that it does not know
        checks.check_range(inputs.asnumpy(), layer.num_inputs)
    shape = inputs.shape[1], layer.num_hiddens
    if state is None:
        state = nd.zeros(shape, inputs.context, dtype), nd.zeros(shape, inputs.context, dtype)
    checks.check_state(state, *shape, dtype, name_of)
    return state


def dtype_of(block):
    """The name of its parameters' dtype."""
    return np.dtype(next(iter(block.collect_params().values())).dtype).name


def context_of(block):
    """Where its parameters lie, and its inputs have to."""
    return next(iter(block.collect_params().values())).list_ctx()[0]


class LSTMScratch(gluon.HybridBlock):
    """The LSTM layer (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), its loop MXNet's ``foreach``.

    ``outputs, (H, C) = layer(inputs, state)``: inputs (steps, batch, num_inputs), or (steps, batch) integer tokens;
    outputs (steps, batch, num_hiddens); H and C (batch, num_hiddens), zeros where none are given.
    """

    def __init__(self, num_inputs, num_hiddens, forget_bias=0.0, sigma=0.01, dtype="float32",
                 **kwargs):
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        super().__init__(**kwargs)
        self.num_inputs, self.num_hiddens, self.of_tokens = num_inputs, num_hiddens, None
        shapes = parameter_shapes(LSTM_PARAMETERS, num_inputs, num_hiddens)
        with self.name_scope():
            for name, shape in shapes.items():
                if name.startswith("W"):
                    first = mx.init.Normal(sigma)
                else:
                    first = mx.init.Constant(forget_bias if name == "b_f" else 0)
                parameter = self.params.get(name, shape=shape, dtype=dtype, init=first)
                setattr(self, name, parameter)

    def forward(self, inputs, state=None):
        H, C = check(self, inputs, state)
        if self.of_tokens != (inputs.ndim == 2):  # a graph is for tokens or for vectors
            self.of_tokens = inputs.ndim == 2
            self._clear_cached_op()
        outputs, H, C = super().forward(inputs, H, C)
        return outputs, (H, C)

    # F is MXNet's: its operators on arrays or, compiled, those that make a graph. So the gates are small letters here.
    def hybrid_forward(self, F, inputs, H, C, W_xi, W_hi, b_i, W_xf, W_hf, b_f,
                       W_xo, W_ho, b_o, W_xc, W_hc, b_c):
        # Side by side, the four weights need one product, not four.
        W_x = F.concat(W_xi, W_xf, W_xo, W_xc, dim=1)                # (inputs, 4 hidden)
        W_h = F.concat(W_hi, W_hf, W_ho, W_hc, dim=1)                # (hidden, 4 hidden)
        b = F.concat(b_i, b_f, b_o, b_c, dim=0).reshape((1, 1, -1))  # (1, 1, 4 hidden)
        # No input waits for a state: their product leaves the loop. A token's is its row.
        if self.of_tokens:
            from_inputs = F.Embedding(inputs, W_x, input_dim=self.num_inputs,
                                      output_dim=4 * self.num_hiddens)
        else:
            from_inputs = F.dot(inputs, W_x)                         # (steps, batch, 4 hidden)

        def step(from_input, state):                                 # (batch, 4 hidden)
            H, C = state                                             # (batch, hidden) each
            i, f, o, c = F.split(from_input + F.dot(H, W_h), num_outputs=4, axis=1)
            i, f, o = F.sigmoid(i), F.sigmoid(f), F.sigmoid(o)
            c_tilde = F.tanh(c)                                      # (batch, hidden)
            C = f * C + i * c_tilde                                  # (batch, hidden)
            H = o * F.tanh(C)                                        # (batch, hidden)
            return H, [H, C]

        from_inputs = F.broadcast_add(from_inputs, b)
        outputs, (H, C) = F.contrib.foreach(step, from_inputs, [H, C])
        return outputs, H, C                                         # (steps, batch, hidden)

    def named(self, read=gluon.Parameter.data):
        """The parameters by name, as NumPy arrays; with ``gluon.Parameter.grad`` their gradients."""
        return {name: read(getattr(self, name)).asnumpy() for name in LSTM_PARAMETERS}

    def load(self, weights):
        """Take parameters, NumPy arrays by name."""
        for name in LSTM_PARAMETERS:
            getattr(self, name).set_data(weights[name])


class LSTM(gluon.Block):
    """Gluon's own layer, called like ``LSTMScratch``.

    The initializers are those of ``gluon.rnn.LSTM``.
    """

    def __init__(self, num_inputs, num_hiddens, dtype="float32", **initializers):
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        super().__init__()
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        with self.name_scope():
            self.rnn = gluon.rnn.LSTM(num_hiddens, input_size=num_inputs, dtype=dtype,
                                      h2h_bias_initializer="zeros", **initializers)
        # Two biases that both learnt would learn twice as fast. The second stays 0.
        self.rnn.l0_h2h_bias.grad_req = "null"

    def forward(self, inputs, state=None):
        H, C = check(self, inputs, state)
        if inputs.ndim == 2:                                         # Gluon wants one-hot vectors
            inputs = nd.one_hot(inputs, self.num_inputs, dtype=H.dtype)
        state = [H.expand_dims(0), C.expand_dims(0)]                 # (1, batch, hidden): one layer
        outputs, (H, C) = self.rnn(inputs, state)                    # (steps, batch, hidden)
        return outputs, (H[0], C[0])

    def _joined(self):
        """Gluon's parameters by the beginning of ours; the gates below each other: i, f, c, o."""
        return {"W_x": self.rnn.l0_i2h_weight, "W_h": self.rnn.l0_h2h_weight,
                "b_": self.rnn.l0_i2h_bias}

    def named(self, read=gluon.Parameter.data):
        """The parameters, or with ``gluon.Parameter.grad`` their gradients, by name, of NumPy."""
        return {start + gate: np.ascontiguousarray(part.T)
                for start, joined in self._joined().items()
                for gate, part in zip("ifco", np.split(read(joined).asnumpy(), 4))}

    def load(self, weights):
        """Take parameters, NumPy arrays by name."""
        for start, joined in self._joined().items():
            parts = [weights[start + gate].T for gate in "ifco"]
            joined.set_data(np.concatenate(parts))


class LanguageModel(gluon.Block):
    """A layer, and a dense head on its hidden states: ``logits, state = model(tokens, state)``.

    tokens (steps, batch) -> logits (steps, batch, num_tokens). Dropout drops hidden states while autograd records.
    """

    def __init__(self, layer, num_tokens, dropout=0.0, **kwargs):
        checks.check_model(layer.num_inputs, num_tokens, dropout)
        super().__init__(**kwargs)
        self.num_tokens = num_tokens
        with self.name_scope():
            self.layer = layer
            self.dropout = gluon.nn.Dropout(dropout)
            self.head = gluon.nn.Dense(num_tokens, flatten=False, in_units=layer.num_hiddens, dtype=dtype_of(layer))

    def forward(self, tokens, state=None):
        outputs, state = self.layer(tokens, state)                          # (steps, batch, hidden)
        return self.head(self.dropout(outputs)), state                      # (steps, batch, tokens), (H, C)


def clip_gradients(model, largest):
    """Scale all gradients if their common norm is above ``largest``.

    Gluon's own ``clip_global_norm`` takes no float64.
    """
    parameters = model.collect_params().values()
    gradients = [p.grad() for p in parameters if p.grad_req != "null"]
    norm = nd.add_n(*[(g * g).sum() for g in gradients]).sqrt().asscalar()
    if norm > largest:
        for g in gradients:
            g *= largest / norm


def mean_loss(model, tokens, targets):
    """Mean cross-entropy in nats per token; tokens and targets (steps, batch), of NumPy."""
    tokens, targets = (nd.array(part, context_of(model), "int32") for part in (tokens, targets))
    logits, _ = model(tokens)                                        # (steps, batch, tokens)
    # In float32 MXNet's logarithm of a softmax is several millionths off, mostly to one side.
    return gluon.loss.SoftmaxCrossEntropyLoss()(logits.astype("float64"), targets).mean()


def backward(model, tokens, targets):
    """Leave the gradients of a batch in the parameters; returns its loss."""
    with autograd.record():
        loss = mean_loss(model, tokens, targets)
    loss.backward()
    return loss.asscalar()


def train_step(model, trainer, clip, tokens, targets):
    """One step on a batch, (steps, batch) each; the loss before it."""
    loss = backward(model, tokens, targets)
    clip_gradients(model, clip)
    trainer.step(batch_size=1)                # the loss is a mean already
    return loss


def train(model, train_windows, validation_windows, settings, seed=0, on_epoch=None):
    """Train a model in place on windows of ``experiment.windows``; returns a ``Row`` for each epoch.

    ``validation_windows`` may be None. ``on_epoch`` is called with each row. Dropout is the model's own, drawn by MXNet's
    global generator, which the seed sets. The seconds are those of the steps: the graphs are made before.
    """
    checks.check_training(train_windows, validation_windows, model.num_tokens)
    # No weight decays here, and without that Gluon's Adam is AdamW.
    rule = {"sgd": "sgd", "adamw": "adam"}[settings.optimizer]
    trainer = gluon.Trainer(model.collect_params(), rule, {"wd": 0.0})
    model.hybridize(static_alloc=True)
    for tokens, targets in {x.shape: (x, y) for x, y in batches(train_windows, settings.batch_size)}.values():
        backward(model, tokens, targets)                                  # no update follows
    mx.random.seed(seed)
    step, steps, rows = 0, settings.steps(len(train_windows)), []
    for epoch in range(1, settings.epochs + 1):
        losses, sizes, began = [], [], time.perf_counter()
        for tokens, targets in batches(train_windows, settings.batch_size, order(len(train_windows), seed, epoch - 1)):
            trainer.set_learning_rate(settings.rate(step, steps))
            step += 1
            if rule == "adam":            # epsilon is added after the second moment is corrected; Gluon adds it before
                trainer.optimizer.epsilon = 1e-8 * math.sqrt(1 - 0.999 ** step)
            losses.append(train_step(model, trainer, settings.clip, tokens, targets))
            sizes.append(targets.size)
        nd.waitall()                                                        # MXNet answers before it has done the work
        seconds = time.perf_counter() - began
        validation_loss = None if validation_windows is None else evaluate(model, validation_windows)
        rows.append(Row(epoch, float(np.average(losses, weights=sizes)), validation_loss, seconds))
        if on_epoch is not None:
            on_epoch(rows[-1])
    return rows


def evaluate(model, windows, batch_size=1024):
    """Mean loss in nats per token over all windows, each from a zero state."""
    checks.check_windows(windows, model.num_tokens)
    total = sum(mean_loss(model, *batch).asscalar() * batch[1].size for batch in batches(windows, batch_size))
    return float(total) / windows[:, 1:].size


def read(model, tokens, state=None):
    """Logits (steps, batch, tokens) and the last state (H, C) after tokens (steps, batch), all of NumPy."""
    state = state and tuple(nd.array(part, context_of(model), part.dtype) for part in state)
    logits, state = model(nd.array(tokens, context_of(model), "int32"), state)
    return logits.asnumpy(), tuple(part.asnumpy() for part in state)


def generate(model, prefix_ids, num_tokens):
    """The token ids that the model adds to a prefix, each the likeliest."""
    tokens = checks.check_prefix(prefix_ids, num_tokens, model.num_tokens)
    state, written = None, []
    for _ in range(num_tokens):
        tokens = nd.array(tokens, context_of(model), "int32")        # (steps, 1)
        logits, state = model(tokens, state)                         # (steps, 1, tokens)
        written.append(int(logits[-1, 0].argmax(axis=0).asscalar()))
        tokens = [[written[-1]]]
    return written


KINDS = {"scratch": LSTMScratch, "concise": LSTM}


def new_model(num_tokens, num_hiddens, kind="concise", seed=0):
    """A model with the first weights that Gluon draws: uniform within ±0.07, biases 0."""
    checks.check_kind(kind)
    mx.random.seed(seed)
    model = LanguageModel(KINDS[kind](num_tokens, num_hiddens), num_tokens)
    model.initialize(ctx=best_context())
    return model


def to_arrays(model):
    """The weights as NumPy arrays, by the names of ``frameworks.arrays``."""
    weights = {named.LAYER + name: value for name, value in model.layer.named().items()}
    weights |= {"head.weight": model.head.weight.data().asnumpy(), "head.bias": model.head.bias.data().asnumpy()}
    return {name: weights[name] for name in named.NAMES}


def from_arrays(arrays, kind="scratch", dropout=0.0):
    """A model with these weights, on a GPU if MXNet was built for one; its layer is "scratch" or "concise".

    Raises:
        TypeError, ValueError: as ``arrays.sizes`` does; another kind.
    """
    num_inputs, num_hiddens, num_tokens = named.sizes(arrays)
    checks.check_kind(kind)
    layer = KINDS[kind](num_inputs, num_hiddens, dtype=arrays["head.bias"].dtype.name)
    model = LanguageModel(layer, num_tokens, dropout)
    model.initialize(ctx=best_context())
    layer.load({name: arrays[named.LAYER + name] for name in LSTM_PARAMETERS})
    model.head.weight.set_data(arrays["head.weight"])
    model.head.bias.set_data(arrays["head.bias"])
    return model


def best_context():
    """A GPU, if this build of MXNet knows one."""
    return mx.gpu() if mx.context.num_gpus() else mx.cpu()


def versions():
    """What the results depend on."""
    return {"mxnet": mx.__version__}


def device():
    """Where the models compute, in words."""
    return "GPU (CUDA)" if mx.context.num_gpus() else "the processor"
