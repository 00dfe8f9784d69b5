"""Record what the pages that need MXNet put out, from the executions of the last build (make record-pages)."""
import pathlib

from prepare import stop

from unrolled.site.recorded_pages import record

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    try:
        record(ROOT)
    except (ModuleNotFoundError, ValueError) as error:
        stop(f"{error}.")


if __name__ == "__main__":
    main()
