"""Snapshots of trainings as safetensors: the learner's state, and the metrics of its epochs.

A training that was killed goes on from its last snapshot and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import DataNotFoundError
from spacer_like.learning.model_file import read_header
from spacer_like.location import DataLocation
from spacer_like.storage import delete, list_keys, read_bytes, write_bytes

FORMAT = "spacer_like.training_snapshot"
FORMAT_VERSION = 1
_ROWS_AT_A_TIME = 256
_NAME = re.compile(r"-epoch-(\d{5})\.safetensors")

Arrays = Mapping[str, NDArray[Any]]


class Snapshots(Protocol):
    """The store of a training's snapshots."""

    def latest(self, fingerprint: str) -> bytes | None:
        """The last snapshot of the training with this fingerprint; None if there is none."""
        ...

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        """Store a snapshot, and remove the earlier ones."""
        ...


class FolderSnapshots:
    """Snapshots in a folder, the last ones of each training.

    Args:
        folder: where they are.
        n_kept: how many of a training; an earlier one is taken where the last is damaged.
    """

    def __init__(self, folder: DataLocation, n_kept: int = 1) -> None:
        self._folder, self._n_kept = folder, n_kept

    def latest(self, fingerprint: str) -> bytes | None:
        found = None
        for _, loc in sorted(self._kept(fingerprint).items(), reverse=True):
            try:
                data = read_bytes(loc)
            except DataNotFoundError:
                # Another process that does the same was quicker, and put a later one in its place.
                continue
            found = found or data
            if _is_whole(data, fingerprint):
                return data
        return found

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        write_bytes(self._folder.below(f"{fingerprint}-epoch-{epoch:05d}.safetensors"), data)
        earlier = {one: loc for one, loc in self._kept(fingerprint).items() if one < epoch}
        for one in sorted(earlier, reverse=True)[self._n_kept - 1 :]:
            delete(earlier[one])

    def _kept(self, fingerprint: str) -> dict[int, DataLocation]:
        """The stored snapshots of a training by their epochs."""
        start = self._folder.below(fingerprint)
        found = {}
        for loc in list_keys(start):
            if match := _NAME.fullmatch(loc.key.removeprefix(start.key)):
                found[int(match[1])] = loc
        return found


def _is_whole(data: bytes, own: str) -> bool:
    try:
        read_snapshot(data, own)
    # No list of what a library raises for damaged bytes is complete.
    except Exception:
        return False
    return True


def fingerprint(config: Mapping[str, Any], arrays: Arrays) -> str:
    """A hash of everything that a training depends on, so that no snapshot of another one is restored.

    Args:
        config: whatever JSON can hold.
        arrays: examples, their division, and what the learner begins with.
    """
    digest = hashlib.blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=20)
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        # In parts, for pixels may lie in a file that is larger than memory.
        for start in range(0, len(array) if array.ndim else 0, _ROWS_AT_A_TIME):
            digest.update(array[start : start + _ROWS_AT_A_TIME].tobytes())
        if not array.ndim:
            digest.update(array.tobytes())
    return digest.hexdigest()


def write_snapshot(arrays: Arrays, history: list[dict[str, Any]], own: str) -> bytes:
    """The snapshot of a training, whose fingerprint is `own`, after the last epoch of `history`."""
    from safetensors.numpy import save

    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fingerprint": own,
        "epochs": history,
        # Weights that a bit has changed are numbers as others are.
        "digest": fingerprint({"epochs": history}, arrays),
    }
    # What is contiguous already is not copied, and a number stays one: `ascontiguousarray` would make a vector of it.
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    return save(contiguous, {"header": json.dumps(header, sort_keys=True)})


def read_snapshot(data: bytes, own: str) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """The arrays and the history in a snapshot of the training whose fingerprint is `own`.

    Raises:
        Exception: of whatever kind, for a damaged file or a snapshot of another training.
    """
    from safetensors.numpy import load

    header = read_header(data, FORMAT, FORMAT_VERSION)
    if header["fingerprint"] != own:
        raise ValueError("it is of another training")
    history = header["epochs"]
    if [epoch["epoch"] for epoch in history] != list(range(1, len(history) + 1)):
        raise ValueError("its epochs are not in order")
    arrays = load(data)
    if header["digest"] != fingerprint({"epochs": history}, arrays):
        raise ValueError("its numbers have changed since it was written")
    return arrays, history
