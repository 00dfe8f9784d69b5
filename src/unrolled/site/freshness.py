"""Executions are kept as long as what they ran on: the package, the recorded data, the text.

The execution cache knows a page by its own cells only. Without this, a changed layer would leave every
output as it was.
"""
import hashlib
import importlib.metadata
import shutil
from pathlib import Path

import unrolled
from unrolled.site.text_notice import text_in_use

FRAMEWORKS = ("torch", "jax", "flax", "optax", "tensorflow", "tensorflow-cpu", "keras")
STAMP = "made-with"                    # beside the cache, so that emptying the cache leaves it


def fingerprint(root: Path) -> str:
    """Changes when something changes on which the outputs of the pages under ``root`` depend."""
    digest = hashlib.sha256(text_in_use().sha256.encode())
    for name in FRAMEWORKS:
        digest.update(f" {name} {version(name)}".encode())
    lock = root / "tools" / "mxnet.lock"                    # of another environment, which may not be here
    digest.update(lock.read_bytes() if lock.is_file() else b"")
    package = Path(unrolled.__file__).parent
    for folder in (package, root / "book" / "data"):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def version(name: str) -> str:
    """Of an installed package; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def mark(cache: Path, root: Path) -> None:
    """Say that the executions in ``cache`` are those of today's package, data and text."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.with_name(STAMP).write_text(fingerprint(root))


def is_fresh(cache: Path, root: Path) -> bool:
    stamp = cache.with_name(STAMP)
    return stamp.is_file() and stamp.read_text() == fingerprint(root)


def forget_stale(app, config) -> None:
    """Empty the cache where its executions are not those of today's package, data and text."""
    app.unrolled_stale = False
    if "nb_execution_cache_path" not in config:            # a site without notebooks
        return
    root = Path(app.srcdir)
    cache = root / (config.nb_execution_cache_path or "_build/.jupyter_cache")
    app.unrolled_stale = not is_fresh(cache, root)
    if app.unrolled_stale:
        shutil.rmtree(cache, ignore_errors=True)
        mark(cache, root)


def read_again(app, env, added, changed, removed) -> list[str]:
    """Every page, where the executions were forgotten."""
    return sorted(env.found_docs) if app.unrolled_stale else []


def setup(app) -> None:
    app.connect("config-inited", forget_stale)
    app.connect("env-get-outdated", read_again)
