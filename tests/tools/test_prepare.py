"""The steps before anything is installed: each stops with a sentence, and goes on where it stopped."""
import ast
import collections
import importlib.util
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tools" / "prepare.py"
posix = pytest.mark.skipif(sys.platform == "win32", reason="a script needs an extension there to be a program")
needs_make = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="make is missing")
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# The smallest package that pip can install with no index in reach.
BACKEND = '''
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "nothing-1.0-py3-none-any.whl", "nothing-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: nothing\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with an empty lock and a package of nothing, far from any registry."""
    for name, text in (("requirements.lock", ""), ("pyproject.toml", PROJECT), ("backend.py", BACKEND)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/mxnet.lock").write_text("", encoding="utf-8")
    shutil.copyfile(SOURCE, tmp_path / "tools/prepare.py")
    for name in [name for name in os.environ if name.startswith("PIP_")] + ["UNROLLED_VENV", "CHROMIUM"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in (("CONFIG_FILE", os.devnull), ("INDEX_URL", "http://127.0.0.1:9/"), ("RETRIES", "0")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


@pytest.fixture
def prepare(root, monkeypatch):
    """The copy's prepare.py as a module, on a disk with room."""
    spec = importlib.util.spec_from_file_location("prepare", root / "tools/prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk(10.0))
    return module


def disk(free_gb):
    return collections.namedtuple("usage", "total used free")(0, 0, int(free_gb * 1e9))


def stops(capfd, step, *arguments, status=1) -> str:
    """The sentence with which a step stops."""
    with pytest.raises(SystemExit) as stopped:
        step(*arguments)
    assert stopped.value.code == status
    return capfd.readouterr().err.rstrip().splitlines()[-1]


class Calls:
    """In place of ``subprocess.call``: notes the commands; those with ``failing`` in them fail."""

    def __init__(self, monkeypatch, failing=None):
        self.commands, self.failing = [], failing
        monkeypatch.setattr(subprocess, "call", self)

    def __call__(self, command, **options):
        self.commands.append(command[1:])
        return int(self.failing in command)


def pretend_venv(prepare, venv=None):
    python = Path(prepare.python_of(venv or prepare.VENV))
    python.parent.mkdir(parents=True)
    python.write_text("", encoding="utf-8")


# What stops it

@pytest.mark.parametrize("version", [(3, 7), (3, 10)])
def test_an_old_python_is_told_so(version, prepare, capfd):
    assert stops(capfd, prepare.check_python, version) == (
        f"This book needs Python 3.11 or later, and found only {version[0]}.{version[1]}: install a newer one, or name "
        f"it, as in `make book PYTHON=/path/to/python3.12`.")


def test_a_new_python_goes_on(prepare):
    assert prepare.check_python() is prepare.check_python((3, 11)) is prepare.check_python((4, 0)) is None


def test_an_old_python_can_read_the_file_to_say_so():
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_environments_is_told_where_to_find_them(module, prepare, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, module, None)              # as if it were not installed
    assert stops(capfd, prepare.environment) == (
        f"This Python has no {module} module, which an environment needs: install it "
        f"(on Debian and Ubuntu: apt install python3-venv).")
    assert not Path(prepare.VENV).exists()


def test_a_full_disk_is_found_before_anything_is_written(prepare, monkeypatch, capfd):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk(1.25))
    assert stops(capfd, prepare.environment) == (
        "The environment needs about 6 GB of disk, and only 1.2 GB are free here.")
    assert not Path(prepare.VENV).exists()


def test_an_environment_that_cannot_be_created_is_said(prepare, monkeypatch, capfd):
    calls = Calls(monkeypatch, failing="venv")
    assert stops(capfd, prepare.environment).startswith("The environment could not be created")
    assert len(calls.commands) == 1


@pytest.mark.parametrize("arguments", [[], ["everything"], ["environment", "browser"]])
def test_an_unknown_step_is_answered_with_the_known_ones(arguments, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["prepare.py", *arguments])
    assert stops(capfd, lambda: runpy.run_path(str(SOURCE), run_name="__main__")) == (
        "usage: prepare.py environment | mxnet | triton | browser")


def test_ctrl_c_is_answered_with_how_to_go_on(root, monkeypatch, capfd):
    def interrupted(command, **options):
        raise KeyboardInterrupt
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk(10.0))
    monkeypatch.setattr(subprocess, "call", interrupted)
    monkeypatch.setattr(sys, "argv", ["prepare.py", "environment"])
    assert stops(capfd, lambda: runpy.run_path(str(root / "tools/prepare.py"), run_name="__main__")) == (
        "Stopped. The same command goes on where it stopped.")


# Going on

def test_half_an_environment_is_made_anew_and_a_lost_registry_is_no_end(prepare, root, monkeypatch, capfd):
    lock, stamp, half = root / "requirements.lock", root / ".venv/unrolled-installed", root / ".venv/half"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    half.write_text("", encoding="utf-8")
    lock.write_text("a-package-of-nowhere==1.0\n", encoding="utf-8")

    assert stops(capfd, prepare.environment).startswith(
        "The packages could not be installed: see the message above. If the package registry is out of reach, try again")
    assert not half.exists() and not stamp.exists()

    lock.write_text("", encoding="utf-8")                       # as if the registry were back
    prepare.environment()
    said = capfd.readouterr().out
    assert "installing the packages" in said and "creating" not in said and stamp.is_file()
    installed = subprocess.run([prepare.python_of(prepare.VENV), "-m", "pip", "list"], capture_output=True, text=True)
    assert re.search(r"^nothing +1\.0", installed.stdout, re.M)

    calls = Calls(monkeypatch)
    prepare.environment()
    assert calls.commands == [] and capfd.readouterr().out == ""


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_is_installed_into_the_same_environment(changed, prepare, root, monkeypatch):
    calls = Calls(monkeypatch)
    pretend_venv(prepare)
    prepare.environment()
    first = list(calls.commands)
    assert [command[:3] for command in first] == [["-m", "pip", "--version"], *[["-m", "pip", "install"]] * 2]
    prepare.environment()
    assert calls.commands == first
    (root / changed).write_text("# changed\n", encoding="utf-8")
    prepare.environment()
    assert calls.commands == first * 2


def test_a_failed_change_is_not_taken_for_the_old_environment(prepare, root, monkeypatch, capfd):
    calls, lock = Calls(monkeypatch), root / "requirements.lock"
    pretend_venv(prepare)
    prepare.environment()
    lock.write_text("# changed\n", encoding="utf-8")
    calls.failing = "--editable"                                # the packages of the new lock are in
    stops(capfd, prepare.environment)
    lock.write_text("", encoding="utf-8")                       # and the change is taken back
    calls.commands, calls.failing = [], None
    prepare.environment()
    assert ["-r", "requirements.lock"] in [command[-2:] for command in calls.commands]


def test_half_a_stamp_is_none(prepare, root, monkeypatch):
    calls = Calls(monkeypatch)
    pretend_venv(prepare)
    prepare.environment()
    stamp = root / ".venv/unrolled-installed"
    whole = stamp.read_text(encoding="utf-8")
    stamp.write_text(whole[:20], encoding="utf-8")
    calls.commands = []
    prepare.environment()
    assert len(calls.commands) == 3 and stamp.read_text(encoding="utf-8") == whole


# MXNet's environment

@pytest.fixture
def fitting(prepare, monkeypatch):
    """A machine that MXNet was built for, whatever this one is; it can be changed."""
    def machine(system, processor, version=(3, 11)):
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: processor)
        monkeypatch.setattr(sys, "version_info", version)

    machine("Linux", "x86_64")
    return machine


def test_mxnet_has_its_own_environment_and_a_kernel(fitting, prepare, root, monkeypatch):
    calls, kernel = Calls(monkeypatch), root / "_build/share/jupyter/kernels/unrolled-mxnet/kernel.json"
    pretend_venv(prepare, prepare.MXNET_VENV)
    prepare.mxnet()
    assert [command[-1] for command in calls.commands] == ["--version", "tools/mxnet.lock", ".", "Python 3 (MXNet)"]
    assert calls.commands[-1][1:5] == ["ipykernel", "install", "--prefix", str(root / "_build")]
    assert Path(prepare.MXNET_VENV).name == ".venv-mxnet" and not Path(prepare.VENV).exists()

    kernel.parent.mkdir(parents=True)
    kernel.write_text(f'{{"argv": ["{prepare.python_of(prepare.MXNET_VENV)}"]}}', encoding="utf-8")
    calls.commands = []
    prepare.mxnet()
    assert calls.commands == []
    kernel.unlink()                                             # make clean
    prepare.mxnet()
    assert [command[1] for command in calls.commands] == ["ipykernel"]


def test_a_kernel_that_jupyter_does_not_take_is_said(fitting, prepare, monkeypatch, capfd):
    Calls(monkeypatch, failing="ipykernel")
    pretend_venv(prepare, prepare.MXNET_VENV)
    assert stops(capfd, prepare.mxnet) == "MXNet's kernel could not be made known to Jupyter: see the message above."


@pytest.mark.parametrize("system, processor", [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "riscv64")])
def test_a_machine_that_mxnet_was_not_built_for_is_told_so(system, processor, fitting, prepare, monkeypatch, capfd):
    calls = Calls(monkeypatch)
    fitting(system, processor)
    assert stops(capfd, prepare.mxnet, status=3) == (
        "MXNet is retired, and its last version was built for Linux and for Macs with an Intel processor: there is none for "
        f"this machine ({system}, {processor.lower()}).")
    assert calls.commands == []


@posix
def test_a_python_too_new_for_mxnet_looks_for_an_older_one(fitting, prepare, root, monkeypatch, capfd):
    fitting("Linux", "x86_64", (3, 13))
    monkeypatch.setenv("PATH", str(root / "bin"))
    script(root / "bin/python3.12", "exit 127")                 # a shim of a version that is not installed
    assert stops(capfd, prepare.mxnet, status=3) == (
        "MXNet is retired, and its last version needs Python 3.11 or 3.12: found only 3.13.")
    script(root / "bin/python3.11")
    assert prepare.find_mxnet_python() == "python3.11"


def test_triton_has_a_folder_of_its_own(fitting, prepare, root, monkeypatch):
    calls = Calls(monkeypatch)
    fitting("Linux", "x86_64")
    (root / "tools/triton.lock").write_text("", encoding="utf-8")
    (root / ".venv-triton").mkdir()                             # as another lock left it, or half made
    (root / ".venv-triton/old").touch()
    monkeypatch.setattr(subprocess, "call", lambda command, **options: calls.commands.append(command) or os.mkdir(prepare.TRITON) or 0)
    prepare.triton()
    assert [command[-4:] for command in calls.commands] == [["--target", prepare.TRITON, "-r", "tools/triton.lock"]]
    assert [path.name for path in (root / ".venv-triton").iterdir()] == ["unrolled-installed"]
    prepare.triton()
    assert len(calls.commands) == 1


def test_triton_is_for_linux(fitting, prepare, root, monkeypatch, capfd):
    fitting("Darwin", "arm64")
    assert stops(capfd, prepare.triton, status=3) == (
        "Triton is made for Linux, and this is Darwin: the GPU kernel's tests are left out.")
    assert not Path(prepare.TRITON).exists()


# A browser

@pytest.fixture
def alone(prepare, root, monkeypatch):
    """No browser, no apt-get: the folder that is all of the PATH, and an empty one for Playwright's browsers."""
    (root / "bin").mkdir()
    monkeypatch.setenv("PATH", str(root / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(root / "browsers"))
    return root / "bin"


def script(path: Path, body: str = "exit 0") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@posix
def test_a_named_browser_comes_first_and_one_on_the_path_next(alone, prepare, root, monkeypatch):
    other, chrome = script(alone / "google-chrome"), script(root / "my own chrome")
    assert prepare.find_browser() == other
    chromium = script(alone / "chromium")
    assert prepare.find_browser() == chromium
    monkeypatch.setenv("CHROMIUM", chrome)
    assert prepare.find_browser() == chrome
    monkeypatch.setenv("CHROMIUM", str(root / "nowhere"))
    assert prepare.find_browser() == chromium


def test_playwrights_own_browser_is_found_where_it_is_installed(alone, prepare):
    from playwright.sync_api import sync_playwright
    assert prepare.find_browser() is None
    with sync_playwright() as p:
        path = Path(p.chromium.executable_path)
    script(path)
    assert prepare.find_browser() == str(path)


def test_without_playwright_there_is_none(alone, prepare, monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    assert prepare.find_browser() is None


def test_no_browser_at_all_is_said(alone, prepare, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    calls = Calls(monkeypatch, failing="playwright")
    assert stops(capfd, prepare.browser) == (
        "No Chromium was found and none could be installed: the tests look at the pages in a real browser. "
        "Install one, or name it in the variable CHROMIUM.")
    assert calls.commands == [["-m", "playwright", "install", "chromium"]]


@posix
@pytest.mark.parametrize("user", [0, 1000])
def test_debians_browser_is_installed_where_there_is_apt(user, alone, prepare, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    script(alone / "sudo", 'echo "sudo $1"; shift; exec "$@"')
    script(alone / "apt-get", f'echo "apt-get $1"\n[ "$1" = update ] || /bin/cp "$0" "{alone}/chromium"')
    prepare.browser()
    said = capfd.readouterr()
    assert said.out == f"{alone / 'chromium'}\n"                # make reads this line
    assert said.err.count("apt-get update") == said.err.count("apt-get install") == 1
    assert said.err.count("sudo -n") == (2 if user else 0)


@posix
@pytest.mark.parametrize("sudo", [None, "echo a password is required; exit 1"])
def test_playwright_is_asked_where_apt_may_not_be_used(sudo, alone, prepare, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "executable", script(alone / "python", f'echo "$@"; /bin/cp "$0" "{alone}/chromium"'))
    script(alone / "apt-get", "echo apt-get; exit 1")
    if sudo:
        script(alone / "sudo", sudo)
    prepare.browser()
    said = capfd.readouterr()
    assert said.out == f"{alone / 'chromium'}\n"
    assert "-m playwright install chromium" in said.err and "apt-get\n" not in said.err


# make

def make(folder: Path, target: str) -> subprocess.CompletedProcess:
    """``make`` in a folder that holds nothing but the Makefile, and not as a part of a make around it."""
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", "-C", str(folder), target], env=env, capture_output=True, text=True)


@needs_make
def test_make_help_lists_every_documented_target(tmp_path):
    documented = re.findall(r"^([a-z-]+):.*?## +(.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    done = make(tmp_path, "help")
    listed = re.findall(r"^  make ([a-z-]+) +(.*)", done.stdout, re.M)
    assert done.returncode == 0 and listed == documented
    assert {"help", "book", "test", "serve", "clean"} <= {name for name, _ in listed}


@needs_make
def test_make_serve_without_a_book_says_what_to_do_first(tmp_path):
    done = make(tmp_path, "serve")
    assert done.returncode == 2 and "There is no built book yet: run make book first." in done.stderr.splitlines()


@needs_make
@pytest.mark.parametrize("status, goes_on", [(0, True), (3, True), (1, False)])
def test_the_tests_go_on_where_mxnet_cannot_be_had_and_only_there(status, goes_on, tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/prepare.py").write_text(f"import sys; sys.exit(' '.join(sys.argv[1:]) != 'mxnet' or {status})", encoding="utf-8")
    assert (make(tmp_path, "mxnet-if-any").returncode == 0) is goes_on
    assert (make(tmp_path, "frameworks").returncode == 0) is (status == 0)
