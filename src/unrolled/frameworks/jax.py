"""JAX and Flax: the layer as a scan, Flax's own layers, and their training with Optax.

Modules of Flax NNX are pytrees: ``jax.jit`` and ``jax.grad`` take a whole model, and a gradient is a model again. All
functions here are pure but the end of ``train``, which puts the new weights into the model that it was given. JAX itself
chooses the device: a TPU or GPU where its plugin is installed, else the processor.
"""
import functools
import time

import numpy as np

try:
    import flax
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen, nnx
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"unrolled.frameworks.jax needs JAX, Flax and Optax: pip install 'unrolled[frameworks]' "
                              f"({error})", name=error.name) from None

from unrolled.frameworks import arrays as named
from unrolled.frameworks import checks
from unrolled.frameworks.experiment import batches, order
from unrolled.history import Row
from unrolled.names import LSTM_PARAMETERS, parameter_shapes


def check(layer, inputs, state):
    """The inputs, and the state or zeros in its place, as JAX arrays; one sentence says what is wrong with them."""
    for value in (inputs, *(state if isinstance(state, (tuple, list)) else ())):
        if not isinstance(value, (jax.Array, np.ndarray)):
            raise TypeError(f"inputs and states are arrays of JAX or NumPy, got {type(value).__module__}.{type(value).__name__}")
    dtype = np.dtype(layer.param_dtype).name
    checks.check_inputs(inputs.shape, inputs.dtype.name, layer.num_inputs, dtype)
    if inputs.ndim == 2 and not isinstance(inputs, jax.core.Tracer):     # while jit traces, there are no values yet
        checks.check_range(inputs, layer.num_inputs)
    shape = inputs.shape[1], layer.num_hiddens
    if state is None:
        state = jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)
    checks.check_state(state, *shape, dtype, lambda value: value.dtype.name)
    return jnp.asarray(inputs), tuple(map(jnp.asarray, state))


class LSTMScratch(nnx.Module):
    """The LSTM layer (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), its loop a ``jax.lax.scan``.

    ``outputs, (H, C) = layer(inputs, state=None)``: inputs (steps, batch, num_inputs), or (steps, batch) integer
    tokens; outputs (steps, batch, num_hiddens); H and C (batch, num_hiddens), zeros where none are given.
    """

    def __init__(self, num_inputs, num_hiddens, *, forget_bias=0.0, sigma=0.01,
                 param_dtype=jnp.float32, rngs: nnx.Rngs):
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        self.param_dtype = param_dtype
        for name, shape in parameter_shapes(LSTM_PARAMETERS, num_inputs, num_hiddens).items():
            if name.startswith("W"):
                value = sigma * jax.random.normal(rngs.params(), shape, param_dtype)
            else:
                value = jnp.full(shape, forget_bias if name == "b_f" else 0.0, param_dtype)
            setattr(self, name, nnx.Param(value))

    def side_by_side(self, *names):
        """The named parameters in one array, joined along their last axis."""
        return jnp.concatenate([getattr(self, name) for name in names], axis=-1)

    def __call__(self, inputs, state=None):
        inputs, state = check(self, inputs, state)
        # Side by side, the four weights need one product, not four.
        W_x = self.side_by_side("W_xi", "W_xf", "W_xo", "W_xc")  # (inputs, 4 hidden)
        W_h = self.side_by_side("W_hi", "W_hf", "W_ho", "W_hc")  # (hidden, 4 hidden)
        b = self.side_by_side("b_i", "b_f", "b_o", "b_c")        # (4 hidden,)
        # No input waits for a state: their product leaves the loop. A token's is its row.
        if inputs.ndim == 2:
            from_inputs = W_x[inputs] + b                        # (steps, batch, 4 hidden)
        else:
            from_inputs = inputs @ W_x + b

        def step(state, from_input):                             # (batch, 4 hidden)
            H, C = state                                         # (batch, hidden) each
            i, f, o, c = jnp.split(from_input + H @ W_h, 4, axis=-1)
            I, F, O = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o)
            C_tilde = jnp.tanh(c)                                # (batch, hidden)
            C = F * C + I * C_tilde                              # (batch, hidden)
            H = O * jnp.tanh(C)                                  # (batch, hidden)
            return (H, C), H

        state, outputs = jax.lax.scan(step, state, from_inputs)
        return outputs, state                                    # (steps, batch, hidden)

    def named(self):
        """The parameters by name, as NumPy arrays."""
        return {name: np.array(getattr(self, name)[...]) for name in LSTM_PARAMETERS}

    def load(self, weights):
        """Take parameters, NumPy arrays by name."""
        for name in LSTM_PARAMETERS:
            getattr(self, name).set_value(jnp.asarray(weights[name]))


class LSTM(nnx.Module):
    """Flax NNX's ``OptimizedLSTMCell`` in its ``RNN``, called like ``LSTMScratch``."""

    def __init__(self, num_inputs, num_hiddens, *, param_dtype=jnp.float32,
                 rngs: nnx.Rngs):
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        self.num_inputs, self.num_hiddens = num_inputs, num_hiddens
        self.param_dtype = param_dtype
        cell = nnx.OptimizedLSTMCell(num_inputs, num_hiddens, param_dtype=param_dtype,
                                     rngs=rngs)
        self.rnn = nnx.RNN(cell, time_major=True, return_carry=True, rngs=False)

    def __call__(self, inputs, state=None):
        inputs, (H, C) = check(self, inputs, state)
        if inputs.ndim == 2:                                      # Flax wants one-hot vectors
            inputs = jax.nn.one_hot(inputs, self.num_inputs, dtype=self.param_dtype)
        (C, H), outputs = self.rnn(inputs, initial_carry=(C, H))  # Flax's carry begins with C
        return outputs, (H, C)                                    # (steps, batch, hidden)

    def _joined(self):
        """Flax's parameters by the beginning of ours; the gates side by side: i, f, c, o."""
        cell = self.rnn.cell
        return {"W_x": cell.dense_i.kernel, "W_h": cell.dense_h.kernel,
                "b_": cell.dense_h.bias}

    def named(self):
        """The parameters by name, as NumPy arrays."""
        return {start + gate: part for start, joined in self._joined().items()
                for gate, part in zip("ifco", np.split(np.array(joined[...]), 4, axis=-1))}

    def load(self, weights):
        """Take parameters, NumPy arrays by name."""
        for start, joined in self._joined().items():
            parts = [weights[start + gate] for gate in "ifco"]
            joined.set_value(jnp.asarray(np.concatenate(parts, axis=-1)))


class LSTMLinen(nnx.Module):
    """The same from linen, Flax's older interface, through Flax's own bridge; called like ``LSTMScratch``."""

    def __init__(self, num_inputs, num_hiddens, *, param_dtype=jnp.float32, rngs: nnx.Rngs):
        checks.check_sizes(num_inputs=num_inputs, num_hiddens=num_hiddens)
        self.num_inputs, self.num_hiddens, self.param_dtype = num_inputs, num_hiddens, param_dtype
        cell = linen.OptimizedLSTMCell(num_hiddens, param_dtype=param_dtype)
        rnn = nnx.bridge.ToNNX(linen.RNN(cell, time_major=True, return_carry=True), rngs=rngs)
        # A linen module makes its parameters when it sees a first input.
        zeros = jnp.zeros((1, 1, num_inputs), param_dtype), jnp.zeros((1, num_hiddens), param_dtype)
        self.rnn = rnn.lazy_init(zeros[0], initial_carry=(zeros[1], zeros[1]))
        self.rnn.to_nnx__rngs = None                                              # nothing is random from here on

    __call__ = LSTM.__call__

    def _parts(self):
        """Linen's twelve parameters by our names; it calls the input node g."""
        for gate, theirs in zip("ifoc", "ifog"):
            into, within = self.rnn.cell[f"i{theirs}"], self.rnn.cell[f"h{theirs}"]
            yield from ((f"W_x{gate}", into["kernel"]), (f"W_h{gate}", within["kernel"]), (f"b_{gate}", within["bias"]))

    def named(self):
        """The parameters by name, as NumPy arrays."""
        return {name: np.array(part[...]) for name, part in self._parts()}

    def load(self, weights):
        """Take parameters, NumPy arrays by name."""
        for name, part in self._parts():
            part.set_value(jnp.asarray(weights[name]))


KINDS = {"scratch": LSTMScratch, "concise": LSTM, "linen": LSTMLinen}


class LanguageModel(nnx.Module):
    """A layer, and a dense head on its hidden states: ``logits, state = model(tokens, state=None, key=None)``.

    tokens (steps, batch) -> logits (steps, batch, num_tokens). A key draws the hidden states that dropout takes away;
    without one nothing is dropped.
    """

    def __init__(self, layer, num_tokens, dropout=0.0, *, rngs: nnx.Rngs):
        checks.check_model(layer.num_inputs, num_tokens, dropout)
        self.layer, self.num_tokens = layer, num_tokens
        self.dropout = nnx.Dropout(dropout)
        self.head = nnx.Linear(layer.num_hiddens, num_tokens, param_dtype=layer.param_dtype, rngs=rngs)

    def __call__(self, tokens, state=None, *, key=None):
        outputs, state = self.layer(tokens, state)                                # (steps, batch, hidden)
        outputs = self.dropout(outputs, deterministic=key is None, rngs=key)
        return self.head(outputs), state                                          # (steps, batch, tokens), (H, C)


@jax.jit
def mean_loss(model, tokens, targets, key=None):
    """Mean cross-entropy in nats per token; tokens and targets (steps, batch)."""
    logits, _ = model(tokens, key=key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


@functools.partial(jax.jit, static_argnames="optimizer")
def train_step(model, optimizer, optimizer_state, key, tokens, targets):
    """After one step the model, the optimizer's state and the key; the loss before it."""
    key, drop = jax.random.split(key)
    loss, gradient = jax.value_and_grad(mean_loss)(model, tokens, targets, drop)
    updates, optimizer_state = optimizer.update(gradient, optimizer_state, model)
    return optax.apply_updates(model, updates), optimizer_state, key, loss


@functools.cache                                  # a step is compiled for its optimizer
def make_optimizer(settings, steps):
    """Clipping and the optimizer, the learning rate of every step laid out beforehand."""
    rates = jnp.array([settings.rate(step, steps) for step in range(steps)])
    adamw = functools.partial(optax.adamw, weight_decay=0.0)
    rule = {"sgd": optax.sgd, "adamw": adamw}[settings.optimizer]
    clip = optax.clip_by_global_norm(settings.clip)
    return optax.chain(clip, rule(lambda step: rates[step]))


def train(model, train_windows, validation_windows, settings, seed=0, on_epoch=None):
    """Train a model in place on windows of ``experiment.windows``; returns a ``Row`` for each epoch.

    ``validation_windows`` may be None. ``on_epoch`` is called with each row. Dropout is the model's own. The seconds
    are those of the steps: what has to be compiled is compiled before.
    """
    checks.check_training(train_windows, validation_windows, model.num_tokens)
    optimizer = make_optimizer(settings, settings.steps(len(train_windows)))
    optimizer_state, key, rows = optimizer.init(model), jax.random.key(seed), []
    # The step is pure: a call compiles it for that size of batch, and its results can be thrown away.
    for tokens, targets in {x.shape: (x, y) for x, y in batches(train_windows, settings.batch_size)}.values():
        jax.block_until_ready(train_step(model, optimizer, optimizer_state, key, tokens, targets))
    trained = model
    for epoch in range(1, settings.epochs + 1):
        losses, sizes, began = [], [], time.perf_counter()
        for tokens, targets in batches(train_windows, settings.batch_size, order(len(train_windows), seed, epoch - 1)):
            trained, optimizer_state, key, loss = train_step(trained, optimizer, optimizer_state, key, tokens, targets)
            losses.append(loss)                                                   # a promise: nothing waits for it yet
            sizes.append(targets.size)
        train_loss = float(np.average(jax.device_get(losses), weights=sizes))     # now all steps are done
        seconds = time.perf_counter() - began
        nnx.update(model, nnx.state(trained))
        validation_loss = None if validation_windows is None else evaluate(model, validation_windows)
        rows.append(Row(epoch, train_loss, validation_loss, seconds))
        if on_epoch is not None:
            on_epoch(rows[-1])
    return rows


def evaluate(model, windows, batch_size=1024):
    """Mean loss in nats per token over all windows, each from a zero state."""
    checks.check_windows(windows, model.num_tokens)
    parts = [(float(mean_loss(model, tokens, targets)), targets.size) for tokens, targets in batches(windows, batch_size)]
    return sum(loss * size for loss, size in parts) / sum(size for _, size in parts)


@jax.jit
def likeliest(model, tokens, state=None):
    """The likeliest token after some others, all (steps, batch), and the state."""
    logits, state = model(tokens, state)                  # (steps, batch, tokens)
    return logits[-1:].argmax(-1), state                  # (1, batch), (H, C)


def read(model, tokens, state=None):
    """Logits (steps, batch, tokens) and the last state (H, C) after tokens (steps, batch), all of NumPy."""
    logits, state = model(tokens, state)
    return np.array(logits), tuple(map(np.array, state))


def generate(model, prefix_ids, num_tokens):
    """The token ids that the model adds to a prefix, each the likeliest."""
    tokens = checks.check_prefix(prefix_ids, num_tokens, model.num_tokens)
    state, written = None, []
    for _ in range(num_tokens):
        tokens, state = likeliest(model, tokens, state)
        written.append(tokens.item())
    return written


def new_model(num_tokens, num_hiddens, kind="concise", seed=0):
    """A model with the first weights that Flax draws: Gaussian by the number of inputs, recurrent ones orthogonal, biases 0."""
    checks.check_kind(kind, tuple(KINDS))
    rngs = nnx.Rngs(seed)
    return LanguageModel(KINDS[kind](num_tokens, num_hiddens, rngs=rngs), num_tokens, rngs=rngs)


def to_arrays(model):
    """The weights as NumPy arrays, by the names of ``frameworks.arrays``."""
    weights = {named.LAYER + name: value for name, value in model.layer.named().items()}
    weights |= {"head.weight": np.array(model.head.kernel[...]).T, "head.bias": np.array(model.head.bias[...])}
    return {name: np.ascontiguousarray(weights[name]) for name in named.NAMES}


def from_arrays(arrays, kind="scratch", dropout=0.0):
    """A model with these weights; its layer is "scratch", "concise" (NNX) or "linen".

    Raises:
        TypeError, ValueError: as ``arrays.sizes`` does; another kind; float64 where JAX has not been told to keep it.
    """
    num_inputs, num_hiddens, num_tokens = named.sizes(arrays)
    checks.check_kind(kind, tuple(KINDS))
    dtype = arrays["head.bias"].dtype
    if dtype == np.float64 and not jax.config.jax_enable_x64:
        raise ValueError("JAX makes float32 of float64 until it is told otherwise: "
                         "call jax.config.update('jax_enable_x64', True) first")
    def draw():
        rngs = nnx.Rngs(0)
        return LanguageModel(KINDS[kind](num_inputs, num_hiddens, param_dtype=dtype, rngs=rngs), num_tokens, dropout, rngs=rngs)

    model = nnx.eval_shape(draw)                                                  # shapes alone: nothing is drawn
    model.layer.load({name: arrays[named.LAYER + name] for name in LSTM_PARAMETERS})
    model.head.kernel.set_value(jnp.asarray(arrays["head.weight"].T))
    model.head.bias.set_value(jnp.asarray(arrays["head.bias"]))
    return model


def versions():
    """What the results depend on."""
    return {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}


def device():
    """Where JAX computes, in words."""
    first = jax.devices()[0]
    return "the processor" if first.platform == "cpu" else f"{first.device_kind} ({first.platform.upper()})"
