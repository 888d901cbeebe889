"""Colours are sorted into ten bins a channel, as NumPy's histogram sorts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spacer_like.rarity.bins import BINS, COLOURS, bin_centres, bin_of, colours_of, hex_colour

EVERY_VALUE = np.arange(256)
EDGES = np.linspace(0, 255, BINS + 1)


def test_every_value_is_in_the_bin_that_numpy_histogram_puts_it_in():
    for value in EVERY_VALUE:
        counts, _ = np.histogram([value], bins=BINS, range=(0, 255))
        assert bin_of()[value] == counts.argmax(), value


def test_every_value_is_in_the_bin_that_numpy_digitize_puts_it_in():
    np.testing.assert_array_equal(bin_of(), np.digitize(EVERY_VALUE, EDGES[1:-1]))


def test_the_bins_are_nearly_equally_wide():
    assert np.bincount(bin_of()).tolist() == [26, 25, 26, 25, 26, 25, 26, 25, 26, 26]


@pytest.mark.parametrize(
    ("colour", "cell"), [((0, 0, 0), 0), ((255, 255, 255), 999), ((255, 0, 0), 900), ((26, 51, 77), 123)]
)
def test_a_colour_s_cell_has_the_digits_of_its_bins(colour, cell):
    assert colours_of(np.array(colour, np.uint8)) == cell


@given(arrays(np.uint8, array_shapes(max_dims=3, max_side=5).map(lambda shape: (*shape, 3))))
def test_cells_keep_the_shape_and_are_those_of_numpy_histogramdd(pixels):
    colours = colours_of(pixels)
    assert colours.shape == pixels.shape[:-1]
    counts, _ = np.histogramdd(pixels.reshape(-1, 3), bins=BINS, range=[(0, 255)] * 3)
    np.testing.assert_array_equal(np.bincount(colours.reshape(-1), minlength=COLOURS), counts.reshape(-1))


@given(st.integers(0, COLOURS - 1))
def test_the_colour_of_a_cell_lies_in_it(cell):
    colour = bin_centres()[cell]
    assert colours_of(colour) == cell
    assert hex_colour(cell) == "#" + bytes(colour.tolist()).hex()
