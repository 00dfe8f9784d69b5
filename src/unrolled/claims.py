"""Numbers in the prose are computed, checked against a band, and only then shown."""
import math


def claim(name: str, value: float, low: float, high: float) -> None:
    """Assert ``low <= value <= high`` and make the value available to the page's prose.

    A page shows the number with the role ``glue:text`` and never types it. Outside the book
    (Colab, a plain kernel, a test) the assertion is all that happens.

    Raises:
        AssertionError: the value is outside its band or not a number; the sentence names both.
    """
    value = float(value)
    if math.isnan(value) or not low <= value <= high:
        raise AssertionError(f"{name} is {value:.6g}, but the text says it lies between {low:g} and {high:g}")
    try:
        from myst_nb import glue
    except ImportError:
        return
    glue(name, value, display=False)
