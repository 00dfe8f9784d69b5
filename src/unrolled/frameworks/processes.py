"""A framework in a process of its own: MXNet needs another Python, and four frameworks in one process are in each other's way::

    with FrameworkProcess("mxnet") as mxnet:
        logits, state = mxnet.call(tasks.read, weights, "concise", tokens)

What is called is a function that needs no framework, such as those of ``frameworks.tasks``; over there it is given the
framework's module, and then these arguments. Arguments and results are plain arrays, numbers and the package's own.
"""
import contextlib
import importlib
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

NAMES = ("torch", "jax", "tensorflow", "mxnet")
MXNET_KERNEL = "unrolled-mxnet"        # the Jupyter kernel that make frameworks leaves


def python_of(name: str) -> str:
    """The Python that has a framework: this one, or for MXNet that of its kernel.

    Raises:
        ValueError: no framework of this book.
        ModuleNotFoundError: MXNet's environment is not there.
    """
    if name not in NAMES:
        raise ValueError(f"a framework is one of {', '.join(NAMES)}, not {name!r}")
    if name != "mxnet" or importlib.util.find_spec("mxnet"):
        return sys.executable
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ModuleNotFoundError:
        pass
    else:
        with contextlib.suppress(NoSuchKernel):
            python = KernelSpecManager().get_kernel_spec(MXNET_KERNEL).argv[0]
            if shutil.which(python):       # a kernel outlives its environment
                return python
    raise ModuleNotFoundError("MXNet has an environment of its own, and it is not here: make frameworks makes it", name="mxnet")


def is_available(name: str) -> bool:
    """Whether a framework can be had here.

    Raises:
        ValueError: no framework of this book.
    """
    try:
        python_of(name)
    except ModuleNotFoundError:
        return False
    return name == "mxnet" or importlib.util.find_spec(name) is not None


class FrameworkProcess:
    """A process that has imported one framework, to be used in a ``with``.

    Args:
        cores: so many of this machine's cores; 0 leaves it to the framework. Not every framework can be told a number of
            threads, so the process is held to the cores, where the system can do that.

    Attributes:
        import_seconds: what importing the framework took.

    Raises:
        ValueError: no framework of this book, or fewer cores than none.
        ModuleNotFoundError: it is not installed.
    """

    def __init__(self, name: str, cores: int = 0):
        if cores < 0:
            raise ValueError(f"cores is a number of cores, or 0 for all, not {cores}")
        python = python_of(name)
        self.name, self.log = name, tempfile.TemporaryFile()
        self.process = subprocess.Popen([python, "-m", __name__, name, str(cores)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log)
        try:
            self.import_seconds = self._answer()
        except BaseException:
            self.close()
            raise

    def call(self, task, *args, **named):
        """What the task gives. What it raises is raised here, with the framework's name before it.

        An error of a type that Python itself lacks comes as the nearest that it has; a note says where it was raised.

        Raises:
            RuntimeError: the process is gone.
        """
        question = pickle.dumps((task, args, named))       # first, so that nothing half is sent
        try:
            pickle.dump(question, self.process.stdin)
            self.process.stdin.flush()
        except (OSError, ValueError):                      # it has ended, or it was closed
            raise self._gone() from None
        return self._answer()

    def _answer(self):
        try:
            answer = pickle.load(self.process.stdout)
        except (EOFError, ValueError, pickle.UnpicklingError):         # it ended before, or in the middle
            raise self._gone() from None
        except BaseException:              # interrupted: a later call would be given the answer to this one
            self.close()
            raise
        raised, value, where = pickle.loads(answer)
        if raised is None:
            return value
        sentence = f"in {self.name}: {value}"
        try:
            error = raised(sentence)
        except TypeError:                  # a few want more than a sentence
            error = RuntimeError(sentence)
        error.add_note(where)
        raise error

    def _gone(self) -> RuntimeError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)           # its pipes are closed a moment before it has a status
        self.close()
        return RuntimeError(f"the process of {self.name} {self.end}")

    def close(self) -> None:
        """End the process."""
        if self.log.closed:
            return
        status = self.process.poll()
        self.process.kill()                # it has nothing to put in order
        self.process.wait()
        self.log.seek(0)
        last = self.log.read().decode(errors="replace").strip().splitlines()[-5:]
        self.end = "was closed" if status is None else "\n".join([f"has ended, with exit status {status}", *last])
        for file in (self.process.stdin, self.process.stdout, self.log):
            with contextlib.suppress(OSError):             # what was still to be said has nobody to hear it
                file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def serve(name: str, cores: int) -> None:
    """The other process: import the framework, then answer until nothing more comes."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)           # what a framework reads is no question,
    os.dup2(2, 1)                                          # and what it prints no answer
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")               # a GPU is shared with the others
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])          # before the framework counts them

    def answer(question) -> bool:
        try:
            found, fine = pickle.dumps((None, question(), "")), True
        except Exception as error:
            known = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
            found, fine = pickle.dumps((known, str(error), traceback.format_exc(limit=-3))), False
        pickle.dump(found, answers)
        answers.flush()
        return fine

    def load():
        began = time.perf_counter()
        load.framework = importlib.import_module(f"unrolled.frameworks.{name}")
        return time.perf_counter() - began

    def run():
        task, args, named = pickle.loads(question)
        return task(load.framework, *args, **named)

    if answer(load):
        with contextlib.suppress(EOFError):                # nobody asks any more
            while True:
                question = pickle.load(questions)
                answer(run)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
