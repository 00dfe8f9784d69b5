"""Broken links are told with their place; linkcheck asks a real server here, as the book's own settings have it."""
import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def links(tmp_path):
    """links() runs the tool over a copy's _build."""
    (tmp_path / "tools").mkdir()
    shutil.copyfile(ROOT / "tools/links.py", tmp_path / "tools/links.py")
    return lambda: subprocess.run([sys.executable, tmp_path / "tools/links.py"], capture_output=True, text=True)


def write(tmp_path, *found):
    (tmp_path / "_build/linkcheck").mkdir(parents=True)
    lines = [json.dumps({"filename": "book/a.md", "lineno": 3, "status": status, "code": 0, "uri": uri, "info": info})
             for status, uri, info in found]
    (tmp_path / "_build/linkcheck/output.json").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def test_broken_ones_are_told_and_left_for_an_issue(links, tmp_path):
    write(tmp_path, ("working", "https://example.org/", ""), ("broken", "https://example.org/gone", "404 Client\nError"),
          ("redirected", "https://example.org/a", "https://example.org/b"), ("timeout", "https://example.org/slow", "timed out"))
    done, told = links(), ("- book/a.md, line 3: <https://example.org/gone>\n  `404 Client Error`\n"
                           "- book/a.md, line 3: <https://example.org/slow>\n  `timed out`\n")
    assert done.returncode == 1 and done.stdout == told
    assert (tmp_path / "_build/links.md").read_text() == "These links of the book lead nowhere:\n\n" + told


def test_none_broken(links, tmp_path):
    write(tmp_path, ("working", "https://example.org/", ""), ("ignored", "https://example.org/a", ""),
          ("broken", "https://example.org/b", "403 Client Error: Forbidden for url: https://example.org/b"))
    done = links()
    assert done.stdout == "None of the book's 3 links is broken; 1 refuse a program, and were not seen.\n"
    assert done.returncode == 0
    assert (tmp_path / "_build/links.md").read_text() == ""


def test_a_build_that_failed_is_no_good_news(links):
    done = links()
    assert done.returncode == 1 and done.stderr == "The links were not checked: the messages above say why.\n"


@contextlib.contextmanager
def kept_timeout():
    """The builder sets one for every socket of the process."""
    before = socket.getdefaulttimeout()
    yield
    socket.setdefaulttimeout(before)


@pytest.fixture
def server():
    """An address; everything on it but /gone is there."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path.startswith("/gone") else 200)
            self.end_headers()
            self.wfile.write(b"<html></html>")
        do_HEAD = do_GET

        def log_message(self, *args):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_books_settings_find_the_broken_and_leave_the_placeholders(links, server, tmp_path):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    settings = {name: value for name, value in config.items() if name.startswith("linkcheck_")}
    local = [pattern for pattern in settings["linkcheck_ignore"] if "localhost" in pattern]
    assert local
    settings["linkcheck_ignore"] = [pattern for pattern in settings["linkcheck_ignore"] if pattern not in local]
    ignored = ["https://github.com/your-name/unrolled", "https://your-name.github.io/unrolled/", "https://book.example.org/",
               "https://mybinder.org/v2/gh/your-name/unrolled/notebooks"]
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.rst").write_text("A page\n======\n\n" + "\n\n".join(f"`{k} <{uri}>`__" for k, uri in enumerate(
        [f"{server}/there", f"{server}/gone", *ignored])), encoding="utf-8")
    with patch_docutils(), docutils_namespace(), kept_timeout():
        Sphinx(tmp_path / "book", None, tmp_path / "_build/linkcheck", tmp_path / "_build/.doctrees", "linkcheck",
               confoverrides=settings, status=None, warning=None).build()
    entries = map(json.loads, (tmp_path / "_build/linkcheck/output.json").read_text().splitlines())
    status = {entry["uri"]: entry["status"] for entry in entries}
    assert status == {f"{server}/there": "working", f"{server}/gone": "broken"} | dict.fromkeys(ignored, "ignored")
    done = links()
    assert done.returncode == 1 and done.stdout.startswith("- index.rst, line ") and f"<{server}/gone>" in done.stdout
