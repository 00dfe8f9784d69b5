"""Drawings become part of the page: their ids are its own, their words are the alternative text."""
import io
import re

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.site.inline_svg import inlined

SVG = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<svg xmlns="http://www.w3.org/2000/svg" class="u-drawing" viewBox="0 0 10 10" width="10" height="10" stroke-width="2"
 role="img" aria-labelledby="title description">
<title id="title">A gate</title>
<desc id="description">It opens
and shuts.</desc>
<style>#gate{fill:#facade} #gate:hover{opacity:1} #gate .bar{stroke:#fa0} #gate-f{clip-path:url('#cut')}</style>
<defs><clipPath id="cut"><circle id="fa" r="4"/></clipPath></defs>
<g id="gate" data-id="gate"><path class="bar" clip-path="url(#cut)" fill="#facade"/><use href="#gate-f"/></g>
<g id="gate-f"><use xlink:href="#gate"/><text>#gates</text></g>
</svg>
"""


def ids(svg):
    return re.findall(r'\sid="([^"]*)"', svg)


# The drawing alone

def test_every_id_becomes_the_pages_own_where_it_is_given():
    assert ids(inlined(SVG, "A gate.", "cell")) == ["cell-cut", "cell-fa", "cell-gate", "cell-gate-f"]


@pytest.mark.parametrize("meant", ["#cell-gate{fill", "#cell-gate:hover", "#cell-gate .bar", "#cell-gate-f{clip-path",
                                   "url('#cell-cut')", "url(#cell-cut)", 'href="#cell-gate-f"', 'xlink:href="#cell-gate"'])
def test_every_id_becomes_the_pages_own_where_it_is_meant(meant):
    assert meant in inlined(SVG, "A gate.", "cell")


@pytest.mark.parametrize("other", ["{fill:#facade}", 'fill="#facade"', "{stroke:#fa0}", ">#gates<", 'data-id="gate"',
                                   'class="bar"', 'stroke-width="2"', 'viewBox="0 0 10 10"', 'class="u-drawing"'])
def test_what_only_looks_like_an_id_stays(other):
    assert other in inlined(SVG, "A gate.", "cell")


def test_the_drawing_is_named_once_by_its_alternative_text():
    svg = inlined(SVG, "A gate.", "cell")
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    head = svg.split(">")[0]
    assert head.count("role=") == 1 and 'role="img" aria-label="A gate."' in head
    assert "aria-labelledby" not in svg and not re.search(r'\s(width|height)="', head)
    assert "<title" not in svg and "<desc" not in svg and "It opens" not in svg and "A gate" not in svg.split(">", 1)[1]


def test_the_alternative_text_is_escaped():
    assert 'aria-label="a &lt; b &amp; &quot;c&quot;"' in inlined(SVG, ' a < b & "c"\n', "cell")


def test_a_drawing_without_ids_is_as_good():
    assert inlined("<svg><path d='M0 0'/></svg>", "A dot.", "x") == '<svg role="img" aria-label="A dot."><path d=\'M0 0\'/></svg>'


@pytest.mark.parametrize("svg, alt, trouble", [(SVG, "", "needs :alt: text"), (SVG, " \n", "needs :alt: text"),
                                               ("<html></html>", "A gate.", "holds no <svg> element"),
                                               ("<svg viewBox='0 0 1 1'>", "A gate.", "holds no <svg> element")])
def test_what_cannot_be_inlined_is_an_error(svg, alt, trouble):
    with pytest.raises(ValueError, match=trouble):
        inlined(svg, alt, "cell")


# A page

FIGURE = """```{{figure}} {path}
:name: {name}
{options}

The caption of {name}.
```
"""
PAGE = "# A page\n\nSee {numref}`fig-one` and {numref}`fig-two`.\n\n"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build one page of Markdown; returns its HTML, the warnings and the folder of the site."""
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))

    def call(markdown, builder="html"):
        source, out, warnings = tmp_path / "source", tmp_path / builder, io.StringIO()
        for folder in ("book/figures/deep", "book/other"):
            (source / folder).mkdir(parents=True, exist_ok=True)
            (source / folder / "gate.svg").write_text(SVG, encoding="utf-8")
        (source / "book/figures/gate.svg").write_text(SVG, encoding="utf-8")
        (source / "book/figures/dot.gif").write_bytes(b"GIF89a\1\0\1\0\0\0\0;")
        (source / "book/page.md").write_text(PAGE + markdown, encoding="utf-8")
        settings = {"extensions": ["myst_parser", "unrolled.site"], "source_suffix": {".md": "markdown"},
                    "root_doc": "book/page", "numfig": True,
                    "html_theme": "basic"}
        with patch_docutils(), docutils_namespace():
            Sphinx(source, None, out, tmp_path / "doctrees", builder, settings, status=None, warning=warnings).build()
        page = out / "book" / ("page.html" if builder == "html" else "page.txt")
        return page.read_text(encoding="utf-8"), warnings.getvalue(), out
    return call


def figure(path, name="fig-one", options=":alt: A gate."):
    return FIGURE.format(path=path, name=name, options=options)


def test_a_drawing_shown_twice_has_ids_of_its_own_each_time(build):
    html, warnings, _ = build(figure("figures/gate.svg") + figure("figures/gate.svg", "fig-two")
                              + figure("figures/deep/gate.svg", "fig-three"))
    found = ids(html)
    assert not warnings and len(found) == len(set(found))
    assert {"gate-cut", "gate-2-cut", "gate-3-cut"} <= set(found)
    assert html.count("url(#gate-cut)") == html.count("url(#gate-2-cut)") == 1


def test_number_caption_and_references_stay_sphinxs(build):
    html, warnings, _ = build(figure("figures/gate.svg") + figure("figures/gate.svg", "fig-two"))
    assert not warnings
    for number, name in ((1, "fig-one"), (2, "fig-two")):
        assert f'href="#{name}"><span class="std std-numref">Fig. {number}</span>' in html
        drawn = re.search(rf'<figure [^>]*id="{name}">.*?</figure>', html, re.S).group()
        assert '<div class="drawing"><svg ' in drawn and 'aria-label="A gate."' in drawn
        assert f'<span class="caption-number">Fig. {number} </span><span class="caption-text">The caption of {name}.' in drawn


def test_a_width_and_a_class_are_kept(build):
    html, _, _ = build(figure("figures/gate.svg", options=":alt: A gate.\n:width: 300px\n:class: wide"))
    assert '<div class="drawing wide" style="max-width:300px"><svg ' in html


def test_other_images_are_left_alone(build):
    html, warnings, out = build(figure("other/gate.svg") + figure("figures/dot.gif", "fig-two")
                                + figure("figures/gate.svg", "fig-three"))
    assert not warnings
    assert re.findall(r'<img alt="A gate." src="\.\./_images/([^"]*)"', html) == ["gate.svg", "dot.gif"]
    assert html.count("<svg") == 1
    assert sorted(path.name for path in (out / "_images").iterdir()) == ["dot.gif", "gate.svg"]


def test_a_missing_file_is_left_to_sphinx(build):
    html, warnings, _ = build(figure("figures/none.svg") + figure("figures/gate.svg", "fig-two"))
    assert "image file not readable: book/figures/none.svg" in warnings
    assert html.count("<svg") == 1


def test_a_drawing_without_words_is_a_warning_at_its_place_and_stays_an_image(build):
    html, warnings, _ = build(figure("figures/gate.svg", options="") + figure("figures/gate.svg", "fig-two"))
    assert re.search(r"page\.md:\d+: WARNING: book/figures/gate\.svg: a drawing needs :alt: text", warnings)
    assert html.count("<img") == 1 and html.count("<svg") == 1


def test_other_formats_know_nothing_of_it(build):
    text, _, _ = build(figure("figures/gate.svg"), builder="text")
    assert "[image: A gate.]" in text and "svg" not in text
