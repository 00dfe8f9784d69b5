"""Below the title of each page: its notebook in Colab, to take away, its source, and a way to suggest an edit."""
import re
from html import escape
from pathlib import PurePosixPath

from sphinx.errors import ConfigError
from sphinx.util import logging

from unrolled.addresses import NOTEBOOKS, Addresses

logger = logging.getLogger(__name__)


def links(addresses: Addresses, docname: str, suffix: str, to_root: str) -> str:
    """The line of links of one page.

    Args:
        suffix: of the page's source, ".md".
        to_root: the way from the page to the root of the site, "../".
    """
    page, source = PurePosixPath(docname).name, f"{docname}{suffix}"
    where = [("Open in Colab", addresses.colab(page), ""),
             ("Download the notebook", f"{to_root}{NOTEBOOKS}/{page}.ipynb", " download"),
             ("Source", addresses.source(source), ""),
             ("Suggest an edit", addresses.edit(source), "")]
    made = "".join(f'<li><a href="{escape(address)}"{more}>{words}</a></li>' for words, address, more in where)
    return f'<ul class="page-links" aria-label="This page elsewhere">{made}</ul>'


def add_links(app, pagename, templatename, context, doctree):
    if doctree is None or "body" not in context:
        return
    to_root = "../" * pagename.count("/")
    line = links(app.unrolled_addresses, pagename, context.get("page_source_suffix", ".md"), to_root)
    context["body"] = re.sub(r"(?<=</h1>)", lambda _: f"\n{line}", context["body"], count=1)


def read(app, config):
    """The addresses of this book; a wrong one stops the build, in words."""
    try:
        app.unrolled_addresses = Addresses.of(config.unrolled_home)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    config.html_baseurl = config.html_baseurl or app.unrolled_addresses.pages


def warn(app, error):
    """Say that the addresses are placeholders. A Sphinx warning would fail a build that fails on warnings."""
    if not error and app.unrolled_addresses.warning:
        logger.info("\n%s\n", app.unrolled_addresses.warning, color="darkred")


def setup(app):
    app.add_config_value("unrolled_home", {}, "env", [dict])
    app.connect("config-inited", read)
    app.connect("html-page-context", add_links, priority=900)
    app.connect("build-finished", warn, priority=950)
