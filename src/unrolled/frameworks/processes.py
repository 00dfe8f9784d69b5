"""A framework in a process of its own: MXNet needs another Python, and four frameworks in one process get in each other's way.

    with FrameworkProcess("mxnet") as mxnet:
        logits, state = mxnet.call(tasks.read, weights, "concise", tokens)

What is called is a function that needs no framework, such as those of ``frameworks.tasks``; over there it is given the
framework's module, and then these arguments. Arguments and results are plain arrays, numbers and the package's own.
"""
import builtins
import importlib
import importlib.util
import os
import pickle
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
        try:
            return KernelSpecManager().get_kernel_spec(MXNET_KERNEL).argv[0]
        except NoSuchKernel:
            pass
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
        ValueError: no framework of this book.
        ModuleNotFoundError: it is not installed.
    """

    def __init__(self, name: str, cores: int = 0):
        self.name, self.log = name, tempfile.TemporaryFile()
        self.process = subprocess.Popen([python_of(name), "-m", __name__, name, str(cores)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log)
        try:
            self.import_seconds = self._answer()
        except BaseException:
            self.close()
            raise

    def call(self, task, *args, **named):
        """What the task gives. What it raises is raised here, with the framework's name before it.

        Raises:
            RuntimeError: the process is gone.
        """
        try:
            pickle.dump((task, args, named), self.process.stdin)
            self.process.stdin.flush()
        except (OSError, ValueError):      # it has ended, or it was closed
            raise self._gone() from None
        return self._answer()

    def _answer(self):
        try:
            raised, value, where = pickle.load(self.process.stdout)
        except (EOFError, ValueError):
            raise self._gone() from None
        if raised is None:
            return value
        error = getattr(builtins, raised, RuntimeError)
        if error is ModuleNotFoundError:
            raise ModuleNotFoundError(value)
        raise (error if issubclass(error, (TypeError, ValueError)) else RuntimeError)(f"in {self.name}: {value}\n{where}")

    def _gone(self) -> RuntimeError:
        self.close()
        self.log.seek(0)
        last = self.log.read().decode(errors="replace").strip().splitlines()[-5:]
        return RuntimeError("\n".join([f"the process of {self.name} has ended, with exit status {self.process.returncode}", *last]))

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()            # it has nothing to put in order
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:                # what was still to be said has nobody to hear it
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
        self.log.close()


def serve(name: str, cores: int) -> None:
    """The other process: import the framework, then answer until nothing more comes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)                          # what a framework prints is no answer
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])          # before the framework counts them

    def answer(question):
        try:
            found = None, question(), ""
        except Exception as error:
            found = type(error).__name__, str(error), traceback.format_exc(limit=-3)
        pickle.dump(found, answers)
        answers.flush()
        return found

    def load():
        began = time.perf_counter()
        load.framework = importlib.import_module(f"unrolled.frameworks.{name}")
        return time.perf_counter() - began

    if answer(load)[0] is None:
        while True:
            try:
                task, args, named = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            answer(lambda: task(load.framework, *args, **named))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
