"""Stand-ins for the programs that the tools call."""
import json
import sys
from pathlib import Path

import pytest


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
        path.write_text(f"#!{sys.executable}\nimport json, os, sys\ntold = sys.argv[1:]\nsaid = '' if sys.stdin.isatty() else sys.stdin.read()\n"
                        f"with open({str(self.log)!r}, 'a') as log:\n    log.write(json.dumps([{name!r}, told, said]) + '\\n')\n{does}\n")
        path.chmod(0o755)

    def calls(self) -> list:
        return [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("a script needs an extension there to be a program")
    return Programs(tmp_path / "bin", monkeypatch)
