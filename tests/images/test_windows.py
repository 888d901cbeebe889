"""Features of points out of the maps of windows: as if one map of the whole photograph had been made."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.images.windows import Windows

STRIDE, SQUARE = 4, 8
SIZE = 60


def cell_means(windows):
    """A network whose cells are the mean colours of their own pixels: float32 [windows, 3, cells, cells]."""
    maps = []
    for window in windows:
        cells = len(window) // STRIDE
        pixels = window.reshape(cells, STRIDE, cells, STRIDE, 3).astype(np.float32)
        maps.append(pixels.mean((1, 3)).transpose(2, 0, 1))
    return np.stack(maps)


def blocks(seed=0):
    """A photograph of which every cell has one colour."""
    colours = np.random.default_rng(seed).integers(0, 256, (SIZE // STRIDE, SIZE // STRIDE, 3), np.uint8)
    return colours.repeat(STRIDE, 0).repeat(STRIDE, 1)


def features(pixels, rowcols, cells=5, margin=1):
    windows = Windows(pixels, rowcols, SQUARE, STRIDE, cells, margin)
    return windows.features(cell_means(windows))


POINT = st.tuples(*[st.integers(SQUARE, SIZE - SQUARE)] * 2)


@given(st.lists(POINT, min_size=1, max_size=5), st.integers(0, 2), st.integers(1, 6))
def test_a_feature_is_the_mean_over_its_square(rowcols, margin, kept):
    pixels = blocks()
    half = SQUARE // 2
    means = [pixels[row - half : row + half, col - half : col + half].mean((0, 1)) for row, col in rowcols]
    np.testing.assert_allclose(features(pixels, rowcols, kept + 2 * margin, margin), means, rtol=1e-5)


@given(st.lists(POINT, min_size=2, max_size=6))
def test_a_feature_does_not_depend_on_other_points(rowcols):
    pixels = blocks(1)
    alone = [features(pixels, [point])[0] for point in rowcols]
    np.testing.assert_array_equal(features(pixels, rowcols), alone)


def test_at_the_corners_the_photograph_is_mirrored():
    pixels = np.full((SIZE, SIZE + 3, 3), (10, 20, 30), np.uint8)
    corners = [(0, 0), (0, SIZE + 2), (SIZE - 1, 0), (SIZE - 1, SIZE + 2)]
    np.testing.assert_allclose(features(pixels, corners), [[10, 20, 30]] * 4, rtol=1e-6)


def test_windows_that_no_point_needs_are_not_made():
    pixels = blocks()
    everywhere = [(row, col) for row in range(0, SIZE, 2) for col in range(0, SIZE, 2)]
    assert len(Windows(pixels, [(30, 30)], SQUARE, STRIDE, 5, 1)) <= 4
    assert len(Windows(pixels, everywhere, SQUARE, STRIDE, 5, 1)) > 20
    assert [window.shape for window in Windows(pixels, everywhere, SQUARE, STRIDE, 5, 1)[:2]] == [(20, 20, 3)] * 2
