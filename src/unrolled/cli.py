"""The command line: ``unrolled data | train | generate | sweep``, with the same options as the Python calls."""
import argparse
import sys
import warnings

from unrolled.commands import add_commands
from unrolled.text import corpus

NO_COPY = "there is no copy of The Time Machine here: `unrolled data fetch` gets one"


def add_data(subparsers) -> None:
    """Add ``unrolled data fetch | verify | where``."""
    data = subparsers.add_parser(
        "data", help="the text that the book trains on: fetch it, verify it, say where it is",
        description="""The Time Machine by H. G. Wells, which the book trains on. A copy is taken from the
            folder that the environment variable UNROLLED_DATA names, else from the cache (UNROLLED_CACHE
            names another place for it), else from the network. Where none can be had, a story that comes
            with the book stands in.""")
    verbs = data.add_subparsers(dest="verb", required=True, metavar="fetch | verify | where")
    verb = verbs.add_parser(
        "fetch", help="make sure that a text is there, downloading it if need be",
        description="""Take the copy that is there, else download one into the cache, and say which text it
            is. The exit status is 0 also where the book's own story has to stand in (a warning says why), 1
            where a copy is damaged.""")
    verb.set_defaults(run=fetch)
    verb = verbs.add_parser(
        "verify", help="check the copy's checksum",
        description="""Check the SHA-256 of the copy in use. The exit status is 1 where there is none or where
            it is damaged; a damaged one is set aside, so that nothing trains on it.""")
    verb.add_argument("--folder", help="verify the copy in this folder instead")
    verb.set_defaults(run=verify)
    verb = verbs.add_parser(
        "where", help="print the path of the copy in use",
        description="""Print the path of the copy in use, whether or not it is damaged. The exit status is 1
            where there is none.""")
    verb.set_defaults(run=where)


def fetch(args) -> None:
    """Say which text is there, after another attempt to download it where none is."""
    corpus.forget_failure()
    print(corpus.load_corpus().notice)


def verify(args) -> None:
    """Say which copy was verified; an error where there is none."""
    if corpus.find_copy(args.folder) is None:
        raise FileNotFoundError(NO_COPY)
    print(corpus.load_corpus(folder=args.folder, download=False).notice)


def where(args) -> None:
    """Print the path of the copy in use; an error where there is none."""
    if (copy := corpus.find_copy()) is None:
        raise FileNotFoundError(NO_COPY)
    print(copy[0])


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="unrolled", description="Long short-term memory, from the equation to the trained model.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="data | train | generate | sweep")
    add_data(subparsers)
    add_commands(subparsers)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command: 0, or 1 with one sentence on standard error, 2 for a wrong call, 130 if interrupted."""
    args = parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *where: print(f"unrolled: {message}", file=sys.stderr)
        try:
            args.run(args)
        except (ValueError, RuntimeError, OSError) as error:
            print(f"unrolled: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("unrolled: interrupted", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
