"""Every page that trains does so on a GPU: played, its cells keep the devices apart. Numbers are not looked at here."""
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
PAGES = [page for page in sorted(BOOK.glob("*.md")) if "Trainer(" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_on_a_second_device(page, elsewhere):
    assert elsewhere(page, BOOK)
