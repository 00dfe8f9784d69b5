"""Build it yourself, one: the cell. Gates, input node, state, hidden state, and the whole step."""
import torch
from torch import Tensor

from unrolled.equations import LSTM_PARAMETERS, lstm_step, parameter_shapes
from unrolled.exercises.functions import FunctionExercise
from unrolled.exercises.specification import Mistake

AXES = ("example", "unit")
SIZES = ((1, 1, 1), (1, 3, 2), (4, 2, 5), (3, 6, 3), (2, 4, 4))         # (n, d, h)


def cases(generator: torch.Generator):
    """(X, H, C, p) with random numbers, float64."""
    for n, d, h in SIZES:
        draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)   # noqa: E731
        p = {name: draw(*shape) for name, shape in parameter_shapes(LSTM_PARAMETERS, d, h).items()}
        yield draw(n, d), draw(n, h), draw(n, h), p


def gates_cases(generator: torch.Generator):
    for X, H, _, p in cases(generator):
        yield X, H, {name: p[name] for name in p if name[-1] != "c"}


def three_gates(X: Tensor, H: Tensor, p: dict) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.sigmoid(X @ p[f"W_x{k}"] + H @ p[f"W_h{k}"] + p[f"b_{k}"]) for k in "ifo")


GATES = FunctionExercise(
    name="gates", title="The three gates", page="memory-cell",
    statement="""\
Write the three gates of {eq}`eq-gates`. `X` is the input, (n, d). `H` is the previous hidden state, (n, h).
`p` is a dictionary of the parameters `W_xi`, `W_hi`, `b_i`, and likewise with `f` and `o`. Return the three gates
in the order I, F, O, each (n, h).""",
    start='''\
import torch

def gates(X, H, p):
    """X (n, d), H (n, h), p a dictionary -> I, F, O, each (n, h)."""
    I = ...
    F = ...
    O = ...
    raise NotImplementedError
    return I, F, O
''',
    answers=("gates",), arguments=("X", "H", "p"), axes=AXES,
    results=("The input gate I", "The forget gate F", "The output gate O"),
    reference=three_gates, cases=gates_cases,
    hints=(
        "Begin with one gate. What goes into the sigmoid is a sum of three things: something from the input, something from the "
        "hidden state, and a bias.",
        "`X @ p[\"W_xi\"]` has the shape (n, h). So has the product of `H` with its own weight. The bias (h,) is added to every row by itself.",
        "`I = torch.sigmoid(X @ p[\"W_xi\"] + H @ p[\"W_hi\"] + p[\"b_i\"])`. The other two differ only in the letter.",
    ),
    solution='''\
import torch

def gates(X, H, p):
    """X (n, d), H (n, h), p a dictionary -> I, F, O, each (n, h)."""
    I = torch.sigmoid(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
    F = torch.sigmoid(X @ p["W_xf"] + H @ p["W_hf"] + p["b_f"])
    O = torch.sigmoid(X @ p["W_xo"] + H @ p["W_ho"] + p["b_o"])
    return I, F, O
''',
    explanation="""\
All three read the same two things, the input and the previous hidden state. What makes them three is that each has weights of its own.
The sigmoid turns a score into a share between 0 and 1.""",
    otherwise='''\
import torch

def gates(X, H, p):
    both = torch.cat([X, H], dim=1)
    result = []
    for k in "ifo":
        W = torch.cat([p["W_x" + k], p["W_h" + k]])
        score = torch.addmm(p["b_" + k], both, W)
        result.append(1 / (1 + torch.exp(-score)))
    return result
''',
    mistakes=(
        Mistake("input and forget gate swapped", '''\
import torch

def gates(X, H, p):
    F = torch.sigmoid(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
    I = torch.sigmoid(X @ p["W_xf"] + H @ p["W_hf"] + p["b_f"])
    O = torch.sigmoid(X @ p["W_xo"] + H @ p["W_ho"] + p["b_o"])
    return I, F, O
''', "The input gate and the forget gate have changed places: I goes with the letter i, F with f."),
        Mistake("tanh for the sigmoid", '''\
import torch

def gates(X, H, p):
    return tuple(torch.tanh(X @ p[f"W_x{k}"] + H @ p[f"W_h{k}"] + p[f"b_{k}"]) for k in "ifo")
''', "This is what tanh gives. A gate is a share between 0 and 1: it takes the sigmoid."),
        Mistake("the previous hidden state is missing", '''\
import torch

def gates(X, H, p):
    return tuple(torch.sigmoid(X @ p[f"W_x{k}"] + p[f"b_{k}"]) for k in "ifo")
''', "The previous hidden state is missing: a gate reads H as well as X."),
        Mistake("bias forgotten", '''\
import torch

def gates(X, H, p):
    return tuple(torch.sigmoid(X @ p[f"W_x{k}"] + H @ p[f"W_h{k}"]) for k in "ifo")
''', "The bias is missing: without it a gate with zero weights could only ever stand at one half."),
        Mistake("no squashing at all", '''\
import torch

def gates(X, H, p):
    return tuple(X @ p[f"W_x{k}"] + H @ p[f"W_h{k}"] + p[f"b_{k}"] for k in "ifo")
''', "These are the scores. The sigmoid that makes shares of them is missing."),
        Mistake("the hidden state detached", '''\
import torch

def gates(X, H, p):
    H = H.detach()
    return tuple(torch.sigmoid(X @ p[f"W_x{k}"] + H @ p[f"W_h{k}"] + p[f"b_{k}"]) for k in "ifo")
''', "H is detached: nothing could be learnt from what came before this step."),
    ),
    question={"kind": "number", "prompt": "All weights of a forget gate are 0 and its bias is 0. Where does the gate stand?",
              "answer": 0.5, "tolerance": 0.001, "right": "Yes: σ(0) = 1/2. Half of the memory is lost at every step.",
              "wrong": [{"from": -0.001, "to": 0.001, "say": "0 is the score that goes into the sigmoid, not what comes out."},
                        {"from": 0.999, "to": 1.001, "say": "The sigmoid reaches 1 nowhere, and 0 is far from where it comes close."}],
              "otherwise": "Put the score 0 into σ(a) = 1 / (1 + exp(−a))."},
    minutes=10,
    difficulties="The order of the products (inputs stand on the left of their weights), and returning all three in order.",
    marking=((2, "all three gates with their own weights"), (1, "bias and sigmoid"), (1, "gradients flow to X and H")),
)

EXERCISES = (GATES,)
