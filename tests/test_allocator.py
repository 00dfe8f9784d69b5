"""What the command line asks of the allocator, and that nobody else does."""
import json
import os
import subprocess
import sys

import pytest

from unrolled import __main__, allocator
from unrolled.allocator import KEEP

linux = pytest.mark.skipif(not allocator.missing(), reason="needs glibc, with no setting of its own here")
BARE = {name: value for name, value in os.environ.items() if name not in KEEP}


def shell(*command, **settings):
    """Run Python in a process of its own; what it prints."""
    done = subprocess.run([sys.executable, *map(str, command)], env=BARE | {"UNROLLED_PROGRESS": "off"} | settings,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(folder, *options, **settings):
    """The allocator's settings in the process that trains, and whether that is the one that was started."""
    look = folder / "sitecustomize.py"                          # Python imports it at every start
    look.write_text("import json, os, pathlib\n"
                    f"with open({str(folder / 'starts')!r}, 'a') as file:\n"
                    f"    print(json.dumps([os.getpid(), {{name: os.environ.get(name) for name in {list(KEEP)}}}]), file=file)\n")
    (folder / "story.txt").write_text("the machine stood in the old garden and nobody had moved it. " * 9)
    shell("-m", "unrolled", "train", "--text", folder / "story.txt", "--split", "honest", "--num-steps", 5, "--epochs", 1,
          "--num-hiddens", 2, "--out", folder / "model", "--device", "cpu", *options,
          PYTHONPATH=os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]), **settings)
    assert (folder / "model").exists()
    starts = [json.loads(line) for line in (folder / "starts").read_text().splitlines()]
    assert len({number for number, _ in starts}) == 1, "the same process, started anew in its place"
    return [settings for _, settings in starts]


@linux
def test_train_starts_itself_once_more(tmp_path):
    assert told(tmp_path) == [dict.fromkeys(KEEP), KEEP]


@linux
def test_what_the_user_has_set_stays(tmp_path):
    assert told(tmp_path, MALLOC_TOP_PAD_="5")[1:] == [KEEP | {"MALLOC_TOP_PAD_": "5"}]


@pytest.mark.parametrize("option", [["--allocator", "as-is"], ["--alloc=as-is"]])
def test_as_is(tmp_path, option):
    assert told(tmp_path, *option) == [dict.fromkeys(KEEP)]


def test_importing_and_calling_from_python_change_nothing(tmp_path):
    program = ("import os, sys, unrolled.__main__, unrolled.cli; before = dict(os.environ)\n"
               "assert unrolled.cli.main(['train', '--text', 'nowhere', '--out', sys.argv[1]]) == 1\n"
               f"print(dict(os.environ) == before and not set({list(KEEP)}) & set(os.environ))")
    assert shell("-c", program, tmp_path / "model") == "True\n"


def test_other_commands_and_other_systems_stay_as_they_are(monkeypatch):
    def fail(*_):
        raise AssertionError("started anew")

    monkeypatch.setattr(os, "execve", fail)
    for name in KEEP:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["unrolled", "data", "--help"])
    with pytest.raises(SystemExit):
        __main__.main()
    monkeypatch.setattr(sys, "platform", "darwin")
    allocator.start_anew()
    monkeypatch.setattr(sys, "platform", "linux")
    for version, threshold in (("glibc 2.31", "33554432"), ("glibc 2.36", KEEP["MALLOC_MMAP_THRESHOLD_"])):
        monkeypatch.setattr(os, "confstr", lambda name, version=version: version, raising=False)
        assert allocator.missing() == KEEP | {"MALLOC_MMAP_THRESHOLD_": threshold}

    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown, raising=False)                  # musl
    assert allocator.missing() == {}
    allocator.start_anew()


@pytest.mark.parametrize(("option", "message"), [(["--allocator", "none"], "invalid choice: 'none' (choose from"),
                                                 (["--allocator"], "argument --allocator: expected one argument")])
def test_a_wrong_call_is_told_by_the_command_itself(option, message):
    done = subprocess.run([sys.executable, "-m", "unrolled", "train", "--out", "x", *option], env=BARE,
                          capture_output=True, text=True)
    assert done.returncode == 2 and "usage: unrolled train" in done.stderr and message in done.stderr
