"""The pages' notebooks in a real JupyterLab: run in its kernel, the widgets live, and what is moved comes back to Python."""
import itertools
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {"apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
            "notebook-extension/tracker": {"windowingMode": "none"}}               # cells out of sight are there, too


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A Jupyter server of its own on this machine: (folder of notebooks, function from a notebook's name to its address)."""
    home = tmp_path_factory.mktemp("lab")
    work = home / "work"
    work.mkdir(parents=True)
    for name, values in SETTINGS.items():
        path = home / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    (work / "data").symlink_to(ROOT / "book/data")
    token = secrets.token_hex(16)
    environment = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
                                "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    log = open(home / "log", "w+")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0",
                               f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}", "--LabApp.news_url=None"],
                              stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (info := list((home / "runtime").glob("jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.2)
        port = json.loads(info[0].read_text())["port"]
        yield work, lambda name: f"http://127.0.0.1:{port}/lab/workspaces/{Path(name).stem}/tree/{name}?token={token}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


VIEW = "application/vnd.jupyter.widget-view+json"
QUESTIONS = itertools.count()
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
OWN = """
import torch
from unrolled import LSTM, LanguageModel, Trainer, Vocabulary, load_corpus, source_split
from unrolled.snapshots import Snapshots
from unrolled.widgets import CostCalculator, GradientFlow, MemoryCell, StateMicroscope, TrainingReplay, Unrolling

text = load_corpus("embedded").text
vocab = Vocabulary.from_text(text)
split = source_split(vocab.encode(text), 16, 1000, 500)
torch.manual_seed(0)
model = LanguageModel(LSTM(len(vocab), 16), len(vocab))
trainer = Trainer(model, split.train, split.validation, optimizer="adamw", lr=0.01, batch_size=250)
history = trainer.fit(2, on_epoch=Snapshots(model, vocab, "it has been a long time"))
shown = {
    "cell": MemoryCell(LSTM(2, 3), inputs=[[0.5, 1.0], [0.0, -1.0]]),
    "flow": GradientFlow.measure(biases=(0.0, 1.0), steps=8, seeds=2, hidden=8),
    "microscope": StateMicroscope(model, vocab, "it has been"),
    "replay": TrainingReplay(history),
    "unrolling": Unrolling.of(trainer),
    "costs": CostCalculator.of(model),
}
"""
LABORATORY = """
from unrolled.recorded import recorded
from unrolled.trials import Bench
from unrolled.widgets import Laboratory
from unrolled.widgets.laboratory import outcome

story = "the machine stood in the old garden, and nobody had moved it since the summer before last. " * 40
lab = Laboratory(recorded("hyperparameters"), name="num_steps", value=8)
lab.bench = Bench(story, split="honest", windows=10 ** 9, device="cpu")      # a pass of some four hundred windows, without end
lab
"""


def new_notebook(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(metadata=KERNEL, cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def exported(page: str) -> tuple[nbformat.NotebookNode, int]:
    """The page's notebook as `make notebooks` wrote it, with nothing of what it shows, and one cell of ours; its widgets."""
    path = ROOT / f"_build/notebooks/{page}.ipynb"
    assert path.is_file(), "run `make notebooks` first"
    made = nbformat.read(path, as_version=4)
    made.metadata.pop("widgets", None)
    shown = 0
    for cell in made.cells:
        if cell.cell_type == "code":
            shown += sum(VIEW in output.get("data", {}) for output in cell.outputs)
            cell.outputs = []
    made.cells.append(nbformat.v4.new_code_cell("print('everything ran')"))
    return made, shown


def run_all(page, address, seconds=300):
    """Open a notebook and run it to its end."""
    page.goto(address)
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=90_000)     # before that, what is run is dropped
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("li[data-command='runmenu:run-all']").click()
    error = "[data-mime-type='application/vnd.jupyter.error']"
    page.wait_for_function("error => document.querySelector(error) || [...document.querySelectorAll('.jp-OutputArea-output')]"
                           ".some(o => o.textContent.includes('everything ran'))", arg=error, timeout=1000 * seconds)
    assert not page.locator(error).count(), page.locator(error).first.inner_text()


def ask(page, expression, expected):
    """Until the kernel has the expected value: what is moved goes to a subshell, what is run does not wait for it."""
    cell, answer, deadline = page.locator(".jp-CodeCell").last, None, time.monotonic() + 60
    while answer != expected and time.monotonic() < deadline:
        question = f"answer {next(QUESTIONS)}:"                  # never mistaken for the answer to an earlier one
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(f"print('{question}', {expression})")
        page.keyboard.press("Control+Enter")
        output = cell.locator(".jp-OutputArea-output", has_text=question)
        output.wait_for(timeout=60_000)
        answer = output.inner_text().strip().removeprefix(f"{question} ")
    assert answer == expected


@pytest.fixture
def opened(lab, browser):
    """opened(name, notebook) -> page: the notebook run to its end in the lab. In the end nothing may have been thrown there."""
    work, address = lab
    contexts, errors = [], []

    def run(name, notebook, height=1000, seconds=300):
        nbformat.write(notebook, work / f"{name}.ipynb")
        contexts.append(browser.new_context(viewport={"width": 1280, "height": height}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        run_all(page, address(f"{name}.ipynb"), seconds=seconds)
        return page

    yield run
    for context in contexts:
        context.close()
    assert not errors


def test_a_slider_moved_in_the_lab_is_moved_in_the_kernel(opened):
    code = "from unrolled.widgets import RepeatedFactor\nwidget = RepeatedFactor(0.9, 50)\nwidget"
    page = opened("factor", new_notebook(code, "print('everything ran')"))
    slider = page.locator(".unrolled input[type=range]").first
    slider.wait_for()
    slider.focus()
    page.keyboard.press("End")
    assert "weight 1.50" in page.locator(".unrolled .u-said").inner_text()
    ask(page, "widget.weight", "1.5")


def test_every_widget_takes_the_readers_own_objects_in_the_lab(opened):
    """A model trained in that kernel; each widget is shown, moved by keyboard, and read back."""
    names = ["cell", "flow", "microscope", "replay", "unrolling", "costs"]
    page = opened("own", new_notebook(OWN, *(f"shown['{name}']" for name in names), "print('everything ran')"), height=2400)
    for k, name in enumerate(names):
        root = page.locator(".jp-CodeCell").nth(k + 1).locator(".unrolled[role=group]")
        root.wait_for()
        assert not root.locator("text=cannot be shown").count()
    replay = page.locator(".jp-CodeCell").nth(1 + names.index("replay")).locator("input[type=range]").first
    replay.focus()
    page.keyboard.press("Home")
    ask(page, "shown['replay'].epoch", "1")
    typed = page.locator(".jp-CodeCell").nth(1 + names.index("microscope")).locator("textarea")
    typed.fill("the time")
    ask(page, "shown['microscope'].text", "the time")


@pytest.mark.parametrize("page_name, moved", [("memory-cell", "cell.inputs[0][0]"), ("inside", "microscope.position")])
def test_an_exported_page_runs_in_the_lab_and_its_widget_lives(page_name, moved, opened):
    """Nothing that the notebook carries is shown: the kernel trains the page's model and makes the widget anew."""
    notebook, shown = exported(page_name)
    page = opened(page_name, notebook, height=2400, seconds=600)
    widgets = page.locator(".unrolled[role=group]")
    widgets.first.wait_for()
    assert widgets.count() == shown and not page.get_by_text("cannot be shown").count()
    slider = widgets.locator("input[type=range]:visible").first
    before = float(slider.input_value())
    ask(page, f"float({moved})", str(before))
    slider.focus()
    page.keyboard.press("End")
    after = float(slider.input_value())
    assert after == float(slider.get_attribute("max")) != before
    ask(page, f"float({moved})", str(after))


def test_a_laboratory_runs_and_is_stopped_in_the_lab(opened):
    """The kernel trains in the background, the page's button stops it, and the page says of the row what the kernel has."""
    page = opened("laboratory", new_notebook(LABORATORY, "print('everything ran')"), height=1600)
    page.get_by_role("button", name="Run it here").click()
    a_thousand_windows = "() => /8 steps: [1-9]\\d*\\u202f\\d{3} of/.test(document.querySelector('.u-lab').textContent)"
    page.wait_for_function(a_thousand_windows, timeout=120_000)               # two passes, so that there is something to keep
    page.get_by_role("button", name="Stop", exact=True).click()
    row = page.locator(".u-mine td", has_text="stopped after")
    row.wait_for(timeout=120_000)
    assert page.locator(".u-charts .u-own").count() == 2
    ask(page, "[(run['state'], run['num_steps']) for run in lab.runs]", "[('stopped', 8)]")
    ask(page, "outcome(lab.runs[0])", row.inner_text())
