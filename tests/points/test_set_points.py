"""Points set in images: random ones of fields, within margins and areas, the same again from the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import SpacerInputError
from spacer_like.points.set_points import Area, Sampling, parse_area, stratified_points


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(30, 60), st.integers(30, 60))
def test_each_field_has_as_many_points(rows, columns, count, height, width):
    found = stratified_points(height, width, rows, columns, count, "reef")
    assert found == stratified_points(height, width, rows, columns, count, "reef")
    assert len(set(found)) == rows * columns * count
    bottoms = [(row + 1) * height // rows for row in range(rows)]
    rights = [(column + 1) * width // columns for column in range(columns)]
    fields = [
        (int(np.searchsorted(bottoms, row, "right")), int(np.searchsorted(rights, col, "right"))) for row, col in found
    ]
    expected = [(row, column) for row in range(rows) for column in range(columns) for _ in range(count)]
    assert fields == expected


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "reef.png")
    return DataLocation("filesystem", str(tmp_path / "reef.png"))


def test_points_keep_away_from_margins_and_in_areas(image):
    for sampling, (top, left, bottom, right) in (
        (Sampling(random=300, margin="10%"), (10, 20, 90, 180)),
        (Sampling(stratified="3x4", random=9, margin="15"), (15, 15, 85, 185)),
        (Sampling(grid="5", area="50%,0,100,30"), (50, 0, 100, 30)),
    ):
        sampling.check()
        found = sampling.points("reef.png", image)
        assert {top <= row < bottom and left <= col < right for row, col, _ in found} == {True}
        assert found == sampling.points("reef.png", image)
    assert Sampling(random=5, seed=1).points("reef.png", image) != Sampling(random=5, seed=2).points("reef.png", image)


@pytest.mark.parametrize(
    ("sampling", "sentence"),
    [
        (Sampling(random=1, area="0,0,10"), "no area"),
        (Sampling(random=1, margin="1", area="0,0,10,10"), "Choose between"),
        (Sampling(random=1, margin="-5"), "no length"),
        (Sampling(stratified="0x4"), "no grid"),
    ],
)
def test_what_cannot_be_set_is_refused_before_an_image_is_opened(sampling, sentence):
    with pytest.raises(SpacerInputError, match=sentence):
        sampling.check()


def test_an_area_outside_the_image_is_refused(image):
    with pytest.raises(SpacerInputError, match="'50%' leaves nothing"):
        Sampling(random=1, margin="50%").points("reef.png", image)
    with pytest.raises(SpacerInputError, match="leaves nothing of an image of 100 x 200 pixels"):
        parse_area(None, "0,0,101,200", 100, 200)
    assert parse_area(None, None, 100, 200) == Area(0, 0, 100, 200)
