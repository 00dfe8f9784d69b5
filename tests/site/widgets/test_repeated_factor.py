"""One number, many steps, moved in a browser."""
import pytest

from unrolled.widgets import RepeatedFactor


@pytest.mark.parametrize("theme, width, reduced", [("light", 1280, False), ("dark", 360, True)])
def test_every_control(show, sweep, theme, width, reduced):
    watched = show(RepeatedFactor(0.9, 50), theme, width, reduced)
    assert sweep(watched.page) == 2
    assert not watched.axe() and not watched.overflow()


def test_it_says_what_python_computes(show):
    page = show(RepeatedFactor(0.9, 50)).page
    said = page.locator(".u-said")
    weight, steps = page.locator("input[type=range]").all()
    for w in (0.5, 1.0, 1.1, 1.5):
        for n in (1, 50, 100):
            for control, value in ((weight, w), (steps, n)):
                control.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value))
            assert f"After {n} step" in said.inner_text() and f"weight {w:.2f}" in said.inner_text()
            if 0.001 <= w ** n < 1000:
                assert f"has become {float(f'{w ** n:.3g}'):g}." in said.inner_text()
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.includes('After 100 steps')")
