"""Files of vectors: the same bytes for the same vectors, read without being read, and hostile ones refused."""

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from spacer_like.embeddings.embeddings_file import read_embeddings, write_embeddings
from spacer_like.exceptions import FeatureFileError
from spacer_like.mapped_tensors import HEAD_BYTES

from ..readers.refusals import refused_by_name
from .search_vectors import chip_names, clustered, embeddings_file

GOLDEN = Path(__file__).parent / "golden" / "embeddings-v1.safetensors"
NAMES = chip_names(5)


RAW_GOLDEN = GOLDEN.with_name("embeddings-v2.safetensors")


def raw_vectors():
    return np.array([[10.5, 0, 0], [0, 1e-3, 0], [0, 0, -1], [6, 8, 0], [0, 0, 0]], np.float32)


def golden_vectors():
    return np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1], [0.6, 0.8, 0], [0, 0, 0]], np.float16)


def described(**changes) -> bytes:
    """A file as another program would write it, with changes to its header and arrays; None leaves one out."""
    names = "".join(NAMES).encode()
    header = {"format": "spacer_like.chip_embeddings", "format_version": 1, "encoder_id": "golden"}
    arrays = {
        "vectors": golden_vectors(),
        "names": np.frombuffer(names, np.uint8),
        "name_ends": np.cumsum([len(name) for name in NAMES]),
    }
    given = {**header, **arrays} | changes
    header = {name: given[name] for name in header if given[name] is not None}
    arrays = {name: given[name] for name in arrays if given[name] is not None}
    return save(arrays, {"header": json.dumps(header)})


def refused(data: bytes) -> str:
    with pytest.raises(FeatureFileError) as caught:
        read_embeddings(io.BytesIO(data), "the file")
    sentence = str(caught.value)
    assert sentence.startswith("'the file' is ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def with_head(**changes) -> bytes:
    """The golden file with changes to the head, which keeps its length."""
    data = GOLDEN.read_bytes()
    head = json.loads(data[8:HEAD_BYTES])
    for tensor, entry in changes.items():
        head[tensor] = head.get(tensor, {}) | entry if entry is not None else None
    return data[:8] + json.dumps(head).encode().ljust(HEAD_BYTES - 8) + data[HEAD_BYTES:]


def test_the_file_is_the_golden_one():
    assert embeddings_file(NAMES, golden_vectors(), "golden") == GOLDEN.read_bytes()


def test_the_golden_file_is_read():
    found = read_embeddings(io.BytesIO(GOLDEN.read_bytes()), "golden")
    assert (found.source, found.encoder_id, list(found.names)) == ("golden", "golden", NAMES)
    assert found.vectors.dtype == np.float16
    np.testing.assert_array_equal(found.vectors, golden_vectors())


def test_vectors_as_they_were_made_are_the_golden_file_of_the_next_version():
    sink = io.BytesIO()
    write_embeddings(sink, "golden", 3, [(NAMES, raw_vectors())], unit_length=False)
    assert sink.getvalue() == RAW_GOLDEN.read_bytes()
    found = read_embeddings(io.BytesIO(RAW_GOLDEN.read_bytes()), "golden")
    assert (found.unit_length, list(found.names), found.vectors.dtype) == (False, NAMES, np.float32)
    np.testing.assert_array_equal(found.vectors, raw_vectors())
    assert read_embeddings(io.BytesIO(GOLDEN.read_bytes()), "golden").unit_length


def test_other_readers_of_safetensors_read_it():
    tensors = load(GOLDEN.read_bytes())
    np.testing.assert_array_equal(tensors["vectors"], golden_vectors())
    assert tensors["names"].tobytes().decode() == "".join(NAMES)
    assert tensors["name_ends"].tolist() == np.cumsum([len(name) for name in NAMES]).tolist()


def test_what_another_writer_of_safetensors_writes_is_read():
    assert list(read_embeddings(io.BytesIO(described()), "the file").names) == NAMES


def test_batches_together_are_one_file():
    whole, parts = io.BytesIO(), io.BytesIO()
    vectors = clustered(7, dimension=5)
    names = chip_names(7)
    assert write_embeddings(whole, "e", 5, [(names, vectors)]) == 7
    assert write_embeddings(parts, "e", 5, [(names[:3], vectors[:3]), (names[3:], vectors[3:])]) == 7
    assert whole.getvalue() == parts.getvalue()


def test_no_vectors_are_a_file_too():
    sink = io.BytesIO()
    assert write_embeddings(sink, "e", 5, []) == 0
    assert read_embeddings(sink, "none").vectors.shape == (0, 5)


def test_a_file_on_disk_is_mapped_and_may_be_closed(tmp_path):
    names, vectors = chip_names(1000), clustered(1000, dimension=2000)
    path = tmp_path / "large.safetensors"
    path.write_bytes(embeddings_file(names, vectors))
    tracemalloc.start()
    with path.open("rb") as file:
        found = read_embeddings(file, "large")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < vectors.nbytes / 10
    path.unlink()
    np.testing.assert_array_equal(found.vectors, vectors)
    with pytest.raises(ValueError, match="read-only"):
        found.vectors[0] = 0


class FarFile(io.RawIOBase):
    """A file that is no file of the system, as those of remote storages are."""

    def __init__(self, data):
        self._bytes = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._bytes.readinto(buffer)


def test_a_far_file_is_copied():
    np.testing.assert_array_equal(
        read_embeddings(FarFile(GOLDEN.read_bytes()), "golden").vectors, golden_vectors()
    )  # fmt: skip


def test_a_long_id_of_an_encoder_is_refused():
    with pytest.raises(FeatureFileError, match="header of the file"):
        embeddings_file(NAMES, golden_vectors(), "e" * 5000)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, HEAD_BYTES - 1, HEAD_BYTES, -1])
def test_a_file_that_is_cut_short_is_refused(length):
    refused(GOLDEN.read_bytes()[:length])


def test_a_file_with_more_than_its_arrays_is_refused():
    assert "should take" in refused(GOLDEN.read_bytes() + b"more")


@pytest.mark.parametrize(
    "data",
    [
        (2**63).to_bytes(8, "little") + b"{}",
        (2**21).to_bytes(8, "little") + b" " * 2**21,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"\xff\xfe\x00\x01",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
    ],
)
def test_a_head_that_is_none_is_refused(data):
    refused(data)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "spacer_like.classifier"}, "no file of chip embeddings.*format spacer_like.classifier 1"),
        ({"format_version": 3}, "this version reads spacer_like.chip_embeddings up to 2"),
        ({"format_version": 2}, "array vectors is of another type or shape"),
        ({"format": None}, "lacks 'format'"),
        ({"encoder_id": None}, "does not say what made its vectors"),
        ({"encoder_id": 5}, "does not say what made its vectors"),
        ({"vectors": None}, "no array vectors"),
        ({"names": None}, "no array names"),
        ({"vectors": golden_vectors().astype(np.float32)}, "array vectors is of another type or shape"),
        ({"vectors": golden_vectors()[0]}, "array vectors is of another type or shape"),
        ({"vectors": golden_vectors()[:4]}, "it has 5 names"),
        ({"vectors": np.empty((5, 0), np.float16)}, "its vectors have 0 numbers"),
        ({"name_ends": np.array([5, 4, 3, 2, 1])}, "names of its images are not where it says"),
    ],
)
def test_a_file_that_is_no_file_of_vectors_is_refused(changes, reason):
    with pytest.raises(FeatureFileError, match=reason):
        read_embeddings(io.BytesIO(described(**changes)), "the file")


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": {"shape": [5, -3]}},
        {"vectors": {"shape": [2**40, 2**40]}},
        {"vectors": {"shape": [5.0, 3]}},
        {"vectors": {"shape": "53"}},
        {"vectors": {"shape": [True, 15]}},
        {"vectors": {"data_offsets": [0, 20]}},
        {"vectors": {"data_offsets": [-30, 0]}},
        {"vectors": {"data_offsets": [0.0, 30]}},
        {"vectors": {"data_offsets": [0]}},
        {"vectors": {"data_offsets": None}},
        {"vectors": {"dtype": "BF16"}},
        {"vectors": {"dtype": ["F16"]}},
        {"more": {"dtype": "U8", "shape": [30], "data_offsets": [0, 30]}},
        {"vectors": None},
        {"__metadata__": {"header": "[]"}},
        {"__metadata__": {"header": 5}},
        {"__metadata__": {"header": "{"}},
    ],
)
def test_a_head_that_lies_about_the_arrays_is_refused(changes):
    refused(with_head(**changes))


def test_damage_anywhere_is_a_sentence_or_other_vectors():
    data = GOLDEN.read_bytes()
    shapes = set()
    for position in [*range(0, 400, 7), *range(HEAD_BYTES, len(data), 5)]:
        broken = bytearray(data)
        broken[position] ^= 0x41
        with refused_by_name("the file", FeatureFileError):
            shapes.add(read_embeddings(io.BytesIO(bytes(broken)), "the file").vectors.shape)
    assert shapes == {(5, 3)}


def test_an_empty_file_on_disk_is_refused(tmp_path):
    path = tmp_path / "empty.safetensors"
    path.touch()
    with path.open("rb") as file, pytest.raises(FeatureFileError, match="does not begin as such a file does"):
        read_embeddings(file, "the file")
