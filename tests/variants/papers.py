"""The published equations in NumPy alone, one example and one step at a time, and their exact gradients.

Each function is written from its paper, with nothing of the package: ``p`` maps the layer's names to arrays, ``X`` is
(steps, batch, d), states are (batch, ...). It returns the outputs, (steps, batch, h), and the last state.

Gradients are taken by the complex step (Squire & Trapp 1998): an input moved by 1e-30 i moves the imaginary part of the
loss by 1e-30 times the derivative, with no difference and so with no loss of digits. So everything here works on
complex numbers, and comparisons look at the real part alone.
"""
import numpy as np
import torch

STEP = 1e-30


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def larger(a, b):
    return np.where(np.real(a) >= np.real(b), a, b)


def normalised(z, gain, shift=0.0, epsilon=1e-5):
    """Ba et al. 2016, eqs. 15 and 16; the epsilon is every library's, and torch's in size."""
    mu = z.sum() / len(z)
    return gain * (z - mu) / np.sqrt(((z - mu) ** 2).sum() / len(z) + epsilon) + shift


def lstm(p, X, H, C, *gates, without=(), coupled=False, peepholes=False, gate_recurrence=False, layer_norm=False, masks=None):
    """Greff et al. 2017, one line an equation, and what their variants and the other papers change in it."""
    masks, steps, batch = masks or {}, X.shape[0], X.shape[1]
    h = H.shape[1]
    letters = [k for k in "ifoc" if f"b_{k}" in p]
    everything = lambda part: np.concatenate([p[part + k] for k in letters], axis=-1)     # noqa: E731
    R = everything("W_h") * masks.get("weights", 1.0)                                     # Merity et al. 2018: DropConnect
    outputs = np.zeros((steps, batch, h), dtype=complex)
    H, C = H.astype(complex), C.astype(complex)
    gates = [gate.astype(complex) for gate in gates]
    for t in range(steps):
        for n in range(batch):
            x = X[t, n] * masks["inputs"][n] if "inputs" in masks else X[t, n]            # Gal & Ghahramani 2016
            y = H[n] * masks["state"][n] if "state" in masks else H[n]
            Wx, Ry = x @ everything("W_x"), y @ R
            if layer_norm:                                                               # Ba et al. 2016, eq. 20
                Wx, Ry = normalised(Wx, everything("g_x")), normalised(Ry, everything("g_h"))
            whole = Wx + Ry + everything("b_")
            a = {k: whole[j * h:(j + 1) * h] for j, k in enumerate(letters)}
            for k in "ifo" if gate_recurrence else "":                                    # FGR
                a[k] = a[k] + sum(p[f"W_g{source}{k}"].T @ gate[n] for source, gate in zip("ifo", gates))
            c_old = C[n]
            z = a["c"] if "input activation" in without else np.tanh(a["c"])              # NIAF
            if "node" in masks:
                z = masks["node"][t, n] * z                                               # Semeniuta et al. 2016
            if "f" in a:
                f = sigmoid(a["f"] + (p["p_f"] * c_old if peepholes else 0))
            else:
                f = np.ones(h)                                                            # NFG
            if coupled:
                i = 1 - f                                                                 # CIFG
            elif "i" in a:
                i = sigmoid(a["i"] + (p["p_i"] * c_old if peepholes else 0))
            else:
                i = np.ones(h)                                                            # NIG
            c = z * i + c_old * f
            o = sigmoid(a["o"] + (p["p_o"] * c if peepholes else 0)) if "o" in a else np.ones(h)      # NOG
            shown = normalised(c, p["g_C"], p["b_C"]) if layer_norm else c               # Ba et al. 2016, eq. 22
            y_new = o * (shown if "output activation" in without else np.tanh(shown))     # NOAF
            d_h = np.broadcast_to(masks["zoneout_H"][t], H.shape)[n] if "zoneout_H" in masks else 0.0     # Krueger et al. 2017
            d_c = np.broadcast_to(masks["zoneout_C"][t], C.shape)[n] if "zoneout_C" in masks else 0.0
            H[n], C[n] = d_h * H[n] + (1 - d_h) * y_new, d_c * c_old + (1 - d_c) * c
            outputs[t, n] = H[n]
            for gate, value in zip(gates, (i, f, o)):
                gate[n] = value
    return outputs, (H, C, *gates)


def mgu(p, X, H):
    """Zhou et al. 2016: the gate, the candidate, the state."""
    H, outputs = H.astype(complex), []
    for x_batch in X:
        for n, x in enumerate(x_batch):
            f = sigmoid(p["W_hf"].T @ H[n] + p["W_xf"].T @ x + p["b_f"])
            candidate = np.tanh(p["W_hh"].T @ (f * H[n]) + p["W_xh"].T @ x + p["b_h"])
            H[n] = (1 - f) * H[n] + f * candidate
        outputs.append(H.copy())
    return np.stack(outputs), (H,)


def dense(p, X):
    return np.stack([[np.tanh(x @ p["W_xh"] + p["b_h"]) for x in batch] for batch in X]), ()


def highway(p, X):
    """Srivastava et al. 2015, eq. 3: y = H(x) T(x) + x (1 - T(x))."""
    rows = [[(np.tanh(x @ p["W_xh"] + p["b_h"]), sigmoid(x @ p["W_xt"] + p["b_t"]), x) for x in batch] for batch in X]
    return np.array([[H * T + x * (1 - T) for H, T, x in batch] for batch in rows]), ()


def slstm(p, X, H, C, N, M, *, exponential_forget=False):
    """Beck et al. 2024, eqs. 8-14, without the stabiliser: C and N are taken back to their true size first.

    The true memory is C exp(M). The last M is that of eq. 15, so that states can be compared, too.
    """
    H, M = H.astype(complex), M.astype(complex)
    C, N = C * np.exp(M), N * np.exp(M)
    outputs = []
    for x_batch in X:
        for n, x in enumerate(x_batch):
            z, i, f, o = (p[f"W_x{k}"].T @ x + p[f"W_h{k}"].T @ H[n] + p[f"b_{k}"] for k in "cifo")
            f = np.exp(f) if exponential_forget else sigmoid(f)
            C[n] = f * C[n] + np.exp(i) * np.tanh(z)                    # eq. 8
            N[n] = f * N[n] + np.exp(i)                                 # eq. 9
            H[n] = sigmoid(o) * C[n] / N[n]                             # eq. 10
            M[n] = larger(np.log(f) + M[n], i)                          # eq. 15
        outputs.append(H.copy())
    return np.stack(outputs), (H, C / np.exp(M), N / np.exp(M), M)


def mlstm(p, X, C, N, M, *, exponential_forget=False):
    """Beck et al. 2024, eqs. 19-27, without the stabiliser, as above; heads in the second place of the states."""
    M, heads = M.astype(complex), M.shape[1]
    C, N = C * np.exp(M)[..., None, None], N * np.exp(M)[..., None]
    d = N.shape[2]
    outputs = []
    for x_batch in X:
        rows = []
        for n, x in enumerate(x_batch):
            q, v, o, i, f = (p[f"W_{k}"].T @ x + p[f"b_{k}"] for k in "qvoif")
            k = p["W_k"].T @ x / np.sqrt(d) + p["b_k"]                  # eq. 23
            f = np.exp(f) if exponential_forget else sigmoid(f)
            row = []
            for a in range(heads):
                own = slice(a * d, (a + 1) * d)
                C[n, a] = f[a] * C[n, a] + np.exp(i[a]) * np.outer(v[own], k[own])      # eq. 19
                N[n, a] = f[a] * N[n, a] + np.exp(i[a]) * k[own]                        # eq. 20
                size = N[n, a] @ q[own]
                row.append(C[n, a] @ q[own] / larger(np.where(size.real < 0, -size, size), 1.0))     # eq. 21
                M[n, a] = larger(np.log(f[a]) + M[n, a], i[a])
            rows.append(sigmoid(o) * np.concatenate(row))
        outputs.append(rows)
    return np.array(outputs), (C / np.exp(M)[..., None, None], N / np.exp(M)[..., None], M)


def transformer(p, X, *states, heads, context):
    """Vaswani et al. 2017, eqs. 1 and 2, one query at a time; the blocks as in Xiong et al. 2020, figure 1b."""
    batch, blocks = X.shape[1], len(states) // 2
    width = p["embedding"].shape[1]
    d = width // heads
    x = {(t, n): X[t, n] @ p["embedding"] for t in range(len(X)) for n in range(batch)}
    last = []
    for b in range(blocks):
        q = {name.removeprefix(f"blocks.{b}."): value for name, value in p.items() if name.startswith(f"blocks.{b}.")}
        norm = lambda z, name: normalised(z, q[f"{name}.weight"], q[f"{name}.bias"])                # noqa: E731
        affine = lambda z, name: q[f"{name}.weight"] @ z + q[f"{name}.bias"]                        # noqa: E731
        keys = [[[states[2 * b][n, a, s] for s in range(states[2 * b].shape[2])] for a in range(heads)] for n in range(batch)]
        values = [[[states[2 * b + 1][n, a, s] for s in range(states[2 * b].shape[2])] for a in range(heads)]
                  for n in range(batch)]
        for t in range(len(X)):
            for n in range(batch):
                three = affine(norm(x[t, n], "norm_attention"), "queries_keys_values")
                mixed = []
                for a in range(heads):
                    query, key, value = (three[j * width + a * d:j * width + (a + 1) * d] for j in range(3))
                    keys[n][a].append(key)
                    values[n][a].append(value)
                    seen = range(min(context, len(keys[n][a])))                                     # distances
                    scores = [query @ keys[n][a][-1 - s] / np.sqrt(d) + p["distances"][a, s] for s in seen]
                    weights = np.exp(scores) / np.sum(np.exp(scores))
                    mixed.append(sum(weights[s] * values[n][a][-1 - s] for s in seen))
                x[t, n] = x[t, n] + affine(np.concatenate(mixed), "mix")
                x[t, n] = x[t, n] + affine(larger(affine(norm(x[t, n], "norm_dense"), "widen"), 0.0), "narrow")
        kept = min(context - 1, len(keys[0][0]))
        last += [np.array([[what[n][a][len(what[n][a]) - kept:] for a in range(heads)] for n in range(batch)]).reshape(
            batch, heads, kept, d) for what in (keys, values)]
    return np.array([[normalised(x[t, n], p["norm.weight"], p["norm.bias"]) for n in range(batch)]
                     for t in range(len(X))]), tuple(last)


def flat(state):
    """The tensors of a state, however it is nested."""
    return [state] if hasattr(state, "shape") else [value for inner in state for value in flat(inner)]


def flat_names(names):
    return [names] if isinstance(names, str) else [name for inner in names for name in flat_names(inner)]


def like(state, values):
    """The values, nested as the state is."""
    return next(values) if hasattr(state, "shape") else tuple(like(inner, values) for inner in state)


def parameters_drawn(layer, seed=0, scale=0.6):
    """Every parameter of a layer anew, gains and biases included, so that none has a special value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return layer


def compare(layer, equations, X, state, call=None, **options):
    """The layer's outputs, states and every gradient against the equations, to 1e-11 of their size and 1e-12.

    Args:
        equations: a function of this module; ``options`` go to it.
        X: (steps, batch, d) tensor. state: as the layer takes it.
        call: what to call in the layer's place.
    """
    X = X.detach().requires_grad_()
    leaves = [value.detach().requires_grad_() for value in flat(state)]
    outputs, last = (call or layer)(X, like(state, iter(leaves)))
    generator = torch.Generator().manual_seed(9)
    results = [outputs, *flat(last)]
    probes = [torch.randn(value.shape, generator=generator, dtype=torch.float64) for value in results]
    loss = sum((value * probe).sum() for value, probe in zip(results, probes))
    tracked = {**dict(layer.named_parameters()), "inputs": X, **{f"state {k}": leaf for k, leaf in enumerate(leaves)}}
    found = dict(zip(tracked, torch.autograd.grad(loss, list(tracked.values()), allow_unused=True)))

    arrays = {name: value.detach().numpy() for name, value in tracked.items()}

    def run(arrays):
        p = {name: value for name, value in arrays.items() if name != "inputs" and not name.startswith("state")}
        outputs, last = equations(p, arrays["inputs"], *(arrays[f"state {k}"] for k in range(len(leaves))), **options)
        return [outputs, *flat(last)]

    for value, expected in zip(results, run(arrays), strict=True):
        close(value.detach().numpy(), np.real(expected))
    for name, array in arrays.items():
        expected = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[index] += 1j * STEP
            there = run(arrays | {name: moved})
            expected[index] = sum((value.imag / STEP * probe.numpy()).sum() for value, probe in zip(there, probes))
        close(np.zeros(array.shape) if found[name] is None else found[name].numpy(), expected, name)


def close(actual, expected, what="values"):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12, err_msg=what)
