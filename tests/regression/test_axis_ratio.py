"""Axis ratios of ellipses that are known, whatever lies beside them, and reasons where there is nothing to measure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.regression.axis_ratio import (
    DOUBTFUL,
    GOOD,
    NOT_MEASURED,
    hubble_inclination,
    measured_axis_ratio,
)

METHODS = ["isophotes", "moments"]


def ellipse(ratio=0.5, angle=0.0, length=12.0, size=96, at=(0.0, 0.0), power=1.0):
    """A galaxy of elliptical isophotes, float64 [size, size], at a distance from the middle (x, y)."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    x, y = columns - at[0], rows - at[1]
    turn = math.radians(angle)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    return 100 * np.exp(-(np.hypot(along, across / ratio) ** power) / length**power * (0.5 if power == 2 else 1))


def star(image, x, y, peak, width=1.5):
    rows, columns = np.indices(image.shape)
    return image + peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))


def turn_between(first, second):
    return abs((first - second + 90) % 180 - 90)


def with_noise(image, deviation=1.0, seed=0):
    return image + np.random.default_rng(seed).normal(0, deviation, image.shape)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ratio", [0.25, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("angle", [0, 30, 90, 155])
def test_ideal_ellipses(method, ratio, angle):
    found = measured_axis_ratio(ellipse(ratio, angle, power=2), method, background=0)
    assert found.axis_ratio == pytest.approx(ratio, abs=0.01)
    assert turn_between(found.position_angle, angle) < 1
    assert (found.flag, found.reason) == (GOOD, "")
    assert (found.x, found.y) == pytest.approx((47.5, 47.5), abs=0.1)
    assert found.semi_minor == pytest.approx(found.axis_ratio * found.semi_major)


def test_the_disc_of_a_galaxy_with_its_sky_subtracted():
    found = measured_axis_ratio(ellipse(0.5, 20, size=128), background=0)
    assert found.axis_ratio == pytest.approx(0.5, abs=0.01)
    assert turn_between(found.position_angle, 20) < 1


def test_a_round_galaxy_is_seen_face_on():
    found = measured_axis_ratio(ellipse(1.0, power=2), background=0)
    assert found.axis_ratio == pytest.approx(1, abs=0.01)
    assert found.inclination < 8


def test_a_needle_is_seen_from_its_edge():
    found = measured_axis_ratio(ellipse(0.12, 40, length=20, size=128, power=2), background=0)
    assert found.inclination == 90
    assert found.axis_ratio == pytest.approx(0.12, abs=0.015)
    assert found.semi_major > found.semi_minor


def test_seeing_is_taken_off():
    width = 3.0
    # A Gaussian of axes 8 and 4 behind one of the deviation 3.
    seen = ellipse(math.hypot(4, width) / math.hypot(8, width), length=math.hypot(8, width), power=2)
    blurred = measured_axis_ratio(seen, "moments", background=0)
    sharp = measured_axis_ratio(seen, "moments", background=0, seeing=width / 0.4247)
    assert blurred.axis_ratio > 0.57
    assert sharp.axis_ratio == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_a_galaxy_that_is_no_larger_than_the_seeing_is_not_measured(method):
    found = measured_axis_ratio(ellipse(0.5, length=8, power=2), method, background=0, seeing=100)
    assert (found.flag, found.reason) == (2, "The galaxy is no larger than the seeing that is taken off.")


@pytest.mark.parametrize("method", METHODS)
def test_stars_and_neighbours_are_left_out(method):
    image = with_noise(ellipse(0.5, 30, length=8, power=2))
    alone = measured_axis_ratio(image, method)
    for x, y, peak in ((70, 30, 300), (20, 55, 80), (55, 40, 60), (85, 85, 500)):
        image = star(image, x, y, peak)
    image += ellipse(0.4, 120, 5, at=(-28, 30), power=2) * 0.7
    crowded = measured_axis_ratio(image, method)
    assert crowded.axis_ratio == pytest.approx(alone.axis_ratio, abs=0.05)
    assert turn_between(crowded.position_angle, alone.position_angle) < 4


def test_a_sky_that_slopes_makes_no_difference():
    image = with_noise(ellipse(0.5, 30, length=7, power=2), 0.5)
    rows, columns = np.indices(image.shape)
    flat, sloped = measured_axis_ratio(image), measured_axis_ratio(image + 50 + 0.3 * columns - 0.2 * rows)
    assert sloped.axis_ratio == pytest.approx(flat.axis_ratio, abs=0.01)
    assert turn_between(sloped.position_angle, flat.position_angle) < 1


def test_a_galaxy_beside_the_middle():
    found = measured_axis_ratio(ellipse(0.5, 60, length=7, at=(11, -8), power=2), background=0)
    assert (found.x, found.y) == pytest.approx((58.5, 39.5), abs=0.3)
    assert found.axis_ratio == pytest.approx(0.5, abs=0.02)


def test_a_saturated_galaxy():
    found = measured_axis_ratio(np.minimum(ellipse(0.5, 30, power=2), 30).astype(np.uint8), background=0)
    assert found.axis_ratio == pytest.approx(0.5, abs=0.02)
    assert turn_between(found.position_angle, 30) < 1


def test_pixels_that_are_no_number_are_left_out():
    image = with_noise(ellipse(0.5, 30, length=8, power=2), 0.2)
    image[5:9, 60:90], image[80, 3] = np.nan, np.inf
    before = image.copy()
    found = measured_axis_ratio(image)
    assert found.axis_ratio == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(image, before, equal_nan=True)


def test_a_large_image_in_colour_is_measured_in_its_own_pixels():
    large = ellipse(0.5, 30, length=36, size=400, at=(20, 0), power=2)
    found = measured_axis_ratio(np.stack([large, large / 2, large * 2], axis=2), background=0)
    assert found.axis_ratio == pytest.approx(0.5, abs=0.01)
    assert (found.x, found.y) == pytest.approx((219.5, 199.5), abs=0.5)
    assert 70 < found.semi_major < 110


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32)),
        np.full((32, 32, 3), 200, np.uint8),
        np.full((32, 32), np.nan),
        np.full((32, 32), np.inf),
        np.ones((4, 40)),
        np.ones(7),
        np.zeros((0, 0)),
        np.full((32, 32), -1e300),
        ellipse(length=4000, size=32),
    ],
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("background", [None, 0.0, 300.0])
def test_where_nothing_can_be_fitted_there_is_a_reason(image, method, background):
    found = measured_axis_ratio(image, method, background)
    if found.flag == NOT_MEASURED:
        assert math.isnan(found.axis_ratio)
        assert found.reason.endswith(".")
        assert found.quality == 0


def test_isophotes_of_no_one_shape_are_doubtful():
    image = ellipse(0.15, 0, length=12, power=2) + ellipse(0.15, 80, length=9, power=2)
    found = measured_axis_ratio(image, background=0)
    assert found.flag == DOUBTFUL
    assert "no ellipses" in found.reason


@given(
    ratio=st.floats(0.25, 0.9),
    angle=st.floats(0, 180),
    seed=st.integers(0, 1000),
    size=st.sampled_from([48, 61, 150]),
)
@settings(max_examples=25, deadline=None)
def test_a_quarter_turn_changes_the_angle_alone(ratio, angle, seed, size):
    image = with_noise(ellipse(ratio, angle, size / 10, size, power=2), seed=seed)
    one, turned = measured_axis_ratio(image), measured_axis_ratio(np.rot90(image))
    assert turned.axis_ratio == pytest.approx(one.axis_ratio, abs=0.02)
    assert turn_between(turned.position_angle, one.position_angle + 90) < 3
    assert 0 < one.semi_minor <= one.semi_major


@given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_unit_of_light_makes_no_difference(factor, seed):
    image = with_noise(ellipse(0.5, 30, 6, 48, power=2), seed=seed)
    one, other = measured_axis_ratio(image), measured_axis_ratio(image * factor)
    assert other.axis_ratio == pytest.approx(one.axis_ratio, abs=1e-6)
    assert other.position_angle == pytest.approx(one.position_angle, abs=1e-4)


@pytest.mark.parametrize(("ratio", "degrees"), [(1, 0), (0.2, 90), (0.05, 90), (math.sqrt(0.28), 60), (1.2, 0)])
def test_the_formula_of_hubble(ratio, degrees):
    assert hubble_inclination(ratio) == pytest.approx(degrees, abs=1e-6)


def test_a_thinner_disc_is_less_inclined():
    assert hubble_inclination(0.3, 0.1) < hubble_inclination(0.3, 0.2)
