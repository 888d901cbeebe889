"""Whether points can be extracted from an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spacer_like import config
from spacer_like.exceptions import DataLimitError, RowColumnInvalidError

if TYPE_CHECKING:
    from PIL import Image


def check_extract_inputs(image: Image.Image, rowcols: Sequence[tuple[Any, Any]], im_key: str) -> None:
    """Check an image's size, of which only the header was read, and that all points lie within it.

    Raises:
        DataLimitError: more pixels or points than the settings MAX_IMAGE_PIXELS and MAX_POINTS_PER_IMAGE allow.
        RowColumnInvalidError: a row or column that is no integer, negative, or outside the image.
    """
    width, height = image.size
    limits = config.settings()
    if width * height > limits.max_image_pixels:
        raise DataLimitError(
            f"Image {im_key} has {width} x {height} = {width * height} total pixels, "
            f"which is larger than the max allowed of {limits.max_image_pixels}."
        )
    if len(rowcols) > limits.max_points_per_image:
        raise DataLimitError(
            f"{len(rowcols)} point locations were specified for image {im_key}, "
            f"and that's larger than the max allowed of {limits.max_points_per_image}."
        )
    for row, col in rowcols:
        for name, value in (("Row", row), ("Column", col)):
            if not isinstance(value, int):
                raise RowColumnInvalidError(f"{im_key}: {name} values must be integers. Given value was: {value}")
        for name, value in (("Row", row), ("Column", col)):
            if value < 0:
                raise RowColumnInvalidError(f"{im_key}: {name} values must be non-negative. Given value was: {value}")
        for name, value, size in (("Row", row, height), ("Column", col, width)):
            if value >= size:
                raise RowColumnInvalidError(
                    f"{im_key}: {name} value {value} falls outside this image's valid range of 0-{size - 1}."
                )
