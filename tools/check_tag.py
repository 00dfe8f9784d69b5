"""Whether a tag is that of the version that the package names, in all its places, before anything is released under it.

    python3 tools/check_tag.py v0.1.0        (`make check-tag TAG=v0.1.0`)
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = {"pyproject.toml": "version =", "src/unrolled/__init__.py": "__version__ =", "CITATION.cff": "version:"}


def main(tag: str) -> None:
    for file, name in PLACES.items():
        version = re.search(rf"^{name} *[\"']?([^\"'\s]+)", (ROOT / file).read_text(encoding="utf-8"), re.M)[1]
        if tag != f"v{version}":
            sys.exit(f"The tag is {tag or 'empty'}, but {file} names version {version}, whose tag is v{version}: "
                     "change one of them.")
    print(f"The tag {tag} is that of the version, wherever it is named.")


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
