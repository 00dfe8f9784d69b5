"""The built book to take along: one zip, unpacked and opened by a double click.

    python -m unrolled.site.offline_zip _build/html _build/unrolled-book.zip        (make zip)

The same pages give the same bytes: the files stand in order, and their dates are no day's.
"""
import zipfile
from pathlib import Path

from unrolled.site.one_file import write_from_pages

FOLDER = "unrolled-book"
README = """\
Unrolled: long short-term memory, from one number to the trained model.
Unpack the whole folder, then open index.html by a double click: any browser will do.
It needs neither a server nor a network. Code: MIT licence; text and figures: CC BY 4.0.
"""


def make(html: Path, out: Path) -> None:
    """Write all files under ``html``, and a word about them, to the zip ``out``."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        def add(name: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}")                # dated 1980, the first year that a zip knows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)

        add("README.txt", README.encode())
        for name in sorted(file.relative_to(html).as_posix() for file in html.rglob("*") if file.is_file()):
            add(name, (html / name).read_bytes())


def main(argv: list[str] | None = None) -> None:
    write_from_pages(make, "Write the built book as a zip that opens by a double click.", argv)


if __name__ == "__main__":
    main()
