"""The tasks that cut tiles into chips."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from logging import getLogger
from typing import TYPE_CHECKING, TypeVar

from spacer_like.chips.cutting.cell_chips import CellChips
from spacer_like.chips.cutting.mask import mask_beside
from spacer_like.chips.cutting.passthrough import chip_start
from spacer_like.chips.cutting.ways import PASSTHROUGH, Choice, chosen_way
from spacer_like.chips.grid import Cell
from spacer_like.chips.messages.tiles import (
    ChippingMsg,
    ChipsFolderMsg,
    ChipsFolderReturnMsg,
    ChipTileMsg,
    ChipTileReturnMsg,
    FailedTile,
)
from spacer_like.chips.tasks.opened_tile import (
    OpenedTile,
    chips_folder_of,
    identity,
    made_chips,
    opened_tile,
    version_of,
    without_secrets,
)
from spacer_like.chips.tree import TilePath, find_tiles
from spacer_like.exceptions import DataNotFoundError, SpacerInputError, TableError, TileError, TransientError, reason_of
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import delete, exists, open_file, read_bytes, storage_factory, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spacer_like.chips.cutting.manifest import ManifestHeader

logger = getLogger(__name__)

Request = TypeVar("Request")
Answer = TypeVar("Answer")

TileEnd = tuple[int, ChipTileReturnMsg | FailedTile]
"""The index of a tile's request, and what came of it."""
MANIFESTS = "manifests"
"""The folder of a zone's manifests, in the folder of its chips."""


@task
def chip_tile(msg: ChipTileMsg) -> ChipTileReturnMsg:
    """Cut a tile into chips.

    Chips are written as they are made, the manifest last: without it, the tile is not cut. That of another request, or
    of the tile as it was, goes before the first chip; chips that it lists and this one does not are removed.

    Raises:
        DataNotFoundError: there is no such tile.
        TileError: it is no tile, is damaged or cut short, lies outside its cell, or cannot be cut in the way that is
            asked for.
        MissingExtraError: the way needs packages of the extra `geo`.
    """
    start = time.perf_counter()
    tile = opened_tile(msg)
    choice = chosen_way(tile.cog, tile.placement, msg)
    if msg.chips_loc is None and choice.way != PASSTHROUGH:
        raise TileError(f"The chips of '{tile.cog.name}' cannot be left in it: {choice.reason} Give a folder for them.")
    chips = CellChips(tile.cell, msg.zoom, tile.acquisition, msg.wanted)
    folder = chips_folder_of(msg, tile.cell)
    made = made_chips(tile, choice, chips)
    if folder is None:
        for chip in made:
            chips.add(chip)
        _write_manifest(tile, choice, chips)
    else:
        earlier = _take_back(msg, folder)
        storage = storage_factory(folder.storage_type, folder.bucket_name)
        storage.write_many((f"{folder.key}{chips.add(chip)}", chip.parts) for chip in made)
        for name in sorted(earlier & chips.not_made()):
            storage.delete(f"{folder.key}{name}")
        _write_manifest(tile, choice, chips)
    return ChipTileReturnMsg(
        zone=tile.cell.zone,
        quadkey=tile.cell.quadkey,
        acquisition=tile.acquisition,
        way=choice.way,
        reason=choice.reason,
        n_chips=chips.n_made,
        **{f"n_{name}": count for name, count in chips.counts().items()},
        n_bytes=chips.n_bytes,
        runtime=time.perf_counter() - start,
    )


@task
def chips_folder(msg: ChipsFolderMsg) -> ChipsFolderReturnMsg:
    """Cut every tile of a tree into chips, one after the other; `chip_tile_messages` has a message for each.

    Raises:
        DataNotFoundError: there is no tile.
        TransientError: a storage did not answer for some tile; the others were cut, and are not cut again.
        SpacerError: the tree cannot be listed.
    """
    passing: list[TransientError] = []
    answer = cut_tiles(msg, lambda messages: one_by_one(messages, chip_tile, _tile_of, "tile", passing))
    if passing:
        raise passing[-1]
    return answer


def _tile_of(msg: ChipTileMsg) -> DataLocation:
    return msg.tile_loc


def one_by_one(
    messages: Sequence[Request],
    cut: Callable[[Request], Answer],
    loc_of: Callable[[Request], DataLocation],
    what: str,
    passing: list[TransientError],
) -> Iterator[tuple[int, Answer | FailedTile]]:
    """Cut tiles or rasters one after the other, none of which stops the others; the index of each and what came of it.

    Args:
        what: what a sentence calls one.
        passing: transient errors are appended to it.
    """
    for index, message in enumerate(messages):
        name = without_secrets(loc_of(message)).display_name
        try:
            yield index, cut(message)
        except TransientError as error:
            logger.warning("The %s '%s' could not be cut for now: %s", what, name, error)
            passing.append(error)
            yield index, FailedTile(tile=name, reason=str(error), transient=True)
        except SpacerInputError as error:
            yield index, FailedTile(tile=name, reason=str(error))
        # An unexpected exception for one does not stop the others.
        except Exception as error:
            logger.exception("The %s '%s' cannot be cut.", what, name)
            yield index, FailedTile(tile=name, reason=f"The {what} '{name}' cannot be cut: {reason_of(error)}.")


def cut_tiles(msg: ChipsFolderMsg, cut: Callable[[Sequence[ChipTileMsg]], Iterator[TileEnd]]) -> ChipsFolderReturnMsg:
    """Cut the tiles of a tree that are not cut yet by `cut`, which may work in any order, and count them.

    Raises:
        As `chip_tile_messages`.
    """
    start = time.perf_counter()
    messages = chip_tile_messages(msg)
    waiting = [message for message in messages if not _is_known_cut(message)]
    n_skipped = len(messages) - len(waiting)
    report("tiles", n_skipped, len(messages))
    failed: dict[int, FailedTile] = {}
    n_chips = 0
    for count, (index, end) in enumerate(cut(waiting), 1):
        if isinstance(end, FailedTile):
            failed[index] = end
        else:
            n_chips += end.n_chips
        report("tiles", n_skipped + count, len(messages))
    return ChipsFolderReturnMsg(
        n_tiles=len(messages),
        n_skipped=n_skipped,
        n_chips=n_chips,
        failed=[failed[index] for index in sorted(failed)],
        runtime=time.perf_counter() - start,
    )


def chip_tile_messages(msg: ChipsFolderMsg) -> list[ChipTileMsg]:
    """A message for each tile of a tree; they may be worked on in any order, and at once.

    Of an acquisition that a cell has of several dates the newest counts.

    Raises:
        DataNotFoundError: there is no tile.
        TileError: the path of a single tile does not say what it must.
        SpacerError: the tree cannot be listed.
    """
    if msg.ard_loc.filename.lower().endswith((".tif", ".tiff")):
        path = TilePath.parse(without_secrets(msg.ard_loc).key)
        return [_message_of_tile(msg, path.zone, path.quadkey, path.acquisition, msg.ard_loc)]
    newest: dict[tuple[int, str, str], DataLocation] = {}
    for path, loc in find_tiles(msg.ard_loc, msg.zones, msg.kind):
        key = (path.zone, path.quadkey, path.acquisition)
        if key in newest:
            logger.warning("'%s' counts, and not '%s', which is older.", loc.display_name, newest[key].display_name)
        # Tiles come by date.
        newest[key] = loc
    if not newest:
        raise DataNotFoundError(
            f"There are no tiles in '{msg.ard_loc.display_name}': they lie in "
            f"<zone>/<quadkey>/<date>/<acquisition>-{msg.kind}.tif."
        )
    return [_message_of_tile(msg, *of_tile, loc) for of_tile, loc in newest.items()]


def _message_of_tile(msg: ChipsFolderMsg, zone: int, quadkey: str, acquisition: str, loc: DataLocation) -> ChipTileMsg:
    # A manifest is named by all that its chips' names say, so that chips of another zoom do not replace it.
    name = f"Z{zone:02d}-{quadkey}_{acquisition}_zoom{msg.zoom}.parquet"
    return ChipTileMsg(
        tile_loc=loc,
        manifest_loc=msg.chips_loc.below(f"{zone:02d}", MANIFESTS, name),
        chips_loc=msg.chips_loc if msg.write_chips else None,
        **{field: getattr(msg, field) for field in ChippingMsg.model_fields},
    )


def _is_known_cut(msg: ChipTileMsg) -> bool:
    try:
        return is_cut(msg)
    # Cutting that tile raises the error, for it alone.
    except Exception:
        return False


def is_cut(msg: ChipTileMsg) -> bool:
    """Whether a tile's manifest is there, of the same request and of the tile as it is now.

    Of chips in a folder of this machine, each that the manifest lists must be there, with its number of bytes.
    """
    from spacer_like.chips.cutting.manifest import read_header

    if not exists(msg.manifest_loc):
        return False
    try:
        with open_file(msg.manifest_loc) as file:
            header = read_header(file, msg.manifest_loc.display_name)
    except (DataNotFoundError, TableError):
        return False
    version = version_of(msg.tile_loc, mask_beside(msg.tile_loc))
    if _request(header) != _request(_header(msg, *identity(msg), version)):
        return False
    folder = header.chips_loc
    return folder is None or folder.storage_type != "filesystem" or _are_there(folder, msg.manifest_loc)


def _are_there(folder: DataLocation, manifest_loc: DataLocation) -> bool:
    from spacer_like.chips.cutting.manifest import read_manifest

    try:
        made = read_manifest(read_bytes(manifest_loc), manifest_loc.display_name).made()
        sizes = zip(made["chip"].to_pylist(), made["n_bytes"].to_pylist(), strict=True)
        return all(os.stat(f"{folder.key}{chip}").st_size == n_bytes for chip, n_bytes in sizes)
    except (OSError, TableError):
        return False


def _take_back(msg: ChipTileMsg, folder: DataLocation) -> set[str]:
    """Remove the manifest of another request or an earlier tile; returns the names of the files that it lists."""
    from spacer_like.chips.cutting.manifest import read_manifest

    if not exists(msg.manifest_loc) or is_cut(msg):
        return set()
    listed: set[str] = set()
    try:
        manifest = read_manifest(read_bytes(msg.manifest_loc), msg.manifest_loc.display_name)
        if manifest.header.chips_loc == folder:
            listed |= set(manifest.made()["chip"].to_pylist())
    except (DataNotFoundError, TableError):
        logger.info("The manifest '%s' cannot be read and is removed.", msg.manifest_loc.display_name)
    delete(msg.manifest_loc)
    return listed


def _request(header: ManifestHeader) -> tuple[object, ...]:
    """What two manifests must have in common to be of the same request and tile."""
    return (
        *(header.tile_loc, header.tile_version, header.chips_loc, header.zone, header.quadkey, header.acquisition),
        *(header.zoom, header.size, header.quality, header.requested_way, header.wanted),
    )


def _write_manifest(tile: OpenedTile, choice: Choice, chips: CellChips) -> None:
    from spacer_like.chips.cutting.manifest import Manifest

    header = replace(
        _header(tile.msg, tile.cell, tile.acquisition, tile.version),
        way=choice.way,
        reason=choice.reason,
        chip_start=chip_start(tile.cog.jpeg_tables, tile.cog.is_ycbcr, tile.cog.bands)
        if choice.way == PASSTHROUGH
        else b"",
        stretch=chips.stretch,
    )
    corner = None if tile.placement is None else (tile.placement.column, tile.placement.row)
    write_bytes(tile.msg.manifest_loc, Manifest(header, chips.table(choice.way, corner)).to_parquet())


def _header(msg: ChipTileMsg, cell: Cell, acquisition: str, version: str) -> ManifestHeader:
    """The header of a tile's manifest, as far as it is known before the tile is read."""
    from spacer_like.chips.cutting.manifest import ManifestHeader

    return ManifestHeader(
        tile_loc=without_secrets(msg.tile_loc),
        tile_version=version,
        chips_loc=chips_folder_of(msg, cell),
        zone=cell.zone,
        quadkey=cell.quadkey,
        acquisition=acquisition,
        zoom=msg.zoom,
        size=msg.size,
        quality=msg.quality,
        requested_way=msg.way,
        wanted=msg.wanted,
        way=PASSTHROUGH,
        reason=None,
    )
