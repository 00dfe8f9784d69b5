"""The board's list, and its stand-ins."""
import pytest

from unrolled.widgets import ProgressBoard

ONE = {"name": "gates", "title": "The three gates", "page": "memory-cell"}


def test_the_words_and_the_picture_name_every_exercise():
    board = ProgressBoard([ONE, ONE | {"name": "node", "title": "The input node"}])
    assert board.describe() == "Exercises:\n- The three gates (page memory-cell)\n- The input node (page memory-cell)"
    assert board.picture().alt == board.describe()


@pytest.mark.parametrize("exercises, said", [([], "at least one exercise"), ([{"name": "gates", "title": "t"}], "lacks page")])
def test_what_is_no_list_of_exercises_is_refused(exercises, said):
    with pytest.raises(ValueError, match=said):
        ProgressBoard(exercises)
