"""Files of galaxies to train on: both kinds give back what was written, the original's are read, others are refused."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import DataNotFoundError, TableError
from spacer_like.location import DataLocation
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import open_pool, pool_bytes, read_pool, write_pool
from spacer_like.storage import read_bytes, write_bytes

random = np.random.default_rng(5)
IMAGES = random.integers(0, 256, (3, 4, 4, 3), np.uint8)
CODES, IDS = np.array([0, 1, 67], np.int32), np.array([9, 9, 44182], np.int32)
POOL = Pool(IMAGES, CODES, IDS, np.array(["c", "r", "g"]))


def check_equal(found, expected):
    for name in ("images", "inclinations", "ids", "filters"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.images.dtype, found.inclinations.dtype, found.ids.dtype) == (np.uint8, np.int32, np.int32)


def npz(**arrays):
    sink = BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def test_a_batch_is_read_as_it_was_written_and_is_the_same_each_time():
    data = pool_bytes(POOL, with_filter=True)
    assert data == pool_bytes(POOL, with_filter=True)
    check_equal(read_pool(data, "128x128_train_aug_00.npz"), POOL)


def test_a_batch_has_the_names_and_types_that_the_original_gives():
    with np.load(BytesIO(pool_bytes(POOL, with_filter=True))) as arrays:
        assert {name: values.dtype.str for name, values in arrays.items()} == {
            "images": "|u1",
            "labels": "<i4",
            "pgcIDs": "<i4",
            "filter": "|S1",
        }


@pytest.mark.parametrize(("band", "letter"), [("RGB", "c"), ("g", "g")])
def test_the_name_of_a_part_gives_its_band(band, letter):
    data = pool_bytes(POOL, with_filter=False)
    found = read_pool(data, f"/a_b/{band}_4x4_train_001.npz")
    check_equal(found, Pool(IMAGES, CODES, IDS, np.full(3, letter)))
    with pytest.raises(TableError, match="has no array filter, and its name gives no band"):
        read_pool(data, "images.npz")


def test_the_numbers_of_the_original_are_read():
    data = npz(
        images=IMAGES.astype(">i4"),
        labels=CODES.astype(">i4"),
        pgcIDs=IDS.astype(">i8"),
        filter=POOL.filters.astype("S1"),
    )
    check_equal(read_pool(data, "a.npz"), POOL)


@pytest.mark.parametrize("ending", ["npz", "npy"])
@pytest.mark.parametrize("storage", ["filesystem", "memory"])
def test_a_file_is_opened_as_it_was_written(tmp_path, storage, ending):
    loc = DataLocation(storage, f"{tmp_path}/pool.{ending}")
    write_pool(loc, POOL)
    found = open_pool(loc)
    check_equal(found, POOL)
    is_mapped = not found.images.flags.owndata and isinstance(found.images.base, np.memmap)
    assert is_mapped == (storage == "filesystem" and ending == "npy")


def test_the_index_of_an_array_is_a_table_for_people():
    write_pool(DataLocation("memory", "pool.npy"), POOL)
    assert read_bytes(DataLocation("memory", "pool.csv")).decode().split() == [
        "id,code,filter",
        "9,0,c",
        "9,1,r",
        "44182,67,g",
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 90), st.sampled_from("cgri")), max_size=4),
    st.sampled_from(["npz", "npy"]),
)
def test_any_pool_is_opened_as_it_was_written(rows, ending):
    ids, codes, filters = zip(*rows, strict=True) if rows else ((), (), ())
    images = np.zeros((len(rows), 2, 2, 3), np.uint8)
    pool = Pool(images, np.array(codes, np.int32), np.array(ids, np.int32), np.array(filters, "U1"))
    loc = DataLocation("memory", f"any.{ending}")
    write_pool(loc, pool)
    check_equal(open_pool(loc), pool)


GOOD = {"images": IMAGES, "labels": CODES, "pgcIDs": IDS, "filter": np.array(["c", "r", "g"], "S1")}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"images": IMAGES.astype(float)}, r"must be whole numbers \[n, size, size, 3\]"),
        ({"images": IMAGES.astype(np.int32) - 1}, "has a pixel outside 0 to 255"),
        ({"images": IMAGES[:, :3]}, r"must be whole numbers \[n, size, size, 3\]"),
        ({"labels": CODES + 50}, "has a code outside 0 to 90"),
        ({"labels": CODES[:2]}, r"The labels of 'a.npz' must be whole numbers \[3\]"),
        ({"labels": np.stack([IDS, CODES])}, r"and are int32 \[2, 3\]"),
        ({"pgcIDs": IDS.astype(float)}, "The pgcIDs of 'a.npz' must be whole numbers"),
        ({"pgcIDs": -IDS}, "has an id outside"),
        ({"filter": np.array(["c", "r", "z"])}, "has the filter 'z': a filter is one of c, g, r, i"),
        ({"filter": np.array(["c", "r", "gr"])}, "has the filter 'gr'"),
        ({"filter": np.array([1, 2, 3])}, "must be 3 letters"),
        ({"filter": np.array(["c"])}, "must be 3 letters"),
        ({"filter": np.array(["c", "r", None], object)}, "it holds Python objects"),
    ],
)
def test_other_arrays_are_refused_in_a_sentence(wrong, words):
    with pytest.raises(TableError, match=words):
        read_pool(npz(**GOOD | wrong), "a.npz")


def test_an_array_that_lacks_is_named():
    with pytest.raises(TableError, match=r"The file 'a\.npz' has no array pgcIDs"):
        read_pool(npz(images=IMAGES, labels=CODES), "a.npz")


INDEX = b"id,code,filter\n9,0,c\n9,1,r\n44182,67,g\n"


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (INDEX[:-11], "has 2 rows, and the file beside it 3 images"),
        (INDEX.replace(b"code", b"label"), "must have the columns id, code, filter"),
        (INDEX.replace(b"67", b"x"), "The line 4 of '.*' must be an id, a code and a filter"),
        (INDEX.replace(b"67", b"91"), "has a code outside 0 to 90"),
        (INDEX.replace(b",g", b",z"), "has the filter 'z'"),
        (b"\xff\xfe\x00", "The table '.*pool.csv' cannot be read"),
    ],
)
def test_an_index_that_does_not_belong_to_the_array_is_refused(index, words):
    write_pool(DataLocation("memory", "pool.npy"), POOL)
    write_bytes(DataLocation("memory", "pool.csv"), index)
    with pytest.raises(TableError, match=words):
        open_pool(DataLocation("memory", "pool.npy"))


def test_arrays_without_an_index_and_other_files_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(DataNotFoundError, match=r"a\.csv"):
        open_pool(DataLocation("filesystem", str(tmp_path / "a.npy")))
    (tmp_path / "a.csv").write_bytes(INDEX)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(TableError, match="its size or order"):
        open_pool(DataLocation("filesystem", str(tmp_path / "a.npy")))
    with pytest.raises(TableError, match=r"must end with \.npz or \.npy"):
        open_pool(DataLocation("memory", "a.jpg"))
