"""What the book claims, and where each claim is asserted: the page book/claims.md, written from the pages themselves.

    python -m unrolled.site.claim_list          # writes it again; a test says when that is due
"""
import ast
import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from unrolled.files import write_whole
from unrolled.site.pdf import names

PAGE = "book/claims.md"
TOP = """(sec-claims)=
# What is claimed, and where it is asserted

With this page you will be able to look up every number that the text speaks of: the range that it has to lie in, the
section whose code asserts that, and the sentence that says it.

A page of this book is executed before it is shown. Its hidden cells give each number to {ref}`claim <api-claims>`,
which stops the build where the number leaves its range. A range that is a single number is exact. What is compared,
rather than shown, is asserted in Python's own words. This list is written from the pages by `python -m
unrolled.site.claim_list`, and a test holds it against them.
"""
END = """
## Check yourself

:::{dropdown} A sentence says “about 2 bits”. How do you find out how far the number may lie from that?
Look for the page and the name here: the range stands beside it. If the number left it, the book would not build.
:::

:::{dropdown} Does a range prove the sentence?
No. It proves that the number which the sentence was written for is still the number that comes out. Whether the sentence
follows from it is for you to judge.
:::
"""


class Claim(NamedTuple):
    """One assertion of a page: its section, its name (none for a plain assert), what must hold, the sentence that shows it."""

    section: str
    name: str
    holds: str
    sentence: str


def claims_of(text: str) -> list[Claim]:
    """Every claim and every plain assertion in the code cells of a page, in order."""
    prose = re.sub(r"^(```+|:::+)[\s\S]*?^\1$", "", text, flags=re.M)
    found, section = [], ""
    for heading, fence, code in re.findall(r"^#+ (.+)$|^(```+)\{code-cell\}[^\n]*\n([\s\S]*?)^\2$", text, flags=re.M):
        if heading:
            section = heading
            continue
        code = "\n".join(line for line in code.splitlines() if not line.startswith((":", "%")))
        for node in sorted((node for node in ast.walk(ast.parse(code)) if hasattr(node, "lineno")), key=lambda node: node.lineno):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim":
                name, _, *band = (ast.unparse(part) for part in node.args)
                name = re.sub(r"\{.*?\}", "…", name.removeprefix("f")).strip("'\"")       # of a loop: whatever it runs over
                holds = " to ".join(f"`{end.removeprefix('*')}`" for end in dict.fromkeys(band))    # equal ends once
                found.append(Claim(section, name, holds, sentence_with(prose, name)))
            elif isinstance(node, ast.Assert):
                found.append(Claim(section, "", f"`{ast.unparse(node.test)}`", ""))
    return found


def sentence_with(prose: str, name: str) -> str:
    """The first sentence that shows the number, with the names of numbers in its places; empty where none does."""
    role = re.compile(r"\{glue:text\}`([\w-]+)(?::[^`]*)?`")
    for paragraph in re.split(r"\n\s*\n", prose):
        if name in role.findall(paragraph):
            flat = role.sub(lambda shown: f"‹{shown[1]}›", " ".join(paragraph.split()))
            sentences = re.split(r"(?<=[.!?:]) (?=[A-Z*‹])", flat)
            return next(one for one in sentences if f"‹{name}›" in one)
    return ""


def plain(text: str) -> str:
    """As an entry of a list can hold it: roles by their words."""
    text = re.sub(r"\{[\w:]+\}`([^`<]+?)\s*(?:<[^`]*>)?`", r"\1", text)
    return text.lstrip("|-*> ")


def entries(claims: list[Claim]) -> str:
    """A list for each section; what one sentence shows stands in one entry."""
    lines = []
    for section, within in groupby(claims, key=lambda claim: claim.section):
        lines += ["", f"**{plain(section)}**", ""]
        for sentence, several in groupby(within, key=lambda claim: claim.sentence):
            held = [f"`{claim.name}` {claim.holds}" if claim.name else claim.holds for claim in several]
            lines += [f"- {', '.join(held)}: {plain(sentence)}"] if sentence else [f"- {one}" for one in held]
    return "\n".join(lines) + "\n"


def written(root: Path) -> str:
    """The whole page."""
    parts = [TOP]
    for name in names(root):
        if name == PAGE.removesuffix(".md"):
            continue
        text = (root / f"{name}.md").read_text(encoding="utf-8")
        if claims := claims_of(text):
            title = re.search(r"^# (.+)$", text, re.M)[1]
            parts.append(f"\n## {title}\n{entries(claims)}")
    return "".join([*parts, END])


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[3]
    write_whole(root / PAGE, lambda partial: partial.write_text(written(root), encoding="utf-8"))
