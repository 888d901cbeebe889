"""JPEG decoded straight into an array: the same pixels as Pillow's, or left to Pillow."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.images.fast_jpeg import decoded_jpeg, decoded_photograph, jpeg_frame, shrinking

SQUARE = Image.radial_gradient("L").resize((24, 20))
BEFORE_THE_FRAME = 250
"""Bytes of a file, in which all that stands before its pixels begins."""


def jpeg(mode="RGB", **options) -> bytes:
    sink = BytesIO()
    SQUARE.convert(mode).save(sink, "JPEG", **options)
    return sink.getvalue()


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
    monkeypatch.setattr("spacer_like.images.fast_jpeg._simplejpeg", lambda: None)
    assert fast(data) is None
    assert np.array_equal(to_rgb_array(open_image(data, "reef.jpg")), with_it)


@pytest.mark.parametrize(
    ("data", "components"),
    [
        (jpeg(), 3),
        (jpeg(progressive=True), 3),
        (jpeg(keep_rgb=True, subsampling=0), 3),
        (jpeg(comment="a reef", exif=Image.Exif(), icc_profile=b"\xff\xc0" * 70_000), 3),
        (jpeg("L"), 1),
        (jpeg("CMYK"), 4),
    ],
    ids=["photograph", "progressive", "stored as RGB", "much before the frame", "grey", "cmyk"],
)
def test_the_frame_is_found(data, components):
    assert jpeg_frame(data) == (20, 24, components)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        jpeg()[:100],
        b"\xff\xd8\xff\xd0\0\2" + jpeg()[2:],
        b"\xff\xd8\xff\xc9\0\2" + jpeg()[2:],
        b"\xff\xd8" + b"\xff\xfe\0\2" * 2000 + jpeg()[2:],
    ],
    ids=["nothing more", "cut short", "behind a marker without length", "coded arithmetically", "behind 2000 segments"],
)
def test_a_frame_that_is_not_found_as_it_ought_to_be_is_none(data):
    assert jpeg_frame(data) is None


@given(
    st.sampled_from([jpeg(), jpeg(progressive=True), jpeg("CMYK"), jpeg("L")]),
    st.lists(
        st.tuples(st.integers(2, BEFORE_THE_FRAME), st.integers(0, 255) | st.sampled_from([0xC0, 0xFF])), max_size=3
    ),
    st.integers(0, BEFORE_THE_FRAME),
    st.binary(max_size=6),
)
def test_a_frame_that_is_found_is_the_decoders(data, changes, place, inserted):
    """Its size is held against the limit of pixels, so that the decoder must not see another one."""
    changed = bytearray(data)
    for at, value in changes:
        changed[at] = value
    changed[place:place] = inserted
    hostile = bytes(changed)
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(hostile)
    except ValueError:
        return
    found = jpeg_frame(hostile)
    if found is not None and hostile.startswith(b"\xff\xd8\xff"):
        assert found == (height, width, {"Gray": 1, "CMYK": 4, "YCCK": 4}.get(colours, 3))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_only_photographs_in_colours_are_decoded_from_bytes(mode):
    memory = np.zeros((20, 24, 3), np.uint8)
    assert decoded_photograph(jpeg(mode), 10**6, memory) is None
    assert decoded_photograph(jpeg(), 479, memory) is None
    assert not memory.any()
    assert decoded_photograph(jpeg(), 480, memory) is memory
    assert np.array_equal(memory, np.asarray(Image.open(BytesIO(jpeg()))))


@pytest.mark.parametrize(("long", "short", "factor"), [(9000, 800, 8), (900, 300, 2), (900, 200, 2), (900, 199, 1)])
def test_the_shorter_side_says_how_far_a_photograph_may_shrink(long, short, factor):
    assert shrinking(long, short, 100) == shrinking(short, long, 100) == factor
