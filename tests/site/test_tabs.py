"""The four frameworks' tabs of the built pages: each shows its own code, and the choice goes along."""
import ast
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html" / "book"
FRAMEWORKS = {"pytorch": "PyTorch", "jax": "JAX", "tensorflow": "TensorFlow", "mxnet": "MXNet"}
PAGES = ["from-scratch", "concise"]
ITEM = re.compile(r"^:::\{tab-item\} (\w+)\n:sync: (\w+)\n(.*?)^:::$", re.M | re.S)
INCLUDE = re.compile(r"^```\{literalinclude\} \.\./src/unrolled/(\S+)\n(?::language: .*\n)?:pyobject: (\S+)$", re.M)
CHECKED = "input:checked + label"
# Of each set of tabs, what stands in the page for a reader to see: labels, and the code of the open tabs.
SHOWN = """() => [...document.querySelectorAll(".sd-tab-set")].map(set => [...set.querySelectorAll(":scope > .sd-tab-content")]
  .filter(tab => tab.checkVisibility())
  .map(tab => [tab.previousElementSibling.innerText, [...tab.querySelectorAll(".highlight pre")].map(pre => pre.textContent.trim())]))"""


def source(file: str, name: str) -> str:
    """A function or a class of the package, its decorators included, as it stands in its file."""
    text = (ROOT / "src/unrolled" / file).read_text(encoding="utf-8")
    node = ast.parse(text)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1:node.end_lineno]))


def wanted(name: str) -> list[dict[str, list[str]]]:
    """Of each set of tabs on a page: framework -> the sources that its tab includes, each from that framework's file."""
    sets = []
    for written in re.findall(r"^::::\{tab-set\}\n:sync-group: framework\n(.*?)^::::$",
                              (ROOT / f"book/{name}.md").read_text(encoding="utf-8"), re.M | re.S):
        items = ITEM.findall(written)
        assert [(sync, label) for label, sync, _ in items] == list(FRAMEWORKS.items())
        sets.append({sync: [source(file, part) for file, part in INCLUDE.findall(text)] for _, sync, text in items})
        for _, sync, text in items:
            others = {file for file, _ in INCLUDE.findall(text)} - {f"frameworks/{sync}.py"}
            assert not any("frameworks/" in file for file in others) and (sync == "pytorch" or not others)
    return sets


@pytest.fixture
def context(browser):
    """A reader who comes for the first time."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def visit(context, watch):
    """visit(page, what follows its address): the open page; in the end nothing must have gone wrong in any."""
    visits = []

    def visit(name, more=""):
        visits.append(watch(context))
        return visits[-1].goto((SITE / f"{name}.html").as_uri() + more)
    yield visit
    assert not [trouble for watched in visits for trouble in watched.trouble]


def chosen(page) -> set[str]:
    """The labels of the open tabs."""
    return {label for tabs in page.evaluate(SHOWN) for label, _ in tabs}


@pytest.mark.parametrize("name", PAGES)
def test_each_tab_shows_its_frameworks_code_and_hides_the_others(name, visit):
    page, sets = visit(name), wanted(name)
    assert len(sets) == {"from-scratch": 4, "concise": 1}[name]
    assert page.locator(".sd-tab-set > label").all_inner_texts() == [*FRAMEWORKS.values()] * len(sets)
    for sync, label in FRAMEWORKS.items():                 # the first is open already
        page.locator(".sd-tab-set > label").get_by_text(label, exact=True).last.click()
        assert page.evaluate(SHOWN) == [[[label, tabs[sync]]] for tabs in sets]


def test_the_choice_stands_on_the_next_page_and_at_the_next_visit(visit):
    page = visit("from-scratch")
    assert chosen(page) == {"PyTorch"}
    page.locator(".sd-tab-set > label").get_by_text("TensorFlow", exact=True).first.click()
    page.get_by_role("link", name="The concise version").last.click()
    page.wait_for_url("**/concise.html")
    assert chosen(page) == {"TensorFlow"}
    page.close()
    assert chosen(visit("from-scratch")) == {"TensorFlow"}


@pytest.mark.parametrize("sync", FRAMEWORKS)
def test_a_link_can_choose(sync, visit):
    assert chosen(visit("from-scratch", f"?framework={sync}#sec-training")) == {FRAMEWORKS[sync]}
    assert chosen(visit("concise")) == {FRAMEWORKS[sync]}


@pytest.mark.parametrize("value", ["caffe", "", "JAX", "%22%5D", "pytorch--x"])
def test_an_unknown_framework_in_a_link_leaves_pytorch(value, visit):
    assert chosen(visit("concise", f"?framework={value}")) == {"PyTorch"}
    assert chosen(visit("from-scratch")) == {"PyTorch"}


def test_tabs_are_reached_and_switched_by_keyboard_and_the_focus_is_seen(visit):
    page = visit("concise")
    label = page.locator(f".sd-tab-set > {CHECKED}")
    style = "e => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth]; }"
    assert label.evaluate(style)[0] == "none"
    page.locator("p:has(+ .sd-tab-set) a").last.focus()
    page.keyboard.press("Tab")
    for expected in ("PyTorch", "JAX", "TensorFlow", "MXNet"):
        assert chosen(page) == {expected}
        outline, width = label.evaluate(style)
        assert outline == "solid" and float(width.removesuffix("px")) >= 2
        page.keyboard.press("ArrowRight")
    assert chosen(page) == {"PyTorch"}                     # and round again


def test_without_scripts_tabs_still_switch(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((SITE / "concise.html").as_uri())
    code = page.locator(".sd-tab-set .sd-tab-content")
    assert [tab.is_visible() for tab in code.all()] == [True, False, False, False]
    page.locator(".sd-tab-set > label").get_by_text("MXNet").click()
    assert [tab.is_visible() for tab in code.all()] == [False, False, False, True]
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_every_framework_stands_below_its_label(name, visit):
    page, sets = visit(name, "?framework=jax"), wanted(name)
    page.emulate_media(media="print")
    assert page.evaluate(SHOWN) == [[[label, tabs[sync]] for sync, label in FRAMEWORKS.items()] for tabs in sets]
    for tabs in page.locator(".sd-tab-set").all():
        places = [part.bounding_box() for part in tabs.locator("> :is(label, .sd-tab-content)").all()]
        ends = [0, *(place["y"] + place["height"] for place in places)]
        assert all(place["y"] >= end - 0.5 for place, end in zip(places, ends)) and len(places) == 8
        styles = "all => all.map(e => { const s = getComputedStyle(e); return [s.color, s.fontWeight, s.borderStyle].join(); })"
        assert len(set(tabs.locator("> label").evaluate_all(styles))) == 1       # none is the chosen one


@pytest.mark.parametrize("width", [320, 360])
def test_on_a_phone_the_labels_stand_in_one_line(width, visit):
    page = visit("from-scratch")
    page.set_viewport_size({"width": width, "height": 700})
    for tabs in page.locator(".sd-tab-set").all():
        places = [label.bounding_box() for label in tabs.locator("> label").all()]
        assert len({round(place["y"]) for place in places}) == 1 and places[-1]["x"] + places[-1]["width"] <= width
        assert all(place["height"] >= 24 for place in places)                    # large enough for a finger


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sync", FRAMEWORKS)
def test_axe_finds_nothing_in_any_tab(sync, theme, context, watch):
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    watched = watch(context)
    page = watched.goto((SITE / "concise.html").as_uri() + f"?framework={sync}")
    assert page.get_attribute("html", "data-theme") == theme and chosen(page) == {FRAMEWORKS[sync]}
    assert not watched.axe()
