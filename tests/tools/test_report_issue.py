"""A trouble that lasts is one issue: the first report opens it, the others are its comments."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "report_issue.py"
TITLE = "A notebook fails"


@pytest.fixture
def report(programs, tmp_path, monkeypatch):
    """report(open issues, text) -> (what it says, the calls of gh)."""
    for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)

    def report(issues, text, arguments=(TITLE, "report.md"), failing=False):
        programs.add("gh", f"print({json.dumps(issues)!r} if told[1] == 'list' else 'https://example.org/issues/7')")
        if text is not None:
            (tmp_path / "report.md").write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, TOOL, *arguments], cwd=tmp_path, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == failing, done.stderr
        return (done.stderr if failing else done.stdout).strip(), programs.calls()
    return report


def test_the_first_opens_an_issue(report):
    said, calls = report([{"number": 3, "title": TITLE + " again"}], "**memory-cell**: ☃")
    assert said == "https://example.org/issues/7"
    assert calls[-1] == ("gh", ["issue", "create", "--title", TITLE, "--body-file", "-"], "**memory-cell**: ☃\n")


def test_the_next_is_a_comment(report):
    _, calls = report([{"number": 3, "title": "Another"}, {"number": 7, "title": TITLE}], "again")
    assert [call[1][:3] for call in calls] == [["issue", "list", "--state"], ["issue", "comment", "7"]]
    assert calls[-1][2] == "again\n"


def test_it_names_the_run_and_fits_an_issue(report, monkeypatch):
    for name, value in (("SERVER_URL", "https://github.com"), ("REPOSITORY", "a/b"), ("RUN_ID", "12")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    _, calls = report([], "x" * 100_000)
    assert calls[-1][2].endswith("(The rest is in the log.)\n\n[The run](https://github.com/a/b/actions/runs/12)\n")
    assert len(calls[-1][2]) < 65_536


def test_a_run_without_a_report_is_said(report):
    _, calls = report([], None)
    assert calls[-1][2] == "The run ended before it could write a report: its log says why.\n"


def test_strange_words_are_only_words(report):
    title = '--label=x "; touch reported'
    _, calls = report([], "@everyone $(touch reported)", (title, "report.md"))
    assert calls[-1] == ("gh", ["issue", "create", "--title", title, "--body-file", "-"], "@everyone $(touch reported)\n")


def test_trouble_is_said(report, programs, tmp_path):
    assert report([], "x", ("only a title",), failing=True)[0] == "usage: report_issue.py TITLE REPORT.md"
    programs.add("gh", "sys.exit('no token')")
    done = subprocess.run([sys.executable, TOOL, TITLE, "report.md"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines() == ["no token", "gh issue list failed: see its message above."]
    (programs.folder / "gh").unlink()
    done = subprocess.run([sys.executable, TOOL, TITLE, "report.md"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.strip() == "gh is missing: the command line of GitHub opens the issue."
