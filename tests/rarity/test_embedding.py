"""Scores from embeddings: the mean activation, and the share of a k-means cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spacer_like.exceptions import TableError
from spacer_like.rarity.embedding import (
    checked_embeddings,
    embedding_scores,
    kmeans_clusters,
    mean_activation,
)

VECTORS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.floats(0, 99, width=32)
)


def clusters(sizes, seed=0) -> np.ndarray:
    """Embeddings in far groups of the given sizes, one group after the other."""
    rng = np.random.default_rng(seed)
    centres = 100 * np.eye(len(sizes), 8)
    return np.concatenate([centre + rng.normal(size=(size, 8)) for centre, size in zip(centres, sizes, strict=True)])


def test_the_mean_activation_is_scaled_to_ten():
    assert mean_activation(np.array([[1.0, 3.0], [0.0, 0.0], [5.0, 3.0]])).tolist() == [5, 0, 10]


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_equal_means_score_nothing(rows):
    assert mean_activation(np.full((rows, 3), 0.1, np.float32)).tolist() == [0] * rows
    differing_by_rounding = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    assert mean_activation(differing_by_rounding).tolist() == [0, 0]


@given(VECTORS)
def test_the_mean_activation_does_not_depend_on_the_order_of_images_and_stays_within_its_range(vectors):
    scores = mean_activation(vectors)
    assert scores[::-1].tolist() == mean_activation(vectors[::-1]).tolist()
    assert ((scores >= 0) & (scores <= 10)).all()


def test_images_of_a_small_cell_are_rare():
    embeddings = clusters([60, 36, 4])
    shares = np.repeat([0.60, 0.36, 0.04], [60, 36, 4])
    logs = embedding_scores(embeddings, "kmeans_log", n_clusters=3)
    surprisals = embedding_scores(embeddings, "kmeans_surprisal", n_clusters=3)
    assert logs == pytest.approx(1 - np.log(1 + shares))
    assert surprisals == pytest.approx(-np.log2(shares))


def test_where_all_images_are_in_one_cell_none_is_rare():
    embeddings = clusters([30])
    assert embedding_scores(embeddings, "kmeans_log", n_clusters=1) == pytest.approx(1 - np.log(2))
    surprisals = embedding_scores(embeddings, "kmeans_surprisal", n_clusters=1)
    assert not surprisals.any()
    assert not np.signbit(surprisals).any()


def test_there_are_no_more_cells_than_embeddings_that_differ_which_is_said(caplog):
    embeddings = np.repeat(clusters([1, 1, 1]), [5, 2, 1], axis=0)
    with caplog.at_level("WARNING"):
        assert sorted(np.bincount(kmeans_clusters(embeddings, 1000, 0))) == [1, 2, 5]
        kmeans_clusters(embeddings, 2, 0)
        kmeans_clusters(embeddings, 3, 0)
    said, of_as_many = caplog.messages
    assert said.startswith("k-means is asked for 1000 clusters of 8 images, of which 3 differ: ")
    assert of_as_many.startswith("k-means is asked for 3 clusters of 8 images, of which 3 differ: ")


def test_the_same_seed_gives_the_same_cells():
    embeddings = np.random.default_rng(1).normal(size=(3000, 8)).astype(np.float32)
    first, again, other = (kmeans_clusters(embeddings, 20, seed) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_half_precision_is_read():
    assert checked_embeddings(np.ones((2, 3), np.float16), "e.npz").dtype == np.float32


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(3), "floating-point numbers"),
        (np.ones((3, 2), np.int64), "int64"),
        (np.ones((3, 2), complex), "complex"),
        (np.ones((0, 2)), "floating-point numbers"),
        (np.ones((3, 0)), "floating-point numbers"),
        (np.array([[1.0, np.nan]]), "not finite"),
        (np.array([[-1e16]]), "beyond 1e"),
        (np.array([[1e300]]).astype(np.longdouble) * 1e300, "not finite"),
    ],
)
def test_embeddings_that_are_none_are_refused(array, said):
    with pytest.raises(TableError, match=said):
        checked_embeddings(array, "e.npz")
