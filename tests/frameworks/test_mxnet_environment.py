"""MXNet's environment as a notebook makes it: what is asked of pip, and what is left where that fails.

A real one is made in test_colab.
"""
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled.frameworks import mxnet_environment

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(mxnet_environment.unrolled.__file__).resolve().parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(monkeypatch):
    """As if pip ended with this status and these words; the commands it was called with."""
    called = []

    def ends_with(status, said="", before=lambda: None):
        def run(command, **options):
            called.append(list(map(str, command)))
            before()
            return subprocess.CompletedProcess(command, status, "", said)
        monkeypatch.setattr(subprocess, "run", run)
        return called
    return ends_with


def test_it_is_made_once_by_this_pip_in_its_place_and_with_this_package(pip, cache, capsys):
    called = pip(0)
    python = Path(mxnet_environment.make())
    assert python.is_file() and [*cache.iterdir()] == [mxnet_environment.folder()] == [*python.parents][1:2]
    (command,) = called
    assert command[:4] == [sys.executable, "-m", "pip", "--python"] and ".partial" in command[4]
    assert "--only-binary=:all:" in command and tuple(command[-6:]) == mxnet_environment.REQUIREMENTS
    assert capsys.readouterr().out.count("\n") == 1
    where = "import unrolled.frameworks, sys; print(unrolled.__file__, sys.prefix)"
    # Popen, since run is pip's stand-in.
    with subprocess.Popen([python, "-c", where], stdout=subprocess.PIPE, text=True, cwd=cache, env={}) as process:
        package, prefix = process.communicate()[0].split()
    assert Path(package).resolve() == PACKAGE / "__init__.py" and Path(prefix) == mxnet_environment.folder()
    assert mxnet_environment.make() == str(python) and len(called) == 1 and capsys.readouterr().out == ""


def test_the_package_in_it_follows_this_one(pip):
    pip(0)
    mxnet_environment.make()
    link, = mxnet_environment.folder().glob("lib/python*/site-packages/unrolled")
    link.unlink()
    link.symlink_to("/of/an/older/place")
    mxnet_environment.make()
    assert link.resolve() == PACKAGE
    assert [path.name for path in link.parent.iterdir()] == ["unrolled"]


@pytest.mark.parametrize("said, end", [("one\nERROR: No matching distribution found for mxnet==1.9.1\n \n",
                                        "ERROR: No matching distribution found for mxnet==1.9.1"), ("", "pip ended with 1")])
def test_where_pip_fails_nothing_is_left_and_a_sentence_says_so(pip, cache, said, end):
    pip(1, said)
    with pytest.raises(RuntimeError) as raised:
        mxnet_environment.make()
    assert str(raised.value) == ("MXNet's environment could not be made: is there a network, and is this Linux or a Mac with an "
                                 f"Intel processor, for which MXNet's last version was built? pip says: {end}")
    assert not [*cache.iterdir()]


def test_where_it_is_interrupted_nothing_is_left(pip, cache):
    def interrupt():
        raise KeyboardInterrupt
    pip(0, before=interrupt)
    with pytest.raises(KeyboardInterrupt):
        mxnet_environment.make()
    assert not [*cache.iterdir()]


def test_another_notebook_was_quicker(pip, cache):
    def other():
        python = mxnet_environment.folder() / "bin" / "python"
        python.parent.mkdir(parents=True)
        (mxnet_environment.folder() / "lib/python3/site-packages").mkdir(parents=True)
        python.write_text("the other's")
    pip(0, before=other)
    assert Path(mxnet_environment.make()).read_text() == "the other's" and [*cache.iterdir()] == [mxnet_environment.folder()]


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_a_python_that_mxnet_does_not_know(version, monkeypatch, pip, cache):
    called = pip(0)
    monkeypatch.setattr(mxnet_environment.sys, "version_info", version)
    said = f"MXNet is retired, and its last version needs Python 3.11 or 3.12: this kernel has 3.{version[1]}."
    with pytest.raises(RuntimeError, match=f"^{re.escape(said)}$"):
        mxnet_environment.make()
    assert not called and not cache.exists()


def test_a_cache_that_cannot_be_written(pip, cache):
    cache.write_text("a file")
    with pytest.raises(RuntimeError, match=f"^MXNet's environment cannot be kept in {cache}: File exists.$"):
        mxnet_environment.make()


def test_the_requirements_are_those_of_the_lock_without_what_only_tests_need():
    lines = (line.split("#")[0].strip() for line in (ROOT / "tools/mxnet.in").read_text(encoding="utf-8").splitlines())
    assert {*mxnet_environment.REQUIREMENTS} == {line for line in lines if line} - {"pytest", "hypothesis"}
