"""Say which links of the book are broken, from what Sphinx's linkcheck wrote; fails where there is one.

    python tools/links.py        (part of `make links`)

The same is left as Markdown in _build/links.md, for an issue. A site that answers a program with a refusal, as publishers
do behind their DOI, is counted but not called broken: a page that is gone is refused to nobody.
"""
import json
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "_build"
REFUSED = ("401 ", "403 ", "418 ", "429 ")


def main() -> None:
    found = BUILD / "linkcheck" / "output.json"
    if not found.is_file():
        sys.exit("The links were not checked: the messages above say why.")
    links = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    silent = [link for link in links if link["status"] in ("broken", "timeout")]
    broken = [link for link in silent if not link["info"].startswith(REFUSED)]
    lines = [f"- {link['filename']}, line {link['lineno']}: <{link['uri']}>\n  `{' '.join(link['info'].split())}`"
             for link in broken]
    report = "\n".join(["These links of the book lead nowhere:\n", *lines, ""] if lines else [])
    (BUILD / "links.md").write_text(report, encoding="utf-8")
    print("\n".join(lines) or
          f"None of the book's {len(links)} links is broken; {len(silent)} refuse a program, and were not seen.")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
