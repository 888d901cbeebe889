"""Arrays in files: equal bytes for equal arrays, and nothing trusted on the way back."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from spacer_like.exceptions import DataLimitError, SpacerInputError, TableError
from spacer_like.tables.array_file import ArrayMissingError, from_npz, to_npz


def zipped(content: bytes, name: str = "arr_0.npy", method: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        archive.writestr(name, content)
    return sink.getvalue()


def npy(array, **options) -> bytes:
    sink = io.BytesIO()
    np.lib.format.write_array(sink, array, **options)
    return sink.getvalue()


class Told:
    """Would tell that it was made out of a pickle."""

    happened = False

    def __reduce__(self):
        return setattr, (Told, "happened", True)


@given(arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)))
def test_an_array_comes_back_as_it_was(array):
    found = from_npz(to_npz(array), "a.npz")
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_equal_arrays_give_equal_bytes():
    assert to_npz(np.arange(5)) == to_npz(np.arange(5))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(["7", "Ω"])])
def test_files_of_numpy_are_read(save, array):
    sink = io.BytesIO()
    save(sink, array)
    assert from_npz(sink.getvalue(), "a.npz").tolist() == array.tolist()


def test_python_objects_are_never_made():
    objects = npy(np.array([Told()], object), allow_pickle=True)
    for data in (zipped(objects), zipped(pickle.dumps(Told())), pickle.dumps(Told())):
        with pytest.raises(TableError, match=r"'evil.npz' is no .npz"):
            from_npz(data, "evil.npz")
    assert not Told.happened


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        zipped(b"nonsense"),
        zipped(npy(np.arange(3)), name="other.npy"),
        zipped(npy(np.arange(3))[:-1]),
        zipped(npy(np.arange(3)) + b"x"),
        zipped(npy(np.arange(3)).replace(b"(3,)", b"(-3,)")),
        zipped(npy(np.arange(3)).replace(b"(3,), }", b"(3e9,)}")),
        zipped(npy(np.arange(3)).replace(b"<i8", b"|V0")),
        to_npz(np.arange(1000))[:-200],
    ],
)
def test_damaged_files_are_refused_in_a_sentence(data):
    with pytest.raises(TableError, match=r"'a\.npz'"):
        from_npz(data, "a.npz")


def test_a_size_that_is_only_announced_takes_no_memory():
    huge = npy(np.zeros(3)).replace(b"(3,), }              ", b"(3333333333333,), }  ")
    with pytest.raises(TableError, match="announces"):
        from_npz(zipped(huge), "a.npz")


def test_zeros_packed_beyond_reason_are_not_unpacked(monkeypatch):
    data = zipped(npy(np.zeros(10**6)), method=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr("spacer_like.tables.array_file._MOST_RATIO", 100)
    monkeypatch.setattr("spacer_like.tables.array_file._FREE_BYTES", 0)
    with pytest.raises(DataLimitError, match="8000128 bytes"):
        from_npz(data, "a.npz")


def test_a_bit_that_flips_is_noticed():
    data = bytearray(to_npz(np.arange(100)))
    data[len(data) // 2] ^= 1
    with pytest.raises(SpacerInputError, match="CRC"):
        from_npz(bytes(data), "a.npz")


def test_a_deflated_array_that_is_damaged_is_told():
    sink = io.BytesIO()
    np.savez_compressed(sink, np.arange(5000.0))
    data = bytearray(sink.getvalue())
    # Behind the member's own head: the stream of zlib.
    data[60:120] = b"\xff" * 60
    with pytest.raises(TableError, match="'edges'"):
        from_npz(bytes(data), "edges")


def test_an_array_is_found_by_its_name():
    sink = io.BytesIO()
    np.savez(sink, np.zeros(2), probabilities=np.ones(3))
    assert from_npz(sink.getvalue(), "edges", "probabilities").tolist() == [1, 1, 1]
    with pytest.raises(ArrayMissingError, match="no array weights"):
        from_npz(sink.getvalue(), "edges", "weights")
