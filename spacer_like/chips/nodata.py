"""Which chips are full of data, which have some, and which none.

Exact where a tile's mask says so, as manifests have it; of chips without a manifest the colours of their pixels decide,
about: JPEG bleeds, and shadows are dark as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import TableError, damage_as

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL_DATA, PARTIAL_DATA, NO_DATA = CLASSES = ("all_data", "partial_data", "no_data")
_MOST_NAME = 300


@dataclass(frozen=True)
class NodataIndex:
    """Names of chips by their class, each list sorted and no name in two of them."""

    all_data: list[str]
    partial_data: list[str]
    no_data: list[str]

    @classmethod
    def of(cls, classes: Iterable[tuple[str, str]]) -> NodataIndex:
        """The index of pairs of a name and its class; of a name that comes twice, the first counts."""
        lists: dict[str, list[str]] = {name: [] for name in CLASSES}
        known: set[str] = set()
        for name, nodata_class in classes:
            if name not in known:
                known.add(name)
                lists[nodata_class].append(name)
        return cls(*(sorted(lists[name]) for name in CLASSES))

    def to_json(self) -> bytes:
        """JSON with just the keys ``all_data``, ``partial_data`` and ``no_data``."""
        lists = {name: getattr(self, name) for name in CLASSES}
        return json.dumps(lists, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> NodataIndex:
        """The index in the bytes of a file; its lists may be in any order.

        Args:
            name: what errors call the file.

        Raises:
            TableError: no such index.
        """
        with damage_as(TableError, name, f"The no-data index '{name}' is no JSON"):
            lists = json.loads(data)
        if not isinstance(lists, dict) or set(lists) != set(CLASSES):
            raise TableError(f"'{name}' is no no-data index: it must have just the keys {', '.join(CLASSES)}.")
        for key in CLASSES:
            if not isinstance(lists[key], list) or not all(
                isinstance(chip, str) and 0 < len(chip) <= _MOST_NAME for chip in lists[key]
            ):
                raise TableError(f"The no-data index '{name}' must have a list of names of chips as {key}.")
        try:
            "".join(chain(*lists.values())).encode()
        except UnicodeEncodeError:
            raise TableError(f"The no-data index '{name}' has a chip whose name is no text.") from None
        if len(set(chain(*lists.values()))) != sum(map(len, lists.values())):
            raise TableError(f"The no-data index '{name}' has a chip twice.")
        return cls(*(sorted(lists[key]) for key in CLASSES))


def class_of_pixels(pixels: NDArray[np.uint8], threshold: int) -> str:
    """The class of a chip by its colours: ``all_data``, ``partial_data`` or ``no_data``.

    Args:
        pixels: uint8 [height, width, bands].
        threshold: a pixel is no-data when no band of it is above this.
    """
    if int(pixels.min()) > threshold:
        return ALL_DATA
    dark = np.ascontiguousarray(pixels <= threshold).reshape(-1)
    bands = pixels.shape[-1]
    # Each value with those after it: what begins at a pixel's first band describes the pixel. Going through bands by
    # their stride instead takes five times as long.
    run = dark[: len(dark) - bands + 1].copy()
    for band in range(1, bands):
        run &= dark[band : len(run) + band]
    if not run.any():
        return ALL_DATA
    empty = run[::bands]
    return NO_DATA if empty.all() else PARTIAL_DATA if empty.any() else ALL_DATA
