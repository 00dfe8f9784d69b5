"""The command line as a process of its own: what ``unrolled`` and ``python -m unrolled`` run."""
import argparse
import sys

from unrolled import allocator


def main() -> int:
    """Run the command, ``train`` with an allocator that keeps what is freed unless it is told otherwise."""
    first = argparse.ArgumentParser(add_help=False)             # torch is not loaded yet: what starts anew should start soon
    first.add_argument("command", nargs="?")
    first.add_argument("--allocator", nargs="?")                # what is wrong with it, the command itself says
    args, _ = first.parse_known_args()
    if args.command == "train" and args.allocator != "as-is":
        allocator.start_anew()
    from unrolled import cli
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
