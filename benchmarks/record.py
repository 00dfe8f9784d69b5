"""How a benchmark leaves its result: one JSON file that says what, how, when and where, whole or not at all."""
import datetime
import json
import os
import pathlib
import platform
import subprocess

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write(path: pathlib.Path, what: str, command: str, rows: list[dict], *, versions=None, **more) -> None:
    """Write the record; ``more`` stands before its rows."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    record = {
        "what": what, "command": command, "commit": commit.stdout.strip(), "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, **(versions or {})},
        **more, "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
