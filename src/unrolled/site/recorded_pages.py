"""Pages that need MXNet show, where it is missing, the execution that was last recorded, and say so.

    make record-pages       record anew, from the executions of the last build

MXNet has an environment of its own, and not every machine can have it. A page that needs it says ``framework: mxnet``, or
``framework: all``, in its first lines. Its record, ``book/recorded/PAGE.ipynb``, goes into the cache of executions, where the
build takes it for one of its own.
"""
import datetime
import sys
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.cache.main import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook
from sphinx.errors import ExtensionError

from unrolled.files import write_whole
from unrolled.frameworks import tasks
from unrolled.frameworks.processes import NAMES, FrameworkProcess, is_available
from unrolled.recorded import this_commit, this_machine

FRAMEWORKS = {"mxnet": ("mxnet",), "all": NAMES}
RECORDS, CACHE = Path("book/recorded"), Path("_build/.jupyter_cache")
NOTE = """
:::{{admonition}} Recorded, not executed here
:class: note recorded-page
This page needs MXNet, and where this book was built there is none. What its code puts out was recorded on {date}, on a machine with
{machine}: {versions}. `make frameworks` makes MXNet's environment, and the next build executes the page.
:::
"""


def pages(root: Path) -> dict[str, tuple[str, ...]]:
    """The pages that need MXNet, as "book/mxnet", with their frameworks."""
    found = {}
    for file in sorted(root.glob("book/*.md")):
        text = file.read_text(encoding="utf-8")
        if text.startswith("---\n"):
            names = FRAMEWORKS.get(yaml.safe_load(text.split("---\n")[1]).get("framework"))
            if names:
                found[f"book/{file.stem}"] = names
    return found


def as_notebook(root: Path, page: str) -> nbformat.NotebookNode:
    """A page's cells, as the build reads them."""
    return read_myst_markdown_notebook((root / f"{page}.md").read_text(encoding="utf-8"), add_source_map=True)


def offer(app, config) -> None:
    """Put records into the cache where MXNet is missing, and take them out where it is there."""
    app.unrolled_recorded = {}
    root = Path(app.srcdir)
    if "nb_execution_mode" not in config or config["nb_execution_mode"] != "cache":      # a site without notebooks, for one
        return
    for page in pages(root):
        cache, notebook = get_cache(config["nb_execution_cache_path"] or root / CACHE), as_notebook(root, page)
        try:
            match = cache.match_cache_notebook(notebook)
        except KeyError:
            match = None
        if is_available("mxnet"):
            if match and match.data.get("recorded"):
                cache.remove_cache(match.pk)
        elif match is None:
            app.unrolled_recorded[page] = into_cache(cache, notebook, root, page)
        elif match.data.get("recorded"):
            app.unrolled_recorded[page] = match.data["recorded"]


def into_cache(cache, notebook: nbformat.NotebookNode, root: Path, page: str) -> dict:
    """Give the page's record out for an execution of the page; returns what the record says of itself.

    Raises:
        ExtensionError: there is no record, or it is one of other code.
    """
    file = root / RECORDS / f"{Path(page).name}.ipynb"
    make = "make frameworks makes MXNet's environment, and then the page is executed"
    if not file.is_file():
        raise ExtensionError(f"{page} needs MXNet, which is not here, and no execution of it is recorded: {make}")
    record = nbformat.read(file, as_version=4)
    if cache.create_hashed_notebook(record)[1] != cache.create_hashed_notebook(notebook)[1]:
        raise ExtensionError(f"{page} needs MXNet, which is not here, and its code has changed since it was recorded: {make}")
    told = record.metadata["recorded"]
    bundle = CacheBundleIn(record, str(root / f"{page}.md"), data={"recorded": told})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return told


def say(app, page: str, source: list[str]) -> None:
    """Below the page's title: that its outputs are recorded, when, and with what."""
    if told := app.unrolled_recorded.get(page):
        versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
        title = next(line for line in source[0].splitlines() if line.startswith("# "))
        note = NOTE.format(date=told["date"], machine=told["machine"], versions=versions)
        source[0] = source[0].replace(f"\n{title}\n", f"\n{title}\n{note}", 1)


def read_again(app, env, added, changed, removed) -> list[str]:
    """The pages that were recorded at the last build and are not now, or the other way."""
    before, env.unrolled_recorded = getattr(env, "unrolled_recorded", {}), app.unrolled_recorded
    return [page for page in before.keys() ^ app.unrolled_recorded.keys() if page in env.found_docs]


def setup(app) -> None:
    app.connect("config-inited", offer, priority=600)        # after freshness has emptied the cache
    app.connect("source-read", say)
    app.connect("env-get-outdated", read_again)


def record(root: Path) -> None:
    """Write the records, from executions that are in the cache.

    Raises:
        ModuleNotFoundError: MXNet is not here.
        ValueError: a page has no execution in the cache, or itself a recorded one.
    """
    cache, about = get_cache(root / CACHE), {}
    for page, names in pages(root).items():
        try:
            match = cache.match_cache_notebook(as_notebook(root, page))
        except KeyError:
            match = None
        if match is None or match.data.get("recorded"):
            raise ValueError(f"{page} has not been executed here: run make book first")
        versions = {"Python": ".".join(map(str, sys.version_info[:3]))}
        for name in names:
            if name not in about:
                with FrameworkProcess(name) as process:
                    about[name] = process.call(tasks.about)[0]
            versions |= about[name]
        notebook = cache.get_cache_bundle(match.pk).nb
        notebook.metadata["recorded"] = {"date": datetime.date.today().isoformat(), "commit": this_commit(),
                                         "machine": this_machine(), "versions": versions}
        file = root / RECORDS / f"{Path(page).name}.ipynb"
        file.parent.mkdir(exist_ok=True)
        write_whole(file, lambda partial: nbformat.write(notebook, partial))
        print(f"recorded {file.relative_to(root)}")
