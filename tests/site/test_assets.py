"""The offline assets: all of them or the old ones, and a sentence where npm cannot help."""
import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from unrolled.site import assets

posix = pytest.mark.skipif(sys.platform == "win32", reason="a script needs an extension there to be a program")
MANAGER = "@jupyter-widgets/html-manager/dist"
EXPECTED = {*assets.FILES, "anywidget.js", "widget_host.js", "widgets-config.js", f"{MANAGER}/icon.woff2", "mathjax/input/tex/extensions/color.js",
            "mathjax/output/chtml/fonts/woff-v2/MathJax_Main.woff"}


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def stamped(root: Path) -> str:
    return hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout whose packages are in place; npm is out of reach."""
    put(tmp_path / "package-lock.json", '{"lockfileVersion": 3}')
    for source in assets.FILES.values():
        put(tmp_path / "node_modules" / source, f"// {source}")
    put(tmp_path / "node_modules" / MANAGER / "icon.woff2", "a font")
    put(tmp_path / "node_modules" / MANAGER / "unused.js", "// no page loads it")
    put(tmp_path / "node_modules/mathjax/es5/output/chtml/fonts/woff-v2/MathJax_Main.woff", "a font")
    put(tmp_path / "node_modules/mathjax/es5/input/tex/extensions/color.js", "// colour")
    put(tmp_path / "node_modules/.unrolled", stamped(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def npm(root: Path, status: int) -> None:
    """An npm that notes how it was called, and ends with ``status``."""
    put(root / "bin/npm", f'#!/bin/sh\necho "$@ in $PWD" >> "{root}/calls"\n/bin/mkdir -p node_modules\nexit {status}\n')
    (root / "bin/npm").chmod(0o755)


def calls(root: Path) -> list[str]:
    return (root / "calls").read_text(encoding="utf-8").splitlines() if (root / "calls").exists() else []


# The folder

def test_the_folder_holds_all_that_pages_load_and_nothing_else(root):
    folder = assets.assemble(root)
    made = contents(folder)
    assert folder == root / "book/_static/offline" and set(made) == EXPECTED
    assert all(made[target] == f"// {source}" for target, source in assets.FILES.items())
    assert made["widgets-config.js"] == assets.CONFIG and "define" in made["anywidget.js"]
    assert os.listdir(folder.parent) == ["offline"]


def test_a_second_run_replaces_the_folder_wholly(root):
    folder = assets.assemble(root)
    put(folder / "old.js", "// of an older version")
    put(root / "node_modules" / assets.FILES["require.js"], "// newer")
    made = contents(assets.assemble(root))
    assert set(made) == EXPECTED and made["require.js"] == "// newer"


def test_an_interrupted_run_leaves_the_old_folder_and_the_next_one_finishes(root, monkeypatch):
    before = contents(assets.assemble(root))
    put(root / "node_modules" / assets.FILES["require.js"], "// newer")
    copytree = shutil.copytree

    def interrupted(source, target):
        copytree(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(assets.shutil, "copytree", interrupted)
        assets.assemble(root)
    folder = root / "book/_static/offline"
    assert contents(folder) == before and folder.with_name("offline.partial").is_dir()
    assert contents(assets.assemble(root))["require.js"] == "// newer"
    assert os.listdir(folder.parent) == ["offline"]


def test_a_package_that_lacks_a_file_leaves_the_old_folder(root):
    before = contents(assets.assemble(root))
    (root / "node_modules" / assets.FILES["require.js"]).unlink()
    with pytest.raises(FileNotFoundError):
        assets.assemble(root)
    assert contents(root / "book/_static/offline") == before


# npm

def test_without_npm_a_sentence_says_where_it_comes_from(root):
    (root / "node_modules/.unrolled").unlink()
    with pytest.raises(SystemExit, match="npm is missing: it comes with the environment"):
        assets.install(root)
    assert not (root / "node_modules/.unrolled").exists()


@posix
def test_packages_that_are_there_are_not_fetched_again(root):
    npm(root, 1)
    assert assets.install(root) == root / "node_modules" and calls(root) == []


@posix
def test_the_lock_is_installed_once(root, capfd):
    npm(root, 0)
    shutil.rmtree(root / "node_modules")
    assert assets.install(root) == assets.install(root) == root / "node_modules"
    assert calls(root) == [f"ci --no-audit --no-fund --loglevel=error in {root}"]
    assert (root / "node_modules/.unrolled").read_text() == stamped(root)
    assert "fetching the offline assets" in capfd.readouterr().out


@posix
def test_a_changed_lock_is_installed_anew(root):
    npm(root, 0)
    put(root / "package-lock.json", '{"lockfileVersion": 3, "packages": {}}')
    assets.install(root)
    assert len(calls(root)) == 1 and (root / "node_modules/.unrolled").read_text() == stamped(root)


@posix
@pytest.mark.parametrize("there", ["an older stamp", None])
def test_a_failing_npm_is_said_and_leaves_no_stamp(root, there):
    npm(root, 7)
    (root / "node_modules/.unrolled").unlink()
    if there:
        put(root / "node_modules/.unrolled", there)
    with pytest.raises(SystemExit, match="npm could not fetch the offline assets: is its registry in reach"):
        assets.assemble(root)
    assert not (root / "node_modules/.unrolled").exists()
    assert not (root / "book").exists()
    npm(root, 0)
    assets.install(root)
    assert len(calls(root)) == 2
