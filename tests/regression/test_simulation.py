"""Made galaxies: known inclinations, the same bytes however they are made, and images as those of cameras."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spacer_like.regression.simulation import SimulationOptions, simulated
from spacer_like.regression.stretching import Display, shown_colour, shown_grey

pytest.importorskip("galsim")

WILD = SimulationOptions(0, 90, rotated=False, randomised=True)


def moments(image):
    """The axis ratio and the position angle in degrees of the light of an image."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image / image.sum()
    x, y = columns - (weights * columns).sum(), rows - (weights * rows).sum()
    xx, yy, xy = ((weights * product).sum() for product in (x * x, y * y, x * y))
    low, high = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    return (low / high) ** 0.5, np.degrees(np.arctan2(2 * xy, xx - yy) / 2) % 180


def arrays(galaxy):
    return galaxy.bands.tobytes() + galaxy.grey.tobytes() + galaxy.colour.tobytes()


@pytest.mark.parametrize("options", [SimulationOptions(), WILD])
def test_a_galaxy_is_the_same_alone_and_among_others_in_any_thread(options):
    alone = [arrays(simulated(3, index, 32, options)) for index in (5, 2)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda index: arrays(simulated(3, index, 32, options)), range(6)))
    assert alone == [together[5], together[2]]
    assert len(set(together)) == 6
    assert arrays(simulated(4, 5, 32, options)) != together[5]


def test_shapes_and_types():
    galaxy = simulated(0, 0, 24, WILD)
    assert (galaxy.bands.shape, galaxy.bands.dtype) == ((3, 24, 24), np.float32)
    assert (galaxy.grey.shape, galaxy.grey.dtype) == ((3, 24, 24), np.uint8)
    assert (galaxy.colour.shape, galaxy.colour.dtype) == ((24, 24, 3), np.uint8)


def test_inclinations_fill_the_range_asked_for():
    found = [simulated(1, index, 16, SimulationOptions(60, 70)).truth.inclination for index in range(40)]
    assert 60 <= min(found) < 62
    assert 68 < max(found) <= 70


def test_a_tilted_disc_is_flatter_and_lies_as_the_truth_says():
    options = SimulationOptions(50, 50, rotated=False), SimulationOptions(85, 85, rotated=False)
    less, more = (simulated(2, 7, 64, option) for option in options)
    found = [moments(np.maximum(galaxy.bands[1] - 3 * galaxy.truth.noise, 0)) for galaxy in (less, more)]
    for galaxy, (_, angle) in zip((less, more), found, strict=True):
        assert abs((angle - galaxy.truth.position_angle + 90) % 180 - 90) < 3
    assert found[0][0] > found[1][0] + 0.1


def test_rotated_galaxies_lie_along_the_rows():
    galaxy = simulated(2, 3, 48, SimulationOptions(80, 80))
    assert galaxy.truth.position_angle == 0
    assert (moments(np.maximum(galaxy.bands[2] - 3 * galaxy.truth.noise, 0))[1] + 10) % 180 < 20


def test_the_noise_of_the_sky_is_as_the_truth_says():
    galaxy = simulated(5, 1, 96)
    corner = galaxy.bands[1, :20, :20]
    assert corner.std() == pytest.approx(galaxy.truth.noise, rel=0.15)


@pytest.mark.parametrize(("size", "least", "most"), [(8, 45, 90), (32, 80, 50), (32, -1, 90), (32, 45, 91)])
def test_what_cannot_be_drawn_is_refused(size, least, most):
    with pytest.raises(ValueError, match="drawn"):
        simulated(0, 0, size, SimulationOptions(least, most))


def test_colour_keeps_its_hue_where_it_is_bright():
    bands = np.zeros((3, 8, 8))
    bands[2, 2:4, 2:4], bands[1, 2:4, 2:4] = 1e6, 5e5
    red, green, blue = shown_colour(bands, Display())[2, 2]
    assert (red, blue) == (255, 0)
    assert green == pytest.approx(128, abs=1)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_even_image_is_shown_black(value):
    bands = np.full((3, 8, 8), value)
    assert not shown_grey(bands, Display()).any()
    assert not shown_colour(bands, Display()).any()


def test_jpeg_leaves_its_traces():
    bands = np.random.default_rng(0).normal(0, 1, (3, 32, 32))
    assert (shown_colour(bands, Display()) != shown_colour(bands, Display(jpeg_quality=50))).mean() > 0.5
