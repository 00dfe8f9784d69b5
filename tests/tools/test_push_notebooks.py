"""The branch of the notebooks: one commit without a past, made beside the checkout; each refusal is a sentence."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="no such file names there")
needs_make = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="make is missing")
AUTHOR = ("A Maintainer", "maintainer@example.org")


def git(folder: Path, *arguments: str, raw=False):
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE)
    return done.stdout if raw else done.stdout.decode().strip()


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


class Checkout:
    """A repository with the tool, a commit, built notebooks and the remote ``origin``, which is bare."""

    def __init__(self, folder: Path, remote: Path):
        self.folder, self.remote, self.notebooks = folder, remote, folder / "_build/notebooks"
        write(folder, {"tools/push_notebooks.py": (ROOT / "tools/push_notebooks.py").read_bytes(), "page.md": b"# A page\n",
                       ".gitignore": b"_build/\n*.lock\n"})
        git(folder, "init", "--quiet", "--initial-branch=main")
        git(folder, "config", "user.name", AUTHOR[0])
        git(folder, "config", "user.email", AUTHOR[1])
        git(folder, "remote", "add", "origin", str(remote))
        self.commit("The first")
        self.build({"index.ipynb": b"{}\n", "solved/index.ipynb": b"{ }\n"})

    def commit(self, message: str) -> str:
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", message)
        return git(self.folder, "rev-parse", "HEAD")

    def build(self, files: dict[str, bytes]) -> None:
        shutil.rmtree(self.notebooks, ignore_errors=True)
        write(self.notebooks, files)

    def push(self, *arguments: str, failing=False) -> str:
        """What the tool says, in a line."""
        done = subprocess.run([sys.executable, self.folder / "tools/push_notebooks.py", *arguments], cwd=self.folder.parent,
                              capture_output=True, text=True)
        assert done.returncode == failing, done.stdout + done.stderr
        return (done.stderr if failing else done.stdout).rstrip().splitlines()[-1]

    def branch(self) -> dict[str, bytes]:
        """The files of the branch, once it is seen to be one commit without a parent."""
        assert git(self.remote, "rev-list", "--parents", "notebooks").split() == [git(self.remote, "rev-parse", "notebooks")]
        names = map(os.fsdecode, git(self.remote, "ls-tree", "-rz", "--name-only", "notebooks", raw=True).split(b"\0")[:-1])
        return {name: git(self.remote, "cat-file", "blob", f"notebooks:{name}", raw=True) for name in names}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    return Checkout(tmp_path / "a checkout", tmp_path / "remote.git")


def test_the_branch_is_one_commit_that_names_its_source(checkout):
    head = git(checkout.folder, "rev-parse", "HEAD")
    assert checkout.push() == "The notebooks are the branch notebooks of origin."
    assert checkout.branch() == {"index.ipynb": b"{}\n", "solved/index.ipynb": b"{ }\n"}
    name, email, message = git(checkout.remote, "show", "--no-patch", "--format=%an%n%ae%n%B", "notebooks").split("\n", 2)
    assert (name, email) == AUTHOR and head in message and "in no commit" not in message


def test_a_second_push_replaces_the_first(checkout):
    git(checkout.folder, "push", "--quiet", "origin", "main")
    checkout.push()
    first = git(checkout.remote, "rev-parse", "notebooks")
    checkout.build({"index.ipynb": b'{"cells": []}\n'})
    checkout.push("origin")
    assert git(checkout.remote, "rev-parse", "notebooks") != first
    assert checkout.branch() == {"index.ipynb": b'{"cells": []}\n'}
    assert git(checkout.remote, "rev-parse", "main") == git(checkout.folder, "rev-parse", "HEAD")


def test_a_branch_with_a_past_loses_it(checkout):
    checkout.commit("A second")
    git(checkout.folder, "push", "--quiet", "origin", "main:notebooks")
    checkout.push()
    assert set(checkout.branch()) == {"index.ipynb", "solved/index.ipynb"}


def test_the_same_notebooks_are_not_pushed_again(checkout, tmp_path):
    checkout.push()
    tip = git(checkout.remote, "rev-parse", "notebooks")
    checkout.commit("A change that changes no notebook")
    assert checkout.push() == "The branch notebooks of origin has these notebooks already."
    other = Checkout(tmp_path / "another", checkout.remote)            # which never saw that commit
    assert other.push() == "The branch notebooks of origin has these notebooks already."
    assert git(checkout.remote, "rev-parse", "notebooks") == tip


def test_the_checkout_is_not_touched(checkout):
    write(checkout.folder, {"page.md": b"# Staged\n", "new.md": b"staged, too\n"})
    git(checkout.folder, "add", "page.md", "new.md")
    write(checkout.folder, {"page.md": b"# Changed since\n", "untracked.md": b"untracked\n"})
    os.utime(checkout.folder / "tools/push_notebooks.py", (1e9, 1e9))  # so that git would like to renew its index

    def state():
        files = {path: path.read_bytes() for path in checkout.folder.rglob("*")
                 if path.is_file() and (".git" not in path.parts or path.name in ("index", "HEAD"))}
        return files, git(checkout.folder, "for-each-ref", "refs/heads")

    before = state()
    checkout.push()
    assert state() == before
    assert "in no commit" in git(checkout.remote, "show", "--no-patch", "--format=%B", "notebooks")
    assert checkout.branch()["index.ipynb"] == b"{}\n"


def test_files_go_as_they_are(checkout):
    """Whatever git is told to ignore, to convert or to attribute."""
    git(checkout.folder, "config", "core.autocrlf", "true")
    write(checkout.folder, {".git/info/exclude": b"*.txt\n", ".git/info/attributes": b"* text eol=crlf\n"})
    files = {"index.ipynb": b"a\r\nb\nc\r", "runtime.txt": b"python-3.12\n", "packages.lock": b"\0\xff\r\n",
             "plain/_build/x.ipynb": b"{}"}
    checkout.build(files | {".ipynb_checkpoints/index-checkpoint.ipynb": b"left by an editor"})
    checkout.push()
    assert checkout.branch() == files


@posix
def test_strange_names_are_only_names(checkout):
    names = ["-rf", "--help.ipynb", "a b\tc.ipynb", 'quote".ipynb', "line\nbreak.ipynb", "$(touch pushed).ipynb", "*.ipynb",
             "ü/☃.ipynb", "back\\slash.ipynb", os.fsdecode(b"latin-\xe9.ipynb"), ":(top)x", "HEAD", "notebooks"]
    files = {"index.ipynb": b"{}"} | {name: name.encode("utf-8", "surrogateescape") for name in names}
    checkout.build(files)
    checkout.push()
    assert checkout.branch() == files
    assert not list(checkout.folder.parent.rglob("pushed"))


def test_without_a_name_in_git_it_is_the_bots(checkout):
    git(checkout.folder, "config", "--unset", "user.email")
    checkout.push()
    assert git(checkout.remote, "show", "--no-patch", "--format=%an <%ae>, %cn <%ce>", "notebooks") == ", ".join(
        2 * ["github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"])


# Refusals

def test_no_notebooks(checkout):
    checkout.build({"left.txt": b""})
    assert checkout.push(failing=True) == "There are no notebooks yet: run make notebooks first."


@pytest.mark.parametrize("remote", ["upstream", "", "--upload-pack=touch pushed", "ext::sh -c touch% pushed", "../remote.git",
                                    "origin\n"])
def test_no_such_remote(remote, checkout):
    said = checkout.push(remote, failing=True)
    assert said == f"This repository has no remote {remote!r}: it has origin."
    git(checkout.folder, "remote", "remove", "origin")
    assert checkout.push(failing=True) == "This repository has no remote 'origin': it has none."
    assert not list(checkout.folder.parent.rglob("pushed"))


def test_no_checkout(checkout):
    shutil.rmtree(checkout.folder / ".git")
    said = f"{checkout.folder.resolve()} is not a git checkout, so there is nowhere to push the notebooks to."
    assert checkout.push(failing=True) == said
    git(checkout.folder.parent, "init", "--quiet")                     # one around it is somebody else's
    assert checkout.push(failing=True) == said


def test_no_commit(checkout):
    git(checkout.folder, "checkout", "--quiet", "--orphan", "unborn")
    assert checkout.push(failing=True) == "There is no commit here yet that the notebooks could be of: commit first."


def test_no_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout.notebooks))
    assert checkout.push(failing=True) == "git is missing: install it, it pushes the notebooks."


@posix
def test_a_push_that_is_refused(checkout):
    hook = checkout.remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho this branch is protected\nexit 1\n")
    hook.chmod(0o755)
    assert checkout.push(failing=True) == "git push failed: see its message above."
    assert git(checkout.remote, "for-each-ref") == ""


def test_a_remote_that_is_gone(checkout):
    git(checkout.folder, "remote", "set-url", "origin", str(checkout.folder.parent / "nowhere.git"))
    assert checkout.push(failing=True) == "git ls-remote failed: see its message above."


@needs_make
def test_make_hands_the_remote_on_as_it_is(checkout):
    shutil.copyfile(ROOT / "Makefile", checkout.folder / "Makefile")
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}

    def make(*arguments):
        return subprocess.run(["make", "-C", str(checkout.folder), f"PYTHON={sys.executable}", "push-notebooks", *arguments],
                              env=env, capture_output=True, text=True)
    done = make("REMOTE=o'ri\"gin; touch pushed")
    assert done.returncode == 2 and """no remote 'o\\'ri"gin; touch pushed': it has origin.""" in done.stderr
    assert not (checkout.folder / "pushed").exists()
    assert make().returncode == 0 and checkout.branch()
