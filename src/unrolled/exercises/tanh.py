"""Exercise 4: why tanh a second time? How far the memory can climb, a cell that gets there, and what breaks without the tanh."""
import torch
from torch import Tensor

from unrolled.equations import LSTM_PARAMETERS, lstm_step, parameter_shapes
from unrolled.exercises import cell
from unrolled.exercises.counts import CountExercise
from unrolled.exercises.feedback import Wrong, check_keys, kind
from unrolled.exercises.functions import FunctionExercise
from unrolled.exercises.running import untouched
from unrolled.exercises.specification import Mistake, Told, defined

PAGE = "exercise-tanh"


# ---- the bound

def bound_cases(generator: torch.Generator):
    """(T,), where the state begins at 0, and (T, c0)."""
    for T in (1, 2, 7, 50, 1000):
        yield (T,)
    for T in (1, 3, 20, 400):
        for sign in (1, -1):
            yield T, sign * round(0.1 + 30 * torch.rand((), generator=generator).item(), 2)


BOUND = CountExercise(
    name="bound", title="How far the memory can climb", page=PAGE,
    statement="""\
A unit's cell state begins at `c0` and takes `T` steps of {eq}`eq-internal-state`, with any gates and any candidates. Return the smallest number that $|c_T|$ always stays
below. It will come as close to it as you like, and never get there.""",
    start='''\
def bound(T, c0=0):
    """T steps from c0 -> the number that |c_T| stays below."""
    raise NotImplementedError
''',
    answers=("bound",), results=("the bound",), reference=lambda T, c0=0: abs(c0) + T, cases=bound_cases, tolerance=1e-6,
    hints=(
        "Take one step, and choose what makes the new state largest. What is the most that can be kept of the old state? What is the most that can be added?",
        "The gates lie between 0 and 1, so at most all of c is kept, and less than 1 · 1 is added. After a second step? And what if c0 is negative?",
        "Each step adds less than 1 to the absolute value. So the bound is |c0| plus the number of steps.",
    ),
    solution='''\
def bound(T, c0=0):
    """T steps from c0 -> the number that |c_T| stays below."""
    return abs(c0) + T
''',
    explanation="""\
By the triangle inequality |f c + i c̃| ≤ f |c| + i |c̃|, and that is less than |c| + 1, because all three factors are less than 1. T steps make |c0| + T. The candidate is bounded, the gates are bounded, and yet the
bound of their sum *grows with the number of steps*. No number bounds the memory for texts of any length.""",
    otherwise='''\
def bound(T, c0=0):
    largest = max(c0, -c0)
    for step in range(T):
        largest = 1 * largest + 1 * 1       # gates and candidate at their limits
    return float(largest)
''',
    mistakes=(
        Mistake("the start is forgotten", '''\
def bound(T, c0=0):
    return T
''', "The state that the cell begins with is missing: an open forget gate keeps it."),
        Mistake("a negative start", '''\
def bound(T, c0=0):
    return c0 + T
''', "For a negative start this is too small. The memory can fall as well as climb, and what is asked is how far it is from 0."),
        Mistake("always below 1", '''\
def bound(T, c0=0):
    return 1
''', "This is the bound of the candidate, and of the hidden state. Keep 0.9 and add 0.9: that is 1.71 after two steps."),
        Mistake("the bound of a coupled cell", '''\
def bound(T, c0=0):
    return max(1, abs(c0))
''', "This would hold if the input gate were 1 − F, as in a GRU. Here both gates can be open at once."),
        Mistake("one step too many", '''\
def bound(T, c0=0):
    return abs(c0) + T + 1
''', "True, but there is a smaller one: this counts one step too many. After one step from 0 the state is still below 1."),
        Mistake("the larger of the two", '''\
def bound(T, c0=0):
    return max(abs(c0), T)
''', "What is there at the beginning and what is added on the way come together: their sum counts, not the larger of them."),
        Mistake("gates at one half", '''\
def bound(T, c0=0):
    return abs(c0) / 2 ** T + 1 - 1 / 2 ** T
''', "This is so as long as all gates stand at one half. Any gates are allowed, and training can open them."),
        Mistake("two for each step", '''\
def bound(T, c0=0):
    return abs(c0) + 2 * T
''', "True, but far from the smallest. Input gate and candidate are multiplied, so a step adds less than 1 · 1, not 1 + 1."),
    ),
    question={"kind": "number", "prompt": "Both gates stand at 1/2 for ever, and the candidate is nearly 1 at every step. Near which number does the cell state settle?",
              "answer": 1, "tolerance": 0.01, "right": "Yes: half of 1 is kept and half of 1 is added. With such gates the memory stays small, and nobody would miss a second tanh.",
              "wrong": [{"from": 0.49, "to": 0.51, "say": "That is the state after the first step. At the next one half of it is kept, and 1/2 comes on top."},
                        {"from": 1.99, "to": 2.01, "say": "It would be 2 if the candidate were written whole. The input gate halves it."},
                        {"from": 10, "to": 1e9, "say": "It would climb like that if all of it were kept. Here one half is lost at every step."}],
              "otherwise": "Where it settles, a step changes nothing: c = c/2 + 1/2."},
    minutes=6,
    difficulties="Some take the hidden state's bound for the cell state's. The sign of c0 is overlooked by most.",
    marking=((1, "one more for each step"), (1, "the start, by its absolute value")),
)


# ---- a cell that gets there

LENGTHS = (1, 20, 500)
SHARE = 0.99


def well_formed(T: int, result) -> tuple[dict[str, Tensor], Tensor]:
    """What ``climb`` returned, in float64; Wrong where it is no cell with one unit and inputs for T steps."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        if untouched(result):
            raise NotImplementedError
        raise Wrong(f"`climb` should return two things, p and inputs, and returns {kind(result)}.")
    p, inputs = result
    if untouched(p) or untouched(inputs) or isinstance(p, dict) and any(map(untouched, p.values())):
        raise NotImplementedError
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.ndim != 3 or inputs.shape[1] != 1:
        raise Wrong(f"`inputs` should be a tensor of floating numbers, ({T}, 1, d): steps, one example, d inputs. It is {kind(inputs)}.")
    if len(inputs) != T:
        raise Wrong(f"For T = {T} there are inputs for {len(inputs)} step{'s' * (len(inputs) != 1)}. {LENGTH}")
    check_keys("`p`", p, dict.fromkeys(LSTM_PARAMETERS))
    for name, shape in parameter_shapes(LSTM_PARAMETERS, inputs.shape[2], 1).items():
        if not isinstance(p[name], Tensor) or not p[name].is_floating_point() or tuple(p[name].shape) != shape:
            raise Wrong(f"`{name}` should be a tensor of floating numbers of shape {shape}, and is {kind(p[name])}.")
    for name, value in ({"inputs": inputs} | dict(p)).items():
        if not value.isfinite().all():
            raise Wrong(f"`{name}` holds a number that is not finite. {FINITE}")
    return {name: value.detach().double() for name, value in p.items()}, inputs.detach().double()


def check_climb(function) -> str:
    if untouched(function):
        raise NotImplementedError
    if not callable(function):
        raise Wrong(f"`climb` should be a function, and is {kind(function)}.")
    for T in LENGTHS:
        p, inputs = well_formed(T, function(T))
        H = C = torch.zeros(1, 1, dtype=torch.float64)                   # (1, 1): one example, one unit
        steps = []
        for X in inputs:                                                 # (1, d)
            steps.append(lstm_step(X, H, C, p))
            H, C = steps[-1].H, steps[-1].C
        if abs(C.item()) < SHARE * T:
            values = [torch.cat([getattr(step, name)[0] for step in steps]) for name in ("F", "I", "C_tilde")]      # (T,) each
            raise Wrong(f"After {T} step{'s' * (T > 1)} from 0 the cell state is {C.item():.4f}; at least {SHARE * T:g} in absolute value is asked for. "
                        f"{lost(*values)}")
    return (f"After {LENGTHS[-1]} steps your cell stands at {C.item():.2f}, within 1 % of the bound, and its hidden state at {H.item():.4f}.")


def lost(F: Tensor, I: Tensor, C_tilde: Tensor) -> str:
    """What keeps a cell from climbing, in words, by what its gates and its candidates are."""
    if (C_tilde > 0).any() and (C_tilde < 0).any():
        return SIGNS
    if (I * C_tilde).abs().mean() < SHARE + 0.005:
        if I.mean() < C_tilde.abs().mean():
            return f"{HALF_WRITTEN} It is {I.mean():.3f} on average."
        return f"{WEAK} It is {C_tilde.mean():.3f} on average."
    if F.mean() < 0.25:
        return f"{UPSIDE_DOWN} Yours is {F.mean():.3f} on average."
    if F.mean() < 0.75:
        return f"{HALF_KEPT} Yours is {F.mean():.3f} on average."
    return f"{FADES} Yours is {F.mean():.5f} on average."


LENGTH = "T steps need T inputs, one a step."
FINITE = "Large is enough: tanh and σ come as close to their limits as you like without it."
SIGNS = "The candidate changes its sign on the way, so the memory gives back what it has gained."
HALF_WRITTEN = "The input gate is not open: a part of each candidate is lost before it is written. Nothing opens a gate but its score, so give it a large bias."
WEAK = "The candidate is too weak. tanh comes near 1 only when its score is well above 3."
UPSIDE_DOWN = "The forget gate is shut, so each step begins from nearly nothing. In spite of its name, a forget gate of 1 keeps everything."
HALF_KEPT = "The forget gate stands near the middle, and the state is lost about as fast as it is written. With a bias of 0 every gate begins there."
FADES = "The forget gate looks open and is not open enough: what it loses at each step is a share of a state that grows, and at last as much is lost as is added."

CLIMB_HEAD = '''\
import torch

def climb(T):
    """T -> p, the twelve parameters, and inputs (T, 1, d)."""
'''

CLIMB = Told(
    name="climb", title="A cell that gets there", page=PAGE, checker=check_climb, answers=("climb",),
    statement="""\
Build the proof. Return the twelve parameters of a cell with *one* unit, and inputs for T steps, so that its cell state, begun at 0, comes within 1 % of T. The parameters
are a dictionary, `W_xi` (d, 1), `W_hi` (1, 1), `b_i` (1,), and likewise with `f`, `o` and `c`. The inputs are (T, 1, d), and d is yours to choose. All numbers are finite. The check
runs your cell with `lstm_step` for T = 1, 20 and 500.""",
    start=CLIMB_HEAD + '''\
    zero = torch.zeros(1, 1)
    p = {"W_xi": zero, "W_hi": zero, "b_i": ...,
         "W_xf": zero, "W_hf": zero, "b_f": ...,
         "W_xo": zero, "W_ho": zero, "b_o": ...,
         "W_xc": zero, "W_hc": zero, "b_c": ...}
    inputs = ...
    return p, inputs
''',
    hints=(
        "Three things must be near their limits: what is kept, how much is written, and what is written. Which of the four boxes does not matter at all?",
        "With all weights 0 a box says the same at every step, whatever comes in: σ or tanh of its bias. So three biases do it. How near to 1 must the forget gate be, so that 500 "
        "of them in a row lose next to nothing?",
        "A bias of 20 for i, f and c is more than enough: 1 − σ(20) is about 2·10⁻⁹. With a bias of 5 the forget gate loses 0.7 % of the state at each step, and the climb ends near 150.",
    ),
    solution=CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_xi": zero, "W_hi": zero, "b_i": large,   # write all
         "W_xf": zero, "W_hf": zero, "b_f": large,   # keep all
         "W_xo": zero, "W_ho": zero, "b_o": large,   # no matter
         "W_xc": zero, "W_hc": zero, "b_c": large}   # nearly 1
    inputs = torch.zeros(T, 1, 1)           # nobody looks at them
    return p, inputs
''',
    explanation="""\
So the bound is no artefact of a careless proof: there are cells that get there. This one is extreme, but a unit that counts, letters of a word or open brackets, does the same at a smaller
scale. In exact arithmetic the state stays below T. In floating point σ(40) *is* 1, and such a cell reaches T.""",
    otherwise='''\
import torch
from unrolled.equations import LSTM_PARAMETERS, parameter_shapes

def climb(T):
    shapes = parameter_shapes(LSTM_PARAMETERS, 2, 1)
    p = {name: torch.zeros(shape) for name, shape in shapes.items()}
    for gate in "ifc":
        p["W_x" + gate][1, 0] = -15.0 if gate == "c" else 15.0
    inputs = torch.ones(T, 1, 2)
    inputs[:, :, 0] = torch.randn(T, 1)
    return p, inputs
''',
    mistakes=(
        Mistake("the forget bias left at 0", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": torch.zeros(1), "b_o": large, "b_c": large}
    return p, torch.zeros(T, 1, 1)
''', HALF_KEPT),
        Mistake("the forget gate shut", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": -large, "b_o": large, "b_c": large}
    return p, torch.zeros(T, 1, 1)
''', UPSIDE_DOWN),
        Mistake("the forget gate not open enough", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([6.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": large, "b_o": large, "b_c": large}
    return p, torch.zeros(T, 1, 1)
''', FADES),
        Mistake("the input gate half open", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": torch.zeros(1), "b_f": large, "b_o": large, "b_c": large}
    return p, torch.zeros(T, 1, 1)
''', HALF_WRITTEN),
        Mistake("a weak candidate", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": large, "b_o": large, "b_c": torch.ones(1)}
    return p, torch.zeros(T, 1, 1)
''', WEAK),
        Mistake("inputs that change their sign", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifo"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": large, "b_o": large, "b_c": torch.zeros(1)}
    p["W_xc"] = torch.full((1, 1), 20.0)
    return p, torch.cos(3.1416 * torch.arange(T)).reshape(T, 1, 1)
''', SIGNS),
        Mistake("one input too few", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([20.0])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": large, "b_o": large, "b_c": large}
    return p, torch.zeros(T - 1, 1, 1)
''', LENGTH),
        Mistake("infinite biases", CLIMB_HEAD + '''\
    zero, large = torch.zeros(1, 1), torch.tensor([float("inf")])
    p = {"W_x" + k: zero for k in "ifoc"} | {"W_h" + k: zero for k in "ifoc"}
    p |= {"b_i": large, "b_f": large, "b_o": large, "b_c": large}
    return p, torch.zeros(T, 1, 1)
''', FINITE),
    ),
    question={"kind": "drawing", "prompt": "Input gate and candidate are nearly 1 at every step, but the forget gate stands at 1/2, as with a bias of 0. The state begins at 0. Draw it "
                                           "after each step.",
              "quantity": "C", "low": 0, "high": 5, "step": 0.25, "start": 0,
              "bands": [{"low": value - 0.15, "high": value + 0.15} for value in (1, 1.5, 1.75, 1.875, 1.9375, 1.96875)],
              "right": "Yes: it comes to rest near 2, where half of it is lost and 1 is added. Without an open forget gate there is no climb.",
              "wrong": [{"steps": [1, 1], "say": "Nothing was there to be kept, and nearly 1 is written."},
                        {"steps": [2, 3], "say": "Half of the state before is kept, and 1 comes on top."},
                        {"steps": [4, 6], "say": "It goes on as before: half of what was there, plus 1. Where does that come to rest?"}],
              "otherwise": "Take half of the state before, plus 1."},
    minutes=10,
    difficulties="How open a forget gate must be for 500 steps. Some try to open the gates through the inputs and forget the sign, or let the hidden state do it, which begins at 0.",
    marking=((1, "forget gate nearly 1"), (1, "input gate nearly 1"), (1, "a candidate near 1 or −1 that keeps its sign"), (1, "T inputs, right shapes")),
)


# ---- without

WITHOUT = FunctionExercise(
    name="without", title="A step without the second tanh", page=PAGE,
    statement="""\
Now take the second tanh away. Write one step of a cell that shows its memory as it is, $\\hidH_t = \\gateO_t \\odot \\cellC_t$; the rest is as it was. `X` is (n, d), `H` and `C` are (n, h), `p` holds the
twelve parameters. Return the new `H` and `C`. `lstm_step(X, H, C, p)` gives every value of the usual step by its name.""",
    start='''\
import torch
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    """X (n, d), H and C (n, h), p -> the new H and C."""
    raise NotImplementedError
    return H, C
''',
    answers=("step_without",), arguments=("X", "H", "C", "p"), axes=("example", "unit"),
    results=("The new hidden state H", "The new cell state C"), cases=cell.cases,
    reference=lambda X, H, C, p: ((s := lstm_step(X, H, C, p)).O * s.C, s.C),
    hints=(
        "Only the last line of the step changes. Gates, input node and memory are computed as before, so you may take them from `lstm_step`.",
        "`s = lstm_step(X, H, C, p)` has `s.O` and `s.C`. Which `C` belongs into the hidden state, the old or the new one?",
        "The output gate times the new cell state, and the new cell state: `return s.O * s.C, s.C`.",
    ),
    solution='''\
import torch
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    """X (n, d), H and C (n, h), p -> the new H and C."""
    s = lstm_step(X, H, C, p)
    return s.O * s.C, s.C               # (n, h) each
''',
    explanation="""\
It is a small change, and one step of it looks harmless: for a small cell state tanh(c) is nearly c. The harm comes with the steps, because this hidden state is the next step's input.""",
    otherwise='''\
import torch

def step_without(X, H, C, p):
    i, f, o, c = (X @ p["W_x" + k] + H @ p["W_h" + k] + p["b_" + k] for k in "ifoc")
    new = torch.addcmul(torch.sigmoid(f) * C, torch.sigmoid(i), torch.tanh(c))
    return torch.sigmoid(o) * new, new
''',
    mistakes=(
        Mistake("the second tanh is still there", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.H, s.C
''', "The second tanh is still there: this is the usual step."),
        Mistake("the first tanh removed instead", '''\
import torch

def step_without(X, H, C, p):
    i, f, o, c = (X @ p["W_x" + k] + H @ p["W_h" + k] + p["b_" + k] for k in "ifoc")
    new = torch.sigmoid(f) * C + torch.sigmoid(i) * c
    return torch.sigmoid(o) * torch.tanh(new), new
''', "You took away the first tanh, that of the input node. It stays; the one between C and H goes."),
        Mistake("both removed", '''\
import torch

def step_without(X, H, C, p):
    i, f, o, c = (X @ p["W_x" + k] + H @ p["W_h" + k] + p["b_" + k] for k in "ifoc")
    new = torch.sigmoid(f) * C + torch.sigmoid(i) * c
    return torch.sigmoid(o) * new, new
''', "Both tanh are gone. That of the input node stays, so that the comparison is fair."),
        Mistake("the output gate removed, too", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.C, s.C
''', "The output gate is gone with the tanh. It still decides how much is shown."),
        Mistake("cut off instead", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.O * s.C.clamp(-1, 1), s.C
''', "Here the state is cut off at −1 and 1: another squashing function in tanh's place. Take it away altogether."),
        Mistake("the old memory is shown", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.O * C, s.C
''', "The hidden state shows the memory of the step before. It shows the new one."),
        Mistake("H and C in the other order", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.C, s.O * s.C
''', "The two states come in the other order: first H, then C."),
        Mistake("the memory detached", '''\
from unrolled.equations import lstm_step

def step_without(X, H, C, p):
    s = lstm_step(X, H, C, p)
    return s.O * s.C.detach(), s.C
''', "C is detached on its way out: nothing could be learnt from what the cell shows."),
    ),
    question={"kind": "choice", "prompt": "The GRU has no second tanh: its hidden state is Z times the old one plus 1 − Z times the candidate. Why does it not need one?",
              "options": [
                  {"text": "Its candidate is smaller", "say": "Its candidate comes out of tanh, as the LSTM's does, and lies between −1 and 1."},
                  {"text": "The two shares add up to 1, so the state is a mean of numbers between −1 and 1", "right": True,
                   "say": "Yes. To write is to forget there. The LSTM's two gates are free, so its state is a sum."},
                  {"text": "It has no output gate", "say": "The output gate can only make what is shown smaller. It is not what makes the state large."},
                  {"text": "It forgets faster", "say": "Its Z can be as near to 1 as a forget gate. But then nearly nothing is added."},
              ]},
    minutes=4,
    difficulties="Hardly any. Whoever removes the wrong tanh has not yet seen that there are two for two reasons.",
    marking=((1, "H from O and the new C"), (1, "the rest unchanged, gradients included")),
)


# ---- what breaks

BREAKS_HEAD = '''\
import torch
from unrolled.equations import lstm_step

def turning(T):
    """A unit, and inputs for it: 1 for T steps, then -1."""
    number = lambda *value: torch.tensor(value, dtype=torch.float64)
    p = {}
    for k, x, h, b in (("i", 0, 0, 6), ("f", 0, 0, 6),
                       ("o", 0, 0, 6), ("c", 2, 1, 0)):
        p["W_x" + k] = number([x])                  # (1, 1)
        p["W_h" + k] = number([h])                  # (1, 1)
        p["b_" + k] = number(b)                     # (1,)
    inputs = torch.ones(T + 1, 1, 1, dtype=torch.float64)
    inputs[T] = -1
    return p, inputs

'''
turning, = defined(BREAKS_HEAD, ("turning",))

FOUND = ("bound with", "bound without", "hidden with", "hidden without", "candidate with", "candidate without", "listens with", "listens without")


def right_breaks(T: int) -> dict[str, float]:
    p, inputs = turning(T)
    found = {"bound with": 1.0, "bound without": T}
    for name, way_out in (("with", torch.tanh), ("without", lambda C: C)):
        H = C = torch.zeros(1, 1, dtype=torch.float64)
        for X in inputs[:-1]:
            s = lstm_step(X, H, C, p)
            H, C = s.O * way_out(s.C), s.C
        turn = inputs[-1].clone().requires_grad_()
        s = lstm_step(turn, H, C, p)
        found |= {f"hidden {name}": H.item(), f"candidate {name}": s.C_tilde.item(),
                  f"listens {name}": torch.autograd.grad(s.C.sum(), turn)[0].item()}
    return {name: found[name] for name in FOUND}


def walked(loop: str, **changes: str) -> str:
    """A cell for ``breaks``: the solution's, with another loop or other values in the dictionary."""
    values = {"of": "s.C", "bound with": "1", "bound without": "T", "hidden": "H.item()", "candidate": "s.C_tilde.item()",
              "listens": "slope.item()"} | {name.replace("_", " "): value for name, value in changes.items()}
    return BREAKS_HEAD + f'''\
def breaks(T):
    p, inputs = turning(T)
    found = {{"bound with": {values["bound with"]}, "bound without": {values["bound without"]}}}
    for name in ("with", "without"):
        H = C = torch.zeros(1, 1, dtype=torch.float64)
        for X in inputs[:-1]:
            s = lstm_step(X, H, C, p)
{loop}
        turn = inputs[-1].clone().requires_grad_()
        s = lstm_step(turn, H, C, p)
        slope, = torch.autograd.grad({values["of"]}.sum(), turn)   # (1, 1)
        found["hidden " + name] = {values["hidden"]}
        found["candidate " + name] = {values["candidate"]}
        found["listens " + name] = {values["listens"]}
    return found
'''


LOOP = '''\
            H = s.H if name == "with" else s.O * s.C
            C = s.C'''

BREAKS = CountExercise(
    name="breaks", title="What breaks", page=PAGE,
    statement="""\
`turning(T)` below makes a unit whose gates are nearly open. Its candidate is $\\tanh(2x + h)$, so the input has twice the weight of the hidden state. For T steps the input says 1,
and then, in one step more, −1: *enough, turn round*. Begin with zero states, walk through the T steps with the second tanh and without, and take the step of the turn. Return a
dictionary of eight numbers:

- `"bound with"`: the smallest number that $|h|$ stays below in *any* cell, after any number of steps from zero states. Without the tanh there is no such number, so `"bound without"` is
  the smallest one for the T steps;
- `"hidden with"`, `"hidden without"`: this unit's hidden state after the T steps;
- `"candidate with"`, `"candidate without"`: its candidate in the step of the turn;
- `"listens with"`, `"listens without"`: the derivative of its new cell state with respect to the input, in the step of the turn.""",
    start=BREAKS_HEAD + '''\
def breaks(T):
    """T steps of 1 and one of -1 -> a dictionary of eight numbers."""
    p, inputs = turning(T)          # inputs (T + 1, 1, 1), float64
    found = {"bound with": ..., "bound without": ...}
    for name in ("with", "without"):
        H = C = torch.zeros(1, 1, dtype=torch.float64)
        raise NotImplementedError
        found["hidden " + name] = ...
        found["candidate " + name] = ...
        found["listens " + name] = ...
    return found
''',
    answers=("breaks",), results=FOUND, mapping=True, reference=right_breaks, tolerance=1e-6,
    cases=lambda generator: [(2,), (5,), (50,), (100,), (200,)],
    hints=(
        "Write the walk once, and let only the line for H differ. `inputs[:-1]` are the T steps, `inputs[-1]` is the turn.",
        "In the step of the turn, `turn = inputs[-1].clone().requires_grad_()` and `s = lstm_step(turn, H, C, p)`. Then `s.C_tilde` is the candidate. The bounds need no run: the first is that "
        "of tanh, the second you have found above.",
        "`torch.autograd.grad(s.C.sum(), turn)[0].item()` is what `listens` asks for. The bounds are 1 and T. In the loop, `H = s.H if name == \"with\" else s.O * s.C` and `C = s.C`.",
    ),
    solution=walked(LOOP),
    explanation="""\
With the tanh the input wins: the hidden state's vote is at most 1, the input's is 2, and the candidate is negative. Without it, the hidden state votes with all that it has gathered. After a few steps the
input is outvoted, the candidate stays at 1, and its derivative is 0: the unit does not hear, and it cannot learn to. It has become a clock.

So that is the answer to the question. Not the memory needs the second tanh; it may climb. The *readers* of the hidden state need it: the gates and the node of the next step, and the output layer. Their weights
were made for numbers between −1 and 1.""",
    otherwise=BREAKS_HEAD + '''\
def walk(T, show):
    p, inputs = turning(T)
    inputs.requires_grad_()
    H = C = inputs.new_zeros(1, 1)
    for t in range(T):
        step = lstm_step(inputs[t], H, C, p)
        H, C = step.O * show(step.C), step.C
    last = lstm_step(inputs[T], H.detach(), C.detach(), p)
    last.C.backward()
    return H, last.C_tilde, inputs.grad[T]

def breaks(T):
    names = ("hidden", "candidate", "listens")
    result = {"bound without": float(T), "bound with": 1.0}
    for how, show in {"with": torch.tanh, "without": torch.clone}.items():
        result |= {f"{k} {how}": v.squeeze().detach() for k, v in zip(names, walk(T, show))}
    return result
''',
    mistakes=(
        Mistake("with and without swapped", walked(LOOP.replace('"with"', '"without"')),
                "`with` and `without` have changed places."),
        Mistake("the tanh removed from the result alone", walked('''\
            H, C = s.H, s.C
            shown = H if name == "with" else s.O * s.C''', hidden="shown.item()"),
                "You show the memory without tanh, but the next step still reads it with tanh. What is shown is what is read: hand it on."),
        Mistake("the state is not carried", walked('''\
            shown = s.H if name == "with" else s.O * s.C''', hidden="shown.item()"),
                "The states are not handed on: each step begins from zeros, and T does not matter."),
        Mistake("the turn is missed", walked(LOOP).replace("turn = inputs[-1]", "turn = inputs[-2]"),
                "The last step is not the turn: its input is 1 still. The turn is `inputs[-1]`."),
        Mistake("one step too few", walked(LOOP).replace("in inputs[:-1]", "in inputs[:-2]"),
                "The walk ends one step early: all of `inputs[:-1]` comes before the turn."),
        Mistake("the cell state for the hidden state", walked(LOOP, hidden='H.item() if name == "with" else C.item()'),
                "Without the tanh this is the cell state itself. The output gate still stands before the hidden state."),
        Mistake("bounded all the same", walked(LOOP, bound_without="1"),
                "Without the tanh nothing holds the hidden state below 1. The output gate shows nearly all of a state that you have found a bound for."),
        Mistake("a bound measured in one cell", walked(LOOP).replace("    return found", '    found["bound with"] = found["hidden with"]\n    return found'),
                "The bound is not what one cell happens to reach. What can tanh, times a gate, never reach?"),
        Mistake("the derivative of the hidden state", walked(LOOP, of='(s.H if name == "with" else s.O * s.C)'),
                "This is the derivative of the new hidden state. Asked for is that of the new *cell* state: does the memory listen?"),
    ),
    question={"kind": "order", "prompt": "A unit without the second tanh, its gates nearly open. Put into order what follows from what.",
              "items": [
                  {"text": "the cell state grows by nearly 1 at each step", "say": "this is the beginning: it would happen with a second tanh, too."},
                  {"text": "the hidden state shows all of it", "say": "the hidden state grows because the memory does, and nothing squashes it any more."},
                  {"text": "the scores of the next step grow along", "say": "the scores of the next step grow once the hidden state has grown: they are made from it."},
                  {"text": "they are saturated, whatever the input says", "say": "saturation needs large scores first."},
                  {"text": "no gradient comes through, so nothing can be mended", "say": "this is the last link: the derivative vanishes where a function is saturated."},
              ],
              "right": "Yes. The first link holds in every LSTM. The second tanh cuts the chain at the second."},
    minutes=15,
    difficulties="To remove the tanh in the recurrence and not only in what is reported. The short answer in words should name the readers of the hidden state, not the memory.",
    marking=((1, "both bounds"), (2, "two walks that differ in one line, states handed on"), (1, "the step of the turn, and its derivative")),
)

EXERCISES = (BOUND, CLIMB, WITHOUT, BREAKS)
