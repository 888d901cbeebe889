"""Images of more than 8 bits are scaled, and said so; those of which nobody knows the white are refused."""

import itertools
import logging
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from spacer_like.exceptions import ImageError
from spacer_like.images import decode
from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.images.square import decoded, squared

GREY = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
EIGHT = np.round(GREY / 257).astype(np.uint8)


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    monkeypatch.setattr(decode, "_scaled", itertools.count())


def png(values, colour_type, extra=b""):
    """A PNG file of 16 bits, which Pillow writes of grey alone."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    middle = chunk(b"tRNS", extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + header + middle + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(values, image_format, **options):
    stream = BytesIO()
    Image.fromarray(values).save(stream, image_format, **options)
    return stream.getvalue()


def tiff(values, **tags):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[int(tag.removeprefix("tag"))] = value
    return encoded(values, "TIFF", tiffinfo=info)


def ways(data, name="reef.tif"):
    """What each family sees of a file."""
    return [
        to_rgb_array(open_image(data, name)),
        decoded(data, name),
        squared(data, name, 64),
        squared(data, name, 64, background="#ff0000"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        encoded(GREY, "PNG"),
        encoded(GREY, "TIFF"),
        encoded(GREY, "TIFF", compression="tiff_lzw"),
        encoded(GREY.astype(">u2"), "TIFF"),
        encoded(GREY, "JPEG2000", irreversible=False),
        encoded(GREY, "PPM"),
        encoded(GREY.astype(np.int32), "TIFF"),
    ],
    ids=["png", "tiff", "lzw", "big-endian", "jpeg 2000", "pgm", "32 bits"],
)
def test_greys_of_16_bits_are_divided_by_257_in_every_family(data, caplog):
    with caplog.at_level(logging.WARNING):
        for pixels in ways(data):
            assert np.array_equal(pixels, np.dstack([EIGHT] * 3))
    (said,) = caplog.records
    assert said.getMessage() == (
        "The image 'reef.tif' has 16 bits of grey: its values are divided by 257, as those of others."
    )


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_colours_of_16_bits_are_not_clipped(colour_type):
    bands = {2: 3, 4: 2, 6: 4}[colour_type]
    for pixels in ways(png(np.dstack([GREY] * (bands - 1) + [np.full_like(GREY, 65_535)]), colour_type))[:3]:
        assert np.abs(pixels[..., 0].astype(int) - EIGHT).max() <= 1


def test_a_dark_image_of_16_bits_is_scaled_by_the_same_number():
    assert {pixels.max() for pixels in ways(encoded(GREY // 64, "PNG"))} == {4}


def test_an_image_of_32_bits_with_values_of_8_keeps_them(caplog):
    assert all(np.array_equal(pixels[..., 0], EIGHT) for pixels in ways(encoded(EIGHT.astype(np.int32), "TIFF")))
    assert not caplog.records


def test_a_tiff_whose_zero_is_white_is_inverted():
    data = tiff(GREY, tag262=0)
    for pixels in ways(data):
        assert np.array_equal(pixels[..., 0], np.round((65_535 - GREY.astype(int)) / 257))


def test_a_transparent_grey_of_16_bits_shows_the_background():
    data = png(GREY, 0, struct.pack(">H", int(GREY[3, 5])))
    plain, _, _, over_red = ways(data)
    assert np.array_equal(plain[..., 0], EIGHT)
    assert over_red[3, 5].tolist() == [255, 0, 0]
    assert over_red[3, 6].tolist() == [EIGHT[3, 6]] * 3


@pytest.mark.parametrize("values", [GREY.astype(np.float32), np.zeros((8, 8), np.float32)])
def test_floating_point_is_refused(values):
    data = encoded(values, "TIFF")
    for look in (lambda: to_rgb_array(open_image(data, "reef.tif")), lambda: squared(data, "reef.tif", 8)):
        with pytest.raises(ImageError, match=r"^The image 'reef.tif' has floating-point pixels, .* 8 or 16 bits\.$"):
            look()


@pytest.mark.parametrize("values", [GREY.astype(np.int32) - 1, GREY.astype(np.int32) * 2])
def test_numbers_beyond_16_bits_are_refused(values):
    with pytest.raises(ImageError, match=r"^The image 'reef.tif' has pixels from -?\d+ to \d+, beyond 16 bits"):
        to_rgb_array(open_image(encoded(values, "TIFF"), "reef.tif"))


def test_eight_bits_and_jpeg_are_as_before(pixels, encode, caplog):
    for data in (encode(pixels, "JPEG"), encode(pixels[..., 0], "JPEG"), encode(pixels[..., 0], "PNG")):
        assert np.array_equal(
            to_rgb_array(open_image(data, "reef.jpg")), np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        )
    assert not caplog.records
