"""Preprocessing is that of torchvision's transforms, and CLIP's and ImageNet's can be said."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.exceptions import ConfigError, ImageError
from spacer_like.extractors.preprocessing import RESAMPLING, Preprocessing
from spacer_like.images import middle
from spacer_like.images.square import FILTERS, decoded


def photograph(width: int, height: int) -> Image.Image:
    """Waves of every length, and noise."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    waves = [np.sin(rows / 7 + columns / 11), np.cos(columns / 3), np.sin(rows * columns / 900)]
    noise = np.random.default_rng(0).normal(0, 0.2, (height, width, 3))
    return Image.fromarray(((np.stack(waves, 2) + noise) * 50 + 128).clip(0, 255).astype(np.uint8))


def by_torchvision(image: Image.Image, shortest: int, size: int, bicubic: bool, mean, std) -> np.ndarray:
    pytest.importorskip("torch")
    from spacer_like.extras import import_torchvision

    import_torchvision()
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    mode = InterpolationMode.BICUBIC if bicubic else InterpolationMode.BILINEAR
    return Compose([Resize(shortest, mode), CenterCrop(size), ToTensor(), Normalize(mean, std)])(image).numpy()


SIZES = [(224, 224), (640, 427), (427, 640), (301, 225), (225, 999), (100, 60), (37, 900), (1501, 226)]


@pytest.mark.parametrize("size", SIZES)
def test_clips_preprocessing_is_open_clips(size):
    # The numbers stand in open_clip's constants.
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    image, clip = photograph(*size), Preprocessing.clip()
    expected = by_torchvision(image, 224, 224, True, mean, std)
    found = clip.normalised(clip.square(image)[None])[0]
    assert (found.dtype, found.shape) == (np.float32, (3, 224, 224))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_imagenets_preprocessing_is_torchvisions(size):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    image, imagenet = photograph(*size), Preprocessing.imagenet()
    expected = by_torchvision(image, 256, 224, False, mean, std)
    found = imagenet.normalised(imagenet.square(image)[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_a_shortest_side_the_image_is_stretched():
    image = photograph(50, 20)
    expected = np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(Preprocessing(16, resample="lanczos").square(image), expected)


def test_the_input_range_is_what_white_is_before_the_mean():
    white = np.full((1, 2, 2, 3), 255, np.uint8)
    mean, std = (1.0, 0.5, 0.0), (2.0, 0.5, 1.0)
    assert Preprocessing(2, mean=mean, std=std).normalised(white)[0, :, 0, 0].tolist() == [0, 1, 1]
    found = Preprocessing(2, mean=(127, 127, 127), std=(128, 128, 128), input_range=255).normalised(white)
    assert found[0, :, 1, 1].tolist() == [1, 1, 1]


def test_what_would_be_too_large_is_cut_before_it_is_resized_to_nearly_the_same_pixels(monkeypatch):
    image = photograph(225, 999)
    expected = Preprocessing.clip().square(image)
    monkeypatch.setattr(middle, "_MOST_PIXELS", 1)
    found = Preprocessing.clip().square(image)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 0.01


def test_an_image_as_wide_as_a_line_takes_no_more_memory_than_another():
    # Resized as a whole it would have ten thousand million pixels.
    line = Image.new("RGB", (200_000, 1), (10, 20, 30))
    assert (Preprocessing.clip().square(line) == (10, 20, 30)).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_images_of_every_mode_with_colours_are_taken(mode):
    image = photograph(60, 40).convert(mode)
    expected = Preprocessing.clip(32).square(image.convert("RGB"))
    np.testing.assert_array_equal(Preprocessing.clip(32).square(image), expected)


def test_pixels_are_an_image_too():
    image = photograph(60, 40)
    np.testing.assert_array_equal(
        Preprocessing.clip(32).square(np.asarray(image)), Preprocessing.clip(32).square(image)
    )


def file_of(image: Image.Image, image_format: str) -> bytes:
    stream = BytesIO()
    image.save(stream, image_format)
    return stream.getvalue()


def filled(preprocessing: Preprocessing, data: bytes, **options: bool) -> np.ndarray:
    square = np.empty((preprocessing.size, preprocessing.size, 3), np.uint8)
    preprocessing.fill(**options)(square, data, "7.jpg")
    return square


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing.clip(64), Preprocessing.imagenet(64, 73), Preprocessing(50), Preprocessing(64, 80, "lanczos")],
)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF"])
def test_a_fill_makes_the_same_square_of_a_file(preprocessing, image_format):
    for width, height in [(64, 64), (73, 73), (300, 201), (70, 400), (20, 31)]:
        data = file_of(photograph(width, height), image_format)
        np.testing.assert_array_equal(filled(preprocessing, data), preprocessing.square(decoded(data, "7")))


def test_a_fill_that_shrinks_makes_nearly_the_same_square():
    data = file_of(photograph(640, 427), "JPEG")
    clip = Preprocessing.clip(64)
    assert np.abs(filled(clip, data, shrink_on_load=True).astype(int) - filled(clip, data)).mean() < 3
    # Where half of the image has less than three times the shortest side, it does not shrink.
    large = Preprocessing.clip(72)
    np.testing.assert_array_equal(filled(large, data, shrink_on_load=True), filled(large, data))


def test_every_filter_of_a_preprocessing_is_one_of_squares():
    assert set(FILTERS) == set(RESAMPLING)


def test_an_image_of_nothing_is_refused():
    with pytest.raises(ImageError, match="has no pixels"):
        Preprocessing.clip().square(Image.new("RGB", (0, 5)))


def test_every_part_counts_in_the_digest():
    base = Preprocessing(224, 256)
    others = [
        Preprocessing(224, 257),
        Preprocessing(223, 256),
        Preprocessing(224),
        Preprocessing(224, 256, "bilinear"),
        Preprocessing(224, 256, mean=(0.1, 0, 0)),
        Preprocessing(224, 256, std=(1, 1, 2)),
        Preprocessing(224, 256, input_range=255),
    ]
    digests = [one.digest() for one in (base, *others)]
    assert len({*digests, base.digest("more")}) == len(digests) + 1
    assert base.digest() == Preprocessing(224, 256).digest()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"size": 0}, "no square of 0 can be cut"),
        ({"size": 224, "shortest_side": 223}, "out of which no square of 224"),
        ({"size": 8, "resample": "cubic"}, "no filter 'cubic' .* bicubic"),
        ({"size": 8, "mean": (0, float("nan"), 0)}, "three finite numbers"),
        ({"size": 8, "std": (1, 1)}, "three finite numbers"),
        ({"size": 8, "std": (1, 0, 1)}, "must be above 0"),
        ({"size": 8, "input_range": 0}, "must be above 0"),
    ],
)
def test_a_preprocessing_that_cannot_be_is_refused(fields, reason):
    with pytest.raises(ConfigError, match=reason):
        Preprocessing(**fields)
