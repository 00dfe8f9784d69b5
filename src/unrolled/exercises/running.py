"""A learner's code, run with care: it may hang, print, raise or change things, and none of it does harm."""
import contextlib
import copy
import ctypes
import io
import random
import threading
import traceback
import types

import numpy
import torch

from unrolled.exercises.feedback import Wrong

LINES, CHARACTERS = 12, 2000           # of what the code prints, as much is kept


class TimeLimit(BaseException):
    """Raised inside code that takes too long. No ``except Exception`` of a learner's can swallow it."""


class Printed(io.TextIOBase):
    """Keeps the beginning of what is printed."""

    def __init__(self):
        self.kept, self.size = "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.kept += text[:max(0, CHARACTERS - len(self.kept))]
        self.size += len(text)
        return len(text)

    def __str__(self) -> str:
        """What was printed, shortened where it is long."""
        lines = self.kept.splitlines()
        if self.size <= CHARACTERS and len(lines) <= LINES:
            return self.kept
        return "\n".join([*lines[:LINES], "… (and much more, which is left out here)"])


@contextlib.contextmanager
def randomness_kept():
    """Afterwards every global random generator stands where it stood."""
    ours, theirs = random.getstate(), numpy.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(ours)
        numpy.random.set_state(theirs)


def spared(value):
    """A copy of a learner's object to work on; functions, classes and modules as they are."""
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:                      # what cannot be copied (a generator, a lock) is at least not ours to change
        return value


def line_of(error: BaseException) -> str:
    """Where in the learner's own code an error arose, as "line 3: H @ W"; empty where it did not."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        own = frame.filename.startswith("<") or "ipykernel" in frame.filename or "ipython-input" in frame.filename
        if own:
            return f"line {frame.lineno}" + (f": {frame.line}" if frame.line else "")
    return ""


def explained(error: BaseException) -> str:
    """An error of the learner's code, in words."""
    if isinstance(error, NotImplementedError):
        return ("This part is still open: put your own code where the `...` stands, run the cell, and check again. "
                "`hint()` gives a first push.")
    where = line_of(error)
    message = " ".join(str(error).split())
    return (f"Your code stopped with {type(error).__name__}" + (f" ({message})" if message else "")
            + (f" in {where}." if where else "."))


def carefully(work, seconds: float) -> tuple[object, str, str]:
    """Run ``work()`` with a limit of time: (result, complaint, printed).

    The complaint is empty where it ran; else it says in words that it hung, raised, or was Wrong. The work
    runs in a thread of its own, so that a limit can be set in a notebook, under a button and on every system.
    """
    outcome: dict = {}
    printed = Printed()

    def run():
        try:
            outcome["result"] = work()
        except TimeLimit:
            pass
        except Wrong as wrong:
            outcome["complaint"] = str(wrong)
        except BaseException as error:
            outcome["complaint"] = explained(error)

    thread = threading.Thread(target=run, daemon=True)
    with randomness_kept(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeLimit))
            thread.join(2)
    if outcome:
        return outcome.get("result"), outcome.get("complaint", ""), str(printed)
    return None, (f"Your code was still running after {seconds:g} seconds, and was stopped. Is there a loop that never "
                  "ends, or far more work than the exercise needs?"), str(printed)
