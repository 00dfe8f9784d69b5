"""Make the golden files: small recurrent layers computed at 50 digits, with nothing but mpmath and loops.

    python tests/golden/make_golden.py [FOLDER]

writes lstm.json, gru.json and rnn.json into the folder, by default the one this file stands in. Every
implementation of the book is held against them. A file has

    parameters  name -> weights (d, h) and (h, h), biases (h,), named and laid out as in unrolled.equations
    inputs      (T, N, d)
    initial     name -> state before the first step, (N, h)
    steps       for each step: name -> (N, h)
    final       name -> state after the last step, (N, h)
    probe       (T, N, h)
    loss        sum(outputs * probe), where the outputs are the H of every step
    gradients   of the loss: one for each parameter, "inputs", and "initial": name -> (N, h)

Numbers are strings of 20 digits. Those that are given and not computed are multiples of 1/1024, so that
each of them is the same number in float32, in float64 and on paper.
"""
import json
import os
import random
import re
import sys
from pathlib import Path

from mpmath import mp, mpf

T, N, d, h = 4, 2, 3, 3
mp.dps = 50

LETTERS = {"lstm": "ifoc", "gru": "rzh", "rnn": "h"}      # one triple W_x., W_h., b_. for each
STATES = {"lstm": ("H", "C"), "gru": ("H",), "rnn": ("H",)}


class Number:
    """A number that knows which numbers it came from, and its derivative by each of them."""

    def __init__(self, value, sources=()):
        self.value, self.sources, self.gradient = mpf(value), sources, mpf(0)

    def __add__(self, other):
        return Number(self.value + other.value, ((self, 1), (other, 1)))

    def __sub__(self, other):
        return Number(self.value - other.value, ((self, 1), (other, -1)))

    def __mul__(self, other):
        return Number(self.value * other.value, ((self, other.value), (other, self.value)))

    def sigmoid(self):
        y = 1 / (1 + mp.exp(-self.value))
        return Number(y, ((self, y * (1 - y)),))

    def tanh(self):
        y = mp.tanh(self.value)
        return Number(y, ((self, 1 - y * y),))

    def backward(self):
        """Give every number behind this one its gradient: this one's derivative by it."""
        order, seen = [], set()

        def visit(number):
            if id(number) not in seen:
                seen.add(id(number))
                for source, _ in number.sources:
                    visit(source)
                order.append(number)

        visit(self)
        self.gradient = mpf(1)
        for number in reversed(order):
            for source, derivative in number.sources:
                source.gradient += derivative * number.gradient


def each(structure, function):
    """The same lists and dictionaries, with ``function`` of every number in them."""
    if isinstance(structure, dict):
        return {name: each(value, function) for name, value in structure.items()}
    if isinstance(structure, list):
        return [each(value, function) for value in structure]
    return function(structure)


def total(numbers):
    numbers = list(numbers)
    result = numbers[0]
    for number in numbers[1:]:
        result = result + number
    return result


def affine(x, W, b, k):
    """Entry k of ``x W + b``, x a list of numbers."""
    return total([b[k], *(x[j] * W[j][k] for j in range(len(x)))])


def step(kind, x, state, p):
    """One step for one example, hidden unit by hidden unit: name -> list of h numbers."""
    H, values = state["H"], {}
    for k in range(h):
        for_input = {a: affine(x, p[f"W_x{a}"], p[f"b_{a}"], k) for a in LETTERS[kind]}
        nothing = [Number(0)] * h
        for_state = {a: affine(H, p[f"W_h{a}"], p.get(f"b_h{a}", nothing), k) for a in LETTERS[kind]}
        score = {a: for_input[a] + for_state[a] for a in LETTERS[kind]}
        if kind == "lstm":
            I, F, O = score["i"].sigmoid(), score["f"].sigmoid(), score["o"].sigmoid()
            C_tilde = score["c"].tanh()
            C = F * state["C"][k] + I * C_tilde
            unit = {"I": I, "F": F, "O": O, "C_tilde": C_tilde, "C": C, "H": O * C.tanh()}
        elif kind == "gru":
            R, Z = score["r"].sigmoid(), score["z"].sigmoid()
            H_tilde = (for_input["h"] + R * for_state["h"]).tanh()
            unit = {"R": R, "Z": Z, "H_tilde": H_tilde, "H": Z * H[k] + (Number(1) - Z) * H_tilde}
        else:
            unit = {"H": score["h"].tanh()}
        for name, number in unit.items():
            values.setdefault(name, []).append(number)
    return values


def given(kind):
    """What the computation starts from, drawn from Python's own generator."""
    draw = random.Random(f"golden {kind}")
    entry = lambda: mpf(draw.randint(-1024, 1024)) / 1024                                  # noqa: E731
    table = lambda *shape: [table(*shape[1:]) for _ in range(shape[0])] if shape else entry()   # noqa: E731
    parameters = {}
    for letter in LETTERS[kind]:
        parameters |= {f"W_x{letter}": table(d, h), f"W_h{letter}": table(h, h), f"b_{letter}": table(h)}
    if kind == "gru":
        parameters["b_hh"] = table(h)
    return {"parameters": parameters, "inputs": table(T, N, d), "probe": table(T, N, h),
            "initial": {name: table(N, h) for name in STATES[kind]}}


def golden(kind, start=None):
    """The content of one golden file, its numbers not yet strings."""
    start = given(kind) if start is None else start
    numbers = each(start, Number)
    parameters, inputs, initial, probe = (numbers[name] for name in ("parameters", "inputs", "initial", "probe"))
    state, steps = initial, []
    for t in range(T):
        examples = [step(kind, inputs[t][n], {name: state[name][n] for name in state}, parameters) for n in range(N)]
        steps.append({name: [values[name] for values in examples] for name in examples[0]})
        state = {name: steps[-1][name] for name in STATES[kind]}
    loss = total(steps[t]["H"][n][k] * probe[t][n][k] for t in range(T) for n in range(N) for k in range(h))
    loss.backward()
    value, gradient = lambda number: number.value, lambda number: number.gradient           # noqa: E731
    return {"parameters": start["parameters"], "inputs": start["inputs"], "initial": start["initial"],
            "steps": each(steps, value), "final": each(state, value), "probe": start["probe"], "loss": loss.value,
            "gradients": each(parameters | {"inputs": inputs, "initial": initial}, gradient)}


def written(content):
    """The content as JSON text, every number a string of 20 digits, one vector a line."""
    digits = lambda number: mp.nstr(number, 20, strip_zeros=False, min_fixed=-5, max_fixed=5)   # noqa: E731
    text = json.dumps(each(content, digits), indent=1)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda vector: f"[{' '.join(vector[1].split())}]", text) + "\n"


def main(folder=Path(__file__).parent):
    for kind in LETTERS:
        path, part = Path(folder) / f"{kind}.json", Path(folder) / f"{kind}.json.part"
        with part.open("w", newline="\n") as file:
            file.write(written(golden(kind)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
