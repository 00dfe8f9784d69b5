"""A world without network and without a copy of the novel, except for what a test puts there."""
import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unrolled.text import corpus, load_corpus
from unrolled.text.vocabulary import clean

NOVEL = Path(os.environ.get("UNROLLED_DATA", ".")) / corpus.FILE


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache; no local copy is named and no source is known."""
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(corpus, "SOURCES", ())
    return tmp_path / "cache"


@pytest.fixture(params=["embedded", pytest.param("novel", marks=pytest.mark.skipif(
    not NOVEL.is_file(), reason="UNROLLED_DATA names no copy of the novel; the embedded text is used"))])
def book(request, monkeypatch) -> bytes:
    """What a source should send: the novel, and our own text with its checksums in the novel's place."""
    if request.param == "novel":
        return NOVEL.read_bytes()
    text = load_corpus("embedded").text
    begin = re.search(r"^.{50,}", text, re.M).start()          # the first line of prose
    monkeypatch.setattr(corpus, "TITLE_PAGE", text[:begin])
    monkeypatch.setattr(corpus, "OPENING", text[begin:begin + 37])
    monkeypatch.setattr(corpus, "SHA256", sha256(text.encode()))
    monkeypatch.setattr(corpus, "CLEANED_SHA256", sha256(clean(text).encode()))
    return text.encode()


class Server:
    """A web server on this machine: ``answers`` says what each path sends, ``asked`` which were asked for."""

    def __init__(self):
        self.answers, self.asked, self.closing = {}, [], threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                answer = server.answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                elif isinstance(answer, bytes):
                    send(self, answer)
                else:
                    answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __call__(self, path: str, answer=None) -> str:
        """The address of a path, and what it shall send (None: nothing is there)."""
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def close(self):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    """A good answer, unless another length than the body's is announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()
