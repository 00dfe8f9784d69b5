"""The package as it is released: what is in it, and that it is whole without the repository."""
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/unrolled"
USE = """
import sys
from pathlib import Path
import unrolled
from unrolled.recorded import recorded
from unrolled.exercises import names
from unrolled.text import load_corpus
from unrolled.widgets import CostCalculator, MemoryCell
from unrolled import LSTM
assert Path(unrolled.__file__).is_relative_to(sys.prefix), unrolled.__file__
assert recorded("cost-times")["rows"] and names()
assert "export default" in MemoryCell(LSTM(2, 3), inputs=[[0.5, 1.0]])._esm
assert load_corpus("embedded").text
print("everything is here")
"""


def hatchling(folder: Path, out: Path, *targets: str) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", out, *targets], cwd=folder, check=True,
                   capture_output=True)


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(sdist, wheel), as `make dist` makes them."""
    out = tmp_path_factory.mktemp("dist")
    hatchling(ROOT, out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def test_the_wheel_is_the_package_its_records_and_nothing_else(built):
    source = {f"unrolled/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*")
              if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"}
    records = {f"unrolled/data/{path.name}" for path in (ROOT / "book/data").iterdir()}
    found = {name for name in names(built[1]) if ".dist-info/" not in name}
    assert found == source | records
    assert {"unrolled/widgets/lstm.mjs", "unrolled/widgets/widget.css", "unrolled/site/widget_host.js",
            "unrolled/text/embedded.txt", "unrolled/data/cost-times.json"} <= found
    assert any(name.endswith("licenses/LICENSE") for name in names(built[1]))


def test_the_sdist_has_what_the_wheel_needs_and_no_more(built):
    with tarfile.open(built[0]) as file:
        inside = {name.split("/", 1)[1] for name in file.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= inside
    tops = {name.split("/")[0] for name in inside}
    assert tops <= {"src", "book", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "PKG-INFO", ".gitignore"}
    records = {f"book/data/{path.name}" for path in (ROOT / "book/data").iterdir()}
    assert {name for name in inside if name.startswith("book/")} == records


def test_the_sdist_alone_makes_the_same_wheel(built, tmp_path):
    with tarfile.open(built[0]) as file:
        file.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    hatchling(folder, tmp_path / "out", "--target", "wheel")
    (wheel,) = (tmp_path / "out").iterdir()
    assert wheel.name == built[1].name and wheel.read_bytes() == built[1].read_bytes()


def test_it_works_without_the_repository(built, tmp_path):
    """Installed into an environment of its own; what it requires is lent by this one."""
    venv.create(tmp_path / "venv")
    python = next(path for path in ((tmp_path / "venv/bin/python"), (tmp_path / "venv/Scripts/python.exe")) if path.exists())
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", built[1]],
                   check=True)
    import torch
    (site / "lent.pth").write_text(str(Path(torch.__file__).parents[1]))
    done = subprocess.run([python, "-P", "-W", "error::ImportWarning", "-c", USE], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "everything is here\n", done.stderr
