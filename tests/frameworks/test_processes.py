"""A framework in a process of its own: its answers, its errors, and its end.

Where the process is what is tested, a room that needs nothing but NumPy stands for a framework: it is there at once.
"""
import importlib.util
import io
import os
import pickle
import signal
import sys
import threading

import numpy as np
import over_there
import pytest

from unrolled.frameworks import arrays, processes
from unrolled.frameworks.processes import NAMES, FrameworkProcess, is_available

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and exit statuses are other ones there")


@pytest.fixture
def quick(path_over_there, monkeypatch):
    """A framework that is none."""
    monkeypatch.setattr(processes, "NAMES", (*NAMES, "arrays"))
    return "arrays"


def pipes():
    """The pipes that this process holds."""
    links = (os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    return {os.readlink(link) for link in links if os.path.islink(link) and os.readlink(link).startswith("pipe:")}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No pipe, and no child that nobody waited for."""
    before = pipes() if sys.platform == "linux" else set()
    yield
    if sys.platform == "linux":
        assert pipes() <= before
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            states = [open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[0] for child in children.read().split()]
        assert "Z" not in states


# Answers

def test_what_goes_there_and_back_is_the_same(quick):
    weights = arrays.draw(5, 4, dtype="float64")
    with FrameworkProcess(quick) as process:
        assert process.import_seconds > 0
        back = process.call(over_there.give, weights)
        for name, value in weights.items():
            np.testing.assert_array_equal(back[name], value, strict=True)
        assert process.call(over_there.give, value=(1, [None, "ü"])) == (1, [None, "ü"])
        large = np.arange(3_000_000)                          # more than any pipe holds
        np.testing.assert_array_equal(process.call(over_there.give, large), large)
        assert process.call(over_there.evaluate, "framework.__name__") == "unrolled.frameworks.arrays"
        assert process.call(over_there.evaluate, "os.getpid()") == process.process.pid != os.getpid()


def test_what_is_printed_is_no_answer_and_what_is_read_no_question(quick, capfd):
    with FrameworkProcess(quick) as process:
        assert process.call(over_there.print_everywhere) == 7
        assert process.call(over_there.read_input) == ""
        assert process.call(over_there.give, 8) == 8
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot hold a process to cores")
def test_cores_are_kept_to(quick):
    for cores, expected in ((1, sorted(os.sched_getaffinity(0))[:1]), (0, sorted(os.sched_getaffinity(0)))):
        with FrameworkProcess(quick, cores) as process:
            assert process.call(over_there.evaluate, "sorted(os.sched_getaffinity(0))") == expected
    with pytest.raises(ValueError, match="cores is a number of cores, or 0 for all, not -1"):
        FrameworkProcess(quick, -1)


# Errors

@pytest.mark.parametrize("error", [ValueError("no"), TypeError("no"), FileNotFoundError("no"), ModuleNotFoundError("no"),
                                   ZeroDivisionError("no")], ids=lambda error: type(error).__name__)
def test_an_error_arrives_with_its_type_and_the_frameworks_name(quick, error):
    with FrameworkProcess(quick) as process:
        with pytest.raises(type(error)) as raised:
            process.call(over_there.fail, error)
        assert type(raised.value) is type(error) and str(raised.value) == "in arrays: no"
        assert "raise error" in raised.value.__notes__[0]     # where it was
        assert process.call(over_there.give, 8) == 8          # and the process goes on


@pytest.mark.parametrize("name, expected", [("Strange", Exception), ("StrangeValue", ValueError)])
def test_an_error_of_theirs_arrives_as_the_nearest_of_ours(quick, name, expected):
    with FrameworkProcess(quick) as process, pytest.raises(expected) as raised:
        process.call(over_there.fail_strangely, name)
    assert type(raised.value) is expected and str(raised.value) == "in arrays: as it happens"


def test_an_error_that_wants_more_than_a_sentence(quick):
    with FrameworkProcess(quick) as process, pytest.raises(RuntimeError, match="^in arrays: .*: no text"):
        process.call(over_there.fail, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"))


def test_what_cannot_be_sent_is_said_and_the_process_goes_on(quick, monkeypatch):
    with FrameworkProcess(quick) as process:
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            process.call(lambda framework: 7)                 # not sent at all
        with pytest.raises(TypeError, match="in arrays: cannot pickle 'module' object"):
            process.call(over_there.evaluate, "os")           # not sent back
        monkeypatch.setitem(sys.modules, "only_here", over_there)
        monkeypatch.setattr(over_there.give, "__module__", "only_here")
        with pytest.raises(ModuleNotFoundError, match="in arrays: No module named 'only_here'"):
            process.call(over_there.give, 8)
        assert process.call(over_there.evaluate, "8") == 8


# What is not there

def test_an_unknown_name():
    for ask in (FrameworkProcess, is_available, processes.python_of):
        with pytest.raises(ValueError, match="^a framework is one of torch, jax, tensorflow, mxnet, not 'theano'$"):
            ask("theano")


MXNET = "MXNet has an environment of its own, and it is not here: make frameworks makes it"


@pytest.fixture
def no_mxnet(monkeypatch, tmp_path):
    """Nowhere to look for a kernel but in a folder, which is empty."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mxnet" else find_spec(name, *rest))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    return tmp_path


def test_without_the_kernel_of_mxnet(no_mxnet):
    assert not is_available("mxnet")
    with pytest.raises(ModuleNotFoundError, match=f"^{MXNET}$"):
        FrameworkProcess("mxnet")


def test_a_kernel_whose_environment_is_gone(no_mxnet):
    folder = no_mxnet / "kernels" / processes.MXNET_KERNEL
    folder.mkdir(parents=True)
    kernel = '{"argv": ["%s", "-m", "ipykernel_launcher"], "display_name": "MXNet", "language": "python"}'
    (folder / "kernel.json").write_text(kernel % (no_mxnet / "bin" / "python").as_posix())
    assert not is_available("mxnet")
    with pytest.raises(ModuleNotFoundError, match=f"^{MXNET}$"):
        FrameworkProcess("mxnet")
    (folder / "kernel.json").write_text(kernel % sys.executable.replace("\\", "/"))       # else something else was wrong
    assert is_available("mxnet") and os.path.samefile(processes.python_of("mxnet"), sys.executable)


def test_without_jupyter_there_is_no_kernel(no_mxnet, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_client.kernelspec", None)
    assert not is_available("mxnet")


def test_a_framework_that_is_not_installed(monkeypatch, tmp_path):
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    with pytest.raises(ModuleNotFoundError, match="^in jax: .* needs JAX, Flax and Optax: pip install .*No module named 'jax'"):
        FrameworkProcess("jax")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "jax" else find_spec(name, *rest))
    assert not is_available("jax") and is_available("torch")


# The end

@posix
@pytest.mark.parametrize("status", [0, 3, -signal.SIGTERM])
def test_a_process_that_dies_says_so_with_its_last_words(quick, status):
    with FrameworkProcess(quick) as process:
        with pytest.raises(RuntimeError) as raised:
            process.call(over_there.die, status, "".join(f"line {k}\n" for k in range(9)))
        said = f"the process of arrays has ended, with exit status {int(status)}\nline 4\nline 5\nline 6\nline 7\nline 8"
        assert str(raised.value) == said
        with pytest.raises(RuntimeError) as again:
            process.call(over_there.give, 8)
        assert str(again.value) == said


@posix
def test_a_process_that_is_killed_while_it_works(quick):
    with FrameworkProcess(quick) as process:
        killer = threading.Timer(0.3, process.process.kill)
        killer.start()
        with pytest.raises(RuntimeError, match="^the process of arrays has ended, with exit status -9$"):
            process.call(over_there.give, 8, after=60)
        killer.join()


@posix
def test_a_process_that_is_killed_before_it_is_asked(quick):
    with FrameworkProcess(quick) as process:
        process.process.kill()
        with pytest.raises(RuntimeError, match="^the process of arrays has ended, with exit status -9$"):
            process.call(over_there.give, np.zeros(3_000_000))


@posix
def test_half_an_answer_is_none(quick):
    with FrameworkProcess(quick) as process:
        process.process.kill()
        process.process.stdout.close()
        process.process.stdout = io.BytesIO(pickle.dumps(b"an answer")[:-5])
        with pytest.raises(RuntimeError, match="^the process of arrays has ended, with exit status -9$"):
            process._answer()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no clock interrupts there")
def test_an_interrupted_call_leaves_no_answer_for_the_next(quick, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with FrameworkProcess(quick) as process:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(KeyboardInterrupt):
                process.call(over_there.give, "the first", after=1.0)
            with pytest.raises(RuntimeError, match="^the process of arrays was closed$"):
                process.call(over_there.give, "the second")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_closed_process_is_not_asked(quick):
    with FrameworkProcess(quick) as process:
        pass
    assert process.process.returncode is not None
    for _ in range(2):
        with pytest.raises(RuntimeError, match="^the process of arrays was closed$"):
            process.call(over_there.give, 8)
    process.close()                                           # a second time does nothing


def test_a_process_that_nobody_closed_ends_with_the_one_that_asked(quick):
    process = FrameworkProcess(quick)
    process.process.stdin.close()                             # as the system does
    assert process.process.wait(30) == 0
    process.close()
