"""A number in the prose is asserted before it is shown."""
import sys

import pytest

from unrolled.claims import claim


def test_a_number_outside_its_band_stops_the_page():
    with pytest.raises(AssertionError, match="ppl is 8.2, but the text says it lies between 7 and 8"):
        claim("ppl", 8.2, 7, 8)
    with pytest.raises(AssertionError, match="nan"):
        claim("ppl", float("nan"), 7, 8)


def test_it_glues_the_value(monkeypatch):
    import myst_nb
    glued = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: glued.update({name: value}))
    claim("ppl", 7.5, 7, 8)
    assert glued == {"ppl": 7.5}


def test_it_needs_no_book(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb", None)               # as on Colab
    claim("ppl", 7.5, 7, 8)
