"""Whether points can be extracted from an image: order and texts of the checks, which callers rely on."""

import numpy as np
import pytest
from PIL import Image

from spacer_like import config
from spacer_like.exceptions import DataLimitError, RowColumnInvalidError
from spacer_like.points.tasks.classifier import check_extract_inputs

IMAGE = Image.new("L", (200, 100))


def test_points_within_the_image_pass():
    check_extract_inputs(IMAGE, [(0, 0), (99, 199), (99, 199)], "img")


def test_too_many_pixels_are_refused():
    with config.override(max_image_pixels=19_999), pytest.raises(DataLimitError) as caught:
        check_extract_inputs(IMAGE, [(-1, 0)], "img")
    assert str(caught.value) == (
        "Image img has 200 x 100 = 20000 total pixels, which is larger than the max allowed of 19999."
    )


def test_too_many_points_are_refused():
    with config.override(max_points_per_image=1), pytest.raises(DataLimitError) as caught:
        check_extract_inputs(IMAGE, [(0, 0), (-1, 0)], "img")
    assert str(caught.value) == (
        "2 point locations were specified for image img, and that's larger than the max allowed of 1."
    )


@pytest.mark.parametrize(
    ("rowcol", "sentence"),
    [
        ((1.5, 0), "img: Row values must be integers. Given value was: 1.5"),
        ((0, "1"), "img: Column values must be integers. Given value was: 1"),
        ((np.int64(3), 0), "img: Row values must be integers. Given value was: 3"),
        ((-1, 0.5), "img: Column values must be integers. Given value was: 0.5"),
        ((-1, 0), "img: Row values must be non-negative. Given value was: -1"),
        ((0, -2), "img: Column values must be non-negative. Given value was: -2"),
        ((100, 0), "img: Row value 100 falls outside this image's valid range of 0-99."),
        ((0, 200), "img: Column value 200 falls outside this image's valid range of 0-199."),
    ],
)
def test_a_point_that_cannot_be_is_refused(rowcol, sentence):
    with pytest.raises(RowColumnInvalidError) as caught:
        check_extract_inputs(IMAGE, [(0, 0), rowcol], "img")
    assert str(caught.value) == sentence
