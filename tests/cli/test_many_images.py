"""Images of a folder are matched with a table that names them by another path in one pass."""

import pytest

from spacer_like.cli.running import Answers
from spacer_like.exceptions import SpacerInputError
from spacer_like.images import names as image_names
from spacer_like.images.names import ImageNames
from spacer_like.mailman import ExitCode
from spacer_like.points.set_points import grid_points, random_points


def test_each_name_is_taken_apart_a_fixed_number_of_times(monkeypatch):
    taken = []
    tails = image_names._tails
    monkeypatch.setattr(image_names, "_tails", lambda name: taken.append(name) or tails(name))
    names = ImageNames(f"survey/{number}.jpg" for number in range(1000))
    assert [names.find(f"/data/photos/{number}.jpg") for number in range(1000)] == [
        f"survey/{number}.jpg" for number in range(1000)
    ]
    assert len(taken) <= 4 * 1000


def test_a_name_that_means_neither_of_two_files_does_not_mean_a_third_one():
    names = ImageNames(["b/X.jpg", "b/x.JPG", "c/x.jpg"])
    assert names.find("b/x.jpg") is None
    assert names.find("b/X.jpg") == "b/X.jpg"
    assert names.find("survey/b/x.JPG") == "b/x.JPG"
    assert names.find("x.jpg") == "c/x.jpg"


def test_no_more_than_three_names_are_hinted_at():
    names = ImageNames(f"{folder}/reef.jpg" for folder in "abcdef")
    assert names.nearest("reef1.jpg").count("reef.jpg") == 3
    assert names.nearest("something else") == ""


def test_as_many_points_as_pixels_are_drawn_row_by_row_and_no_more():
    assert random_points(2, 3, 6, "reef") == [(row, column) for row in range(2) for column in range(3)]
    with pytest.raises(SpacerInputError, match="7 different points are more than an image of 2 x 3 pixels has"):
        random_points(2, 3, 7, "reef")
    assert grid_points(2, 3, 2, 3) == random_points(2, 3, 6, "reef")
    for rows, columns in ((3, 3), (2, 4)):
        with pytest.raises(SpacerInputError, match=f"A grid of {rows} x {columns} points is finer than an image"):
            grid_points(2, 3, rows, columns)


class _Complaints:
    def __init__(self):
        self.said = []

    def complain(self, sentence):
        self.said.append(sentence)


@pytest.mark.parametrize("code", ExitCode)
def test_a_failure_after_the_job_hides_no_graver_exit_code(code):
    terminal = _Complaints()
    failure = {"name": "a", "class": None, "message": "a: no"}
    found = Answers([1], [], code).with_failures([failure], terminal)
    assert found.exit_code is (ExitCode.PERMANENT_FAILURE if code is ExitCode.DONE else code)
    assert (found.failures, terminal.said) == ([failure], ["a: no"])
    assert Answers([1], [], code).with_failures([], terminal).exit_code is code
