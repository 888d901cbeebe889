"""Prepared images equal Pillow's own, whatever the format; nothing is squashed."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like.exceptions import ImageError, TrainingLabelsError
from spacer_like.regression.stamps import prepared_pixels, stamp_bytes


def png(array, mode=None):
    sink = BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(sink, "PNG")
    return sink.getvalue()


def pixels(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(st.integers(1, 80), st.integers(8, 40), st.booleans(), st.integers(0, 9))
def test_a_stamp_is_pillows_own_byte_for_byte(side, size, is_colour, seed):
    array = pixels(side, side, *(3,) * is_colour, seed=seed)
    sink = BytesIO()
    Image.fromarray(array).resize((size, size)).save(sink, "JPEG")
    assert stamp_bytes(prepared_pixels(png(array), "a", size, "gri" if is_colour else "g")) == sink.getvalue()


def test_alpha_does_not_count():
    grey = pixels(9, 9)
    for band, expected in (("g", grey), ("RGB", np.repeat(grey[..., None], 3, axis=2))):
        with_alpha = np.stack([grey, pixels(9, 9, seed=6)], axis=2)
        np.testing.assert_array_equal(prepared_pixels(png(with_alpha), "a", 9, band), expected)


def test_grey_of_colour_is_the_mean_of_its_channels():
    colour = pixels(9, 9, 4)
    mean = colour[..., :3].mean(axis=2).astype(np.uint8)
    np.testing.assert_array_equal(prepared_pixels(png(colour), "a", 9, "r"), mean)


def test_sixteen_bits_and_palettes_are_read():
    grey = pixels(9, 9)
    np.testing.assert_array_equal(prepared_pixels(png(grey.astype(np.uint16) * 257), "a", 9, "i"), grey)
    np.testing.assert_array_equal(prepared_pixels(png(grey // 64 * 64, "P"), "a", 9, "i"), grey // 64 * 64)


def test_an_image_that_is_no_square_gets_a_border():
    wide = np.full((4, 8), 200, np.uint8)
    found = prepared_pixels(png(wide), "a", 8, "g", background=9)
    assert found[:2].tolist() == found[6:].tolist() == [[9] * 8] * 2
    assert (found[2:6] == 200).all()


def test_png_and_npy_lose_nothing():
    colour = pixels(9, 9, 3)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(stamp_bytes(colour, "png")))), colour)
    np.testing.assert_array_equal(np.load(BytesIO(stamp_bytes(colour, "npy"))), colour)
    with pytest.raises(ImageError, match="No prepared image is written as 'gif': choose jpg, png, npy"):
        stamp_bytes(colour, "gif")


def test_what_is_no_whole_image_is_refused():
    for data in (b"", b"text", png(pixels(30, 30))[:400]):
        with pytest.raises(ImageError, match="broken"):
            prepared_pixels(data, "broken", 8, "g")
    with pytest.raises(TrainingLabelsError, match="There is no band 'z'"):
        prepared_pixels(png(pixels(4, 4)), "a", 8, "z")
