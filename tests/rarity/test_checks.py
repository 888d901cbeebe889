"""How alike the images of a collection are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.rarity.checks import ImageComparison, drawn_indices


def stack(shades: list[int]) -> np.ndarray:
    """An image of one grey for each number."""
    return np.array(shades, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def compared(shades: list[int], parts: int = 1, weights: dict[str, int] | None = None):
    comparison = ImageComparison(weights)
    tokens = [str(number) for number in range(len(shades))]
    for some in np.array_split(np.arange(len(shades)), parts):
        if len(some):
            comparison.add([tokens[number] for number in some], stack([shades[number] for number in some]))
    return comparison.result()


def test_nothing_was_seen():
    found = compared([])
    assert (found.n_images, found.n_distinct, found.largest_share, found.placeholder_token) == (0, 0, 0.0, None)
    assert not found.is_pre_reveal(0.1)


def test_one_image_is_no_placeholder():
    found = compared([5])
    assert (found.n_images, found.n_distinct, found.largest_share, found.placeholder_token) == (1, 1, 1.0, None)
    assert not found.is_pre_reveal(1.0)


def test_two_equal_images_are_a_placeholder():
    found = compared([5, 5])
    assert (found.n_images, found.n_distinct, found.largest_share, found.placeholder_token) == (2, 1, 1.0, "0")
    assert found.is_pre_reveal(1.0)


def test_the_most_frequent_image_is_found_by_the_first_token_that_shows_it():
    found = compared([1, 2, 3, 2, 2, 1])
    assert (found.n_distinct, found.largest_share, found.placeholder_token) == (3, 0.5, "1")
    assert not found.is_pre_reveal(1.0)
    assert found.is_pre_reveal(0.5)


@pytest.mark.parametrize(("alike", "of", "threshold"), [(9, 10, 0.9), (7, 10, 0.7), (2, 3, 2 / 3), (99, 100, 0.99)])
def test_a_share_that_is_the_threshold_reaches_it(alike, of, threshold):
    assert compared([0] * alike + list(range(1, of - alike + 1))).is_pre_reveal(threshold)


def test_a_pixel_makes_a_difference():
    pixels = stack([7, 7])
    pixels[1, 1, 1, 2] += 1
    comparison = ImageComparison()
    comparison.add(["a", "b"], pixels)
    assert comparison.result().n_distinct == 2


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 5))
def test_any_collection_in_any_parts(shades, parts):
    found = compared(shades, parts)
    counts = Counter(shades)
    assert found.n_images == found.n_tokens == len(shades)
    assert found.n_distinct == len(counts)
    if shades:
        most = counts.most_common(1)[0][1]
        assert found.largest_share == most / len(shades)
        first = next(number for number, shade in enumerate(shades) if counts[shade] == most)
        assert found.placeholder_token == (str(first) if most > 1 else None)


def test_an_image_that_was_drawn_twice_counts_twice():
    found = compared([1, 2], weights={"0": 9, "1": 1})
    assert (found.n_images, found.n_tokens, found.largest_share) == (10, 2, 0.9)
    assert found.placeholder_token is None
    assert found.is_pre_reveal(0.9)


def test_one_token_that_was_drawn_ten_times_proves_nothing():
    assert not compared([1], weights={"0": 10}).is_pre_reveal(1.0)


@given(st.integers(0, 50), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_drawing_is_with_replacement_and_repeatable(count, sample_size, seed):
    drawn = drawn_indices(count, sample_size, seed)
    assert drawn == drawn_indices(count, sample_size, seed)
    assert list(drawn) == sorted(drawn)
    assert set(drawn) <= set(range(count))
    assert sum(drawn.values()) == (sample_size if count else 0)


def test_every_place_is_drawn_as_often_as_any_other():
    drawn = drawn_indices(10, 100_000, 0)
    assert all(abs(times - 10_000) < 500 for times in drawn.values())
