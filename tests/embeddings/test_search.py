"""Exact search is that of double precision, whatever the order in which it is computed."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacer_like.embeddings import search as searching
from spacer_like.embeddings.search import LARGEST_HALF, ExactSearch, as_single, single_blocks
from spacer_like.exceptions import FeatureFileError

from .search_vectors import clustered, naive_nearest

EVERY_HALF = np.arange(2**16, dtype=np.uint16).view(np.float16)


# Few different numbers, so that there are many equal vectors and equal distances.
few_numbers = st.sampled_from([0.0, 0.25, -0.25, 0.5, 0.50049])


some_vectors = st.integers(1, 40).flatmap(lambda n: arrays(np.float16, (n, 3), elements=few_numbers))
some_queries = st.integers(1, 5).flatmap(
    lambda m: arrays(np.float32, (m, 3), elements=few_numbers | st.floats(-1, 1, width=32))
)


# Squares that differ in their last bit, and equal distances.
MIRRORED = np.array([[-0.25] * 3, [0.25, 0, -0.25], *[[-0.25] * 3] * 4, [-0.25, 0, 0.25]], np.float16)


@given(some_vectors, some_queries, st.integers(1, 12), st.booleans())
@example(MIRRORED, np.array([[0.11370722, 0.609375, 0.11370722]], np.float32), 1, False)
def test_the_nearest_are_those_of_comparing_one_by_one(vectors, queries, k, prepared):
    with pytest.MonkeyPatch.context() as patch:
        # So few rows and queries at a time that a handful takes several rounds.
        patch.setattr(searching, "_BLOCK_BYTES", 4 * 3 * 5)
        patch.setattr(searching, "_MOST_PRODUCTS", 10)
        patch.setattr(searching, "_EXACT_BYTES", 8 * 3 * 4)
        patch.setattr(searching, "_QUERIES_AT_ONCE", 2)
        # One query is multiplied in one way, and two in the other.
        patch.setattr(searching, "_FEW_QUERIES", 1)
        search = ExactSearch(vectors)
        if prepared:
            search.prepare()
        found = search.search(queries, k)
    for distances, indices, query in zip(found.distances, found.indices, queries, strict=True):
        assert (distances.tolist(), indices.tolist()) == naive_nearest(query, vectors, k)


@pytest.mark.parametrize("prepared", [False, True])
def test_many_vectors_are_compared_as_exactly_as_few(prepared):
    vectors = clustered(40_000, dimension=24)
    # Vectors that differ by less than single precision tells apart in a product.
    vectors[20_000:] = vectors[:20_000]
    queries = as_single(clustered(3, dimension=24, seed=5))
    search = ExactSearch(vectors)
    if prepared:
        search.prepare()
    found = search.search(queries, 7)
    for distances, indices, query in zip(found.distances, found.indices, queries, strict=True):
        assert (distances.tolist(), indices.tolist()) == naive_nearest(query, vectors, 7)


def test_equal_vectors_are_in_the_order_of_their_places_and_are_at_no_distance():
    vectors = np.tile(clustered(1), (5000, 1))
    found = ExactSearch(vectors).search(as_single(vectors[:1]), 4)
    assert found.distances.tolist() == [[0, 0, 0, 0]]
    assert found.indices.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("m", [1, 300])
def test_a_search_takes_the_memory_of_some_blocks(m):
    vectors = np.tile(clustered(1000, dimension=256), (60, 1))
    queries = as_single(clustered(m, dimension=256, seed=3))
    tracemalloc.start()
    ExactSearch(vectors).search(queries, 5)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # In single precision all would take 61 MB, and their products with all queries 72 MB.
    assert taken < 25e6


def test_the_opposite_is_at_distance_two():
    assert ExactSearch(np.array([[-1, 0]], np.float16)).search(np.array([1.0, 0]), 1).distances.tolist() == [[2]]


def test_there_are_no_more_found_than_there_are_vectors():
    assert ExactSearch(clustered(3)).search(clustered(2), 10).indices.shape == (2, 3)


def test_no_query_finds_nothing():
    found = ExactSearch(clustered(3)).search(np.empty((0, 16), np.float32), 2)
    assert found.distances.shape == found.indices.shape == (0, 2)


@pytest.mark.parametrize(
    ("query", "reason"),
    [(np.ones((1, 5)), "vectors of 16 numbers, and those that are looked for have 5"), (np.full(16, np.nan), "finite")],
)
def test_a_query_that_cannot_be_compared_is_refused(query, reason):
    with pytest.raises(FeatureFileError, match=reason):
        ExactSearch(clustered(3)).search(query, 1)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1.5])
def test_a_vector_that_is_not_of_length_one_is_noticed(number):
    vectors = clustered(50)
    vectors[17, 3] = number
    with pytest.raises(FeatureFileError, match="'the index' is damaged: it has vectors that are not of length one"):
        ExactSearch(vectors, "the index").search(clustered(1), 1)


# Half precision.


def test_every_finite_number_of_half_precision_is_made_single_as_by_numpy():
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]
    found = as_single(finite)
    assert found.dtype == np.float32
    assert found.view(np.uint32).tolist() == finite.astype(np.float32).view(np.uint32).tolist()


def test_what_is_not_finite_becomes_larger_than_any_number():
    assert (np.abs(as_single(EVERY_HALF[~np.isfinite(EVERY_HALF)])) > LARGEST_HALF).all()


def test_single_precision_stays_what_it_is():
    numbers = np.array([[0.1, np.nan]], np.float32)
    np.testing.assert_array_equal(as_single(numbers), numbers)


def test_blocks_together_are_all_rows():
    vectors = clustered(10)
    blocks = list(single_blocks(vectors, 4))
    assert [begin for begin, _ in blocks] == [0, 4, 8]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), vectors.astype(np.float32))
