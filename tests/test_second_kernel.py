"""Cells that run in another kernel: real kernels, and this Python standing for the other one."""
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from unrolled import second_kernel

BEGIN = "from unrolled.second_kernel import hand_over\nimport os, sys\nhere = os.getpid()\nkernel = hand_over(sys.executable)"
WHO = "import os\nprint(os.getpid(), 'here' in globals(), os.getcwd())"


@pytest.fixture
def run(tmp_path):
    """run(*sources): a notebook of these cells, executed; ``during``, a coroutine, is given the client once the last begins."""
    def call(*sources, during=None, allow_errors=False):
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        begun = []

        async def execute():
            client = NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=allow_errors,
                                    resources={"metadata": {"path": str(tmp_path)}},
                                    on_cell_execute=lambda cell, cell_index: begun.append(cell_index))
            watching = asyncio.ensure_future(watch(client)) if during else None
            try:
                await client.async_execute()
            finally:
                if watching:
                    await watching

        async def watch(client):
            while len(begun) < len(sources):
                await asyncio.sleep(0.05)
            await during(client)

        asyncio.run(execute())
        return [cell.outputs for cell in notebook.cells]
    return call


def text(outputs, name="stdout"):
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == name)


def alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"                    # a zombie has ended: nobody has asked for its end yet


def ends(process, seconds=10):
    until = time.monotonic() + seconds
    while alive(process) and time.monotonic() < until:
        time.sleep(0.1)
    return not alive(process)


def test_what_a_cell_puts_out_is_shown_here(run, tmp_path):
    first, who, shown, result, both, silent = run(
        BEGIN + "\nprint(here)", WHO,
        "from IPython.display import HTML, clear_output, display\nprint('gone')\nclear_output()\nprint('out')\n"
        "print('err', file=sys.stderr) if 'sys' in globals() else __import__('sys').stderr.write('err')\n"
        "live = display(HTML('<b>1</b>'), display_id=True)\nlive.update(HTML('<b>2</b>'))",
        "{'a': 1}", "print('printed')\n_['a'] + 1", "_;\n\n")
    process, has_here, folder = text(who).split()
    assert process != text(first).strip() and has_here == "False" and Path(folder) == tmp_path
    assert text(shown) == "out\n" and text(shown, "stderr") == "err"
    display, = (output for output in shown if output.output_type == "display_data")
    assert display.data["text/html"] == "<b>2</b>"
    assert [(output.output_type, output.data["text/plain"], output.execution_count) for output in result] == [
        ("execute_result", "{'a': 1}", 4)]
    assert text(both) == "printed\n" and both[-1].data["text/plain"] == "2"
    assert silent == []


def test_magics_commands_and_questions_work_there(run):
    _, magic, cell_magic, shell, empty, changed, where = run(
        BEGIN, "%env UNROLLED_PROGRESS=here", "%%capture kept\nprint('caught')", "!echo $UNROLLED_PROGRESS", "\n  \n",
        "kept.stdout\n%cd -q ..", "import os\nprint(os.environ['UNROLLED_PROGRESS'])")
    assert text(magic) == "env: UNROLLED_PROGRESS=here\n" and cell_magic == [] and text(shell).strip() == "here" and empty == []
    assert changed == [] and text(where) == "here\n"


def test_a_picture_arrives(run):
    _, picture = run(BEGIN, "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([0, 1]);")
    display, = (output for output in picture if output.output_type == "display_data")
    assert display.data["image/png"].startswith("iVBOR")


def test_an_error_is_the_cells_and_stops_the_notebook(run):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError.*: division by zero") as raised:
        run(BEGIN, "print('before')\n1 / 0", "print('never')")
    said = str(raised.value)
    assert said.count("Traceback (most recent call last)") == 1 and "never" not in said
    assert "second_kernel" not in said and "run_cell_magic" not in said
    _, failed, after = run(BEGIN, "print('before')\n1 / 0", "print('after')", allow_errors=True)
    assert text(failed) == "before\n" and (failed[-1].ename, failed[-1].evalue) == ("ZeroDivisionError", "division by zero")
    assert text(after) == "after\n"


def test_an_interrupt_ends_the_cell_there_and_the_kernel_stays(run, tmp_path):
    async def interrupt(client):
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.05)
        await client.km.interrupt_kernel()

    sleeping = "import time\nopen('begun', 'w').close()\ntry:\n    time.sleep(100)\nfinally:\n    print('put in order')"
    began = time.monotonic()
    *_, ended = run(BEGIN, "kept = 1", sleeping, during=interrupt, allow_errors=True)
    assert time.monotonic() - began < 60
    assert text(ended) == "put in order\n" and ended[-1].ename == "KeyboardInterrupt"


def test_cells_go_on_after_an_interrupt(run, tmp_path):
    wait = "import os, signal, threading, time\nparent = os.getppid()\n"
    hit = "threading.Timer(1, os.kill, (parent, signal.SIGINT)).start()\ntime.sleep(100)"
    _, before, ended, after = run(BEGIN, "kept = 1", wait + hit, "kept + 1", allow_errors=True)
    assert ended[-1].ename == "KeyboardInterrupt" and after[0].data["text/plain"] == "2"


def test_a_kernel_that_has_ended_is_told_and_the_first_cell_begins_anew(run):
    _, ended, again, after = run(BEGIN, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", BEGIN,
                                 "print('in', 'here' in globals())", allow_errors=True)
    assert ended[-1].evalue == "The kernel that ran these cells has ended: run this notebook again from its first cell on."
    assert len(ended[-1].traceback) == 1
    assert again == [] and text(after) == "in False\n"


def test_the_second_ends_with_the_first(run):
    _, who = run(BEGIN, "import os\nprint(os.getpid())")
    assert ends(int(text(who)))


def test_it_ends_too_where_the_first_is_killed(run, tmp_path):
    async def kill(client):
        os.kill(int((tmp_path / "first").read_text()), signal.SIGKILL)

    with pytest.raises(DeadKernelError):
        run(BEGIN + "\nopen('first', 'w').write(str(here))", "import os\nopen('second', 'w').write(str(os.getpid()))",
            "import time\ntime.sleep(100)", during=kill)
    assert ends(int((tmp_path / "second").read_text()))


def test_a_python_that_has_no_kernel_is_told_in_one_line(run, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho Traceback >&2\necho 'No module named ipykernel_launcher' >&2\nexit 1\n")
    python.chmod(0o755)
    failed, = run(f"from unrolled.second_kernel import hand_over\nhand_over({str(python)!r})", allow_errors=True)
    assert failed[-1].evalue == f"The kernel of {python} does not start: No module named ipykernel_launcher"
    failed, = run("from unrolled.second_kernel import hand_over\nhand_over('/nowhere/python')", allow_errors=True)
    assert failed[-1].evalue.startswith("The kernel of /nowhere/python does not start: ") and len(failed[-1].traceback) == 1


def test_what_colab_sets_for_its_own_kernel_does_not_reach_it(run, tmp_path, monkeypatch):
    """Colab's configuration, as it lies in /etc/ipython: a kernel, extensions and lines of its own, and a place to draw."""
    profile = tmp_path / "ipython/profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text("""\
import os
c = get_config()
if "SECOND" in os.environ:                # the first kernel has these
    c.IPKernelApp.kernel_class = "nowhere.colab.Kernel"
    c.InteractiveShellApp.extensions = ["nowhere"]
    c.InteractiveShellApp.exec_lines = ["from nowhere import colab", "print('read')"]
""")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    _, there = run(f"import os\nos.environ['SECOND'] = 'yes'\nos.environ['MPLBACKEND'] = 'module://nowhere'\n{BEGIN}",
                   "import matplotlib.pyplot as plt\nplt.figure()\nprint('well')")
    assert text(there) == "well\n" and text(there, "stderr") == ""


def test_what_is_no_cell_stays():
    assert second_kernel.to_the_other(["\n", " \n"]) == ["\n", " \n"]
    assert second_kernel.to_the_other(["%%time\n", "x\n"]) == [f"%%{second_kernel.MAGIC}\n", "%%time\n", "x\n"]
