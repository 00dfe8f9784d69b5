"""Modules become one text, and that text runs; outputs carry their stand-ins; Node runs the modules' own tests."""
import json
import re
import subprocess
from pathlib import Path

import ipywidgets
import pytest
from IPython.core.formatters import DisplayFormatter

import unrolled.widgets
from unrolled.widgets import RepeatedFactor, base

TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))
MODULES = sorted(path.name for path in base.FOLDER.glob("*.mjs"))
WIDGETS = [getattr(unrolled.widgets, name) for name in unrolled.widgets.__all__]


def test_the_modules_own_tests(node):
    assert TESTS
    done = subprocess.run([node, "--test", *map(str, TESTS)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_a_joined_module_exports_what_the_file_exports(name, node, tmp_path):
    joined = tmp_path / name
    joined.write_text(base.module(name), encoding="utf-8")
    assert not re.search(r"^import ", joined.read_text(encoding="utf-8"), re.M)
    script = (f"const a = await import({json.dumps(joined.as_uri())}), b = await import({json.dumps((base.FOLDER / name).as_uri())});"
              "console.log(JSON.stringify([Object.keys(a), Object.keys(b)]))")
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert first == second and first


def test_a_module_is_joined_once_and_after_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(base, "FOLDER", tmp_path)
    (tmp_path / "a.mjs").write_text('import { b } from "./b.mjs";\nimport { c } from "./c.mjs";\nexport default { b, c };\n')
    (tmp_path / "b.mjs").write_text('import { c } from "./c.mjs";\nexport const b = c + 1;\n')
    (tmp_path / "c.mjs").write_text("export const c = 1;\n")
    assert base.module("a.mjs") == "const c = 1;\n\nconst b = c + 1;\n\nexport default { b, c };\n"


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.__name__)
def test_no_module_is_large_and_none_reads_markup(widget):
    assert len(widget._esm.encode()) <= 40_000
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in widget._esm


def test_the_style_names_every_quantity_in_both_themes():
    css = RepeatedFactor._css
    for name in ("i", "f", "o", "c-tilde", "c", "h", "x"):
        assert f".unrolled .u-{name}{{--u:var(--lstm-{name})}}" in css and css.count(f"--lstm-{name}:") == 2


def test_an_output_carries_a_picture_and_words():
    data, metadata = RepeatedFactor(0.9, 50)._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert data["image/png"].startswith(b"\x89PNG") and "0.00515" in data["text/plain"]


def test_it_does_so_with_the_older_widgets_of_colab_too(monkeypatch):
    """Their own way to be shown comes before the bundle, and knows of neither picture nor words."""
    monkeypatch.setattr(ipywidgets.Widget, "_ipython_display_", lambda self: pytest.fail("shown without its stand-ins"), raising=False)
    data, _ = DisplayFormatter().format(RepeatedFactor(0.9, 50))
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= data.keys()


@pytest.mark.parametrize("method", ["describe", "picture"])
def test_a_widget_without_stand_ins_is_no_widget(method):
    with pytest.raises(NotImplementedError):
        getattr(base.Widget(), method)()
