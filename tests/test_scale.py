"""benchmarks/scale.py at its smallest sizes: what it counts as memory, and that every engine takes its turns."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MEMORY = """
import numpy, scale
print(scale.memory_of(lambda: numpy.ones(25_000_000)))
print(scale.memory_of(lambda: None))
"""


def run(*command):
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), *sys.path])}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=surroundings)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process had at most")
def test_memory_is_what_a_work_took_at_most():
    taken, nothing = (int(line) for line in run("-c", MEMORY).stdout.split())
    assert 195e6 <= taken < 210e6 and nothing < 5e6


def test_every_engine_takes_its_turns(tmp_path):
    run(BENCHMARKS / "scale.py", "--try", "--budget", "0", "--out", tmp_path / "scale.json")
    rows = json.loads((tmp_path / "scale.json").read_text())["rows"]
    taken = [(row["sweep"], row["work"], row["name"]) for row in rows if row.get("rounds") == 3]
    assert taken == [(sweep, work, name) for sweep, many in (("steps", 4), ("grid", 2)) for work in ("training", "inference")
                     for name in ("vendor", "cpu", "manual", "loop")[:many]]
    assert [row["name"] for row in rows if "memory" in row] == ["vendor", "cpu", "manual", "loop", "cpu, in segments"]
