"""Colab without Colab: the notebooks as a reader there gets them, in an old environment and in a new one.

The sources and the branch of the notebooks are served by git on this machine, and git itself takes this server for GitHub
(`url.<server>.insteadOf`), so that no character of a notebook is changed: it is cloned, and its first cell installs the package,
at the addresses that a reader's would use. `make test-colab` exports the notebooks first, and takes two environments at a time; with
RECORD=yes one after the other, and it keeps the times in book/data.
"""
import contextlib
import errno
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import uv

from unrolled import allocator
from unrolled.addresses import PLACEHOLDER, Addresses, read_addresses
from unrolled.frameworks.mxnet_environment import PYTHONS
from unrolled.notebook import WIDGETS
from unrolled.site.notebooks import OLD_TORCH, first_cell
from unrolled.site.pdf import names

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "_build" / "colab"
ADDRESSES = read_addresses(ROOT)
TORCH = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("torch=="))
MACHINE = platform.system(), platform.machine()
TENSORFLOW = "tensorflow-cpu" if MACHINE == ("Linux", "x86_64") else "tensorflow"
MXNET = sys.version_info[:2] in PYTHONS and MACHINE in (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"))
# What Colab's image has held for years, with the oldest of everything else that the package allows. JAX and TensorFlow, which are
# Colab's too, are in the new one alone: this JAX needs NumPy 2. Flax and Optax are left to the first cell.
ENVIRONMENTS = {
    "oldest": f"""{TORCH} numpy==1.26.0 matplotlib==3.8.0 scipy==1.11.4 pandas==2.1.4 statsmodels==0.14.1 safetensors==0.4.3
        tqdm==4.66.0 ipywidgets==7.7.1 ipython==7.34.0 ipykernel==6.17.1 traitlets==5.7.1 jupyter-client==6.1.12 tornado==6.3.3
        nbclient==0.10.2 pip==23.1.2""",
    "newest": f"""{TORCH} numpy matplotlib statsmodels safetensors tqdm ipywidgets>=8 ipython ipykernel nbclient pip
        jax {TENSORFLOW}""",
    "bare": "ipykernel nbclient pip",
}
STAND_IN = '''\
"""A stand-in for Colab's module: it writes down in which notebook's folder it was called. anywidget reads the address."""
from pathlib import Path
from types import SimpleNamespace

_widgets = SimpleNamespace(_installed_url=None)

def enable_custom_widget_manager():
    _widgets._installed_url = "https://widgets.example.org/manager.js"
    with open(Path(__file__).with_name("called"), "a") as file:
        file.write(f"{Path.cwd().name}\\n")
'''
VIEW = "application/vnd.jupyter.widget-view+json"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
# A reader has none of these.
FORGOTTEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONHASHSEED", "COV_CORE_SOURCE", "JUPYTER_PATH")
# Nor this, which changes no number and spares the library's layer a third of its time. What is recorded does without.
QUICKER = {} if os.environ.get("RECORD") else allocator.missing()


def tool(*command, **options) -> str:
    """What a command prints; its complaint where it fails."""
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}"
    return done.stdout


def make(name: str) -> "Environment":
    """An environment with its packages and the stand-in. They come from where pip's would; the second one links to the first's."""
    folder = HOME / name
    shutil.rmtree(folder, ignore_errors=True)
    where = {f"UV_{key}": " ".join(os.environ[f"PIP_{key}"].split()) for key in ("FIND_LINKS", "INDEX_URL", "EXTRA_INDEX_URL")
             if os.environ.get(f"PIP_{key}")}
    env = {**os.environ, **where, "UV_NO_PROGRESS": "1"}
    tool(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, folder, env=env)
    made = Environment(folder, env)
    made.install(*ENVIRONMENTS[name].split())
    stand_in = made.site / "google" / "colab"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text("")
    (stand_in / "output.py").write_text(STAND_IN)
    return made


class Environment:
    def __init__(self, folder: Path, env: dict):
        self.python, self.uv_env = folder / "bin" / "python", env
        self.site = next(folder.glob("lib/python*/site-packages"))
        self.env = {name: value for name, value in os.environ.items() if name not in FORGOTTEN} | QUICKER
        self.env["PATH"] = f"{self.python.parent}{os.pathsep}{self.env['PATH']}"

    def install(self, *packages: str) -> None:
        tool(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", self.python, *packages, env=self.uv_env)

    def packages(self) -> dict[str, str]:
        """As pip lists them, which is what the first cell's pip goes by."""
        told = tool(self.python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check", env=self.env)
        return {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(told[told.index("["):].splitlines()[0])}

    def with_widgets(self) -> set[str]:
        """The notebooks that turned the stand-in's widget manager on."""
        return set((self.site / "google/colab/called").read_text().splitlines())

    def run(self, *arguments, **env) -> subprocess.CompletedProcess:
        return subprocess.run([str(self.python), *map(str, arguments)], env={**self.env, **env}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)

    def first(self, source: str, folder: Path, **env) -> tuple[str, str]:
        """Run a notebook of this one cell: what it put out, and its error."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        folder.mkdir(exist_ok=True)
        nbformat.write(notebook, folder / "first.ipynb")
        self.run(ROOT / "tools/run_notebooks.py", "--folder", folder, "--out", folder / "run", **env)
        outputs = nbformat.read(folder / "run/first/first.ipynb", as_version=4).cells[0].outputs
        failed = [output for output in outputs if output.output_type == "error"]
        said = COLOUR.sub("", "".join(output.get("text", "") for output in outputs))
        if not failed:
            return said, ""
        shown = COLOUR.sub("", "\n".join(failed[0].traceback))
        assert len(shown.splitlines()) < 25, "a traceback that nobody reads"
        return said, f"{failed[0].ename}: {failed[0].evalue}"


# ---- the repository, served ----

def commit(repository: Path, folder: Path, branch: str) -> None:
    """A folder as a branch of one commit."""
    git = ["git", f"--git-dir={repository}", f"--work-tree={folder}", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    tool(*git, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    tool(*git, "read-tree", "--empty")
    tool(*git, "add", "--all", ".", cwd=folder)
    tool(*git, "commit", "--quiet", "--message", "as it is", cwd=folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def instead_of_github(server: str, owner: str = ADDRESSES.owner) -> dict[str, str]:
    """Git's own way to another address, as variables of the environment."""
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{server}.insteadOf",
            "GIT_CONFIG_VALUE_0": f"https://github.com/{owner}/"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The working tree as it is and the notebooks, served; the address of the server."""
    assert (ROOT / "_build/notebooks/index.ipynb").is_file(), "run `make notebooks` first"
    base = tmp_path_factory.mktemp("served")
    repository = base / f"{ADDRESSES.repository}.git"
    tool("git", "init", "--quiet", "--bare", repository)
    commit(repository, ROOT / "_build/notebooks", "notebooks")
    commit(repository, ROOT, ADDRESSES.branch)
    port = free_port()
    daemon = [Path(tool("git", "--exec-path").strip()) / "git-daemon", "--export-all", "--reuseaddr"]
    where = [f"--base-path={base}", "--listen=127.0.0.1", f"--port={port}", base]
    with subprocess.Popen([*map(str, daemon + where)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}/"
        process.terminate()


@pytest.fixture(scope="module")
def github(server):
    return instead_of_github(server)


@pytest.fixture(scope="module")
def cloned(github, tmp_path_factory):
    """The branch of the notebooks, cloned from where a reader's clone would come."""
    folder = tmp_path_factory.mktemp("reader") / "notebooks"
    tool("git", "clone", "--quiet", "--branch", "notebooks", f"{ADDRESSES.home}.git", folder, env={**os.environ, **github})
    return folder


@pytest.fixture(scope="module", params=["oldest", "newest"])
def colab(request):
    return make(request.param), request.param


@pytest.fixture(scope="module")
def bare():
    """A Python with a kernel and without the package or anything that it needs."""
    return make("bare")


# ---- what runs ----

def test_every_notebook_runs_and_leaves_the_environment_as_it_was(colab, github, cloned, tmp_path, capsys):
    """The first notebook installs the package; the others find it. The versions that were there stay.

    MXNet's makes its environment, in a cache that holds none.
    """
    environment, name = colab
    notebooks = [page for page in order(cloned) if runs_in(name, cloned / f"{page}.ipynb")]
    before, out = environment.packages(), HOME / f"{name}-run"
    keep = ["--record", f"colab-{name}", "--command", "make test-colab RECORD=yes"] if os.environ.get("RECORD") else []
    done = environment.run(ROOT / "tools/run_notebooks.py", "--folder", cloned, "--out", out, *notebooks, *keep, **github,
                           UNROLLED_CACHE=str(tmp_path / "cache"))
    with capsys.disabled():
        print(f"\n{done.stdout}", end="", flush=True)
    assert done.returncode == 0, Path(f"{out}.md").read_text()

    after = environment.packages()
    assert {package: after.get(package) for package in before} == before
    assert {"unrolled", "anywidget", *(["flax", "optax"] if name == "newest" else [])} <= after.keys() - before.keys()
    executed = {path.stem: nbformat.read(path, as_version=4) for path in out.glob("*/*.ipynb")}
    assert executed.keys() == set(notebooks) == environment.with_widgets()
    for notebook in executed.values():
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        said = "".join(output.get("text", "") for output in first.outputs)
        framework = asked_for(first)
        version = before.get(framework) or before.get(f"{framework}-cpu", "")
        assert re.search(r"^This notebook computes on the processor, \d+ cores?, with " + (
            r"MXNet, in an environment of its own\.$" if framework == "mxnet" else
            rf"{framework} {re.escape(version)}; for a GPU choose Runtime, Change runtime type\.$"), said, re.M), said
        assert re.search("^Text: ", said, re.M)
    shown = [output for notebook in executed.values() for cell in notebook.cells for output in cell.get("outputs", [])
             if VIEW in output.get("data", {}) and "image/png" in output.data]
    assert len(shown) > 8                                       # the book's own: with their stand-ins, and Colab knows its manager
    assert all("custom_widget_manager" in output.metadata[VIEW]["colab"] for output in shown)


def asked_for(first: nbformat.NotebookNode) -> str:
    """The framework that a notebook's first cell begins with."""
    return re.search(r'begin\((?:"(\w+)")?\)$', first.source)[1] or "torch"


def runs_in(name: str, notebook: Path) -> bool:
    """Whether a notebook can have, in an environment, the framework that it is about."""
    first = next(cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code")
    if asked_for(first) == "mxnet":                           # its environment is the same from both, and takes a minute to make
        return MXNET and name == "oldest"
    return name == "newest" or '"jax"' not in first.source and '"tensorflow"' not in first.source


def order(folder: Path) -> list[str]:
    """The notebooks with code, in the order of the book."""
    pages = [Path(name).name for name in names(ROOT)]
    return [page for page in pages if any(cell.cell_type == "code" for cell in nbformat.read(folder / f"{page}.ipynb", 4).cells)]


# ---- what is said when it does not ----

def test_a_placeholder_for_an_address_is_named(bare, server, tmp_path):
    before = bare.packages()
    cell = first_cell(Addresses(repository="nowhere"))
    said, error = bare.first(cell, tmp_path, **instead_of_github(server, PLACEHOLDER))
    assert error == ("AssertionError: The package could not be installed: the lines above say why. Its address is a placeholder: "
                     f"set the owner in the book's _config.yml (now {PLACEHOLDER}), and export it again.")
    assert "repository not exported" in said and "Traceback" not in said
    assert bare.packages() == before


def test_without_a_network_it_is_asked_for(bare, tmp_path):
    before = bare.packages()
    nowhere = instead_of_github(f"git://127.0.0.1:{free_port()}/", "ada")
    said, error = bare.first(first_cell(Addresses("ada")), tmp_path, **nowhere)
    assert error == ("AssertionError: The package could not be installed: the lines above say why. "
                     f"Is there a network, and torch {OLD_TORCH} or later?")
    assert "unable to connect" in said and "Traceback" not in said
    assert bare.packages() == before


def test_a_torch_that_is_too_old_is_kept_and_named(bare, server, tmp_path):
    """Simulated: pip goes by what a package says of itself."""
    about = bare.site / "torch-2.3.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.3.0\n")
    try:
        before = bare.packages()
        cell = first_cell(Addresses("ada", ADDRESSES.repository, ADDRESSES.branch))
        said, error = bare.first(cell, tmp_path, **instead_of_github(server, "ada"))
        assert error.endswith(f"Is there a network, and torch {OLD_TORCH} or later?")
        assert "ERROR: Cannot install torch==2.3.0 and unrolled" in said and "Traceback" not in said, said
        assert bare.packages() == before
    finally:
        shutil.rmtree(about)


def test_old_widgets_get_a_sentence(colab, github, tmp_path):
    """Someone's other package has put them back after the first cell had brought new ones."""
    environment, _ = colab
    said, error = environment.first(first_cell(ADDRESSES), tmp_path, **github)
    assert "The controls need" not in said and not error
    before = environment.packages()["ipywidgets"]
    environment.install("ipywidgets==7.6.5")
    try:
        said, error = environment.first(first_cell(ADDRESSES), tmp_path, **github)
        assert (f"The controls need ipywidgets {WIDGETS} or later, and these are 7.6.5: run %pip install --upgrade ipywidgets, and "
                "restart the kernel. Everything else works without them.") in said.splitlines()
        assert not error
    finally:
        environment.install(f"ipywidgets=={before}")


UNWRITABLE = os.strerror(errno.EACCES if os.geteuid() else errno.EROFS)


def on_a_read_only_disk(folder: Path, *command) -> list[str]:
    """The command, to be run in a folder that nobody can write to. An administrator is stopped by a mount alone."""
    if os.geteuid():
        folder.chmod(0o555)
        return [*map(str, command)]
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("an administrator without the right to mount can write everywhere")
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, *map(str, (folder, *command))]


@pytest.fixture
def nothing_to_write(colab, github, tmp_path):
    """run(command): on a read-only disk, which is working folder, home and cache in one."""
    environment, folder = colab[0], tmp_path / "disk"
    folder.mkdir()

    def run(*command):
        env = {**environment.env, **github, "HOME": str(folder), "UNROLLED_CACHE": str(folder / "cache"), "MPLBACKEND": "agg"}
        env.pop("UNROLLED_DATA", None)
        done = subprocess.run(on_a_read_only_disk(folder, *command), cwd=folder, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        assert not [*folder.iterdir()] and "Traceback" not in done.stdout, done.stdout[-4000:]
        return done
    yield run
    folder.chmod(0o755)


def test_a_notebook_needs_no_disk(colab, nothing_to_write, cloned):
    done = nothing_to_write(colab[0].python, "-m", "IPython", "--colors=NoColor", cloned / "index.ipynb")
    assert done.returncode == 0 and "This notebook computes on the processor" in done.stdout, done.stdout[-4000:]
    assert f"could not be kept in the cache: {UNWRITABLE}" in done.stdout


def test_what_cannot_be_written_is_said_before_the_training(colab, nothing_to_write):
    done = nothing_to_write(colab[0].python.with_name("unrolled"), "train", "--out", "models/model.safetensors")
    assert done.returncode == 1
    assert re.fullmatch(rf"unrolled: \[Errno \d+\] {UNWRITABLE}: 'models'\n", done.stdout), done.stdout
