"""The list of claims is that of the pages as they are."""
from pathlib import Path

from unrolled.site.claim_list import PAGE, Claim, claims_of, entries, written

ROOT = Path(__file__).resolve().parents[2]
TEXT = """# A page

## First

```{code-cell} python
:tags: [remove-cell]

claim("one", x, 1, 2)
for k in range(2):
    claim(f"at-{k}", y[k], 0, 0)
assert a < b
```

It is early. We find {glue:text}`one:.2f` bits, and
no more. Then it ends.

## Second

```python
claim("shown, not run", x, 1, 2)
```

```{code-cell} python
claim("two", x, 1, 2 if novel else 3)
```
"""


def test_it_finds_what_is_asserted_and_where():
    assert claims_of(TEXT) == [
        Claim("First", "one", "`1` to `2`", "We find ‹one› bits, and no more."), Claim("First", "at-…", "`0`", ""),
        Claim("First", "", "`a < b`", ""), Claim("Second", "two", "`1` to `2 if novel else 3`", "")]


def test_what_one_sentence_shows_stands_together():
    claims = [Claim("First", "one", "`1`", "‹one› and ‹two› {ref}`there <x>`."), Claim("First", "two", "`1` to `2`", "‹one› and ‹two› {ref}`there <x>`."),
              Claim("First", "", "`a < b | c`", ""), Claim("First", "", "`d`", ""), Claim("Second", "three", "`3`", "‹three›.")]
    assert entries(claims).split("\n") == [
        "", "**First**", "", "- `one` `1`, `two` `1` to `2`: ‹one› and ‹two› there.", "- `a < b | c`", "- `d`",
        "", "**Second**", "", "- `three` `3`: ‹three›.", ""]


def test_the_page_in_the_book_is_todays():
    assert (ROOT / PAGE).read_text(encoding="utf-8") == written(ROOT), "run python -m unrolled.site.claim_list"
