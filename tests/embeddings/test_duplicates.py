"""Groups of vectors that are as good as the same are those of comparing every pair."""

import numpy as np
import pytest

from spacer_like.embeddings import duplicates
from spacer_like.embeddings.duplicates import duplicate_groups
from spacer_like.exceptions import FeatureFileError

from .search_vectors import clustered


def naive_groups(vectors: np.ndarray, distance: float) -> list[int]:
    """Every pair compared in double precision, and chains followed one step after the other."""
    doubles = vectors.astype(np.float64)
    doubles /= np.linalg.norm(doubles, axis=1, keepdims=True)
    near = np.linalg.norm(doubles[:, None] - doubles[None], axis=2) <= distance
    groups = [-1] * len(vectors)
    for first in range(len(vectors)):
        waiting = [first] if groups[first] < 0 else []
        while waiting:
            one = waiting.pop()
            if groups[one] < 0:
                groups[one] = first
                waiting += np.flatnonzero(near[one]).tolist()
    return groups


@pytest.mark.parametrize("distance", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_groups_are_those_of_comparing_every_pair(monkeypatch, distance, dtype):
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", 37)
    monkeypatch.setattr(duplicates, "_EXACT_BYTES", 8 * 16 * 50)
    vectors = clustered(300, n_clusters=40, spread=0.15).astype(dtype)
    if dtype == np.float32:
        vectors *= np.random.default_rng(1).uniform(0.1, 30, (300, 1)).astype(np.float32)
    expected = naive_groups(vectors, distance)
    assert len(set(expected)) < 300
    assert duplicate_groups(vectors, distance).tolist() == expected


def test_equal_vectors_by_the_thousand_are_one_group():
    vectors = np.tile(clustered(1), (6000, 1))
    vectors[5:6000:3] = clustered(2, seed=9)[1]
    groups = duplicate_groups(vectors, 0)
    assert sorted(set(groups.tolist())) == [0, 5]
    assert (groups[5::3] == 5).all()


def test_vectors_of_nothing_are_like_none():
    assert duplicate_groups(np.array([[0, 0], [1, 0], [0, 0]], np.float16), 0.5).tolist() == [0, 1, 2]


def test_no_vectors_have_no_groups():
    assert duplicate_groups(np.empty((0, 4), np.float16), 0.1).tolist() == []


@pytest.mark.parametrize("distance", [-0.1, 2.1, float("nan")])
def test_a_distance_that_cannot_be_is_refused(distance):
    with pytest.raises(FeatureFileError, match="from 0 to 2"):
        duplicate_groups(clustered(3), distance)


def test_numbers_that_are_none_are_refused():
    vectors = clustered(5).astype(np.float32)
    vectors[3, 0] = np.nan
    with pytest.raises(FeatureFileError, match=r"'e\.safetensors' is damaged: it has numbers that are not finite"):
        duplicate_groups(vectors, 0.1, "e.safetensors")
