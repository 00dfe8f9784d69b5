"""What can be seen in the pages' sources: figures with words, questions at the end, no raw address of a registry."""
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [ROOT / f"{entry}.md" for entry in [TOC["root"], *(chapter["file"] for chapter in TOC["chapters"])]]
LESSONS = [p for p in PAGES if p.stem in ("background", "forgetting", "memory-cell", "from-scratch", "concise", "looking-back")]


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


@pytest.mark.parametrize("page", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_opens_with_its_aim_and_ends_with_questions(page):
    text = page.read_text(encoding="utf-8")
    assert re.search(r"^# .*\n\n(?:.*\n)*?.*you will be able to", text, re.M)
    assert "## Check yourself" in text and text.count(":::{dropdown}") + text.count("::::{dropdown}") >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_number_that_is_shown_is_claimed(page):
    text = page.read_text(encoding="utf-8")
    shown = set(re.findall(r"\{glue:text\}`([\w-]+)[:`]", text))
    claimed = set(re.findall(r"claim\(f?\"([\w-]+)\"", text))
    made = "claim(f\"" in text                                  # names made in a loop
    assert made or shown <= claimed, f"shown but not asserted: {sorted(shown - claimed)}"


def test_citations_exist():
    keys = set(re.findall(r"@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text(encoding="utf-8")))
    for page in PAGES:
        for group in re.findall(r"\{cite:[tp]\}`([^`]+)`", page.read_text(encoding="utf-8")):
            assert {key.strip() for key in group.split(",")} <= keys, f"{page.stem}: {group}"


def test_all_versions_come_from_the_lock():
    assert "requirements.lock" in (ROOT / "environment.yml").read_text()
