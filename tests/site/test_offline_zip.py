"""The zip holds all of the built book, in the same bytes each time, and is whole or is not there."""
import os
import zipfile

import pytest

from unrolled.site import offline_zip

FILES = {"index.html": b"<p>The book begins here.</p>", "book/a.html": "<h1>Gedächtnis</h1>".encode(),
         "_static/x.js": b"1\n" * 999, "notebooks/a.ipynb": b"{}", "_images/b.png": bytes(range(256))}


@pytest.fixture
def html(tmp_path):
    for name, data in FILES.items():
        (tmp_path / "html" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "html" / name).write_bytes(data)
    return tmp_path / "html"


def test_it_holds_every_file_in_one_folder_and_a_word_about_them(html, tmp_path, capsys):
    out = tmp_path / "new/book.zip"
    offline_zip.main([str(html), str(out)])
    with zipfile.ZipFile(out) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
        assert archive.testzip() is None
        assert all(entry.external_attr >> 16 == 0o644 for entry in archive.infolist())          # whoever unpacks it can read it
    readme = held.pop("unrolled-book/README.txt").decode()
    assert readme.count("\n") == 3 and "index.html" in readme
    assert held == {f"unrolled-book/{name}": data for name, data in FILES.items()}
    assert out.stat().st_size < sum(map(len, FILES.values()))                                  # it is packed
    assert str(out) in capsys.readouterr().out


def test_the_same_pages_give_the_same_bytes(html, tmp_path):
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    offline_zip.main([str(html), str(first)])
    moved = html.rename(tmp_path / "elsewhere")
    for file in moved.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    offline_zip.main([str(moved), str(second)])
    assert first.read_bytes() == second.read_bytes()


def test_without_a_built_book(tmp_path):
    with pytest.raises(SystemExit, match="^There is no built book in .*html: run make book first.$"):
        offline_zip.main([str(tmp_path / "html"), str(tmp_path / "book.zip")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place, sentence", [
    ("index.html/book.zip", "index.html/book.zip was not written: .+"),
    ("index.html/below/book.zip", "book.zip was not written: .+"),
    ("book", "html/book is a folder, and the name of a file is wanted.")])
def test_where_nothing_can_be_written(html, place, sentence):
    before = sorted(html.rglob("*"))
    with pytest.raises(SystemExit, match=f"^.*{sentence}$"):
        offline_zip.main([str(html), str(html / place)])
    assert sorted(html.rglob("*")) == before


def test_what_fails_leaves_the_old_file_whole(html, tmp_path, monkeypatch):
    out = tmp_path / "out/book.zip"
    offline_zip.main([str(html), str(out)])
    before = out.read_bytes()

    class Full(zipfile.ZipFile):
        def writestr(self, entry, *rest):
            if entry.filename.endswith("index.html"):
                raise OSError(28, "No space left on device", "book.zip")
            super().writestr(entry, *rest)

    monkeypatch.setattr(offline_zip.zipfile, "ZipFile", Full)
    with pytest.raises(SystemExit, match="book.zip was not written: No space left on device"):
        offline_zip.main([str(html), str(out)])
    assert out.read_bytes() == before and list(out.parent.iterdir()) == [out]
