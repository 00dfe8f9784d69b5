"""The exercises as assignments: Otter's own runner marks them as it should, and students get nothing that they should find."""
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from unrolled.addresses import Addresses
from unrolled.exercises import assignments, get, names
from unrolled.exercises.assignments import Book, main, make, master, pages, points
from unrolled.exercises.specification import defined

ROOT = Path(__file__).resolve().parents[2]
ALL = [get(name) for name in names()]
TOTAL = sum(map(points, ALL))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The assignments as `make assignments` writes them."""
    out = tmp_path_factory.mktemp("assignments") / "out"
    make(out, ROOT)
    return out


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """All exercises as one assignment, so that Otter starts one kernel for all: the folder."""
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignments, "pages", lambda: {"all": ALL})
        make(folder / "out", ROOT)
    return folder / "out" / "all"


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def graded(notebook, together):
    """The points of each question, by Otter's runner."""
    from otter.api import grade_submission
    results = grade_submission(str(notebook), str(together / "autograder/autograder.zip"), quiet=True).results
    return {name: result.score for name, result in results.items()}


def answered(together, path, codes):
    """A submission with these codes as its answers."""
    notebook = nbformat.read(together / "student/all.ipynb", as_version=4)
    for cell in notebook.cells:
        for exercise in ALL:
            if cell.source == exercise.start.strip():
                cell.source = codes[exercise.name]
    nbformat.write(notebook, path)
    return path


# ---- what is written ----

def test_each_page_with_exercises_is_an_assignment(made):
    assert {path.name for path in made.iterdir()} == {*pages(), "README.md"}
    assert [exercise for exercises in pages().values() for exercise in exercises] == ALL
    for page in pages():
        files = {path.relative_to(made / page).as_posix() for path in (made / page).rglob("*") if path.is_file()}
        assert files == {f"student/{page}.ipynb", f"autograder/{page}.ipynb", "autograder/autograder.zip", "autograder/otter_config.json",
                         "autograder/requirements.txt"}


def test_students_get_the_statement_the_start_and_a_check(made):
    for page, exercises in pages().items():
        said = sources(made / page / "student" / f"{page}.ipynb")
        for exercise in exercises:
            at = said.index(exercise.start.strip())
            assert said[at - 1].startswith(f"## {exercise.title}\n") and said[at - 1].endswith(f"_Points:_ {points(exercise)}")
            assert said[at + 1] == f'grader.check("{exercise.name}")'


def test_statements_need_no_book(made):
    for page in pages():
        text = "\n".join(sources(made / page / "student" / f"{page}.ipynb"))
        assert not re.search(r"\{[\w:-]+\}`|:::|\\(?:gate|node|cell|hid)[IFOCHifoch]\b|\\class", text)
    gates = next(cell for cell in sources(made / "memory-cell/student/memory-cell.ipynb") if cell.startswith("## The three gates"))
    assert "the three gates of (1)." in gates and "\\sigma({\\mathbf{X}}_t" in gates and "\\tag{1}" in gates


def test_nothing_of_the_solutions_is_in_what_students_get(made):
    secrets = {}
    given = "\n".join([exercise.start + exercise.statement + exercise.title for exercise in ALL])
    for exercise in ALL:
        code = [exercise.solution, exercise.otherwise, *(mistake.code for mistake in exercise.mistakes)]
        prose = [exercise.explanation, exercise.difficulties, *exercise.hints, *(mistake.told for mistake in exercise.mistakes),
                 *(mistake.name for mistake in exercise.mistakes), *(what for _, what in exercise.marking), str(exercise.question.get("right", ""))]
        lines = [line.strip() for text in [*code, *prose] for line in text.splitlines()]
        secrets[exercise.name] = {line for line in lines if len(line) > 12 and line not in given}
        assert len(secrets[exercise.name]) > 20

    def found(folder):
        texts = ["\n".join(strings(json.loads(path.read_text(encoding="utf-8")))) for path in folder.rglob("*.ipynb")]
        return {name for name, lines in secrets.items() if any(line in text for text in texts for line in lines)}

    for page, exercises in pages().items():
        assert not found(made / page / "student")
        assert found(made / page / "autograder") >= {exercise.name for exercise in exercises}        # the search does find


def strings(value):
    """Every text within a JSON value, keys included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return ["".join(value)] if all(isinstance(part, str) for part in value) else [text for part in value for text in strings(part)]
    return [str(value)]


def test_the_instructor_gets_the_solution_and_a_word_on_what_students_can_see(made):
    for page, exercises in pages().items():
        said = sources(made / page / "autograder" / f"{page}.ipynb")
        assert all(exercise.solution.strip() in said for exercise in exercises)
        assert "unrolled[notebooks] @ git+" in (made / page / "autograder/requirements.txt").read_text()
    text = (made / "README.md").read_text(encoding="utf-8")
    assert "| memory-cell | gates, node, state, hidden, step | 30 | 16 |" in text
    assert "the package that they install holds" in text and 'solution("gates")' in text and "TESTS=hidden" in text
    assert "{" not in text


def test_the_same_is_written_each_time(made, tmp_path):
    make(tmp_path / "again", ROOT)
    one, two = ({path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
                for folder in (made, tmp_path / "again"))
    assert one == two


def test_hidden_tests_are_in_the_archive_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(assignments, "pages", lambda: {"memory-cell": ALL[:2]})
    make(tmp_path / "out", ROOT, hidden=True, package="unrolled @ git+https://example.org/mine.git")
    student = (tmp_path / "out/memory-cell/student/memory-cell.ipynb").read_text(encoding="utf-8")
    assert "unrolled.exercises" not in student and "grader.check" not in student and "run_tests" not in student
    with zipfile.ZipFile(tmp_path / "out/memory-cell/autograder/autograder.zip") as archive:
        assert "hidden=True" in archive.read("tests/gates.py").decode() and "check('gates', gates)" in archive.read("tests/gates.py").decode()
        assert "unrolled @ git+https://example.org/mine.git" in archive.read("environment.yml").decode()


# ---- how it is marked ----

def test_the_solved_set_gets_full_marks(together, tmp_path):
    """Through the command line, as an instructor would."""
    command = [sys.executable, "-m", "otter", "run", "--no-logo", "-a", str(together / "autograder/autograder.zip"), "-o", str(tmp_path),
               str(together / "autograder/all.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    results = json.loads((tmp_path / "results.json").read_text())["tests"]
    scores = {result["name"]: result["score"] for result in results if "score" in result}
    assert {name: scores[name] for name in names()} == {exercise.name: points(exercise) for exercise in ALL}
    assert sum(scores.values()) == TOTAL


def test_the_untouched_set_gets_none(together):
    assert graded(together / "student/all.ipynb", together) == dict.fromkeys(names(), 0)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_mistake_costs_its_own_question_and_no_other(together, tmp_path, turn):
    """Every other exercise has a mistake, the last of its list; the next time the others have."""
    wrong = {exercise.name for k, exercise in enumerate(ALL) if k % 2 == turn}
    codes = {exercise.name: (exercise.mistakes[-1].code if exercise.name in wrong else exercise.otherwise).strip() for exercise in ALL}
    scores = graded(answered(together, tmp_path / "mixed.ipynb", codes), together)
    assert scores == {exercise.name: 0 if exercise.name in wrong else points(exercise) for exercise in ALL}


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.name)
def test_each_planted_mistake_costs_its_question_and_says_why(together, tmp_path_factory, exercise):
    """Every one, by Otter's own tests; in this process, since two hundred kernels would take half an hour."""
    from otter.test_files import ExceptionTestFile
    folder = tmp_path_factory.getbasetemp() / "otter-tests"
    if not folder.exists():
        with zipfile.ZipFile(together / "autograder/autograder.zip") as archive:
            archive.extractall(folder)

    def run(code):
        file = ExceptionTestFile.from_file(str(folder / f"tests/{exercise.name}.py"))
        file.run(dict(zip(exercise.answers, defined(code, exercise.answers))) if code else {})
        return file.score, file.possible, file.test_case_results[0].message

    assert run(exercise.solution)[:2] == (points(exercise), points(exercise))
    for mistake in exercise.mistakes:
        score, _, said = run(mistake.code)
        assert score == 0 and mistake.told in said, mistake.name
    score, _, said = run(exercise.start)
    assert score == 0 and "still open" in said
    score, _, said = run("")                                     # the student deleted the cell
    assert score == 0 and "AssertionError: Not yet." in said


# ---- parts ----

@pytest.fixture
def small(tmp_path):
    """A book of one page."""
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "_config.yml", tmp_path)
    page = "# A *page*\n\n```{math}\n:label: eq-a\n\\hidH < 1\n```\n\n:::{math}\n:label: eq-b\nb\n:::\n"
    (tmp_path / "book/page.md").write_text(page, encoding="utf-8")
    return tmp_path


def test_equations_stand_below_in_their_order(small):
    said = Book(small).plain("By {eq}`eq-b`, then {eq}`eq-a` and {eq}`eq-b` for $\\X < 1$.\n")
    assert said == "By (1), then (2) and (1) for ${\\mathbf{X}} \\lt 1$.\n\n$$\nb \\tag{1}\n$$\n\n$$\n{\\mathbf{H}} \\lt 1 \\tag{2}\n$$"
    assert Book(small).titles == {"page": "A *page*"}


@pytest.mark.parametrize("statement, complaint", [
    ("See {eq}`eq-c` and {eq}`eq-d`.", "refers to eq-c, eq-d, which no page of the book has"),
    ("See {ref}`here <sec>`.", r"has \{ref\}` in it, which only the book can read"),
    ("So:\n\n```{note}\nx\n```", r"has ```\{ in it"),
])
def test_a_statement_that_cannot_stand_alone_is_refused(small, statement, complaint):
    with pytest.raises(ValueError, match=complaint):
        Book(small).plain(statement)


def test_a_page_that_is_not_there_gives_its_name(small):
    exercise = next(exercise for exercise in ALL if "{eq}" not in exercise.statement)
    assert master("nowhere", [exercise], Book(small)).cells[1].source.startswith("# nowhere\n")


def test_without_otter_a_sentence_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "otter", None)
    with pytest.raises(RuntimeError, match="pip install otter-grader"):
        make(tmp_path / "out", ROOT)
    assert not (tmp_path / "out").exists()


def test_the_command(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(assignments, "make", lambda *places, **options: asked.append((places, options)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_config.yml").write_text("sphinx: {config: {}}")
    main(["out"])
    assert Addresses().warning in capsys.readouterr().out
    (tmp_path / "_config.yml").write_text("sphinx: {config: {unrolled_home: {owner: ada}}}")
    main(["out", "--root", "book", "--tests", "hidden", "--package", "mine"])
    assert asked == [((Path("out"), tmp_path), {"hidden": False, "package": None}),
                     ((Path("out"), Path("book")), {"hidden": True, "package": "mine"})]
    said = capsys.readouterr().out
    assert said == "The assignments are in out. Read README.md there first.\n"
