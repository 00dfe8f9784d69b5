"""Every page executes, from a clean state, once; the strict build takes these very executions."""
import time
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from jupyter_cache import get_cache
from jupyter_cache.cache.main import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook

from unrolled.frameworks.processes import is_available
from unrolled.site import freshness, recorded_pages
from unrolled.site.pdf import names

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / f"{name}.md" for name in names(ROOT)]
PAGES = [file for file in FILES if "{code-cell}" in file.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def cache(testrun_uid):
    """The execution cache of the build, emptied and said to be of today, by the first who comes; who holds the lock writes."""
    folder, emptied = ROOT / "_build" / ".jupyter_cache", ROOT / "_build" / ".emptied"
    cache = get_cache(folder)
    with lock():
        if not emptied.exists() or emptied.read_text() != testrun_uid:
            cache.clear_cache()
            freshness.mark(folder, ROOT)
            emptied.write_text(testrun_uid)
    return cache


def lock() -> FileLock:
    (ROOT / "_build").mkdir(exist_ok=True)
    return FileLock(ROOT / "_build" / ".cache-lock")


RECORDED = recorded_pages.pages(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_executes(page, cache, nb_regression, tmp_path, capsys):
    if f"book/{page.stem}" in RECORDED and not is_available("mxnet"):
        pytest.skip("MXNet is not here: the page shows its recorded execution")
    notebook = read_myst_markdown_notebook(page.read_text(encoding="utf-8"), add_source_map=True)
    path = tmp_path / f"{page.stem}.ipynb"
    nbformat.write(notebook, path)
    nb_regression.exec_cwd = str(page.parent)
    nb_regression.diff_ignore = ("/metadata", "/cells/*/outputs", "/cells/*/execution_count")
    start = time.perf_counter()
    result = nb_regression.check(path)
    with capsys.disabled():
        print(f"\n  {page.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    with lock():
        cache.cache_notebook_bundle(CacheBundleIn(result.nb_final, str(page)), check_validity=False, overwrite=True)
