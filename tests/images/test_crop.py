"""Crops are those of the image padded by reflection, without the padding."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spacer_like.exceptions import RowColumnInvalidError
from spacer_like.images.crop import Patches, crop_patches, patch_batches


def padded_crop(image: np.ndarray, row: int, col: int, size: int) -> np.ndarray:
    """The definition: pad all of the image, then cut."""
    padded = np.pad(image, ((size, size), (size, size), (0, 0)), mode="reflect")
    top, left = int(row + size - size / 2), int(col + size - size / 2)
    return padded[top : top + size, left : left + size]


@settings(max_examples=300)
@given(st.data())
def test_crops_equal_those_of_a_padded_copy(data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    size = data.draw(st.integers(1, 50))
    image = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    assert np.array_equal(crop_patches(image, [(row, col)], size)[0], padded_crop(image, row, col, size))


def test_the_usual_size_has_112_rows_before_the_point():
    image = np.random.default_rng(0).integers(0, 256, (500, 600, 3), dtype=np.uint8)
    (patch,) = crop_patches(image, [(250, 300)])
    assert np.array_equal(patch, image[138:362, 188:412])


def test_a_crop_inside_the_image_is_a_view():
    image = np.zeros((500, 600, 3), np.uint8)
    assert Patches(image, [(250, 300)])[0].base is image


def test_one_pixel_fills_the_crop():
    (patch,) = crop_patches(Image.new("RGB", (1, 1), (10, 20, 30)), [(0, 0)])
    assert patch.shape == (224, 224, 3)
    assert (patch == (10, 20, 30)).all()


def test_patches_are_a_sequence():
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    points = [(0, 0), (59, 69), (30, 40), (30, 40), (1, 68)]
    patches = Patches(image, points, 32)
    assert len(patches) == 5
    assert np.array_equal(np.stack(patches), np.stack(crop_patches(image, points, 32)))
    assert [patch.shape for patch in patches[3:]] == [(32, 32, 3)] * 2
    assert np.array_equal(patches[-1], patches[4])


def test_batches_hold_all_patches_in_order():
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    patches = Patches(image, [(row, row) for row in range(11)], 16)
    batches = list(patch_batches(patches, 4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert np.array_equal(np.concatenate(batches), np.stack(patches))


def test_many_points_at_the_edge_do_not_need_all_their_patches_at_once():
    patches = Patches(np.zeros((400, 400, 3), np.uint8), [(0, number % 400) for number in range(200)])
    tracemalloc.start()
    for _ in patch_batches(patches, 2):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 224 * 224 * 3


@pytest.mark.parametrize("point", [(-1, 0), (0, -1), (60, 0), (0, 70)])
def test_a_point_outside_is_an_error(point):
    with pytest.raises(RowColumnInvalidError, match="outside the image of 60 rows and 70 columns"):
        Patches(np.zeros((60, 70, 3), np.uint8), [(3, 3), point])
