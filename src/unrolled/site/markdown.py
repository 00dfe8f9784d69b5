"""From a page's finished document tree to the Markdown of a notebook: no directive and no role is left in it.

References have become links, numbers are in place, equations carry their tags, macros are written out. What
plain Jupyter and Colab cannot show is said with what they can: an aside is a quotation, a fold is <details>,
the first of several tabs is text and each other one a fold.
"""
import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from unrolled.tex import expand

logger = logging.getLogger(__name__)
SPECIAL = re.compile(r"([\\`*_\[\]$|])")
STARTS = re.compile(r"^(?:(\d+)([.)])|([-+#]|~~~|=+$))(?=\s|$)")     # at the start of a line these would begin a list, a heading
MATH = re.compile(r"(?<!\\)\$[^$]+\$")
LANGUAGES = {"ipython3": "python", "default": "", "none": "", "myst-ansi": ""}
SILENT = (nodes.comment, nodes.raw, nodes.substitution_definition, nodes.system_message, addnodes.index, addnodes.toctree,
          nodes.title, nodes.figure, nodes.label, addnodes.highlightlang, addnodes.tabular_col_spec)
WITHIN = (nodes.paragraph, nodes.rubric, nodes.target, addnodes.desc_signature)      # their anchors stand in their first line


class Writer:
    """Writes one page.

    Args:
        macros: TeX macros, name -> meaning.
        equation, figure: give what stands for the number of an equation node ("6") and of a figure node ("Fig. 2").
    """

    def __init__(self, macros, equation, figure):
        self.macros, self.equation, self.figure = macros, equation, figure

    # ---- within a line ----

    def inline(self, node: nodes.Node) -> str:
        """A node within a paragraph."""
        if isinstance(node, nodes.Text):
            return SPECIAL.sub(r"\\\1", re.sub(r"&(?=#?\w+;)", "&amp;", node.astext()).replace("<", "&lt;"))
        inner = "".join(map(self.inline, node.children))
        match node:
            case nodes.math():
                return f"${expand(node.astext(), self.macros)}$"
            case nodes.literal() | addnodes.literal_strong() | addnodes.literal_emphasis():
                return code(node.astext())
            case nodes.emphasis() | nodes.title_reference():
                return f"*{inner}*"
            case nodes.strong():
                return f"**{inner}**"
            case nodes.superscript():
                return f"<sup>{inner}</sup>"
            case nodes.subscript():
                return f"<sub>{inner}</sub>"
            case nodes.footnote_reference():
                return f"<sup>[{inner}](#{node['refid']})</sup>"
            case nodes.reference():
                return f"[{inner}]({address(node)})" if inner.strip() else ""
            case nodes.target():
                return anchor(node) + inner
            case nodes.comment() | nodes.raw() | addnodes.index():
                return ""
            case nodes.image():
                logger.warning("an image within a line has no place in a notebook: %s", node.get("uri"), location=node)
                return SPECIAL.sub(r"\\\1", node.get("alt", ""))
        return inner

    def line(self, node: nodes.Element) -> str:
        return " ".join("".join(map(self.inline, node.children)).split())

    def html(self, node: nodes.Node) -> str:
        """A node within a line as HTML, for a <summary>: Markdown is not read there."""
        if isinstance(node, nodes.Text):
            return html.escape(node.astext(), quote=False)
        inner = "".join(map(self.html, node.children))
        match node:
            case nodes.math():
                return self.inline(node)
            case nodes.literal():
                return f"<code>{html.escape(node.astext(), quote=False)}</code>"
            case nodes.emphasis():
                return f"<em>{inner}</em>"
            case nodes.strong():
                return f"<strong>{inner}</strong>"
        return inner

    # ---- blocks ----

    def blocks(self, children) -> str:
        """Nodes, one block each."""
        return "\n\n".join(filter(None, map(self.block, children)))

    def block(self, node: nodes.Node) -> str:
        """One block of Markdown, below the anchors that lead to it; empty for what has no place in it."""
        text = self.written(node)
        names = "" if isinstance(node, (nodes.citation, nodes.footnote)) else anchor(node) if text or isinstance(node, nodes.target) else ""
        return f"{names}{text}" if isinstance(node, WITHIN) or not names else f"{names}\n\n{text}"

    def written(self, node: nodes.Node) -> str:
        match node:
            case nodes.paragraph() | nodes.caption() | nodes.attribution():
                return STARTS.sub(lambda m: f"{m[1] or ''}\\{m[2] or m[3]}", self.line(node))
            case nodes.rubric():
                return f"**{self.line(node)}**"
            case nodes.math_block():
                return self.display(node)
            case nodes.literal_block() | nodes.doctest_block():
                return fenced(node.astext().rstrip(), LANGUAGES.get(name := node.get("language", "python"), name))
            case nodes.bullet_list():
                return "\n".join(listed(self.blocks(item.children), "-") for item in node.children)
            case nodes.enumerated_list():
                return "\n".join(listed(self.blocks(item.children), f"{k}.") for k, item in enumerate(node.children, node.get("start", 1)))
            case nodes.definition_list() | nodes.field_list():
                return "\n".join(map(self.entry, node.children))
            case addnodes.desc():
                return listed(self.blocks(node.children), "-")
            case addnodes.desc_signature():
                return f"**{code(' '.join(node.astext().split()))}**"
            case nodes.citation() | nodes.footnote():
                name, *rest = node.children
                return listed(f"{anchor(node)}**{self.line(name)}** {self.blocks(rest)}", "-")
            case nodes.block_quote():
                return quote(self.blocks(node.children))
            case nodes.sidebar() | nodes.Admonition() | nodes.admonition():
                title = next((child for child in node.children if isinstance(child, nodes.title)), None)
                name = self.line(title) if title is not None else "" if isinstance(node, nodes.sidebar) else type(node).__name__.capitalize()
                return quote(f"**{name}**\n\n{self.blocks(node.children)}" if name else self.blocks(node.children))
            case nodes.table():
                return self.table(node)
            case nodes.transition():
                return "---"
            case nodes.line_block():
                return "  \n".join(self.line(line) for line in node.findall(nodes.line))
            case nodes.container() if node.get("design_component") == "dropdown":
                title, *rest = node.children if node.get("has_title", True) else (nodes.rubric("", "More"), *node.children)
                return self.fold(title, rest, bool(node.get("opened")))
            case nodes.container() if node.get("design_component") == "tab-set":
                (label, *first), *others = (item.children for item in node.children)
                return "\n\n".join([self.blocks([label, *first]), *(self.fold(label, rest) for label, *rest in others)])
            case nodes.image():
                logger.warning("an image without a figure has no place in a notebook: %s", node.get("uri"), location=node)
                return ""
            case nodes.target():
                return ""
            case (nodes.container() | addnodes.glossary() | nodes.compound() | nodes.topic() | nodes.legend() | nodes.definition()
                  | addnodes.desc_content() | addnodes.only()):
                return self.blocks(node.children)
        if not isinstance(node, SILENT):
            logger.warning("no Markdown is known for %s: its text is kept", type(node).__name__, location=node)
            return node.astext()
        return ""

    def fold(self, title: nodes.Element, rest: list[nodes.Node], opened: bool = False) -> str:
        """Blocks below a title that opens and closes them."""
        words = " ".join("".join(map(self.html, title.children)).split())
        return f"<details{' open' * opened}>\n<summary>{words}</summary>\n\n{self.blocks(rest)}\n\n</details>"

    def display(self, node: nodes.math_block) -> str:
        """A displayed equation, with its number as a tag."""
        tex, number = expand(node.astext(), self.macros), self.equation(node)
        if node.get("nowrap"):                               # an environment of its own, such as align
            return tex
        tag = f" \\tag{{{number}}}" if number else ""
        return f"$$\n{tex}{tag}\n$$"

    def entry(self, node: nodes.Element) -> str:
        """A term, or a field, and what is said of it."""
        names = [child for child in node.children if isinstance(child, (nodes.term, nodes.field_name))]
        said = [child for child in node.children if isinstance(child, (nodes.definition, nodes.field_body))]
        name = ", ".join(f"{anchor(term)}**{self.line(term)}**" for term in names)
        rest = self.blocks(block for body in said for block in body.children)
        return listed(f"{name}:{chr(10) if rest.startswith('- ') else ' '}{rest}", "-")

    def table(self, node: nodes.table) -> str:
        rows = [[self.cell(entry) for entry in row.children] for row in node.findall(nodes.row)]
        rows.insert(1, ["---"] * len(rows[0]))
        lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        title = next((child for child in node.children if isinstance(child, nodes.title)), None)
        return lines if title is None else f"**{self.line(title)}**\n\n{lines}"

    def cell(self, entry: nodes.Element) -> str:
        """A cell of a table: one line, in which no `|` ends it."""
        text = "<br>".join(" ".join(block.split()) for block in map(self.block, entry.children))
        text = MATH.sub(lambda m: m[0].replace("\\|", "\\Vert ").replace("|", "\\vert "), text)
        return re.sub(r"(?<!\\)\|", r"\\|", text)

    def heading(self, title: nodes.title, level: int) -> str:
        """A section's title, below an anchor for each of the section's names."""
        line, names = f"{'#' * min(level, 6)} {self.line(title)}", anchor(title.parent)
        return f"{names}\n{line}" if names else line

    def caption(self, figure: nodes.figure) -> str:
        """What stands below a figure, with its number."""
        said = [self.line(child) for child in figure.children if isinstance(child, nodes.caption)]
        return f"{anchor(figure)}**{self.figure(figure)}.** {' '.join(said)}".rstrip()


def anchor(node: nodes.Element) -> str:
    """Anchors that links of other cells and notebooks lead to."""
    return "".join(f'<a id="{html.escape(name)}"></a>' for name in node.get("ids", ()))


def address(node: nodes.reference) -> str:
    """Where a reference leads, written so that no bracket in it ends the link."""
    target = node.get("refuri") or f"#{node.get('refid', '')}"
    return f"<{target}>" if re.search(r"[()\s]", target) else target


def code(text: str) -> str:
    """Code within a line."""
    ticks = "``" if "`" in text else "`"
    pad = " " * (text.startswith("`") or text.endswith("`"))
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(text: str, language: str = "python") -> str:
    """A block of code."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def listed(text: str, mark: str) -> str:
    """A text as an item of a list: what follows its first line is indented."""
    return f"{mark} " + re.sub(r"\n(?=.)", "\n" + " " * (len(mark) + 1), text)


def quote(text: str) -> str:
    """A text as a quotation. A displayed equation becomes one line, else its reader would meet the signs `>`."""
    text = re.sub(r"\$\$\n(.*?)\n\$\$", lambda m: f"$$ {' '.join(m[1].split())} $$", text, flags=re.S)
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
