"""The host that brings a page's widgets to life: values, bytes, several views, and what is not its own."""
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from unrolled.site.widget_state import lightened

OFFLINE = Path(__file__).resolve().parents[3] / "book/_static/offline/widget_host.js"
ESM = """
export default {
  initialize({ model }) { model.set("begun", model.get("begun") + 1); },
  render({ model, el }) {
    const button = document.createElement("button"), said = document.createElement("p");
    const draw = () => { said.textContent = `${model.get("begun")} ${model.get("count")} ${new Uint8Array(model.get("data").buffer)}`; };
    button.textContent = "more";
    button.addEventListener("click", () => { model.set("count", model.get("count") + 1); model.save_changes(); });
    model.on("change:count", draw);
    el.append(button, said);
    draw();
  },
};
"""


class Counter(anywidget.AnyWidget):
    _esm = ESM
    _css = ".counter { color: red; }"
    begun = traitlets.Int(0).tag(sync=True)
    count = traitlets.Int(3).tag(sync=True)
    data = traitlets.Bytes(b"\x00\x7f\xff").tag(sync=True)


def test_values_and_bytes_arrive(show):
    page = show(Counter()).page
    assert page.locator("p").inner_text() == "1 3 0,127,255"
    page.get_by_role("button").click()
    assert page.locator("p").inner_text() == "1 4 0,127,255"


def test_two_views_share_one_model(show):
    page = show(Counter(), views=2).page
    page.get_by_role("button").nth(0).click()
    assert page.locator("p").all_inner_texts() == ["1 4 0,127,255"] * 2


def test_a_module_that_a_page_carries_once_is_for_all_who_need_it(show):
    page = show(Counter(), beside=[Counter(count=8), Counter(count=9)], change=lightened).page
    assert page.content().count("export default") == 1
    page.get_by_role("button").nth(1).click()
    assert page.locator("p").all_inner_texts() == [f"1 {count} 0,127,255" for count in (3, 9, 9)]


def test_a_widget_of_another_kind_gets_the_html_manager(show):
    """ipywidgets' own controls are shown, too, and from files of the site alone."""
    page = show(ipywidgets.VBox([ipywidgets.IntSlider(7, description="steps"), ipywidgets.Label("a label")]), host=OFFLINE).page
    page.wait_for_selector(".widget-label >> text=a label")
    assert page.locator(".widget-readout").inner_text() == "7"
