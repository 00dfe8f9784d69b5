"""The text that the book trains on, and the honest word about which text it is.

The Time Machine (H. G. Wells, 1895) is taken from a local copy, else from the cache, else downloaded;
its checksum is verified each time. Where none of these can be had, a story of our own stands in, and
says so.
"""
import hashlib
import http.client
import os
import re
import sys
import time
import unicodedata
import urllib.error
import urllib.request
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from unrolled.files import write_whole
from unrolled.text.vocabulary import clean

FILE = "timemachine.txt"
SHA256 = "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516"
# Project Gutenberg's copy differs in quotation marks and line ends. What it must share with the other
# is what a model sees: the cleaned text, small letters and single spaces.
GUTENBERG_FILE = "timemachine-gutenberg.txt"
CLEANED_SHA256 = "9f258eadf409c46591c5c61d72c087cb825faf419c9f87ceb580f0eacb30c506"
# The same file twice, and then ebook 35. Since 2018 Project Gutenberg offers another edition under that
# number, with other words in it ("pale grey eyes", sixteen chapters). Its cleaned text has another
# checksum, so it is refused; the edition before, whose words are ours, is taken.
SOURCES = (
    ("http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt", FILE),
    ("https://raw.githubusercontent.com/d2l-ai/d2l-zh/592fbef84a684e752393edbf267c07dbc53e082b"
     "/data/timemachine.txt", FILE),
    ("https://www.gutenberg.org/cache/epub/35/pg35.txt", GUTENBERG_FILE),
)
TITLE_PAGE = "The Time Machine, by H. G. Wells [1898]\n\n\n\n\nI\n\n\n"
OPENING = "The Time Traveller (for so it will be"
PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "–": "-", "…": "...",
                       "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"})
TIMEOUT = 10.0              # seconds without a byte, and a tenth of what a whole download may take
LIMIT = 5_000_000           # bytes: more is not this novel
UNREACHABLE = "unreachable.txt"
PATIENCE = 3600             # seconds for which a failed download is not tried again


class CorpusDamaged(RuntimeError):
    """A file's checksum is not that of the text it should hold."""


@dataclass(frozen=True)
class Corpus:
    """A text and where it comes from.

    Attributes:
        text: the whole text, not yet cleaned.
        title: what it is called.
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
            return (f"Text: {self.title} (written for this book), {size}, the embedded stand-in, used where "
                    f"the novel cannot be had: numbers differ from those of the novel.")
        return f"Text: {self.title} (H. G. Wells, 1895), {size}, {self.origin}, SHA-256 verified."

    def __str__(self) -> str:
        return self.notice

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.notice.replace(self.title, f"*{self.title}*", 1)


def cache_folder() -> Path:
    """Where downloads are kept: ``$UNROLLED_CACHE``, else ``unrolled`` in the user's cache folder."""
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

    Looked for in this order: ``folder``, ``$UNROLLED_DATA``, the cache, the network, the embedded story
    (with a warning that says why). A download that failed is not tried again for an hour, unless
    ``unrolled data fetch`` asks for it.

    Args:
        name: "timemachine", or "embedded" for the story outright.
        folder: a folder that must hold ``timemachine.txt``.
        download: whether the network may be asked.

    Raises:
        ValueError: another name.
        FileNotFoundError: ``folder`` is named and holds no copy.
        CorpusDamaged: a copy whose checksum differs. The file is set aside as ``*.damaged`` where its
            folder can be written; it is never used.
    """
    if name == "embedded":
        return _embedded()
    if name != "timemachine":
        raise ValueError(f"the corpus is 'timemachine' or 'embedded', not {name!r}")
    if copy := find_copy(folder):
        path, origin = copy
        return _novel(_verified(path), origin)
    reason = "there is no copy, and no download was wanted"
    if download:
        cache = cache_folder()
        try:
            if reason := _recent_failure(cache):
                raise OSError(reason)
            return _novel(fetch(cache, SOURCES), "download")
        except OSError as error:
            reason = str(error)
    # No file and no line: a page shows this, and a path would differ from one machine to the next.
    warnings.warn_explicit(f"The Time Machine cannot be had, so the embedded story stands in for it and "
                           f"numbers will differ ({reason}).", UserWarning, "unrolled.text", 0)
    return _embedded()


def find_copy(folder: str | os.PathLike | None = None) -> tuple[Path, str] | None:
    """The copy of the novel that ``load_corpus`` would take, and its origin; not yet verified.

    Raises:
        FileNotFoundError: ``folder`` is named and holds no copy.
    """
    if folder is not None:
        if path := _copy_in(folder):
            return path, "local copy"
        raise FileNotFoundError(f"the folder named for the corpus holds no {FILE}")
    if path := _copy_in(os.environ.get("UNROLLED_DATA")):
        return path, "local copy"
    if path := _copy_in(cache_folder()):
        return path, "cache"
    return None


def _copy_in(folder: str | os.PathLike | None) -> Path | None:
    """The novel's file in a folder, d2l's copy before Gutenberg's."""
    paths = (Path(folder) / file for file in (FILE, GUTENBERG_FILE)) if folder else ()
    return next((path for path in paths if path.is_file()), None)


def _novel(text: str, origin: str) -> Corpus:
    return Corpus(text, "The Time Machine", origin, _sha256(text.encode()), stand_in=False)


def _embedded() -> Corpus:
    text = resources.files("unrolled.text").joinpath("embedded.txt").read_text(encoding="utf-8")
    return Corpus(text, text.split("\n", 1)[0].strip(), "embedded", _sha256(text.encode()), stand_in=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _checksums(file: str, data: bytes) -> tuple[str, str]:
    """The checksum that a file of this name has, and the one that it should have."""
    if file == FILE:
        return _sha256(data), SHA256
    return _sha256(clean(data.decode("utf-8", "replace")).encode()), CLEANED_SHA256


def _verified(path: Path) -> str:
    """The text of a file that is the novel; any other is set aside."""
    data = path.read_bytes()
    found, expected = _checksums(path.name, data)
    if found == expected:
        return data.decode("utf-8")
    aside = path.with_name(f"{path.name}.damaged")
    try:
        if not path.parent.stat().st_mode & 0o222:      # an administrator could write even there
            raise PermissionError
        os.replace(path, aside)
        fate = f"it is set aside as {aside.name}"
    except FileNotFoundError:
        fate = "another process has just set it aside"
    except OSError:
        fate = "its folder is read-only, so it stays there, unused"
    raise CorpusDamaged(f"{path.name} is damaged: its SHA-256 is {found}, not {expected}; {fate}")


def fetch(folder: str | os.PathLike, sources=SOURCES, *, timeout: float = TIMEOUT) -> str:
    """Download the novel into a folder, verified, whole or not at all; returns its text.

    What a source sends and is not the novel is kept beside it as ``*.damaged`` and not used; then the
    next source is asked. Progress goes to standard error.

    Args:
        sources: pairs of an address and the name of the file that it gives.
        timeout: seconds to wait for the next byte; the whole download may take ten times as long.

    Raises:
        OSError: no source gave the novel; the sentence says why for each.
    """
    folder, reasons = Path(folder), []
    for address, file in sources:
        host = urlsplit(address).hostname
        _say(f"fetching {file} from {host}")
        try:
            received = _download(address, timeout)
            data = normalise_gutenberg(received) if file == GUTENBERG_FILE else received
            found, expected = _checksums(file, data)
            if found != expected:
                _keep(folder / f"{file}.damaged", received)
                raise OSError(f"sent {len(received):,} bytes with SHA-256 {found}, not {expected}")
        except (OSError, http.client.HTTPException) as error:
            reasons.append(f"{host}: {_words(error)}")
            _say(f"  {_words(error)}")
            continue
        _say(f"  {len(received):,} bytes, SHA-256 verified")
        _keep(folder / file, data)
        forget_failure(folder)
        return data.decode("utf-8")
    reason = "; ".join(reasons) or "there is no source"
    _keep(folder / UNREACHABLE, reason.encode())
    raise OSError(reason)


def _download(address: str, timeout: float) -> bytes:
    """The whole answer to one request, or an OSError or HTTPException."""
    deadline = time.monotonic() + 10 * timeout
    request = urllib.request.Request(address, headers={"User-Agent": "unrolled"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        data, whole = bytearray(), answer.length
        while piece := answer.read1(1 << 16):
            data += piece
            if len(data) > LIMIT:
                raise OSError(f"sent more than {LIMIT:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"took more than {10 * timeout:g} seconds")
            if whole and sys.stderr.isatty():
                print(f"\r  {len(data) / whole:4.0%}", end="\r", file=sys.stderr, flush=True)
    if whole is not None and len(data) < whole:
        raise OSError(f"broke off after {len(data):,} of {whole:,} bytes")
    return bytes(data)


def _words(error: Exception) -> str:
    """What went wrong, without the wrapping of urllib and without a path."""
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _recent_failure(folder: Path) -> str | None:
    """Why the last download failed, if that was less than an hour ago."""
    note = folder / UNREACHABLE
    try:
        return note.read_text(encoding="utf-8") if time.time() - note.stat().st_mtime < PATIENCE else None
    except OSError:
        return None


def forget_failure(folder: str | os.PathLike | None = None) -> None:
    """Let the next ``load_corpus`` ask the network again, whatever happened before."""
    with suppress(OSError):
        (Path(folder or cache_folder()) / UNREACHABLE).unlink()


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else does; a cache that cannot be written is no failure."""
    try:
        write_whole(path, lambda partial: partial.write_bytes(data))
    except OSError as error:
        _say(f"  {path.name} could not be kept in the cache: {error.strerror}")


def normalise_gutenberg(data: bytes) -> bytes:
    """Project Gutenberg's ebook 35, brought to the form of the other copy.

    The licence before and after goes, and so do title page, contents and the chapters' titles (their
    numbers stay); the other copy's title line takes their place. Quotation marks and dashes become plain
    ones, letters lose their accents. What is left cleans to the same characters, if it is the same edition.
    """
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    text = re.split(r"^\*\*\* ?START OF.*\n", text, maxsplit=1, flags=re.M)[-1]
    text = re.split(r"^(?:\*\*\* ?END OF|End of (?:the )?Project Gutenberg)", text, maxsplit=1, flags=re.M)[0]
    text = text[max(text.find(OPENING), 0):]
    text = re.sub(r"^ *([IVXL]+)\.? *\n *\S.*\n", r"\1\n", text, flags=re.M)
    text = text.translate(PLAIN)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return (TITLE_PAGE + text.rstrip() + "\n").encode()
