"""Weights out of Caffe's ``.caffemodel`` files, without Caffe.

Such a file is one protocol-buffer message, NetParameter, of which only layers' names and blobs matter here. The numbers
of the fields are those of Caffe's ``caffe.proto``. Nothing in the file is trusted: every length is checked.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import WeightsError, damage_as
from spacer_like.protocol_buffers import FIXED32, fields, varint

_MAX_AXES = 32

# NetParameter: field of the layers -> (field of a layer's name, field of its blobs); of Caffe until 2014 and since.
_LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}
_BLOB_LEGACY_SHAPE = (1, 2, 3, 4)
_BLOB_DATA, _BLOB_SHAPE, _BLOB_DOUBLE_DATA = 5, 7, 8
_SHAPE_DIM = 1


def read_caffemodel(
    data: bytes | memoryview, wanted: Collection[str], name: str = "weights"
) -> dict[str, list[NDArray[np.float32]]]:
    """The blobs (of a convolution: weights, bias) of the layers whose names are wanted; arrays may be views of `data`.

    Args:
        name: what errors call the file.

    Raises:
        WeightsError: no .caffemodel file, or a damaged one.
    """
    with damage_as(WeightsError, name, f"{name}: it is no .caffemodel file, or a damaged one"):
        return _wanted_layers(data, wanted)


def _wanted_layers(data: bytes | memoryview, wanted: Collection[str]) -> dict[str, list[NDArray[np.float32]]]:
    found: dict[str, list[NDArray[np.float32]]] = {}
    for number, _, value in fields(memoryview(data)):
        if number not in _LAYER_FIELDS or not isinstance(value, memoryview):
            continue
        name_field, blobs_field = _LAYER_FIELDS[number]
        name = ""
        blobs: list[memoryview] = []
        for inner_number, _, inner in fields(value):
            if inner_number == name_field and isinstance(inner, memoryview):
                name = bytes(inner).decode("utf-8", "replace")
            elif inner_number == blobs_field and isinstance(inner, memoryview):
                blobs.append(inner)
        if name in wanted and blobs:
            found[name] = [_blob(blob, name) for blob in blobs]
    return found


def _blob(view: memoryview, layer: str) -> NDArray[np.float32]:
    shape: list[int] = []
    legacy_shape: dict[int, int] = {}
    parts: list[NDArray[np.float32]] = []
    single = array("f")
    for number, wire_type, value in fields(view):
        if number in (_BLOB_DATA, _BLOB_DOUBLE_DATA) and isinstance(value, memoryview):
            if wire_type == FIXED32:
                single.frombytes(value)
            else:
                parts.append(_packed(value, "<f4" if number == _BLOB_DATA else "<f8", layer))
        elif number == _BLOB_SHAPE and isinstance(value, memoryview):
            shape = _dimensions(value)
        elif number in _BLOB_LEGACY_SHAPE and isinstance(value, int):
            legacy_shape[number] = value
    if single or not parts:
        parts.append(np.array(single, np.float32))
    numbers = np.concatenate(parts) if len(parts) > 1 else parts[0]
    if not shape:
        shape = [legacy_shape.get(number, 1) for number in _BLOB_LEGACY_SHAPE]
    if len(shape) > _MAX_AXES or math.prod(shape) != len(numbers):
        raise _damaged(f"the layer {layer} has {len(numbers)} numbers, which do not fill the shape {shape[:_MAX_AXES]}")
    return numbers.reshape(shape)


def _packed(view: memoryview, number_type: str, layer: str) -> NDArray[np.float32]:
    if len(view) % np.dtype(number_type).itemsize:
        raise _damaged(f"the numbers of the layer {layer} break off")
    return np.frombuffer(view, number_type).astype(np.float32, copy=False)


def _dimensions(view: memoryview) -> list[int]:
    """The axes of a BlobShape, whether its integers are packed or not."""
    found: list[int] = []
    for number, _, value in fields(view):
        if number != _SHAPE_DIM:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        position = 0
        while position < len(value):
            dimension, position = varint(value, position)
            found.append(dimension)
    return found


def _damaged(why: str) -> WeightsError:
    return WeightsError(f"The extractor's 'weights' are no .caffemodel file, or a damaged one: {why}.")
