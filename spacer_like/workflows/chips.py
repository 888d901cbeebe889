"""Trees of tiles cut into chips by an engine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from spacer_like.chips.messages import ChipsFolderMsg, ChipsFolderReturnMsg, ChipTileMsg, FailedTile
from spacer_like.chips.tasks.tiles import TileEnd, cut_tiles
from spacer_like.engines.base import Engine, Serial
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
    # What lies in this process's memory is not seen by others.
    in_memory = "memory" in (msg.ard_loc.storage_type, msg.chips_loc.storage_type)
    worker = Serial() if in_memory else engine

    def cut(messages: Sequence[ChipTileMsg]) -> Iterator[TileEnd]:
        for index, outcome in worker.outcomes(messages):
            if outcome.status == "done":
                yield index, outcome.result
                continue
            tile = messages[index].tile_loc.display_name
            reason = " ".join((outcome.error_message or "It failed.").split())
            logger.info("%s: %s", tile, reason)
            yield index, FailedTile(tile=tile, reason=reason, transient=bool(outcome.transient))

    return cut_tiles(msg, cut)
