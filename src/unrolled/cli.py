"""The command line: ``unrolled data | train | generate``, with the same options as the Python calls."""
import argparse
import os
import sys
from pathlib import Path

from unrolled.commands import add_commands
from unrolled.text import corpus


def add_data(subparsers) -> None:
    """``unrolled data fetch | verify | where``."""
    data = subparsers.add_parser("data", help="the text that the book trains on: fetch, verify, say where it is",
                                 description="The novel The Time Machine, which the book trains on. It is taken from the "
                                             "folder in UNROLLED_DATA, from the cache, or from the network.")
    verbs = data.add_subparsers(dest="verb", required=True, metavar="fetch | verify | where")
    verbs.add_parser("fetch", help="make sure that a text is there, downloading it if need be").set_defaults(run=fetch)
    verbs.add_parser("verify", help="check the copy's checksum; exit status 1 where there is none").set_defaults(run=verify)
    verbs.add_parser("where", help="print the path of the copy in use").set_defaults(run=where)


def fetch(args) -> None:
    print(corpus.load_corpus().notice)


def verify(args) -> None:
    found = corpus.load_corpus(download=False)
    if found.stand_in:
        raise FileNotFoundError("there is no copy of The Time Machine here: `unrolled data fetch` gets one")
    print(found.notice)


def where(args) -> None:
    for folder in (os.environ.get("UNROLLED_DATA"), corpus.cache_folder()):
        if folder and (Path(folder) / corpus.FILE).is_file():
            print(Path(folder) / corpus.FILE)
            return
    raise FileNotFoundError("there is no copy of The Time Machine here: `unrolled data fetch` gets one")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="unrolled", description="Long short-term memory, from the equation to the "
                                                               "trained model.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="data | train | generate")
    add_data(subparsers)
    add_commands(subparsers)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with one sentence on standard error (2 for a wrong call)."""
    args = parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"unrolled: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
