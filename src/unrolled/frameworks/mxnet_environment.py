"""MXNet's environment where ``make frameworks`` made none: on Colab, or where the package was installed alone.

It lies in the user's cache. The package in it is the one that made it.
"""
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import unrolled
from unrolled.text.corpus import cache_folder

REQUIREMENTS = ("mxnet==1.9.1", "numpy==1.26.4", "setuptools", "safetensors", "ipykernel", "matplotlib")      # as tools/mxnet.in
PYTHONS = ((3, 11), (3, 12))           # for which there is such a NumPy


def folder() -> Path:
    """Where it is, or would be; another one for other requirements."""
    mark = hashlib.sha256("\n".join(REQUIREMENTS).encode()).hexdigest()[:8]
    return cache_folder() / f"mxnet-{mark}-python{sys.version_info.major}.{sys.version_info.minor}"


def python_in(environment: Path) -> Path:
    return environment / "bin" / "python"            # there is no MXNet 1.9 for Windows


def make() -> str:
    """Make it where it is not there, whole or not at all.

    Returns:
        The path of its Python.

    Raises:
        RuntimeError: it cannot be had here; one sentence says why.
    """
    version = sys.version_info[:2]
    if version not in PYTHONS:
        raise RuntimeError("MXNet is retired, and its last version needs Python 3.11 or 3.12: this kernel has %d.%d." % version)
    try:
        if not python_in(folder()).is_file():
            print("MXNet needs an environment of its own, which is now made, once (a minute or two) …", flush=True)
            install(folder())
        link_package(folder())
    except OSError as error:
        raise RuntimeError(f"MXNet's environment cannot be kept in {folder().parent}: {error.strerror or error}.") from None
    return str(python_in(folder()))


def install(place: Path) -> None:
    """A new environment with the requirements; it moves to its place when all is in it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{place.name}.", suffix=".partial", dir=place.parent) as partial:
        new = Path(partial) / place.name
        venv.create(new, symlinks=True)
        # The pip of this Python serves that one too: Colab has no ensurepip, which would give it its own.
        done = subprocess.run([sys.executable, "-m", "pip", "--python", python_in(new), "install", "--quiet",
                               "--disable-pip-version-check", "--only-binary=:all:", *REQUIREMENTS],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            said = next((line for line in done.stderr.splitlines()[::-1] if line.strip()), f"pip ended with {done.returncode}")
            raise RuntimeError("MXNet's environment could not be made: is there a network, and is this Linux or a Mac with an "
                               f"Intel processor, for which MXNet's last version was built? pip says: {said}")
        try:
            new.rename(place)
        except OSError:
            if not python_in(place).is_file():       # else another notebook was quicker
                raise


def link_package(environment: Path) -> None:
    """This very package in the environment, without what it requires."""
    site = next(environment.glob("lib/python*/site-packages"))
    here, link = Path(unrolled.__file__).resolve().parent, site / "unrolled"
    if link.resolve() != here:
        with tempfile.TemporaryDirectory(dir=site) as beside:
            (new := Path(beside) / "unrolled").symlink_to(here)
            os.replace(new, link)
