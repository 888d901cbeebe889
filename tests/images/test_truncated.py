"""Images that end too early, or are damaged, decode as far as they go."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile

from spacer_like.exceptions import ImageError
from spacer_like.images.decode import open_image, to_rgb_array

FORMATS = [
    ("JPEG", {"quality": 90}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"restart_marker_blocks": 4}),
    ("PNG", {}),
    ("BMP", {}),
    ("GIF", {}),
    ("PPM", {}),
    ("TIFF", {}),
]


def decoded(data: bytes) -> np.ndarray:
    return to_rgb_array(open_image(data, "cut.jpg"))


@pytest.mark.parametrize("share", [0.4, 0.7, 0.97])
@pytest.mark.parametrize(("image_format", "options"), FORMATS)
def test_the_pixels_are_those_of_pillow_with_its_global_set(pixels, encode, monkeypatch, image_format, options, share):
    whole = encode(pixels, image_format, **options)
    cut = whole[: int(len(whole) * share)]
    ours = decoded(cut)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert np.array_equal(ours, np.asarray(Image.open(BytesIO(cut)).convert("RGB")))


def test_what_precedes_the_cut_is_there(pixels, encode):
    whole = encode(pixels, "PNG")
    cut = decoded(whole[: len(whole) // 2])
    assert np.array_equal(cut[:20], pixels[:20])
    assert not cut[-5:].any()


def test_damage_in_the_middle_is_logged_and_survived(pixels, encode, caplog):
    damaged = bytearray(encode(pixels, "PNG"))
    damaged[len(damaged) // 2 :] = b"\xff\x17" * (len(damaged) // 4)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(decoded(bytes(damaged))[:20], pixels[:20])
    assert "'cut.jpg' is truncated or damaged" in caplog.text


def test_a_whole_image_is_not_called_truncated(pixels, encode, caplog):
    decoded(encode(pixels, "JPEG"))
    assert not caplog.records


@pytest.mark.parametrize(("image_format", "options"), FORMATS)
def test_a_body_of_which_nothing_can_be_decoded_is_an_error(pixels, encode, image_format, options):
    whole = encode(pixels, image_format, **options)
    header_only = next(
        whole[:length]
        for length in range(len(whole) - 1, 0, -1)
        if length < 1500 and not _starts_body(whole[:length], image_format)
    )
    with pytest.raises(ImageError, match=r"cut\.jpg"):
        decoded(header_only)


def test_asking_again_for_pixels_that_are_not_there_is_the_same_error(pixels, encode):
    whole = encode(pixels, "JPEG")
    image = open_image(whole[: whole.index(b"\xff\xda")], "cut.jpg")
    for _ in range(2):
        with pytest.raises(ImageError, match=r"'cut\.jpg' cannot be decoded"):
            to_rgb_array(image)


def _starts_body(data: bytes, image_format: str) -> bool:
    marks = {"JPEG": b"\xff\xda", "PNG": b"IDAT"}
    return marks[image_format] in data if image_format in marks else len(data) > 60


def test_many_threads_at_once(pixels, encode):
    whole = encode(pixels, "JPEG", quality=90)
    cuts = [whole[: int(len(whole) * share)] for share in np.linspace(0.3, 1.0, 24)]
    expected = [decoded(cut) for cut in cuts]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(decoded, cuts * 4))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected * 4, strict=True))
