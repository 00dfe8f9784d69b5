"""A release has one version: the tag's, the package's and the citation's."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ["pyproject.toml", "src/unrolled/__init__.py", "CITATION.cff"]


@pytest.fixture
def check(tmp_path):
    """check(tag) on a copy of the files that name the version."""
    for name in [*PLACES, "tools/check_tag.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return lambda *tag: subprocess.run([sys.executable, tmp_path / "tools/check_tag.py", *tag], capture_output=True, text=True)


def version():
    return re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)[1]


def test_the_versions_own_tag(check):
    done = check(f"v{version()}")
    assert done.returncode == 0 and done.stdout.strip() == f"The tag v{version()} is that of the version, wherever it is named."


@pytest.mark.parametrize("tag", ["v99.0", "0.1.0", "v", "", "v0.1.0 ", "v0.1"])
def test_another_tag_is_told_which_it_should_be(check, tag):
    done = check(tag)
    assert done.returncode == 1 and done.stderr.strip() == (
        f"The tag is {tag or 'empty'}, but pyproject.toml names version {version()}, whose tag is v{version()}: "
        "change one of them.")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_was_forgotten_is_named(check, tmp_path, place):
    text = (tmp_path / place).read_text(encoding="utf-8")
    assert text.count(version()) == 1
    (tmp_path / place).write_text(text.replace(version(), "0.0.7"), encoding="utf-8")
    done = check(f"v{version()}")
    assert done.returncode == 1 and f"but {place} names version 0.0.7, whose tag is v0.0.7" in done.stderr
