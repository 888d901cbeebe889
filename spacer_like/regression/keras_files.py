"""Weights in files of Keras, read without Keras: HDF5 of Keras 2 and 3, and ``.keras`` archives."""

from __future__ import annotations

import json
from io import BytesIO
from typing import NamedTuple

from spacer_like.exceptions import WeightsError, damage_as
from spacer_like.extras import import_extra
from spacer_like.images.members import MOST_MEMBER_BYTES, Member
from spacer_like.images.zips import zip_members
from spacer_like.regression.keras_hdf5 import stored_layers
from spacer_like.regression.keras_weights import KerasLayer
from spacer_like.storage.ranges import PositionedReader

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MOST_CONFIG_BYTES = 2**24


class KerasFile(NamedTuple):
    """What a file holds.

    Fields:
        layers: those with weights; each kind in its order.
        size: width and height of the model's images; None: the file does not say.
    """

    layers: list[KerasLayer]
    size: int | None


def read_keras_file(data: bytes, name: str) -> KerasFile:
    """The layers of a model in a file of Keras.

    Args:
        data: an HDF5 file, ``.weights.h5`` of Keras 3 or ``.h5`` of Keras 2 and 3, of weights or of a model, or a
            ``.keras`` archive.
        name: what errors call the file.

    Raises:
        MissingExtraError: without h5py.
        WeightsError: no such file, a damaged one, or one whose numbers lie elsewhere, in chunks, or are compressed.
        ArchiveError: an archive that is damaged, or unsafe to unpack.
    """
    import_extra("h5py", "Reading weights of Keras", "galaxies")
    with damage_as(WeightsError, name, f"{name}: it is no file of weights of Keras, or a damaged one"):
        if not data.startswith(_ZIP):
            return _from_hdf5(data)
        members = {member.path: member for member in zip_members(PositionedReader(BytesIO(data)), name)}
        size = _size_of(_member(members, _CONFIG, _MOST_CONFIG_BYTES))
        return _from_hdf5(_member(members, _WEIGHTS, MOST_MEMBER_BYTES))._replace(size=size)


def _member(members: dict[str, Member], path: str, most: int) -> bytes:
    if path not in members:
        raise ValueError(f"it lacks {path}")
    member = members[path]
    if member.problem is not None:
        raise ValueError(f"its {path} {member.problem}")
    if member.size > most:
        raise ValueError(f"its {path} would take {member.size} bytes, and at most {most} are read")
    return member.read(path)


def _from_hdf5(data: bytes) -> KerasFile:
    if not data.startswith(_HDF5):
        raise ValueError("its first bytes are those of no HDF5 file")
    layers, config = stored_layers(data)
    return KerasFile([KerasLayer(*layer) for layer in layers], _size_of(config) if config else None)


def _size_of(config: str | bytes) -> int | None:
    """Width and height of a model's images, of its description in JSON; None where that does not say it."""
    try:
        first = json.loads(config)["config"]["layers"][0]["config"]
        _, height, width, _ = first.get("batch_shape") or first["batch_input_shape"]
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    return width if type(width) is int and height == width else None
