"""Exercise 5: a time series. Windows that do not know the future, and a forecast that says how sure it is."""
import random
from functools import lru_cache

import numpy
import torch
from torch import Tensor

from unrolled import forecasting
from unrolled.device import one_thread
from unrolled.exercises.feedback import Wrong, compare, kind, same
from unrolled.exercises.functions import planted
from unrolled.exercises.specification import Mistake, Told
from unrolled.series import load_series

SIZES = ((40, 30, 5), (26, 20, 1), (60, 41, 12))          # (n, cut, num_steps)
AXES = ("step", "window", "input")
NUM_TEST, HORIZON = 120, 60                               # ten years held out, five years ahead
SHARE, LATER_SHARE = 0.27, 0.60                           # of the better baseline's error, one step and many steps ahead
COVERED, WIDEST, GROWTH = 0.60, 8.0, 1.5


def seeded(function, *arguments):
    """Call with every global generator at the same place."""
    torch.manual_seed(0)
    numpy.random.seed(0)
    random.seed(0)
    return function(*arguments)


# ---- windows

def rising(n: int, seed: int) -> Tensor:
    """A series whose later values lie higher and swing wider than the earlier ones, so that a leak shows."""
    t = torch.arange(n, dtype=torch.float64)
    noise = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 10 + 0.5 * t + (1 + t / n) * noise


def taken_apart(result) -> tuple[list[Tensor], object]:
    """What `windows` returned, as four tensors and the way back; Wrong where it has another form."""
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Wrong(f"`windows` should return three things, train, test and unscale, and returns {kind(result)}.")
    *pairs, unscale = result
    for name, pair in zip(("train", "test"), pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(one, Tensor) for one in pair):
            raise Wrong(f"`{name}` should be a pair of tensors, (inputs, targets), and is {kind(pair)}.")
    if not callable(unscale):
        raise Wrong(f"`unscale` should be a function that brings scaled values back, and is {kind(unscale)}.")
    return [*pairs[0], *pairs[1]], unscale


def right_windows(values: Tensor, cut: int, num_steps: int, correction: int) -> list[Tensor]:
    past = values[:cut]
    scaled = (values - past.mean()) / past.std(correction=correction)
    view = scaled.unfold(0, num_steps + 1, 1)                             # (n - T, T + 1)
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    return [inputs[:, :first], targets[:first], inputs[:, first:], targets[first:]]


def windows_fault(function, values: Tensor, cut: int, num_steps: int) -> str:
    """The first thing that is wrong, in words; empty where all is right."""
    given = values.clone()
    got, unscale = taken_apart(seeded(function, given, cut, num_steps))
    if not given.equal(values):
        return "Your function changes `values` in place. The caller may need them again: compute new tensors."
    again, _ = taken_apart(seeded(function, values.clone(), cut, num_steps))
    if not alike(got, again):
        return "Two equal calls give different windows, so something in them is drawn at random. Keep them in order of time."
    both = [right_windows(values, cut, num_steps, correction) for correction in (0, 1)]
    names = ("The inputs of train", "The targets of train", "The inputs of test", "The targets of test")
    for name, one, like in zip(names, got, both[0]):
        if one.shape != like.shape:
            return (f"{name} should have shape {tuple(like.shape)} for {len(values)} values, cut {cut} and {num_steps} "
                    f"step{'s' * (num_steps > 1)}, and have {tuple(one.shape)}.")
    swapped = torch.cat([values[:cut], values[cut:].flip(0)])
    if not alike(got[:2], taken_apart(seeded(function, swapped, cut, num_steps))[0][:2]):
        return SHUFFLED
    lifted = torch.cat([values[:cut], values[cut:] + 100])
    if not alike(got[:2], taken_apart(seeded(function, lifted, cut, num_steps))[0][:2]):
        return STATISTICS
    expected = min(both, key=lambda one: float((got[0] - one[0]).abs().sum()))
    for name, one, like in zip(names, got, expected):
        try:
            compare(name, one, like, axes=AXES[-like.ndim:] if like.ndim == 3 else ("window", "input"))
        except Wrong as wrong:
            return str(wrong)
    back = unscale(expected[3].clone())
    try:
        compare("What `unscale` makes of the targets of test", back, values[cut:, None], axes=("window", "input"))
    except Wrong as wrong:
        return str(wrong)
    return ""


def alike(some, others) -> bool:
    return len(some) == len(others) > 0 and all(a.shape == b.shape and same(a, b, 1e-9) for a, b in zip(some, others))


def outcome(function, values: Tensor, cut: int, num_steps: int) -> list[Tensor]:
    """All that comes of `windows`, for a comparison with the planted mistakes; nothing where it does not run."""
    try:
        tensors, unscale = taken_apart(seeded(function, values.clone(), cut, num_steps))
        return [*tensors, torch.as_tensor(unscale(torch.linspace(-1, 1, 4, dtype=torch.float64)))]
    except Exception:
        return []


def check_windows(function) -> str:
    if not callable(function):
        raise Wrong(f"`windows` should be a function, and is {kind(function)}.")
    for seed, (n, cut, num_steps) in enumerate(SIZES):
        case = rising(n, seed), cut, num_steps
        fault = windows_fault(function, *case)
        if fault:
            came = outcome(function, *case)
            said = [mistake.told for mistake in WINDOWS.mistakes if alike(came, outcome(planted(mistake.code, "windows"), *case))]
            raise Wrong(" ".join([fault] + [told for told in said[:1] if told not in fault]))
    return (f"Inputs, targets and the way back agree on {len(SIZES)} series, and nothing in the training part changes when "
            "the future does.")


SHUFFLED = ("Your training windows hold values from after the cut: they changed when only the later values changed places. "
            "Split first. Shuffling, where you want it, comes after that.")
STATISTICS = ("Your training inputs changed when only values after the cut were raised: mean or standard deviation are taken "
              "from the whole series, and they know the future. Take them from `values[:cut]`.")

WINDOWS = Told(
    name="windows", title="Windows that do not know the future", page="exercise-series",
    checker=check_windows, answers=("windows",),
    statement="""\
Write a function that turns a series into examples. `values` is (n,), `values[:cut]` is the past, the rest is held out.
Scale with mean and standard deviation of the past alone. A window is `num_steps` scaled values, and its target is the value right after
it. Return three things:

- `train`: (inputs, targets) of the windows whose target lies before the cut, (num_steps, cut − num_steps, 1) and
  (cut − num_steps, 1), in order of time;
- `test`: those whose target is held out, (num_steps, n − cut, 1) and (n − cut, 1). *Every* held-out value has a window, so the
  first windows reach back into the past. They may: by then it is known;
- `unscale`: a function that brings scaled values back to the original units.""",
    start='''\
import torch

def windows(values, cut, num_steps):
    """values (n,) -> train, test (inputs, targets), unscale."""
    mean, std = ...
    scaled = ...
    view = ...                  # (n - num_steps, num_steps + 1)
    raise NotImplementedError
    return train, test, unscale
''',
    hints=(
        "Do it in this order: statistics from the past, scale everything with them, cut all windows, and only then decide which "
        "window is for training and which for the test. What decides is where the *target* lies.",
        "`scaled.unfold(0, num_steps + 1, 1)` has all windows as rows, (n − num_steps, num_steps + 1). The last column is the "
        "targets. Row k has the target `values[k + num_steps]`.",
        "So the first row of the test is row `cut - num_steps`. Inputs are `view[:, :-1].T[..., None]`, (num_steps, windows, 1), targets "
        "`view[:, -1:]`, and `unscale` is `lambda y: y * std + mean`.",
    ),
    solution='''\
import torch

def windows(values, cut, num_steps):
    """values (n,) -> train, test (inputs, targets), unscale."""
    past = values[:cut]
    mean, std = past.mean(), past.std()          # past only
    scaled = (values - mean) / std               # (n,)
    view = scaled.unfold(0, num_steps + 1, 1)    # (n - T, T+1)
    inputs = view[:, :-1].T[..., None]           # (T, n - T, 1)
    targets = view[:, -1:]                       # (n - T, 1)
    first = cut - num_steps                      # of values[cut]
    train = inputs[:, :first], targets[:first]
    test = inputs[:, first:], targets[first:]
    return train, test, lambda y: y * std + mean
''',
    explanation="""\
The cut goes through the targets, not through the windows. A window on the border looks back into the past, which is fine: when its
target is due, that past is known. What must never cross the cut is what the *training* sees: targets, and also two numbers as
harmless as a mean and a standard deviation. `unfold` copies nothing.""",
    otherwise='''\
import torch

def windows(values, cut, num_steps):
    past = values.narrow(0, 0, cut)
    mean = past.sum() / cut
    std = ((past - mean) ** 2).mean().sqrt()
    parts = []
    for begin, end in ((num_steps, cut), (cut, len(values))):
        places = range(begin, end)
        inputs = torch.stack([values[t - num_steps:t] for t in places], dim=1)
        targets = torch.stack([values[t] for t in places])
        parts.append((((inputs - mean) / std).unsqueeze(2),
                      ((targets - mean) / std).unsqueeze(1)))

    def unscale(y):
        return mean + std * y

    return parts[0], parts[1], unscale
''',
    mistakes=(
        Mistake("scaled with the whole series", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values.mean(), values.std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std + mean
''', STATISTICS),
        Mistake("shuffled before the split", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    view = view[torch.randperm(len(view))]
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std + mean
''', SHUFFLED),
        Mistake("the window holds its target", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    inputs, targets, first = view[:, 1:].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std + mean
''', "The last value of each window is its own target: a network would learn to copy it, and its error would be 0 until the day it is used."),
        Mistake("the target comes one step too late", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 2, 1)
    inputs, targets, first = view[:, :-2].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std + mean
''', "There is a gap of one step between the end of a window and its target."),
        Mistake("the split goes by the windows' beginnings", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    inputs, targets = view[:, :-1].T[..., None], view[:, -1:]
    train, test = (inputs[:, :cut], targets[:cut]), (inputs[:, cut:], targets[cut:])
    return train, test, lambda y: y * std + mean
''', "You split by where a window begins. The last training windows then reach over the cut, and train on what is held out. Split by the target."),
        Mistake("the first held-out values have no window", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    pairs = []
    for part in (values[:cut], values[cut:]):
        view = ((part - mean) / std).unfold(0, num_steps + 1, 1)
        pairs.append((view[:, :-1].T[..., None], view[:, -1:]))
    return *pairs, lambda y: y * std + mean
''', "The first held-out values have no window: the windows of the test may reach back into the past, which is known by then."),
        Mistake("each part scaled by itself", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    later = values[cut:]
    scaled = torch.cat([(values[:cut] - mean) / std, (later - later.mean()) / later.std()])
    view = scaled.unfold(0, num_steps + 1, 1)
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std + mean
''', "The held-out part is scaled by its own mean and standard deviation. Nobody knows them when the first forecast is due, and the same value now means two things."),
        Mistake("unscale forgets the mean", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: y * std
''', "`unscale` stretches and forgets to shift: add the mean again."),
        Mistake("unscale in the wrong order", '''\
import torch

def windows(values, cut, num_steps):
    mean, std = values[:cut].mean(), values[:cut].std()
    view = ((values - mean) / std).unfold(0, num_steps + 1, 1)
    inputs, targets, first = view[:, :-1].T[..., None], view[:, -1:], cut - num_steps
    train, test = (inputs[:, :first], targets[:first]), (inputs[:, first:], targets[first:])
    return train, test, lambda y: (y + mean) * std
''', "`unscale` adds the mean before it stretches. What was done last is undone first: times the standard deviation, then plus the mean."),
    ),
    question={"kind": "order", "prompt": "From a series to an honest number. Bring the steps into an order that lets nothing of the future into the training.",
              "items": [
                  {"text": "Cut the series in time", "say": "This comes first: all that follows must know which values are the past."},
                  {"text": "Take mean and standard deviation of the past", "say": "Statistics need the cut before them, and the scaling needs the statistics."},
                  {"text": "Scale past and future with these two numbers", "say": "Scaling stands between the statistics and the windows, so that past and future are measured with one ruler."},
                  {"text": "Cut windows, each with the value after it", "say": "Windows are cut from the scaled values, before anything can be shuffled."},
                  {"text": "Shuffle the training windows", "say": "Shuffling does no harm once the windows of training and test are apart. Before that, it mixes them."},
                  {"text": "Train, and predict the held-out values", "say": "Prediction comes before the error can be measured in real units, and after all preparation."},
                  {"text": "Bring the predictions back to real units and measure the error", "say": "This is the last step: an error in scaled units says nothing to anyone."}],
              "right": "Yes. The cut comes before everything that learns, and a mean learns too."},
    minutes=15,
    difficulties="Which windows belong to the test: many cut windows inside each part and lose the first held-out values, or split by where a window "
                 "begins. Some take the statistics before they cut.",
    marking=((1, "statistics of the past alone"), (1, "targets right after their windows"), (1, "the split by targets, every held-out value predicted"),
             (1, "the way back")),
)


# ---- forecast

PARTS = ("one_step", "mean", "low", "high")


@lru_cache
def co2() -> tuple[Tensor, int]:
    """The series and the cut."""
    values = load_series("co2").values
    return values, len(values) - NUM_TEST


@lru_cache
def bars() -> tuple[float, float]:
    """The better baseline's errors: over the held-out part one step ahead, and over the horizon."""
    values, cut = co2()
    future = values[cut:]
    near = [forecasting.one_step(forecasting.persistence, values, NUM_TEST),
            forecasting.one_step(forecasting.seasonal_naive, values, NUM_TEST, 12)]
    far = [forecasting.persistence(values[:cut], HORIZON), forecasting.seasonal_naive(values[:cut], HORIZON, 12)]
    return (min(forecasting.mae(one, future) for one in near), min(forecasting.mae(one, future[:HORIZON]) for one in far))


def forecasts(function, values: Tensor) -> dict[str, Tensor]:
    """What the learner's function gives, each part (steps, 1) in float64; Wrong where it has another form."""
    cut = co2()[1]
    given = values.clone()
    with one_thread():                                                    # the time limit holds on a busy machine, too
        result = seeded(function, given, cut, HORIZON)
    if not given.equal(values):
        raise Wrong("Your function changes `values` in place. The caller may need them again: compute new tensors.")
    if not isinstance(result, (tuple, list)) or len(result) != len(PARTS):
        raise Wrong(f"`forecast` should return four tensors, {', '.join(PARTS)}, and returns {kind(result)}.")
    parts = {}
    for name, part, steps in zip(PARTS, result, (NUM_TEST, HORIZON, HORIZON, HORIZON)):
        if not isinstance(part, Tensor) or tuple(part.shape) not in ((steps, 1), (steps,)):
            raise Wrong(f"`{name}` should be a tensor of shape ({steps}, 1), and is {kind(part)}.")
        if not part.isfinite().all():
            raise Wrong(f"`{name}` holds numbers that are not finite. Did the training diverge?")
        parts[name] = part.detach().double().reshape(steps, 1)
    return parts


def unlike(some: Tensor, others: Tensor) -> bool:
    return float((some - others).abs().max()) > 1e-3


def check_leaks(function, first: dict[str, Tensor]) -> None:
    """Call again with another future; raise Wrong where that changes what was said before it."""
    values, cut = co2()
    wave = 20 * torch.sin(torch.arange(NUM_TEST) / 3)[:, None]            # (120, 1)
    other = forecasts(function, torch.cat([values[:cut], values[cut:] + 30 + wave]))
    near = unlike(first["one_step"][:1], other["one_step"][:1])           # its value is the first of the future
    far = any(unlike(first[name], other[name]) for name in PARTS[1:])
    if not near and not far:
        return
    again = forecasts(function, values)
    if any(unlike(first[name], again[name]) for name in PARTS):
        raise Wrong(UNSEEDED)
    raise Wrong(KNOWS_ALL if near and far else HOLDS_TARGET if near else FED_TRUTH)


def check_forecast(function) -> str:
    if not callable(function):
        raise Wrong(f"`forecast` should be a function, and is {kind(function)}.")
    values, cut = co2()
    true = values[cut:].double()
    got = forecasts(function, values)
    one, mean, low, high = (got[name] for name in PARTS)
    for name in ("one_step", "mean"):
        level = float(got[name].mean())
        if abs(level - float(true.mean())) > 30:
            raise Wrong(f"`{name}` is {level:.1f} on average, while the series stands near {float(true.mean()):.0f} ppm. {UNITS}")
    error = forecasting.mae(one, true)
    near, far = bars()
    if forecasting.mae(one[:-1], true[1:]) < 0.7 * error:
        raise Wrong(AHEAD)
    if error > 0.7 * near and forecasting.mae(one[1:], true[:-1]) < 0.3 * error:
        raise Wrong(BEHIND)
    check_leaks(function, got)
    if error > SHARE * near:
        raise Wrong(f"One step ahead your mean absolute error is {error:.3f} ppm, {error / near:.0%} of the better baseline's "
                    f"({near:.3f}). At most {SHARE:.0%} are asked for, {SHARE * near:.3f} ppm. Do you predict the change from month to "
                    "month, and train until the validation error no longer falls?")
    if not ((low <= mean) & (mean <= high)).all():
        raise Wrong("`low` should lie below `mean`, and `mean` below `high`, at every step.")
    if abs(float(mean[-12:].mean() - mean[:12].mean())) < 0.25 * abs(float(true[HORIZON - 12:HORIZON].mean() - true[:12].mean())):
        raise Wrong(FLAT)
    ahead = forecasting.mae(mean, true[:HORIZON])
    if ahead > LATER_SHARE * far:
        raise Wrong(f"Over {HORIZON} months your mean absolute error is {ahead:.2f} ppm, {ahead / far:.0%} of the better baseline's "
                    f"({far:.2f}). At most {LATER_SHARE:.0%} are asked for.")
    width = (high - low)[:, 0]
    if float(width[-12:].mean()) < GROWTH * float(width[:12].mean()):
        raise Wrong(CONSTANT)
    covered = forecasting.coverage(low, high, true[:HORIZON])
    if covered < COVERED:
        raise Wrong(f"Your interval holds {covered:.0%} of the true values, where {COVERED:.0%} is the least. {NARROW}")
    if float(width.mean()) > WIDEST:
        raise Wrong(f"Your interval is {float(width.mean()):.1f} ppm wide on average. So wide it is always right and says nothing: "
                    f"{WIDEST:g} ppm is the most.")
    return (f"One step ahead the error is {error:.3f} ppm, {error / near:.0%} of the better baseline's. Over {HORIZON} months it is "
            f"{ahead:.2f} ppm, and the interval, {float(width.mean()):.1f} ppm wide on average, holds {covered:.0%} of the true values. "
            "Another future changed nothing of it.")


UNITS = "Undo the scaling, and where you predict changes, add them to the values that they start from."
AHEAD = ("Your predictions fit the month after theirs better than their own: they are shifted by one. The prediction for "
         "`values[cut]` stands first, and is made from `values[:cut]`.")
BEHIND = ("Your predictions are nearly the values of the month before. That is persistence, the baseline, and looks good only in a plot.")
UNSEEDED = ("Two equal calls give different numbers: something is drawn from a generator of its own that nobody seeds. Seed it inside the function, so that a "
            "result can be repeated.")
KNOWS_ALL = ("Another future changes what you predicted before it. Something that was made from the whole series, by training, scaling or "
             "smoothing, knew what was to come. Everything that learns may see `values[:cut]` only.")
HOLDS_TARGET = ("The first prediction changes with the value that it should predict: the window holds its own target.")
FED_TRUTH = ("The forecast over many months changes with the values that it should predict: it is fed the true values as it goes. "
             "After the cut it has only its own predictions to go on from.")
FLAT = ("After five years your forecast stands about where it began. Changes add up: each is added to the prediction before it, not to the "
        "last known value.")
CONSTANT = ("Your interval is hardly wider after five years than in the first year. Errors add up on the way: draw many paths, "
            "each going on from its own draws, and take their quantiles at every step.")
NARROW = ("Take the spread of the paths themselves: the true series is one path, not a mean of many.")

HEAD = '''\
import torch
from unrolled.layers import LSTM
from unrolled.models import Forecaster
from unrolled.forecasting import fit_forecaster
from unrolled.series import Scaler

'''

FORECAST = Told(
    name="forecast", title="A forecast that says how sure it is", page="exercise-series",
    checker=check_forecast, answers=("forecast",), seconds=60.0,
    statement=f"""\
Write a function that trains a forecaster on `values[:cut]` and predicts. `values` is (n, 1), the carbon dioxide of `load_series("co2")`
in ppm; the check holds out the last {NUM_TEST} months. Return four tensors, all in ppm:

- `one_step`, (n − cut, 1): each held-out value predicted from *all values before it*, held-out ones too, with the weights learnt before the cut;
- `mean`, `low`, `high`, each (horizon, 1): a forecast made at the cut, from `values[:cut]` alone, and an interval of 90 %. The horizon
  is {HORIZON} months.

Your error (mean absolute, one step ahead) should be at most {100 * SHARE:.0f} % of the better of two baselines, persistence and seasonal
naive. Over the horizon it should be at most {100 * LATER_SHARE:.0f} % of the better one's error there. The interval should grow with the distance, hold at
least {100 * COVERED:.0f} % of the true values, and be at most {WIDEST:g} ppm wide on average. Equal calls give equal results. The check also
calls your function with *another future*: nothing that you said before it may change.""",
    start=HEAD + '''\
def forecast(values, cut, horizon):
    """values (n, 1) -> one_step, mean, low, high, in ppm."""
    past = values[:cut]
    scaler = ...
    model = ...
    raise NotImplementedError
    return one_step, mean, low, high
''',
    hints=(
        "The series rises, so the held-out values lie where no training value ever lay. What does *not* rise is the change from month to month. "
        "`Scaler.fit(past, lag=1)` scales changes, and its `inverse` adds them up again.",
        "Seed, build `Forecaster(LSTM(1, 16))`, and train it with `fit_forecaster(model, scaler.scale(past))`. Then `model.one_step` predicts every "
        "value from those before it, and `model.forecast` draws paths. Both take `scaler=scaler` and original values.",
        "`model.one_step(values, scaler).mean[cut - len(values):]` is the held-out part. "
        "`mean, low, high = model.forecast(past, horizon, scaler=scaler)` is the rest.",
    ),
    solution=HEAD + '''\
def forecast(values, cut, horizon):
    """values (n, 1) -> one_step, mean, low, high, in ppm."""
    torch.manual_seed(0)
    past = values[:cut]                          # for training
    scaler = Scaler.fit(past, lag=1)             # changes
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0)
    every = model.one_step(values, scaler).mean  # (n - 2, 1)
    later = model.forecast(past, horizon, scaler=scaler)
    return every[cut - len(values):], *later
''',
    explanation="""\
Two decisions carry it. The network predicts *changes*, because they look in 2001 as they looked in 1960, while the values themselves do
not. And many months ahead it predicts by sampling: each path goes on from its own draws, so the uncertainty of each
month goes into all that follow, and the interval grows as it should. The weights have seen nothing after the cut. The state has, in
`one_step`, but never the value that is being predicted.""",
    otherwise='''\
import torch
from torch import nn

def forecast(values, cut, horizon):
    torch.manual_seed(1)
    change = (values[1:] - values[:-1])[:, 0]              # (n - 1,)
    known = change[:cut - 1]
    mu, sd = known.mean(), known.std()
    x = ((change - mu) / sd)[:, None, None]                # (n - 1, 1, 1)
    gru, head = nn.GRU(1, 16), nn.Linear(16, 1)
    weights = [*gru.parameters(), *head.parameters()]
    adam = torch.optim.Adam(weights, lr=0.02)
    cuts = x[:cut - 1, 0, 0].unfold(0, 37, 1)              # (windows, 37)
    for epoch in range(25):
        for index in torch.randperm(len(cuts)).split(64):
            batch = cuts[index].T[..., None]               # (37, batch, 1)
            miss = head(gru(batch[:-1])[0]) - batch[1:]
            adam.zero_grad()
            (miss[12:] ** 2).mean().backward()
            adam.step()
    with torch.no_grad():
        out, _ = gru(x[:-1])
        guess = head(out)[:, 0, 0] * sd + mu               # (n - 2,) changes
        one_step = values[cut - 1:-1] + guess[cut - 2:, None]
        noise = (guess[12:cut - 2] - change[13:cut - 1]).std() / sd
        out, h = gru(x[:cut - 1].expand(-1, 300, 1))
        paths, level = [], values[cut - 1].expand(300)
        for _ in range(horizon):
            step = head(out[-1]) + noise * torch.randn(300, 1)
            level = level + step[:, 0] * sd + mu
            paths.append(level)
            out, h = gru(step[None], h)
    paths = torch.stack(paths).sort(dim=1).values          # (horizon, 300)
    return one_step, paths.mean(1), paths[:, 15], paths[:, 284]
''',
    mistakes=(
        Mistake("trained on the whole series", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    scaler = Scaler.fit(values, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(values), seed=0, epochs=8)
    one_step = model.one_step(values, scaler).mean[cut - len(values):]
    return one_step, *model.forecast(values[:cut], horizon, scaler=scaler)
''', KNOWS_ALL),
        Mistake("the window holds its target", '''\
import torch
from torch import nn

def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    mean, std = past.mean(), past.std()
    x = ((values - mean) / std)[:, None]                   # (n, 1, 1)
    rnn, head = nn.LSTM(1, 8), nn.Linear(9, 1)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    nn.init.ones_(head.weight[:, -1:])
    guess = lambda x: head(torch.cat([rnn(x)[0], x], dim=2))
    adam = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=1e-4)
    for _ in range(3):
        loss = ((guess(x[:cut]) - x[:cut]) ** 2).mean()    # each step's target is its input
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        one_step = guess(x)[cut:, 0] * std + mean
    ahead = past[-1:] + torch.arange(1, horizon + 1)[:, None] * 0.12
    return one_step, ahead, ahead - 1, ahead + 1
''', HOLDS_TARGET),
        Mistake("shifted by one", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0)
    longer = torch.cat([values, values[-1:]])
    one_step = model.one_step(longer, scaler).mean[cut - len(values):]
    return one_step, *model.forecast(past, horizon, scaler=scaler)
''', AHEAD),
        Mistake("persistence", '''\
import torch

def forecast(values, cut, horizon):
    one_step = values[cut - 1:-1]
    mean = values[cut - 1:cut].repeat(horizon, 1)
    reach = torch.arange(1, horizon + 1)[:, None] ** 0.5
    return one_step, mean, mean - reach, mean + reach
''', BEHIND),
        Mistake("the scaling is not undone", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    scaler = Scaler.fit(values[:cut], lag=1)
    model = Forecaster(LSTM(1, 16))
    scaled = scaler.scale(values)
    fit_forecaster(model, scaled[:cut - 1], seed=0, epochs=3)
    one_step = model.one_step(scaled).mean[cut - len(values):]
    return one_step, *model.forecast(scaled[:cut - 1], horizon)
''', UNITS),
        Mistake("nothing is seeded", HEAD + '''\
def forecast(values, cut, horizon):
    torch.seed()
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), epochs=8)
    one_step = model.one_step(values, scaler).mean[cut - len(values):]
    return one_step, *model.forecast(past, horizon, scaler=scaler)
''', UNSEEDED),
        Mistake("fed the true values on the way", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0, epochs=8)
    mean, low, high = (one[cut - len(values):] for one in model.one_step(values, scaler))
    return mean, mean[:horizon], low[:horizon], high[:horizon]
''', FED_TRUTH),
        Mistake("the changes are not added up", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0)
    one_step = model.one_step(values, scaler).mean[cut - len(values):]
    changes = model.forecast(scaler.scale(past), horizon)
    mean, low, high = (past[-1] + one * scaler.std + scaler.mean for one in changes)
    return one_step, mean, low, high
''', FLAT),
        Mistake("an interval that does not grow", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0)
    one_step = model.one_step(values, scaler).mean[cut - len(values):]
    mean, low, high = model.forecast(past, horizon, scaler=scaler)
    reach = (high - low)[0] / 2
    return one_step, mean, mean - reach, mean + reach
''', CONSTANT),
        Mistake("the error of the mean for the spread of the paths", HEAD + '''\
def forecast(values, cut, horizon):
    torch.manual_seed(0)
    past = values[:cut]
    scaler = Scaler.fit(past, lag=1)
    model = Forecaster(LSTM(1, 16))
    fit_forecaster(model, scaler.scale(past), seed=0)
    one_step = model.one_step(values, scaler).mean[cut - len(values):]
    paths = scaler.inverse(model.paths(scaler.scale(past), horizon, 200), past[-1:])
    mean, error = paths.mean(1), 1.645 * paths.std(1) / 200 ** 0.5
    return one_step, mean, mean - error, mean + error
''', NARROW),
    ),
    question={"kind": "choice", "prompt": "A colleague's forecaster has a third of your error on the held-out years. Which sentence in the report should make you most suspicious?",
              "options": [
                  {"text": "“We smoothed the series with a centred mean of three months and then split it.”", "right": True,
                   "say": "Yes. Each smoothed value holds a third of the next one, so its past knows its future; and what is predicted is no longer what was measured."},
                  {"text": "“The mean for the scaling comes from the training years.”", "say": "That is how it should be: those years are known when the forecast is made."},
                  {"text": "“The windows of the first held-out months reach back into the training years.”", "say": "They may. When the first held-out month is due, those years are known."},
                  {"text": "“The training windows were shuffled in each epoch.”", "say": "After the split this is harmless: no window of the test is among them."}]},
    minutes=25,
    difficulties="The trend: whoever scales the values themselves meets held-out inputs that lie outside of all training inputs, and stays above the margin. Adding up "
                 "the changes over the horizon. Knowing that one-step predictions may use held-out values that lie before the target.",
    marking=((2, "one-step error below the margin, nothing leaked"), (1, "forecast over the horizon below the margin"), (2, "an interval that grows and covers"),
             (1, "equal calls give equal results")),
)

EXERCISES = (WINDOWS, FORECAST)
