import pickle
from typing import Any

import numpy as np
import pytest

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.pickled_arrays import NAMES, array_of, scalar_of
from spacer_like.learning.pickles import Made, Reference, read_pickle

ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(["sand", "coral"]),
    np.array([b"sand", b"coral"]),
    np.array(["sand", 3], dtype=object),
    np.array([1.5, 2], dtype=">f4"),
    np.array([True, False]),
    np.array(7),
]
FLOAT = Made("numpy.dtype", ("f8", False, True), (3, "<", None, None, None, -1, -1, 0))


def node(shape: Any = (1,), dtype: Any = FLOAT, content: Any = b"abcdefgh") -> Made:
    return Made("numpy.core.multiarray._reconstruct", (), (1, shape, dtype, False, content))


@pytest.mark.parametrize("protocol", [0, 2, 3, 5])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_are_those_that_were_pickled(array: np.ndarray, protocol: int) -> None:
    found = array_of(read_pickle(pickle.dumps(array, protocol=protocol), NAMES))
    wanted = [str(entry, "ascii") if isinstance(entry, bytes) else entry for entry in array.ravel().tolist()]
    assert found.shape == array.shape
    assert [str(entry) for entry in found.ravel().tolist()] == [str(entry) for entry in wanted]
    assert found.dtype.isnative


@pytest.mark.parametrize("value", [np.float64(1.5), np.int32(-3), np.str_("sand"), 4, "text", None, 2.5])
def test_numbers_and_texts(value: Any) -> None:
    assert scalar_of(read_pickle(pickle.dumps(value, protocol=2), NAMES)) == value


@pytest.mark.parametrize(
    "damaged",
    [
        node(shape=(2**31, 2**31)),
        node(shape=(-1,)),
        node(shape=(2,)),
        node(shape=None),
        node(dtype=None),
        node(dtype=Made("numpy.dtype", ("O", False, True), (3, "|", None, None, None, -1, -1, 63))),
        node(dtype=Made("numpy.dtype", ("V99999999", False, True))),
        node(dtype=Made("numpy.dtype", ("f8, f8", False, True))),
        node(dtype=Made("numpy.dtype", ("U999999999", False, True))),
        node(dtype=Made("numpy.dtype", (5,))),
        node(dtype=Made("numpy.dtype", ())),
        node(content=None),
        node(content="\u20ac"),
        node(content=[Reference("numpy.ndarray")]),
        node(content=[[1, 2]]),
        Made("numpy.core.multiarray._reconstruct"),
        Made("numpy._core.numeric._frombuffer", (b"abc",)),
        Made("numpy.dtype"),
        Reference("numpy.ndarray"),
        5,
        None,
    ],
)
def test_what_is_no_array_of_numbers_is_refused(damaged: Any) -> None:
    with pytest.raises(ModelFileError, match=r"^An array in the pickle is malformed \(.+\)\.$"):
        array_of(damaged)


@pytest.mark.parametrize("value", [[1], {}, b"bytes", Reference("numpy.ndarray"), node((2,), content=b"x" * 16)])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ModelFileError, match="where a number or text is expected"):
        scalar_of(value)
