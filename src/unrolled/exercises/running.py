"""A learner's code, run with care: it may hang, print, raise or change things, and none of it does harm."""
import contextlib
import copy
import ctypes
import io
import math
import random
import sys
import threading
import time
import traceback
import types

import numpy
import torch

from unrolled.device import one_thread
from unrolled.exercises.feedback import Wrong

LINES, CHARACTERS = 12, 2000           # of what the code prints, as much is kept
PATIENCE = 5.0                         # seconds in which code that is told to stop has to stop


class TimeLimit(BaseException):
    """Raised inside code that takes too long. No ``except Exception`` swallows it."""


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
        cell = frame.filename.startswith("<") and not frame.filename.startswith("<frozen")
        if cell or "ipykernel" in frame.filename or "ipython-input" in frame.filename:
            return f"line {frame.lineno}" + (f": {frame.line}" if frame.line else "")
    return ""


def untouched(value) -> bool:
    """Whether something is, or comes from, a part that was left as the exercise gave it."""
    if isinstance(value, NotImplementedError):
        return not value.args                       # torch raises it, too, but with a message
    return value is ... or isinstance(value, TypeError) and "ellipsis" in str(value)


def explained(error: BaseException) -> str:
    """An error of the learner's code, in words."""
    if untouched(error):
        return ("This part is still open: put your own code where the `...` stands, run the cell, and check again. "
                "A hint gives a first push.")
    where = line_of(error)
    message = " ".join(str(error).split())
    message = message if len(message) <= 300 else f"{message[:300]} …"
    return (f"Your code stopped with {type(error).__name__}" + (f" ({message})" if message else "")
            + (f" in {where}." if where else "."))


def tried(work) -> dict:
    """The result of ``work()``, or a complaint in words."""
    try:
        return {"result": work()}
    except TimeLimit:
        raise
    except Wrong as wrong:
        return {"complaint": str(wrong)}
    except BaseException as error:
        return {"complaint": explained(error)}


def stopped(thread: threading.Thread, done) -> bool:
    """Raise TimeLimit in a thread until the lock ``done`` can be had; whether it could.

    Code that catches everything is hit again, sooner or later outside of its ``try``. Code that waits in a compiled
    function learns of it only when that returns.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeLimit))
        if done.acquire(timeout=0.01):
            return True
    return False


def carefully(work, seconds: float) -> tuple[object, str, str]:
    """Run ``work()`` with a limit of time: (result, complaint, printed).

    The complaint is empty where it ran; else it says in words that it hung, raised, or was Wrong. The work
    runs in a thread of its own, so that a limit can be set in a notebook, under a button and on every system.
    Where it cannot be stopped it is left behind, and that is said.
    """
    outcome, printed, done, ended = {}, Printed(), threading.Lock(), False

    def run():
        try:
            with one_thread():             # more of them gain nothing here, and make the limit a matter of luck
                outcome.update(tried(work))
        except TimeLimit:
            pass
        finally:
            try:
                done.release()
            except TimeLimit:              # one more was under way: Python looks for it after a call
                pass

    done.acquire()
    thread = threading.Thread(target=run, daemon=True)
    with randomness_kept(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            thread.start()
            ended = any(done.acquire(timeout=0.1) for _ in range(math.ceil(10 * seconds)))      # between two, an interrupt is heard
        finally:
            ended = ended or stopped(thread, done)
    if outcome:
        return outcome.get("result"), outcome.get("complaint", ""), str(printed)
    late = f"Your code was still running after {seconds:g} seconds"
    if ended:
        return None, f"{late}, and was stopped. Is there a loop that never ends, or far more work than the exercise needs?", str(printed)
    return None, (f"{late}, and cannot be stopped: it catches every exception (a bare `except:`?), or waits in compiled code. "
                  "It goes on in the background. Restart the kernel, and look for what never ends."), str(printed)
