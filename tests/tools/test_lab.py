"""`make lab`, as it is typed: a real server on a free port, with the notebooks, and a kernel that has the package."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import nbformat
import pytest
import websocket

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="make is missing")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def command(port: int) -> list[str]:
    """What is typed, but with the environment taken as it is."""
    return ["make", "--assume-old=environment", f"BIN={Path(sys.executable).parent}", "lab", f"PORT={port}"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A home without settings, in which no browser opens."""
    home = tmp_path_factory.mktemp("home")
    told = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "JUPYTER_TOKEN")
    kept = {name: value for name, value in os.environ.items() if name not in told}
    folders = {name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR",
                                                           "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    return kept | folders | {"BROWSER": "true", "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A checkout's Makefile and two notebooks."""
    folder = tmp_path_factory.mktemp("a book")
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    (folder / "_build/notebooks/solved").mkdir(parents=True)
    for name in ("index", "solved/index"):
        nbformat.write(nbformat.v4.new_notebook(), folder / f"_build/notebooks/{name}.ipynb")
    (folder / "my-notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(metadata={"mine": True}), folder / "my-notebooks/index.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(book, environment, tmp_path_factory):
    """(address, token), as the server says them."""
    log = tmp_path_factory.mktemp("log") / "log"
    port = free_port()
    with log.open("w") as file:
        server = subprocess.Popen(command(port), cwd=book, env=environment, stdout=file, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while not (said := re.search(r"(http://127\.0\.0\.1:\d+)(/lab\S*)\?token=(\w+)", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        assert said[1] == f"http://127.0.0.1:{port}" and said[2] == "/lab/tree/index.ipynb"
        yield said[1], said[3]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(30)


def ask(lab, path, **options):
    """An answer of the server, as what its JSON holds."""
    address, token = lab
    request = urllib.request.Request(f"{address}/{path}", headers={"Authorization": f"token {token}"}, **options)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_it_lists_the_notebooks(lab):
    assert {entry["path"] for entry in ask(lab, "api/contents")["content"]} == {"index.ipynb", "solved"}
    assert ask(lab, "api/contents/solved/index.ipynb")["content"]["nbformat"] == 4


def test_what_the_reader_changed_stays(lab):
    assert ask(lab, "api/contents/index.ipynb")["content"]["metadata"].get("mine")


def test_it_asks_for_the_token_but_says_that_it_lives(lab):
    """The container's health check asks the second."""
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{lab[0]}/api/contents", timeout=60)
    with urllib.request.urlopen(f"{lab[0]}/api", timeout=60) as answer:
        assert answer.status == 200


def test_a_kernel_has_the_package_and_its_progress_bars(lab):
    address, token = lab
    kernel = ask(lab, "api/kernels", data=b"{}", method="POST")["id"]
    code = "import os, unrolled\nprint(unrolled.__file__, os.environ.get('UNROLLED_PROGRESS'))"
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": uuid.uuid4().hex,
              "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell",
               "content": {"code": code, "silent": False}}
    channels = f"{address.replace('http', 'ws')}/api/kernels/{kernel}/channels?token={token}"
    with contextlib.closing(websocket.create_connection(channels, timeout=90)) as channel:
        channel.send(json.dumps(message))
        said = {}
        while said.get("status") != "error" and not {"status", "text"} <= said.keys():      # the reply may come before the words
            answer = json.loads(channel.recv())
            if answer["parent_header"].get("msg_id") == header["msg_id"] and answer["msg_type"] in ("stream", "execute_reply"):
                said |= answer["content"]
    assert said["status"] == "ok", said
    assert said["text"].split() == [str(ROOT / "src/unrolled/__init__.py"), "None"]


def test_a_port_that_is_taken_is_said(book, environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(command(port), cwd=book, env=environment, capture_output=True, text=True, timeout=90,
                              stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and f"port {port} is not available" in done.stdout + done.stderr


def test_missing_notebooks_are_built_first(tmp_path, environment):
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    done = subprocess.run([*command(free_port()), "--dry-run"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.index("custom-builder notebooks") < done.stdout.index("-m jupyterlab")
