"""``unrolled data`` as a stranger calls it: without network, with a copy that a test puts there."""
import hashlib
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from unrolled.cli import NO_COPY, main
from unrolled.text import corpus, load_corpus

NOVEL = "the time traveller for so it will be convenient to speak of him was expounding. " * 9


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no network, and a small text whose checksum is the novel's."""
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(corpus, "SOURCES", ())
    monkeypatch.setattr(corpus, "SHA256", hashlib.sha256(NOVEL.encode()).hexdigest())
    return tmp_path / "cache"


def put(folder, text=NOVEL):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / corpus.FILE).write_bytes(text.encode())
    return folder / corpus.FILE


@pytest.fixture
def run(capsys):
    def call(*words):
        status = main(["data", *map(str, words)])
        return status, *capsys.readouterr()
    return call


def test_where_prints_the_path_and_nothing_else(run, cache, monkeypatch, tmp_path):
    assert run("where") == (1, "", f"unrolled: {NO_COPY}\n")
    path = put(cache, "damaged")                                   # whether or not it is damaged
    assert run("where") == (0, f"{path}\n", "")
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path / "mine"))
    path = put(tmp_path / "mine")
    assert run("where") == (0, f"{path}\n", "")


def test_verify_says_which_copy(run, cache, tmp_path):
    assert run("verify") == (1, "", f"unrolled: {NO_COPY}\n")
    put(cache)
    status, out, err = run("verify")
    assert (status, out, err) == (0, f"{load_corpus().notice}\n", "") and "cache, SHA-256 verified." in out
    put(tmp_path / "mine")
    status, out, _ = run("verify", "--folder", tmp_path / "mine")
    assert status == 0 and "local copy, SHA-256 verified." in out
    status, out, err = run("verify", "--folder", tmp_path / "empty")
    assert status == 1 and out == "" and err == f"unrolled: the folder named for the corpus holds no {corpus.FILE}\n"


def test_verify_sets_a_damaged_copy_aside(run, cache):
    path = put(cache, NOVEL.upper())
    status, out, err = run("verify")
    assert status == 1 and out == "" and err.count("\n") == 1
    assert re.match(f"unrolled: {corpus.FILE} is damaged: its SHA-256 is .*; it is set aside as ", err)
    assert not path.exists() and path.with_name(f"{path.name}.damaged").exists()
    assert run("where")[0] == 1


def test_fetch_takes_the_copy_that_is_there(run, cache):
    put(cache)
    assert run("fetch") == (0, f"{load_corpus().notice}\n", "")


@pytest.mark.filterwarnings("always::UserWarning")
def test_fetch_says_so_where_the_story_stands_in(run):
    status, out, err = run("fetch")
    assert status == 0 and out == f"{load_corpus('embedded').notice}\n"
    assert err.startswith("unrolled: The Time Machine cannot be had, so the embedded story stands in for it")


@pytest.fixture
def source():
    """The address of a server on this machine that sends the novel."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(NOVEL.encode())))
            self.end_headers()
            self.wfile.write(NOVEL.encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("always::UserWarning")
def test_fetch_asks_again_whatever_happened_before(run, cache, monkeypatch, source):
    """A failure holds for an hour for everybody else."""
    run("fetch")
    assert (cache / corpus.UNREACHABLE).exists()
    monkeypatch.setattr(corpus, "SOURCES", ((source, corpus.FILE),))
    with pytest.warns(UserWarning, match="stands in"):
        assert load_corpus().stand_in
    status, out, err = run("fetch")
    assert status == 0 and "download, SHA-256 verified." in out and "stands in" not in err
    assert (cache / corpus.FILE).read_bytes() == NOVEL.encode() and not (cache / corpus.UNREACHABLE).exists()


def test_fetch_fails_on_a_damaged_copy(run, cache):
    put(cache, "something else")
    status, out, err = run("fetch")
    assert status == 1 and out == "" and "is damaged" in err


def test_an_interrupt_is_one_word(run, monkeypatch):
    def press(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "load_corpus", press)
    assert run("fetch") == (130, "", "unrolled: interrupted\n")


@pytest.mark.parametrize("words", [[], ["data"], ["data", "steal"], ["data", "where", "--folder", "x"]])
def test_a_wrong_call_is_status_2(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and capsys.readouterr().err.startswith("usage: unrolled")


def test_from_a_shell(cache, tmp_path):
    """In a fresh process, where no checksum is ours: the path of a copy, and a damaged one."""
    path = put(tmp_path / "mine", "not the novel")
    shell = [sys.executable, "-m", "unrolled.cli", "data"]
    done = subprocess.run([*shell, "verify", "--folder", str(tmp_path / "mine")], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and "is damaged" in done.stderr and not path.exists()
