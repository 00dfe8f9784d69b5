"""Below each title: the page in Colab, as a notebook, its source, an edit."""
import io
import re
from types import SimpleNamespace

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util.docutils import docutils_namespace, patch_docutils

from unrolled.addresses import Addresses

PAGES = {"index.md": "# Two < three\n\n```{toctree}\npart/cell\n```\n", "part/cell.md": "# The cell\n\nText.\n\n# Another\n\nText.\n"}


def build(folder, **settings):
    """The pages of a small site, what was warned of, and what was said."""
    for name, text in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    warnings, status = io.StringIO(), io.StringIO()
    settings = {"extensions": ["myst_parser", "unrolled.site.page_links"], "html_theme": "basic", "source_suffix": {".md": "markdown"},
                "suppress_warnings": ["toc.not_included"], **settings}
    with patch_docutils(), docutils_namespace():
        app = Sphinx(folder, None, folder / "_build/html", folder / "_build/doctrees", "html", settings, status=status, warning=warnings)
        app.build()
    pages = {path.stem: path.read_text(encoding="utf-8") for path in app.outdir.rglob("*.html")}
    return SimpleNamespace(pages=pages, warnings=warnings.getvalue(), said=status.getvalue(), app=app)


def test_every_page_has_its_four_links_once(tmp_path):
    built, ada = build(tmp_path, unrolled_home={"owner": "ada"}), Addresses("ada")
    assert not built.warnings and "placeholder" not in built.said
    for page, source, root in (("index", "index.md", ""), ("cell", "part/cell.md", "../")):
        line, = re.findall(r'</h1>\n<ul class="page-links"[^>]*>(.*?)</ul>', built.pages[page])
        assert re.findall(r'<a href="([^"]+)"( download)?>', line) == [
            (ada.colab(page), ""), (f"{root}notebooks/{page}.ipynb", " download"), (ada.source(source), ""), (ada.edit(source), "")]
    for page in ("search", "genindex"):
        assert "page-links" not in built.pages[page]
    assert '<link rel="canonical" href="https://ada.github.io/unrolled/part/cell.html"' in built.pages["cell"]


def test_an_address_of_the_site_given_elsewhere_stays(tmp_path):
    built = build(tmp_path, unrolled_home={"owner": "ada"}, html_baseurl="https://mirror.example.org/")
    assert built.app.config.html_baseurl == "https://mirror.example.org/"


def test_the_placeholder_is_said_and_fails_no_build(tmp_path):
    built = build(tmp_path)
    assert Addresses().warning in built.said and not built.warnings


@pytest.mark.parametrize("home, told", [({"owner": "a b"}, "unrolled_home: owner is a GitHub account such as ada-lovelace, not 'a b'"),
                                        ({"owners": "ada"}, "unrolled_home has owner, repository, branch, site; got {'owners': 'ada'}")])
def test_a_wrong_setting_stops_the_build_in_words(tmp_path, home, told):
    with pytest.raises(ConfigError) as error:
        build(tmp_path, unrolled_home=home)
    assert str(error.value) == told
