"""Which text is used, that it is the right one, and what happens when it is not."""
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from unrolled.text import Corpus, CorpusDamaged, corpus, load_corpus, tokenize
from unrolled.text.corpus import FILE, GUTENBERG_FILE, fetch, normalise_gutenberg
from unrolled.text.vocabulary import clean

sys.path.insert(0, str(Path(__file__).parent))
from conftest import NOVEL, send, sha256  # noqa: E402


def put(folder: Path, data: bytes, file: str = FILE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    return folder / file


def damage(data: bytes) -> bytes:
    """One letter in the middle is another one."""
    k = len(data) // 2
    return data[:k] + (b"q" if data[k:k + 1] != b"q" else b"z") + data[k + 1:]


def as_gutenberg(book: bytes, title_lines: bool = True) -> bytes:
    """The book as Project Gutenberg would send it: licence, contents, titles, curly quotes, Windows line ends."""
    text = book.decode()
    story = text[text.index(corpus.OPENING):]
    if title_lines:
        story = re.sub(r"^([IVX]+)\n", r" \1.\n A Title of Its Own\n", story, flags=re.M)
    story = re.sub(r"(?<=\w)'", "’", story).replace("'", "‘").replace("--", "—")
    return ("\ufeffThe Project Gutenberg eBook of The Time Machine\n\nTitle: The Time Machine\n\nAuthor: H. G. Wells\n\n"
            "*** START OF THE PROJECT GUTENBERG EBOOK THE TIME MACHINE ***\n\n\nThe Time Machine\n\nAn Invention\n\n"
            "by H. G. Wells\n\n\nCONTENTS\n\n I Introduction\n II The Machine\n\n\n I.\n Introduction\n\n\n"
            f"{story}\n\n\n\nEnd of Project Gutenberg's The Time Machine, by H. G. Wells\n\n"
            "*** END OF THE PROJECT GUTENBERG EBOOK THE TIME MACHINE ***\n\nSection 1. General Terms of Use\n"
            ).replace("\n", "\r\n").encode()


# What stands in, and the words about it

def test_the_embedded_text_is_long_enough_and_says_what_it_is():
    story = load_corpus("embedded")
    assert len(clean(story.text)) >= 40_000
    assert story.stand_in and story.origin == "embedded" and story.sha256 == sha256(story.text.encode())
    assert story.notice.startswith(f"Text: {story.title} (written for this book), ") and story.title
    assert "numbers differ from those of the novel" in story.notice
    assert set(clean(story.text)) == set("abcdefghijklmnopqrstuvwxyz ")


def test_the_notice_is_what_is_shown_and_shows_no_path(book, tmp_path):
    put(tmp_path, book)
    novel = load_corpus(folder=tmp_path)
    size = f"{len(tokenize(book.decode())):,}"
    assert novel.notice == (f"Text: The Time Machine (H. G. Wells, 1895), {size} characters after cleaning, local copy, "
                            f"SHA-256 verified.")
    assert str(novel) == repr(novel) == novel.notice
    assert novel._repr_markdown_() == novel.notice.replace("The Time Machine", "*The Time Machine*")
    assert not any(str(tmp_path) in str(value) for value in vars(novel).values())


@pytest.mark.skipif(not NOVEL.is_file(), reason="UNROLLED_DATA names no copy of the novel")
def test_the_novel_has_as_many_characters_as_the_source_says():
    novel = load_corpus(folder=NOVEL.parent)
    assert len(tokenize(novel.text)) == 173_428
    assert novel.sha256 == corpus.SHA256 and sha256(clean(novel.text).encode()) == corpus.CLEANED_SHA256
    assert novel.text.startswith(corpus.TITLE_PAGE + corpus.OPENING)


# The order of the places

def test_the_nearest_copy_is_taken(book, tmp_path, cache, monkeypatch, server):
    monkeypatch.setattr(corpus, "SOURCES", ((server("/good", book), FILE),))
    assert load_corpus() == Corpus(book.decode(), "The Time Machine", "download", sha256(book), stand_in=False)
    assert load_corpus().origin == "cache"
    put(tmp_path / "data", book)
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path / "data"))
    assert load_corpus().origin == "local copy" and corpus.find_copy()[0] == tmp_path / "data" / FILE
    put(tmp_path / "own", book)
    assert corpus.find_copy(tmp_path / "own") == (tmp_path / "own" / FILE, "local copy")
    assert load_corpus(folder=str(tmp_path / "own")).origin == "local copy"
    assert server.asked == ["/good"]


def test_a_named_folder_without_a_copy_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=FILE) as error:
        load_corpus(folder=tmp_path)
    assert str(tmp_path) not in str(error.value)


def test_another_name_is_an_error():
    with pytest.raises(ValueError, match="'timemachine' or 'embedded', not 'moby'"):
        load_corpus("moby")


@pytest.mark.parametrize("platform, variable, tail", [
    ("linux", "XDG_CACHE_HOME", "unrolled"), ("linux", None, ".cache/unrolled"),
    ("darwin", None, "Library/Caches/unrolled"),
    ("win32", "LOCALAPPDATA", "unrolled"), ("win32", None, "AppData/Local/unrolled")])
def test_the_cache_is_where_the_platform_keeps_such_files(platform, variable, tail, monkeypatch, tmp_path):
    for name in ("UNROLLED_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert corpus.cache_folder() == tmp_path / tail


# A damaged copy

@pytest.mark.parametrize("file", [FILE, GUTENBERG_FILE])
@pytest.mark.parametrize("place", ["folder", "UNROLLED_DATA", "UNROLLED_CACHE"])
def test_a_damaged_copy_is_set_aside_and_never_used(place, file, book, tmp_path, monkeypatch):
    bad = damage(book)
    path = put(tmp_path / "here", bad, file)
    if place != "folder":
        monkeypatch.setenv(place, str(tmp_path / "here"))
    expected = corpus.SHA256 if file == FILE else corpus.CLEANED_SHA256
    found = sha256(bad) if file == FILE else sha256(clean(bad.decode()).encode())
    with pytest.raises(CorpusDamaged, match=f"{found}, not {expected}; it is set aside as {file}.damaged") as error:
        load_corpus(folder=tmp_path / "here" if place == "folder" else None)
    assert str(tmp_path) not in str(error.value)
    assert not path.exists() and path.with_name(f"{file}.damaged").read_bytes() == bad
    with pytest.warns(UserWarning, match="embedded story"):
        assert load_corpus(download=False).stand_in


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permission there")
def test_nothing_is_renamed_in_a_read_only_folder(book, tmp_path):
    path = put(tmp_path / "here", damage(book))
    path.parent.chmod(0o555)
    try:
        with pytest.raises(CorpusDamaged, match="read-only, so it stays there, unused"):
            load_corpus(folder=path.parent)
        assert os.listdir(path.parent) == [FILE] and path.read_bytes() == damage(book)
    finally:
        path.parent.chmod(0o755)


def test_two_may_find_the_same_damaged_file(book, tmp_path, monkeypatch):
    path = put(tmp_path, damage(book))
    checksums = corpus._checksums

    def other_process_first(file, data):
        os.replace(path, tmp_path / f"{FILE}.damaged")
        return checksums(file, data)

    monkeypatch.setattr(corpus, "_checksums", other_process_first)
    with pytest.raises(CorpusDamaged, match="another process has just set it aside"):
        load_corpus(folder=tmp_path)


# Downloads

def test_a_good_file_is_kept_whole(book, cache, server, capsys):
    assert fetch(cache, [(server("/good", book), FILE)]) == book.decode()
    assert os.listdir(cache) == [FILE] and (cache / FILE).read_bytes() == book
    said = capsys.readouterr()
    assert said.out == "" and f"fetching {FILE} from 127.0.0.1\n  {len(book):,} bytes, SHA-256 verified" in said.err


def test_progress_is_shown_on_a_terminal(book, cache, server, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(cache, [(server("/good", book), FILE)])
    assert "100%" in capsys.readouterr().err


def broken_off(handler):
    send(handler, b"The Time", length=100_000)


def silent(handler):
    handler.server.closing.wait(5)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b"x")


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"x" * 600_000)


def broken_chunks(handler):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"ffff\r\nThe Time")


def nonsense(handler):
    handler.wfile.write(b"no answer at all\r\n\r\n")


@pytest.mark.parametrize("trouble, words", [
    (None, "answered 404 Not Found"), (b"another text", "sent 12 bytes with SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}"),
    (b"", "sent 0 bytes"), (broken_off, "broke off after 8 of 100,000 bytes"), (silent, "timed out"),
    (dripping, "took more than 2 seconds"), (endless, "sent more than 500,000 bytes"),
    (broken_chunks, "IncompleteRead"), (nonsense, "no answer at all")],
    ids=lambda value: getattr(value, "__name__", None))
def test_after_a_bad_source_the_next_one_is_asked(trouble, words, book, cache, server, capsys, monkeypatch):
    monkeypatch.setattr(corpus, "LIMIT", 500_000)
    server.http.closing = server.closing
    sources = [(server("/bad", trouble), FILE), (server("/good", book), FILE)]
    assert fetch(cache, sources, timeout=0.2) == book.decode()
    assert server.asked == ["/bad", "/good"] and re.search(words, capsys.readouterr().err)
    assert (cache / FILE).read_bytes() == book
    aside = [FILE + ".damaged"] if isinstance(trouble, bytes) else []
    assert sorted(os.listdir(cache)) == [FILE, *aside]


def test_a_source_that_is_not_there_is_named_in_words(cache, capsys):
    with pytest.raises(OSError, match="^127.0.0.1: Connection refused$"):
        fetch(cache, [("http://127.0.0.1:9/", FILE)], timeout=1)
    with pytest.raises(OSError, match="there is no source"):
        fetch(cache, [])


def test_where_all_fail_one_warning_says_why_and_the_story_stands_in(book, cache, server, monkeypatch):
    monkeypatch.setattr(corpus, "SOURCES", ((server("/bad", damage(book)), FILE), (server("/none"), FILE)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        story = load_corpus()
    assert story == load_corpus("embedded")
    (warning,) = caught
    assert "The Time Machine cannot be had, so the embedded story stands in" in str(warning.message)
    assert sha256(damage(book)) in str(warning.message) and "answered 404 Not Found" in str(warning.message)
    assert str(cache) not in str(warning.message) and warning.filename == "unrolled.text"
    assert (cache / f"{FILE}.damaged").read_bytes() == damage(book) and not (cache / FILE).exists()

    # The next calls repeat the warning and do not wait for the network again.
    with pytest.warns(UserWarning) as again:
        load_corpus()
    assert str(again[0].message) == str(warning.message) and server.asked == ["/bad", "/none"]


def test_a_failed_download_is_tried_again_when_asked_or_after_an_hour(book, cache, server, monkeypatch):
    monkeypatch.setattr(corpus, "SOURCES", ((server("/late"), FILE),))
    for forget in (corpus.forget_failure, lambda: os.utime(cache / corpus.UNREACHABLE, (time.time() - 3601,) * 2)):
        with pytest.warns(UserWarning):
            load_corpus()
        forget()
    server("/late", book)
    assert load_corpus().origin == "download" and len(server.asked) == 3
    assert os.listdir(cache) == [FILE]


def test_nothing_is_asked_of_the_network_unwanted(book, server, monkeypatch):
    monkeypatch.setattr(corpus, "SOURCES", ((server("/good", book), FILE),))
    with pytest.warns(UserWarning, match="no download was wanted"):
        assert load_corpus(download=False).stand_in
    assert server.asked == []


def test_a_cache_that_cannot_be_written_does_not_lose_the_text(book, tmp_path, server, capsys):
    put(tmp_path, b"", "file")
    assert fetch(tmp_path / "file" / "cache", [(server("/good", book), FILE)]) == book.decode()
    assert "could not be kept in the cache: " in capsys.readouterr().err


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "interrupt"])
def test_nothing_half_written_is_left(function, error, book, cache, server, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(os, function, fail)
    if isinstance(error, OSError):
        assert fetch(cache, [(server("/good", book), FILE)]) == book.decode()
    else:
        with pytest.raises(KeyboardInterrupt):
            fetch(cache, [(server("/good", book), FILE)])
    assert os.listdir(cache) == []


def test_two_processes_at_once_leave_one_good_file(book, cache, server):
    together = threading.Barrier(2)

    def wait_for_the_other(handler):
        together.wait(60)
        send(handler, book)

    code = ("import sys; from unrolled.text import corpus; corpus.SHA256 = sys.argv[2]; "
            "corpus.fetch(sys.argv[1], [(sys.argv[3], corpus.FILE)])")
    command = [sys.executable, "-c", code, str(cache), corpus.SHA256, server("/good", wait_for_the_other)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0 and "SHA-256 verified" in said, said
    assert os.listdir(cache) == [FILE] and (cache / FILE).read_bytes() == book


# Project Gutenberg's form

@pytest.mark.parametrize("title_lines", [True, False], ids=["titles", "numbers"])
def test_gutenbergs_form_gives_the_same_tokens(title_lines, book, cache, server, monkeypatch):
    sent = as_gutenberg(book, title_lines)
    assert clean(sent.decode()) != clean(book.decode())
    monkeypatch.setattr(corpus, "SOURCES", ((server("/none"), FILE), (server("/35", sent), GUTENBERG_FILE)))
    first, second = load_corpus(), load_corpus()
    assert tokenize(first.text) == tokenize(second.text) == tokenize(book.decode())
    assert tokenize(first.text, "word") == tokenize(book.decode(), "word")
    assert (first.origin, second.origin, first.stand_in) == ("download", "cache", False)
    assert os.listdir(cache) == [GUTENBERG_FILE] and "\r" not in first.text


def test_another_edition_is_refused(book, cache, server):
    other = as_gutenberg(book).replace(corpus.OPENING.encode(), corpus.OPENING.encode() + b" pale", 1)
    with pytest.raises(OSError, match=f"sent {len(other):,} bytes .* not {corpus.CLEANED_SHA256}"):
        fetch(cache, [(server("/35", other), GUTENBERG_FILE)])
    assert (cache / f"{GUTENBERG_FILE}.damaged").read_bytes() == other and not (cache / GUTENBERG_FILE).exists()


def test_normalising_takes_away_what_is_not_the_story(monkeypatch):
    monkeypatch.setattr(corpus, "OPENING", "It began")
    sent = ("Licence\n*** START OF THIS PROJECT GUTENBERG EBOOK ***\nContents\n I. One\n\nI.\nOne\n\nIt began—“so”, he\n"
            "said – in a façade…\n\n II.\n The Cæsar’s\n\n\nI\nXV\n\nŒdipus.\n*** END OF THIS PROJECT GUTENBERG EBOOK ***\n")
    assert normalise_gutenberg(sent.encode()).decode() == corpus.TITLE_PAGE + (
        "It began--\"so\", he\nsaid - in a facade...\n\nII\n\n\nI\n\nOEdipus.\n")
    assert normalise_gutenberg(b"neither marks nor story").decode() == corpus.TITLE_PAGE + "neither marks nor story\n"
