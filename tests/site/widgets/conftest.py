"""One widget on a page of its own, brought to life as the book does it, from file:// and with no network."""
import json
from pathlib import Path

import pytest
from ipywidgets.embed import embed_data

from unrolled.figures.palette import css

ROOT = Path(__file__).resolve().parents[3]
HOST = ROOT / "src/unrolled/site/widget_host.js"
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>A widget</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>{css}
html[data-theme=light] {{ --pst-color-background: #fff; color: #222832; background: #fff; }}
html[data-theme=dark] {{ --pst-color-background: #121212; color: #ced6dd; background: #121212; color-scheme: dark; }}
body {{ margin: 1rem; }}</style></head>
<body><main><h1>A widget</h1>{views}</main>
<script type="application/vnd.jupyter.widget-state+json">{state}</script><script src="{host}"></script></body></html>
"""


@pytest.fixture
def show(browser, watch, tmp_path):
    """show(widget, theme="light", width=1280, reduced_motion=False) -> a Watch on the living widget (and those beside it).

    When the test ends, anything that went wrong in the page fails it.
    """
    opened = []

    def show(widget, theme="light", width=1280, reduced_motion=False, views=1, host=HOST, beside=(), change=str):
        data = embed_data(views=[widget] * views + [*beside], drop_defaults=False)
        state, *specs = (json.dumps(part).replace("</", "<\\/") for part in (data["manager_state"], *data["view_specs"]))
        view = "".join(f'<div class="cell_output"><script type="application/vnd.jupyter.widget-view+json">{spec}</script></div>'
                       for spec in specs)
        path = tmp_path / f"{len(opened)}.html"
        html = PAGE.format(theme=theme, css=css(), views=view, state=state, host=host.as_uri())
        path.write_text(change(html), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True,
                                      reduced_motion="reduce" if reduced_motion else "no-preference")
        watched = watch(context)
        watched.goto(path.as_uri())
        opened.append((context, watched))
        return watched

    yield show
    trouble = [line for _, watched in opened for line in watched.trouble]
    for context, _ in opened:
        context.close()
    assert not trouble


def move(control, value):
    """Set a slider, or type into a field, as a hand would: with the events of the browser."""
    control.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); "
                     "e.dispatchEvent(new Event('change', {bubbles: true})); }", str(value))


@pytest.fixture(scope="session")
def sweep():
    """sweep(page): every control of the page to its least, middle and greatest value, and by keyboard; then none is broken."""
    def sweep(page):
        moved = 0
        for slider in page.locator(".unrolled input[type=range]").all():
            low, high, step = (float(slider.get_attribute(name)) for name in ("min", "max", "step"))
            middle = low + step * round((high - low) / 2 / step)
            for value in (low, middle, high):
                move(slider, value)
                assert abs(float(slider.input_value()) - value) < 1e-9
            if slider.is_visible() and slider.is_enabled():
                slider.focus()
                for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
                    page.keyboard.press(key)
            moved += 1
        for select in page.locator(".unrolled select").all():
            if select.is_visible():
                for k in range(select.locator("option").count()):
                    select.select_option(index=k)
                    moved += 1
        for box in page.locator(".unrolled input[type=checkbox]").all():
            if box.is_visible():
                box.focus()
                for _ in range(2):
                    page.keyboard.press("Space")
                moved += 1
        for field in page.locator(".unrolled input[type=text], .unrolled textarea").all():
            if field.is_visible():
                for text in ("", "it has", "<img src=x onerror=alert(1)><script>alert(2)</script> &amp; ☃"):
                    field.fill(text)
                assert page.locator(".unrolled img, .unrolled script").count() == 0
                moved += 1
        for k in range(page.locator(".unrolled button").count()):
            button = page.locator(".unrolled button").nth(k)
            if button.is_visible() and button.is_enabled():
                button.focus()
                page.keyboard.press("Enter")
                moved += 1
        assert page.locator(".unrolled").count() and not page.locator("text=This widget cannot be shown").count()
        return moved

    return sweep
