"""Records: what the book cannot measure while it is built, as JSON with the command, machine, versions and date."""
import datetime
import json
import os
import platform
import subprocess
from importlib import resources
from pathlib import Path

from unrolled.files import write_whole

FORM = ("what", "command", "commit", "date", "machine", "versions", "rows")


def recorded(name: str) -> dict:
    """A record by its name, "hyperparameters".

    Raises:
        FileNotFoundError: as for ``recorded_file``.
        ValueError: not a name, or a file that is damaged or no record.
    """
    return _read(recorded_file(name))


def recorded_file(name: str, kind: str = "json") -> Path:
    """Where a record lies, or what was kept beside it: "whole-book" of the kind "safetensors" is the trained model.

    It is looked for beside the page (``data/NAME.KIND``), then in the installed package, then in the
    repository that the package was imported from.

    Raises:
        FileNotFoundError: nowhere; the sentence says where it was looked for.
        ValueError: not a name.
    """
    if not name or not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise ValueError(f"the name of a record has small letters, digits and hyphens, as in cost-times; got {name!r}")
    package = Path(str(resources.files("unrolled"))).resolve()      # MXNet's environment may hold a link to it
    places = (Path("data"), package / "data", package.parents[1] / "book" / "data")
    files = [place / f"{name}.{kind}" for place in places]
    for file in files:
        if file.is_file():
            return file
    raise FileNotFoundError(f"there is no record {name!r}: looked for {', '.join(map(str, files))}")


def _read(file: Path) -> dict:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:                            # not JSON, or not UTF-8
        raise ValueError(f"{file} is damaged: {error}") from None
    missing = [part for part in FORM if part not in record] if isinstance(record, dict) else FORM
    if missing:
        raise ValueError(f"{file} is no record: it lacks {', '.join(missing)}")
    return record


def this_machine() -> str:
    """The processor, in words that tell one machine of the record from another."""
    import torch                        # to read a record, MXNet's environment has none

    return f"{os.cpu_count()} cores, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def this_commit() -> str:
    """The commit that the package's source is at; empty outside of a checkout."""
    try:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:                                        # no git
        return ""
    return done.stdout.strip()


def write_record(path: str | os.PathLike, what: str, command: str, rows: list[dict], *, machine: str | None = None,
                 date: str | None = None, versions: dict | None = None, **more) -> dict:
    """Write a record, whole or not at all, and return it. ``more`` stands before the rows.

    Args:
        what: what was measured, and how to read the rows.
        command: what makes the file again.
        machine, date: where and when; here and today unless told.
        versions: of more packages than Python and torch; None for one that had no part in it.
    """
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__} | (versions or {})
    record = {"what": what, "command": command, "commit": this_commit(), "date": date or datetime.date.today().isoformat(),
              "machine": machine or this_machine(),
              "versions": {name: version for name, version in versions.items() if version is not None},
              **more, "rows": rows}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return record
