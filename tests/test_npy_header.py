"""The beginning of a .npy file: as NumPy reads it, without Python's parser, and from hostile hands."""

from __future__ import annotations

import ast
from io import BytesIO

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from spacer_like.npy_header import LONGEST, MAGIC, NpyHeader, parse_npy_header, read_npy_header

PLAIN = st.one_of(
    np_st.boolean_dtypes(),
    np_st.integer_dtypes(endianness="?"),
    np_st.floating_dtypes(endianness="?"),
    np_st.complex_number_dtypes(endianness="?"),
    np_st.unicode_string_dtypes(endianness="?"),
    np_st.byte_string_dtypes(),
    np_st.datetime64_dtypes(endianness="?"),
    np_st.timedelta64_dtypes(endianness="?"),
)
SHAPES = np_st.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def text(descr: str = "'<f4'", order: str = "False", shape: str = "(3, 4)") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()


@given(PLAIN, SHAPES, st.booleans(), st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_what_numpy_writes_is_read(dtype, shape, in_columns, version):
    array = np.zeros(shape, dtype, order="F" if in_columns else "C")
    file = BytesIO()
    np.lib.format.write_array(file, array, version=version)
    file.seek(0)
    found = read_npy_header(file)

    assert (found.shape, found.dtype) == (shape, array.dtype)
    assert found.in_columns == (array.flags.fnc)
    assert len(file.read()) == array.nbytes


@pytest.mark.parametrize(
    "written",
    [
        b"{'shape': (3, 4), 'fortran_order': False, 'descr': '<f4'}",
        b'{"descr":"<f4","fortran_order":False,"shape":(3,4)}',
        b"  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 3 , 4 , ) , }   \n",
        text(shape="(3L, 4L)"),
    ],
)
def test_what_other_programs_write_is_read(written):
    assert parse_npy_header(written) == NpyHeader((3, 4), False, np.dtype("<f4"))


def test_pythons_parser_is_not_asked(monkeypatch):
    """It fails at times where two threads ask it (CPython issue 106905)."""
    monkeypatch.setattr(ast, "parse", lambda *_args, **_named: pytest.fail("it was asked"))
    parse_npy_header.cache_clear()
    assert parse_npy_header(text()).shape == (3, 4)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"", "malformed"),
        (b"{}", "lacks the type, the order or the shape"),
        (b"{'descr': '<f4', 'shape': (3, 4)}", "lacks the type, the order or the shape"),
        (text()[:-1], "malformed"),
        (text()[:-1] + b"'more': True}", "malformed"),
        (text()[:-1] + b"'shape': (3, 4)}", "malformed"),
        (text(descr="[('a', '<f4')]"), "its elements have fields"),
        (text(descr="'<M8[nonsense]'"), "unknown type"),
        (text(descr="'(2,3)f4'"), "malformed"),
        (text(descr="'i4,i4'"), "malformed"),
        (text(descr="'<f4\""), "malformed"),
        (text(descr="(3, 4)"), "malformed"),
        (text(descr="'<f3'"), "unknown type, <f3"),
        (text(descr="'nonsense'"), "malformed"),
        (text(descr="'<U99999999999999999999'"), "unknown type"),
        (text(order="0"), "malformed"),
        (text(order="__import__('os')"), "malformed"),
        (text(shape="(-3, 4)"), "malformed"),
        (text(shape="(1.5,)"), "malformed"),
        (text(shape="3"), "malformed"),
        (text(shape="(3)"), "no list of lengths"),
        (text(shape="(3 4)"), "no list of lengths"),
        (text(shape="(,)"), "no list of lengths"),
        (text(shape="(3,,4)"), "no list of lengths"),
        (text(shape="(" + "1, " * 100 + ")"), "no list of lengths"),
        (text(shape="(" + "9" * 5000 + ",)"), "no list of lengths"),
    ],
    ids=lambda given: str(given)[-30:],
)
def test_what_is_no_header_is_told(written, told):
    with pytest.raises(ValueError, match=told):
        parse_npy_header(written)


@given(st.binary() | st.text("{}'descrshapefortran_order:()0123456789, <fuTrueFalse").map(str.encode))
@example(b"{" + b"'" * 60_000 + b"}")
@example(b"{" + b" " * 60_000 + b"}")
@example(text(shape="(" + " " * 60_000))
@example(text(descr="'f" + "1" * 60_000 + "'"))
def test_nothing_but_a_value_error_comes_of_any_text(written):
    try:
        found = parse_npy_header(written)
    except ValueError:
        return
    assert isinstance(found, NpyHeader)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", "does not begin"),
        (b"PK\3\4 and more than that", "does not begin"),
        (MAGIC + b"\4\0" + b"\0" * 8, "does not begin"),
        (MAGIC + b"\2\0" + b"\xff" * 8, f"longer than {LONGEST}"),
        (MAGIC + b"\1\0\x40\0" + text(), "ends within its header"),
    ],
)
def test_what_is_no_array_is_told(file, told):
    with pytest.raises(ValueError, match=told):
        read_npy_header(BytesIO(file))


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_header_is_read_and_none_that_is_a_byte_longer(more):
    written = text().ljust(LONGEST + more)
    file = BytesIO(MAGIC + b"\1\0" + len(written).to_bytes(2, "little") + written + b"data")
    if more:
        with pytest.raises(ValueError, match=f"its header of {LONGEST + 1} bytes is longer than {LONGEST}"):
            read_npy_header(file)
    else:
        assert read_npy_header(file).shape == (3, 4)
        assert file.read() == b"data"
