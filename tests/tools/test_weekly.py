"""The weekly run: in Colab's image or here, with the newest packages beside the torch and numpy that are there."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "registry.example.org/colab/runtime:latest"
PIP = """
import json, sys
open("pip.json", "w").write(json.dumps(sys.argv[1:]))
"""
MAKEFILE = """
environment assets book notebooks:
\t@echo this should have been left alone >> wrong
notebooks-run: environment notebooks
\t@echo "$(UNROLLED_VENV) $(PYTHON)" > ran
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with built notebooks; its make notes what it is told, and so does pip in every environment."""
    (tmp_path / "here/tools").mkdir(parents=True)
    (tmp_path / "here/_build/notebooks").mkdir(parents=True)
    (tmp_path / "here/_build/notebooks/index.ipynb").write_text("{}")
    for name in ("tools/weekly.py", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / "here" / name)
    (tmp_path / "here/Makefile").write_text(MAKEFILE)
    for name in ("COLAB_IMAGE", "RUNNER_ENVIRONMENT", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "over/pip").mkdir(parents=True)                        # in place of pip
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "over/pip" / name).write_text(PIP if "main" in name else "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "over"))
    return tmp_path / "here"


def weekly(checkout, *arguments):
    return subprocess.run([sys.executable, checkout / "tools/weekly.py", *arguments], cwd=checkout.parent, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)


def asked(checkout):
    """What pip was asked for, and the lines of its constraints."""
    told = json.loads((checkout / "pip.json").read_text())
    constraints = told[told.index("--constraint") + 1]
    return told, (checkout / constraints).read_text().splitlines()


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="make is missing")
class TestHere:
    def test_without_an_image_it_says_what_to_set_and_runs_here(self, checkout):
        done = weekly(checkout)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("COLAB_IMAGE is not set") and "set the repository variable COLAB_IMAGE" in done.stdout
        told, kept = asked(checkout)
        assert kept == [""] and {"nbclient", "ipykernel"} <= set(told)
        assert (checkout / "ran").read_text().split() == ["_build/weekly", "_build/weekly/bin/python"]
        assert not (checkout / "wrong").exists()

    def test_inside_it_stands_on_what_the_image_has(self, checkout):
        done = weekly(checkout, "--inside")
        assert done.returncode == 0 and "COLAB_IMAGE" not in done.stdout
        told, kept = asked(checkout)
        assert "include-system-site-packages = true" in (checkout / "_build/weekly/pyvenv.cfg").read_text()
        assert told[:6] == ["install", "--quiet", "--upgrade", "--upgrade-strategy", "only-if-needed", "--constraint"]
        assert ".[notebooks]" in told and "nbclient" not in told

    def test_torch_and_numpy_are_kept_as_they_are(self, checkout, tmp_path):
        for name, version in (("torch", "2.9.1+cu126"), ("numpy", "2.0.2"), ("matplotlib", "3.8.0"), ("torchvision", "0.24.1")):
            info = tmp_path / f"over/{name}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        weekly(checkout, "--inside")
        told, kept = asked(checkout)
        assert {"torch==2.9.1+cu126", "numpy==2.0.2"} <= set(kept)
        assert not [pin for pin in kept if pin.startswith(("matplotlib", "torchvision"))]
        named = {Requirement(word).name for word in told[told.index(".[notebooks]") + 1:]}
        assert {"matplotlib", "anywidget", "ipywidgets", "safetensors", "tqdm"} <= named and not named & {"torch", "numpy"}

    def test_a_notebook_that_fails_fails_the_run(self, checkout):
        (checkout / "Makefile").write_text("notebooks-run:\n\t@exit 1\n")
        done = weekly(checkout)
        assert done.returncode == 1 and done.stderr.splitlines()[-1] == "make failed: see the message above."


def test_an_image_runs_this_file_in_itself(checkout, programs, monkeypatch):
    monkeypatch.setenv("COLAB_IMAGE", IMAGE)
    (checkout / "_build/notebooks-run.md").write_text("of last week")
    programs.add("docker")
    programs.add("sudo")
    assert weekly(checkout).returncode == 0
    assert programs.calls() == [("docker", ["run", "--rm", "--volume", f"{checkout}:{checkout}", "--workdir", str(checkout),
                                            "--entrypoint", "python3", IMAGE, "tools/weekly.py", "--inside"], "")]
    assert not (checkout / "_build/notebooks-run.md").exists()


def test_room_is_made_on_a_runner_of_github_alone(checkout, programs, monkeypatch):
    monkeypatch.setenv("COLAB_IMAGE", IMAGE)
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "github-hosted")
    programs.add("docker")
    programs.add("sudo")
    weekly(checkout)
    assert [name for name, *_ in programs.calls()] == ["sudo", "docker"] and programs.calls()[0][1][:2] == ["rm", "-rf"]


def test_trouble_with_the_image_is_said(checkout, programs, monkeypatch):
    monkeypatch.setenv("COLAB_IMAGE", IMAGE)
    assert weekly(checkout).stderr.strip().startswith("docker is missing: it runs the image that COLAB_IMAGE names")
    programs.add("docker", "sys.exit(125)")
    done = weekly(checkout)
    assert done.returncode == 1 and done.stderr.strip() == "docker failed: see the message above."


def test_notebooks_come_first(checkout):
    os.remove(checkout / "_build/notebooks/index.ipynb")
    assert weekly(checkout).stderr.strip() == "There are no notebooks to run yet: run make notebooks first."


def test_what_it_has_make_run_is_there():
    assert re.search(r"^notebooks-run:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
