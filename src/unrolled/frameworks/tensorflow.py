"""TensorFlow with Keras 3: the layer as a ``tf.scan``, Keras's own, and a training loop compiled by ``tf.function``.

Keras 3 runs on several backends; here it has to be on TensorFlow. TensorFlow itself chooses the device, a GPU where there
is one. Compiled are graphs, without XLA (``jit_compile=True``): on a processor it compiled for seconds and was no faster,
and on a GPU Keras's layer could not use cuDNN.
"""
import contextlib
import os
import time

import numpy as np

from unrolled.frameworks import arrays as named
from unrolled.frameworks import checks
from unrolled.frameworks.experiment import batches, order
from unrolled.history import Row
from unrolled.names import LSTM_PARAMETERS, parameter_shapes

# Only errors are logged, and a GPU's memory is taken as it is needed, not whole: other frameworks may want some too.
for _name, _value in {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}.items():
    os.environ.setdefault(_name, _value)


@contextlib.contextmanager
def _silence():
    """Within, nothing reaches stderr: while TensorFlow's C++ is loaded it greets from there, and no setting stops it."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _check_backend(name):
    if name != "tensorflow":
        raise ImportError(f"unrolled.frameworks.tensorflow needs Keras on TensorFlow, and here it runs on {name}: "
                          "set KERAS_BACKEND=tensorflow before anything imports Keras")


_check_backend(os.environ["KERAS_BACKEND"])
try:
    with _silence():
        import keras
        import tensorflow as tf
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"unrolled.frameworks.tensorflow needs TensorFlow and Keras 3: pip install 'unrolled[frameworks]' "
                              f"({error})", name=error.name) from None
_check_backend(keras.backend.backend())             # Keras may have been there before


class _Recurrent(keras.layers.Layer):
    """What both layers share: ``outputs, (H, C) = layer(inputs, state=None)``, what it asks of them, the zero state."""

    def __init__(self, num_inputs, num_hiddens, **options):
        super().__init__(**options)
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens

    def __call__(self, inputs, state=None):
        return super().__call__(*self.check(inputs, state))

    def check(self, inputs, state):
        """The inputs, and the state or zeros in its place, as tensors; one sentence says what is wrong with them.

        It has to come before Keras's own ``__call__``, which makes tensors of whatever it is given.
        """
        for value in (inputs, *(state if isinstance(state, (tuple, list)) else ())):
            if not isinstance(value, (tf.Tensor, tf.Variable, np.ndarray)):
                raise TypeError("inputs and states are tensors of TensorFlow or arrays of NumPy, "
                                f"got {type(value).__module__}.{type(value).__name__}")
        inputs = tf.convert_to_tensor(inputs)
        checks.check_inputs(inputs.shape, inputs.dtype.name, self.num_inputs, self.dtype)
        if inputs.dtype.is_integer:
            if tf.executing_eagerly():              # in a graph there are no values yet
                checks.check_range(inputs.numpy(), self.num_inputs)
            inputs = tf.cast(inputs, tf.int32)
        if state is None:
            state = self.zero_state(tf.shape(inputs)[1])
        else:
            checks.check_state(state, inputs.shape[1], self.num_hiddens, self.dtype, lambda value: tf.as_dtype(value.dtype).name)
        return inputs, tuple(tf.convert_to_tensor(value) for value in state)

    def zero_state(self, batch):
        zeros = tf.zeros((batch, self.num_hiddens), self.dtype)
        return zeros, zeros


class LSTMScratch(_Recurrent):
    """The LSTM layer (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), its loop a ``tf.scan``.

    ``outputs, (H, C) = layer(inputs, state=None)``: inputs (steps, batch, num_inputs), or (steps, batch) integer
    tokens; outputs (steps, batch, num_hiddens); H and C (batch, num_hiddens), zeros where none are given.
    """

    def __init__(self, num_inputs, num_hiddens, *, forget_bias=0.0, sigma=0.01, **options):
        super().__init__(num_inputs, num_hiddens, **options)
        for name, shape in parameter_shapes(LSTM_PARAMETERS, num_inputs, num_hiddens).items():
            if name.startswith("W"):
                first = keras.initializers.RandomNormal(stddev=sigma)
            else:
                first = keras.initializers.Constant(forget_bias if name == "b_f" else 0.0)
            setattr(self, name, self.add_weight(shape=shape, initializer=first, name=name))
        self.built = True

    def call(self, inputs, state):
        # Side by side, the four weights need one product, not four.
        W_x = tf.concat([self.W_xi, self.W_xf, self.W_xo, self.W_xc], 1)  # (inputs, 4 hidden)
        W_h = tf.concat([self.W_hi, self.W_hf, self.W_ho, self.W_hc], 1)  # (hidden, 4 hidden)
        b = tf.concat([self.b_i, self.b_f, self.b_o, self.b_c], 0)        # (4 hidden,)
        # No input waits for a state: their product leaves the loop. A token's is its row.
        if inputs.dtype.is_integer:
            from_inputs = tf.gather(W_x, inputs) + b             # (steps, batch, 4 hidden)
        else:
            from_inputs = tf.tensordot(inputs, W_x, axes=1) + b

        def step(state, from_input):                             # (batch, 4 hidden)
            H, C = state                                         # (batch, hidden) each
            i, f, o, c = tf.split(from_input + H @ W_h, 4, axis=1)
            I, F, O = tf.sigmoid(i), tf.sigmoid(f), tf.sigmoid(o)
            C_tilde = tf.tanh(c)                                 # (batch, hidden)
            C = F * C + I * C_tilde                              # (batch, hidden)
            H = O * tf.tanh(C)                                   # (batch, hidden)
            return H, C

        H, C = tf.scan(step, from_inputs, state)                 # (steps, batch, hidden) each
        return H, (H[-1], C[-1])

    def by_name(self, values):
        """Weights, or their gradients, in Keras's order -> {"W_xi": …, …, "b_c": …}."""
        return dict(zip(LSTM_PARAMETERS, values))

    def in_order(self, weights):
        """The other way."""
        return [weights[name] for name in LSTM_PARAMETERS]


class LSTM(_Recurrent):
    """Keras's own layer, called as ``LSTMScratch`` is; its forget bias starts at 1.

    That is the advice of Jozefowicz et al. 2015.
    """

    def __init__(self, num_inputs, num_hiddens, **options):
        super().__init__(num_inputs, num_hiddens, **options)
        self.rnn = keras.layers.LSTM(num_hiddens, return_sequences=True, return_state=True,
                                     dtype=self.dtype)
        self.rnn.build((None, None, num_inputs))
        self.built = True

    def call(self, inputs, state):
        if inputs.dtype.is_integer:                              # Keras wants one-hot vectors
            inputs = tf.one_hot(inputs, self.num_inputs, dtype=self.dtype)
        # Keras 3 has the batch first, and nothing like the time_major of Keras 2.
        inputs = tf.transpose(inputs, (1, 0, 2))                 # (batch, steps, inputs)
        outputs, H, C = self.rnn(inputs, initial_state=list(state))
        return tf.transpose(outputs, (1, 0, 2)), (H, C)          # (steps, batch, hidden)

    # Keras stacks the gates in an order of its own, along the last axis of its three weights.

    def by_name(self, values):
        return {part + k: gate for part, value in zip(("W_x", "W_h", "b_"), values)
                for k, gate in zip("ifco", np.split(value, 4, axis=-1))}

    def in_order(self, weights):
        return [np.concatenate([weights[part + k] for k in "ifco"], axis=-1)
                for part in ("W_x", "W_h", "b_")]


KINDS = {"scratch": LSTMScratch, "concise": LSTM}
TOKENS = tf.TensorSpec((None, None), tf.int32)      # (steps, batch): one graph serves batches of every size


class LanguageModel(keras.Model):
    """A layer, and a dense head on its hidden states: ``logits, state = model(tokens, state=None, training=False)``.

    tokens (steps, batch) -> logits (steps, batch, num_tokens). In training, dropout takes hidden states away.
    """

    def __init__(self, layer, num_tokens, dropout=0.0):
        checks.check_model(layer.num_inputs, num_tokens, dropout)
        super().__init__(dtype=layer.dtype)
        self.layer, self.num_tokens = layer, num_tokens
        self.dropout = keras.layers.Dropout(dropout, dtype=layer.dtype)
        self.head = keras.layers.Dense(num_tokens, dtype=layer.dtype)
        self.head.build((None, None, layer.num_hiddens))
        self.built = True

    def __call__(self, tokens, state=None, training=False):
        return super().__call__(*self.layer.check(tokens, state), training=training)

    def call(self, tokens, state=None, training=False):
        outputs, state = self.layer(tokens, state)                                   # (steps, batch, hidden)
        return self.head(self.dropout(outputs, training=training)), state            # (steps, batch, tokens), (H, C)

    def mean_loss(self, tokens, targets, training=False):
        """Mean cross-entropy in nats per token; tokens and targets (steps, batch)."""
        logits, _ = self(tokens, training=training)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))

    mean_loss_as_graph = tf.function(mean_loss, input_signature=(TOKENS, TOKENS))

    @tf.function
    def likeliest(self, tokens, state):
        """The likeliest token after others, both (steps, batch), and the state."""
        logits, state = self(tokens, state)                      # (steps, batch, tokens)
        tokens = tf.argmax(logits[-1:], axis=-1, output_type=tf.int32)
        return tokens, state                                     # (1, batch), (H, C)


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of every step, laid out beforehand."""

    def __init__(self, settings, steps):
        self.rates = tf.constant([settings.rate(step, steps) for step in range(steps)], tf.float64)

    def __call__(self, step):
        return tf.gather(self.rates, step)


class AdamW(keras.optimizers.AdamW):
    """Keras adds epsilon before it corrects the second moment for its start at 0; the paper and other frameworks after."""

    def update_step(self, gradient, variable, learning_rate):
        step = tf.cast(self.iterations + 1, variable.dtype)
        self.epsilon = 1e-8 * tf.sqrt(1 - self.beta_2 ** step)
        super().update_step(gradient, variable, learning_rate)


def make_optimizer(settings, steps):
    """Clipping and the optimizer."""
    options = {"learning_rate": Rates(settings, steps), "global_clipnorm": settings.clip}
    if settings.optimizer == "adamw":
        return AdamW(weight_decay=0.0, **options)
    return keras.optimizers.SGD(**options)


def make_step(model, optimizer):
    """One step of training, as a graph: (tokens, targets) -> the loss before it."""
    @tf.function(input_signature=(TOKENS, TOKENS))
    def step(tokens, targets):
        with tf.GradientTape() as tape:
            loss = model.mean_loss(tokens, targets, training=True)
        gradients = tape.gradient(loss, model.trainable_variables)
        # A look-up's gradient comes as a list of rows. A row may be there twice, and
        # Keras's norm would count the squares of both, not the square of their sum:
        # clipping needs the whole matrix.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def train(model, train_windows, validation_windows, settings, seed=0, on_epoch=None) -> list[Row]:
    """Train a model in place on windows of ``experiment.windows``; returns a ``Row`` for each epoch.

    ``validation_windows`` may be None. ``on_epoch`` is called with each row. Dropout is the model's own. The seconds
    are those of the steps: their graph is made before.
    """
    checks.check_training(train_windows, validation_windows, model.num_tokens)
    if model.dropout.rate:
        model.dropout.seed_generator.state.assign([seed, 0])
    optimizer, rows = make_optimizer(settings, settings.steps(len(train_windows))), []
    optimizer.build(model.trainable_variables)
    step = make_step(model, optimizer)
    # The first step makes the graph. What it changed is put back.
    changing = model.variables + optimizer.variables
    before = [tf.identity(variable) for variable in changing]
    step(*next(batches(train_windows, settings.batch_size)))
    for variable, value in zip(changing, before):
        variable.assign(value)
    for epoch in range(settings.epochs):
        losses, sizes, began = [], [], time.perf_counter()
        for tokens, targets in batches(train_windows, settings.batch_size, order(len(train_windows), seed, epoch)):
            losses.append(step(tokens, targets))
            sizes.append(targets.size)
        train_loss = float(np.average([loss.numpy() for loss in losses], weights=sizes))     # now all steps are done
        seconds = time.perf_counter() - began
        validation_loss = None if validation_windows is None else evaluate(model, validation_windows)
        rows.append(Row(epoch + 1, train_loss, validation_loss, seconds))
        if on_epoch is not None:
            on_epoch(rows[-1])
    return rows


def evaluate(model, windows, batch_size=1024) -> float:
    """Mean loss in nats per token over all windows, each from a zero state."""
    checks.check_windows(windows, model.num_tokens)
    parts = [(float(model.mean_loss_as_graph(tokens, targets)), targets.size) for tokens, targets in batches(windows, batch_size)]
    return sum(loss * size for loss, size in parts) / sum(size for _, size in parts)


def read(model, tokens, state=None) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Logits (steps, batch, tokens) and the last state (H, C) after tokens (steps, batch), all of NumPy."""
    logits, state = model(tokens, state)
    return logits.numpy(), tuple(part.numpy() for part in state)


def generate(model, prefix_ids, num_tokens) -> list[int]:
    """The token ids that the model adds to a prefix, each the likeliest."""
    prefix = checks.check_prefix(prefix_ids, num_tokens, model.num_tokens)
    state, written = model.layer.zero_state(1), []
    for tokens in prefix[:, None]:    # one by one: one graph serves prefixes of every length
        tokens, state = model.likeliest(tokens, state)           # (1, 1), (H, C)
    for _ in range(num_tokens):
        written.append(tokens.numpy().item())
        tokens, state = model.likeliest(tokens, state)
    return written


def new_model(num_tokens, num_hiddens, kind="concise", seed=0) -> LanguageModel:
    """A model with the first weights that Keras draws: uniform by both sizes, recurrent ones orthogonal, forget biases 1."""
    checks.check_kind(kind)
    keras.utils.set_random_seed(seed)
    return LanguageModel(KINDS[kind](num_tokens, num_hiddens), num_tokens)


def to_arrays(model) -> dict[str, np.ndarray]:
    """The weights as NumPy arrays, by the names of ``frameworks.arrays``."""
    weights = {named.LAYER + name: value for name, value in model.layer.by_name(model.layer.get_weights()).items()}
    kernel, bias = model.head.get_weights()                                          # (hidden, tokens), (tokens,)
    weights |= {"head.weight": kernel.T, "head.bias": bias}
    return {name: np.array(weights[name], order="C") for name in named.NAMES}


def from_arrays(arrays, kind="scratch", dropout=0.0) -> LanguageModel:
    """A model with these weights; its layer is "scratch" or "concise".

    Raises:
        TypeError, ValueError: as ``arrays.sizes`` does; another kind; a dropout outside [0, 1).
    """
    num_inputs, num_hiddens, num_tokens = named.sizes(arrays)
    checks.check_kind(kind)
    model = LanguageModel(KINDS[kind](num_inputs, num_hiddens, dtype=arrays["head.bias"].dtype.name), num_tokens, dropout)
    model.layer.set_weights(model.layer.in_order({name: arrays[named.LAYER + name] for name in LSTM_PARAMETERS}))
    model.head.set_weights([arrays["head.weight"].T, arrays["head.bias"]])
    return model


def versions() -> dict[str, str]:
    """What the results depend on."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def device() -> str:
    """Where TensorFlow computes, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    return f"{tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'a GPU')} (GPU)" if gpus else "the processor"
