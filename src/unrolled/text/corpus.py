"""The text that the book trains on, and the honest word about which text it is.

The Time Machine (H. G. Wells, 1895) is taken from a local copy, else from the cache, else downloaded,
with its checksum verified each time. Where none of these can be had, a story of our own stands in, and
says so.
"""
import hashlib
import os
import re
import sys
import tempfile
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from unrolled.text.vocabulary import clean

FILE = "timemachine.txt"
SHA256 = "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516"
# Of the cleaned text (small letters and single spaces), which is what both sources share.
CLEANED_SHA256 = "9f258eadf409c46591c5c61d72c087cb825faf419c9f87ceb580f0eacb30c506"
D2L = "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt"
GUTENBERG = "https://www.gutenberg.org/cache/epub/35/pg35.txt"
TIMEOUT = 20.0


class CorpusDamaged(RuntimeError):
    """A file's checksum is not that of the text it should hold."""


@dataclass(frozen=True)
class Corpus:
    """A text and where it comes from.

    Attributes:
        text: the whole text, not yet cleaned.
        title: what it is.
        origin: "local copy", "cache", "download" or "embedded".
        sha256: of the text as UTF-8.
        stand_in: whether it takes the place of the novel.
    """

    text: str = field(repr=False)
    title: str
    origin: str
    sha256: str
    stand_in: bool

    @property
    def notice(self) -> str:
        """One sentence that says which text this is; every page shows it."""
        size = f"{len(clean(self.text)):,} characters after cleaning"
        if self.stand_in:
            return (f"Text: {self.title}, the story that comes with the book ({size}). It stands in for "
                    f"The Time Machine, which could not be had; the numbers differ from those of the novel.")
        return f"Text: {self.title} ({size}; {self.origin}, checksum verified)."

    def __str__(self) -> str:
        return self.notice

    __repr__ = __str__


def cache_folder() -> Path:
    """Where downloads are kept: ``$UNROLLED_CACHE``, else the user's cache folder."""
    if named := os.environ.get("UNROLLED_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unrolled"


def load_corpus(name: str = "timemachine", *, folder: str | os.PathLike | None = None,
                download: bool = True) -> Corpus:
    """The corpus: The Time Machine, or where it cannot be had the embedded story.

    Looked for in this order: ``folder``, ``$UNROLLED_DATA``, the cache, the network (d2l's copy, then
    Project Gutenberg's ebook 35), the embedded story (with a warning).

    Args:
        name: "timemachine", or "embedded" for the story outright.
        folder: a folder that must hold ``timemachine.txt``.
        download: whether the network may be asked.

    Raises:
        ValueError: another name.
        FileNotFoundError: ``folder`` is named and holds no copy.
        CorpusDamaged: a copy whose checksum differs. The file is set aside as ``*.damaged`` where the
            folder can be written; it is never used.
    """
    if name == "embedded":
        return _embedded()
    if name != "timemachine":
        raise ValueError(f"the corpus is 'timemachine' or 'embedded', not {name!r}")
    if folder is not None and not (Path(folder) / FILE).is_file():
        raise FileNotFoundError(f"the folder named for the corpus holds no {FILE}")
    named = os.environ.get("UNROLLED_DATA")
    for place, origin in ((folder, "local copy"), (named, "local copy"), (cache_folder(), "cache")):
        if place and (Path(place) / FILE).is_file():
            return _novel(_verified(Path(place) / FILE), origin)
    if download:
        try:
            return _novel(fetch(cache_folder()), "download")
        except (OSError, CorpusDamaged) as error:
            warnings.warn(f"The Time Machine could not be fetched ({error}); the embedded story stands in for it.",
                          stacklevel=2)
    return _embedded()


def _novel(text: str, origin: str) -> Corpus:
    return Corpus(text, "The Time Machine, H. G. Wells, 1895", origin, _sha256(text), stand_in=False)


def _embedded() -> Corpus:
    text = resources.files("unrolled.text").joinpath("embedded.txt").read_text(encoding="utf-8")
    return Corpus(text, text.splitlines()[0].strip(), "embedded", _sha256(text), stand_in=True)


def _sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def is_novel(data: bytes) -> bool:
    """Whether the bytes are d2l's copy, or clean to the same letters (Gutenberg's, normalised)."""
    return _sha256(data) == SHA256 or _sha256(clean(data.decode("utf-8", "replace"))) == CLEANED_SHA256


def _verified(path: Path) -> str:
    """The text of a file that is the novel; any other is set aside."""
    data = path.read_bytes()
    if is_novel(data):
        return data.decode("utf-8")
    aside = path.with_name(path.name + ".damaged")
    try:
        os.replace(path, aside)
        fate = f"it is set aside as {aside.name}"
    except OSError:
        fate = "its folder cannot be written, so it stays where it is, unused"
    raise CorpusDamaged(f"{path.name} has SHA-256 {_sha256(data)}, expected {SHA256}; {fate}")


def fetch(folder: str | os.PathLike, sources: tuple[str, ...] = (D2L, GUTENBERG), *, timeout: float = TIMEOUT) -> str:
    """Download the novel into a folder, verified, whole or not at all; returns its text.

    Raises:
        OSError: no source could be reached.
        CorpusDamaged: what the last source sent is not the novel.
    """
    folder = Path(folder)
    trouble: list[Exception] = []
    for address in sources:
        try:
            print(f"fetching {FILE} from {address}", file=sys.stderr)
            with urllib.request.urlopen(address, timeout=timeout) as answer:
                data = answer.read()
            if _sha256(data) != SHA256:
                data = normalise_gutenberg(data.decode("utf-8-sig", "replace")).encode()
            if not is_novel(data):
                _store(folder / f"{FILE}.damaged", data)
                raise CorpusDamaged(f"{address} sent {len(data)} bytes that are not the novel, expected SHA-256 {SHA256}")
            _store(folder / FILE, data)
            return data.decode("utf-8")
        except (OSError, EOFError, CorpusDamaged, urllib.error.URLError) as error:
            trouble.append(error)
    if any(isinstance(error, CorpusDamaged) for error in trouble):
        raise CorpusDamaged("; ".join(str(error) for error in trouble))
    raise OSError("; ".join(str(error) for error in trouble))


def _store(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def normalise_gutenberg(text: str) -> str:
    """Project Gutenberg's ebook 35, brought to the form of d2l's copy.

    The licence before and after, the title page and the table of contents go; the title line of d2l's
    copy takes their place. The letters that are left are the same.
    """
    text = text.replace("\r\n", "\n")
    begin = re.search(r"^\*\*\* ?START OF.*?\*\*\*[^\n]*\n", text, re.M)
    end = re.search(r"^\*\*\* ?END OF", text, re.M)
    text = text[begin.end() if begin else 0:end.start() if end else len(text)]
    story = text.find("The Time Traveller (for so")
    if story < 0:
        return text
    story = re.sub(r"^\s*([IVX]+)\.?[ ]*\n[^\n]+\n", r"\n\1\n\n", text[story:], flags=re.M)   # chapters' titles
    return "The Time Machine, by H. G. Wells [1898]\n\n\n\n\nI\n\n\n" + story.rstrip() + "\n"
