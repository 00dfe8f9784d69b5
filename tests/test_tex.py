"""The book's macros, written out for readers that do not know them."""
import pytest

from unrolled.tex import expand

MACROS = {"X": "\\mathbf{X}", "gateI": "\\class{lstm-i}{\\mathbf{I}}", "nodeC": "\\class{lstm-c-tilde}{\\tilde{\\mathbf{C}}}",
          "gatei": "\\class{lstm-i}{i}"}


@pytest.mark.parametrize("tex, expected", [
    (r"\gateI_t", r"{\mathbf{I}}_t"),
    (r"\gatei + \gateI", r"{i} + {\mathbf{I}}"),
    (r"\nodeC_{t-1}", r"{\tilde{\mathbf{C}}}_{t-1}"),
    (r"\Xi \X", r"\Xi {\mathbf{X}}"),                       # a name ends where the letters end
    (r"a < b \leq c", r"a \lt b \leq c"),
    (r"|f|<1", r"|f|\lt 1"),
    ("  x^2\n", "x^2"),
])
def test_macros_are_written_out(tex, expected):
    assert expand(tex, MACROS) == expected


def test_a_macro_stands_for_one_thing():
    """Braces keep it together under a hat, and beside a power."""
    assert expand(r"\hat\X^2", MACROS) == r"\hat{\mathbf{X}}^2"
