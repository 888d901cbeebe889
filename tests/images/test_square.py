"""Images as squares of RGB pixels: those of Pillow's conversion and resizing, and nothing of damaged ones."""

from __future__ import annotations

import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like import config
from spacer_like.exceptions import DataLimitError, ImageError
from spacer_like.images import square
from spacer_like.images.identify import UnidentifiedImageError
from spacer_like.images.square import FILTERS, decoded, square_into, squared

FILES = [
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "L", {}),
    ("PNG", "LA", {}),
    ("PNG", "1", {}),
    ("PNG", "P", {}),
    ("PNG", "P", {"transparency": 3}),
    ("PNG", "RGB", {"transparency": (10, 20, 30)}),
    ("PNG", "L", {"transparency": 30}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "LAB", {}),
    ("JPEG", "RGB", {"quality": 90}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("GIF", "P", {}),
]


@pytest.fixture(scope="session")
def files(pixels, encode):
    def make(image_format, mode, options):
        if mode == "LAB":
            image = Image.frombytes("LAB", (130, 90), pixels.tobytes())
        else:
            alpha = Image.fromarray(np.ascontiguousarray(pixels[..., 1] * 2))
            image = Image.fromarray(pixels)
            if mode in ("RGBA", "LA"):
                image.putalpha(alpha)
            image = image.convert(mode)
        return encode(image, image_format, **options)

    return make


def by_pillow(data, size, resample="bicubic"):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB").resize((size, size), FILTERS[resample]))


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize(("image_format", "mode", "options"), FILES)
def test_drop_is_what_pillow_converts_and_resizes(files, image_format, mode, options):
    data = files(image_format, mode, options)
    for resample in FILTERS:
        assert np.array_equal(squared(data, "7.png", 50, resample), by_pillow(data, 50, resample))


@pytest.mark.parametrize(("image_format", "mode", "options"), FILES)
def test_a_colour_shows_through_transparency(files, image_format, mode, options):
    data = files(image_format, mode, options)
    layer = Image.open(BytesIO(data)).convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", layer.size, "#3070F0"), layer).convert("RGB")
    assert np.array_equal(
        squared(data, "7.png", 50, background="#3070F0"), np.asarray(expected.resize((50, 50), FILTERS["bicubic"]))
    )


def test_transparent_places_have_the_colour_beneath_them_or_the_background(encode):
    data = encode(Image.new("RGBA", (4, 4), (10, 20, 30, 0)), "PNG")
    assert (squared(data, "7", 4) == (10, 20, 30)).all()
    assert (squared(data, "7", 4, background="#ff8000") == (255, 128, 0)).all()


def test_of_an_animated_image_the_first_frame_counts(encode):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for image_format in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if image_format == "WEBP" else {}
        data = encode(frames[0], image_format, save_all=True, append_images=frames[1:], duration=100, **options)
        assert Image.open(BytesIO(data)).n_frames == 3
        assert (squared(data, "7", 8) == (255, 0, 0)).all()


def test_an_image_that_fits_is_not_resized(encode, monkeypatch):
    def resize(*arguments):
        raise AssertionError

    picture = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    monkeypatch.setattr(Image.Image, "resize", resize)
    assert np.array_equal(squared(encode(picture, "PNG"), "7", 20), picture)


def test_a_photograph_has_the_pixels_of_pillow_at_any_size(pixels, encode):
    for size in (90, 130, 17):
        data = encode(np.ascontiguousarray(pixels[:90, :90]), "JPEG", quality=80)
        assert np.array_equal(squared(data, "7.jpg", size), by_pillow(data, size))


def test_without_the_fast_decoder_the_pixels_are_the_same(pixels, encode, monkeypatch):
    data = encode(pixels, "JPEG")
    with_it = squared(data, "7.jpg", 90)
    monkeypatch.setattr("spacer_like.images.fast_jpeg._simplejpeg", lambda: None)
    assert np.array_equal(squared(data, "7.jpg", 90), with_it)


def test_the_square_may_be_written_to(encode):
    found = squared(encode(Image.new("RGB", (4, 4)), "PNG"), "7", 4)
    found[...] = 3
    assert found.shape == (4, 4, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("share", [0.4, 0.97])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_file_that_is_cut_short_is_refused(pixels, encode, image_format, share):
    """The grey or black of its rest would pass for a rare colour."""
    whole = encode(pixels, image_format)
    with pytest.raises(ImageError, match=r"'7\.png'"):
        squared(whole[: int(len(whole) * share)], "7.png", 50)


def test_a_damaged_file_is_refused(pixels, encode):
    damaged = bytearray(encode(pixels, "PNG"))
    damaged[len(damaged) // 2 :] = b"\xff\x17" * (len(damaged) // 4)
    with pytest.raises(ImageError, match=r"^The image '7\.png' cannot be decoded: .*\.$"):
        squared(bytes(damaged), "7.png", 50)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty: give a JPEG"),
        (b"a text", "is not an image"),
        (b"PK\3\4 a zip", "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
    ],
)
def test_what_is_no_image_is_told(data, reason):
    with pytest.raises(UnidentifiedImageError, match=rf"'7\.png' {reason}"):
        squared(data, "7.png", 50)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_more_pixels_than_the_setting_allows_are_not_decoded(pixels, encode, image_format):
    with config.override(max_image_pixels=130 * 90 - 1), pytest.raises(DataLimitError, match=r"130 x 90 pixels"):
        squared(encode(pixels, image_format), "7.png", 50)


def test_large_images_are_decoded_one_at_a_time(pixels, encode, monkeypatch):
    at_once, most, lock, real = 0, 0, threading.Lock(), square._rgb

    def rgb(*arguments):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return real(*arguments)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(square, "_LARGE_PIXELS", 10_000)
    monkeypatch.setattr(square, "_rgb", rgb)
    data = encode(pixels, "PNG")
    threads = [threading.Thread(target=squared, args=(data, "7", 50)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


class TestShrinkOnLoad:
    @pytest.mark.parametrize(("size", "factor"), [(200, 1), (100, 1), (64, 2), (32, 4), (16, 8), (8, 8)])
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    def test_a_jpeg_is_decoded_at_the_part_of_its_size_that_is_enough(self, encode, pixels, size, factor, image_format):
        data = encode(np.asarray(Image.fromarray(pixels).resize((130, 180))), image_format)
        shrunk = np.empty((size, size, 3), np.uint8)
        square_into(shrunk, data, "7", shrink_on_load=True)
        image = Image.open(BytesIO(data))
        if image_format == "JPEG":
            image.draft("RGB", (130 // factor, 180 // factor))
            assert image.size == (-(-130 // factor), -(-180 // factor))
        assert (shrunk == np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))).all()

    def test_where_the_fast_decoder_does_not_take_it_pillow_shrinks_it_alike(self, encode, pixels, monkeypatch):
        data = encode(pixels, "JPEG")
        fast, slow = np.empty((20, 20, 3), np.uint8), np.empty((20, 20, 3), np.uint8)
        square_into(fast, data, "7", shrink_on_load=True)
        monkeypatch.setattr(square, "decoded_photograph", lambda *arguments: None)
        square_into(slow, data, "7", shrink_on_load=True)
        assert (fast == slow).all()


class TestMiddle:
    """With a shortest side an image is not stretched: the middle is cut out."""

    def filled(self, data, size, shortest_side, shrink_on_load=True):
        found = np.empty((size, size, 3), np.uint8)
        square_into(found, data, "7", shrink_on_load=shrink_on_load, shortest_side=shortest_side)
        return found

    @pytest.mark.parametrize("shape", [(40, 40), (90, 130), (131, 33)])
    def test_is_what_pillow_resizes_and_crops(self, pixels, encode, shape):
        image = Image.fromarray(pixels).resize(shape)
        shortest = min(shape)
        resized = image.resize((36 * shape[0] // shortest, 36 * shape[1] // shortest), Image.Resampling.BICUBIC)
        left, top = (round((side - 32) / 2) for side in resized.size)
        expected = np.asarray(resized.crop((left, top, left + 32, top + 32)))
        assert np.array_equal(self.filled(encode(image, "PNG"), 32, 36), expected)

    def test_an_image_of_the_square_s_size_is_enlarged_before_its_middle_is_cut_out(self, pixels, encode):
        data = encode(np.ascontiguousarray(pixels[:32, :32]), "JPEG")
        assert not np.array_equal(self.filled(data, 32, 36), decoded(data, "7"))
        assert np.array_equal(self.filled(data, 32, 32), decoded(data, "7"))

    @pytest.mark.parametrize("has_fast_decoder", [True, False])
    def test_a_shrunk_photograph_has_its_middle_where_the_whole_one_has_it(self, encode, monkeypatch, has_fast_decoder):
        """Odd sides are rounded up: 785 x 901 becomes 393 x 451, whose sides' ratio is another one."""
        if not has_fast_decoder:
            monkeypatch.setattr(square, "decoded_photograph", lambda *arguments: None)
        rows, columns = np.mgrid[:901, :785]
        slopes = np.stack([rows / 4, columns / 4, (rows + columns) / 8], 2).astype(np.uint8)
        data = encode(slopes, "JPEG", quality=95)
        whole, shrunk = (self.filled(data, 84, 96, shrink).astype(int) for shrink in (False, True))
        assert not np.array_equal(whole, shrunk)
        # A pixel of the square spans two levels: the middle is less than a third of a pixel beside its place.
        assert abs(whole - shrunk).mean((0, 1)).max() < 0.6

    def test_less_than_three_times_the_shortest_side_is_not_shrunk(self, encode, pixels):
        data = encode(np.asarray(Image.fromarray(pixels).resize((190, 240))), "JPEG")
        assert np.array_equal(self.filled(data, 32, 32), self.filled(data, 32, 32, shrink_on_load=False))


class TestDecoded:
    @pytest.mark.parametrize(("image_format", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P")])
    def test_the_pixels_are_those_of_pillow_as_many_as_there_are(self, encode, pixels, image_format, mode):
        data = encode(Image.fromarray(pixels).convert(mode), image_format)
        expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        assert (decoded(data, "7") == expected).all()

    def test_what_is_cut_short_is_refused(self, encode, pixels):
        with pytest.raises(ImageError, match="'7' cannot be decoded"):
            decoded(encode(pixels, "JPEG")[:-100], "7")

    def test_more_pixels_than_the_setting_allows_are_refused(self, encode, pixels):
        with config.override(max_image_pixels=130 * 90 - 1), pytest.raises(DataLimitError, match=r"130 x 90 pixels"):
            decoded(encode(pixels, "JPEG"), "7")
