"""Exercise 3: what RNN, GRU and LSTM cost. Parameters, arithmetic and memory to the last number, and a stopwatch that can be trusted."""
import torch
from torch import nn

from unrolled.cost import BOXES, cost
from unrolled.exercises.clock import Clock, on_clock
from unrolled.exercises.counts import CountExercise, near, plain
from unrolled.exercises.feedback import Wrong, kind
from unrolled.exercises.running import untouched
from unrolled.exercises.specification import Mistake, Told
from unrolled.timing import KINDS

PAGE = "exercise-cost"


def drawn(generator: torch.Generator, high: int) -> int:
    return int(torch.randint(1, high, (), generator=generator))


def size_cases(generator: torch.Generator):
    """(kind, d, h), and for each kind once d = 1 and once h = 1."""
    for name in BOXES:
        for d, h in ((1, drawn(generator, 50)), (drawn(generator, 50), 1), *((drawn(generator, 300), drawn(generator, 300)) for _ in range(2))):
            yield name, d, h


def work_cases(generator: torch.Generator):
    """(kind, d, h, T, n)."""
    for name, d, h in size_cases(generator):
        yield name, d, h, drawn(generator, 40), drawn(generator, 100)
    for name in BOXES:
        yield name, 5, 7, 1, 1


def memory_cases(generator: torch.Generator):
    """(kind, h, T, n)."""
    for name, _, *sizes in work_cases(generator):
        yield name, *sizes


# ---- parameters

PARAMETERS = CountExercise(
    name="parameters", title="How many parameters", page=PAGE,
    statement="""\
Write a function that counts the parameters of one layer. `kind` is `"rnn"`, `"gru"` or `"lstm"`, `d` is the number of inputs, `h` that of
the hidden units. Count what stands in the equations: {eq}`eq-rnn` for the RNN, {eq}`eq-gates` and {eq}`eq-input-node` for the LSTM,
{eq}`eq-gru-gates` and {eq}`eq-gru-state` for the GRU. Look closely at the last one.""",
    start='''\
def parameters(kind, d, h):
    """kind, d inputs, h hidden units -> a number."""
    boxes = ...
    raise NotImplementedError
''',
    answers=("parameters",), results=("the parameters",), reference=lambda *sizes: cost(*sizes).parameters, cases=size_cases,
    hints=(
        "Each of these cells is made of equal boxes, and a box is X W + H W + b. Count one box first: what shapes have its two weights and its bias?",
        "One box has a weight (d, h), a weight (h, h) and a bias (h,). An RNN is one box, a GRU has two gates and a candidate, an LSTM has three gates "
        "and a candidate.",
        "boxes × (d·h + h·h + h), with 1, 3 and 4 boxes. The GRU has h more: its candidate has a second bias inside the bracket that the reset gate "
        "multiplies.",
    ),
    solution='''\
def parameters(kind, d, h):
    """kind, d inputs, h hidden units -> a number."""
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    more = h if kind == "gru" else 0        # b_hh
    return boxes * (d * h + h * h + h) + more
''',
    explanation="""\
All three are made of the same box, so the ratio is 1 : 3 : 4, and a few numbers more for the GRU: its reset gate multiplies the bias, too, so this one
cannot be merged with the other. With many more units than inputs h·h is nearly all of it. Twice as many units are four times as many parameters.""",
    otherwise='''\
import math
from unrolled.equations import (GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS,
                                parameter_shapes)

def parameters(kind, d, h):
    names = {"r": RNN_PARAMETERS, "g": GRU_PARAMETERS, "l": LSTM_PARAMETERS}[kind[0]]
    total = 0
    for shape in parameter_shapes(names, d, h).values():
        total += math.prod(shape)
    return total
''',
    mistakes=(
        Mistake("the biases are forgotten", '''\
def parameters(kind, d, h):
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + h * h)
''', "The biases are missing: each box has one, h numbers."),
        Mistake("two biases a box", '''\
def parameters(kind, d, h):
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + h * h + 2 * h)
''', "Here each box has two biases, as `torch.nn` stores them. Only their sum matters, except in one place. The equations have one a box."),
        Mistake("the GRU's second bias is overlooked", '''\
def parameters(kind, d, h):
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + h * h + h)
''', "The GRU of the paper has as many. In the one of this book, and of PyTorch, the reset gate acts after the product, and there stands a bias of "
     "its own, h numbers more."),
        Mistake("the GRU counted as four boxes", '''\
def parameters(kind, d, h):
    more = h if kind == "gru" else 0
    return {"rnn": 1, "gru": 4, "lstm": 4}[kind] * (d * h + h * h + h) + more
''', "The GRU is counted with four boxes. It has two gates and a candidate; there is no output gate."),
        Mistake("the GRU counted as two boxes", '''\
def parameters(kind, d, h):
    more = h if kind == "gru" else 0
    return {"rnn": 1, "gru": 2, "lstm": 3}[kind] * (d * h + h * h + h) + more
''', "Only the gates are counted. The candidate is a box, too, with weights and a bias of its own."),
        Mistake("d and h swapped", '''\
def parameters(kind, d, h):
    more = d if kind == "gru" else 0
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + d * d + d) + more
''', "d and h have changed places: what is square is the weight from the hidden units to the hidden units."),
        Mistake("the recurrent weights are forgotten", '''\
def parameters(kind, d, h):
    more = h if kind == "gru" else 0
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + h) + more
''', "The recurrent weights are missing: each box also reads the h hidden units of the step before, with a weight (h, h)."),
        Mistake("one bias for all boxes", '''\
def parameters(kind, d, h):
    more = h if kind == "gru" else 0
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (d * h + h * h) + h + more
''', "There is one bias for all boxes together. Each box has its own: think of a forget gate that begins near 1 beside an input gate that does not."),
        Mistake("the inputs taken to be as many as the units", '''\
def parameters(kind, d, h):
    more = h if kind == "gru" else 0
    return {"rnn": 1, "gru": 3, "lstm": 4}[kind] * (2 * h * h + h) + more
''', "d does not occur in it: the weight for the inputs is (d, h), and only by chance square."),
    ),
    question={"kind": "number", "prompt": "A layer has far more hidden units than inputs. You double its hidden units. By what factor does the number of its "
                                          "parameters grow, nearly?",
              "answer": 4, "tolerance": 0.1, "right": "Yes: h·h is nearly all of it. This holds for all three kinds.",
              "wrong": [{"from": 1.9, "to": 2.1, "say": "That would be so if each unit had a fixed number of weights. It has one for every other unit, and "
                                                        "these have doubled, too."},
                        {"from": 7.5, "to": 16.5, "say": "That is too much. The recurrent weight of a box is h by h, and both sides have doubled."},
                        {"from": 2.9, "to": 3.1, "say": "3 is the number of a GRU's boxes. It does not change."}],
              "otherwise": "The largest part of a box is its recurrent weight, h times h."},
    minutes=8,
    difficulties="The GRU. Textbooks give 3 (d h + h h + h), and the second bias of the library's form surprises. Do not dwell on it: what matters is the box.",
    marking=((2, "the three parts of a box"), (1, "1, 3 and 4 boxes"), (1, "the GRU's second bias")),
)


# ---- multiply-adds

MULTIPLY_ADDS = CountExercise(
    name="multiply_adds", title="How much arithmetic", page=PAGE,
    statement="""\
Count the multiply-adds of the products of matrices, for `T` steps and a batch of `n` examples. One multiplication and the addition that belongs to it
are *one*. Biases, activations and the products entry by entry grow with h only, not with h·h; leave them out.

Return two numbers: for *inference*, which is the forward pass alone, and for *training*, which is the forward and the backward pass together. In the backward
pass a product Y = X W has two: one for the gradient of W, one for the gradient of X. What nobody needs is not computed: the inputs and the first state are given,
so they get no gradient.""",
    start='''\
def multiply_adds(kind, d, h, T, n):
    """T steps, n examples -> inference, training: two numbers."""
    inference = ...
    training = ...
    return inference, training
''',
    answers=("multiply_adds",), results=("inference", "training"), cases=work_cases,
    reference=lambda *sizes: (cost(*sizes).multiply_adds_forward, cost(*sizes).multiply_adds_forward + cost(*sizes).multiply_adds_backward),
    hints=(
        "Begin with one box, one step and one example. How often is each weight used?",
        "Exactly once. So a box takes d·h + h·h multiply-adds for one step of one example. Then: how many boxes, steps, examples?",
        "Backward, for each box and example: the weights' gradients take as much as the forward pass, T·(d·h + h·h). The gradients of the hidden states take "
        "(T − 1)·h·h more, because the first state needs none.",
    ),
    solution='''\
def multiply_adds(kind, d, h, T, n):
    """T steps, n examples -> inference, training: two numbers."""
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    of_weights = inference                      # X^T times dY
    of_states = n * boxes * (T - 1) * h * h     # dY times W^T
    return inference, inference + of_weights + of_states
''',
    explanation="""\
Each weight is used once at every step for every example, so the arithmetic is parameters without biases, times T, times n. Training costs nearly
*three* times as much as inference when h is much larger than d: one product forward, two backward. And at every setting the three kinds stand exactly
at 1 : 3 : 4. Keep that in mind for the clock.""",
    otherwise='''\
def multiply_adds(kind, d, h, T, n):
    forward = backward = 0
    for box in range(("rnn", "", "gru", "lstm").index(kind) + 1):
        for t in range(T):
            forward += n * d * h            # (n, d) @ (d, h)
            forward += n * h * h            # (n, h) @ (h, h)
            backward += d * n * h           # (d, n) @ (n, h)
            backward += h * n * h           # (h, n) @ (n, h)
            if t > 0:
                backward += n * h * h       # (n, h) @ (h, h)
    return [forward, forward + backward]
''',
    mistakes=(
        Mistake("multiplications and additions counted apart", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = 2 * n * boxes * T * (d * h + h * h)
    return inference, 2 * inference + 2 * n * boxes * (T - 1) * h * h
''', "Everything is there twice: this counts multiplications and additions apart, as FLOPs do. Here the two together are one."),
        Mistake("the steps are forgotten", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * (d * h + h * h)
    return inference, 2 * inference + n * boxes * h * h
''', "This is one step. The weights are used anew at each of the T steps."),
        Mistake("the batch is forgotten", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = boxes * T * (d * h + h * h)
    return inference, 2 * inference + boxes * (T - 1) * h * h
''', "This is one example. A batch shares the weights, but not the arithmetic: each of its n rows is multiplied."),
        Mistake("the recurrent product is forgotten", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * d * h
    return inference, 2 * inference
''', "The product of the hidden state with its weight (h, h) is missing. It is the larger one, as a rule."),
        Mistake("the biases are counted", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h + h)
    return inference, 2 * inference + n * boxes * (T - 1) * h * h
''', "These are the parameters, times steps and examples. A bias is added and multiplies nothing: leave it out."),
        Mistake("backward as dear as forward", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    return inference, 2 * inference
''', "The backward pass is counted as dear as the forward pass. Besides the gradient of each weight, the gradient of each hidden state must be computed."),
        Mistake("three times the forward pass", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    return inference, 3 * inference
''', "Three times the forward pass is the rule of thumb. It holds a product that nobody needs: the gradient of the inputs, which are given."),
        Mistake("a gradient for the first state", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    return inference, 2 * inference + n * boxes * T * h * h
''', "Nearly: this has a gradient for T states, and the first one is given. Only T − 1 states lie between two steps."),
        Mistake("training without its forward pass", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    return inference, inference + n * boxes * (T - 1) * h * h
''', "This is the backward pass alone. Before it can begin, training has gone forward once."),
        Mistake("the two in the other order", '''\
def multiply_adds(kind, d, h, T, n):
    boxes = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inference = n * boxes * T * (d * h + h * h)
    return 2 * inference + n * boxes * (T - 1) * h * h, inference
''', "The two numbers come in the other order: inference first."),
    ),
    question={"kind": "order", "prompt": "Put these layers in order of the arithmetic of one step, least first. All have so few inputs that only the recurrent "
                                         "products count.",
              "items": [
                  {"text": "LSTM with 16 units", "say": "16·16 is small, even four times: 1024 in all."},
                  {"text": "GRU with 32 units", "say": "three boxes of 32·32 make 3072."},
                  {"text": "LSTM with 32 units", "say": "four boxes of 32·32 make 4096."},
                  {"text": "RNN with 128 units", "say": "one box only, but 128·128 is 16,384."},
                  {"text": "GRU with 96 units", "say": "three boxes of 96·96 make 27,648."},
              ],
              "right": "Yes. The units count twice over, the kind only once: a plain RNN can be dearer than an LSTM."},
    minutes=12,
    difficulties="The backward pass. Many know the factor of three by heart and do not ask which of the gradients are needed. A drawing of one product and its "
                 "two gradients, with shapes, helps more than a formula.",
    marking=((2, "a box's two products, times boxes, steps and examples"), (1, "two products backward"), (1, "no gradient for what is given")),
)


# ---- memory

KEPT = CountExercise(
    name="kept", title="What must be kept", page=PAGE,
    statement="""\
Count the numbers that memory must hold, besides weights and inputs, for `T` steps of `n` examples. Return two.

For *inference*: what the next step needs. For *training*: what the backward pass needs of all steps, so that no product of matrices has to be computed twice. That
is, of each step, the values that its boxes gave (after σ or tanh) and its new states. What follows from them entry by entry, such as tanh(C) or 1 − Z, can
be had again for next to nothing: do not count it. What needs a product of matrices cannot. One of the three cells has such a value besides its boxes.""",
    start='''\
def kept(kind, h, T, n):
    """T steps, n examples -> inference, training: two numbers."""
    inference = ...
    training = ...
    return inference, training
''',
    answers=("kept",), results=("inference", "training"), cases=memory_cases,
    reference=lambda name, h, T, n: (cost(name, 1, h, T, n).inference_values, cost(name, 1, h, T, n).training_values),
    hints=(
        "Go through one step of each cell and write down the names of its values. For the LSTM these are I, F, O, the candidate, C and H. Which of them does the "
        "next step need? Which of them does the chain rule need?",
        "Inference: H, and for the LSTM C, of n examples. Training: of the RNN H alone, which is its box and its state in one; of the LSTM all six. For the GRU "
        "ask what the gradient of the reset gate is.",
        "The reset gate multiplies H W_hh + b_hh, so that is its gradient's other factor, and it took a product to make. With R, Z, the candidate and H the GRU keeps "
        "5 h, the RNN 1 h, the LSTM 6 h, each times T and n.",
    ),
    solution='''\
def kept(kind, h, T, n):
    """T steps, n examples -> inference, training: two numbers."""
    states = {"rnn": 1, "gru": 1, "lstm": 2}[kind]
    values = {"rnn": 1, "gru": 5, "lstm": 6}[kind]  # of each step
    return n * h * states, T * n * h * values
''',
    explanation="""\
Training keeps every step until the backward pass has been there; inference keeps one state, however long the text. So their ratio is T for the RNN, 5 T for the
GRU and 6 T / 2 = 3 T for the LSTM. This is why long windows need truncation, and why a telephone can run what it could not train.""",
    otherwise='''\
def kept(kind, h, T, n):
    states = ["H"] + ["C"] * (kind == "lstm")
    boxes = {"rnn": [], "gru": ["R", "Z", "H_tilde", "H W_hh + b_hh"],
             "lstm": ["I", "F", "O", "C_tilde"]}[kind]
    step = n * h
    inference = step * len(states)
    training = sum(step for t in range(T) for value in boxes + states)
    return inference, training
''',
    mistakes=(
        Mistake("the steps are forgotten", '''\
def kept(kind, h, T, n):
    return (n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            n * h * {"rnn": 1, "gru": 5, "lstm": 6}[kind])
''', "Training keeps one step here. The backward pass begins at the last step, and all the others are waiting to be visited."),
        Mistake("inference keeps every step", '''\
def kept(kind, h, T, n):
    return (T * n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            T * n * h * {"rnn": 1, "gru": 5, "lstm": 6}[kind])
''', "Inference keeps the states of all steps here. Nothing looks back at them: the newest is enough, whatever the length of the text."),
        Mistake("the batch is forgotten", '''\
def kept(kind, h, T, n):
    return (h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            T * h * {"rnn": 1, "gru": 5, "lstm": 6}[kind])
''', "This is one example. Each of the n examples has a state and gates of its own."),
        Mistake("the LSTM's cell state is forgotten", '''\
def kept(kind, h, T, n):
    return n * h, T * n * h * {"rnn": 1, "gru": 5, "lstm": 5}[kind]
''', "The LSTM's cell state is missing. It leaves no trace in the outputs, but it goes from step to step, and the chain rule needs it."),
        Mistake("only the states", '''\
def kept(kind, h, T, n):
    states = {"rnn": 1, "gru": 1, "lstm": 2}[kind]
    return n * h * states, T * n * h * states
''', "Training keeps only the states here. From them the gates could be had again, but only by computing all products a second time."),
        Mistake("the GRU's recurrent product is overlooked", '''\
def kept(kind, h, T, n):
    return (n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            T * n * h * {"rnn": 1, "gru": 4, "lstm": 6}[kind])
''', "One value of the GRU is missing: the gradient of its reset gate is a multiple of what that gate multiplies, and this came out of a product."),
        Mistake("what follows entry by entry is counted", '''\
def kept(kind, h, T, n):
    return (n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            T * n * h * {"rnn": 1, "gru": 6, "lstm": 7}[kind])
''', "One value a step too many for the GRU and the LSTM. PyTorch's autograd does keep 1 − Z and tanh(C), but they follow from Z and C entry by entry."),
        Mistake("the RNN's box and state counted apart", '''\
def kept(kind, h, T, n):
    return (n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind],
            T * n * h * {"rnn": 2, "gru": 5, "lstm": 6}[kind])
''', "The RNN has two values a step here. Its box's value *is* its state, and the derivative of tanh is 1 − H², so H is enough."),
        Mistake("inference keeps the gates, too", '''\
def kept(kind, h, T, n):
    values = {"rnn": 1, "gru": 5, "lstm": 6}[kind]
    return n * h * values, T * n * h * values
''', "Inference keeps a whole step here. The gates are done with when the step is done; the next one makes its own."),
        Mistake("the two in the other order", '''\
def kept(kind, h, T, n):
    return (T * n * h * {"rnn": 1, "gru": 5, "lstm": 6}[kind],
            n * h * {"rnn": 1, "gru": 1, "lstm": 2}[kind])
''', "The two numbers come in the other order: inference first."),
    ),
    question={"kind": "number", "prompt": "An LSTM with 32 units has read 1000 characters of one text, without gradients. How many numbers must it remember, so that it "
                                          "can go on?",
              "answer": 64, "tolerance": 0.5, "right": "Yes: H and C, whether the text had ten characters or a million.",
              "wrong": [{"from": 31, "to": 33, "say": "That is H alone. The memory itself is C."},
                        {"from": 63999, "to": 64001, "say": "That is the state of every step. Nothing looks back at the earlier ones."},
                        {"from": 191999, "to": 192001, "say": "That is what training would keep, until the backward pass is done."},
                        {"from": 191, "to": 193, "say": "That is all of the last step, gates included. The next step makes its own gates."}],
              "otherwise": "What does the next step ask for, besides the next input?"},
    minutes=10,
    difficulties="The line between what is kept and what is computed again is a convention, so the statement draws it. The GRU's fifth value is hard; give the second hint "
                 "freely.",
    marking=((1, "inference keeps one state"), (1, "training keeps T steps"), (1, "the LSTM's six"), (1, "the GRU's five")),
)


# ---- a stopwatch

FORWARD, BACKWARD = 0.002, 0.004                          # seconds on the check's own clock
FIRST, DISTURBED = 0.030, 0.200                           # how much longer the first call takes, and a disturbed one
DISTURBANCES = (3, 11, 40)
LEAST = 4                                                 # calls: one to warm up, and three
PROBE = {"num_inputs": 3, "num_hiddens": 4}


class Passed(torch.autograd.Function):
    """Hands tensors through, and tells a probe when a gradient comes back."""

    @staticmethod
    def forward(ctx, probe, *tensors):
        ctx.probe = probe
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx, *gradients):
        ctx.probe.went_back()
        return None, *gradients


class Probe(nn.Module):
    """A layer that takes a known time on a clock, and remembers how it was called.

    Attributes:
        seconds: what each call took in all, with its backward pass where there was one.
        tracked: whether each call was one that gradients can be taken of.
        inputs: what each call was given.
        backwards: how many backward passes there were.
    """

    def __init__(self, layer: nn.Module, clock: Clock):
        super().__init__()
        self.layer, self.clock = layer, clock
        self.num_inputs, self.num_hiddens = layer.num_inputs, layer.num_hiddens
        self.seconds, self.tracked, self.inputs, self.backwards = [], [], [], 0

    def forward(self, inputs, state=None):
        k = len(self.seconds)
        taken = FORWARD + (FIRST if k == 0 else DISTURBED if k in DISTURBANCES else 0.0)
        self.clock.advance(taken)
        outputs, state = self.layer(inputs, state)                      # (steps, batch, hidden)
        self.seconds.append(taken)
        self.tracked.append(outputs.requires_grad)
        self.inputs.append(inputs)
        if outputs.requires_grad:
            outputs, *state = Passed.apply(self, outputs, *state)
        return outputs, tuple(state)

    def went_back(self):
        self.clock.advance(BACKWARD)
        self.seconds[-1] += BACKWARD
        self.backwards += 1


def standing(layer: nn.Module) -> list:
    """All of a layer that a measurement has to leave as it was."""
    return [layer.training, *((name, p.requires_grad, p.detach().clone()) for name, p in layer.named_parameters())]


def alike(before: list, after: list) -> bool:
    return before[0] == after[0] and all(a[:2] == b[:2] and torch.equal(a[2], b[2]) for a, b in zip(before[1:], after[1:]))


def clocked(function, name: str, training: bool) -> None:
    """Let a learner's stopwatch time a probe; raise Wrong where it does not measure what it should."""
    clock = Clock()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)                          # the CPU's alone, for no other is set back
        probe = Probe(KINDS[name](**PROBE), clock)
        inputs = torch.randn(5, 2, PROBE["num_inputs"])                 # (steps, batch, inputs)
    given, before = inputs.clone(), standing(probe)
    with torch.enable_grad():
        got = on_clock(function, clock)(probe, inputs, training)
    got = plain(f"What `measure` returns for {'training' if training else 'inference'}", got)
    if not probe.seconds:
        raise Wrong("`measure` never calls the layer it was given: what it returns cannot be measured.")
    if not all(one.shape == given.shape and torch.equal(one.detach(), given) for one in probe.inputs):
        raise Wrong(OTHER_INPUTS)
    if not alike(before, standing(probe)):
        raise Wrong(CHANGED)
    if training and not (probe.backwards and all(probe.tracked)):
        raise Wrong(NO_GRADIENT)
    if not training and probe.backwards:
        raise Wrong(BACKWARD_TOO)
    if not training and any(probe.tracked):
        raise Wrong(KEPT_GRAPH)
    if len(probe.seconds) < LEAST:
        raise Wrong(f"The layer ran {'once' if len(probe.seconds) == 1 else f'{len(probe.seconds)} times'}. {ACCIDENT}")
    if clock.looks:                                                     # a stopwatch that the check could not move says nothing
        judge(got, probe.seconds, training)


def judge(got: float, seconds: list[float], training: bool) -> None:
    """Raise Wrong unless ``got`` is what an undisturbed run takes, within the stopwatch's own time."""
    def is_near(value: float, tolerance: float = 0.01) -> bool:
        return near(got / value, 1.0, tolerance)

    right = FORWARD + BACKWARD * training
    if is_near(right, 0.1):
        return
    said = (f"On a clock that the check moves, one {'training step' if training else 'inference'} takes {1000 * right:g} ms, and `measure` says "
            f"{1000 * got:.4g} ms.")
    late = range(1, len(seconds) - 1)
    if training and is_near(FORWARD):
        raise Wrong(f"{said} {FORWARD_ONLY}")
    if training and is_near(BACKWARD):
        raise Wrong(f"{said} {BACKWARD_ONLY}")
    if any(is_near(scale * right) for scale in (1e3, 1e6, 1e9)):
        raise Wrong(f"{said} {UNITS}")
    if is_near(max(seconds)):
        raise Wrong(f"{said} {SLOWEST}")
    if is_near(sum(seconds) / len(seconds)) or is_near(seconds[0]):
        raise Wrong(f"{said} {COLD}")
    if any(is_near(sum(seconds[k:]) / len(seconds[k:])) for k in late):
        raise Wrong(f"{said} {MEAN}")
    if any(is_near(sum(seconds[k:])) for k in (0, *late)):
        raise Wrong(f"{said} {TOTAL}")
    raise Wrong(said)


OTHER_INPUTS = "`measure` calls the layer with something else than the inputs it was given. Another shape takes another time."
CHANGED = ("After the measurement the layer is not what it was: weights, `requires_grad` or the training mode differ. Compute gradients, but take no step with an "
           "optimiser, and set back what you switch.")
NO_GRADIENT = ("In training no gradient comes back to the layer. A training step is forward *and* backward: make a number of the outputs, such as their sum, and call "
               "`.backward()` on it, with gradients switched on.")
BACKWARD_TOO = "With `training=False` there is a backward pass, too. Inference is the forward pass alone."
KEPT_GRAPH = ("With `training=False` the layer still prepares for a backward pass: it keeps the values of every step. Call it within `torch.no_grad()` or "
              "`torch.inference_mode()`.")
ACCIDENT = ("One run is an accident: the first is slower than the others, and any of them may be disturbed. Warm up once, measure five times or more, and take the median.")
FORWARD_ONLY = "The clock is read before the backward pass has run. Read it after."
BACKWARD_ONLY = "The clock starts after the forward pass. A training step is both."
UNITS = "The unit is off: return seconds."
COLD = "The slow first call is part of it. Run once before you measure, and throw that away."
MEAN = "A single disturbed run has moved your result, as it moves every mean. The median does not notice it."
TOTAL = "This is the time of all runs together. Asked for is that of one."
SLOWEST = "This is the slowest run. What it shows is the disturbance, not the layer."


def check_measured(function) -> str:
    if untouched(function):
        raise NotImplementedError
    if not callable(function):
        raise Wrong(f"`measure` should be a function, and is {kind(function)}.")
    for training in (True, False):
        for name in KINDS:
            clocked(function, name, training)
    praise = "Your stopwatch measures a whole training step, keeps nothing in inference, and is not moved by a slow first run nor by a disturbance."
    seconds = on_this_machine(function)
    if min(seconds.values()) <= 0:
        return praise
    rows = [(f"LSTM : RNN {seconds['lstm', training] / seconds['rnn', training]:.1f}, GRU : RNN {seconds['gru', training] / seconds['rnn', training]:.1f}"
             f" in {'training' if training else 'inference'}") for training in (True, False)]
    return f"{praise} On this machine just now, with 32 units and a single text: {'; '.join(rows)}. By arithmetic it would be 4 and 3."


def on_this_machine(function) -> dict[tuple[str, bool], float]:
    """What the stopwatch says of real layers. Nothing depends on it."""
    with torch.random.fork_rng(devices=[]):
        layers, inputs = {name: layer(28, 32) for name, layer in KINDS.items()}, torch.randn(32, 1, 28)     # (steps, batch, inputs)
    with torch.enable_grad():
        return {(name, training): float(function(layer, inputs, training)) for name, layer in layers.items() for training in (True, False)}


WATCH = '''\
import statistics
import time
import torch

'''

MEASURED = Told(
    name="measured", title="A stopwatch you can trust", page=PAGE, checker=check_measured, answers=("measure",), seconds=60.0,
    statement="""\
Write a stopwatch for one layer. `layer(inputs)` returns outputs and state, as all layers of this book; `inputs` is (steps, batch, inputs). With
`training=True` measure what a training step costs the layer: forward, and a backward pass from any number that depends on all outputs. With `training=False` measure inference:
forward, with nothing kept for a backward pass. Return the seconds of *one* run, a number that neither the slow first call nor a single disturbance can move. Leave the layer's
weights as they are.

The check lets you measure layers on a clock that it moves itself, so it knows what is right. How fast your machine is decides nothing.""",
    start=WATCH + '''\
def measure(layer, inputs, training):
    """layer, inputs, True or False -> seconds of one run."""
    seconds = ...
    raise NotImplementedError
''',
    hints=(
        "Write a function that does the work once, and time only that. What has happened before the first call that makes it slow? What happens on your machine while you "
        "measure?",
        "`time.perf_counter()` before and after; once to warm up, then several times into a list. For training: `outputs, state = layer(inputs)` and "
        "`outputs.sum().backward()`. For inference: the call within `torch.no_grad()`.",
        "`with torch.set_grad_enabled(training):` serves both. `statistics.median(seconds)` is what one run takes; a mean would be moved by one disturbance. On a GPU "
        "a call returns before the work is done: there, `torch.cuda.synchronize()` belongs before each look at the clock.",
    ),
    solution=WATCH + '''\
def measure(layer, inputs, training):
    """layer, inputs, True or False -> seconds of one run."""
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)      # (steps, batch, hidden)
        if training:
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    layer.zero_grad()                       # of no use to anyone
    return statistics.median(seconds[1:])   # without the warm-up
''',
    explanation="""\
Three things make a measurement worth writing down. The work is whole: a training step is not over before its gradients are there. The work is no more than it should be: without
`no_grad` inference prepares for a backward pass that never comes. And a single run is an accident: the first one allocates memory and loads code, and any other may be
interrupted. The median of several does not care. Where two layers are compared, measure them in turns, so that a slow minute falls on both.""",
    otherwise='''\
import timeit
import torch

def measure(layer, inputs, training):
    def learn():
        out, _ = layer(inputs)
        torch.autograd.grad((out * out).mean(), list(layer.parameters()))

    @torch.inference_mode()
    def read():
        layer(inputs)

    work = learn if training else read
    work()
    return min(timeit.repeat(work, number=1, repeat=10))
''',
    mistakes=(
        Mistake("a single run", WATCH + '''\
def measure(layer, inputs, training):
    start = time.perf_counter()
    with torch.set_grad_enabled(training):
        outputs, state = layer(inputs)
    if training:
        outputs.sum().backward()
    return time.perf_counter() - start
''', ACCIDENT),
        Mistake("no warm-up", WATCH + '''\
def measure(layer, inputs, training):
    start = time.perf_counter()
    for run in range(10):
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
    return (time.perf_counter() - start) / 10
''', COLD),
        Mistake("the mean of several runs", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(10):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return statistics.mean(seconds[1:])
''', MEAN),
        Mistake("all runs together", WATCH + '''\
def measure(layer, inputs, training):
    for run in range(11):
        if run == 1:
            start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
    return time.perf_counter() - start
''', TOTAL),
        Mistake("inference keeps the graph", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', KEPT_GRAPH),
        Mistake("training without a backward pass", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', NO_GRADIENT),
        Mistake("a backward pass in inference", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        outputs, state = layer(inputs)
        outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', BACKWARD_TOO),
        Mistake("stopped before the backward pass", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        seconds.append(time.perf_counter() - start)
        if training:
            outputs.sum().backward()
    return statistics.median(seconds[1:])
''', FORWARD_ONLY),
        Mistake("started after the forward pass", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            start = time.perf_counter()
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', BACKWARD_ONLY),
        Mistake("an optimiser takes steps", WATCH + '''\
def measure(layer, inputs, training):
    seconds, sgd = [], torch.optim.SGD(layer.parameters(), lr=0.1)
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
            sgd.step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', CHANGED),
        Mistake("one step instead of all", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs[:1])
        if training:
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
''', OTHER_INPUTS),
        Mistake("milliseconds", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
        seconds.append(1000 * (time.perf_counter() - start))
    return statistics.median(seconds[1:])
''', UNITS),
        Mistake("the slowest run", WATCH + '''\
def measure(layer, inputs, training):
    seconds = []
    for run in range(8):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            outputs, state = layer(inputs)
        if training:
            outputs.sum().backward()
        seconds.append(time.perf_counter() - start)
    return max(seconds[1:])
''', SLOWEST),
    ),
    question={"kind": "choice", "prompt": "Ten runs of the same layer took 41, 2.1, 2.0, 2.2, 2.0, 9.7, 2.1, 2.0, 2.1 and 2.0 ms. What do you write down?",
              "options": [
                  {"text": "6.7 ms, their mean", "say": "Two accidents make up most of it. Measured again, it would be another number."},
                  {"text": "2.1 ms, the median of the last nine", "right": True, "say": "Yes. The first run was the warm-up, and the median does not notice the disturbance."},
                  {"text": "41 ms: in use, too, there is a first run", "say": "There is one, and it may matter where a program runs once. In training it is one of thousands."},
                  {"text": "9.7 ms, to be on the safe side", "say": "That is what something else on the machine took. It says nothing about the layer."},
              ]},
    minutes=12,
    difficulties="That inference without `no_grad` is a different, slower thing. And the mean: the check's clock has one disturbed run in ten, as a real machine has.",
    marking=((1, "a whole training step, gradients included"), (1, "inference keeps nothing"), (1, "warm-up, several runs, median"), (1, "the layer unchanged")),
)

EXERCISES = (PARAMETERS, MULTIPLY_ADDS, KEPT, MEASURED)
