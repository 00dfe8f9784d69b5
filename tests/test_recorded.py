"""Records are found beside the page, in the package and in the repository, and said to be damaged where they are."""
import json
import subprocess
from pathlib import Path

import pytest

from unrolled import recorded as room
from unrolled.recorded import FORM, recorded, recorded_file, write_record

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(folder, name="colours", **parts):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(dict.fromkeys(FORM, "") | {"rows": []} | parts))


def test_in_the_repository():
    assert recorded("cost-times") == json.loads((ROOT / "book/data/cost-times.json").read_text())


def test_beside_the_page_first_then_in_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(room.resources, "files", lambda name: tmp_path / "lib" / "src" / name)
    write(tmp_path / "lib/book/data", what="the repository's")
    assert recorded("colours")["what"] == "the repository's"
    write(tmp_path / "lib/src/unrolled/data", what="the package's")
    assert recorded("colours")["what"] == "the package's"
    write(tmp_path / "data", what="the page's")
    assert recorded("colours")["what"] == "the page's"


def test_a_model_lies_beside_its_record():
    assert recorded_file("whole-book", "safetensors").read_bytes() == (ROOT / "book/data/whole-book.safetensors").read_bytes()
    with pytest.raises(FileNotFoundError, match="looked for data.whole-book.onnx, "):
        recorded_file("whole-book", "onnx")


def test_nowhere():
    with pytest.raises(FileNotFoundError, match="there is no record 'nothing': looked for data.nothing.json, .*unrolled.data.nothing.json, "):
        recorded("nothing")


@pytest.mark.parametrize("name", ["", "../secret", "a/b", "colours.json"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="small letters, digits and hyphens"):
        recorded(name)


@pytest.mark.parametrize("content, words", [
    ('{"rows": [', "colours.json is damaged: "), (b"\xff\xfe", "colours.json is damaged: "),
    ("[1, 2]", "is no record: it lacks what, command"), ('{"what": "", "rows": []}', "it lacks command, commit, date, machine, versions"),
])
def test_files_that_are_no_records(tmp_path, content, words):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/colours.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=words):
        recorded("colours")


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    written = write_record("data/ours.json", "what it is", "make it", [{"a": 1, "é": None}], versions={"x": "1"}, threads=2)
    assert recorded("ours") == written and list(written) == [*FORM[:6], "threads", "rows"]
    assert written["versions"].keys() == {"python", "torch", "x"} and written["date"][:2] == "20" and "cores" in written["machine"]
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert written["commit"] == head
    other = write_record("data/ours.json", "", "", [], machine="another", date="2001-02-03")
    assert (other["machine"], other["date"]) == ("another", "2001-02-03")
    with pytest.raises(ValueError):
        write_record("data/ours.json", "", "", [{"a": float("nan")}])
    assert recorded("ours") == other and len(list((tmp_path / "data").iterdir())) == 1         # whole or not at all


def test_a_package_that_had_no_part_is_left_out():
    record = write_record("data/ours.json", "what", "make it", [], versions={"torch": None, "x": "1"})
    assert record["versions"].keys() == {"python", "x"}


def test_without_git_there_is_no_commit(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError("git")

    monkeypatch.setattr(room.subprocess, "run", missing)
    assert room.this_commit() == ""
