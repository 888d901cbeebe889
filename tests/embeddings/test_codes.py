"""Codes of 32 bytes in place of vectors: what they find, and files that are not to be believed."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from spacer_like.config import override
from spacer_like.embeddings import CodeIndex, MergedEmbeddings, codes_of, read_index, write_codes
from spacer_like.embeddings.codes import N_PARTS, CodeSearch
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError
from spacer_like.mapped_tensors import HEAD_BYTES

from .search_vectors import chip_names, clustered, embeddings, naive_nearest

pytest.importorskip("faiss", reason="the extra search is not installed")

N = 600
NAMES, VECTORS = chip_names(N), clustered(N, 48)
PARTS = [embeddings(NAMES[:200], VECTORS[:200], source="a"), embeddings(NAMES[200:], VECTORS[200:], source="b")]


def built(parts, seed: int = 0) -> bytes:
    merged = MergedEmbeddings(parts)
    sink = io.BytesIO()
    write_codes(sink, merged, *codes_of(merged.singles, len(merged), seed))
    return sink.getvalue()


@pytest.fixture(scope="module")
def data() -> bytes:
    return built(PARTS)


def opened(data: bytes, parts=PARTS) -> CodeIndex:
    index = read_index(io.BytesIO(data), "the index")
    assert isinstance(index, CodeIndex)
    index.compare_with(parts)
    return index


def test_the_nearest_are_found_with_their_exact_distances(data):
    index = opened(data)
    assert (index.kind, len(index), index.dimension) == ("codes", N, 48)
    queries = np.stack([index.vector(number) for number in range(0, N, 40)])
    found = index.search(queries, 10)
    shares = []
    for query, distances, indices in zip(queries, *found, strict=True):
        exact, nearest = naive_nearest(query, VECTORS, 10)
        shares.append(np.isin(indices, nearest).mean())
        known = dict(zip(nearest, exact, strict=True))
        assert (np.diff(distances) >= 0).all()
        expected = [known.get(one, distance) for one, distance in zip(indices.tolist(), distances, strict=True)]
        assert distances.tolist() == pytest.approx(expected)
    assert np.mean(shares) >= 0.95


def test_a_code_takes_32_bytes_and_the_file_says_what_was_measured(data):
    arrays = load(data)
    assert arrays["codes"].shape == (N, N_PARTS)
    assert "vectors" not in arrays
    header = json.loads(json.loads(data[8:HEAD_BYTES])["__metadata__"]["header"])
    recall = header["recall"]
    shares = dict(map(tuple, recall["shares"]))
    assert recall["n_queries"] == N // 8
    assert list(shares.values()) == sorted(shares.values())
    assert shares[recall["candidates"]] >= 0.98


def test_what_is_measured_is_what_is_found():
    """By chips that the codes were not made from, against the exact nearest."""
    codebook, codes, recall = codes_of(lambda rows: VECTORS[rows].astype(np.float32), N, 3)
    held_out = np.sort(np.random.default_rng(3).permutation(N)[: N // 8])
    search = CodeSearch(codebook, codes, 10, "codes")
    shares = []
    for query in held_out:
        _, nearest = naive_nearest(VECTORS[query], np.delete(VECTORS, query, axis=0), 10)
        nearest = [one + (one >= query) for one in nearest]
        found = search.nearest_codes(VECTORS[query : query + 1].astype(np.float32), 11)[0]
        shares.append(np.isin(found[found != query][:10], nearest).mean())
    assert recall.of_codes == pytest.approx(np.mean(shares), abs=0.01)


@settings(max_examples=3)
@given(order=st.permutations(range(N)))
def test_the_order_of_chips_does_not_matter(data, order):
    rows = np.array(order)
    parts = [embeddings([NAMES[row] for row in rows], VECTORS[rows])]
    other, index = opened(built(parts), parts), opened(data)
    queries = VECTORS[:20].astype(np.float32)
    assert other.search(queries, 5).indices.tolist() == index.search(queries, 5).indices.tolist()


def test_the_number_of_threads_does_not_matter(data):
    for threads in (1, 2):
        with override(torch_threads=threads):
            assert built(PARTS) == data


@pytest.mark.parametrize(("n", "dimension"), [(2, 3), (9, 1), (40, 31), (40, 33), (300, 300)])
def test_any_number_of_vectors_of_any_length_have_codes(n, dimension):
    vectors = clustered(n, dimension, 2)
    parts = [embeddings(NAMES[:n], vectors)]
    found = opened(built(parts), parts).search(vectors.astype(np.float32), n)
    assert (np.sort(found.indices, axis=1) == np.arange(n)).all()


def test_equal_vectors_and_zeros_have_codes():
    vectors = np.zeros((30, 8), np.float16)
    vectors[:15, 0] = 1
    parts = [embeddings(NAMES[:30], vectors)]
    assert opened(built(parts), parts).search(vectors[:1].astype(np.float32), 5).distances.tolist() == [[0] * 5]


def test_one_vector_has_none():
    with pytest.raises(FeatureFileError, match="two vectors at least"):
        built([embeddings(NAMES[:1], VECTORS[:1])])


# The vectors beside it.


def test_without_vectors_nothing_is_searched(data):
    index = read_index(io.BytesIO(data), "the index")
    with pytest.raises(FeatureFileError, match="'the index' holds codes: name the files of vectors"):
        index.search(VECTORS[:1].astype(np.float32), 3)


def test_other_vectors_are_refused(data):
    index = read_index(io.BytesIO(data), "the index")
    for parts in (PARTS[:1], PARTS[::-1]):
        with pytest.raises(FeatureFileError, match="made of 2 files with 600 vectors"):
            index.compare_with(parts)
    with pytest.raises(ExtractorMismatchError, match=r"'some\.safetensors' was made with the encoder other"):
        index.compare_with([embeddings(NAMES, VECTORS, "other")])


def test_vectors_that_have_changed_since_are_told(data):
    moved = [PARTS[0], embeddings(NAMES[200:][::-1], VECTORS[200:], source="b")]
    with pytest.raises(FeatureFileError, match="'b' has changed since the index 'the index' was made"):
        opened(data, moved).search(VECTORS[300:301].astype(np.float32), 3)


# Files from strangers.


def changed(data: bytes, header=None, **arrays) -> bytes:
    found = {name: np.array(array) for name, array in load(data).items()} | arrays
    head = json.loads(json.loads(data[8:HEAD_BYTES])["__metadata__"]["header"]) | (header or {})
    return save({name: array for name, array in found.items() if array is not None}, {"header": json.dumps(head)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codes": np.zeros((N, 31), np.uint8)}, "do not fit together"),
        ({"codes": np.zeros((N - 1, 32), np.uint8)}, "600 names, and 599 vectors"),
        ({"codes": None}, "no array codes"),
        ({"turn": np.zeros((48, 0), np.float32)}, "do not fit together"),
        ({"turn": np.full((48, 64), np.nan, np.float32)}, "numbers that no vectors"),
        ({"turn": np.full((48, 64), 1e30, np.float32)}, "numbers that no vectors"),
        ({"typical": np.zeros((32 * 255, 2), np.float32)}, "do not fit together"),
        ({"mean": np.zeros(47, np.float32)}, "do not fit together"),
        ({"part_ends": np.array([-5, N])}, "do not fit together"),
        ({"part_ends": np.array([N + 1, N])}, "do not fit together"),
        ({"part_ends": np.array([], np.int64)}, "do not fit together"),
        ({"rows": np.zeros(5, np.uint32)}, "do not fit together"),
        ({"header": {"recall": None}}, "how many vectors are to be compared"),
        ({"header": {"recall": {"candidates": 2**40}}}, "how many vectors are to be compared"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(data, change, said):
    with pytest.raises(FeatureFileError, match=f"'the index' is damaged: .*{said}"):
        read_index(io.BytesIO(changed(data, **change)), "the index")


def test_rows_beyond_the_vectors_are_refused(data):
    with pytest.raises(FeatureFileError, match="names vectors that there are none of"):
        opened(changed(data, rows=np.full(N, 2**32 - 1, np.uint32))).search(VECTORS[:1].astype(np.float32), 3)
