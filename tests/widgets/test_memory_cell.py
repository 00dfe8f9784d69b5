"""The memory cell as an object: what it takes, what it gives back, what it refuses."""
import numpy as np
import pytest
import torch
import traitlets

from unrolled.equations import LSTM_PARAMETERS, lstm_step, parameter_shapes
from unrolled.layers import GRU, LSTM, LSTMScratch
from unrolled.widgets import MemoryCell
from unrolled.widgets.memory_cell import BY_HAND, NOISE, PRESETS

NAMES = ["I", "F", "O", "C_tilde", "C", "H"]


def random_parameters(width: int, units: int, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=draw, dtype=torch.float64)
            for name, shape in parameter_shapes(LSTM_PARAMETERS, width, units).items()}


def test_it_opens_on_the_step_worked_by_hand():
    cell = MemoryCell()
    assert (cell.preset, cell.unit, cell.step, cell.interventions) == ("one step by hand", 0, 0, [])
    assert cell.parameters == BY_HAND and cell.inputs == [[1]] and cell.state == {"H": [0.5, -0.5], "C": [2, -1]}
    assert [round(cell.values[name][0, 0].item(), 4) for name in NAMES] == [0.0474, 0.9526, 0.1192, 0.4621, 1.9271, 0.1143]
    assert [round(cell.values[name][0, 1].item(), 4) for name in NAMES] == [0.9526, 0.0474, 0.8808, 0.9051, 0.8148, 0.5921]


@pytest.mark.parametrize("make", [LSTM, LSTMScratch])
def test_it_takes_one_of_our_layers_and_runs_as_the_layer_does(make):
    torch.manual_seed(1)
    layer = make(3, 4, forget_bias=1.0, dtype=torch.float64)
    inputs, state = torch.randn(7, 1, 3, dtype=torch.float64), tuple(torch.randn(2, 1, 4, dtype=torch.float64))
    cell = MemoryCell(layer, inputs, state)
    outputs, (H, C) = layer(inputs, state)
    values = cell.values
    assert {name: tuple(value.shape) for name, value in values.items()} == dict.fromkeys(NAMES, (7, 4))
    torch.testing.assert_close(values["H"], outputs[:, 0])
    torch.testing.assert_close(values["C"][-1:], C)
    assert cell.preset == "" and (1, 4) == tuple(H.shape)


def test_tensors_arrays_and_lists_are_the_same_and_can_be_read_back():
    parameters, inputs = random_parameters(2, 3), torch.rand(5, 2, dtype=torch.float64)
    state = (torch.zeros(3), torch.ones(3))
    kinds = [MemoryCell(parameters, inputs, state),
             MemoryCell({name: value.numpy() for name, value in parameters.items()}, inputs.numpy(), (np.zeros(3), np.ones(3))),
             MemoryCell({name: value.tolist() for name, value in parameters.items()}, inputs.tolist(), ([0, 0, 0], [1, 1, 1]))]
    for cell in kinds:
        assert torch.equal(torch.tensor(cell.parameters["W_hf"], dtype=torch.float64), parameters["W_hf"])
        assert (cell.inputs, cell.state) == (inputs.tolist(), {"H": [0, 0, 0], "C": [1, 1, 1]})
    again = MemoryCell(cell.parameters, cell.inputs, cell.state)
    assert all(torch.equal(again.values[name], cell.values[name]) for name in NAMES)


def test_what_is_not_given_has_a_value():
    cell = MemoryCell(random_parameters(2, 1))
    assert cell.inputs == [[1, 1]] + [[0, 0]] * 11 and cell.state == {"H": [0], "C": [0]}
    assert MemoryCell(random_parameters(1, 1), [1, 2]).inputs == [[1], [2]]
    assert MemoryCell(inputs=[[1, 0], [1, 1]], preset="reset").inputs == [[1, 0], [1, 1]]


def test_a_state_set_by_hand_is_where_the_run_goes_on():
    parameters, inputs = random_parameters(1, 2), [[0.5], [-1], [2], [0]]
    free, cell = MemoryCell(parameters, inputs).values, MemoryCell(parameters, inputs, interventions=[(2, "C", 1, 3)])
    H, C = free["H"][1:2], torch.tensor([[free["C"][1, 0].item(), 3.0]], dtype=torch.float64)
    step = lstm_step(torch.tensor([[2.0]], dtype=torch.float64), H, C, parameters)
    for name in NAMES:
        torch.testing.assert_close(cell.values[name][:2], free[name][:2])
        torch.testing.assert_close(cell.values[name][2:3], getattr(step, name))
    cell.step = 2
    assert cell.interventions == [[2, "C", 1, 3]]
    assert "cell state before" + f"{free['C'][1, 0].item():13.4f}" in cell.describe()
    assert cell.describe().endswith("\nSet by hand before step 3: C of unit 2 is 3.")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_and_is_synchronised(name):
    cell = MemoryCell(preset=name)
    state = cell.get_state()
    assert state["preset"] == name and state["presets"][name]["parameters"] == state["parameters"]
    assert len(state["presets"][name]["names"]) == len(state["inputs"][0]) and state["presets"][name]["watch"]
    assert state["drawing"].startswith("<svg") and 'id="wire-n-to-valve"' in state["drawing"]


def test_the_presets_tell_their_stories():
    """What each says to watch is what happens."""
    def lines(name):
        cell = MemoryCell(preset=name)
        return {key: value[:, 0] for key, value in cell.values.items()}, torch.tensor(cell.inputs)[:, 1] == 1

    v, cue = lines("keep the first token")
    assert cue.tolist() == [True] + [False] * 19 and v["I"][0] > 0.99 > 0.01 > v["I"][1:].max()
    assert (v["C"] / v["C"][0] - 1).abs().max() < 0.07 and v["C_tilde"][1:].max() > 0.9
    v, cue = lines("skip the irrelevant")
    change = v["C"].diff().abs()
    assert change[cue[1:]].max() < 0.01 < 0.09 < change[~cue[1:]].min() and v["C_tilde"][cue].abs().max() > 0.7
    v, cue = lines("reset")
    assert cue.nonzero()[:, 0].tolist() == [7, 14] and v["C"][cue].abs().max() < 0.02 and v["C"][~cue].min() > 0.1
    assert v["C"][6] > 2 and v["C"][13] > 2 and (v["C"].diff()[~cue[1:]] > 0).all()
    v, cue = lines("silent unit")
    assert cue.nonzero()[:, 0].tolist() == [25, 26, 27, 28, 29] and (v["C"].diff() > 0).all()
    assert v["H"][:25].max() < 0.03 and v["H"][25] > 0.9


def test_the_challenge_begins_lost_and_can_be_won_within_the_sliders():
    cell = MemoryCell(preset="challenge: hold for 50 steps")
    assert len(NOISE) == 49 and (cell.parameters["b_f"], cell.parameters["b_i"]) == ([0], [0])

    def worst():
        c = cell.values["C"][:, 0]
        return (c / c[0] - 1).abs().max().item() if c[0] >= 0.5 else float("inf")

    assert worst() > 0.5
    cell.parameters = cell.parameters | {"b_f": [8.0]}
    assert worst() > 0.5                                           # one of the two biases will not do
    cell.parameters = cell.parameters | {"b_f": [0.0], "b_i": [-8.0]}
    assert worst() > 0.5
    cell.parameters = cell.parameters | {"b_f": [8.0]}
    assert worst() < 0.05


def test_the_page_changes_a_whole_cell_at_once():
    """As a preset does: other sizes in the same message."""
    cell = MemoryCell(unit=1)
    new = PRESETS["reset"]
    cell.set_state({"parameters": new["parameters"], "inputs": new["inputs"], "state": new["state"], "interventions": [[3, "H", 0, 0.5]],
                    "unit": 0, "step": 4, "preset": "reset"})
    assert (cell.inputs, cell.step, cell.interventions) == (new["inputs"], 4, [[3, "H", 0, 0.5]])
    assert tuple(cell.values["C"].shape) == (20, 1)


def test_a_held_change_that_does_not_fit_goes_back_whole():
    cell = MemoryCell(preset="reset", step=3)
    before = cell.get_state(["parameters", "inputs", "state", "step"])
    with pytest.raises(ValueError, match="inputs have shape"):
        with cell.hold_trait_notifications():
            cell.parameters, cell.state, cell.step = random_parameters(3, 2), ([0, 0], [0, 0]), 5
    assert cell.get_state(["parameters", "inputs", "state", "step"]) == before


def test_a_shorter_sequence_and_a_smaller_cell_keep_what_has_a_place():
    cell = MemoryCell(random_parameters(1, 3), torch.zeros(9, 1), unit=2, step=8, interventions=[[2, "H", 0, 0.1], [7, "C", 2, 1]])
    cell.inputs = torch.zeros(4, 1)
    assert (cell.step, cell.unit, cell.interventions) == (3, 2, [[2, "H", 0, 0.1]])
    with cell.hold_trait_notifications():
        cell.parameters, cell.state = random_parameters(1, 1), (torch.zeros(1), torch.zeros(1))
    assert (cell.unit, cell.interventions) == (0, [[2, "H", 0, 0.1]])


def without(name):
    return {key: value for key, value in BY_HAND.items() if key != name}


@pytest.mark.parametrize("trait, value, words", [
    ("parameters", without("W_hf"), "missing: W_hf; unknown: none"),
    ("parameters", without("W_xi"), "missing: W_xi"),
    ("parameters", BY_HAND | {"b_x": [0, 0]}, "unknown: b_x"),
    ("parameters", BY_HAND | {"W_xi": [1.0, 2.0]}, r"W_xi has shape \(inputs, hidden\), got \(2,\)"),
    ("parameters", BY_HAND | {"b_f": [1.0]}, r"b_f has shape \(2,\), got \(1,\)"),
    ("parameters", BY_HAND | {"b_f": [1.0, float("nan")]}, "b_f holds finite numbers"),
    ("parameters", BY_HAND | {"b_f": [1.0, 1e9]}, "b_f holds finite numbers, at most 1000 in size"),
    ("parameters", BY_HAND | {"b_f": "one"}, "b_f holds numbers, got 'one'"),
    ("parameters", BY_HAND | {"b_f": None}, "b_f holds numbers, got None"),
    ("parameters", random_parameters(4, 2), "1 to 3 inputs and 1 to 4 units, got 4 and 2"),
    ("parameters", random_parameters(1, 5), "got 1 and 5"),
    ("parameters", random_parameters(3, 2), r"inputs have shape \(steps, 3\)"),
    ("parameters", random_parameters(1, 3), r"H has shape \(3,\), got \(2,\)"),
    ("parameters", GRU(1, 2), "expected the weights W_xi"),
    ("parameters", 5, "expected one RNN, GRU or LSTM layer of unrolled.layers, got int"),
    ("inputs", [], r"inputs have shape \(steps, 1\) with 1 to 60 steps, got \(0, 1\)"),
    ("inputs", [[0.0]] * 61, r"with 1 to 60 steps, got \(61, 1\)"),
    ("inputs", [[1.0, 2.0]], r"got \(1, 2\)"),
    ("inputs", [[1.0], [1.0, 2.0]], "inputs holds numbers"),
    ("inputs", [[float("inf")]], "inputs holds finite numbers"),
    ("inputs", "1 2 3", "inputs holds numbers, got '1 2 3'"),
    ("state", {"H": [0, 0]}, "a state has H and C, got H"),
    ("state", {}, "got nothing"),
    ("state", ([0, 0],), r"a state is \(H, C\), each \(2,\)"),
    ("state", 7, r"a state is \(H, C\), each \(2,\), got 7"),
    ("state", ([0, 0], [0, 0, 0]), r"C has shape \(2,\), got \(3,\)"),
    ("interventions", [[0, "C", 0, 1.0]], "an intervention is .step from 1 to 0, 'H' or 'C', unit from 0 to 1, value., got .0, 'C'"),
    ("interventions", ["C"], "got 'C'"),
    ("interventions", None, "interventions are a list, got None"),
    ("unit", 2, "the unit lies between 0 and 1, got 2"),
    ("step", -1, "the step lies between 0 and 0, got -1"),
    ("preset", "the best", "the presets are 'one step by hand', .* got 'the best'"),
])
def test_what_does_not_fit_is_refused_in_words_and_the_old_value_stays(trait, value, words):
    cell = MemoryCell()
    before = cell.get_state([trait])
    with pytest.raises(ValueError, match=words):
        setattr(cell, trait, value)
    assert cell.get_state([trait]) == before
    with pytest.raises((ValueError, TypeError), match=words):
        MemoryCell(**{"parameters": BY_HAND, "inputs": [[1]], "state": ([0, 0], [0, 0])} | {trait: value})


@pytest.mark.parametrize("bad", [[1, "X", 0, 0.0], [1, "C", 2, 0.0], [2, "C", 0, 0.0], [1, "C", 0], [1, "C", 0, float("nan")]])
def test_an_intervention_has_its_place(bad):
    with pytest.raises(ValueError, match="an intervention"):
        MemoryCell(random_parameters(1, 2), [[1], [2]], interventions=[bad])


def test_no_number_at_all():
    for name in ("unit", "step", "preset"):
        with pytest.raises(traitlets.TraitError, match=name):
            MemoryCell(**{name: 1.5})


def test_the_drawing_and_the_presets_stay_what_they_are():
    for name in ("drawing", "presets"):
        with pytest.raises(traitlets.TraitError, match="read-only"):
            setattr(MemoryCell(), name, "")


def test_the_words_are_a_table_and_the_picture_says_them():
    cell = MemoryCell(unit=1)
    lines = cell.describe().splitlines()
    assert lines[0] == "The memory cell at step 1 of 1, unit 2 of 2."
    assert [line.split() for line in lines[1:4]] == [
        ["input", "x", "1.0000"], ["hidden", "state", "before", "0.5000", "-0.5000"], ["cell", "state", "before", "-1.0000"]]
    assert [float(line.split()[-1]) for line in lines[4:]] == [0.9526, 0.0474, 0.8808, 0.9051, 0.8148, 0.5921]
    assert cell.picture().alt == cell.describe() and "0.8148" in cell.picture().svg
    longer = MemoryCell(preset="silent unit", step=25).picture()
    assert "unit 1 at step 26 of 30" in longer.svg and "forget gate f" in longer.svg
