"""Where the book lives: every address that a page, a notebook or a workflow shows follows from one setting.

    unrolled_home: {owner: your-name, repository: unrolled, branch: main, site: ""}        (in _config.yml)
"""
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import quote

PLACEHOLDER = "your-name"
NOTEBOOKS = "notebooks"                # the branch of the exported notebooks, and their folder in the site
FORMS = {"owner": r"[A-Za-z\d](?:[A-Za-z\d-]{0,38})", "repository": r"(?!\.{1,2}$)[\w.-]{1,100}",
         "branch": r"(?![-/.])(?!.*(?:\.\.|//|@\{|\.lock$|[/.]$))[^\s~^:?*\[\\]+", "site": r"(?:https?://[^\s?#]+)?"}
MEANT = {"owner": "a GitHub account such as ada-lovelace", "repository": "a repository's name such as unrolled",
         "branch": "a branch such as main", "site": "empty, or an address such as https://book.example.org/"}


@dataclass(frozen=True)
class Addresses:
    """The addresses of one copy of the book.

    Args:
        owner, repository, branch: of the book's sources, on GitHub.
        site: address of the built site; empty for the repository's GitHub Pages.

    Raises:
        ValueError: a part that cannot be one.
    """

    owner: str = PLACEHOLDER
    repository: str = "unrolled"
    branch: str = "main"
    site: str = ""

    def __post_init__(self):
        for name, form in FORMS.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
                raise ValueError(f"unrolled_home: {name} is {MEANT[name]}, not {value!r}")

    @classmethod
    def of(cls, settings: Mapping) -> "Addresses":
        """From the mapping ``unrolled_home``; parts that it leaves out keep their defaults."""
        known = [field.name for field in fields(cls)]
        if not isinstance(settings, Mapping) or set(settings) - set(known):
            raise ValueError(f"unrolled_home has {', '.join(known)}; got {settings!r}")
        return cls(**settings)

    @property
    def warning(self) -> str:
        """One sentence while the owner is still the placeholder; else empty."""
        if self.owner != PLACEHOLDER:
            return ""
        return (f"The book's addresses are placeholders: set the owner under unrolled_home in _config.yml (now {PLACEHOLDER!r}), "
                "or its links to Colab and to its source, and the first cell of its notebooks, lead nowhere.")

    @property
    def home(self) -> str:
        """The repository."""
        return f"https://github.com/{self.owner}/{self.repository}"

    @property
    def pages(self) -> str:
        """The built site, with a slash at its end."""
        return f"{(self.site or f'https://{self.owner.lower()}.github.io/{self.repository}').rstrip('/')}/"

    @property
    def package(self) -> str:
        """What pip installs the package from."""
        return f"unrolled[notebooks] @ git+{self.home}.git@{quote(self.branch)}"

    def colab(self, page: str) -> str:
        """The page's notebook in Colab; ``page`` is its name, "memory-cell"."""
        return f"https://colab.research.google.com/github/{self.owner}/{self.repository}/blob/{NOTEBOOKS}/{page}.ipynb"

    def binder(self, page: str) -> str:
        """The page's notebook in Binder."""
        return f"https://mybinder.org/v2/gh/{self.owner}/{self.repository}/{NOTEBOOKS}?urlpath=lab/tree/{page}.ipynb"

    def source(self, path: str) -> str:
        """A file of the repository, "book/memory-cell.md"."""
        return f"{self.home}/blob/{quote(self.branch)}/{quote(path)}"

    def edit(self, path: str) -> str:
        """GitHub's editor on a file, from where a change is suggested."""
        return f"{self.home}/edit/{quote(self.branch)}/{quote(path)}"


def read_addresses(root: Path) -> Addresses:
    """Those of the book whose ``_config.yml`` lies in a folder."""
    import yaml                                              # the book's own, which the package alone does not need

    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return Addresses.of(config["sphinx"]["config"].get("unrolled_home", {}))
