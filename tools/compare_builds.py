"""Two clean builds of the working tree, compared: outputs cell by cell, pages by the text a reader sees.

What may differ is what a clock measured: cells tagged ``timing``, numbers glued under ``timing-...``.
Names made at random (widget models, addresses of objects) are masked. Everything else must be equal.
"""
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
BUILT = ["_build/html/**/*.html", "_build/jupyter_execute/**/*.ipynb", "_build/jupyter_execute/**/*.glue.json"]
RANDOM = re.compile(r"\b0x[0-9a-f]{6,}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def copy(tree: Path) -> None:
    """What git knows or would know, and the assets."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT)
    for name in listed.decode().split("\0"):
        if (ROOT / name).is_file():                             # a deleted file is still listed
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    shutil.copytree(ROOT / "book/_static/offline", tree / "book/_static/offline")


def build(tree: Path) -> None:
    """Execute and build with the tree's own package; the cache is in the tree, so it begins empty."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "-n", "."]
    if subprocess.call(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree / "src")}):
        sys.exit("The build failed, so there is nothing to compare: see the message above.")


def diff(first: str, second: str) -> str:
    """The lines (in a drawing: the tags) that differ, a dozen at most, none too long to read."""
    lines = difflib.unified_diff(*(text.replace("><", ">\n<").splitlines() for text in (first, second)), n=0)
    return "".join([f"\n    {line[0]} {line[1:160]}" for line in list(lines)[2:] if line[0] in "-+"][:12])


def said(cell) -> str:
    """All that a cell's outputs say in words."""
    words = []
    for output in cell.get("outputs", []):
        words += [f"failed: {output['evalue']}"] if output["output_type"] == "error" else [output.get("text", "")]
        words += [data for kind, data in sorted(output.get("data", {}).items()) if kind.startswith("text/")]
    return RANDOM.sub("<random>", "\n".join(words))


def compare_notebooks(first, second) -> list[str]:
    """One entry for each cell that differs, failed, or is missing in one of the notebooks."""
    found = []
    for number, (a, b) in enumerate(zip_longest(first["cells"], second["cells"])):
        if a is None or b is None:
            found.append(f"cell {number}: missing in the {'second' if a else 'first'} build")
        elif "error" in [output["output_type"] for cell in (a, b) for output in cell.get("outputs", [])]:
            found.append(f"cell {number} failed:{diff(said(a), '')}{diff('', said(b))}")
        elif said(a) != said(b) and "timing" not in a["metadata"].get("tags", []):
            found.append(f"cell {number}:{diff(said(a), said(b))}")
    return found


class Text(HTMLParser):
    """The lines of a page without what a clock measured. A glued number carries no name in the page, but
    the numbers stand there in the order of the source, so the source's ``keys`` name them."""

    def __init__(self, html: str, keys: list[str]):
        super().__init__()
        self.keys, self.shown, self.lines, self.masked, self.depth = keys, 0, [], None, 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        classes = (dict(attrs).get("class") or "").split()
        key = "".join(self.keys[self.shown:self.shown + 1]) if "pasted-text" in classes else ""
        self.shown += "pasted-text" in classes
        if not self.depth and (tag in ("script", "style") or "tag_timing" in classes or key.startswith("timing-")):
            self.masked = tag
        self.depth += tag == self.masked

    def handle_endtag(self, tag):
        self.depth -= tag == self.masked
        self.masked = self.masked if self.depth else None

    def handle_data(self, data):
        if data.strip() and not self.depth:
            self.lines.append(RANDOM.sub("<random>", " ".join(data.split())))


def compare_pages(first: str, second: str, source: str = "") -> list[str]:
    """What a reader would see otherwise; ``source`` is the page's Markdown."""
    keys = re.findall(r"\{glue:text\}`([^`:]+)", source)
    a, b = Text(first, keys), Text(second, keys)
    if not a.shown == b.shown == len(keys):
        return [f"the source shows {len(keys)} glued numbers, the pages {a.shown} and {b.shown}"]
    return [] if a.lines == b.lines else ["text:" + diff("\n".join(a.lines), "\n".join(b.lines))]


def compare(one: Path, two: Path) -> list[str]:
    """Every difference between two built trees, each with its page."""
    found = []
    for name in sorted({path.relative_to(tree).as_posix() for tree in (one, two) for kind in BUILT
                        for path in tree.glob(kind) if "_static" not in path.relative_to(tree).parts}):
        a, b, source = (path.read_text(encoding="utf-8") if path.is_file() else "" for path in (
            one / name, two / name, one / name.removeprefix("_build/html/").replace(".html", ".md")))
        if not a or not b:
            here = [f"missing in the {'second' if a else 'first'} build"]
        elif name.endswith(".html"):
            here = compare_pages(a, b, source)
        elif name.endswith(".ipynb"):
            here = compare_notebooks(nbformat.reads(a, as_version=4), nbformat.reads(b, as_version=4))
        else:
            a, b = ({key: glued["data"] for key, glued in json.loads(text).items()} for text in (a, b))
            here = [f"glued {key}: {a.get(key)} and {b.get(key)}" for key in sorted({*a, *b})
                    if a.get(key) != b.get(key) and not key.startswith("timing-")]
        found += [f"{name.removeprefix('_build/')}, {difference}" for difference in here]
    return found


def main() -> None:
    trees = [ROOT / "_build" / "reproducible" / name for name in ("one", "two")]
    for step in (copy, build):                                  # both are copied before the work of minutes begins
        for tree in trees:
            step(tree)
    found = compare(*trees)
    print("\n".join(found) or "The two builds are the same, but for what a clock measured.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
