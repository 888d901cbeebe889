"""Chips, wherever they are: image files in a folder, or blocks that are still in their tiles.

>>> from spacer_like.location import DataLocation
>>> with open_chips(DataLocation("memory", "chips/33")) as chips:  # doctest: +SKIP
...     for names, pixels in chips.pixels(chips.names, 224):
...         look_at(pixels)
...     chips.unreadable
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import Self

from spacer_like.chips.chip_index import ChipIndex, TileBlocks
from spacer_like.chips.cutting.passthrough import END_OF_IMAGE, START_OF_IMAGE, jpeg_of_block
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.config import settings
from spacer_like.exceptions import CollectionError, DataNotFoundError, SpacerError, TableError, TileError
from spacer_like.images.files import Files, file_bytes
from spacer_like.images.sets import FileSet
from spacer_like.images.square import square_into
from spacer_like.location import DataLocation
from spacer_like.message_base import as_text
from spacer_like.overwriting import NamedLocation, check_also_read, locations_of
from spacer_like.storage import list_keys, storage_factory
from spacer_like.storage.base import outcomes
from spacer_like.storage.ranges import Range, RangesReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.cutting.manifest import Manifest
    from spacer_like.chips.rasters.manifest import RasterManifest
    from spacer_like.message_base import Message

logger = getLogger(__name__)

_JPEG = (".jpg", ".jpeg")
ENDINGS = (*_JPEG, ".png", ".webp")
ARRAY_ENDINGS = (".tif", ".tiff", ".npy")
"""Of chips that may have any number of bands."""
MANIFEST_ENDING = ".parquet"
MOST_CHIP_BYTES = 2**26
"""The largest chip that is read."""
_MOST_MANIFEST_BYTES = 2**28
# So many manifests are held at a time.
_READ_AT_ONCE = 64

_fill = partial(square_into, shrink_on_load=True)


class ChipSource:
    """Chips by their names.

    Attributes:
        name: what errors call them.
        names: of all chips, such as ``Z33-03111121232201230_1050410012C31100.jpg``, sorted.
        version: a hash of the names and of the rows of the manifests, 40 digits.
        overlapping: see `ChipIndex`.
    """

    def __init__(self, name: str, places: ChipIndex, unreadable: Sequence[UnreadableChip] = ()) -> None:
        self.name = name
        self.names, self._ranges = places.sorted()
        self.version = places.version()
        self.overlapping = places.overlapping
        self._folders = places.folders
        self._tiles = places.tiles
        self._reasons = {chip.name: chip.reason for chip in unreadable}
        self._nodata = places.nodata
        self._is_same_tile: dict[int, bool] = {}

    @property
    def unreadable(self) -> list[UnreadableChip]:
        """Chips that `pixels` could not decode so far, and files that are ignored, by name."""
        return [UnreadableChip(name=name, reason=self._reasons[name]) for name in sorted(self._reasons)]

    def add_unreadable(self, chip: UnreadableChip) -> None:
        """Note a chip that could not be read by other ways than `pixels`."""
        self._reasons[chip.name] = chip.reason

    def nodata_of(self, name: str) -> float | None:
        """The value of a chip's pixels that have no data, where a manifest says it."""
        return self._nodata.get(name)

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self.names, name)
        return place < len(self.names) and self.names[place] == name

    def __len__(self) -> int:
        return len(self.names)

    def read(self, name: str) -> bytes:
        """The JPEG file of a chip.

        Raises:
            DataNotFoundError: there is no chip of that name, or its file or tile is gone.
            TileError: its tile is another one than when it was cut.
            ImageError: its file is too large to be a chip.
            SpacerError: other errors of the storage.
        """
        where = self._where(name)
        if where.file < 0:
            return self._read_file(name, ~where.file)
        return self._chip_of_block(name, where, self._read_range(where))

    def pixels(
        self, names: Sequence[str], size: int, batch_size: int | None = None
    ) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
        """Names [n] and pixels uint8 [n, size, size, 3] of chips, in the order of `names`, decoded ahead by threads.

        A chip is decoded at a half, a quarter or an eighth of its width where that is enough, and resized to the size
        with the bicubic filter. One that cannot be read is left out, and is in `unreadable`. No batch is empty. The
        pixels are the caller's. Progress is reported.

        Args:
            batch_size: the largest n; None: about 32 MiB of pixels.

        Raises:
            DataNotFoundError: there is no chip of one of the names.
            SpacerError: an error that is not the fault of a single chip, such as a storage that does not answer.
        """
        files = Files(self.name, list(names), self.reader(names), self.is_far)
        chips = FileSet(files, [(name, name) for name in names], _fill, size, [])
        try:
            yield from chips.batches(batch_size)
        finally:
            self._reasons |= {chip.name: chip.reason for chip in chips.unreadable}

    def check_kept(self, msg: Message) -> None:
        """Refuse a request whose outputs would overwrite tiles or chips that manifests name, which may lie anywhere.

        Raises:
            MessageError: one of them would.
        """
        places = [NamedLocation(f"a tile of {self.name}", tile.tile_loc, is_output=False) for tile in self._tiles]
        for output in locations_of(msg):
            name = output.location.filename
            if output.is_output and name in self and (folder := self._where(name).file) < 0:
                places.append(
                    NamedLocation(f"a chip of {self.name}", self._folders[~folder].below(name), is_output=False)
                )
        check_also_read(msg, places)

    def close(self) -> None:
        """Close the open files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _where(self, name: str) -> Range:
        if name not in self:
            raise DataNotFoundError(f"There is no chip '{as_text(name)}' in '{self.name}'.")
        return Range(*self._ranges[bisect_left(self.names, name)].tolist())

    @property
    def is_far(self) -> bool:
        """Whether reads wait, such as for a network."""
        locs = [*self._folders, *(tile.tile_loc for tile in self._tiles)]
        return any(loc.storage_type not in ("filesystem", "memory") for loc in locs)

    def reader(self, names: Sequence[str]) -> Callable[[str], bytes]:
        """A function from a chip's name to its bytes; ranges of remote tiles are read many at once."""
        places = [self._where(name) for name in names]
        if not (self._tiles and self.is_far):
            return self.read
        blocks = [name for name, where in zip(names, places, strict=True) if where.file >= 0]
        number_of = {name: place for place, name in enumerate(blocks)}
        ranges = RangesReader([where for where in places if where.file >= 0], self._read_range)

        def read(name: str) -> bytes:
            place = number_of.get(name)
            return self.read(name) if place is None else self._chip_of_block(name, self._where(name), ranges[place])

        return read

    def _read_file(self, name: str, folder: int) -> bytes:
        loc = self._folders[folder].below(name)
        return file_bytes(loc, name, MOST_CHIP_BYTES)

    def _read_range(self, where: Range) -> bytes:
        self._check_version(where.file)
        loc = self._tiles[where.file].tile_loc
        return storage_factory(loc.storage_type, loc.bucket_name).read_range(loc.key, where.offset, where.length)

    def _check_version(self, number: int) -> None:
        """Refuse, once for each tile, one that has changed since it was cut."""
        # Two threads that ask the same at once do no harm.
        is_same = self._is_same_tile.get(number)
        loc, version, _ = self._tiles[number]
        if is_same is None:
            found = storage_factory(loc.storage_type, loc.bucket_name).version(loc.key)
            is_same = self._is_same_tile[number] = found == version
        if not is_same:
            raise TileError(
                f"The tile '{as_text(loc.display_name)}' has changed since its chips were listed: cut it again."
            )

    def _chip_of_block(self, name: str, where: Range, block: bytes) -> bytes:
        tile = self._tiles[where.file]
        if len(block) != where.length or not (block.startswith(START_OF_IMAGE) and block.endswith(END_OF_IMAGE)):
            raise TileError(
                f"The tile '{as_text(tile.tile_loc.display_name)}' has no chip '{as_text(name)}' where its manifest "
                "says: cut it again."
            )
        return jpeg_of_block(tile.chip_start, block)


def open_chips(chips_loc: DataLocation, arrays: bool | None = False) -> ChipSource:
    """The chips at a location: a folder of image files, at any depth; a manifest; or a folder of manifests.

    A manifest has the chips that were made of its tile: those that were written, and those that are still in it. In a
    folder with both image files and manifests, a chip that is a file is read from that.

    Args:
        arrays: whether chips that are GeoTIFF or ``.npy`` count: where there are any, pictures do not. None: all count,
            to be looked at.

    Raises:
        DataNotFoundError: there are neither image files nor manifests, or no such file.
        CollectionError: there are only arrays, which are not asked for.
        TableError: a manifest that is malformed.
        SpacerError: errors of the storage.
    """
    places = ChipIndex()
    unreadable: list[UnreadableChip] = []
    if chips_loc.filename.lower().endswith(MANIFEST_ENDING):
        manifests = [chips_loc]
    else:
        files, manifests = find_files(chips_loc, arrays)
        unreadable += _add_files(places, files, chips_loc.below("").key)
        if not files and not manifests and (arrays is not False or not find_files(chips_loc, arrays=True)[0]):
            raise DataNotFoundError(
                f"There are no chips in '{chips_loc.display_name}': neither image files nor manifests."
            )
    unreadable += _add_manifests(places, manifests, arrays)
    chips = ChipSource(chips_loc.display_name, places, unreadable)
    if arrays is False and not chips and manifests != [chips_loc] and find_files(chips_loc, arrays=True)[0]:
        raise CollectionError(
            f"The chips in '{chips_loc.display_name}' are arrays and no pictures: extractors of bands "
            "take them, band-statistics and random-features."
        )
    return chips


def dataset_version(chips: ChipSource, labels: bytes = b"") -> str:
    """A hash of chips and of the hash of their labels, 40 digits."""
    return hashlib.sha256(chips.version.encode() + labels).hexdigest()[:40]


def chips_in(chips_loc: DataLocation, files: Sequence[DataLocation]) -> ChipSource:
    """Some image files of a folder, as chips."""
    places = ChipIndex()
    unreadable = _add_files(places, files, chips_loc.below("").key)
    return ChipSource(chips_loc.display_name, places, unreadable)


def find_files(folder_loc: DataLocation, arrays: bool | None = False) -> tuple[list[DataLocation], list[DataLocation]]:
    """The image files in a folder and the folders in it, and the ``.parquet`` files; each by their keys.

    PNG and WebP files count where there is no JPEG: beside it they are pictures of something else. With `arrays` no
    picture counts beside a GeoTIFF or ``.npy``; where it is None, all files count.
    """
    files, manifests = [], []
    counted = ENDINGS if arrays is False else ENDINGS + ARRAY_ENDINGS
    for loc in list_keys(folder_loc.below("")):
        name = loc.key.rpartition("/")[2].lower()
        if name.startswith("."):
            continue
        if name.endswith(counted):
            files.append(loc)
        elif name.endswith(MANIFEST_ENDING):
            manifests.append(loc)
    for preferred in () if arrays is None else (ARRAY_ENDINGS, _JPEG):
        kept = [loc for loc in files if loc.key.lower().endswith(preferred)] or files
        if preferred is ARRAY_ENDINGS and len(kept) < len(files):
            logger.warning(
                "In '%s' pictures are left out beside chips that are GeoTIFF or .npy, %d beside %d: move them into a "
                "folder of their own.",
                *(folder_loc.display_name, len(files) - len(kept), len(kept)),
            )
        files = kept
    return sorted(files, key=lambda loc: loc.key), sorted(manifests, key=lambda loc: loc.key)


def read_manifests(
    manifests: Sequence[DataLocation], unreadable: list[UnreadableChip]
) -> Iterator[tuple[DataLocation, Manifest | RasterManifest]]:
    """Manifests of tiles and rasters with their locations, in their order, many read at once.

    A table that is no manifest is passed over where it is one of several.

    Args:
        unreadable: malformed manifests are appended to it where there are several.

    Raises:
        TableError: the only manifest is malformed.
        SpacerError: errors of the storage.
    """
    from spacer_like.chips.cutting.manifest import FORMAT, read_manifest
    from spacer_like.chips.rasters.manifest import FORMAT as RASTER_FORMAT
    from spacer_like.chips.rasters.manifest import read_raster_manifest

    for first in range(0, len(manifests), _READ_AT_ONCE):
        some = manifests[first : first + _READ_AT_ONCE]
        found = dict(outcomes(_manifest_bytes, some, settings().storage_concurrency))
        for loc in some:
            data = found.pop(loc)
            if isinstance(data, SpacerError):
                raise data
            is_of_raster = RASTER_FORMAT.encode() in data
            if len(manifests) > 1 and not is_of_raster and FORMAT.encode() not in data:
                logger.warning("'%s' is no manifest of chips, and is passed over", loc.display_name)
                continue
            try:
                manifest = (read_raster_manifest if is_of_raster else read_manifest)(data, loc.display_name)
            except TableError as error:
                if len(manifests) == 1:
                    raise
                unreadable.append(UnreadableChip.of(loc.display_name, str(error)))
                continue
            yield loc, manifest


def _manifest_bytes(loc: DataLocation) -> bytes:
    data = storage_factory(loc.storage_type, loc.bucket_name).read_range(loc.key, 0, _MOST_MANIFEST_BYTES + 1)
    if len(data) > _MOST_MANIFEST_BYTES:
        raise TableError(
            f"The table '{loc.display_name}' is larger than {_MOST_MANIFEST_BYTES // 2**20} MiB: it is no manifest."
        )
    return data


def _add_files(places: ChipIndex, files: Sequence[DataLocation], root: str) -> list[UnreadableChip]:
    """Add image files; those that do not count are returned."""
    unreadable = []
    numbers: dict[str, int] = {}
    for loc in files:
        folder, slash, name = loc.key.rpartition("/")
        if as_text(name) != name:
            unreadable.append(UnreadableChip.of(name, "The name of the file is no text in UTF-8: give it another one."))
            continue
        if folder not in numbers:
            numbers[folder] = len(places.folders)
            places.folders.append(DataLocation(loc.storage_type, f"{folder}{slash}", loc.bucket_name))
        if not places.add_file(name, numbers[folder]):
            other = loc.key.removeprefix(root)
            unreadable.append(UnreadableChip.of(other, f"There is another file '{name}' in the folder, which counts."))
    return unreadable


def _add_manifests(places: ChipIndex, manifests: Sequence[DataLocation], arrays: bool | None) -> list[UnreadableChip]:
    """Add the chips of manifests that there are no image files of; returns the malformed ones of several."""
    counted = ENDINGS if arrays is False else ENDINGS + ARRAY_ENDINGS
    unreadable: list[UnreadableChip] = []
    for loc, manifest in read_manifests(manifests, unreadable):
        header = manifest.header
        made = manifest.made()
        if not len(made):
            continue
        places.add_manifest(made, header)
        target = header.chips_loc if header.chips_loc is not None else header.tile_loc
        # A manifest from the web must not choose which local files are read.
        if loc.storage_type == "url" and target.storage_type != "url":
            raise TableError(
                f"The manifest '{loc.display_name}' is on the web, and its chips are not: they are not read."
            )
        names = made["chip"].to_pylist()
        if header.chips_loc is not None:
            places.folders.append(header.chips_loc.below(""))
            nodata = getattr(header, "nodata", None)
            for name in names:
                # Of a raster they may be arrays, which are no pictures.
                if name.lower().endswith(counted) and "/" not in name:
                    places.add_file(name, len(places.folders) - 1)
                    if nodata is not None:
                        places.nodata[name] = nodata
            continue
        places.tiles.append(TileBlocks(header.tile_loc, header.tile_version, header.chip_start))
        for name, offset, length in zip(names, made["offset"].to_pylist(), made["length"].to_pylist(), strict=True):
            if offset is None or not 0 < length <= MOST_CHIP_BYTES:
                raise TableError(f"The manifest '{loc.display_name}' does not say where in the tile chip '{name}' is.")
            places.add_block(name, len(places.tiles) - 1, offset, length)
    return unreadable
