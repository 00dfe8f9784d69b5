"""The book's Sphinx extension: what turns pages into this site."""
from unrolled.site import (freshness, inline_svg, mend, notebooks, page_links, practice, recorded_pages, still_picture, text_notice,
                           widget_state)


def setup(app):
    """Called by Sphinx: one room each for what keeps, recorded pages, drawings, widgets without scripts, exercises, the word
    about the text, a page's links, notebooks, the theme's mending, what widgets weigh."""
    freshness.setup(app)
    recorded_pages.setup(app)
    inline_svg.setup(app)
    still_picture.setup(app)
    practice.setup(app)
    text_notice.setup(app)
    page_links.setup(app)
    notebooks.setup(app)
    mend.setup(app)
    widget_state.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
