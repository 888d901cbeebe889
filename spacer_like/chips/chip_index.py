"""Where the bytes of chips are."""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION_DIGITS = 40


class TileBlocks(NamedTuple):
    """A tile whose blocks are chips.

    Fields:
        tile_loc: the tile.
        version: of its bytes, when it was cut.
        chip_start: what a chip begins with, in place of the start of its block.
    """

    tile_loc: DataLocation
    version: str
    chip_start: bytes


class ChipIndex:
    """Where the bytes of chips are: in files of their own in one of the folders, or in blocks of one of the tiles.

    Made so that a million take little memory.

    Attributes:
        folders, tiles: with chips, in the order of their numbers.
        nodata: the value of pixels without data, of chips of which it is known.
        overlapping: width and height of windows of pixels that overlap, by their raster's name in theirs.
    """

    def __init__(self) -> None:
        self.folders: list[DataLocation] = []
        self.tiles: list[TileBlocks] = []
        self.nodata: dict[str, float] = {}
        self.overlapping: dict[str, int] = {}
        self._names: list[str] = []
        self._known: set[str] = set()
        self._numbers = array("q")
        self._manifests = hashlib.sha256()

    def add_file(self, name: str, folder: int) -> bool:
        """Add a chip that is a file in one of `folders`; False: a chip of that name is there, and is kept."""
        return self._add(name, ~folder, 0, 0)

    def add_block(self, name: str, tile: int, offset: int, length: int) -> bool:
        """Add a chip that is `length` bytes of one of `tiles`, from `offset` on; False as for `add_file`."""
        return self._add(name, tile, offset, length)

    def add_manifest(self, made: Any, header: Any) -> None:
        """Let the version depend on a manifest's rows, and note whether its chips overlap."""
        request = getattr(header, "request", {})
        size, stride = request.get("size"), request.get("stride")
        if request.get("grid") == "pixels" and type(size) is type(stride) is int and stride < size:
            self.overlapping[header.source] = size
        for column in ("chip", "nodata_class", "n_bytes"):
            self._manifests.update(repr(made[column].to_pylist()).encode())

    def version(self) -> str:
        """A hash of the chips' names and the manifests' rows."""
        digest = hashlib.sha256("\0".join(sorted(self._names)).encode("utf-8", "surrogateescape"))
        digest.update(self._manifests.digest())
        return digest.hexdigest()[:_VERSION_DIGITS]

    def sorted(self) -> tuple[list[str], NDArray[np.int64]]:
        """Names [n], and int64 [n, 3]: a tile's number, or a folder's as its complement; offset; length."""
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        numbers = np.array(self._numbers, np.int64).reshape(-1, 3)
        return [self._names[place] for place in order], numbers[order]

    def _add(self, name: str, file: int, offset: int, length: int) -> bool:
        if name in self._known:
            return False
        self._known.add(name)
        self._names.append(name)
        self._numbers.extend((file, offset, length))
        return True
