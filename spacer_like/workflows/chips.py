"""Trees of tiles cut into chips by an engine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from spacer_like.chips.messages import (
    ChipsFolderMsg,
    ChipsFolderReturnMsg,
    ChipTileMsg,
    CutRasterMsg,
    CutRastersMsg,
    CutRastersReturnMsg,
    FailedTile,
)
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.chips.tasks.raster_sets import RasterEnd, cut_all
from spacer_like.chips.tasks.tiles import TileEnd, cut_tiles
from spacer_like.engines.base import Engine, Serial
from spacer_like.location import DataLocation
from spacer_like.messages import TaskOutcome
from spacer_like.overwriting import check_message

logger = logging.getLogger(__name__)


def cut_folder(msg: ChipsFolderMsg, engine: Engine) -> ChipsFolderReturnMsg:
    """Do what `chips_folder` does by an engine. A storage that does not answer fails the tile alone.

    Raises:
        MessageError: the chips would lie in the root of the tree.
        DataNotFoundError: there is no tile.
        TileError: the path of the single tile does not say what it must.
        SpacerError: the tree cannot be listed.
    """
    check_message(msg)
    worker = _worker(engine, [msg.ard_loc, msg.chips_loc])

    def cut(messages: Sequence[ChipTileMsg]) -> Iterator[TileEnd]:
        for index, outcome in worker.outcomes(messages):
            yield index, outcome.result if outcome.status == "done" else _failed(messages[index].tile_loc, outcome)

    return cut_tiles(msg, cut)


def cut_raster_set(msg: CutRastersMsg, engine: Engine) -> CutRastersReturnMsg:
    """Do what `cut_rasters` does by an engine. A storage that does not answer fails the raster alone.

    Raises:
        MessageError: the chips would lie over a raster.
        DataNotFoundError: there is no raster.
        SpacerError: a folder cannot be listed.
    """
    check_message(msg)
    worker = _worker(engine, [*msg.raster_locs, msg.chips_loc])

    def cut(messages: Sequence[CutRasterMsg]) -> Iterator[RasterEnd]:
        for index, outcome in worker.outcomes(messages):
            yield index, outcome.result if outcome.status == "done" else _failed(messages[index].raster_loc, outcome)

    return cut_all(msg, cut)


def _worker(engine: Engine, locs: Sequence[DataLocation]) -> Engine:
    # What lies in this process's memory is not seen by others.
    return Serial() if any(loc.storage_type == "memory" for loc in locs) else engine


def _failed(loc: DataLocation, outcome: TaskOutcome) -> FailedTile:
    name = without_secrets(loc).display_name
    reason = " ".join((outcome.error_message or "It failed.").split())
    logger.info("%s: %s", name, reason)
    return FailedTile(tile=name, reason=reason, transient=bool(outcome.transient))
