"""A widget's output keeps its picture for readers without scripts; other outputs are left alone."""
import pytest
from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document

from unrolled.site.still_picture import VIEW, StillPicture


def form(mime_type, *children):
    node = nodes.container("", *children)
    node["mime_type"] = mime_type
    return node


def page(*forms):
    document = new_document("page", get_default_settings(Parser))
    bundle = nodes.container("", *forms)
    bundle["nb_element"] = "mime_bundle"
    document += bundle
    StillPicture(document).run()
    return bundle.children[0].children


def picture():
    return form("image/png", nodes.image(uri="widget.png"))


def words():
    return form("text/plain", nodes.literal_block("", "One number,\n50 steps."))


def test_the_view_is_followed_by_the_picture_for_readers_without_scripts():
    view = form(VIEW, nodes.raw("", "<script>…</script>", format="html"))
    shown = page(view, picture(), words())
    assert [node.astext() for node in (shown[1], shown[3])] == ["<noscript>", "</noscript>"]
    assert shown[2]["uri"] == "widget.png" and shown[2]["alt"] == "One number, 50 steps."


@pytest.mark.parametrize("forms", [(picture(), words()), (form(VIEW), words()), (form(VIEW), picture())])
def test_an_output_that_lacks_a_form_is_left_alone(forms):
    before = len(forms[0].children)
    assert len(page(*forms)) == before
