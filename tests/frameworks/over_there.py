"""Tasks that only tests set, found by a framework's process: see ``conftest.path_over_there``. Only NumPy is needed."""
import contextlib
import os
import signal
import sys
import time

from unrolled.frameworks import arrays


def give(framework, value, after=0.0):
    """The value again, some seconds later."""
    time.sleep(after)
    return value


def evaluate(framework, expression):
    """What an expression of Python is there."""
    return eval(expression, {"framework": framework, "os": os, "sys": sys})


def fail(framework, error):
    raise error


def die(framework, status=3, words=""):
    """End at once: with an exit status, or below 0 by a signal."""
    os.write(2, words.encode())
    if status < 0:
        os.kill(os.getpid(), -status)
        signal.pause()
    os._exit(status)


def print_everywhere(framework):
    """On all ways to standard output."""
    print("of Python " * 10_000)
    os.write(1, b"of C " * 10_000)
    os.system("echo of another program")
    return 7


def read_input(framework):
    return sys.stdin.read()


class Strange(Exception):
    """An error that nobody else knows."""


class StrangeValue(Strange, ValueError):
    """This one is a ValueError besides."""


def fail_strangely(framework, name):
    raise globals()[name]("as it happens")


def exactly(framework, task, *args):
    """A task that may keep float64: JAX has to be told."""
    with framework.jax.enable_x64(True) if hasattr(framework, "jax") else contextlib.nullcontext():
        return task(framework, *args)


def read_file(framework, path, kind, tokens):
    """What a model from a file makes of tokens."""
    return framework.read(framework.from_arrays(arrays.load_arrays(path), kind), tokens)
