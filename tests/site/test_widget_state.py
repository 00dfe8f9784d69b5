"""A page carries each module once and no widget that it does not show; nothing else of it changes."""
import io
import json
import re

import ipywidgets
import pytest
from ipywidgets.embed import dependency_state, embed_data
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.site.practice import embedded
from unrolled.site.widget_state import lightened
from unrolled.widgets import Question, RepeatedFactor

ASKED = {"kind": "choice", "prompt": "</script><b>&", "options": [{"text": "one", "say": "</script>", "right": True}]}


def scripts(page):
    """The widgets' places and models in a page."""
    found = re.findall(r'widget-(view|state)\+json">(.*?)</script>', page, re.S)
    states = [json.loads(text)["state"] for kind, text in found if kind == "state"]
    return ([json.loads(text)["model_id"] for kind, text in found if kind == "view"],
            {key: model["state"] for state in states for key, model in state.items()})


@pytest.fixture(scope="module")
def page():
    """Two widgets of a kernel that made three, one of them shown twice, and two questions."""
    widgets = [RepeatedFactor(0.9, 50), RepeatedFactor(1.1, 20), RepeatedFactor(0.5, 10)]
    data = embed_data(views=widgets, drop_defaults=False)
    state, *views = [json.dumps(part).replace("</", "<\\/") for part in (data["manager_state"], *data["view_specs"])]
    kernel = "".join(f'<script type="application/vnd.jupyter.widget-view+json">{views[k]}</script>' for k in (1, 0, 1))
    questions = "".join(embedded(Question(ASKED, name), name) for name in ("first", "second"))
    models = f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
    return f"<p>Before.</p>{kernel}{questions}<p>After.</p>{models}"


def test_what_is_shown_stays_and_each_module_comes_once(page):
    (shown, before), (still, after) = scripts(page), scripts(lightened(page))
    assert still == shown and set(after) == set(shown) < set(before)
    whole = {key: {**state, "_esm": after[state["_esm"]["of"]]["_esm"] if isinstance(state["_esm"], dict) else state["_esm"]}
             for key, state in after.items()}
    assert [{**state, "_css": ""} for state in whole.values()] == [{**before[key], "_css": ""} for key in whole]
    assert len([1 for state in after.values() if isinstance(state["_esm"], str)]) == 2
    assert [state["_css"] for state in after.values()] == [before["first"]["_css"], "", "", ""]


def test_nothing_else_changes_and_twice_is_once(page):
    made = lightened(page)
    text = re.compile(r'(widget-state\+json">).*?(</script>)', re.S)
    assert text.sub(r"\1\2", made) == text.sub(r"\1\2", page) and made.count("<b>") == page.count("<b>") == 0
    assert lightened(made) == made
    assert len(made) < 0.5 * len(page)


def test_a_page_for_the_html_manager_and_one_without_widgets_stay_as_they_are(page):
    control = ipywidgets.IntSlider(3)
    data = embed_data(views=[control], state=dependency_state([control]), drop_defaults=False)
    slider = "".join(f'<script type="application/vnd.jupyter.widget-{kind}+json">{json.dumps(part)}</script>'
                     for kind, part in (("view", data["view_specs"][0]), ("state", data["manager_state"])))
    for whole in (page + slider, slider, "<p>Words.</p>", page.replace('"first"', '"lost"', 1)):
        assert lightened(whole) == whole


def test_sphinx_calls_it_when_the_pages_are_finished(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source/index.md").write_text("# One\n\n```{practice} gates\n```\n\n```{practice} step\n```\n", encoding="utf-8")
    settings = {"extensions": ["myst_parser", "sphinx_design", "unrolled.site"], "source_suffix": {".md": "markdown"},
                "html_theme": "basic", "myst_enable_extensions": ["colon_fence", "dollarmath"]}
    with patch_docutils(), docutils_namespace():
        Sphinx(tmp_path / "source", None, tmp_path / "html", tmp_path / "doctrees", "html", settings, status=None,
               warning=io.StringIO()).build()
    shown, states = scripts((tmp_path / "html/index.html").read_text(encoding="utf-8"))
    assert shown == list(states) and states["question-step"]["_esm"] == {"of": "question-gates"}
