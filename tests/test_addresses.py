"""Every address of the book follows from one setting."""
import re
import shutil
from pathlib import Path

import pytest
import yaml

from unrolled.addresses import PLACEHOLDER, Addresses, read_addresses

ROOT = Path(__file__).resolve().parents[1]
ADA = Addresses("Ada-L", "my.book", "release/2")


def test_the_forms_of_all_addresses():
    assert ADA.home == "https://github.com/Ada-L/my.book"
    assert ADA.pages == "https://ada-l.github.io/my.book/"
    assert ADA.package == "unrolled[notebooks] @ git+https://github.com/Ada-L/my.book.git@release/2"
    assert ADA.colab("memory-cell") == "https://colab.research.google.com/github/Ada-L/my.book/blob/notebooks/memory-cell.ipynb"
    assert ADA.binder("memory-cell") == "https://mybinder.org/v2/gh/Ada-L/my.book/notebooks?urlpath=lab/tree/memory-cell.ipynb"
    assert ADA.source("book/memory-cell.md") == "https://github.com/Ada-L/my.book/blob/release/2/book/memory-cell.md"
    assert ADA.edit("book/memory-cell.md") == "https://github.com/Ada-L/my.book/edit/release/2/book/memory-cell.md"


@pytest.mark.parametrize("site", ["https://book.example.org", "https://book.example.org/", "http://example.org/lstm/"])
def test_a_site_of_its_own(site):
    assert Addresses("ada", site=site).pages == f"{site.rstrip('/')}/"


def test_what_a_branch_is_called_is_written_for_an_address():
    assert Addresses("ada", branch="größer%").source("book/a b.md").endswith("/blob/gr%C3%B6%C3%9Fer%25/book/a%20b.md")


@pytest.mark.parametrize("part, wrong", [("owner", ""), ("owner", "ada lovelace"), ("owner", "-ada"), ("owner", "a" * 40), ("owner", None),
                                         ("owner", "ada\n"), ("repository", "a/b"), ("repository", ".."), ("repository", ""),
                                         ("branch", "a b"), ("branch", "a..b"), ("branch", "-x"), ("branch", "a.lock"), ("branch", "a/"),
                                         ("site", "book.example.org"), ("site", "https://a b"), ("site", "ftp://x"), ("site", 3)])
def test_a_part_that_cannot_be_one_is_named(part, wrong):
    with pytest.raises(ValueError, match=rf"^unrolled_home: {part} is .* such as .*, not {re.escape(repr(wrong))}$"):
        Addresses(**{"owner": "ada"} | {part: wrong})


@pytest.mark.parametrize("wrong", [{"owners": "ada"}, "ada/unrolled", None])
def test_a_setting_of_another_form(wrong):
    with pytest.raises(ValueError, match="^unrolled_home has owner, repository, branch, site; got "):
        Addresses.of(wrong)


def test_the_placeholder_is_said_and_nothing_else_is():
    assert PLACEHOLDER in Addresses().warning and "unrolled_home in _config.yml" in Addresses().warning
    assert ADA.warning == ""


def test_the_books_own_are_read_from_its_settings(tmp_path):
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]["unrolled_home"]
    assert read_addresses(ROOT) == Addresses(**settings)
    shutil.copy(ROOT / "_config.yml", tmp_path)
    text = (tmp_path / "_config.yml").read_text(encoding="utf-8").replace(f"owner: {settings['owner']}", "owner: ada")
    (tmp_path / "_config.yml").write_text(text, encoding="utf-8")
    assert read_addresses(tmp_path).owner == "ada"
    (tmp_path / "_config.yml").write_text("sphinx: {config: {}}", encoding="utf-8")
    assert read_addresses(tmp_path) == Addresses()


def test_they_are_set_in_one_place():
    """No other file of the book names the owner or an address on its repository."""
    files = [path for folder in ("book", "src", ".github", "tools", "benchmarks") for path in (ROOT / folder).rglob("*")
             if path.suffix in {".md", ".py", ".yml", ".mjs", ".js", ".json"} and "offline" not in path.parts]
    own = re.compile(rf"github\.com/{PLACEHOLDER}|{re.escape(read_addresses(ROOT).home)}\b")
    assert len(files) > 50 and not [str(path) for path in files if own.search(path.read_text(encoding="utf-8"))]
