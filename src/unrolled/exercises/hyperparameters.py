"""Exercise 1: what each hyperparameter does to time and perplexity, held against trials that were recorded."""
from collections.abc import Mapping

from unrolled.exercises.feedback import Wrong, kind
from unrolled.exercises.specification import Mistake, Told
from unrolled.influence import Effect, Measured
from unrolled.recorded import recorded

# What a learner speaks of -> the change of the centre's setting.
CHANGES = {
    "128 hidden units": {"num_hiddens": 128},
    "128 steps": {"num_steps": 128},
    "batch 1024": {"batch_size": 1024},
    "learning rate 64": {"lr": 64.0},
    "AdamW at rate 4": {"optimizer": "adamw"},
    "AdamW at rate 0.01": {"optimizer": "adamw", "lr": 0.01},
    "3 layers": {"num_layers": 3},
    "clipping 0.01": {"clip": 0.01},
    "no clipping": {"clip": 0.0},
    "forget bias 4": {"forget_bias": 4.0},
}
QUANTITIES = ("time", "perplexity")
# What the trials say, for the solution's text; the check asks the trials, and a test holds both together.
RIGHT = {
    "128 hidden units": ("+", "0"), "128 steps": ("+", "0"), "batch 1024": ("+", "+"), "learning rate 64": ("0", "+"),
    "AdamW at rate 4": ("0", "+"), "AdamW at rate 0.01": ("0", "-"), "3 layers": ("+", "+"), "clipping 0.01": ("0", "+"),
    "no clipping": ("0", "0"), "forget bias 4": ("0", "+"),
}
SIGNS = {"+": "+", "-": "-", "−": "-", "–": "-", "0": "0", 0: "0"}
SAID = {"+": "goes up", "-": "goes down", "0": "changes by no more than the noise"}


def told(change: str, quantity: str, said: str, effect: Effect) -> str:
    """What the trials say to a statement that does not agree with them."""
    unit = " times the centre’s" if quantity == "time" else ""
    values = " and ".join(f"{value:.3g}" for value in effect.values)
    band = f"{effect.band.low:.3g} to {effect.band.high:.3g}"
    verdict = {"+": "above the noise", "-": "below the noise", "0": "within the noise, so nothing can be said of it"}[effect.sign]
    return (f"{change}: you say that the {quantity} {SAID[said]} (\"{said}\"). Its trials have {quantity} {values}{unit}. With nothing "
            f"changed but the seed it is {band}. So it is {verdict} (\"{effect.sign}\").")


def check_effects(effects) -> str:
    if effects is ...:
        raise Wrong("`effects` is still open: state for each change what it does to time and perplexity, \"+\", \"-\" or \"0\".")
    if not isinstance(effects, Mapping):
        raise Wrong(f"`effects` should be a dictionary, and is {kind(effects)}.")
    if missing := [change for change in CHANGES if change not in effects]:
        raise Wrong(f"`effects` says nothing of \"{missing[0]}\" yet.")
    if strange := [change for change in effects if change not in CHANGES]:
        raise Wrong(f"`effects` speaks of {strange[0]!r}, which is none of the changes: {', '.join(CHANGES)}.")
    measured = Measured(recorded("hyperparameters"))
    for change, changes in CHANGES.items():
        statement = effects[change]
        if not isinstance(statement, Mapping) or set(statement) != set(QUANTITIES):
            raise Wrong(f"What `effects` says of \"{change}\" should be a dictionary with \"time\" and \"perplexity\", and is {statement!r:.80}.")
        for quantity in QUANTITIES:
            said = statement[quantity]
            if said is ...:
                raise Wrong(f"The {quantity} of \"{change}\" is still open: \"+\", \"-\" or \"0\"?")
            if isinstance(said, bool) or not isinstance(said, (str, int)) or said not in SIGNS:
                raise Wrong(f"The {quantity} of \"{change}\" should be \"+\", \"-\" or \"0\", and is {said!r}.")
            effect = measured.effect(changes, quantity)
            if SIGNS[said] != effect.sign:
                belief = BELIEFS.get((change, quantity, SIGNS[said]), "")
                raise Wrong(f"{told(change, quantity, SIGNS[said], effect)} {belief}".strip())
    return (f"All {2 * len(CHANGES)} statements agree with {len(measured.all)} recorded trials, of which "
            f"{measured.band('perplexity').trials} of the centre give the noise.")


# (change, quantity, what was said) -> why one might think so, and why it is not so.
BELIEFS = {
    ("128 hidden units", "perplexity", "-"):
        "More units do fit the text that they train on: look at the perplexity in training. What they gain there does not carry over, "
        "because the training windows overlap and cover only the first pages of the book.",
    ("128 steps", "time", "0"):
        "The parameters are as many as before, but each step waits for the one before it: four times the steps are a loop of four times the length.",
    ("128 steps", "perplexity", "-"):
        "Longer windows let the gradient look further back. But the next letter hangs on the last few, and one of the two trials lies where "
        "the centre's own lie. More seeds might show a small gain; these cannot.",
    ("batch 1024", "time", "-"):
        "A large batch saves time where a machine has thousands of units waiting for work, as a GPU has. On one core each window costs its "
        "arithmetic in any batch; a very large one costs more, most likely because it outgrows the fast caches.",
    ("batch 1024", "perplexity", "0"):
        "As many windows in larger batches are fewer updates. The learning rate would have to make up for it, and at 4 it does not.",
    ("learning rate 64", "perplexity", "-"):
        "The more, the better holds up to a point. Beyond it each step jumps over the valley, clipped or not.",
    ("learning rate 64", "time", "-"):
        "A higher rate may need fewer updates, but an update costs the same at any rate, and every trial reads as many windows.",
    ("AdamW at rate 4", "perplexity", "-"):
        "AdamW divides each step by the gradient's own size, so that a rate of 4 moves every weight by about 4. An optimiser comes with its own "
        "rate: look at AdamW together with the learning rate.",
    ("3 layers", "perplexity", "-"):
        "More layers can do more, given time. The gradient has to find its way through all of them first, and in this budget they have hardly begun.",
    ("clipping 0.01", "perplexity", "0"):
        "Clipping so low is no safety net any more. It shortens nearly every step, and so is a small learning rate in disguise.",
    ("no clipping", "perplexity", "+"):
        "At this learning rate the gradient's norm hardly ever exceeds 1, so that clipping at 1 had nothing to do. Look at it together with a "
        "higher learning rate.",
    ("forget bias 4", "perplexity", "-"):
        "A high forget bias helps where something from long ago is needed. The next letter depends mostly on the last few, and a cell that "
        "begins by keeping everything has to learn to let go first.",
}


def cell(signs: dict[str, tuple[str, str]]) -> str:
    """A learner's cell that states these signs; without any, the cell to begin from."""
    lines = []
    for change in CHANGES:
        time, perplexity = (f'"{sign}"' for sign in signs[change]) if signs else ("...", "...")
        name = f'"{change}":'
        lines.append(f'    {name:21} {{"time": {time}, "perplexity": {perplexity}}},\n')
    return f"effects = {{\n{''.join(lines)}}}\n"


def believing(change: str, quantity: str, said: str) -> dict[str, tuple[str, str]]:
    """All right but for one statement."""
    signs = list(RIGHT[change])
    signs[QUANTITIES.index(quantity)] = said
    return RIGHT | {change: tuple(signs)}


EFFECTS = Told(
    name="hyperparameters", title="What each hyperparameter does", page="exercise-hyperparameters",
    checker=check_effects, answers=("effects",),
    statement="""\
State what each of these changes of the centre does to the time of a trial and to its perplexity in validation. `"+"` means that it goes up
(slower, worse), `"-"` that it goes down (faster, better), `"0"` that it stays within the noise. A change counts when *every* one of its
trials lies outside of the band in which the centre's own trials lie.""",
    start=cell({}),
    hints=(
        "Begin with the time. Ask of each change: does it alter the arithmetic of a window, or the number of windows? The number is the same for all trials. "
        "Whatever alters neither costs no time.",
        "Then step through the laboratory above, one hyperparameter after another, and look whether the points leave the grey band. Four of "
        "the changes surprise most people: the hidden units, the steps, the batch, and no clipping.",
        "In time, four of the ten go up and the other six stay within the noise. In perplexity, one goes down, three stay within the noise, and six go up.",
    ),
    solution=cell(RIGHT),
    explanation="""\
Time follows the arithmetic of a window, and how well the machine is used: units, steps and layers cost, rate, clipping and
bias do not. For the perplexity hardly any knob is better the further it is turned, and in a small budget anything that slows the
first updates (large batches, low clipping, more layers, gates that keep everything) is paid for. AdamW is the one gain, and only at a rate of
its own. Three of the changes do nothing to the perplexity that could be told from noise, which is a result, too.""",
    otherwise='''\
from unrolled.influence import Measured
from unrolled.recorded import recorded

measured = Measured(recorded("hyperparameters"))
asked = {"128 hidden units": {"num_hiddens": 128}, "128 steps": {"num_steps": 128},
         "batch 1024": {"batch_size": 1024}, "learning rate 64": {"lr": 64},
         "AdamW at rate 4": {"optimizer": "adamw"}, "3 layers": {"num_layers": 3},
         "AdamW at rate 0.01": {"optimizer": "adamw", "lr": 0.01},
         "clipping 0.01": {"clip": 0.01}, "no clipping": {"clip": 0},
         "forget bias 4": {"forget_bias": 4}}
effects = {}
for name, change in asked.items():
    effects[name] = {}
    for quantity in ("time", "perplexity"):
        effects[name][quantity] = measured.effect(change, quantity).sign
''',
    mistakes=tuple(Mistake(f"{change}: {quantity} {said}", cell(believing(change, quantity, said)), why)
                   for (change, quantity, said), why in BELIEFS.items()),
    question={"kind": "order", "prompt": "Six trials read as many windows each. Bring them into order by the time that they take, the shortest first.",
              "items": [
                  {"text": "windows of 8 steps", "say": "A window of a quarter of the steps is a quarter of the arithmetic and a quarter of the loop: nothing here is shorter."},
                  {"text": "8 hidden units", "say": "A step of a quarter of the units has far less arithmetic, but the loop has as many steps as before, and each has a price of its own."},
                  {"text": "the centre", "say": "The centre, with 32 units, 32 steps and one layer, stands between what was made smaller and what was made larger."},
                  {"text": "two layers", "say": "A second layer is a second loop of the same length: somewhat less than twice the time, because the output layer stays one."},
                  {"text": "windows of 128 steps", "say": "Four times the steps take about four times the time, which is more than two layers take, and the wide layer takes still more."},
                  {"text": "128 hidden units", "say": "The weights between the units grow with the square: four times the units are up to sixteen times the arithmetic of a step."}],
              "right": "Yes. Steps cost in proportion, layers nearly so, and units in proportion while they are few, with the square when they are many."},
    minutes=25,
    difficulties="Taking a difference between two single runs for an effect. Reading a lower perplexity in training as a better model. Expecting large batches "
                 "to be faster on a CPU because they are on a GPU.",
    marking=((2, "what costs time and what does not"), (2, "perplexity: where more is not better"), (1, "changes within the noise are called so")),
)

EXERCISES = (EFFECTS,)
