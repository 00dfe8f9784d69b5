"""Push the exported notebooks as one commit to the branch ``notebooks`` of a remote of this repository.

    python3 tools/push_notebooks.py [REMOTE]        (`make push-notebooks REMOTE=origin`)

Colab and Binder open notebooks from a branch. This one has no history: each push replaces the last, so that outputs do
not pile up in every clone. The commit is put together from git's own parts, beside the checkout: its files, its index
and its branch stay as they are. Standard library only.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "_build" / "notebooks"
BRANCH = "refs/heads/notebooks"
BOT = {"NAME": "github-actions[bot]", "EMAIL": "41898282+github-actions[bot]@users.noreply.github.com"}


def git(*arguments, check=True, **options) -> str:
    """What git says; where it fails, its message stands on the screen, and this ends (``check=False``: is silent, "")."""
    done = subprocess.run(["git", *map(os.fspath, arguments)], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=None if check else subprocess.DEVNULL, **options)
    if done.returncode and check:
        sys.exit(f"git {arguments[0]} failed: see its message above.")
    return "" if done.returncode else os.fsdecode(done.stdout).strip()


def source() -> str:
    """The commit that is checked out here."""
    try:
        top = git("rev-parse", "--show-toplevel", check=False)
    except FileNotFoundError:
        sys.exit("git is missing: install it, it pushes the notebooks.")
    if not top or not os.path.samefile(top, ROOT):
        sys.exit(f"{ROOT} is not a git checkout, so there is nowhere to push the notebooks to.")
    return git("rev-parse", "--verify", "--quiet", "HEAD", check=False) or sys.exit(
        "There is no commit here yet that the notebooks could be of: commit first.")


def tree_of(folder: Path) -> str:
    """The files of a folder as a tree of git, byte for byte, whatever git is told to ignore or to convert."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                   if path.is_file() and ".ipynb_checkpoints" not in path.parts)
    blobs = git("hash-object", "-w", "--no-filters", "--", *(folder / name for name in names)).split()
    with tempfile.TemporaryDirectory() as beside:
        index = {**os.environ, "GIT_INDEX_FILE": os.path.join(beside, "index")}
        entries = b"".join(b"100644 %s\t%s\0" % (blob.encode(), os.fsencode(name)) for blob, name in zip(blobs, names))
        git("update-index", "-z", "--index-info", input=entries, env=index)
        return git("write-tree", env=index)


def tree_there(remote: str) -> str:
    """The tree of the branch as it is now; empty where there is none."""
    lines = (line.split("\t") for line in git("ls-remote", "--", remote, BRANCH).splitlines())
    tip = next((commit for commit, name in lines if name == BRANCH), None)
    if tip is None:
        return ""
    git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap=", "--", remote, BRANCH)
    return git("rev-parse", f"{tip}^{{tree}}")


def commit(tree: str, head: str) -> str:
    """A commit of this tree without a parent. Its author is who git knows, else the bot of GitHub Actions."""
    env = dict(os.environ)
    if not all(git("config", "--get", f"user.{part}", check=False) for part in ("name", "email")):
        env = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in BOT.items()} | env
    changed = git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    message = (f"The notebooks of {head[:12]}\n\nMade by `make push-notebooks` from commit {head}"
               f"{', with changes that are in no commit' if changed else ''}.\n")
    return git("commit-tree", tree, input=message.encode(), env=env)


def main(remote: str) -> None:
    head = source()
    if not (NOTEBOOKS / "index.ipynb").is_file():
        sys.exit("There are no notebooks yet: run make notebooks first.")
    remotes = git("remote").splitlines()
    if remote not in remotes:
        sys.exit(f"This repository has no remote {remote!r}: it has {', '.join(remotes) or 'none'}.")
    tree = tree_of(NOTEBOOKS)
    if tree == tree_there(remote):
        print(f"The branch notebooks of {remote} has these notebooks already.")
        return
    git("push", "--quiet", "--force", "--", remote, f"{commit(tree, head)}:{BRANCH}")
    print(f"The notebooks are the branch notebooks of {remote}.")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["origin"])
