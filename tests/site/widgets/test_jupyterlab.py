"""The pages' notebooks in a real JupyterLab: run in its kernel, the widgets live, and what is moved comes back to Python."""
import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

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


def new_notebook(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(metadata=KERNEL, cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def wait_for_kernel(address):
    """Until the server says that the notebook's kernel is idle and that somebody listens to it."""
    parts = urlparse(address)
    name, deadline = parts.path.rsplit("/", 1)[-1], time.monotonic() + 90
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://{parts.netloc}/api/sessions?{parts.query}", timeout=10) as answer:
            kernels = [session["kernel"] for session in json.load(answer) if session["path"] == name]
        if any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels):
            time.sleep(1)
            return
        time.sleep(0.3)


def run_all(page, address):
    """Open a notebook and run it to its end."""
    page.goto(address)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)
    wait_for_kernel(address)
    for attempt in range(4):                         # JupyterLab drops what it is asked before it has its kernel, or asks which
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator("li[data-command='runmenu:run-all']").click()
        with contextlib.suppress(PlaywrightTimeout):
            page.locator(".jp-Dialog button", has_text=re.compile("^Select$")).click(timeout=1000)
        with contextlib.suppress(PlaywrightTimeout):
            page.wait_for_function("() => /\\d/.test(document.querySelector('.jp-CodeCell .jp-InputPrompt').textContent)", timeout=45_000)
            break
    error = "[data-mime-type='application/vnd.jupyter.error']"
    page.wait_for_function("error => document.querySelector(error) || [...document.querySelectorAll('.jp-OutputArea-output')]"
                           ".some(o => o.textContent.includes('everything ran'))", arg=error, timeout=300_000)
    assert not page.locator(error).count(), page.locator(error).first.inner_text()


def ask(page, code, pattern):
    """Run one more cell in the kernel and return what it prints."""
    editor = page.locator(".jp-CodeCell").last.locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
    output.filter(has_text=re.compile(pattern)).wait_for(timeout=60_000)
    return output.last.inner_text()


def test_a_slider_moved_in_the_lab_is_moved_in_the_kernel(lab, browser, watch):
    work, address = lab
    code = "from unrolled.widgets import RepeatedFactor\nwidget = RepeatedFactor(0.9, 50)\nwidget"
    nbformat.write(new_notebook(code, "print('everything ran')"), work / "factor.ipynb")
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    run_all(page, address("factor.ipynb"))
    slider = page.locator(".unrolled input[type=range]").first
    slider.wait_for()
    slider.focus()
    page.keyboard.press("End")
    assert "weight 1.50" in page.locator(".unrolled .u-said").inner_text()
    assert "weight=1.5" in ask(page, "print(f'weight={widget.weight}')", r"weight=")
    context.close()
    assert not errors


def test_every_widget_takes_the_readers_own_objects_in_the_lab(lab, browser):
    """A model trained in that kernel; each widget is shown, moved by keyboard, and read back."""
    work, address = lab
    names = ["cell", "flow", "microscope", "replay", "unrolling", "costs"]
    nbformat.write(new_notebook(OWN, *(f"shown['{name}']" for name in names), "print('everything ran')"), work / "own.ipynb")
    context = browser.new_context(viewport={"width": 1280, "height": 2400})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    run_all(page, address("own.ipynb"))
    for k, name in enumerate(names):
        root = page.locator(".jp-CodeCell").nth(k + 1).locator(".unrolled[role=group]")
        root.wait_for()
        assert not root.locator("text=cannot be shown").count()
    replay = page.locator(".jp-CodeCell").nth(1 + names.index("replay")).locator("input[type=range]").first
    replay.focus()
    page.keyboard.press("Home")
    assert "epoch=1" in ask(page, "print('epoch=%d' % shown['replay'].epoch)", "epoch=")
    typed = page.locator(".jp-CodeCell").nth(1 + names.index("microscope")).locator("textarea")
    typed.fill("the time")
    assert "text=the time" in ask(page, "print('text=' + shown['microscope'].text)", "text=")
    context.close()
    assert not errors
