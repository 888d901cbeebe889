"""Weights files of torch, read without running code in them, and loaded into a network."""

from __future__ import annotations

import codecs
import os
import pickle
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn

from spacer_like.exceptions import DataLimitError, WeightsError, damage_as

# The prefix that torch's DataParallel puts before the names of weights.
_PARALLEL_PREFIX = "module."
_NAMES_SHOWN = 3
_ENTRIES = ("state_dict", "model")
_ZIP = b"PK\x03\x04"
_FREE_BYTES, _MOST_RATIO = 2**26, 4
# Where numpy keeps it is no part of its interface, but how it pickles its numbers leads there.
_NUMPY_SCALAR = np.int64(0).__reduce__()[0]
# What trainers of such networks store beside the weights, such as the number of the epoch; names of numpy 1 and 2.
_HARMLESS: list[Any] = [
    np.dtype,
    np.dtypes.Int64DType,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    (codecs.encode, "_codecs.encode"),
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
]


def read_state_dict(stream: IO[bytes], name: str) -> dict[str, Tensor]:
    """The weights in a file of ``torch.save``: its entry ``net``, or all of the file where it holds only weights.

    Args:
        stream: the file, at its start.
        name: what errors call the weights.

    Raises:
        WeightsError: the file is no file of torch, holds anything but weights and numbers, or no entry ``net``.
    """
    with damage_as(WeightsError, name, f"The file of the extractor's '{name}' is no file of torch.save, or is damaged"):
        return _weights_of(_loaded(stream, name), name)


def read_published_weights(stream: IO[bytes], name: str) -> dict[str, Tensor]:
    """As `read_state_dict`, of a file as weights are published: of safetensors, or of ``torch.save``, where they may be
    the entry ``state_dict`` or ``model``, too."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    beginning = stream.read(9)
    stream.seek(0)
    # Safetensors begin with the length of their header, which is an object of JSON.
    if len(beginning) == 9 and beginning[8:] == b"{" and int.from_bytes(beginning[:8], "little") < size:
        from safetensors.torch import load

        with damage_as(WeightsError, name, f"The file of the extractor's '{name}' is no file of safetensors"):
            return _weights_of(load(stream.read()), name)
    with damage_as(WeightsError, name, f"The file of the extractor's '{name}' holds no weights, or is damaged"):
        found = _loaded(stream, name)
        entries = [found[key] for key in _ENTRIES if key in found] if isinstance(found, Mapping) else []
        return _weights_of(next((one for one in entries if isinstance(one, Mapping)), found), name)


def _loaded(stream: IO[bytes], name: str) -> Any:
    _check_unpacked_size(stream, name)
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch's own words recommend to open it unsafely.
        raise WeightsError(
            f"The file of the extractor's '{name}' is not opened: it is no file of torch.save, or holds more than "
            "weights and numbers."
        ) from error


def _check_unpacked_size(stream: IO[bytes], name: str) -> None:
    """Refuse an archive that unpacks to a multiple of its size: torch.save does not compress."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    is_archive = stream.read(len(_ZIP)) == _ZIP
    stream.seek(0)
    if not is_archive:
        return
    with zipfile.ZipFile(stream) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    stream.seek(0)
    if unpacked > max(_FREE_BYTES, _MOST_RATIO * size):
        raise DataLimitError(
            f"The file of the extractor's '{name}' has {size} bytes and would unpack to {unpacked}: no weights do."
        )


def _weights_of(found: Any, name: str) -> dict[str, Tensor]:
    state = found.get("net", found) if isinstance(found, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"The file of the extractor's '{name}' has no entry 'net' with a network's weights.")
    return {str(key).removeprefix(_PARALLEL_PREFIX): value for key, value in state.items()}


def fit(network: nn.Module, state: Mapping[str, Tensor], name: str) -> nn.Module:
    """Load weights into a network, in evaluation mode and without gradients.

    Raises:
        WeightsError: weights of another architecture; the sentence names what does not fit.
    """
    wanted = network.state_dict()
    problems = [
        *_named("it lacks", [key for key in wanted if key not in state]),
        *_named("it has, but should not,", [key for key in state if key not in wanted]),
        *_named(
            "of another shape are",
            [
                f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
                for key, value in wanted.items()
                if key in state and state[key].shape != value.shape
            ],
        ),
    ]
    if problems:
        raise WeightsError(
            f"The extractor's '{name}' are weights of another network than {type(network).__name__}: "
            f"{'; '.join(problems)}."
        )
    network.load_state_dict(dict(state))
    return network.eval().requires_grad_(False)


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return [f"{what} {', '.join(names[:_NAMES_SHOWN])}{more}"]
