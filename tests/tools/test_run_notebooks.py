"""Notebooks that run, fail, hang and lose their kernel: each is told, and a record is whole or not there."""
import asyncio
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
import run_notebooks as tool
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

TRAINS = """\
weight = torch.nn.Parameter(torch.zeros(3))
optimizer = torch.optim.SGD([weight], lr=0.1)
for _ in range(2):
    weight.sum().backward()
    optimizer.step()"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


@pytest.fixture
def write(folder):
    """write(name, *sources): a notebook of these cells, with an output that no run has made."""
    def call(name, *sources):
        cells = [new_code_cell(source, outputs=[new_output("stream", text="from another time\n")]) for source in sources]
        nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {name}"), *cells]), folder / f"{name}.ipynb")
    return call


@pytest.fixture
def main(folder, tmp_path):
    """The tool on this folder: its exit status, and its report."""
    def call(*arguments):
        status = tool.main(["--folder", str(folder), "--out", str(tmp_path / "run"), *arguments])
        return status, (tmp_path / "run.md").read_text(encoding="utf-8")
    return call


def cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_each_runs_in_a_folder_of_its_own_and_knows_no_names_but_its_own(write, main, tmp_path, capsys):
    write("one", "open('mine', 'w').close()", "import os\nprint(os.listdir(), [name for name in globals() if name[0] != '_'])")
    write("two", "import os\nprint(os.listdir())")
    status, report = main()
    assert status == 0 and report.startswith("# All 2 notebooks ran\n")
    said = cells(tmp_path / "run/one/one.ipynb")[1].outputs[0].text
    assert said.startswith("['mine'] ") and "watch" not in said and "json" not in said
    assert [cell.outputs[0].text for cell in cells(tmp_path / "run/two/two.ipynb")] == ["[]\n"]
    assert re.search(r"^  one: ran in \d+ s$", capsys.readouterr().out, re.M)
    assert re.search(r"^\| two \| \d+ \|  \| \d+ \| well \|$", report, re.M)


def test_a_failing_one_is_told_with_its_cell_and_its_last_lines_and_the_next_runs(write, main, tmp_path, capsys):
    deep = "#@title Deep\ndef deep(n):\n    return deep(n - 1) if n else 1 / 0\nprint('before')\ndeep(40)"
    write("one", "1", deep, "print('after')")
    write("two", "print('well')")
    status, report = main()
    assert status == 1 and report.startswith("# 1 of 2 notebooks failed\n")
    assert re.search(r"^It failed in cell 3, `def deep\(n\):`, after \d+ seconds:$", report, re.M)
    error = re.search("````text\n(.*?)\n````", report, re.S)[1].splitlines()
    assert error[-1] == "ZeroDivisionError: division by zero" and len(error) <= tool.LINES and "\x1b" not in report
    one = cells(tmp_path / "run/one/one.ipynb")
    assert one[1].outputs[0].text == "before\n" and one[2].outputs == []
    assert cells(tmp_path / "run/two/two.ipynb")[0].outputs[0].text == "well\n"
    said = capsys.readouterr().out
    assert re.search(r"one: FAILED in cell 3, .*\n", said)
    assert said.splitlines()[-1].startswith("1 of 2 failed: one. Their errors are in ")


def test_a_cell_that_hangs_is_ended(write, main):
    write("one", "import time\nwhile True:\n    time.sleep(0.1)")
    status, report = main("--timeout", "2")
    assert status == 1 and "It failed in cell 2, `import time`" in report and "timed out" in report


def test_a_kernel_that_dies_is_told(write, main):
    write("one", "import os\nos._exit(1)")
    status, report = main()
    assert status == 1 and "Kernel died" in report


def test_those_that_may_install_run_alone_and_then_as_many_as_asked(write, folder, monkeypatch, tmp_path):
    for name in "abcdef":
        write(name, "%pip install jax" if name == "d" else "begin()", "1")
    now, most = [], {}

    async def run(path, folder, timeout):
        now.append(path.stem)
        await asyncio.sleep(0.02)
        most[path.stem] = len(now)
        now.remove(path.stem)
        return tool.Run(path.stem)

    monkeypatch.setattr(tool, "run", run)
    paths = sorted(folder.glob("*.ipynb"))
    assert [done.name for done in asyncio.run(tool.run_all(paths, tmp_path, 3, 1))] == list("abcdef")
    assert most["a"] == most["d"] == 1 and max(most.values()) == 3


@pytest.mark.parametrize("times, ended", [(1, "ran"), (2, "ran"), (3, "lost")])
def test_a_lost_watch_over_a_kernel_is_tried_again_twice(times, ended, monkeypatch, tmp_path):
    left = [AssertionError] * times

    async def flaky(self, **options):
        if left:
            raise left.pop()
    monkeypatch.setattr(tool.NotebookClient, "async_execute", flaky)
    execution = tool.execute(new_notebook(), tmp_path)
    if ended == "ran":
        assert asyncio.run(execution) >= 0 and not left
    else:
        with pytest.raises(AssertionError):
            asyncio.run(execution)


def test_the_first_training_step_is_timed_from_the_first_cell(write, main, capsys):
    write("one", "import time, torch\ntime.sleep(0.5)", TRAINS, "time.sleep(2)")
    _, report = main()
    step, memory = re.search(r"^\| one \| \d+ \| ([\d.]+) \| (\d+) \|", report, re.M).groups()
    total = float(re.search(r"^  one: ran in (\d+) s, first training step after ", capsys.readouterr().out, re.M)[1])
    assert 0.5 < float(step) < total - 1.4 and int(memory) > 100


# What it does not begin with

@pytest.mark.parametrize("names, sentence", [
    ([], "There are no notebooks in .*nowhere: run make notebooks first."),
    (["one"], "There are no notebooks in .*nowhere: run make notebooks first."),
])
def test_a_missing_folder(names, sentence, main, tmp_path):
    with pytest.raises(SystemExit, match=sentence):
        tool.main([*names, "--folder", str(tmp_path / "nowhere")])


def test_a_missing_notebook(write, main):
    write("one", "1")
    with pytest.raises(SystemExit, match="^There is no notebook 'two' in .*notebooks, which has one\\.$"):
        main("two")


def test_pages_of_words_are_left_out(write, folder, main):
    write("words")
    write("code", "1")
    assert [path.stem for path in tool.find(folder, [])] == ["code"]
    with pytest.raises(SystemExit, match="^There is no code to run in words\\.$"):
        main("words")


@pytest.mark.parametrize("option, value, sentence", [
    ("--jobs", "0", "--jobs is at least 1, not 0"),
    ("--record", "A/b", "--record is a name of small letters, digits and hyphens, such as notebooks-gpu, not 'A/b'"),
])
def test_an_option_that_cannot_be(option, value, sentence, main, capsys):
    with pytest.raises(SystemExit):
        main(option, value)
    assert capsys.readouterr().err.endswith(f"error: {sentence}\n")


def test_the_variant_is_a_folder(write, main, folder):
    write("one", "1 / 0")
    (folder / "solved").mkdir()
    (folder / "one.ipynb").rename(folder / "solved/one.ipynb")
    assert main("--variant", "solved")[0] == 1


def test_without_a_gpu_one_sentence(write, main, monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    write("one", "1")
    with pytest.raises(SystemExit) as stopped:
        main("--gpu")
    assert stopped.value.code == f"This needs a GPU: torch {torch.__version__} finds neither CUDA nor MPS on this machine."


def test_without_torch_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match="torch is not installed here"):
        tool.demand_gpu()


def test_a_gpu_is_named(write, main, monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    write("one", "1")
    assert "on Tesla T4, with Python" in main("--gpu")[1]


# The record

@pytest.fixture
def data(tmp_path, monkeypatch):
    """book/data of another repository."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    return tmp_path / "book" / "data"


def test_a_record_has_the_times_and_the_versions(write, main, data):
    write("one", "import torch", TRAINS)
    write("two", "1")
    main("--record", "there", "--command", "make there")
    record = json.loads((data / "there.json").read_text())
    assert [path.name for path in data.iterdir()] == ["there.json"]
    one, two = record["rows"]
    assert one["notebook"] == "one" and 0 < one["first_step_seconds"] < one["seconds"] and one["peak_mb"] > 100
    assert two["notebook"] == "two" and "first_step_seconds" not in two
    assert record["command"] == "make there" and {"python", "torch", "numpy", "ipywidgets"} <= record["versions"].keys()


def test_a_run_that_failed_leaves_the_record_of_the_last_one(write, main, data):
    write("one", "1")
    main("--record", "there")
    before = (data / "there.json").read_bytes()
    write("two", "1 / 0")
    assert main("--record", "there")[0] == 1
    assert (data / "there.json").read_bytes() == before and len([*data.iterdir()]) == 1
