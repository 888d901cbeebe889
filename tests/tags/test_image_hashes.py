"""The hashes of images: by their pixels as Pillow gives them, and by their bytes."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spacer_like import config
from spacer_like.exceptions import DataLimitError, ImageError
from spacer_like.tags import image_hashes
from spacer_like.tags.image_hashes import content_hash, described_image, pixel_hash

PIXELS = np.random.default_rng(5).integers(0, 256, (37, 53, 3), np.uint8)
GREY = PIXELS[..., 0].astype(np.uint16) * 257


def encoded(image, image_format, **options):
    stream = BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def animated():
    frames = [Image.fromarray(PIXELS).quantize(), Image.fromarray(PIXELS[::-1]).quantize()]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


TURNED = Image.Exif()
TURNED[0x0112] = 6
RGB = Image.fromarray(PIXELS)
FILES = {
    "JPEG": encoded(RGB, "JPEG"),
    "JPEG, progressive": encoded(RGB, "JPEG", progressive=True),
    "JPEG, grey": encoded(RGB.convert("L"), "JPEG"),
    "JPEG, CMYK": encoded(RGB.convert("CMYK"), "JPEG"),
    "JPEG, turned by EXIF": encoded(RGB, "JPEG", exif=TURNED),
    "PNG": encoded(RGB, "PNG"),
    "PNG, palette": encoded(RGB.quantize(17), "PNG"),
    "PNG, transparent palette": encoded(RGB.quantize(17), "PNG", transparency=b"\x80\0\xff"),
    "PNG, transparent": encoded(RGB.convert("RGBA"), "PNG"),
    "PNG, bits": encoded(RGB.convert("1"), "PNG"),
    "PNG, 16 bits": encoded(Image.fromarray(GREY), "PNG"),
    "TIFF, 16 bits": encoded(Image.fromarray(GREY), "TIFF"),
    "WEBP": encoded(RGB, "WEBP"),
    "WEBP, transparent": encoded(RGB.convert("RGBA"), "WEBP", lossless=True),
    "GIF": animated(),
    "BMP": encoded(RGB, "BMP"),
    "PPM": encoded(RGB, "PPM"),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_pixel_hash_is_that_of_the_bytes_that_pillow_decodes(kind):
    data = FILES[kind]
    with Image.open(BytesIO(data)) as image:
        expected = hashlib.blake2b(image.tobytes()).hexdigest()
        size, image_format = image.size, image.format
    found = described_image(data, kind)
    assert found.hash_id == pixel_hash(data) == expected
    assert (found.width, found.height, found.file_type, found.n_bytes) == (*size, image_format, len(data))
    assert content_hash(data) == hashlib.blake2b(data, digest_size=32).hexdigest()


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "I;16", "I;16B"]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MODES), st.integers(1, 40), st.integers(1, 40), st.integers(1, 2000), st.randoms())
def test_parts_of_an_image_have_the_hash_of_the_whole(mode, width, height, part, random):
    image = Image.new(mode, (width, height))
    image.frombytes(random.randbytes(len(image.tobytes())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_hashes, "_STRIP_BYTES", part)
        assert pixel_hash(image) == hashlib.blake2b(image.tobytes()).hexdigest()


def test_the_pixel_hash_ignores_size_mode_and_palette_and_the_content_hash_does_not():
    red, blue = (Image.new("P", (20, 10)) for _ in range(2))
    red.putpalette([255, 0, 0])
    blue.putpalette([0, 0, 255])
    black = [Image.new("RGB", (10, 20)), Image.new("RGB", (20, 10)), Image.new("L", (30, 20))]
    alike = [[red, blue], black]
    for images in alike:
        files = [encoded(image, "PNG") for image in images]
        assert len({pixel_hash(data) for data in files}) == 1
        assert len({content_hash(data) for data in files}) == len(files)


def test_the_first_frame_of_a_gif_has_the_hash_of_its_png():
    with Image.open(BytesIO(FILES["GIF"])) as image:
        first = encoded(image, "PNG")
    assert pixel_hash(FILES["GIF"]) == pixel_hash(first)


@pytest.mark.parametrize("kind", FILES)
def test_an_image_is_decoded_once_for_its_hash_and_for_the_network(kind, monkeypatch):
    decoded = []
    for name in ("identified", "decoded_jpeg"):
        real = getattr(image_hashes, name)
        monkeypatch.setattr(image_hashes, name, lambda *given, real=real: decoded.append(1) or real(*given))
    received = []
    found = described_image(FILES[kind], kind, lambda image: received.append(np.array(image)))
    assert len(decoded) == 2
    [pixels] = received
    assert (pixels.shape, pixels.dtype) == ((found.height, found.width, 3), np.uint8)


def test_a_network_is_given_sixteen_bits_as_eight():
    received = []
    described_image(FILES["PNG, 16 bits"], "depth.png", lambda image: received.append(np.array(image)))
    assert (received[0] == PIXELS[..., :1]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF, 16 bits", "GIF", "BMP"])
def test_an_image_that_is_cut_short_is_told(kind):
    data = FILES[kind]
    with pytest.raises(ImageError, match=rf"^The image '{kind}' cannot be decoded: .*\.$"):
        described_image(data[: len(data) // 3], kind)


def test_what_is_no_image_is_told():
    with pytest.raises(ImageError, match=r"The file 'reef\.jpg' is not an image of a known format"):
        described_image(b"no image", "reef.jpg")


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(image_hashes, "decoded_jpeg", None)
    with config.override(max_image_pixels=37 * 53 - 1), pytest.raises(DataLimitError, match="MAX_IMAGE_PIXELS"):
        described_image(FILES["PNG"], "reef.png")


def test_pixels_of_floating_point_have_a_hash_and_do_not_enter_a_network():
    data = encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF")
    assert (
        described_image(data, "depth.tif").hash_id
        == hashlib.blake2b(PIXELS[..., 0].astype(np.float32).tobytes()).hexdigest()
    )
    with pytest.raises(ImageError, match="nobody knows which is white"):
        described_image(data, "depth.tif", lambda image: None)


def test_the_error_of_the_one_who_receives_the_image_is_not_the_image_s():
    def refuse(image):
        raise ValueError("no such square")

    with pytest.raises(ValueError, match=r"^no such square$"):
        described_image(FILES["PNG"], "reef.png", refuse)
