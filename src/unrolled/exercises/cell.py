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
    """X (n, d), H (n, h), parameters p -> I, F, O (n, h)."""
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
    """X (n, d), H (n, h), parameters p -> I, F, O (n, h)."""
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


def node_cases(generator: torch.Generator):
    for X, H, _, p in cases(generator):
        yield X, H, p


def input_node(X: Tensor, H: Tensor, p: dict) -> Tensor:
    return lstm_step(X, H, torch.zeros_like(H), p).C_tilde


NODE = FunctionExercise(
    name="node", title="The input node", page="memory-cell",
    statement="""\
Write the input node of {eq}`eq-input-node`. `X` is (n, d), `H` the previous hidden state, (n, h), and `p` the dictionary of all
twelve parameters. Return the candidate, (n, h).""",
    start='''\
import torch

def node(X, H, p):
    """X (n, d), H (n, h), parameters p -> C_tilde (n, h)."""
    score = ...
    raise NotImplementedError
''',
    answers=("node",), arguments=("X", "H", "p"), axes=AXES, results=("The input node C_tilde",),
    reference=input_node, cases=node_cases,
    hints=(
        "The score is made as for a gate: from the input, from the previous hidden state, and from a bias.",
        "The parameters of the input node end in the letter c: `W_xc`, `W_hc` and `b_c`. What differs from a gate is the function "
        "around the score. Its values must be able to be negative.",
        "It is `torch.tanh(X @ p[\"W_xc\"] + H @ p[\"W_hc\"] + p[\"b_c\"])`.",
    ),
    solution='''\
import torch

def node(X, H, p):
    """X (n, d), H (n, h), parameters p -> C_tilde (n, h)."""
    score = X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"]
    return torch.tanh(score)
''',
    explanation="""\
It is a gate in all but one thing: tanh stands where the sigmoid stood. A gate says how much, a share between 0 and 1. The candidate
says what, and lies between −1 and 1, so that it can move the memory up or down.""",
    otherwise='''\
import torch

def node(X, H, p):
    W = torch.cat([p["W_xc"], p["W_hc"]])
    score = torch.cat([X, H], dim=1) @ W + p["b_c"]
    return 2 * torch.sigmoid(2 * score) - 1
''',
    mistakes=(
        Mistake("sigmoid for tanh", '''\
import torch

def node(X, H, p):
    return torch.sigmoid(X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"])
''', "This is what the sigmoid gives. It is never negative, so the memory could only be pushed up: the candidate takes tanh."),
        Mistake("the input gate's weights", '''\
import torch

def node(X, H, p):
    return torch.tanh(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
''', "These are the weights of the input gate. The input node has its own, with the letter c."),
        Mistake("the previous hidden state is missing", '''\
import torch

def node(X, H, p):
    return torch.tanh(X @ p["W_xc"] + p["b_c"])
''', "The previous hidden state is missing: the candidate depends on H as well as on X."),
        Mistake("bias forgotten", '''\
import torch

def node(X, H, p):
    return torch.tanh(X @ p["W_xc"] + H @ p["W_hc"])
''', "The bias is missing: `b_c` is added before tanh."),
        Mistake("each piece squashed by itself", '''\
import torch

def node(X, H, p):
    return torch.tanh(X @ p["W_xc"]) + torch.tanh(H @ p["W_hc"]) + torch.tanh(p["b_c"])
''', "Here each piece goes through tanh by itself, and the sum can reach 3. First add, then squash once."),
        Mistake("no squashing at all", '''\
import torch

def node(X, H, p):
    return X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"]
''', "This is the score. Without tanh one loud input could fill the memory by itself."),
        Mistake("the hidden state detached", '''\
import torch

def node(X, H, p):
    return torch.tanh(X @ p["W_xc"] + H.detach() @ p["W_hc"] + p["b_c"])
''', "H is detached: the candidate could not tell the step before what to say."),
    ),
    question={"kind": "choice", "prompt": "The candidate of one unit is −0.8, and its input gate is near 1. What happens to the memory of this unit?",
              "options": [
                  {"text": "It goes down by nearly 0.8.", "right": True, "say": "Yes: the candidate says which way, the gate says how much of it."},
                  {"text": "It goes up by nearly 0.8.", "say": "The sign counts: a negative candidate pushes the memory down."},
                  {"text": "It is erased.", "say": "Erasing is the forget gate's work. The candidate is added to what is there."},
                  {"text": "Nothing: a candidate cannot be negative.", "say": "A gate cannot. The candidate comes out of tanh, which lies between −1 and 1."},
              ]},
    minutes=4,
    difficulties="Hardly any after the gates. Some take the sigmoid from habit, or copy a line and leave its letter i.",
    marking=((1, "the right three parameters in one score"), (1, "tanh around the sum, and gradients to X and H")),
)


def shares(generator: torch.Generator, *shape: int) -> Tensor:
    """Gates with random numbers."""
    return torch.sigmoid(2 * torch.randn(*shape, generator=generator, dtype=torch.float64))


SQUARE = ((1, 1), (1, 2), (4, 5), (3, 3), (2, 4))                       # (n, h), one of them square: there @ and * both run


def state_cases(generator: torch.Generator):
    for shape in SQUARE:
        C, score = (torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2))
        yield shares(generator, *shape), shares(generator, *shape), 2 * C, torch.tanh(score)


STATE = FunctionExercise(
    name="state", title="The state update", page="memory-cell",
    statement="""\
Write the memory line, {eq}`eq-internal-state`. `F` and `I` are the gates, `C` the previous cell state, `C_tilde` the candidate,
each (n, h). Return the new cell state, (n, h).""",
    start='''\
import torch

def state(F, I, C, C_tilde):
    """Gates, old state and candidate -> new C, all (n, h)."""
    raise NotImplementedError
''',
    answers=("state",), arguments=("F", "I", "C", "C_tilde"), axes=AXES, results=("The cell state C",),
    reference=lambda F, I, C, C_tilde: F * C + I * C_tilde, cases=state_cases,
    hints=(
        "Two things are added: a part of what was there, and a part of what could be written.",
        "Each of the two is a product entry by entry. The forget gate belongs to the old state. Which gate belongs to the candidate?",
        "`F * C + I * C_tilde`. The sign `*` multiplies entry by entry; `@` would be a product of matrices.",
    ),
    solution='''\
import torch

def state(F, I, C, C_tilde):
    """Gates, old state and candidate -> new C, all (n, h)."""
    return F * C + I * C_tilde
''',
    explanation="""\
This one line is the heart of the LSTM. The old state comes through with no matrix and no squashing in its way, only with the
weight F. So the gradient comes back with the same weight, and where F is near 1 it comes back whole.""",
    otherwise='''\
import torch

def state(F, I, C, C_tilde):
    gates, values = torch.stack([F, I]), torch.stack([C, C_tilde])
    return torch.einsum("knh,knh->nh", gates, values)
''',
    mistakes=(
        Mistake("the gates have changed places", '''\
def state(F, I, C, C_tilde):
    return I * C + F * C_tilde
''', "The two gates have changed places: F scales the old state, I scales the candidate."),
        Mistake("a product of matrices", '''\
def state(F, I, C, C_tilde):
    return F @ C + I @ C_tilde
''', "The sign ⊙ means entry by entry, which is `*`. `@` multiplies matrices. Where batch and units are equally many it runs without "
     "a complaint, and mixes the examples."),
        Mistake("the previous state is missing", '''\
def state(F, I, C, C_tilde):
    return I * C_tilde
''', "The previous state is missing: this cell would remember nothing at all."),
        Mistake("forget gate the wrong way round", '''\
def state(F, I, C, C_tilde):
    return (1 - F) * C + I * C_tilde
''', "The forget gate works the wrong way round. In spite of its name, 1 means keep everything."),
        Mistake("one gate for both", '''\
def state(F, I, C, C_tilde):
    return F * C + (1 - F) * C_tilde
''', "Here the candidate gets what the forget gate left over, as in a GRU. An LSTM asks its input gate."),
        Mistake("squashed", '''\
import torch

def state(F, I, C, C_tilde):
    return torch.tanh(F * C + I * C_tilde)
''', "No tanh stands on the memory line: it would shrink the memory at every step, and the gradient with it."),
        Mistake("in place", '''\
def state(F, I, C, C_tilde):
    C *= F
    C += I * C_tilde
    return C
''', "`*=` and `+=` write into the old state. Its value is still needed, for the gradient and by whoever called you: make a new tensor."),
        Mistake("the previous state detached", '''\
def state(F, I, C, C_tilde):
    return F * C.detach() + I * C_tilde
''', "C is detached. The memory is kept, but nothing before this step could be learnt from it."),
    ),
    question={"kind": "drawing", "prompt": "The state begins at 0, and the candidate is 1 at every step. In steps 1 to 3 both gates are 1. In steps "
                                           "4 to 6 the forget gate is 1 and the input gate is 0. In steps 7 and 8 both are 0. Draw the state after each step.",
              "quantity": "C", "low": 0, "high": 4, "step": 0.5, "start": 0,
              "bands": [{"low": value - 0.2, "high": value + 0.2} for value in (1, 2, 3, 3, 3, 3, 0, 0)],
              "right": "Yes: it climbs while both gates are open, waits while nothing is written, and is emptied at once.",
              "wrong": [{"steps": [1, 1], "say": "Nothing was there before, and the candidate is written whole."},
                        {"steps": [2, 3], "say": "All of the old state is kept, and the candidate comes on top of it. Nothing stops it at 1."},
                        {"steps": [4, 6], "say": "A forget gate of 1 keeps everything, an input gate of 0 adds nothing."},
                        {"steps": [7, 8], "say": "Nothing is kept and nothing is written."}],
              "otherwise": "Take the state of the step before, times F, plus the candidate, times I."},
    minutes=4,
    difficulties="A product of matrices for ⊙: it fails for most shapes, and runs silently for square ones. And the name of the forget gate.",
    marking=((1, "both products entry by entry"), (1, "the right gate for each"), (1, "nothing in place, nothing detached")),
)


def hidden_cases(generator: torch.Generator):
    for shape in SQUARE:
        yield shares(generator, *shape), 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


HIDDEN = FunctionExercise(
    name="hidden", title="The hidden state", page="memory-cell",
    statement="""\
Write the view that the cell shows of its memory, {eq}`eq-hidden-state`. `O` is the output gate and `C` the new cell state, each
(n, h). Return the hidden state, (n, h).""",
    start='''\
import torch

def hidden(O, C):
    """Output gate and new cell state -> H, all (n, h)."""
    raise NotImplementedError
''',
    answers=("hidden",), arguments=("O", "C"), axes=AXES, results=("The hidden state H",),
    reference=lambda O, C: O * torch.tanh(C), cases=hidden_cases,
    hints=(
        "Two things happen to the memory on its way out: it is squashed, and a part of it is let through.",
        "The order matters. The cell state may be large: squash it first, then let the gate decide on the result.",
        "`O * torch.tanh(C)`: tanh takes the cell state alone, and the gate stands outside.",
    ),
    solution='''\
import torch

def hidden(O, C):
    """Output gate and new cell state -> H, all (n, h)."""
    return O * torch.tanh(C)
''',
    explanation="""\
tanh brings the memory back between −1 and 1, however far it has climbed, and the gate shows a share of that. With the gate near 0
the unit is silent, and its memory is untouched.""",
    otherwise='''\
import torch

def hidden(O, C):
    grown = torch.exp(-2 * C.abs())
    return O * torch.sign(C) * (1 - grown) / (1 + grown)
''',
    mistakes=(
        Mistake("tanh missing", '''\
def hidden(O, C):
    return O * C
''', "tanh is missing. The cell state can climb far beyond 1, and then the hidden state would climb with it."),
        Mistake("sigmoid for tanh", '''\
import torch

def hidden(O, C):
    return O * torch.sigmoid(C)
''', "This is what the sigmoid gives: a negative memory would be shown as a positive number. It takes tanh."),
        Mistake("gated before it is squashed", '''\
import torch

def hidden(O, C):
    return torch.tanh(O * C)
''', "The gate stands inside of tanh. A large memory would get past a nearly shut gate: squash first, then gate."),
        Mistake("the gate is missing", '''\
import torch

def hidden(O, C):
    return torch.tanh(C)
''', "The output gate is missing: this cell could never keep a thing to itself."),
        Mistake("the gate squashed once more", '''\
import torch

def hidden(O, C):
    return torch.sigmoid(O) * torch.tanh(C)
''', "O is a gate already. A second sigmoid leaves it between 0.5 and 0.73, so that it can neither open nor shut."),
        Mistake("a product of matrices", '''\
import torch

def hidden(O, C):
    return O @ torch.tanh(C)
''', "The sign ⊙ means entry by entry, which is `*`. `@` multiplies matrices, and mixes the examples where it runs at all."),
        Mistake("the cell state detached", '''\
import torch

def hidden(O, C):
    return O * torch.tanh(C.detach())
''', "C is detached: the loss, which sees only H, could teach the memory nothing."),
    ),
    question={"kind": "number", "prompt": "A unit has gathered for a long time: its cell state is 100. Its output gate is 0.5. What is its hidden state?",
              "answer": 0.5, "tolerance": 0.005, "right": "Yes: tanh(100) is 1 to any digit you can print, and the gate lets half of it through.",
              "wrong": [{"from": 49, "to": 51, "say": "That is half of the memory itself. Before the gate it goes through tanh."},
                        {"from": 0.99, "to": 1.01, "say": "That is tanh(100). The gate still has to take its share."},
                        {"from": 99, "to": 101, "say": "That is the cell state. The hidden state is a squashed and gated view of it."}],
              "otherwise": "First tanh of the cell state, then times the gate."},
    minutes=4,
    difficulties="tanh around the whole product instead of around the cell state. Both stay within (−1, 1), so the range does not give it away.",
    marking=((1, "tanh of the cell state alone"), (1, "the gate outside, entry by entry")),
)


def whole_step(X: Tensor, H: Tensor, C: Tensor, p: dict) -> tuple[Tensor, Tensor]:
    step = lstm_step(X, H, C, p)
    return step.H, step.C


STEP = FunctionExercise(
    name="step", title="One whole step", page="memory-cell",
    statement="""\
Put it together: one step of the cell. `X` is the input, (n, d), `H` and `C` are the states of the step before, (n, h), and `p` is the
dictionary of the twelve parameters. Return the new hidden state and the new cell state, in this order.""",
    start='''\
import torch

def step(X, H, C, p):
    """X (n, d), H and C (n, h), p -> new H and C (n, h)."""
    raise NotImplementedError
    return H, C
''',
    answers=("step",), arguments=("X", "H", "C", "p"), axes=AXES, results=("The hidden state H", "The cell state C"),
    reference=whole_step, cases=cases,
    hints=(
        "You have all the parts already: three gates, the input node, the state, the hidden state. Call them in this order.",
        "The gates and the node read the *previous* H. The hidden state reads the *new* C. So compute all four first, then C, then H.",
        "With the functions you wrote: `I, F, O = gates(X, H, p)`, `C = state(F, I, C, node(X, H, p))`, `return hidden(O, C), C`.",
    ),
    solution='''\
import torch

def step(X, H, C, p):
    """X (n, d), H and C (n, h), p -> new H and C (n, h)."""
    # From here on every value is (n, h).
    I = torch.sigmoid(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
    F = torch.sigmoid(X @ p["W_xf"] + H @ p["W_hf"] + p["b_f"])
    O = torch.sigmoid(X @ p["W_xo"] + H @ p["W_ho"] + p["b_o"])
    node = torch.tanh(X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"])
    C = F * C + I * node
    H = O * torch.tanh(C)
    return H, C
''',
    explanation="""\
Six lines, six equations. Only the order needs care: everything that reads the old states comes before the line that replaces them.""",
    otherwise='''\
import torch

def step(X, H, C, p):
    W = torch.cat([torch.cat([p["W_x" + k], p["W_h" + k]]) for k in "ifoc"], dim=1)
    b = torch.cat([p["b_" + k] for k in "ifoc"])
    scores = torch.cat([X, H], dim=1) @ W + b
    h = H.shape[1]
    I, F, O = (scores[:, k * h:(k + 1) * h].sigmoid() for k in range(3))
    kept, written = C.mul(F), scores[:, 3 * h:].tanh().mul(I)
    C = kept + written
    return [C.tanh().mul(O), C]
''',
    mistakes=(
        Mistake("the two states returned in the other order", '''\
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.C, s.H
''', "The two states come back in the other order: first H, then C."),
        Mistake("the hidden state shows the old memory", '''\
import torch
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.O * torch.tanh(C), s.C
''', "The hidden state shows the memory of the step before. Compute the new C first, then H from it."),
        Mistake("input and forget gate swapped", '''\
import torch
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H, C, p)
    C = s.I * C + s.F * s.C_tilde
    return s.O * torch.tanh(C), C
''', "The input gate and the forget gate have changed places in the memory line."),
        Mistake("the gates read the cell state", '''\
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, C, C, p)
    return s.H, s.C
''', "The gates and the node read C here. They see what the cell has said, H, not what it keeps to itself."),
        Mistake("the second tanh is missing", '''\
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.O * s.C, s.C
''', "The tanh on the way out is missing: H is O times tanh of C."),
        Mistake("sigmoid for the input node", '''\
import torch

def step(X, H, C, p):
    I, F, O, N = (torch.sigmoid(X @ p["W_x" + k] + H @ p["W_h" + k] + p["b_" + k])
                  for k in "ifoc")
    C = F * C + I * N
    return O * torch.tanh(C), C
''', "The input node went through the sigmoid like a gate. It takes tanh."),
        Mistake("the previous cell state is missing", '''\
import torch
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H, C, p)
    C = s.I * s.C_tilde
    return s.O * torch.tanh(C), C
''', "The previous cell state is missing: what is kept is F times the old C."),
        Mistake("the states detached", '''\
from unrolled.equations import lstm_step

def step(X, H, C, p):
    s = lstm_step(X, H.detach(), C.detach(), p)
    return s.H, s.C
''', "The incoming states are detached inside the step: no gradient can cross from one step to the next."),
    ),
    question={"kind": "order", "prompt": "Put the parts of one step into an order in which each has all that it needs.",
              "items": [
                  {"text": "four scores from the input and the old hidden state", "say": "the scores need only what came in, so they can be first."},
                  {"text": "sigmoid of three scores, tanh of the fourth", "say": "there must be scores before they can be squashed, and gates before they are used."},
                  {"text": "the old cell state times the forget gate", "say": "scaling the old memory needs the gate, and adding to it needs the scaling done."},
                  {"text": "plus the candidate times the input gate", "say": "the candidate is added to the scaled memory; that sum is the new cell state."},
                  {"text": "tanh of the new cell state", "say": "this tanh takes the new cell state, which must be complete by then."},
                  {"text": "times the output gate: the new hidden state", "say": "the output gate has the last word: it takes its share of the squashed memory."},
              ],
              "right": "Yes. The gates read the old hidden state; the new one reads the new memory."},
    minutes=8,
    difficulties="Overwriting H or C before all that reads the old ones is computed, and the order of the two results.",
    marking=((2, "gates and node from X and the previous H"), (1, "the memory line"), (1, "H from the new C"), (1, "H and C returned in this order")),
)

EXERCISES = (GATES, NODE, STATE, HIDDEN, STEP)
