"""A page carries the widgets that it shows, and each module and style once.

A kernel hands over every widget that it made, shown or not, and each brings its whole module; so do the questions. The
host of the pages (``widget_host.js``) looks a module up where it stands first.
"""
import functools
import json
import re

from unrolled.site.mend import mend_pages

SCRIPT = re.compile(r'(<script type="application/vnd\.jupyter\.widget-(state|view)\+json">)(.*?)(</script>)', re.S)


def lightened(html: str) -> str:
    """The page without what its widgets do not need; one that the html-manager has to show stays whole."""
    parts = [(kind, json.loads(text)) for _, kind, text, _ in SCRIPT.findall(html)]
    shown = {part["model_id"] for kind, part in parts if kind == "view"}
    models = {key: model for kind, part in parts if kind == "state" for key, model in part["state"].items()}
    if not all(key in models and models[key]["model_module"] == "anywidget" for key in shown):
        return html
    first = {}                                                  # a module or style -> the model that brings it

    def written(match: re.Match) -> str:
        start, kind, text, end = match.groups()
        if kind == "view":
            return match[0]
        record = json.loads(text)
        record["state"] = {key: model for key, model in record["state"].items() if key in shown}
        for key, model in record["state"].items():
            for name in ("_esm", "_css"):
                text = model["state"].get(name)
                if isinstance(text, str) and (owner := first.setdefault(text, key)) != key:
                    model["state"][name] = {"of": owner} if name == "_esm" else ""         # a style is the whole page's
        return start + json.dumps(record).replace("<", "\\u003c") + end          # no text may end its element

    return SCRIPT.sub(written, html)


def setup(app) -> None:
    app.connect("build-finished", functools.partial(mend_pages, change=lightened))
