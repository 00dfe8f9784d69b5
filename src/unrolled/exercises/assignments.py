"""The exercises as assignments for a class, graded by Otter-Grader.

    python -m unrolled.exercises.assignments _build/assignments        (make assignments)

One assignment for each page that has exercises, each exercise a question. Otter Assign makes of it what students get
(``<page>/student``) and what an instructor keeps (``<page>/autograder``: the solved notebook, and the archive that
grades). Nothing of the solutions is in the former. It needs ``pip install otter-grader``, and the book's sources.
"""
import argparse
import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from unrolled.addresses import read_addresses
from unrolled.exercises.asking import get, names
from unrolled.exercises.specification import Exercise
from unrolled.tex import expand

LABELLED = re.compile(r"^(`{3,}|:{3,})\{math\}\n:label: (\S+)\n(.*?)\n\1$", re.M | re.S)
README = """\
# The exercises of Unrolled, as assignments

| assignment | exercises | minutes | points |
| --- | --- | --- | --- |
{rows}

**Give out** `<assignment>/student`. A student needs `pip install "{package}" otter-grader`.

**Keep** `<assignment>/autograder`: the solved notebook, and `autograder.zip`, which grades.

    otter run -a memory-cell/autograder/autograder.zip submission.ipynb          one submission, on this machine
    otter grade -n memory-cell -a memory-cell/autograder/autograder.zip folder   many, in containers

Gradescope takes the same archive. The machine that grades, there or in a container, installs the package as `{package}`. If that
is not where it can be had, say so: `make assignments PACKAGE="unrolled @ git+https://<your copy>"`.

**How it is marked.** Each exercise is one question, and its check is all or nothing. The instructor's notebooks
(`make notebooks`) say for what part of a solution one would give how many points by hand, what to expect, and which
mistakes get which words.

**What students can see.** What they get holds no solution, hint or planted mistake. But the package that they install holds
the whole specification of each exercise, and `solution("gates")` prints it; so does the book, in its folds. For practice
that is as it should be. Where it is not, use `make assignments TESTS=hidden`: then the tests are in the archive alone, and
what students get does not call the exercises. It keeps nobody from installing the package or from opening the book.
For an examination, write exercises of your own: `unrolled.exercises.specification` says what one consists of.

The tests run in the same process as the student's code. Whoever wants to can deceive them; read what was handed in.
"""


def pages() -> dict[str, list[Exercise]]:
    """The exercises of each page that has some, in the order of the book."""
    found: dict[str, list[Exercise]] = {}
    for name in names():
        exercise = get(name)
        found.setdefault(exercise.page, []).append(exercise)
    return found


def points(exercise: Exercise) -> int:
    return sum(number for number, _ in exercise.marking)


class Book:
    """What the statements refer to: titles, equations and macros, from the sources of the book.

    Attributes:
        package: the requirement that installs the package.
    """

    def __init__(self, root: Path):
        texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((root / "book").glob("*.md"))}
        self.titles = {page: match[1] for page, text in texts.items() if (match := re.search(r"^# (.+)$", text, re.M))}
        self.equations = {label: tex for text in texts.values() for _, label, tex in LABELLED.findall(text)}
        config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
        settings = config["sphinx"]["config"]
        self.macros, self.package = settings["mathjax3_config"]["tex"]["macros"], read_addresses(root).package

    def plain(self, myst: str) -> str:
        """A statement as Markdown: the equations that it refers to stand below it, with numbers of its own.

        Raises:
            ValueError: it refers to an equation that the book does not have, or has another role in it.
        """
        labels = list(dict.fromkeys(re.findall(r"\{eq\}`([^`]+)`", myst)))
        if missing := [label for label in labels if label not in self.equations]:
            raise ValueError(f"a statement refers to {', '.join(missing)}, which no page of the book has")
        text = re.sub(r"\{eq\}`([^`]+)`", lambda match: f"({labels.index(match[1]) + 1})", myst.strip())
        if role := re.search(r"\{[\w:-]+\}`|^(?:```|:::)\{", text, re.M):
            raise ValueError(f"a statement has {role[0]} in it, which only the book can read")
        text = re.sub(r"\$([^$]+)\$", lambda match: f"${expand(match[1], self.macros)}$", text)
        shown = [f"$$\n{expand(self.equations[label], self.macros)} \\tag{{{k}}}\n$$" for k, label in enumerate(labels, 1)]
        return "\n\n".join([text, *shown])


def master(page: str, exercises: list[Exercise], book: Book, *, hidden: bool = False) -> nbformat.NotebookNode:
    """The notebook that Otter Assign reads: questions with answers, tests and points.

    Args:
        hidden: whether the tests are kept from the students.
    """
    config = {"name": f"unrolled-{page}", "requirements": [book.package], "show_question_points": True,
              "export_cell": {"pdf": False, "run_tests": not hidden}, "check_all_cell": not hidden,
              "tests": {"ok_format": False}, "generate": {"show_stdout": True}}
    cells = [block("ASSIGNMENT CONFIG", config),
             new_markdown_cell(f"# {book.titles.get(page, page)}\n\nExercises to the page of this name in the book *Unrolled*.")]
    for exercise in exercises:
        question = {"name": exercise.name, "points": points(exercise), "check_cell": not hidden}
        cells += [block("BEGIN QUESTION", question), new_markdown_cell(f"## {exercise.title}\n\n{book.plain(exercise.statement)}"),
                  block("BEGIN SOLUTION"), new_code_cell(answer(exercise)), block("END SOLUTION"),
                  block("BEGIN TESTS"), new_code_cell(checks(exercise, hidden)), block("END TESTS"), block("END QUESTION")]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                                   "language_info": {"name": "python"}})
    notebook.nbformat_minor = 4                              # cells without names, which would be drawn by chance
    for cell in cells:
        del cell["id"]
    return notebook


def block(title: str, options: dict | None = None) -> nbformat.NotebookNode:
    """A raw cell by which Otter Assign knows the parts of a notebook."""
    return new_raw_cell(f"# {title}\n{yaml.safe_dump(options, sort_keys=False)}" if options else f"# {title}")


def answer(exercise: Exercise) -> str:
    """The start, which students get, and the solution, which they do not."""
    return (f"r''' # BEGIN PROMPT\n{exercise.start.strip()}\n''' # END PROMPT\n"
            f"# BEGIN SOLUTION NO PROMPT\n{exercise.solution.strip()}\n# END SOLUTION")


def checks(exercise: Exercise, hidden: bool) -> str:
    """A test that says what the package's own check says."""
    given = ", ".join(exercise.answers)
    config = f'""" # BEGIN TEST CONFIG\nhidden: {str(hidden).lower()}\n""" # END TEST CONFIG\n'
    return (f"{config}def test_{exercise.name}({given}):\n    from unrolled.exercises import check\n"
            f'    feedback = check("{exercise.name}", {given})\n    assert feedback.passed, feedback')


def make(out: Path, root: Path, *, hidden: bool = False, package: str | None = None) -> None:
    """Write every assignment into ``out``, anew.

    Args:
        root: the folder that holds the book's settings and its ``book``.
        hidden: whether the tests are kept from the students.
        package: the requirement that installs this package where it is graded; else the one in the settings.

    Raises:
        RuntimeError: Otter-Grader is not installed.
    """
    try:
        from otter import assign
    except ImportError:
        raise RuntimeError("the assignments are made and graded by Otter-Grader: pip install otter-grader") from None
    book, rows = Book(root), []
    book.package = package or book.package
    shutil.rmtree(out, ignore_errors=True)
    for page, exercises in pages().items():
        folder = out / page
        folder.mkdir(parents=True)
        source = folder / f"{page}.ipynb"
        nbformat.write(master(page, exercises, book, hidden=hidden), source)
        assign.main(str(source), str(folder), no_pdfs=True, no_run_tests=True)
        source.unlink()
        without_markers(folder / "autograder" / source.name)
        archive, = (folder / "autograder").glob("*.zip")
        without_dates(archive, archive.with_name("autograder.zip"))
        archive.unlink()
        rows.append(f"| {page} | {', '.join(exercise.name for exercise in exercises)} | {sum(e.minutes for e in exercises)} "
                    f"| {sum(map(points, exercises))} |")
    (out / "README.md").write_text(README.format(rows="\n".join(rows), package=book.package), encoding="utf-8")


def without_markers(path: Path) -> None:
    """Leave in the solved notebook the solution alone, without the start that students get."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(r"^r''' # BEGIN PROMPT\n.*# BEGIN SOLUTION NO PROMPT\n(.*)\n# END SOLUTION$", r"\1", cell.source, flags=re.S)
    nbformat.write(notebook, path)


def without_dates(archive: Path, result: Path) -> None:
    """The same archive, in an order and with dates that do not change."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            new.writestr(zipfile.ZipInfo(name), old.read(name))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the exercises as assignments for Otter-Grader.")
    parser.add_argument("out", type=Path, help="the folder to write into; what it held is removed")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the folder that holds _config.yml and book (here)")
    parser.add_argument("--tests", choices=("public", "hidden"), default="public", help="whether students get the tests, too")
    parser.add_argument("--package", help="the requirement that installs this package where it is graded")
    arguments = parser.parse_args(argv)
    make(arguments.out, arguments.root, hidden=arguments.tests == "hidden", package=arguments.package)
    print(f"The assignments are in {arguments.out}. Read README.md there first.")
    if not arguments.package and (warning := read_addresses(arguments.root).warning):
        print(warning)


if __name__ == "__main__":
    main()
