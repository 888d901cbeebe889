"""Trees of tiles cut into chips by several processes."""

from __future__ import annotations

import logging
import time

from spacer_like.chips.messages import ChipsFolderMsg, ChipsFolderReturnMsg, ChipTileMsg, FailedTile
from spacer_like.chips.tasks.tiles import chip_tile_messages, is_cut
from spacer_like.engines.processes import outcomes
from spacer_like.exceptions import SpacerError
from spacer_like.messages import TaskOutcome
from spacer_like.overwriting import check_message
from spacer_like.progress import report

logger = logging.getLogger(__name__)


def cut_folder(msg: ChipsFolderMsg, processes: int | None = None) -> ChipsFolderReturnMsg:
    """Do what `chips_folder` does, several tiles at once. A storage that does not answer fails the tile alone.

    Args:
        processes: None: as many as there are processor cores.

    Raises:
        MessageError: the chips would lie in the root of the tree.
        DataNotFoundError: there is no tile.
        TileError: the path of the single tile does not say what it must.
        SpacerError: the tree cannot be listed.
    """
    start = time.perf_counter()
    check_message(msg)
    messages = chip_tile_messages(msg)
    waiting = [message for message in messages if not _is_known_cut(message)]
    n_skipped = len(messages) - len(waiting)
    report("tiles", n_skipped, len(messages))
    # What lies in this process's memory is not seen by others.
    in_memory = "memory" in (msg.ard_loc.storage_type, msg.chips_loc.storage_type)
    failed: list[FailedTile] = []
    n_chips = 0
    for ended, (number, outcome) in enumerate(outcomes(waiting, 1 if in_memory else processes), 1):
        if outcome.status == "done":
            n_chips += outcome.result.n_chips
        else:
            failed.append(_failure(waiting[number], outcome))
        report("tiles", n_skipped + ended, len(messages))
    return ChipsFolderReturnMsg(
        n_tiles=len(messages),
        n_skipped=n_skipped,
        n_chips=n_chips,
        failed=sorted(failed, key=lambda one: one.tile),
        runtime=time.perf_counter() - start,
    )


def _is_known_cut(message: ChipTileMsg) -> bool:
    try:
        return is_cut(message)
    except SpacerError:
        # The task itself tells what is wrong.
        return False


def _failure(message: ChipTileMsg, outcome: TaskOutcome) -> FailedTile:
    reason = " ".join((outcome.error_message or "It failed.").split())
    logger.info("%s: %s", message.tile_loc.display_name, reason)
    return FailedTile(tile=message.tile_loc.display_name, reason=reason, transient=bool(outcome.transient))
