"""The cell grows over four figures, and nothing that is there moves."""
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from unrolled.figures.cell import STAGES, cell

SVG = "{http://www.w3.org/2000/svg}"
PLACE = ("x", "y", "cx", "cy", "r", "width", "height", "d", "transform", "points")
CELLS = {stage: ET.fromstring(cell(stage)) for stage in STAGES}


def place(node) -> list:
    """Where a node and all that is in it lie, without how they look."""
    return [(one.tag, *(one.get(name) for name in PLACE)) for one in node.iter()]


def named(stage: str, kinds: str = "wire|node") -> dict:
    return {node.get("id"): node for node in CELLS[stage].iter() if re.match(f"({kinds})-", node.get("id", ""))}


@pytest.mark.parametrize("before, after", pairwise(STAGES))
def test_no_wire_and_no_node_moves(before, after):
    earlier, later = named(before), named(after)
    assert {name: place(node) for name, node in earlier.items()} == {name: place(later[name]) for name in earlier}
    assert len(earlier) >= 15 and CELLS[before].get("viewBox") == CELLS[after].get("viewBox")
    words = [[(node.get("x"), node.get("y"), "".join(node.itertext())) for node in CELLS[stage].iter(SVG + "text")]
             for stage in (before, after)]
    assert set(words[0]) < set(words[1])                           # each stage adds words, and moves none


def test_no_group_moves_what_is_in_it():
    assert not [node for root in CELLS.values() for node in root.iter(SVG + "g") if node.get("transform")]


def test_the_place_of_the_input_node_is_kept_for_it():
    boxes = [next(node for node in CELLS[stage].iter(SVG + "g") if node.get("id") == "node").find(f".//{SVG}rect")
             for stage in ("gates", "node")]
    assert boxes[0].get("width") == "60" and place(boxes[0]) == place(boxes[1])


def test_each_stage_adds_its_part():
    new = {stage: set(named(stage)) - set(named(before)) for before, stage in pairwise(STAGES)}
    assert new == {"node": {"node-n"}, "state": {"node-add"}, "hidden": {"node-tanh"}}
    assert {f"node-{kind}{gate}" for gate in "ifo" for kind in ("", "valve-")} <= set(named("gates"))
    bold = [float(named(stage)["wire-c"].get("stroke-width")) for stage in STAGES]
    assert bold[0] == bold[1] < bold[2] == bold[3]                 # the memory is a bold line once it is there


def test_presence_follows_the_stage():
    def presence(stage):
        return {node.get("id"): node.get("class").split()[0][2:] for node in CELLS[stage].iter(SVG + "g")
                if not re.match("node-", node.get("id"))}

    shown = {stage: presence(stage) for stage in STAGES}
    assert [shown[stage]["gate-f"] for stage in STAGES] == ["new", "old", "old", "whole"]
    assert [shown[stage]["write"] for stage in STAGES] == ["ghost", "new", "old", "whole"]
    assert [shown[stage]["memory"] for stage in STAGES] == ["ghost", "ghost", "new", "whole"]
    assert [shown[stage]["read"] for stage in STAGES] == ["ghost", "ghost", "ghost", "new"]
    assert all(one["readers"] == "whole" for one in shown.values())


def test_titles_and_descriptions_differ():
    for tag in ("title", "desc"):
        assert len({root.find(SVG + tag).text for root in CELLS.values()}) == 4


def test_an_unknown_stage():
    with pytest.raises(ValueError, match="the stages gates, node, state, hidden, not 'whole'"):
        cell("whole")
