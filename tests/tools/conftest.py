"""Stand-ins for the programs that the tools call."""
import json
import sys
from pathlib import Path

import pytest


PROGRAM = """#!{python}
import json, sys
told = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, told, sys.stdin.read()]) + "\\n")
{does}
"""


class Programs:
    """A folder that is all of the PATH; what is put there notes how it was called, as (name, arguments, standard input)."""

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self.log = folder, folder / "calls"
        folder.mkdir()
        self.log.write_text("")
        monkeypatch.setenv("PATH", str(folder))

    def add(self, name: str, does: str = "") -> None:
        """A program; ``does`` is Python that sees its arguments as ``told``."""
        path = self.folder / name
        path.write_text(PROGRAM.format(python=sys.executable, log=str(self.log), name=name, does=does))
        path.chmod(0o755)

    def calls(self) -> list:
        return [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("a script needs an extension there to be a program")
    return Programs(tmp_path / "bin", monkeypatch)
