"""Say in an issue that something went wrong: in the open one of this title, else in a new one.

    python3 tools/report_issue.py TITLE REPORT.md        (`make report-issue`, in a workflow on a schedule)

So a trouble that lasts is one issue with a comment each time. Needs `gh` with a token in GH_TOKEN. Standard library only.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

LONGEST = 60_000                       # characters; GitHub takes 65,536
NONE = "The run ended before it could write a report: its log says why."


def gh(*arguments, **options) -> str:
    try:
        return subprocess.run(["gh", *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8", **options).stdout
    except FileNotFoundError:
        sys.exit("gh is missing: the command line of GitHub opens the issue.")
    except subprocess.CalledProcessError:
        sys.exit(f"gh {' '.join(arguments[:2])} failed: see its message above.")


def body(report: Path) -> str:
    """The report, with the address of the run that wrote it."""
    text = report.read_text(encoding="utf-8").strip() if report.is_file() else NONE
    if len(text) > LONGEST:
        text = text[:LONGEST] + "\n```\n\n(The rest is in the log.)"
    run = [os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return text + ("\n\n[The run]({}/{}/actions/runs/{})\n".format(*run) if all(run) else "\n")


def main(title: str, report: str) -> None:
    opened = json.loads(gh("issue", "list", "--state", "open", "--limit", "1000", "--json", "number,title"))
    same = [str(issue["number"]) for issue in opened if issue["title"] == title]
    where = ["comment", same[0]] if same else ["create", "--title", title]
    print(gh("issue", *where, "--body-file", "-", input=body(Path(report))).strip())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: report_issue.py TITLE REPORT.md")
    main(*sys.argv[1:])
