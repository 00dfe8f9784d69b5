"""Build it yourself, two: the layer. The loop over the steps, and weights from PyTorch's layout into ours."""
import torch
from torch import Tensor

from unrolled.equations import LSTM_PARAMETERS, lstm_step, parameter_shapes
from unrolled.exercises.functions import FunctionExercise
from unrolled.exercises.specification import Mistake

# (T, n, d, h): one step, one example, as many steps as examples (there a mix-up of the two runs without a complaint)
SIZES = ((1, 1, 2, 3), (1, 3, 2, 2), (4, 1, 3, 2), (3, 3, 2, 4), (5, 2, 3, 3))


def loop_cases(generator: torch.Generator):
    """(inputs, H, C, p) with random numbers, float64."""
    for T, n, d, h in SIZES:
        draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)   # noqa: E731
        p = {name: draw(*shape) for name, shape in parameter_shapes(LSTM_PARAMETERS, d, h).items()}
        yield draw(T, n, d), draw(n, h), draw(n, h), p


def walked(inputs: Tensor, H: Tensor, C: Tensor, p: dict) -> tuple[Tensor, Tensor, Tensor]:
    outputs = []
    for X in inputs:
        step = lstm_step(X, H, C, p)
        H, C = step.H, step.C
        outputs.append(H)
    return torch.stack(outputs), H, C


LOOP = FunctionExercise(
    name="loop", title="The loop", page="from-scratch",
    statement="""\
Let the cell walk through a sequence. `inputs` is (T, n, d), steps first. `H` and `C` are the states to begin with, (n, h), and `p` is the
dictionary of the twelve parameters. Return three things: the hidden states of all steps, (T, n, h), and the last `H` and `C`.

For the single step take `lstm_step(X, H, C, p)`, which returns every value by name, or your own `step`.""",
    start='''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    """(T, n, d), H, C (n, h) -> outputs (T, n, h), H, C."""
    outputs = []
    raise NotImplementedError
    return torch.stack(outputs), H, C
''',
    answers=("loop",), arguments=("inputs", "H", "C", "p"), axes=("step", "example", "unit"),
    results=("What you call outputs", "The last hidden state H", "The last cell state C"),
    reference=walked, cases=loop_cases,
    hints=(
        "`for X in inputs:` goes along the first axis, so X is (n, d), the inputs of one step. What has to be known before the next turn?",
        "In each turn: take a step from the present H and C, give both names to the new states, and put the new H into the list.",
        "Inside the loop three lines: `now = lstm_step(X, H, C, p)`, `H, C = now.H, now.C`, `outputs.append(H)`. `torch.stack` makes a new "
        "first axis, the steps.",
    ),
    solution='''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    """(T, n, d), H, C (n, h) -> outputs (T, n, h), H, C."""
    outputs = []
    for X in inputs:                        # (n, d)
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C                 # (n, h) each
        outputs.append(H)
    return torch.stack(outputs), H, C       # (T, n, h), (n, h)
''',
    explanation="""\
The state goes from turn to turn under the same two names; that is the whole recurrence. The outputs are the hidden states, so the
last of them equals the returned H. The cell state is handed on, and shown to nobody.""",
    otherwise='''\
import torch

def loop(inputs, H, C, p):
    W = torch.cat([p["W_x" + k] for k in "ifoc"], dim=1)
    U = torch.cat([p["W_h" + k] for k in "ifoc"], dim=1)
    scores = inputs @ W + torch.cat([p["b_" + k] for k in "ifoc"])
    shown = [H]
    for t in range(len(inputs)):
        i, f, o, c = (scores[t] + shown[-1] @ U).chunk(4, dim=1)
        C = torch.addcmul(f.sigmoid() * C, i.sigmoid(), c.tanh())
        shown.append(o.sigmoid() * C.tanh())
    return torch.cat([H[None] for H in shown[1:]]), shown[-1], C
''',
    mistakes=(
        Mistake("the state is not carried", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    steps = [lstm_step(X, H, C, p) for X in inputs]
    return torch.stack([s.H for s in steps]), steps[-1].H, steps[-1].C
''', "Every step begins from the first state again. Hand the new H and C on to the next step."),
        Mistake("only H is carried", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H = now.H
        outputs.append(H)
    return torch.stack(outputs), H, now.C
''', "The hidden state goes on, but every step finds the first cell state again: the memory is not carried."),
        Mistake("the outputs hold the cell states", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
        outputs.append(C)
    return torch.stack(outputs), H, C
''', "These outputs are the cell states. What the layer shows is the hidden state of each step."),
        Mistake("only the last output", '''\
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
    return H, H, C
''', "This is the last hidden state alone. Keep the one of every step, and stack them."),
        Mistake("the state detached inside the loop", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        now = lstm_step(X, H.detach(), C.detach(), p)
        H, C = now.H, now.C
        outputs.append(H)
    return torch.stack(outputs), H, C
''', "The state is detached inside the loop, so each step learns for itself alone. Detach between two pieces of a text, never between steps."),
        Mistake("H and C returned in the other order", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
        outputs.append(H)
    return torch.stack(outputs), C, H
''', "The last two come back in the other order: after the outputs first H, then C."),
        Mistake("the batch taken for the steps", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs.unbind(1):
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
        outputs.append(H)
    return torch.stack(outputs, dim=1), H, C
''', "The loop goes along the batch: each example is taken for a step, and reads the state of another. The steps are the first axis."),
        Mistake("the given state is ignored", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    H, C, outputs = torch.zeros_like(H), torch.zeros_like(C), []
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
        outputs.append(H)
    return torch.stack(outputs), H, C
''', "The walk begins from zeros. Begin from the H and C that were given: a text may have come before."),
        Mistake("the outputs are one step late", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        outputs.append(H)
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
    return torch.stack(outputs), H, C
''', "Each output is the hidden state before its step: the list is one step late. Append after the step."),
        Mistake("stacked along the batch", '''\
import torch
from unrolled.equations import lstm_step

def loop(inputs, H, C, p):
    outputs = []
    for X in inputs:
        now = lstm_step(X, H, C, p)
        H, C = now.H, now.C
        outputs.append(H)
    return torch.stack(outputs, dim=1), H, C
''', "The outputs are stacked along the second axis. The steps are the first axis, as in the inputs."),
    ),
    question={"kind": "choice", "prompt": "A layer of 32 units has read 20 steps of 4 texts; outputs is (20, 4, 32). What do you hand to the next call, "
                                          "so that it goes on where this one stopped?",
              "options": [
                  {"text": "outputs[-1] alone", "say": "That is the last hidden state. The memory itself is not in it."},
                  {"text": "The returned H and C", "right": True, "say": "Yes. H is also outputs[-1]; C is in no output."},
                  {"text": "outputs[:, -1]", "say": "The second axis counts the texts: this is all that the last text made the layer say."},
                  {"text": "Nothing: the layer remembers", "say": "A call without a state begins from zeros. Nothing carries over by itself."},
              ]},
    minutes=10,
    difficulties="Giving the new states other names and never handing them on. A mix-up of steps and batch shows only where shapes or numbers are "
                 "looked at closely: with as many steps as examples nothing complains.",
    marking=((2, "both states handed on"), (1, "the hidden state of every step, steps first"), (1, "begun from the given state"),
             (1, "gradients flow through all steps")),
)

# (d, h): wide, narrow, one that four divides, one input, and a square one
LAYOUTS = ((3, 2), (2, 3), (8, 5), (1, 4), (4, 4))


def weights_cases(generator: torch.Generator):
    for d, h in LAYOUTS:
        shapes = {"weight_ih_l0": (4 * h, d), "weight_hh_l0": (4 * h, h), "bias_ih_l0": (4 * h,), "bias_hh_l0": (4 * h,)}
        yield ({name: torch.randn(*shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()},)


def ours(theirs: dict) -> dict:
    result = {}
    for k, letter in enumerate("ifco"):
        block = {name: value.unflatten(0, (4, -1))[k] for name, value in theirs.items()}
        result |= {f"W_x{letter}": block["weight_ih_l0"].T, f"W_h{letter}": block["weight_hh_l0"].T,
                   f"b_{letter}": block["bias_ih_l0"] + block["bias_hh_l0"]}
    return result


WEIGHTS = FunctionExercise(
    name="weights", title="PyTorch's weights in our layout", page="concise",
    statement="""\
Turn PyTorch's four tensors into the twelve of the equations. `theirs` is a dictionary of `weight_ih_l0`, (4h, d), `weight_hh_l0`, (4h, h),
`bias_ih_l0` and `bias_hh_l0`, (4h,) each; `dict(torch.nn.LSTM(28, 32).named_parameters())` is one. Return a dictionary with `W_xi`, (d, h), `W_hi`,
(h, h), `b_i`, (h,), and likewise for `f`, `o` and `c`.""",
    start='''\
import torch

def weights(theirs):
    """PyTorch's four tensors by name -> our twelve by name."""
    ours = {}
    raise NotImplementedError
    return ours
''',
    answers=("weights",), arguments=("theirs",), axes=("row", "unit"), results=LSTM_PARAMETERS, mapping=True, differentiable=False,
    reference=ours, cases=weights_cases,
    hints=(
        "Three things differ: four blocks lie in one tensor, each weight is transposed, and there are two biases where the equations have one.",
        "`chunk(4)` cuts a tensor along its rows into the blocks of the input gate, the forget gate, the input node and the output gate, in "
        "this order. The node's letter is c.",
        "For each letter of `\"ifco\"` and its blocks: `W_x` is `weight_ih.T`, `W_h` is `weight_hh.T`, and `b` is `bias_ih + bias_hh`.",
    ),
    solution='''\
import torch

def weights(theirs):
    """PyTorch's four tensors by name -> our twelve by name."""
    names = ("weight_ih_l0", "weight_hh_l0",
             "bias_ih_l0", "bias_hh_l0")
    blocks = [theirs[name].chunk(4) for name in names]
    ours = {}
    for letter, W_x, W_h, b_x, b_h in zip("ifco", *blocks):
        ours["W_x" + letter] = W_x.T        # (h, d) -> (d, h)
        ours["W_h" + letter] = W_h.T        # (h, h) -> (h, h)
        ours["b_" + letter] = b_x + b_h     # (h,)
    return ours
''',
    explanation="""\
PyTorch computes W X with a column of inputs, we compute X W with a row, hence the transposition. The hidden weights are square: leave them as
they are, and every shape fits while every number is wrong. Only values, or outputs, can tell.""",
    otherwise='''\
import torch

def weights(theirs):
    h = theirs["weight_hh_l0"].shape[1]
    bias = torch.stack([theirs["bias_ih_l0"], theirs["bias_hh_l0"]]).sum(dim=0)
    begin = {"i": 0, "f": h, "o": 3 * h, "c": 2 * h}
    result = {}
    for k, first in begin.items():
        rows = slice(first, first + h)
        result["b_" + k] = bias[rows].clone()
        for ours, name in (("W_x", "weight_ih_l0"), ("W_h", "weight_hh_l0")):
            result[ours + k] = torch.einsum("ij->ji", theirs[name][rows]).clone()
    return result
''',
    mistakes=(
        Mistake("the blocks in our order", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifoc"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h.T, "b_" + letter: b_x + b_h}
    return ours
''', "The blocks are taken in our order. In PyTorch's the input node is the third and the output gate the fourth."),
        Mistake("nothing transposed", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x, "W_h" + letter: W_h, "b_" + letter: b_x + b_h}
    return ours
''', "Nothing is transposed. PyTorch keeps (hidden, inputs), we keep (inputs, hidden)."),
        Mistake("the hidden weights not transposed", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h, "b_" + letter: b_x + b_h}
    return ours
''', "The hidden weights are not transposed. They are square, so no shape gives it away: only the numbers do."),
        Mistake("reshaped instead of transposed", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.reshape(W_x.shape[1], -1), "W_h" + letter: W_h.T,
                 "b_" + letter: b_x + b_h}
    return ours
''', "The input weights are reshaped, not transposed: the shape is right, and the numbers lie in other places."),
        Mistake("only one bias", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h, b = (theirs[name].chunk(4)[k] for name in
                       ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h.T, "b_" + letter: b}
    return ours
''', "This is `bias_ih` alone. Both of PyTorch's biases are added to the same score, so ours is their sum."),
        Mistake("the biases averaged", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h.T,
                 "b_" + letter: (b_x + b_h) / 2}
    return ours
''', "This is the mean of the two biases. The score gets both of them in full."),
        Mistake("cut along the wrong axis", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifco"):
        W_x, W_h = (theirs[name].chunk(4, dim=1)[k] for name in
                    ("weight_ih_l0", "weight_hh_l0"))
        b_x, b_h = (theirs[name].chunk(4)[k] for name in ("bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h.T, "b_" + letter: b_x + b_h}
    return ours
''', "The weights are cut along their columns. The four blocks lie below one another: cut the rows, dim 0."),
        Mistake("PyTorch's letter", '''\
def weights(theirs):
    ours = {}
    for k, letter in enumerate("ifgo"):
        W_x, W_h, b_x, b_h = (theirs[name].chunk(4)[k] for name in
                              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        ours |= {"W_x" + letter: W_x.T, "W_h" + letter: W_h.T, "b_" + letter: b_x + b_h}
    return ours
''', "PyTorch writes g for the input node. The equations of this book call it c."),
    ),
    question={"kind": "number", "prompt": "A torch.nn.LSTM has 28 inputs and 32 hidden units. Counted from 0, at which row of weight_ih_l0 does the "
                                          "output gate begin?",
              "answer": 96, "tolerance": 0.1, "right": "Yes: three blocks of 32 rows come before it, those of the input gate, the forget gate and the input node.",
              "wrong": [{"from": 63.9, "to": 64.1, "say": "There the input node begins. In PyTorch's order it comes before the output gate."},
                        {"from": 83.9, "to": 84.1, "say": "A block has as many rows as there are hidden units, not inputs."},
                        {"from": 96.9, "to": 97.1, "say": "Nearly: the rows are counted from 0."},
                        {"from": 127.9, "to": 128.1, "say": "That many rows there are in all. The output gate's are the last 32 of them."}],
              "otherwise": "Which blocks come before the output gate's, and how many rows has a block?"},
    minutes=12,
    difficulties="The order of the blocks, and the hidden weights: they are square, so a forgotten transposition changes no shape.",
    marking=((2, "blocks in PyTorch's order, cut along the rows"), (1, "both kinds of weights transposed"), (1, "the sum of the two biases"),
             (1, "twelve names as in the equations")),
)

EXERCISES = (LOOP, WEIGHTS)
