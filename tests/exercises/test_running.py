"""Code that hangs, prints, raises or changes what is not its own: none of it does harm."""
import _thread
import io
import random
import signal
import sys
import threading
import time
import types

import numpy
import pytest
import torch
from tqdm import tqdm

from unrolled.exercises import running
from unrolled.exercises.feedback import Wrong
from unrolled.exercises.running import (CHARACTERS, LINES, Printed, TimeLimit, carefully, explained, line_of, randomness_kept,
                                        spared, stopped, untouched)
from unrolled.exercises.specification import defined


def cell(code, name="f"):
    return defined(code, (name,))[0]


def caught(function, *arguments) -> BaseException:
    with pytest.raises(BaseException) as error:
        function(*arguments)
    return error.value


# What comes of it

def test_a_result_comes_back():
    assert carefully(lambda: 6 * 7, 5) == (42, "", "")
    assert carefully(lambda: None, 5) == (None, "", "")


def raising(error):
    raise error


@pytest.mark.parametrize("error, complaint", [
    (Wrong("It is 3, not 4."), "It is 3, not 4."),
    (ValueError("no  such\nthing"), "Your code stopped with ValueError (no such thing)."),
    (SystemExit(), "Your code stopped with SystemExit."),
    (KeyboardInterrupt(), "Your code stopped with KeyboardInterrupt."),
    (NotImplementedError("for 'Long'"), "Your code stopped with NotImplementedError (for 'Long')."),
])
def test_what_it_raises_is_said_in_words(error, complaint):
    assert carefully(lambda: raising(error), 5) == (None, complaint, "")


# Time

def quiet(threads):
    """Wait until no more threads than these are left."""
    end = time.monotonic() + 10
    while threading.active_count() > threads:
        assert time.monotonic() < end, "a thread goes on"
        time.sleep(0.01)


def test_a_loop_that_never_ends_is_stopped():
    ended = []

    def endless():
        try:
            while True:
                pass
        finally:
            ended.append(True)

    start = time.perf_counter()
    result, complaint, _ = carefully(endless, 0.2)
    assert time.perf_counter() - start < 30 and ended
    assert result is None and complaint.startswith("Your code was still running after 0.2 seconds, and was stopped. Is there a loop")


@pytest.mark.parametrize("code", [
    "def f():\n    while True:\n        try:\n            sum(range(100))\n        except Exception:\n            pass\n",
    "def f():\n    while True:\n        try:\n            sum(range(100))\n        except:\n            pass\n",
])
def test_a_loop_that_catches_what_comes_is_stopped_as_well(code, monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", 20.0)             # it is hit within milliseconds, on a busy machine later
    _, complaint, _ = carefully(cell(code), 0.1)
    assert "was stopped" in complaint


@pytest.fixture
def untraced():
    """No coverage meanwhile: in Python 3.11 a traced function waits for ever while another thread has an exception to come."""
    here, elsewhere = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    sys.settrace(here)
    threading.settrace(elsewhere)


def test_what_cannot_be_stopped_is_left_behind_and_that_is_said(monkeypatch, untraced):
    monkeypatch.setattr(running, "PATIENCE", 0.1)
    before, waiting = threading.active_count(), threading.Lock()
    waiting.acquire()

    def stubborn():                                            # waits in compiled code, and swallows what hits it
        try:
            waiting.acquire()
        except BaseException:
            pass

    start = time.perf_counter()
    result, complaint, _ = carefully(stubborn, 0.1)
    assert time.perf_counter() - start < 30 and result is None
    assert "cannot be stopped: it catches every exception" in complaint and "Restart the kernel" in complaint
    assert carefully(lambda: 1, 5) == (1, "", "")              # and the kernel goes on
    waiting.release()
    quiet(before)


def test_patience_ends(monkeypatch):
    """The same two steps where coverage can see them."""
    monkeypatch.setattr(running, "PATIENCE", 0.05)
    done = threading.Lock()
    done.acquire()
    assert not stopped(types.SimpleNamespace(ident=None), done)  # no thread is hit, and none lets go of the lock
    monkeypatch.setattr(running, "stopped", lambda thread, done: False)
    _, complaint, printed = carefully(lambda: time.sleep(0.5), 0.1)
    assert complaint.startswith("Your code was still running after 0.1 seconds, and cannot be stopped") and not printed


def test_who_answers_at_the_last_moment_has_answered():
    def late():
        try:
            while True:
                pass
        except TimeLimit:
            return "late"

    assert carefully(late, 0.1) == ("late", "", "")


def test_a_limit_that_comes_once_more_at_the_very_end_is_no_error(monkeypatch):
    """On a busy machine a second one is under way while the first ends the work; pytest would see what a thread leaves behind."""
    class Lock:
        def __init__(self):
            self.lock = lock_of_python()
            self.acquire = self.lock.acquire

        def release(self):
            self.lock.release()
            raise TimeLimit

    def endless():
        while True:
            pass

    lock_of_python = threading.Lock
    monkeypatch.setattr(running, "threading", types.SimpleNamespace(Lock=Lock, Thread=threading.Thread))
    _, complaint, _ = carefully(endless, 0.1)
    assert "was stopped" in complaint


@pytest.mark.parametrize("wait", [0, 0.1])
def test_an_interrupt_reaches_the_notebook_and_ends_the_code(wait):
    def endless():
        time.sleep(wait)
        _thread.interrupt_main()
        while True:
            pass

    before, stdout = threading.active_count(), sys.stdout
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)          # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            carefully(endless, 30)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert sys.stdout is stdout
    quiet(before)


# What it prints

def test_what_is_printed_is_kept_apart(capsys):
    def talks():
        print("one")
        print("two", file=sys.stderr)
        for _ in tqdm(range(3), desc="steps"):
            pass

    _, _, printed = carefully(talks, 5)
    assert printed.startswith("one\ntwo\n") and "steps: 100%" in printed
    assert capsys.readouterr() == ("", "")


def test_much_of_it_is_cut():
    _, complaint, printed = carefully(lambda: [print(k) for k in range(10 ** 4)], 30)
    assert not complaint and printed.splitlines() == [*map(str, range(LINES)), "… (and much more, which is left out here)"]
    _, _, printed = carefully(lambda: print("x" * 10 ** 7), 30)
    assert printed == "x" * CHARACTERS + "\n… (and much more, which is left out here)"


def test_a_little_stays_as_it_is():
    printed = Printed()
    assert printed.writable() and printed.write("a\nb") == 3 and str(printed) == "a\nb"
    assert isinstance(printed, io.TextIOBase)


# What it must not change

def test_the_random_generators_stand_where_they_stood():
    def draws():
        return random.random(), numpy.random.rand(), torch.rand(()).item()

    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(3)
    with randomness_kept():
        first = draws()
    assert draws() == first
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(3)
    with pytest.raises(KeyError), randomness_kept():
        draws()
        torch.manual_seed(9)
        raise KeyError
    assert carefully(draws, 5)[0] == first and draws() == first


def test_the_generators_of_a_gpu_are_kept_too(monkeypatch):
    kept = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: kept.append(list(devices)) or torch.no_grad())
    with randomness_kept():
        pass
    assert kept == [[0, 1]]


def test_values_are_copied_and_code_is_not():
    values = {"H": torch.zeros(2), "list": [1, [2]]}
    copy = spared(values)
    copy["H"].add_(1)
    copy["list"][1].append(3)
    assert values["H"].sum() == 0 and values["list"] == [1, [2]]
    layer = torch.nn.Linear(1, 1)
    assert spared(layer) is not layer
    for code in (cell, len, time, dict):
        assert spared(code) is code
    generator = (k for k in range(3))
    assert isinstance(generator, types.GeneratorType) and spared(generator) is generator


# Its errors, in words

def test_the_learners_own_line_is_named():
    f = cell("import torch\n\ndef f(x):\n    y = x\n    return torch.cat([y, 1])\n")
    error = caught(f, torch.zeros(1))
    assert line_of(error) == "line 5" and "TypeError" in explained(error) and explained(error).endswith(" in line 5.")
    assert line_of(caught(lambda: 1 / 0)) == ""                 # a file of the package's or of the tests is not the learner's
    assert explained(caught(lambda: 1 / 0)) == "Your code stopped with ZeroDivisionError (division by zero)."


@pytest.mark.parametrize("file", ["/tmp/ipykernel_12/3.py", "<ipython-input-3-abc>", "/tmp/ipython-input-3-abc.py"])
def test_a_notebooks_line_is_shown(file, monkeypatch):
    monkeypatch.setattr("linecache.getline", lambda name, number, *_: "    return 1 / x\n" if name == file else "")
    namespace = {}
    exec(compile("def f(x):\n    return 1 / x\n", file, "exec"), namespace)
    assert line_of(caught(namespace["f"], 0)) == "line 2: return 1 / x"


def test_what_python_froze_is_not_the_learners():
    assert line_of(caught(__import__, "no_such_module_at_all")) == ""


def test_a_long_message_is_cut():
    said = explained(ValueError("x" * 1000))
    assert len(said) < 400 and said.endswith(" …).")


@pytest.mark.parametrize("value", [..., NotImplementedError(), caught(lambda: ... * 2), caught(lambda: torch.sigmoid(...))])
def test_a_part_that_was_left_open_is_known(value):
    assert untouched(value)
    if isinstance(value, BaseException):
        assert explained(value).startswith("This part is still open")


@pytest.mark.parametrize("value", [None, 0, torch.zeros(2), NotImplementedError("no kernel"), caught(lambda: 1 + "1"), ValueError("ellipsis")])
def test_a_part_that_was_not_is_known_too(value):
    assert not untouched(value)
