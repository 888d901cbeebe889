"""Lists of vectors: looking into all of them is exact, and into a few nearly so."""

import gc
import sys

import numpy as np
import pytest

from spacer_like.embeddings.lists import Lists, ListSearch, sorted_into_lists, usual_list_count
from spacer_like.embeddings.search import ExactSearch, as_single
from spacer_like.exceptions import FeatureFileError, MissingExtraError

from .search_vectors import clustered

N = 3000
VECTORS = clustered(N, n_clusters=60)


def rows(indices):
    return as_single(VECTORS[indices])


@pytest.fixture(scope="module")
def lists():
    pytest.importorskip("faiss")
    return sorted_into_lists(rows, N, 50, seed=0)


@pytest.fixture
def search(lists):
    return ListSearch(lists, VECTORS[lists.members])


def test_every_vector_is_in_the_list_of_the_nearest_centroid(lists):
    assert sorted(lists.members.tolist()) == list(range(N))
    given = np.repeat(np.arange(50), np.diff(lists.ends, prepend=0))
    nearest = np.linalg.norm(rows(lists.members)[:, None] - lists.centroids[None], axis=2)
    np.testing.assert_allclose(nearest[np.arange(N), given], nearest.min(axis=1), atol=1e-5)


def test_in_a_list_places_rise(lists):
    for begin, end in zip([0, *lists.ends[:-1]], lists.ends, strict=True):
        assert (np.diff(lists.members[begin:end].astype(int)) > 0).all()


def test_looking_into_every_list_is_exact(search):
    queries = as_single(clustered(20, seed=3))
    found, expected = search.search(queries, 12, n_probe=50), ExactSearch(VECTORS).search(queries, 12)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_looking_into_a_few_lists_finds_nearly_all(search):
    queries = rows(np.arange(0, N, 30))
    found, expected = search.search(queries, 10, n_probe=8).indices, ExactSearch(VECTORS).search(queries, 10).indices
    recall = np.mean([len({*some} & {*others}) / 10 for some, others in zip(found, expected, strict=True)])
    assert 0.97 < recall <= 1


def test_equal_vectors_are_in_the_order_of_their_places():
    pytest.importorskip("faiss")
    vectors = VECTORS.copy()
    vectors[1000:2000] = vectors[5]
    lists = sorted_into_lists(lambda indices: as_single(vectors[indices]), N, 20, seed=0)
    found = ListSearch(lists, vectors[lists.members]).search(as_single(vectors[5:6]), 4, n_probe=3)
    assert found.indices.tolist() == [[5, 1000, 1001, 1002]]
    assert found.distances.tolist() == [[0, 0, 0, 0]]


def test_where_the_lists_hold_too_few_the_rest_is_nothing():
    lists = Lists(np.eye(2, dtype=np.float32), np.array([1, 3]), np.array([0, 1, 2], np.uint32))
    vectors = np.array([[1, 0], [0, 1], [0, 1]], np.float16)
    found = ListSearch(lists, vectors).search(np.array([1.0, 0]), 3, n_probe=1)
    assert found.indices.tolist() == [[0, -1, -1]]
    assert found.distances.tolist() == [[0, np.inf, np.inf]]


def test_an_empty_list_is_no_obstacle():
    lists = Lists(np.eye(2, dtype=np.float32), np.array([0, 1]), np.array([0], np.uint32))
    search = ListSearch(lists, np.array([[0, 1]], np.float16))
    assert search.search(np.array([1.0, 0]), 1, n_probe=1).indices.tolist() == [[-1]]
    assert search.search(np.array([1.0, 0]), 1, n_probe=2).indices.tolist() == [[0]]


def test_nothing_is_copied_and_what_is_mapped_is_let_go_of(lists, tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS[lists.members])
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    search = ListSearch(lists, mapped)
    assert np.shares_memory(search.vectors, mapped)
    found = search.search(rows([17]), 1, n_probe=3)
    del search
    gc.collect()
    assert found.indices.tolist() == [[17]]
    # The memory is still there.
    np.testing.assert_array_equal(mapped, VECTORS[lists.members])


def test_a_vector_that_is_not_of_length_one_is_noticed(lists):
    vectors = VECTORS[lists.members] * np.float16(1.5)
    with pytest.raises(FeatureFileError, match="'the index' is damaged: it has vectors that are not of length one"):
        ListSearch(lists, vectors, "the index").search(rows([0]), 3, n_probe=2)


def test_vectors_that_are_no_numbers_are_noticed(lists):
    vectors = VECTORS[lists.members]
    vectors[:] = np.nan
    with pytest.raises(FeatureFileError, match="'the index' is damaged: it has vectors that are not of length one"):
        ListSearch(lists, vectors, "the index").search(rows([0]), 3, n_probe=50)


@pytest.mark.parametrize("query", [np.ones((1, 5)), np.full(16, np.nan), np.full(16, 1e30)])
def test_a_query_that_cannot_be_compared_is_refused(search, query):
    with pytest.raises(FeatureFileError, match=r"that (are|is) looked for ha(s|ve)"):
        search.search(query, 1, 1)


def test_the_same_seed_gives_the_same_lists_and_another_one_others(lists):
    again, other = sorted_into_lists(rows, N, 50, seed=0), sorted_into_lists(rows, N, 50, seed=1)
    for one, same in zip(lists, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(lists.centroids, other.centroids)


def test_as_many_lists_as_vectors_are_enough_and_more_are_too_many():
    pytest.importorskip("faiss")
    assert len(sorted_into_lists(rows, 7, 7, seed=2**32 - 1).ends) == 7
    with pytest.raises(FeatureFileError, match="7 vectors cannot be sorted into 8 lists"):
        sorted_into_lists(rows, 7, 8, seed=0)


@pytest.mark.parametrize(("n", "count"), [(1, 1), (10, 10), (100, 40), (100_000, 1264)])
def test_the_usual_number_of_lists_is_four_times_the_root(n, count):
    assert usual_list_count(n) == count


@pytest.mark.parametrize(
    "broken",
    [
        {"ends": np.array([10, N - 1])},
        {"ends": np.array([N + 5, N])},
        {"ends": np.array([-1, N])},
        {"ends": np.array([0, 2**63 - 1, 2**62 - 2**63, N]), "centroids": np.zeros((4, 16), np.float32)},
        {"ends": np.array([N])},
        {"ends": np.array([5, 3, N]), "centroids": np.zeros((3, 16), np.float32)},
        {"members": np.full(N, N, np.uint32)},
        {"members": np.arange(N - 1, dtype=np.uint32)},
        {"centroids": np.zeros((2, 3), np.float32)},
        {"centroids": np.zeros((0, 16), np.float32), "ends": np.empty(0, np.int64)},
    ],
)
def test_lists_that_do_not_fit_are_refused(broken):
    fitting = {"centroids": np.zeros((2, 16), np.float32), "ends": np.array([5, N]), "members": np.arange(N)}
    ListSearch(Lists(**fitting), VECTORS)
    with pytest.raises(FeatureFileError, match="'the index' is damaged: its lists and vectors do not fit together"):
        ListSearch(Lists(**fitting | broken), VECTORS, "the index")


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"spacer_like\[search\]"):
        sorted_into_lists(rows, N, 5, seed=0)


def test_vectors_that_are_no_numbers_are_refused_in_a_sentence():
    with pytest.raises(FeatureFileError, match=r"^The vectors cannot be sorted into lists: .*\.$"):
        sorted_into_lists(lambda indices: np.full((len(indices), 4), np.nan, np.float32), 10, 2, 0)
