"""An index of chips: vectors of several files, sorted by name, in a file that is mapped."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from spacer_like.embeddings.embeddings_file import MergedEmbeddings, read_embeddings, write_embeddings
from spacer_like.embeddings.index import read_index, write_index
from spacer_like.embeddings.lists import Lists, sorted_into_lists
from spacer_like.embeddings.search import as_single
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError
from spacer_like.mapped_tensors import HEAD_BYTES

from .search_vectors import chip_names, clustered, embeddings, naive_nearest

GOLDEN = Path(__file__).parent / "golden"
NAMES = chip_names(300)
VECTORS = clustered(300)


def written(merged, lists=None) -> bytes:
    sink = io.BytesIO()
    write_index(sink, merged, lists)
    return sink.getvalue()


def index_of(*parts, lists=None):
    return read_index(io.BytesIO(written(MergedEmbeddings(parts), lists)), "the index")


def golden_merged():
    vectors = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float16)
    return MergedEmbeddings([embeddings(chip_names(4), vectors, "golden")])


def golden_lists():
    """Two lists, of the first, second and last vector, and of the third."""
    centroids = np.array([[0.5, 0.5], [-1, 0]], np.float32)
    return Lists(centroids, np.array([3, 4]), np.array([0, 1, 3, 2], np.uint32))


# The vectors of several files.


def test_vectors_of_several_files_are_in_the_order_of_their_names():
    order = np.random.default_rng(0).permutation(300)
    parts = [
        embeddings([NAMES[place] for place in some], VECTORS[some]) for some in (order[:80], order[80:90], order[90:])
    ]
    merged = MergedEmbeddings(parts)
    assert list(merged.names) == NAMES
    np.testing.assert_array_equal(merged.vectors(np.arange(300)), VECTORS)
    np.testing.assert_array_equal(merged.singles(np.array([7, 3])), VECTORS[[7, 3]].astype(np.float32))


def test_vectors_as_they_were_made_are_scaled_and_joined_with_others():
    sink = io.BytesIO()
    write_embeddings(sink, "encoder", 16, [(NAMES[:9], 7 * VECTORS[:9].astype(np.float32))], unit_length=False)
    merged = MergedEmbeddings([embeddings(NAMES[9:], VECTORS[9:]), read_embeddings(sink, "raw.safetensors")])
    assert list(merged.names) == NAMES
    np.testing.assert_allclose(merged.singles(np.arange(300)), VECTORS.astype(np.float32), atol=1e-3)


def test_the_order_of_the_files_does_not_matter():
    parts = [embeddings(NAMES[:100], VECTORS[:100]), embeddings(NAMES[100:], VECTORS[100:])]
    assert written(MergedEmbeddings(parts)) == written(MergedEmbeddings(parts[::-1]))


def test_an_empty_file_among_others_is_no_obstacle():
    merged = MergedEmbeddings([embeddings([], VECTORS[:0]), embeddings(NAMES, VECTORS)])
    assert len(merged) == 300


def test_no_vector_at_all_is_an_error():
    with pytest.raises(FeatureFileError, match=r"'some.safetensors' has no vector"):
        MergedEmbeddings([embeddings([], VECTORS[:0])])


@pytest.mark.parametrize(("sources", "where"), [("ab", "in 'a' and in 'b'"), ("aa", "twice in 'a'")])
def test_a_chip_that_is_there_twice_is_named(sources, where):
    parts = [
        embeddings(NAMES[first : first + 4], VECTORS[:4], source=s) for first, s in zip((0, 3), sources, strict=True)
    ]
    with pytest.raises(FeatureFileError, match=f"The image '{NAMES[3]}' is {where}"):
        MergedEmbeddings(parts)


def test_vectors_of_different_encoders_are_not_comparable():
    parts = [embeddings(NAMES[:2], VECTORS[:2], "one"), embeddings(NAMES[2:4], VECTORS[2:4], "other", "b")]
    with pytest.raises(ExtractorMismatchError, match=r"by the encoder one, .* 'b' by other"):
        MergedEmbeddings(parts)


def test_vectors_of_different_lengths_are_not_comparable():
    parts = [embeddings(NAMES[:2], VECTORS[:2]), embeddings(NAMES[2:4], VECTORS[2:4, :3])]
    with pytest.raises(ExtractorMismatchError, match=r"of 16 numbers, and .* of 3"):
        MergedEmbeddings(parts)


@pytest.mark.parametrize("number", [2, np.nan, np.inf, 0.5])
def test_a_vector_that_is_not_of_length_one_is_named(number):
    vectors = VECTORS.copy()
    vectors[7] = 0
    vectors[7, 0] = number
    with pytest.raises(FeatureFileError, match=f"'some.safetensors' is damaged: .* '{NAMES[7]}' is not of length one"):
        written(MergedEmbeddings([embeddings(NAMES, vectors)]))


def test_a_vector_of_nothing_is_at_distance_one_of_all_others():
    vectors = np.array([[0, 0], [1, 0]], np.float16)
    index = index_of(embeddings(NAMES[:2], vectors))
    assert index.search(index.vector(0), 2).distances.tolist() == [[0, 1]]


def test_a_name_that_is_no_text_is_an_error():
    part = embeddings(["ab", "cd"], VECTORS[:2])
    part.names.text = np.frombuffer(b"ab\xffd", np.uint8)
    with pytest.raises(FeatureFileError, match="name of an image is no text"):
        MergedEmbeddings([part])


# The file.


@pytest.mark.parametrize(("name", "lists"), [("exact", None), ("ivf", golden_lists())])
def test_the_file_is_the_golden_one(name, lists):
    assert written(golden_merged(), lists) == (GOLDEN / f"index-{name}-v1.safetensors").read_bytes()


@pytest.mark.parametrize(("name", "n_lists"), [("exact", None), ("ivf", 2)])
def test_the_golden_file_is_read(name, n_lists):
    with (GOLDEN / f"index-{name}-v1.safetensors").open("rb") as file:
        index = read_index(file, name)
    assert (index.kind, index.n_lists, index.encoder_id) == (name, n_lists, "golden")
    assert (len(index), index.dimension, list(index.names)) == (4, 2, chip_names(4))
    assert [index.vector(place).tolist() for place in range(4)] == [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert index.search(np.array([0.6, 0.8]), 4, n_probe=2).indices.tolist() == [[1, 0, 2, 3]]


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_an_index_finds_what_comparing_one_by_one_finds(kind):
    part = embeddings(NAMES, VECTORS)
    merged = MergedEmbeddings([part])
    lists = None
    if kind == "ivf":
        pytest.importorskip("faiss")
        lists = sorted_into_lists(merged.singles, len(merged), 12, seed=0)
    index = index_of(part, lists=lists)
    index.prepare()
    query = index.vector(42)
    np.testing.assert_array_equal(query, as_single(VECTORS[42]))
    found = index.search(query, 9, n_probe=12)
    assert (found.distances[0].tolist(), found.indices[0].tolist()) == naive_nearest(query, VECTORS, 9)


# Hostile files.


def changed(name="ivf", header=None, **arrays) -> bytes:
    """A golden file with another header, and other arrays or, for None, without them."""
    data = (GOLDEN / f"index-{name}-v1.safetensors").read_bytes()
    given = json.loads(json.loads(data[8:HEAD_BYTES])["__metadata__"]["header"]) | (header or {})
    tensors = {name: array for name, array in (load(data) | arrays).items() if array is not None}
    return save(tensors, {"header": json.dumps(given)})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(header={"format": "spacer_like.chip_embeddings"}), "no file of chip index"),
        (changed(header={"format_version": 3}), "this version reads spacer_like.chip_index up to 2"),
        (changed(header={"format_version": 2}), "it has no array part_ends"),
        (changed(header={"encoder_id": ""}), "does not say what made"),
        (changed(header={"kind": "exact"}), "not those of its kind 'exact'"),
        (changed(header={"kind": ["ivf"]}), "not those of its kind"),
        (changed(name="exact", header={"kind": "ivf"}), "not those of its kind 'ivf'"),
        (changed(members=None), "not those of its kind 'ivf'"),
        (changed(vectors=None), "no array vectors"),
        (changed(members=np.array([0, 1, 3, 9], np.uint32)), "do not fit together"),
        (changed(list_ends=np.array([3, 5])), "do not fit together"),
        (changed(centroids=np.zeros((2, 3), np.float32)), "do not fit together"),
        (changed(vectors=np.zeros((5, 2), np.float16)), "it has 4 names"),
        (
            changed(
                name="exact",
                vectors=np.zeros((0, 2), np.float16),
                names=np.empty(0, np.uint8),
                name_ends=np.empty(0, np.int64),
            ),
            "it has no vector",
        ),
        (b"", "does not begin"),
        (b"PK\x03\x04 some archive or other", "does not begin"),
    ],
)
def test_a_file_that_is_no_index_is_refused(data, reason):
    with pytest.raises(FeatureFileError, match=f"'the index' is .*{reason}"):
        read_index(io.BytesIO(data), "the index")


def test_a_chip_that_no_list_has_is_damage():
    index = read_index(io.BytesIO(changed(members=np.array([0, 1, 3, 3], np.uint32))), "the index")
    with pytest.raises(FeatureFileError, match="'the index' is damaged: no list has the image"):
        index.vector(2)


@pytest.mark.parametrize("name", ["exact", "ivf"])
def test_numbers_that_are_no_vectors_are_damage(name):
    index = read_index(io.BytesIO(changed(name=name, vectors=np.full((4, 2), np.nan, np.float16))), "the index")
    with pytest.raises(FeatureFileError, match="'the index' is damaged: it has vectors that are not of length one"):
        index.search(np.array([1.0, 0]), 2)


def test_centroids_that_are_no_numbers_are_damage():
    index = read_index(io.BytesIO(changed(centroids=np.full((2, 2), np.nan, np.float32))), "the index")
    with pytest.raises(FeatureFileError, match="damaged"):
        index.search(np.array([1.0, 0]), 2)
