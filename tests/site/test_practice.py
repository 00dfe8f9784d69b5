"""An exercise in a page: its parts in their places, its question alive without a kernel, nothing raw, nothing shown too soon."""
import html
import io
import json
import re

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.exercises import asking, get, names
from unrolled.site.practice import HOST, embedded
from unrolled.widgets import Question

EQUATION = "\n\n```{math}\n:label: eq-gates\na = b\n```\n"


@pytest.fixture
def build(tmp_path):
    """build(first page, second page, builder, on_page): the two pages and the warnings."""
    def call(first, second="# Two\n", builder="html", on_page=None):
        source, out, warnings = tmp_path / "source", tmp_path / builder, io.StringIO()
        source.mkdir(exist_ok=True)
        (source / "index.md").write_text(first + EQUATION + "\n```{toctree}\ntwo\n```\n", encoding="utf-8")
        (source / "two.md").write_text(second, encoding="utf-8")
        settings = {"extensions": ["myst_parser", "sphinx_design", "unrolled.site.practice"], "html_theme": "basic",
                    "myst_enable_extensions": ["colon_fence", "dollarmath"]}
        with patch_docutils(), docutils_namespace():
            app = Sphinx(source, None, out, tmp_path / "doctrees", builder, settings, status=None, warning=warnings)
            if on_page:
                app.connect("html-page-context", on_page)
            app.build()
        ending = "html" if builder == "html" else "txt"
        return (*((out / f"{name}.{ending}").read_text(encoding="utf-8") for name in ("index", "two")), warnings.getvalue())
    return call


PAGE = "# One\n\n```{practice} gates\n```\n\n```{practice} step\n```\n"


def words(page):
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<script.*?</script>|<noscript>.*?</noscript>", "", page, flags=re.S)))


def test_all_parts_stand_in_their_order(build):
    page, _, warnings = build(PAGE)
    assert not warnings
    exercise = get("gates")
    begin, after = page.index('id="exercise-gates"'), page.index('id="exercise-step"')
    assert 'class="practice docutils container"' in page[begin - 60:begin]
    places = [page.index(part, begin, after) for part in
              ("Practise: The three gates", "Write the three gates of", "raise</span>", "application/vnd.jupyter.widget-view+json",
               "Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Solution", "All three read the same two things")]
    assert places == sorted(places)
    assert page.count("<details") == 8 and "<details open" not in page
    text = words(page[begin:after])
    for code in (exercise.start, exercise.solution):
        assert code.strip() in text


def test_nothing_of_the_markup_is_left(build):
    page, _, _ = build(PAGE)
    text = words(page)
    assert not re.search(r"\{[a-z:]+\}`|```|:::|\*\*", text)
    assert 'href="#equation-eq-gates"' in page                   # the statement's reference is one of the page's own


def test_every_exercise_can_stand_in_a_page(build):
    """Only a reference to another page may be open here."""
    page, _, warnings = build("# One\n" + "".join(f"\n```{{practice}} {name}\n```\n" for name in names()))
    assert [line for line in warnings.splitlines() if not re.search("equation not found|undefined label|not in glossary", line)] == []
    assert len(re.findall('class="practice docutils', page)) == len(names())
    assert not re.search(r"\{[a-z:]+\}`|```|:::|\*\*\w", words(re.sub(r"<pre>.*?</pre>", "", page, flags=re.S)))


def test_each_question_carries_what_the_host_needs(build):
    page, _, _ = build(PAGE)
    views = [json.loads(text) for text in re.findall(r'widget-view\+json">(.*?)</script>', page)]
    states = [json.loads(text)["state"] for text in re.findall(r'widget-state\+json">(.*?)</script>', page, re.S)]
    assert [view["model_id"] for view in views] == [key for state in states for key in state] == ["question-gates", "question-step"]
    for name, state in zip(("gates", "step"), states):
        model = state[f"question-{name}"]
        assert model["model_module"] == "anywidget" and "layout" not in model["state"]
        assert model["state"]["question"] == get(name).question and model["state"]["name"] == name
        assert "export default" in model["state"]["_esm"] and not model["state"]["solved"]
    for name, words_without_scripts in zip(("gates", "step"), re.findall(r"<noscript><pre>(.*?)</pre></noscript>", page, re.S)):
        assert html.unescape(words_without_scripts).startswith(get(name).question["prompt"])


def test_no_text_can_end_the_script_that_holds_it():
    nasty = "</script><script>alert(1)</script><!-- & \"quoted\""
    widget = Question({"kind": "choice", "prompt": nasty, "options": [{"text": nasty, "say": nasty, "right": True}]}, "x")
    made = embedded(widget, "key")
    assert made.count("<script") == made.count("</script>") == 2 and "<!--" not in made
    assert f"<pre>{html.escape(nasty)}" in made
    state = json.loads(re.search(r'widget-state\+json">(.*)</script>', made).group(1))
    assert state["state"]["key"]["state"]["question"]["prompt"] == nasty


def test_the_host_is_loaded_once_and_only_where_it_is_needed(build):
    def as_another_widget(app, *_):                              # of either page does, through MyST-NB
        app.add_js_file(HOST)

    for also in (None, as_another_widget):
        one, two, _ = build(PAGE, on_page=also)
        assert len(re.findall(rf'<script src="_static/{HOST}[^"]*"></script>', one)) == 1
        assert two.count(HOST) == bool(also)


def test_a_page_that_is_not_read_again_keeps_its_host(build):
    build(PAGE)
    one, two, _ = build(PAGE, second="# Two\n\nchanged\n")
    assert HOST in one and HOST not in two


@pytest.mark.parametrize("asked", ["gate", "Gates"])
def test_an_unknown_name_is_an_error_in_words(build, asked):
    page, _, warnings = build(f"# One\n\n```{{practice}} {asked}\n```\n")
    assert f"there is no exercise '{asked}'; there are gates, node, " in warnings and "ERROR" in warnings and "index.md:3" in warnings
    assert 'class="practice' not in page and HOST not in page


def test_a_name_is_needed(build):
    _, _, warnings = build("# One\n\n```{practice}\n```\n")
    assert "1 argument(s) required, 0 supplied" in warnings


def test_other_formats_get_the_words(build):
    page, _, warnings = build(PAGE, builder="text")
    assert "Practise: The three gates" in page and "Hint 1 of 3" in page and "script" not in page and not warnings


def test_a_trouble_in_an_exercise_names_the_exercise(build, monkeypatch):
    broken = get("gates")
    monkeypatch.setitem(asking.everything(), "gates", type(broken)(**vars(broken) | {"statement": "{nothing}`here`"}))
    _, _, warnings = build(PAGE)
    assert "Unknown interpreted text role" in warnings
