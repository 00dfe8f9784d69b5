"""A file is written whole or not at all."""
import os
import stat

import pytest

from unrolled.files import write_whole


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def write(partial):
        partial.write_text("ne")
        raise error

    with pytest.raises(error):
        write_whole(path, write)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_written_file_has_the_modes_of_any_other_file(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "sub" / "ours", lambda partial: partial.write_text("new"))
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("usual", "sub/ours")]
    assert modes[0] == modes[1]
