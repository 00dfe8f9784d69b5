"""The LSTM's loop over time inside one launch, forward and backward, in Triton.

A program takes ROWS examples through all steps. The recurrent weights come on chip before the loop and stay there,
H and C stay in registers. UNITS is the number of hidden units filled up to a power of two; what is filled up is 0.
Gates and states are float32, whatever the tensors are, and products add up in float32. While one step is computed,
the numbers of the next are on their way.
"""
import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def tanh(x):
    return 2 * sigmoid(2 * x) - 1


@triton.jit
def product(A, B, added, PRECISION: tl.constexpr):
    """A B + added, the sum in float32."""
    if PRECISION == "widened":          # for Triton's interpreter, which takes bfloat16's bits for whole numbers
        return tl.dot(A.to(tl.float32), B.to(tl.float32), added)
    return tl.dot(A, B, added, input_precision=PRECISION)


@triton.jit
def load_four(at, apart, mask, other):
    """Four tiles that lie so far apart, as those of the gates do: i, f, g, o, torch's order."""
    return (tl.load(at, mask, other), tl.load(at + apart, mask, other),
            tl.load(at + 2 * apart, mask, other), tl.load(at + 3 * apart, mask, other))


@triton.jit
def load_row(tokens, t, rows, steps, batch, TOKENS: tl.constexpr):
    """Which row of x each example reads at step t: its token's, or its own. Past the end of either: none, -1."""
    there = rows < tl.where(t < steps, batch, 0)
    row = tl.cast(t, tl.int64) * batch + rows
    if TOKENS:
        row = tl.load(tokens + row, there, -1)
    return tl.where(there, row, -1)


@triton.jit
def load_inputs(x, row, num_rows, units, HIDDEN: tl.constexpr):
    """What the inputs add to the gates. A row that x does not have is NaN, and is never read."""
    there = ((row >= 0) & (row < num_rows))[:, None] & (units < HIDDEN)[None, :]
    other = tl.where(units < HIDDEN, float("nan"), 0.0)[None, :]
    return load_four(x + row[:, None] * (4 * HIDDEN) + units[None, :], HIDDEN, there, other)


@triton.jit
def forward(x, tokens, W_h, H0, C0, outputs, cells, H_T, C_T, num_rows, steps, batch,
            HIDDEN: tl.constexpr, TOKENS: tl.constexpr, KEEP: tl.constexpr,
            ROWS: tl.constexpr, UNITS: tl.constexpr, PRECISION: tl.constexpr):
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    units = tl.arange(0, UNITS)
    square = (units < HIDDEN)[:, None] & (units < HIDDEN)[None, :]
    mask = (rows < batch)[:, None] & (units < HIDDEN)[None, :]
    at = rows[:, None] * HIDDEN + units[None, :]                        # this block's place in (batch, hidden)
    across = units[None, :] * HIDDEN + units[:, None]                   # a gate's weights, transposed
    W_i, W_f, W_g, W_o = load_four(W_h + across, HIDDEN * HIDDEN, square, 0)
    H = tl.load(H0 + at, mask, 0).to(tl.float32)
    C = tl.load(C0 + at, mask, 0).to(tl.float32)
    i, f, g, o = load_inputs(x, load_row(tokens, 0, rows, steps, batch, TOKENS), num_rows, units, HIDDEN)
    row = load_row(tokens, 1, rows, steps, batch, TOKENS)
    for t in range(steps):
        next_i, next_f, next_g, next_o = load_inputs(x, row, num_rows, units, HIDDEN)
        row = load_row(tokens, t + 2, rows, steps, batch, TOKENS)
        H_before = H.to(W_i.dtype)
        i = sigmoid(product(H_before, W_i, i.to(tl.float32), PRECISION))
        f = sigmoid(product(H_before, W_f, f.to(tl.float32), PRECISION))
        g = tanh(product(H_before, W_g, g.to(tl.float32), PRECISION))
        o = sigmoid(product(H_before, W_o, o.to(tl.float32), PRECISION))
        C = f * C + i * g
        H = o * tanh(C)
        here = tl.cast(t, tl.int64) * batch * HIDDEN + at
        tl.store(outputs + here, H, mask)
        if KEEP:
            tl.store(cells + here, C, mask)
        i, f, g, o = next_i, next_f, next_g, next_o
    tl.store(H_T + at, H, mask)
    tl.store(C_T + at, C, mask)


@triton.jit
def load_step(gates, cells, d_outputs, d_step, t, batch, at, units, rows, HIDDEN: tl.constexpr):
    """What the way back needs of step t: its gates before their functions, C before it, the gradient of its output."""
    step = tl.cast(t, tl.int64) * batch
    known = (units < HIDDEN)[None, :]
    mask = (rows < tl.where(t >= 0, batch, 0))[:, None] & known
    i, f, g, o = load_four(gates + (step + rows)[:, None] * (4 * HIDDEN) + units[None, :], HIDDEN, mask, 0)
    C = tl.load(cells + (step - batch) * HIDDEN + at, (rows < tl.where(t > 0, batch, 0))[:, None] & known, 0)
    d_H = tl.load(d_outputs + tl.cast(t, tl.int64) * d_step + at, mask, 0)
    return i, f, g, o, C, d_H


@triton.jit
def backward(gates, cells, C0, W_h, d_outputs, d_step, d_H, d_C, steps, batch,
             HIDDEN: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, PRECISION: tl.constexpr):
    """From the last step to the first. The gates' gradients are written over the gates, d_H and d_C over theirs."""
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    units = tl.arange(0, UNITS)
    square = (units < HIDDEN)[:, None] & (units < HIDDEN)[None, :]
    mask = (rows < batch)[:, None] & (units < HIDDEN)[None, :]
    at = rows[:, None] * HIDDEN + units[None, :]
    along = units[:, None] * HIDDEN + units[None, :]                    # a gate's weights, as they are
    W_i, W_f, W_g, W_o = load_four(W_h + along, HIDDEN * HIDDEN, square, 0)
    C_first = tl.load(C0 + at, mask, 0).to(tl.float32)
    C = tl.load(cells + tl.cast(steps - 1, tl.int64) * batch * HIDDEN + at, mask, 0)
    dH = tl.load(d_H + at, mask, 0)
    dC = tl.load(d_C + at, mask, 0)
    i, f, g, o, C_before, dH_here = load_step(gates, cells, d_outputs, d_step, steps - 1, batch, at, units, rows, HIDDEN)
    for s in range(steps):
        t = steps - 1 - s
        next_i, next_f, next_g, next_o, next_C, next_dH = load_step(
            gates, cells, d_outputs, d_step, t - 1, batch, at, units, rows, HIDDEN)
        i, f, g, o = sigmoid(i.to(tl.float32)), sigmoid(f.to(tl.float32)), tanh(g.to(tl.float32)), sigmoid(o.to(tl.float32))
        C_before = tl.where(t > 0, C_before, C_first)
        tanh_C = tanh(C)
        dH += dH_here.to(tl.float32)
        dC += dH * o * (1 - tanh_C * tanh_C)
        d_i = (dC * g * i * (1 - i)).to(W_i.dtype)
        d_f = (dC * C_before * f * (1 - f)).to(W_i.dtype)
        d_g = (dC * i * (1 - g * g)).to(W_i.dtype)
        d_o = (dH * tanh_C * o * (1 - o)).to(W_i.dtype)
        dC *= f
        dH = product(d_i, W_i, tl.full((ROWS, UNITS), 0.0, tl.float32), PRECISION)
        dH = product(d_f, W_f, dH, PRECISION)
        dH = product(d_g, W_g, dH, PRECISION)
        dH = product(d_o, W_o, dH, PRECISION)
        here = gates + (tl.cast(t, tl.int64) * batch + rows)[:, None] * (4 * HIDDEN) + units[None, :]
        tl.store(here, d_i, mask)
        tl.store(here + HIDDEN, d_f, mask)
        tl.store(here + 2 * HIDDEN, d_g, mask)
        tl.store(here + 3 * HIDDEN, d_o, mask)
        i, f, g, o, C, C_before, dH_here = next_i, next_f, next_g, next_o, C_before, next_C, next_dH
    tl.store(d_H + at, dH, mask)
    tl.store(d_C + at, dC, mask)
