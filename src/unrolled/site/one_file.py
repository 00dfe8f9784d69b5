"""The built book in one file, a PDF or a zip: what both commands have in common."""
import argparse
from collections.abc import Callable
from pathlib import Path

from unrolled.files import write_whole


def write_from_pages(make: Callable[[Path, Path], None], description: str, argv: list[str] | None = None) -> None:
    """A command of two paths: call ``make(folder of the built pages, file)``, and put the file into place when it is whole."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("html", type=Path, help="the folder of the built pages, as make book leaves it")
    parser.add_argument("out", type=Path, help="the file to write")
    arguments = parser.parse_args(argv)
    html, out = arguments.html, arguments.out
    if not (html / "index.html").is_file():
        raise SystemExit(f"There is no built book in {html}: run make book first.")
    if out.is_dir():
        raise SystemExit(f"{out} is a folder, and the name of a file is wanted.")

    def write(partial: Path) -> None:
        partial.touch()                              # what cannot be written is said before the work, not after it
        make(html, partial)

    try:
        write_whole(out, write)
    except OSError as error:
        raise SystemExit(f"{out} was not written: {error.strerror or error} ({error.filename}).") from None
    except (RuntimeError, ValueError) as error:
        raise SystemExit(f"{out} was not written: {error}.") from None
    print(f"The book is in {out} ({out.stat().st_size / 1e6:.0f} MB).")
