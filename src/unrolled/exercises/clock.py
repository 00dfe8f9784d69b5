"""A clock that the check moves, so that what a learner's stopwatch says is exact on every machine."""
import builtins
import importlib.util
import time
import timeit
from types import FunctionType, ModuleType

READINGS = ("perf_counter", "monotonic", "process_time", "thread_time", "time")
TICK = 1e-6                 # a look at the clock takes a moment, so that nobody waits for ever


class Clock:
    """Stands still but for ``advance``, and a tick at each look.

    Attributes:
        looks: how often somebody looked at it.
    """

    def __init__(self):
        self.now, self.looks = 1000.0, 0

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> float:
        self.looks += 1
        self.advance(TICK)
        return self.now


def time_module(clock: Clock) -> ModuleType:
    """Like Python's ``time``, with this clock in it."""
    module = ModuleType("time")
    vars(module).update(vars(time))
    for name in READINGS:
        setattr(module, name, clock.read)
        setattr(module, f"{name}_ns", lambda: round(1e9 * clock.read()))
    module.sleep = clock.advance
    return module


def timeit_module(inside: dict) -> ModuleType:
    """Python's ``timeit``, loaded once more with other builtins, so that what it imports is the other clock."""
    spec = importlib.util.find_spec("timeit")
    module = importlib.util.module_from_spec(spec)
    vars(module)["__builtins__"] = inside
    exec(spec.loader.get_code("timeit"), vars(module))
    return module


def on_clock(function, clock: Clock):
    """The same function with another clock; the function itself, and the module it lives in, stay as they are.

    The clock replaces ``time`` and ``timeit``, however they were imported, in the function and in the functions beside it
    that it calls. What is no plain function is returned as it is, and looks at the machine's clock.
    """
    if not isinstance(function, FunctionType):
        return function
    inside = dict(vars(builtins))
    modules = {"time": time_module(clock)}

    def imported(name, *args, **kwargs):
        return modules[name] if name in modules else builtins.__import__(name, *args, **kwargs)

    inside["__import__"] = imported
    modules["timeit"] = timeit_module(inside)
    swapped = {id(real): modules[real.__name__] for real in (time, timeit)}
    for real in (time, timeit):
        for name, value in vars(modules[real.__name__]).items():
            original = vars(real).get(name)
            if original is not value and callable(original):
                swapped[id(original)] = value
    theirs = function.__globals__
    ours: dict = {"__builtins__": inside}

    def moved(value):
        if isinstance(value, FunctionType) and value.__globals__ is theirs:
            copy = FunctionType(value.__code__, ours, value.__name__, value.__defaults__, value.__closure__)
            copy.__defaults__ = tuple(map(moved, value.__defaults__ or ())) or None
            copy.__kwdefaults__ = {name: moved(one) for name, one in (value.__kwdefaults__ or {}).items()} or None
            return copy
        return swapped.get(id(value), value)

    ours.update({name: moved(value) for name, value in theirs.items() if name != "__builtins__"})
    return moved(function)
