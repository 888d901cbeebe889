"""Features without weights: what they are, and what does not change them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacer_like.config import override
from spacer_like.exceptions import ExtractorMismatchError, MessageError, SpacerInputError
from spacer_like.extractors import (
    BandStatisticsExtractor,
    FeatureExtractor,
    RandomFeaturesExtractor,
    extractor_named,
)
from spacer_like.extractors.band_extractors import BandExtractor, BandImage
from spacer_like.extractors.band_features import random_filters
from spacer_like.testing.extractor import ExtractorContract

KINDS = [BandStatisticsExtractor, RandomFeaturesExtractor]
of_each = pytest.mark.parametrize("kind", KINDS)


def image(bands: int = 5, dtype: str = "uint16", size: int = 12, seed: int = 0, holes: bool = False) -> BandImage:
    random = np.random.default_rng(seed)
    pixels = random.integers(1, 200, (size, size, bands)).astype(dtype)
    return BandImage(pixels, random.random((size, size)) < 0.95 if holes else None)


def vectors_of(kind: type[BandExtractor], *images: BandImage, **arguments: object) -> np.ndarray:
    return kind(**arguments).taking(images[0]).patches_to_features(images)[0]


class TestStatisticsContract(ExtractorContract):
    @pytest.fixture
    def extractor(self):
        return BandStatisticsExtractor()


class TestRandomFeaturesContract(ExtractorContract):
    @pytest.fixture
    def extractor(self):
        return RandomFeaturesExtractor()


# What the numbers are.


def test_statistics_are_mean_deviation_and_quantiles_of_each_band():
    one = image(dtype="float32", holes=True)
    found = vectors_of(BandStatisticsExtractor, one, quantiles=[0, 0.5, 1]).reshape(5, 5)
    for band, numbers in enumerate(found):
        values = one.pixels[one.valid, band].astype(float)
        middle = np.sort(values)[int((len(values) - 1) / 2 + 0.5)]
        expected = [values.mean(), values.std(), values.min(), middle, values.max()]
        np.testing.assert_allclose(numbers, expected, rtol=1e-6)


def test_random_features_are_those_of_the_formula():
    """Written out with loops over positions."""
    one = image(bands=2, dtype="uint8", holes=True)
    found = vectors_of(RandomFeaturesExtractor, one, n_features=8, kernel=3, stride=2, bias=-0.5)
    filters = random_filters(3, 2, 4, 0).reshape(3, 3, 2, 4).astype(float)
    answers = []
    for row in range(0, 10, 2):
        for column in range(0, 10, 2):
            part = slice(row, row + 3), slice(column, column + 3)
            if one.valid[part].all():
                answers.append(np.einsum("ijb,ijbf->f", one.pixels[part] / 255, filters))
    expected = [np.maximum(sign * np.array(answers) - 0.5, 0).mean(axis=0) for sign in (1, -1)]
    np.testing.assert_allclose(found[0], np.concatenate(expected), rtol=1e-4, atol=1e-6)


def test_filters_stay_the_same():
    expected = [[1.69053, -0.46594], [-0.78892, 0.00207]]
    np.testing.assert_allclose(random_filters(3, 2, 4, 7)[:2, :2], expected, atol=1e-5)


@of_each
def test_the_range_of_values_scales_them(kind):
    bytes_of = image(bands=3, dtype="uint8")
    reflectances = BandImage((bytes_of.pixels / 255).astype(np.float32))
    np.testing.assert_allclose(vectors_of(kind, bytes_of), vectors_of(kind, reflectances), rtol=1e-4, atol=1e-5)
    doubled = vectors_of(kind, bytes_of, value_range=(0, 510))
    np.testing.assert_allclose(doubled, vectors_of(kind, BandImage(reflectances.pixels / 2)), rtol=1e-4, atol=1e-5)


# Laws.


@of_each
@settings(max_examples=10)
@given(data=st.data())
def test_neither_company_nor_order_changes_a_vector(kind, data):
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "float32"]))
    images = [image(3, dtype, seed=seed, size=8 + seed % 3, holes=seed % 2 == 1) for seed in range(10)]
    together = vectors_of(kind, *images)
    order = data.draw(st.permutations(range(10)))
    shuffled = vectors_of(kind, *[images[index] for index in order])
    assert shuffled.tobytes() == together[order].tobytes()
    chosen = order[0]
    assert vectors_of(kind, images[chosen]).tobytes() == together[chosen : chosen + 1].tobytes()


@of_each
@settings(max_examples=20)
@given(
    hidden=arrays(np.float32, (12, 12, 5), elements=st.floats(width=32)), dtype=st.sampled_from(["uint8", "float32"])
)
def test_pixels_without_data_do_not_change_a_vector(kind, hidden, dtype):
    one = image(dtype=dtype, holes=True)
    with np.errstate(invalid="ignore"):
        other = BandImage(np.where(one.valid[:, :, None], one.pixels, hidden).astype(dtype), one.valid)
    assert vectors_of(kind, one).tobytes() == vectors_of(kind, other).tobytes()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), holes=st.booleans())
def test_statistics_do_not_depend_on_where_pixels_lie(seed, holes):
    one = image(dtype="float32", seed=seed, holes=holes)
    order = np.random.default_rng(seed).permutation(144)
    moved = one.pixels.reshape(144, 5)[order].reshape(12, 12, 5)
    valid = None if one.valid is None else one.valid.ravel()[order].reshape(12, 12)
    assert vectors_of(BandStatisticsExtractor, one).tobytes() == (
        vectors_of(BandStatisticsExtractor, BandImage(moved, valid)).tobytes()
    )


@settings(max_examples=20)
@given(value=st.integers(0, 255), bands=st.integers(1, 4))
def test_a_constant_image_has_one_value_and_no_deviation(value, bands):
    constant = BandImage(np.full((6, 7, bands), value, np.uint8))
    numbers = vectors_of(BandStatisticsExtractor, constant).reshape(bands, 7)
    assert (numbers[:, 1] == 0).all()
    assert set(np.delete(numbers, 1, axis=1).ravel().tolist()) == {np.float32(value / 255)}
    answers = random_filters(3, bands, 4, 0).astype(float).sum(axis=0) * value / 255
    expected = np.maximum(np.concatenate([answers, -answers]) - 1, 0)
    found = vectors_of(RandomFeaturesExtractor, constant, n_features=8)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@of_each
def test_an_image_without_data_is_nothing_but_zeros(kind):
    empty = BandImage(np.full((5, 5, 2), np.nan, np.float32), np.zeros((5, 5), bool))
    assert not vectors_of(kind, empty).any()


@of_each
def test_the_number_of_threads_changes_nothing(kind):
    images = [image(seed=seed, size=20) for seed in range(40)]
    found = set()
    for threads in (1, 2, 3):
        with override(torch_threads=threads):
            found.add(vectors_of(kind, *images).tobytes())
    assert len(found) == 1


@of_each
def test_the_pixels_are_not_changed(kind):
    one = image(holes=True)
    before = one.pixels.copy()
    vectors_of(kind, one)
    assert (one.pixels == before).all()


@of_each
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_one_band_that_may_not_be_written_is_taken(kind, dtype):
    one = image(bands=1, dtype=dtype)
    expected = vectors_of(kind, BandImage(one.pixels.copy(), None))
    one.pixels.flags.writeable = False
    assert (vectors_of(kind, one) == expected).all()


# What is recorded, and refused.


def test_all_that_changes_vectors_changes_the_id():
    made = [
        BandStatisticsExtractor(),
        BandStatisticsExtractor(quantiles=[0.5]),
        *(RandomFeaturesExtractor(**one) for one in ({}, {"seed": 1}, {"kernel": 4}, {"stride": 1}, {"bias": 0})),
        *(RandomFeaturesExtractor(**one) for one in ({"n_features": 8}, {"bands": 4}, {"dtype": "uint16"})),
        RandomFeaturesExtractor(value_range=[0, 200]),
    ]
    assert len({one.extractor_id for one in made}) == len(made)


def test_without_bands_it_takes_colours_in_bytes_and_once_it_knows_them_no_others():
    plain = RandomFeaturesExtractor()
    assert plain.taking(image(3, "uint8")).extractor_id == plain.extractor_id
    bound = plain.taking(image(6, "uint16"))
    assert (bound.bands, bound.dtype, bound.value_range) == (6, "uint16", (0, 10_000))
    assert FeatureExtractor.deserialize(json.loads(json.dumps(bound.serialize()))) == bound
    with pytest.raises(
        ExtractorMismatchError, match="has 4 bands of uint16, and the extractor takes 6 bands of uint16"
    ):
        bound.taking(image(4, "uint16"))
    with pytest.raises(ExtractorMismatchError, match="has 1 band of uint8, and the extractor takes 3 bands of uint8"):
        plain.patches_to_features([image(1, "uint8")])
    with pytest.raises(ExtractorMismatchError, match="the extractor's filters are 3"):
        plain.taking(BandImage(np.zeros((2, 9, 3), np.uint8)))


def test_arguments_follow_the_name():
    named = extractor_named("random-features:seed=3,bias=-0.5,value_range=0..4095")
    assert named == RandomFeaturesExtractor(seed=3, bias=-0.5, value_range=[0, 4095])
    assert extractor_named("band-statistics") == BandStatisticsExtractor()
    for wrong in ("random-features:", "random-features:seed", "random-features:seed=x", "random-features:colour=3"):
        with pytest.raises(SpacerInputError):
            extractor_named(wrong)


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (RandomFeaturesExtractor, {"n_features": 7}, "even"),
        (RandomFeaturesExtractor, {"kernel": 0}, "kernel must be a whole number from 1 to 31"),
        (RandomFeaturesExtractor, {"seed": 0.5}, "seed must be a whole number"),
        (RandomFeaturesExtractor, {"bias": "1"}, "bias must be a number"),
        (RandomFeaturesExtractor, {"bands": 10**6}, "bands must be a whole number"),
        (RandomFeaturesExtractor, {"dtype": "int64"}, "dtype must be one of uint8"),
        (RandomFeaturesExtractor, {"value_range": [1, 1]}, "the lower one first"),
        (RandomFeaturesExtractor, {"value_range": [0, float("nan")]}, "two numbers"),
        (BandStatisticsExtractor, {"quantiles": [0.5, 0.1]}, "ascending"),
        (BandStatisticsExtractor, {"quantiles": [0.5] * 100, "bands": 2048}, "would make vectors of"),
    ],
)
def test_arguments_that_cannot_be_are_refused(kind, arguments, said):
    with pytest.raises(MessageError, match=said):
        kind(**arguments)
