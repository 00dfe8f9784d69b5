"""Every notebook as its next reader would run it: with the newest packages that ours allows.

    python3 tools/weekly.py        (`make weekly`; COLAB_IMAGE=<address> runs it in Colab's runtime image, with docker)

Colab brings torch and numpy, and the notebooks' first cell leaves both as they are, so they stay here too: with newer ones this
would run what no reader has. All else that pyproject.toml requires is named to pip, which then takes the newest in range
(`--upgrade` without a name looks at nothing but our package); what those need moves only where it must, again as in Colab.
The report of the run lies in _build/notebooks-run.md. Standard library only.
"""
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path("_build") / "weekly"
KEPT = ("torch", "numpy")
RUNNER = ["nbclient", "ipykernel"]     # what runs a notebook; Colab has them
UNSET = ("COLAB_IMAGE is not set, so the notebooks run on this machine and not in Colab's image: set the repository variable "
         "COLAB_IMAGE to the address of the runtime image that Colab's page on local runtimes names, under its instructions "
         "for Docker.")
# GitHub's own runners come with tens of GB of other toolchains, where Colab's image needs the room.
ROOM = ["/usr/share/dotnet", "/usr/local/lib/android", "/opt/ghc", "/opt/hostedtoolcache/CodeQL", "/usr/local/share/powershell"]


def run(*command, **options) -> None:
    if subprocess.call(list(map(str, command)), cwd=ROOT, **options):
        sys.exit(f"{Path(command[0]).name} failed: see the message above.")


def in_image(image: str) -> None:
    """This file in the image, with its own Python: the image's start command would serve notebooks instead."""
    if not shutil.which("docker"):
        sys.exit("docker is missing: it runs the image that COLAB_IMAGE names; without that variable the notebooks run on this "
                 "machine.")
    if os.environ.get("RUNNER_ENVIRONMENT") == "github-hosted":
        run("sudo", "rm", "-rf", *ROOM)
    run("docker", "run", "--rm", "--volume", f"{ROOT}:{ROOT}", "--workdir", ROOT, "--entrypoint", "python3", image,
        "tools/weekly.py", "--inside")


def here(inside: bool) -> None:
    """The newest packages in an environment of its own, over Colab's where this is inside of its image; then the notebooks."""
    shutil.rmtree(ROOT / VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", *(["--system-site-packages", "--without-pip"] if inside else []), VENV)
    python, kept = VENV / "bin" / "python", VENV / "kept.txt"
    listed = subprocess.check_output([ROOT / python, "-c", "import importlib.metadata as m\nfor d in m.distributions(): "
                                                           "print(f'{d.name}=={d.version}')"], text=True).splitlines()
    pins = sorted({pin for pin in listed if pin.split("==")[0].lower() in KEPT})
    (ROOT / kept).write_text("\n".join(pins) + "\n", encoding="utf-8")
    run(python, "-m", "pip", "install", "--quiet", "--upgrade", "--upgrade-strategy", "only-if-needed", "--constraint", kept,
        ".[notebooks]", *newest(), *([] if inside else RUNNER))
    # The environment is there, and the notebooks are those that are to be run: make is told that both are up to date.
    run("make", *(f"--assume-old={target}" for target in ("environment", "assets", "book", "notebooks")),
        "notebooks-run", f"UNROLLED_VENV={VENV}", f"PYTHON={python}")


def newest() -> list[str]:
    """What pyproject.toml requires for the package and its notebooks, but for what Colab brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"].get("notebooks", [])
    return [requirement for requirement in wanted if re.match(r"[\w.-]+", requirement)[0].lower() not in KEPT]


def main(arguments: list[str]) -> None:
    image, inside = os.environ.get("COLAB_IMAGE"), arguments == ["--inside"]
    if not inside:
        (ROOT / "_build" / "notebooks-run.md").unlink(missing_ok=True)
        if not (ROOT / "_build" / "notebooks" / "index.ipynb").is_file():
            sys.exit("There are no notebooks to run yet: run make notebooks first.")
        if image:
            return in_image(image)
        print(UNSET, flush=True)
    here(inside)


if __name__ == "__main__":
    main(sys.argv[1:])
