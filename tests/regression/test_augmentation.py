"""Batches: uniform in bins, half grey, and with the axis ratios that the images had."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.regression.augmentation import (
    Options,
    Pool,
    _moved,
    _repeated,
    bin_of,
    changed,
    class_of,
    fly_batch,
    grey_and_colour,
)

THICKNESS = 0.2


def pool(filters, seed, n=40, value=None):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (n, 12, 12, 3), np.uint8)
    if value is not None:
        images[:] = value
    inclinations = np.concatenate([np.arange(45, 91, 5), random.integers(45, 91, n - 10)]).astype(np.int32)
    return Pool(images, inclinations, np.arange(n, dtype=np.int32), random.choice(list(filters), n))


GREY, COLOUR = pool("gri", 1), pool("c", 2)


def test_bins_of_five_degrees_hold_their_upper_end():
    assert bin_of(np.array([45, 50, 51, 55, 56, 85, 86, 90])).tolist() == [0, 0, 1, 1, 2, 7, 8, 8]


def test_a_batch_is_uniform_and_half_grey():
    batch = fly_batch(GREY, COLOUR, 4, seed=7)
    is_colour = batch.filters == "c"
    assert (len(batch.images), is_colour.sum()) == (72, 36)
    assert np.bincount(bin_of(batch.inclinations[is_colour])).tolist() == [4] * 9
    source = np.where(is_colour, COLOUR.inclinations[batch.ids], GREY.inclinations[batch.ids])
    np.testing.assert_array_equal(batch.inclinations, source)


def test_half_of_the_grey_images_is_inverted():
    batch = fly_batch(pool("g", 1, value=255), COLOUR, 3, seed=7)
    grey = batch.images[batch.filters != "c"]
    assert sorted({int(image.min()) for image in grey} | {int(image.max()) for image in grey}) == [0, 255]
    assert (grey[:, 5, 5, 0] == 0).sum() == len(grey) // 2


def test_the_same_seed_gives_the_same_bytes_in_any_thread():
    expected = fly_batch(GREY, COLOUR, 2, seed=3)
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(lambda _: fly_batch(GREY, COLOUR, 2, seed=3), range(4)):
            assert found.images.tobytes() == expected.images.tobytes()
    assert fly_batch(GREY, COLOUR, 2, seed=4).images.tobytes() != expected.images.tobytes()


def test_every_step_of_a_seed_has_a_batch_of_its_own():
    batches = [fly_batch(GREY, COLOUR, 2, seed, step).images.tobytes() for seed, step in ((0, 0), (0, 1), (1, 0))]
    assert len(set(batches)) == 3


def parts(pool, *ends):
    return [Pool(*(values[begin:end] for values in vars(pool).values())) for begin, end in pairwise((0, *ends, None))]


@pytest.mark.parametrize("is_grey", [True, False])
def test_a_changed_image_is_an_array_of_its_own(is_grey):
    image = np.full((8, 8, 3), 7, np.uint8)
    image.flags.writeable = False
    found = changed(image, np.random.default_rng(0), is_grey, Options())
    assert (found.shape, found.dtype, found.flags.c_contiguous, found.flags.writeable) == (
        (8, 8, 3),
        np.uint8,
        True,
        True,
    )


def test_images_may_come_from_several_files():
    expected = fly_batch(GREY, COLOUR, 2, seed=3)
    found = fly_batch(parts(GREY, 5, 30), parts(COLOUR, 17), 2, seed=3)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_pools_are_parted_by_colour_and_not_copied_without_need():
    mixed = pool("cg", 4)
    greys, colours = grey_and_colour([GREY, mixed, COLOUR])
    assert (greys[0], colours[1]) == (GREY, COLOUR)
    np.testing.assert_array_equal(greys[1].ids, mixed.ids[mixed.filters == "g"])
    np.testing.assert_array_equal(colours[0].images, mixed.images[mixed.filters == "c"])


def test_both_classes_may_be_equally_frequent():
    def with_codes(pool):
        return Pool(pool.images, np.where(np.arange(40) < 4, np.arange(40) % 2, 45), pool.ids, pool.filters)

    batch = fly_batch(with_codes(GREY), with_codes(COLOUR), 6, seed=0, options=Options(by_class=True))
    assert np.bincount(class_of(batch.inclinations[batch.filters == "c"])).tolist() == [6, 6]
    assert len(batch.images) == 24


def test_the_images_given_are_not_modified():
    before = GREY.images.copy(), COLOUR.images.copy()
    fly_batch(GREY, COLOUR, 2, seed=3, options=Options(random_order=True, anisotropic_scale=True))
    np.testing.assert_array_equal(GREY.images, before[0])
    np.testing.assert_array_equal(COLOUR.images, before[1])


@pytest.mark.parametrize("fill", ["edge", "symmetric", "reflect", "wrap"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_an_image_goes_on_outside_as_numpy_pads_it(fill, size):
    np.testing.assert_array_equal(_repeated(-7, size + 9, size, fill), np.pad(np.arange(size), (7, 9), fill))


FILLS = {"constant": "constant", "edge": "nearest", "symmetric": "reflect", "reflect": "mirror", "wrap": "grid-wrap"}


@pytest.mark.parametrize("fill", FILLS)
def test_an_image_is_moved_as_by_cubic_interpolation(fill):
    smooth = ndimage.gaussian_filter(np.random.default_rng(2).uniform(0, 255, (1, 40, 40)), (0, 3, 3)).astype(
        np.float32
    )
    for seed in range(4):
        found = _moved(smooth, np.random.default_rng(seed), fill, 100.0, False)[0]
        random = np.random.default_rng(seed)
        angle, scale, shift = np.deg2rad(random.uniform(0, 359)), random.uniform(0.8, 1.2, 1), random.uniform(-6, 6, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        back, middle = turn.T / scale, np.full(2, 19.5)
        offset = middle - back @ (middle + shift)
        expected = ndimage.affine_transform(smooth[0], back, offset, order=3, mode=FILLS[fill], cval=100.0)
        # Beside its border an image has no smooth continuation.
        assert np.quantile(np.abs(found - expected), 0.9) < 0.5


def ellipse(inclination, size=160):
    """A white sky with a dark ellipse, as smooth as a galaxy, of the axis ratio of an inclination."""
    ratio = np.sqrt(np.cos(np.deg2rad(inclination)) ** 2 * (1 - THICKNESS**2) + THICKNESS**2)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y / ratio) / (size / 9)
    light = 255 * (1 - np.clip(1 - (radius / 2) ** 2, 0, 1) ** 2)
    return np.repeat(np.rint(light).astype(np.uint8)[..., None], 3, axis=2)


def inclination_of(image):
    """From the second moments of what is darker than the sky."""
    weights = 255.0 - image[..., 0]
    y, x = np.mgrid[: len(image), : len(image)]
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    covariance = [[(weights * a * b).sum() for a in (x, y)] for b in (x, y)]
    small, large = np.linalg.eigvalsh(covariance)
    cosine = (small / large - THICKNESS**2) / (1 - THICKNESS**2)
    return np.rad2deg(np.arccos(np.sqrt(np.clip(cosine, 0, 1))))


def spread(inclination, options):
    image = ellipse(inclination)
    seeds = range(20)
    found = [inclination_of(changed(image, np.random.default_rng(seed), True, options)) for seed in seeds]
    return np.abs(np.array(found) - inclination_of(image)).max()


@pytest.mark.parametrize("inclination", [45, 60, 75, 85])
def test_an_ideal_ellipse_keeps_its_axis_ratio(inclination):
    assert spread(inclination, Options()) < 0.2


def test_the_originals_scales_change_the_axis_ratio():
    assert spread(60, Options(anisotropic_scale=True)) > 3


def test_colour_may_be_changed_by_the_grey_recipe():
    batch = fly_batch(GREY, pool("c", 2, value=255), 2, seed=3, options=Options(grey_recipe_for_colour=True))
    assert (batch.images[batch.filters == "c"] == 255).all()


def test_what_no_batch_can_be_made_of_is_said():
    with pytest.raises(TrainingLabelsError, match="There is no grey image to make a batch of"):
        fly_batch(Pool(*(values[:0] for values in vars(GREY).values())), COLOUR, 2, seed=0)
    low = Pool(COLOUR.images, COLOUR.inclinations - 1, COLOUR.ids, COLOUR.filters)
    other_size = Pool(COLOUR.images[:, :6, :6], *list(vars(COLOUR).values())[1:])
    with pytest.raises(TrainingLabelsError, match="not of one size"):
        fly_batch(GREY, other_size, 2, seed=0)
    with pytest.raises(TrainingLabelsError, match="outside 45 to 90 degrees"):
        fly_batch(GREY, low, 2, seed=0)
