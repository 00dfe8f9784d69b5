"""What can be seen in the pages' sources: figures with words, questions at the end, no raw address of a registry."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unrolled.site.pdf import names

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / f"{name}.md" for name in names(ROOT)]
LOOKED_UP = ("running", "notation", "references", "api", "claims")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_figure_exists_and_says_what_it_shows(page):
    text = page.read_text(encoding="utf-8")
    for path, options in re.findall(r"```\{figure\} (\S+)\n((?::.*\n)*)", text):
        assert (page.parent / path).is_file(), f"{path} is missing"
        assert len(re.search(r":alt: (.*)", options).group(1)) > 40, f"{path}: the alt text says too little"
        assert ":name: fig-" in options
    for call in re.findall(r"figures\.show\((?:.|\n)*?alt=", text):
        assert call
    assert text.count("figures.show(") == len(re.findall(r"figures\.show\((?:.|\n)*?alt=", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_opens_with_its_aim_and_ends_with_questions(page):
    text = page.read_text(encoding="utf-8")
    assert re.search(r"^# .*\n\n(?:.*\n)*?.*you will be able to", text, re.M)
    assert "## Check yourself" in text and text.count(":::{dropdown}") + text.count("::::{dropdown}") >= (2 if page.stem in LOOKED_UP else 3)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_number_that_is_shown_is_claimed(page):
    text = page.read_text(encoding="utf-8")
    shown = set(re.findall(r"\{glue:text\}`([\w-]+)[:`]", text))
    claimed = set(re.findall(r"claim\(f?\"([\w-]+)\"", text))
    made = "claim(f\"" in text                                  # names made in a loop
    assert made or shown <= claimed, f"shown but not asserted: {sorted(shown - claimed)}"


def test_what_the_page_of_troubles_quotes_is_said():
    """Each sentence of its table stands in the package, in the first cell or in a tool, word for word."""
    table = re.findall(r'^\| (".*?") \|', (ROOT / "book/running.md").read_text(encoding="utf-8"), re.M)
    sources = [path.read_text(encoding="utf-8") for folder in ("src", "tools") for path in (ROOT / folder).rglob("*.py")]
    assert len(table) > 5
    for quoted in (words for row in table for words in re.findall('"(.*?)"', row)):
        assert any(quoted in source for source in sources), f"nothing says {quoted!r}"


def test_citations_exist():
    keys = re.findall(r"@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"))
    assert len(keys) == len(set(keys)), "a bibliography with a key twice is not read"
    for page in PAGES:
        for group in re.findall(r"\{cite:[tp]\}`([^`]+)`", page.read_text(encoding="utf-8")):
            assert {key.strip() for key in group.split(",")} <= set(keys), f"{page.stem}: {group}"


def test_all_versions_come_from_the_lock():
    """pip takes each line of the conda file as it is: a requirement, or -r with the lock."""
    pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    assert pip == ["-r requirements.lock"]


def test_no_line_becomes_a_comment_or_a_list_by_where_it_was_broken():
    """MyST drops a line that begins with %, and takes one that begins with + for an item."""
    found = []
    for page in sorted((ROOT / "book").glob("*.md")):
        fence = None
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            mark = re.match(r"`{3,}", line)
            if mark:
                fence = None if fence == mark[0] else fence or mark[0]
            elif not fence and re.match(r"%|\+ ", line):
                found.append(f"{page.name}:{number}: {line[:60]}")
    assert not found, "\n".join(found)


def test_a_page_that_fails_is_no_page_that_was_built(tmp_path):
    """jupyter-book with the book's own execution settings stops at a planted failing cell."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["execute"]["raise_on_error"] is True
    (tmp_path / "_config.yml").write_text(yaml.safe_dump({"title": "t", "execute": config["execute"]}))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    head = "---\njupytext: {text_representation: {extension: .md, format_name: myst}}\nkernelspec: {name: python3}\n---\n"
    (tmp_path / "page.md").write_text(f"{head}# Page\n\n```{{code-cell}} python\nassert False, 'planted'\n```\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", "--keep-going", str(tmp_path)]
    for _ in range(2):                                           # nor is it one the second time
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0 and "planted" in done.stdout + done.stderr
