"""From a page's finished document tree to the Markdown of a notebook: no directive and no role is left in it.

References have become links, numbers are in place, equations carry their tags, macros are written out. What
plain Jupyter and Colab cannot show is said with what they can: an aside is a quotation, a fold is <details>.
"""
import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

logger = logging.getLogger(__name__)
SPECIAL = re.compile(r"([\\`*_\[\]<>$|])")


def expand(tex: str, macros: dict[str, str]) -> str:
    r"""Write out the book's macros (``\gateI``), without the colours that only the book's style sheet knows."""
    for name, meaning in macros.items():
        plain = re.sub(r"\\class\{[\w-]+\}\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", r"\1", meaning)
        tex = re.sub(rf"\\{name}(?![A-Za-z])", lambda _: f"{{{plain}}}", tex)
    return tex


class Writer:
    """Writes one page.

    Args:
        macros: TeX macros, name -> meaning.
        equation, figure: give the number of an equation node and of a figure node, as text.
        link: turns a reference's address into one that works from the notebook.
    """

    def __init__(self, macros, equation, figure, link):
        self.macros, self.equation, self.figure, self.link = macros, equation, figure, link

    # ---- within a line ----

    def inline(self, node: nodes.Node) -> str:
        """A node within a paragraph."""
        if isinstance(node, nodes.Text):
            return SPECIAL.sub(r"\\\1", node.astext())
        inner = "".join(self.inline(child) for child in node.children)
        match node:
            case nodes.math():
                return f"${expand(node.astext(), self.macros).strip()}$"
            case nodes.literal() | addnodes.literal_strong() | addnodes.literal_emphasis():
                text = node.astext()
                ticks = "``" if "`" in text else "`"
                return f"{ticks}{text}{ticks}"
            case nodes.emphasis():
                return f"*{inner}*"
            case nodes.strong():
                return f"**{inner}**"
            case nodes.reference():
                return f"[{inner}]({self.link(node)})" if inner.strip() else ""
            case nodes.target() | nodes.comment() | nodes.raw() | addnodes.index():
                return ""
        return inner

    def line(self, node: nodes.Element) -> str:
        return " ".join("".join(self.inline(child) for child in node.children).split())

    # ---- blocks ----

    def blocks(self, node: nodes.Element) -> str:
        """The children of a node, one block each."""
        return "\n\n".join(filter(None, (self.block(child) for child in node.children)))

    def block(self, node: nodes.Node) -> str:
        """One block of Markdown; empty for what has no place in it."""
        match node:
            case nodes.paragraph() | nodes.rubric():
                return self.line(node)
            case nodes.math_block():
                number = self.equation(node)
                tag = f" \\tag{{{number}}}" if number else ""
                return f"{anchor(node)}$$\n{expand(node.astext(), self.macros).strip()}{tag}\n$$"
            case nodes.literal_block():
                language = {"ipython3": "python", "default": "", "myst-ansi": ""}.get(node.get("language", ""), node.get("language", ""))
                fence = "````" if "```" in node.astext() else "```"
                return f"{fence}{language}\n{node.astext().rstrip()}\n{fence}"
            case nodes.bullet_list() | nodes.enumerated_list():
                return "\n".join(self.item(item, f"{k}." if isinstance(node, nodes.enumerated_list) else "-")
                                 for k, item in enumerate(node.children, 1))
            case nodes.definition_list():
                return "\n".join(self.definition(item) for item in node.children)
            case nodes.block_quote():
                return quote(self.blocks(node))
            case nodes.sidebar():
                return quote(self.blocks(node))
            case nodes.Admonition() | nodes.admonition():
                title = node.next_node(nodes.title)
                name = self.line(title) if title is not None else type(node).__name__.capitalize()
                rest = "\n\n".join(filter(None, (self.block(child) for child in node.children if child is not title)))
                return quote(f"**{name}**\n\n{rest}")
            case nodes.table():
                return self.table(node)
            case nodes.container() if node.get("type") == "dropdown" or node.get("design_component") == "dropdown":
                title = next((child for child in node.children if isinstance(child, nodes.rubric)), None)
                rest = "\n\n".join(filter(None, (self.block(child) for child in node.children if child is not title)))
                heading = self.line(title) if title is not None else "more"
                return f"<details>\n<summary>{summary(heading)}</summary>\n\n{rest}\n\n</details>"
            case nodes.container() | addnodes.glossary() | nodes.compound() | nodes.topic() | nodes.definition() | nodes.figure():
                return self.blocks(node)
            case nodes.caption() | nodes.legend():
                return self.line(node)
            case nodes.target() | nodes.comment() | nodes.raw() | nodes.substitution_definition() | addnodes.index() | nodes.image() | nodes.title():
                return ""
            case addnodes.toctree():
                return ""
        logger.warning("no Markdown is known for %s: its text is kept", type(node).__name__, location=node)
        return node.astext()

    def item(self, node: nodes.Element, mark: str) -> str:
        return f"{mark} " + self.blocks(node).replace("\n", "\n" + " " * (len(mark) + 1))

    def definition(self, node: nodes.Element) -> str:
        terms = [child for child in node.children if isinstance(child, nodes.term)]
        rest = "\n\n".join(self.blocks(child) for child in node.children if isinstance(child, nodes.definition))
        names = ", ".join(f"{anchor(term)}**{self.line(term)}**" for term in terms)
        return self.item(nodes.container(), f"- {names}:").rstrip() + " " + rest.replace("\n", "\n  ")

    def table(self, node: nodes.table) -> str:
        rows = [[self.cell(entry) for entry in row.children] for row in node.findall(nodes.row)]
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def cell(self, entry: nodes.Element) -> str:
        text = " ".join(self.blocks(entry).split())
        return re.sub(r"(?<!\\)\|", r"\\|", text)

    def heading(self, title: nodes.title, level: int) -> str:
        """A section's title, with an anchor for each of the section's names."""
        return f"{anchor(title.parent)}\n{'#' * min(level, 6)} {self.line(title)}"

    def caption(self, figure: nodes.figure) -> str:
        """What stands below a figure, with its number."""
        caption = figure.next_node(nodes.caption)
        words = self.line(caption) if caption is not None else ""
        return f"{anchor(figure)}**Figure {self.figure(figure)}.** {words}"


def anchor(node: nodes.Element) -> str:
    """Anchors that links of other cells and notebooks lead to."""
    return "".join(f'<a id="{html.escape(name)}"></a>' for name in node.get("ids", ()))


def quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def summary(markdown: str) -> str:
    """A line of Markdown as the HTML of a <summary>, where Markdown is not read."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = html.escape(re.sub(r"\\([\\`*_\[\]<>$|])", r"\1", text), quote=False)
    text = re.sub(r"`+([^`]+)`+", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
