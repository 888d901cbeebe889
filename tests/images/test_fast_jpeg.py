"""JPEG decoded straight into an array: the same pixels as Pillow's, or left to Pillow."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.images.fast_jpeg import decoded_jpeg


def fast(data):
    return decoded_jpeg(open_image(data, "reef.jpg"))


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 75},
        {"quality": 95, "subsampling": 0},
        {"quality": 80, "subsampling": 1},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"keep_rgb": True, "subsampling": 0},
    ],
)
@pytest.mark.parametrize("size", [(90, 130), (1, 1), (17, 9)])
def test_the_pixels_are_those_of_pillow(pixels, encode, options, size):
    data = encode(np.ascontiguousarray(pixels[: size[0], : size[1]]), "JPEG", **options)
    found = fast(data)

    assert found is not None
    assert np.array_equal(found, np.asarray(Image.open(BytesIO(data)).convert("RGB")))


def test_the_orientation_of_the_camera_is_not_applied(pixels, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(pixels, "JPEG", exif=exif)
    assert fast(data).shape == pixels.shape


@pytest.mark.parametrize(
    ("image_format", "mode"), [("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK")], ids=["png", "grey", "cmyk"]
)
def test_other_images_are_left_to_pillow(pixels, encode, image_format, mode):
    assert fast(encode(Image.fromarray(pixels).convert(mode), image_format)) is None


def test_an_image_that_is_decoded_already_is_left_as_it_is(pixels, encode):
    image = open_image(encode(pixels, "JPEG"), "reef.jpg")
    image.load()
    assert decoded_jpeg(image) is None
    assert to_rgb_array(image).shape == pixels.shape


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_that_is_cut_short_is_left_to_pillow(pixels, encode, share):
    data = encode(pixels, "JPEG")
    assert fast(data[: int(len(data) * share)]) is None


def test_a_second_header_of_another_size_is_not_believed(pixels, encode):
    """Pillow reads the last frame header, libjpeg the first: the limit of pixels must hold for both."""
    data = encode(pixels, "JPEG")
    frame = data.index(b"\xff\xc0")
    (length,) = struct.unpack(">H", data[frame + 2 : frame + 4])
    header = data[frame : frame + 2 + length]
    huge = header[:5] + struct.pack(">HH", 60_000, 60_000) + header[9:]
    assert fast(data[:frame] + huge + data[frame:]) is None


def test_without_the_package_pillow_decodes(pixels, encode, monkeypatch):
    data = encode(pixels, "JPEG")
    with_it = to_rgb_array(open_image(data, "reef.jpg"))
    monkeypatch.setattr("spacer_like.images.fast_jpeg.find_spec", lambda name: None)
    assert fast(data) is None
    assert np.array_equal(to_rgb_array(open_image(data, "reef.jpg")), with_it)
