"""Bytes become pixels, or one sentence that says why not."""

from __future__ import annotations

import pickle
import struct
import traceback
import warnings
import zlib
from io import BytesIO

import numpy as np
import PIL
import pytest
from PIL import Image

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataLimitError, DataNotFoundError, ImageError, SpacerInputError
from spacer_like.images.decode import load_image, open_image, store_image, to_rgb_array
from spacer_like.storage import write_bytes


def pillows_pixels(data: bytes) -> np.ndarray:
    """What PySpacer would see."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def decoded(data: bytes) -> np.ndarray:
    return to_rgb_array(open_image(data, "photo.jpg"))


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"progressive": True, "subsampling": 0}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
    ],
)
def test_pixels_are_those_that_pillow_decodes(pixels, encode, image_format, options):
    data = encode(pixels, image_format, **options)
    assert np.array_equal(decoded(data), pillows_pixels(data))


def test_only_the_header_is_read_on_opening(pixels, encode):
    image = open_image(encode(pixels, "PNG")[:60], "photo.png")
    assert image.size == (130, 90)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I"])
def test_every_mode_becomes_rgb_as_in_pillow(pixels, mode):
    image = Image.fromarray(pixels).convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    array = to_rgb_array(image)
    assert array.dtype == np.uint8
    assert np.array_equal(array, np.asarray(image.convert("RGB")))


def test_a_cmyk_jpeg(pixels, encode):
    data = encode(Image.fromarray(pixels).convert("CMYK"), "JPEG")
    assert np.array_equal(decoded(data), pillows_pixels(data))


@pytest.mark.parametrize("transparency", [bytes(range(0, 256, 2)), 5])
def test_a_palette_with_alpha_keeps_its_colours_and_warns_of_nothing(pixels, encode, transparency):
    data = encode(Image.fromarray(pixels).quantize(128), "PNG", transparency=transparency)
    assert np.array_equal(decoded(data), pillows_pixels(data))


def test_a_transparent_colour_is_left_in_the_callers_image(pixels, encode):
    image = open_image(encode(Image.fromarray(pixels).quantize(128), "PNG", transparency=5), "photo.png")
    to_rgb_array(image)
    assert image.info["transparency"] == 5


def test_an_exif_rotation_is_not_applied(pixels, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = open_image(encode(pixels, "JPEG", exif=exif.tobytes()), "photo.jpg")
    assert to_rgb_array(image).shape == (90, 130, 3)


def test_one_pixel(encode):
    assert decoded(encode(np.full((1, 1, 3), 200, np.uint8), "PNG")).tolist() == [[[200, 200, 200]]]


def test_the_first_frame_of_an_animation(pixels, encode):
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    for image_format in ("GIF", "PNG", "WEBP"):
        data = encode(frames[0], image_format, save_all=True, append_images=frames[1:])
        assert np.array_equal(decoded(data), pillows_pixels(data))


def test_an_array_is_taken_as_it_is(pixels):
    assert to_rgb_array(pixels) is pixels


@pytest.mark.parametrize("array", [np.zeros((3, 4), np.uint8), np.zeros((3, 4, 3)), np.zeros((3, 4, 4), np.uint8)])
def test_an_array_of_another_shape_or_type_is_refused(array):
    with pytest.raises(ImageError, match="must be uint8 of the shape"):
        to_rgb_array(array)


class TestATextFileNamedJpg:
    def test_is_an_image_error_and_pillows(self):
        with pytest.raises(ImageError, match=r"'notes\.jpg' is not an image of a known format") as caught:
            open_image(b"Dear diary, this is no image at all.", "notes.jpg")
        assert isinstance(caught.value, PIL.UnidentifiedImageError)
        assert isinstance(caught.value, SpacerInputError)

    def test_is_named_in_a_traceback_as_pillow_names_it(self):
        with pytest.raises(ImageError) as caught:
            open_image(b"", "empty.jpg")
        last_line = traceback.format_exception(caught.value)[-1]
        assert last_line.startswith("PIL.UnidentifiedImageError: The file 'empty.jpg' is empty: give")

    def test_survives_pickling(self):
        with pytest.raises(ImageError) as caught:
            open_image(b"text", "notes.jpg")
        copy = pickle.loads(pickle.dumps(caught.value))
        assert type(copy) is type(caught.value)
        assert str(copy) == str(caught.value)


class TestADecompressionBomb:
    @staticmethod
    def png_header(width: int, height: int) -> bytes:
        body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\0IDAT"
        )

    def test_is_refused_by_its_header(self):
        with pytest.raises(DataLimitError) as caught:
            open_image(self.png_header(60000, 60000), "bomb.png")
        assert str(caught.value) == (
            "Image bomb.png has 60000 x 60000 = 3600000000 total pixels, "
            "which is larger than the max allowed of 100000000."
        )

    def test_the_limit_is_ours_not_pillows(self):
        with override(max_image_pixels=400_000_000):
            assert open_image(self.png_header(20000, 20000), "large.png").size == (20000, 20000)
        with pytest.raises(DataLimitError):
            open_image(self.png_header(11, 10), "large.png", max_pixels=100)

    def test_pillows_globals_stay_as_they_are(self, pixels, encode):
        before = Image.MAX_IMAGE_PIXELS
        decoded(encode(pixels, "JPEG")[:-500])
        assert before == Image.MAX_IMAGE_PIXELS
        assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_postscript_is_refused_since_it_is_a_program():
    with pytest.raises(PIL.UnidentifiedImageError):
        open_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "drawing.eps")


def test_a_damaged_header_is_an_image_error(pixels, encode):
    with pytest.raises(ImageError, match="broken"):
        open_image(encode(pixels, "PNG")[:20], "broken.png")


class TestLocations:
    def test_hold_images_as_jpeg(self, pixels):
        location = DataLocation("memory", "reef.jpg")
        store_image(location, Image.fromarray(pixels))
        image = load_image(location)
        assert image.format == "JPEG"
        assert image.size == (130, 90)
        assert np.abs(to_rgb_array(image).astype(int) - pixels).mean() < 20

    def test_are_named_in_errors(self):
        location = DataLocation("memory", "notes/reef.jpg")
        write_bytes(location, b"no image")
        with pytest.raises(ImageError, match=r"'notes/reef\.jpg'"):
            load_image(location)

    def test_without_an_image(self):
        with pytest.raises(DataNotFoundError):
            load_image(DataLocation("memory", "nowhere.jpg"))


def test_a_mode_without_a_way_to_rgb_is_an_image_error():
    image = Image.new("La", (3, 3))
    with pytest.raises(ImageError, match="of mode La cannot be converted to RGB"):
        to_rgb_array(image)
