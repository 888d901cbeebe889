"""Known images: what is added is given back by the hash of the bytes, and the memory holds no vectors."""

import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.exceptions import StorageUnavailableError, TableError
from spacer_like.tags.known_images import KnownImages


def record(number: int, **fields) -> ImageRecord:
    known = ImageRecord(f"{number}.png", f"{number:064x}", f"{number:0128x}", "PNG", 2**40 + number, 3, 4)
    return known._replace(**fields)


@pytest.fixture
def known(tmp_path):
    with KnownImages(tmp_path / "known", 3) as images:
        yield images


def add(known: KnownImages, *numbers: int) -> None:
    known.add([record(number) for number in numbers], np.array(numbers, np.float32)[:, None] * [1, 2, 3])


@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5)), st.data())
def test_images_are_given_back_by_their_hash_with_the_path_and_tags_that_are_asked_for(tmp_path_factory, parts, data):
    with KnownImages(tmp_path_factory.mktemp("known") / "images", 3) as known:
        for part in parts:
            add(known, *part)
        every = {number for part in parts for number in part}
        asked = data.draw(st.lists(st.sampled_from(sorted(every)))) if every else []

        records, vectors = known.take((f"new/{number}", f"{number:064x}", ("cat",)) for number in asked)

        assert len(known) == len(every)
        assert records == [record(number, path=f"new/{number}", tags=("cat",)) for number in asked]
        assert np.array_equal(vectors, np.array(asked, np.float32)[:, None] * [1, 2, 3])


def test_images_are_known_from_when_they_are_added(known):
    assert not known.has(record(1).content_hash)
    add(known, 1)
    assert known.has(record(1).content_hash)


def test_images_that_are_known_stay_as_they_are(known):
    add(known, 1)
    known.add([record(1, format="GIF")], np.zeros((1, 3), np.float32))
    records, vectors = known.take([("a", record(1).content_hash, ())])
    assert (records[0].format, vectors.tolist()) == ("PNG", [[1, 2, 3]])


@pytest.mark.parametrize(
    "fields", [{"hash_id": "0" * 127}, {"hash_id": "x" * 128}, {"format": "ü"}, {"format": "F" * 33}, {"format": "P\0"}]
)
def test_rows_that_no_image_has_are_refused(known, fields):
    with pytest.raises(TableError, match=r"^'t\.parquet' is damaged: a row of it has a hash or a format that is none"):
        known.add([record(1, **fields)], np.zeros((1, 3), np.float32), "t.parquet")


def test_vectors_of_another_length_are_refused(known):
    with pytest.raises(TableError, match=r"^'t\.parquet' has vectors of another length than its encoder makes, 3"):
        known.add([record(1)], np.zeros((1, 4), np.float32), "t.parquet")


def test_a_disk_that_is_full_is_said_to_be(known):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(
            StorageUnavailableError, match=r"cannot be kept in a temporary file in '/.*': File too large"
        ):
            add(known, 1)
        known.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
