"""A notebook's cells in the kernel of another Python: for packages that cannot stand beside what this kernel has.

    hand_over("/path/to/python")       every later cell runs there; what it puts out is shown here

The other kernel ends with this one, however that ends.
"""
import atexit
import os
import signal
import sys
import tempfile
import threading

import zmq
from IPython import get_ipython
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

MAGIC = "second_kernel"
# What the machine's configuration sets for its own Python, as Colab's does, the other Python need not have.
PLAIN = ["--IPKernelApp.kernel_class=ipykernel.ipkernel.IPythonKernel", "--InteractiveShellApp.exec_lines=[]",
         "--InteractiveShellApp.extensions=[]", "--HistoryManager.enabled=False", "--Application.log_level=40"]
FOR_THIS_PYTHON = ("PYTHONPATH", "PYTHONHOME", "MPLBACKEND")
WAIT = 200                             # milliseconds between two looks at whether it lives and whether it is to be interrupted
START = 60                             # seconds


class Shown(RuntimeError):
    """An error that a notebook shows by lines of its own: a sentence, or the traceback of the other kernel."""

    def __init__(self, sentence: str, lines: list[str] | None = None):
        super().__init__(sentence)
        self.lines = lines or [sentence]

    def _render_traceback_(self) -> list[str]:
        return self.lines


class Pythons(KernelSpecManager):
    """Every Python is a kernel, its path the kernel's name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [kernel_name, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}", *PLAIN]
        return KernelSpec(argv=argv, language="python", display_name=kernel_name)


class SecondKernel:
    """A kernel of another Python, in this one's folder.

    Raises:
        Shown: it does not start.
    """

    def __init__(self, python: str):
        self.log, self.client = tempfile.TemporaryFile(), None
        self.manager = KernelManager(kernel_name=str(python), kernel_spec_manager=Pythons())
        env = {name: value for name, value in os.environ.items() if name not in FOR_THIS_PYTHON}
        atexit.register(self.end)
        try:
            self.manager.start_kernel(env=env, stdout=self.log, stderr=self.log)     # it looks whether this process still lives
            self.client = self.manager.client()
            self.client.start_channels(stdin=False, hb=False, control=False)
            self.client.wait_for_ready(timeout=START)
        except (OSError, RuntimeError) as error:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").strip().splitlines()[-1:] or [error]
            self.end()
            raise Shown(f"The kernel of {python} does not start: {said[0]}") from None
        # Read here, and not through a loop: a message that an interrupt tears from its reader would be lost.
        self.iopub, self.shell = (zmq.Socket.shadow(int(channel.socket.underlying))
                                  for channel in (self.client.iopub_channel, self.client.shell_channel))

    def is_alive(self) -> bool:
        return bool(self.manager.has_kernel and self.manager.is_alive())

    def end(self) -> None:
        """End it; ended it stays ended."""
        atexit.unregister(self.end)
        if self.client:
            self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)

    def run(self, source: str):
        """Execute a cell there, and show here what it puts out.

        Returns:
            The cell's result, to be shown like it; ``None`` where there is none.

        Raises:
            Shown: the error there, under its own name, or that the kernel has ended.
        """
        asked, result, error = self.client.execute(source, allow_stdin=False), None, None
        with interrupts() as interrupted:
            for kind, content in self.answers(self.iopub, asked, interrupted):
                if kind == "status" and content["execution_state"] == "idle":
                    break
                if kind == "error":
                    error = content
                elif kind == "execute_result":
                    if result:                                   # there may be several
                        show("display_data", vars(result))
                    result = Result(content)
                else:
                    show(kind, content)
            reply = next(content for kind, content in self.answers(self.shell, asked, interrupted) if kind == "execute_reply")
        for page in reply.get("payload", []):                    # what a question mark opens
            get_ipython().payload_manager.write_payload(page)
        if error:
            raise type(error["ename"], (Shown,), {})(error["evalue"], error["traceback"])
        return result

    def answers(self, socket, asked: str, interrupted: list):
        """(type, content) of what comes in answer to one request."""
        while True:
            if interrupted:
                interrupted.clear()
                self.manager.interrupt_kernel()
            if socket.poll(WAIT):
                message = self.client.session.recv(socket, mode=0)[1]
                if message["parent_header"].get("msg_id") == asked:
                    yield message["header"]["msg_type"], message["content"]
            elif not self.is_alive():
                stop()
                self.end()
                raise Shown("The kernel that ran these cells has ended: run this notebook again from its first cell on.")


class interrupts:
    """Within it an interrupt is noted in a list, and tears nothing."""

    def __enter__(self) -> list:
        noted: list = []
        self.before = None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, lambda *_: noted.append(True))
        return noted

    def __exit__(self, *exception) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


class Result:
    """A cell's result as it was shown there."""

    def __init__(self, content: dict):
        self.data, self.metadata = content["data"], content["metadata"]

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        return self.data, self.metadata


def show(kind: str, content: dict) -> None:
    """Put out here what was put out there."""
    publisher = get_ipython().display_pub
    if kind == "stream":
        (sys.stdout if content["name"] == "stdout" else sys.stderr).write(content["text"])
    elif kind in ("display_data", "update_display_data"):
        publisher.publish(content["data"], content["metadata"], transient=content.get("transient"), update=kind != "display_data")
    elif kind == "clear_output":
        publisher.clear_output(content["wait"])


def to_the_other(lines: list[str]) -> list[str]:
    """A cell as the magic that hands it over; nothing stays nothing."""
    return [f"%%{MAGIC}\n", *lines] if any(map(str.strip, lines)) else lines


def hand_over(python: str) -> SecondKernel:
    """From the next cell on, this notebook's cells run in a kernel of that Python.

    Raises:
        Shown: it does not start.
    """
    kernel, shell = SecondKernel(python), get_ipython()
    stop()
    shell.register_magic_function(lambda line, cell: kernel.run(cell), "cell", MAGIC)
    shell.input_transformers_cleanup.append(to_the_other)
    return kernel


def stop() -> None:
    """From the next cell on, this notebook's cells run here again."""
    transformers = get_ipython().input_transformers_cleanup
    transformers[:] = [one for one in transformers if one is not to_the_other]
