"""From the tree of a page to Markdown: each kind of node, and nothing of the book's own markup left."""
import logging

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.parsers.docutils_ import Parser
from sphinx import addnodes

from unrolled.site.markdown import Writer, address, anchor, code, fenced, listed, quote

MACROS = {"hidH": "\\class{lstm-h}{\\mathbf{H}}", "X": "\\mathbf{X}"}


def writer():
    return Writer(MACROS, lambda node: str(node.get("number") or ""), lambda node: "Fig. 2")


def written(myst):
    """MyST, read by the parser of the book and written again."""
    settings = {"myst_enable_extensions": ["dollarmath", "deflist", "colon_fence", "linkify"], "report_level": 5}
    return writer().blocks(publish_doctree(myst, parser=Parser(), settings_overrides=settings).children)


def one(node, *children):
    node.extend(children)
    return node


def paragraph(text):
    return nodes.paragraph("", "", nodes.Text(text))


def component(kind, *children, **options):
    return one(nodes.container(design_component=kind, **options), *children)


# ---- within a line ----

@pytest.mark.parametrize("same", [
    "plain words", "*emphasis* and **strength**", "`code`", "a product $a \\cdot b$ and more",
    "[a link](https://example.org/page)", "[with *emphasis*](https://example.org)", "``a`b``",
])
def test_what_notebooks_know_stays_as_it_is(same):
    assert written(same) == same


@pytest.mark.parametrize("text, expected", [
    ("2 * 3 * 4", "2 \\* 3 \\* 4"), ("snake_case_name", "snake\\_case\\_name"), ("a [b] c", "a \\[b\\] c"),
    ("costs 5$ or 6$", "costs 5\\$ or 6\\$"), ("1 < 2 & 3 > 2", "1 &lt; 2 & 3 > 2"), ("a|b", "a\\|b"), ("the text &lt;", "the text &amp;lt;"),
    ("a `tick", "a \\`tick"), ("back\\slash", "back\\\\slash"),
])
def test_signs_of_a_text_do_not_become_markup(text, expected):
    assert writer().block(paragraph(text)) == expected


@pytest.mark.parametrize("text, expected", [
    ("- 3 is negative", "\\- 3 is negative"), ("1. of May", "1\\. of May"), ("12) of them", "12\\) of them"), ("# of units", "\\# of units"),
    ("+ and -", "\\+ and -"), ("1.5 is a number", "1.5 is a number"), ("-3 is negative", "-3 is negative"), ("===", "\\==="),
])
def test_a_paragraph_does_not_become_a_list_or_a_heading(text, expected):
    assert writer().block(paragraph(text)) == expected


def test_macros_are_written_out_everywhere():
    assert written("$\\hidH_t$") == "${\\mathbf{H}}_t$"
    assert "{\\mathbf{H}}_t = {\\mathbf{X}}_t" in written("$$\n\\hidH_t = \\X_t\n$$")


def test_inline_nodes_one_by_one():
    inline = writer().inline
    assert inline(one(nodes.superscript(), nodes.Text("2"))) == "<sup>2</sup>"
    assert inline(one(nodes.subscript(), nodes.Text("t"))) == "<sub>t</sub>"
    assert inline(one(nodes.title_reference(), nodes.Text("Book"))) == "*Book*"
    assert inline(one(nodes.inline(classes=["pasted-text"]), nodes.Text("0.88"))) == "0.88"
    assert inline(one(nodes.footnote_reference(refid="id3"), nodes.Text("1"))) == "<sup>[1](#id3)</sup>"
    assert inline(addnodes.literal_strong("", "x_t")) == "`x_t`"
    assert inline(one(nodes.target(ids=["here"]), nodes.Text("word"))) == '<a id="here"></a>word'
    for silent in (nodes.comment("", "hush"), nodes.raw("", "<b>", format="html"), addnodes.index(entries=[])):
        assert inline(silent) == ""


def test_references_become_links():
    inline = writer().inline
    assert inline(one(nodes.reference(refuri="references.ipynb#id4"), nodes.Text("1997"))) == "[1997](references.ipynb#id4)"
    assert inline(one(nodes.reference(refid="sec-gates"), nodes.Text("above"))) == "[above](#sec-gates)"
    assert inline(one(nodes.reference(refuri="https://example.org/a_(b)"), nodes.Text("b"))) == "[b](<https://example.org/a_(b)>)"
    assert inline(nodes.reference(refuri="x.ipynb")) == ""       # nothing to click on
    assert address(nodes.reference(refuri="a b")) == "<a b>"


@pytest.fixture
def warned(caplog):
    """The words of the warnings."""
    logger = logging.getLogger("sphinx")
    before, logger.propagate = logger.propagate, True
    yield lambda: [record.getMessage() for record in caplog.records]
    logger.propagate = before


def test_an_image_within_a_line_is_a_warning(warned):
    assert writer().inline(nodes.image(uri="a.png", alt="a_dog")) == "a\\_dog"
    assert "a.png" in warned()[0]


# ---- blocks ----

def test_lists_keep_their_order_and_their_depth():
    assert written("- a\n- b\n\n  1. c\n  2. d\n") == "- a\n- b\n\n  1. c\n  2. d"
    assert written("3. a\n4. b\n") == "3. a\n4. b"


def test_a_block_of_code_in_a_list_stays_in_it():
    assert written("- a\n\n  ```python\n  x = 1\n\n  y = 2\n  ```\n") == "- a\n\n  ```python\n  x = 1\n\n  y = 2\n  ```"


def test_terms_and_what_they_mean():
    assert written("gate\n: A vector of *shares*.\n\ncell\n: It keeps.\n") == "- **gate**: A vector of *shares*.\n- **cell**: It keeps."
    term = one(nodes.term(ids=["term-gate"]), nodes.Text("gate"))
    item = one(nodes.definition_list_item(), term, one(nodes.term(), nodes.Text("valve")), one(nodes.definition(), paragraph("A share.")))
    glossary = one(addnodes.glossary(), one(nodes.definition_list(), item))
    assert writer().block(glossary) == '- <a id="term-gate"></a>**gate**, **valve**: A share.'


def test_code_keeps_its_language_and_is_fenced_safely():
    assert written("```python\nx = 1\n```") == "```python\nx = 1\n```"
    assert writer().block(nodes.literal_block("", "x", language="ipython3")) == "```python\nx\n```"
    assert writer().block(nodes.literal_block("", "x", language="default")) == "```\nx\n```"
    assert writer().block(nodes.doctest_block("", ">>> 1")) == "```python\n>>> 1\n```"
    assert fenced("a\n```\nb", "") == "````\na\n```\nb\n````"
    assert code("`a`") == "`` `a` ``"


def test_equations_carry_their_numbers_and_their_anchors():
    block = nodes.math_block("", "\\hidH = \\X", number=6, ids=["equation-eq-rnn"])
    assert writer().block(block) == '<a id="equation-eq-rnn"></a>\n\n$$\n{\\mathbf{H}} = {\\mathbf{X}} \\tag{6}\n$$'
    assert writer().block(nodes.math_block("", "a = b")) == "$$\na = b\n$$"
    assert writer().block(nodes.math_block("", "\\begin{align}a\\end{align}", nowrap=True)) == "\\begin{align}a\\end{align}"


def test_asides_become_quotations():
    assert written("> one\n>\n> two") == "> one\n>\n> two"
    assert writer().block(one(nodes.sidebar(), paragraph("By the way."))) == "> By the way."
    titled = one(nodes.sidebar(), nodes.title("", "Why"), paragraph("Because."))
    assert writer().block(titled) == "> **Why**\n>\n> Because."
    assert writer().block(one(nodes.note(), paragraph("Mind."))) == "> **Note**\n>\n> Mind."
    named = one(nodes.admonition(classes=["tip"]), nodes.title("", "A *tip*"), paragraph("Try."))
    assert writer().block(named) == "> **A \\*tip\\***\n>\n> Try."


def test_an_equation_in_a_quotation_stands_in_one_line():
    aside = one(nodes.note(), paragraph("So"), nodes.math_block("", "a\n= b"), paragraph("end"))
    assert writer().block(aside) == "> **Note**\n>\n> So\n>\n> $$ a = b $$\n>\n> end"
    assert quote("x\n\ny") == "> x\n>\n> y"


def test_folds_can_be_opened_in_a_notebook():
    title = one(nodes.rubric(), nodes.Text("Is a < b & "), one(nodes.emphasis(), nodes.Text("why")), nodes.Text("? "),
                nodes.math("", "|c| < \\X"), nodes.literal("", "<unk>"), one(nodes.strong(), nodes.Text("!")))
    fold = component("dropdown", title, paragraph("No."), nodes.math_block("", "a = b"), has_title=True)
    assert writer().block(fold) == ("<details>\n<summary>Is a &lt; b &amp; <em>why</em>? $|c| \\lt {\\mathbf{X}}$"
                                    "<code>&lt;unk&gt;</code><strong>!</strong></summary>\n\nNo.\n\n$$\na = b\n$$\n\n</details>")
    link = one(nodes.rubric(), one(nodes.reference(refuri="x"), nodes.Text("a link")))
    assert "<summary>a link</summary>" in writer().block(component("dropdown", link))
    opened = component("dropdown", paragraph("a"), has_title=False, opened=True)
    assert writer().block(opened).startswith("<details open>\n<summary>More</summary>\n\na")


def test_the_first_tab_is_text_and_the_others_fold():
    def tab(label, *content):
        return component("tab-item", one(nodes.rubric(), nodes.Text(label)), component("tab-content", *content))

    tabs = component("tab-set", tab("PyTorch", paragraph("Here."), nodes.literal_block("", "for x in X:\n\n    y")),
                     tab("R & D", paragraph("There.")), tab("MXNet", nodes.literal_block("", "z", language="r")))
    assert writer().block(tabs) == (
        "**PyTorch**\n\nHere.\n\n```python\nfor x in X:\n\n    y\n```\n\n"
        "<details>\n<summary>R &amp; D</summary>\n\nThere.\n\n</details>\n\n"
        "<details>\n<summary>MXNet</summary>\n\n```r\nz\n```\n\n</details>")


def test_a_table_keeps_its_columns():
    table = written("| a | b |\n|---|---|\n| $p(x \\mid y)$ | `x|y` |\n| $\\|x\\|$ | 2 |\n".replace("`x|y`", "`x\\|y`"))
    assert table == "| a | b |\n| --- | --- |\n| $p(x \\mid y)$ | `x\\|y` |\n| $\\vert x\\vert $ | 2 |"


def test_bars_and_paragraphs_in_a_cell():
    entry = one(nodes.entry(), paragraph("a|b"), one(nodes.paragraph(), nodes.math("", "|c| \\|H\\|")),
                one(nodes.bullet_list(), one(nodes.list_item(), paragraph("d"))))
    assert writer().cell(entry) == "a\\|b<br>$\\vert c\\vert  \\Vert H\\Vert $<br>- d"
    head = one(nodes.thead(), one(nodes.row(), one(nodes.entry(), paragraph("h"))))
    table = one(nodes.table(), nodes.title("", "Sizes"), one(nodes.tgroup(cols=1), head))
    assert writer().block(table) == "**Sizes**\n\n| h |\n| --- |"


def test_the_package_page():
    signature = one(addnodes.desc_signature(ids=["unrolled.f"]), addnodes.desc_name("", "f"), nodes.Text("(X,\n Y)"))
    fields = one(nodes.field_list(), one(nodes.field(), nodes.field_name("", "Returns"), one(nodes.field_body(), paragraph("a number"))),
                 one(nodes.field(), nodes.field_name("", "Args"),
                     one(nodes.field_body(), one(nodes.bullet_list(), one(nodes.list_item(), paragraph("X"))))))
    made = writer().block(one(addnodes.desc(), addnodes.index(entries=[]), signature, one(addnodes.desc_content(), paragraph("It adds."), fields)))
    assert made == ('- <a id="unrolled.f"></a>**`f(X, Y)`**\n\n  It adds.\n\n  - **Returns**: a number\n'
                    "  - **Args**:\n    - X")


def test_citations_and_footnotes():
    citation = one(nodes.citation(ids=["id4"]), nodes.label("", "4"), paragraph("Hochreiter. Long."))
    assert writer().block(citation) == '- <a id="id4"></a>**4** Hochreiter. Long.'
    assert writer().block(one(nodes.footnote(), nodes.label("", "1"), paragraph("Note."))) == "- **1** Note."


def test_the_rest():
    block = writer().block
    assert block(nodes.transition()) == "---"
    assert block(one(nodes.rubric(ids=["r"]), nodes.Text("Aside"))) == '<a id="r"></a>**Aside**'
    assert block(one(nodes.line_block(), nodes.line("", "a"), nodes.line("", "b"))) == "a  \nb"
    assert block(nodes.target(ids=["here"])) == '<a id="here"></a>'
    assert block(one(nodes.block_quote(ids=["q"]), paragraph("a"))) == '<a id="q"></a>\n\n> a'
    assert block(one(nodes.container(), nodes.caption("", "train.py"), nodes.literal_block("", "x"))) == "train.py\n\n```python\nx\n```"
    for silent in (nodes.comment("", "hush"), addnodes.toctree(), nodes.figure(ids=["f"]), nodes.substitution_definition("", "x"),
                   nodes.raw("", "<b>", format="html")):
        assert block(silent) == ""


def test_what_is_not_known_is_a_warning_and_keeps_its_text(warned):
    assert writer().block(one(nodes.option_list(), paragraph("help"))) == "help"
    assert "option_list" in warned()[0]


def test_an_image_alone_is_a_warning(warned):
    assert writer().block(nodes.image(uri="a.png")) == "" and "a.png" in warned()[0]


# ---- headings and captions ----

def test_headings_have_the_anchors_of_their_sections():
    title = one(nodes.title(), nodes.Text("Three "), one(nodes.emphasis(), nodes.Text("gates")))
    section = one(nodes.section(), title)
    assert writer().heading(title, 2) == "## Three *gates*"
    section["ids"] = ["three-gates", "sec-gates"]
    assert writer().heading(title, 9) == '<a id="three-gates"></a><a id="sec-gates"></a>\n###### Three *gates*'


def test_captions_have_their_numbers():
    figure = one(nodes.figure(ids=["fig-cell"]), nodes.image(uri="cell.svg"), nodes.caption("", "", nodes.Text("The cell.")))
    assert writer().caption(figure) == '<a id="fig-cell"></a>**Fig. 2.** The cell.'
    assert writer().caption(one(nodes.figure(), nodes.image(uri="cell.svg"))) == "**Fig. 2.**"


def test_parts():
    assert anchor(nodes.section(ids=['a"b'])) == '<a id="a&quot;b"></a>'
    assert listed("a\n\nb", "1.") == "1. a\n\n   b"
