"""TeX as a notebook reads it: the book's macros written out."""
import re

CLASS = re.compile(r"\\class\{[\w-]+\}\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")


def expand(tex: str, macros: dict[str, str]) -> str:
    r"""Write out macros such as ``\gateI``, without the colours that only the book's style sheet knows.

    Args:
        macros: name -> meaning, as in the book's settings for MathJax.
    """
    for name, meaning in macros.items():
        plain = CLASS.sub(r"\1", meaning)
        tex = re.sub(rf"\\{name}(?![A-Za-z])", lambda _: f"{{{plain}}}", tex)
    return re.sub(r"<\s*", r"\\lt ", tex).strip()                # a `<` may be read as the beginning of a tag
