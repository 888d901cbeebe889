"""Caffe's weights are read in all their dialects; a hostile file is a sentence, never a crash or a flood of memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import WeightsError
from spacer_like.extractors.caffe_weights import read_caffemodel

from ..readers.refusals import refused_by_name
from .caffe_files import MESSAGES, caffemodel

WEIGHTS = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
BIAS = np.array([0.5, -1.5], np.float32)


@pytest.mark.parametrize("dialect", ["new", "old"])
def test_both_dialects(dialect):
    found = read_caffemodel(caffemodel({"conv1": [WEIGHTS, BIAS], "conv2": [BIAS]}, dialect), {"conv1"})
    assert list(found) == ["conv1"]
    assert np.array_equal(found["conv1"][0], WEIGHTS)
    assert found["conv1"][1].ravel().tolist() == BIAS.tolist()


def layer_of(blob: bytes) -> bytes:
    """A file of one layer with a blob given as it is written."""
    name = b"\x0a\x05conv1"
    return b"\xa2\x06" + bytes([len(name) + 2 + len(blob)]) + name + b"\x3a" + bytes([len(blob)]) + blob


def test_numbers_that_are_not_packed():
    blob = MESSAGES["UnpackedBlobProto"](data=[1, 2, 3])
    blob.shape.dim.extend([1, 3])
    (found,) = read_caffemodel(layer_of(blob.SerializeToString()), {"conv1"})["conv1"]
    assert found.tolist() == [[1, 2, 3]]


def test_numbers_of_double_precision():
    blob = MESSAGES["BlobProto"](double_data=[0.5, 0.25])
    blob.shape.dim.extend([2])
    (found,) = read_caffemodel(layer_of(blob.SerializeToString()), {"conv1"})["conv1"]
    assert found.dtype == np.float32
    assert found.tolist() == [0.5, 0.25]


def test_numbers_that_do_not_fill_their_shape():
    blob = MESSAGES["BlobProto"](data=[1, 2, 3])
    blob.shape.dim.extend([2, 2])
    with pytest.raises(WeightsError, match=r"the layer conv1 has 3 numbers, which do not fill the shape \[2, 2\]"):
        read_caffemodel(layer_of(blob.SerializeToString()), {"conv1"})


@pytest.mark.parametrize("dimensions", [[2**62, 4], [-1], [0], [1] * 40, [2**63 - 1] * 9])
def test_shapes_that_are_absurd(dimensions):
    blob = MESSAGES["BlobProto"](data=[1, 2, 3])
    blob.shape.dim.extend(dimensions)
    with pytest.raises(WeightsError, match="do not fill the shape"):
        read_caffemodel(layer_of(blob.SerializeToString()), {"conv1"})


def test_a_blob_without_numbers():
    with pytest.raises(WeightsError, match="0 numbers"):
        read_caffemodel(layer_of(b""), {"conv1"})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x12\xff\xff\xff\xff\x0f", "longer than the file"),
        (b"\xff" * 20, "does not end"),
        (b"\x0b", "unknown kind 3"),
        (b"\x02\x01a", "longer than the file"),
        (b"\x80", "does not end"),
    ],
)
def test_damage_is_named(data, why):
    with pytest.raises(WeightsError, match=why):
        read_caffemodel(data, {"conv1"})


def test_cut_at_every_byte():
    whole = caffemodel({"conv1": [WEIGHTS, BIAS]})
    for length in range(len(whole)):
        with refused_by_name("reef.caffemodel", WeightsError):
            found = read_caffemodel(whole[:length], {"conv1"}, "reef.caffemodel")
            # What ends between two layers is a shorter file: the layer is there as a whole, or not at all.
            for blob, written in zip(found.get("conv1", [WEIGHTS, BIAS]), [WEIGHTS, BIAS], strict=True):
                assert np.array_equal(blob, written)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 200), st.binary(max_size=4))
def test_any_bytes_are_read_or_refused(junk, place, change):
    whole = caffemodel({"conv1": [WEIGHTS, BIAS]}, "old")
    for data in (junk, whole[:place] + change + whole[place + len(change) :]):
        with refused_by_name("reef.caffemodel", WeightsError):
            assert set(read_caffemodel(data, {"conv1"}, "reef.caffemodel")) <= {"conv1"}


def test_a_file_that_announces_more_than_it_has_takes_no_memory():
    tracemalloc.start()
    with pytest.raises(WeightsError, match="longer than the file"):
        read_caffemodel(b"\xa2\x06\xff\xff\xff\xff\x07" + bytes(1000), {"conv1"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
