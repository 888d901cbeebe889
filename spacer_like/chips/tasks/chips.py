"""The tasks about chips themselves: which have data, and where one comes from."""

from __future__ import annotations

import time
from logging import getLogger
from typing import TYPE_CHECKING

from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.chip_source import MANIFEST_ENDING, ChipSource, chips_in, find_files, read_manifests
from spacer_like.chips.messages.tiles import (
    IndexNodataMsg,
    IndexNodataReturnMsg,
    LocateChipMsg,
    LocateChipReturnMsg,
    UnreadableChip,
)
from spacer_like.chips.nodata import NodataIndex, class_of_pixels
from spacer_like.chips.tree import Tile, tiles_of
from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import DataNotFoundError, SpacerError, SpacerInputError, TableError, TileError
from spacer_like.images.square import decoded
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import storage_factory, write_bytes
from spacer_like.storage.base import outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = getLogger(__name__)

# The kinds of tiles that chips are cut out of.
_KINDS = ("visual", "pan")
# Widths of pixels, in metres, that a tile may have.
_FINEST, _COARSEST = 1e-3, 1e4


@task
def index_nodata(msg: IndexNodataMsg) -> IndexNodataReturnMsg:
    """Sort chips into those full of data, those with some, and those without.

    Manifests in the folder give the classes; pixels are read only of image files that no manifest names.

    Raises:
        DataNotFoundError: there are neither manifests nor image files.
        TableError: a manifest is malformed.
    """
    start = time.perf_counter()
    if msg.chips_loc.filename.lower().endswith(MANIFEST_ENDING):
        unreadable: list[UnreadableChip] = []
        classes = dict(_classes_of_manifests([msg.chips_loc], unreadable))
        exact = True
    else:
        files, manifests = find_files(msg.chips_loc)
        unreadable = []
        classes = dict(_classes_of_manifests(manifests, unreadable))
        foreign = [loc for loc in files if loc.key.rpartition("/")[2] not in classes]
        if not classes and not foreign and unreadable:
            raise TableError(unreadable[0].reason)
        if not classes and not foreign:
            raise DataNotFoundError(
                f"There are no chips in '{msg.chips_loc.display_name}': neither manifests nor image files."
            )
        exact = not foreign
        if foreign:
            with chips_in(msg.chips_loc, foreign) as source:
                found, no_images = _classes_of_pixels(source, msg.threshold)
            classes |= found
            unreadable += no_images
    index = NodataIndex.of(classes.items())
    write_bytes(msg.index_loc, index.to_json())
    return IndexNodataReturnMsg(
        n_all_data=len(index.all_data),
        n_partial_data=len(index.partial_data),
        n_no_data=len(index.no_data),
        exact=exact,
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
    )


@task
def locate_chip(msg: LocateChipMsg) -> LocateChipReturnMsg:
    """Find the tile that a chip comes from, and the chip's window in it.

    Raises:
        TileError: the name is none of a chip; the tile is damaged, or does not say where it lies.
        DataNotFoundError: the tree has no such tile.
    """
    start = time.perf_counter()
    from spacer_like.chips.geography import centre

    chip = ChipName.parse(msg.chip)
    tiles = _tiles_of(msg.ard_loc, chip)
    if len(tiles) > 1:
        logger.info("The chip %s has tiles of %d dates, of which the newest counts", chip, len(tiles))
    cell = chip.cell
    column, row, width = _window(tiles[0][1], chip)
    longitude, latitude = centre(cell)
    return LocateChipReturnMsg(
        tile=tiles[0][1].display_name,
        other_tiles=[loc.display_name for _, loc in tiles[1:]],
        zone=chip.zone,
        quadkey=chip.quadkey,
        acquisition=chip.acquisition,
        zoom=chip.zoom,
        column=column,
        row=row,
        width=width,
        height=width,
        bounds=cell.bounds,
        epsg=cell.epsg,
        longitude=longitude,
        latitude=latitude,
        runtime=time.perf_counter() - start,
    )


def _classes_of_manifests(manifests: list[DataLocation], unreadable: list[UnreadableChip]) -> Iterator[tuple[str, str]]:
    for ended, (_, manifest) in enumerate(read_manifests(manifests, unreadable), 1):
        yield from zip(manifest.chips["chip"].to_pylist(), manifest.chips["nodata_class"].to_pylist(), strict=True)
        report("manifests", ended, len(manifests))


def _classes_of_pixels(source: ChipSource, threshold: int) -> tuple[dict[str, str], list[UnreadableChip]]:
    """The class of each chip of a source by its pixels, and those that are no images."""
    reasons = {chip.name: chip for chip in source.unreadable}
    classes: dict[str, str] = {}

    def class_of(name: str) -> str:
        return class_of_pixels(decoded(source.read(name), name), threshold)

    workers = settings().storage_concurrency if source.is_far else thread_count()
    for ended, (name, found) in enumerate(outcomes(class_of, source.names, workers), 1):
        if isinstance(found, SpacerInputError):
            reasons[name] = UnreadableChip(name=name, reason=str(found))
        elif isinstance(found, SpacerError):
            raise found
        else:
            classes[name] = found
        report("chips", ended, len(source))
    return classes, [reasons[name] for name in sorted(reasons)]


def _tiles_of(ard_loc: DataLocation, chip: ChipName) -> list[Tile]:
    for kind in _KINDS:
        if tiles := tiles_of(ard_loc, chip.tile_cell, chip.acquisition, kind):
            return tiles
    raise DataNotFoundError(
        f"There is no tile of the acquisition {chip.acquisition} in the cell {chip.tile_cell.name} of "
        f"'{ard_loc.display_name}'."
    )


def _window(tile_loc: DataLocation, chip: ChipName) -> tuple[int, int, int]:
    """Column and row of a chip's north-western pixel in its tile, and its width in pixels of the tile."""
    from spacer_like.chips.cutting.cog import read_cog

    storage = storage_factory(tile_loc.storage_type, tile_loc.bucket_name)
    cog = read_cog(
        lambda offset, length: storage.read_range(tile_loc.key, offset, length),
        storage.size(tile_loc.key),
        tile_loc.display_name,
    )
    cell = chip.cell
    if cog.origin is None or cog.epsg not in (None, cell.epsg) or not _FINEST <= cog.origin[2] <= _COARSEST:
        raise TileError(
            f"The tile '{tile_loc.display_name}' does not say where it lies in the grid of zone {chip.zone} "
            f"(EPSG:{cell.epsg}), in which the chip {chip} is."
        )
    west, north, pixel = cog.origin
    return round((cell.bounds[0] - west) / pixel), round((north - cell.bounds[3]) / pixel), round(cell.side / pixel)
