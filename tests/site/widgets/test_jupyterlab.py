"""The pages' notebooks in a real JupyterLab: run in its kernel, the widgets live, and what is moved comes back to Python."""
import json
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[3]
QUIET = {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A Jupyter server of its own on this machine: (folder of notebooks, function from a notebook's name to its address)."""
    home = tmp_path_factory.mktemp("lab")
    work, settings = home / "work", home / "settings/@jupyterlab/apputils-extension"
    for folder in (work, settings):
        folder.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
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
        yield work, lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?token={token}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def notebook(page: str, *cells: str) -> nbformat.NotebookNode:
    """The page as a notebook without its recorded outputs, with cells of ours behind it."""
    made = jupytext.read(ROOT / f"book/{page}.md")
    made.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    return made


def run_all(page, address):
    """Open a notebook and run it to its end."""
    page.goto(address)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("li[data-command='runmenu:run-all']").click()
    page.wait_for_function("() => [...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent.includes('everything ran'))",
                           timeout=240_000)


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
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
                                    cells=[nbformat.v4.new_code_cell(cell) for cell in (code, "print('everything ran')")])
    nbformat.write(made, work / "factor.ipynb")
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
