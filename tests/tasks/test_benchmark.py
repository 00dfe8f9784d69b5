"""The benchmark of the gates: every part of the LSTM is tried on every task, and a row says how it went."""
import runpy
from pathlib import Path

import pytest

from unrolled.tasks import Skip
from unrolled.variants.cells import ABLATIONS

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gates.py"


def test_every_part_is_tried_and_a_row_has_a_share_for_each_seed():
    bench = runpy.run_path(str(PROGRAM))
    assert {options["without"] for options in bench["VARIANTS"].values() if "without" in options} == set(ABLATIONS)
    rows = list(bench["rows"](2, 1, 3, tasks={"skip": Skip(4)}))
    assert [row["layer"] for row in rows] == list(bench["VARIANTS"])
    for row in rows:
        assert len(row["share"]) == len(row["right"]) == 2 and row["baseline"] == 1.0 and row["solved"] == 0
        assert row["share"][0] > 0.1
    assert rows[0]["share"] != pytest.approx(rows[1]["share"])
