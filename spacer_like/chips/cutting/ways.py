"""The three ways to make chips of a tile, and which of them a tile and a request allow."""

from __future__ import annotations

from typing import NamedTuple

from spacer_like.chips.cutting.cog import JPEG, Cog
from spacer_like.chips.cutting.placement import Placement
from spacer_like.chips.messages.tiles import ChippingMsg, Way
from spacer_like.exceptions import TileError

PASSTHROUGH: Way = "passthrough"
BLOCKS: Way = "blocks"
STRIPS: Way = "strips"


class Choice(NamedTuple):
    """A way, and why it is not a faster one."""

    way: Way
    reason: str | None


def chosen_way(cog: Cog, placement: Placement | None, msg: ChippingMsg) -> Choice:
    """The fastest way that a tile and a request allow, or the one that is asked for.

    Args:
        placement: of the cell in the tile; None: the tile's pixels are not those of the grid.

    Raises:
        TileError: the way that is asked for is not possible.
    """
    no_blocks = _why_not_blocks(cog, placement)
    no_passthrough = no_blocks or _why_not_passthrough(cog, placement, msg)
    if msg.way == "auto":
        if no_passthrough is None:
            return Choice(PASSTHROUGH, None)
        return Choice(STRIPS, no_blocks) if no_blocks else Choice(BLOCKS, no_passthrough)
    reason = {PASSTHROUGH: no_passthrough, BLOCKS: no_blocks}.get(msg.way)
    if reason:
        raise TileError(f"The tile '{cog.name}' cannot be cut by way of {msg.way}: {reason} Leave the way open.")
    return Choice(msg.way, None if msg.way == PASSTHROUGH else "It was asked for.")


def _why_not_blocks(cog: Cog, placement: Placement | None) -> str | None:
    """Why blocks cannot be decoded one by one, as a sentence."""
    if cog.compression != JPEG:
        return f"The tile has {cog.compression_name} and no JPEG in it."
    if cog.bands not in (1, 3):
        return f"The tile has {cog.bands} bands, and JPEG files have 1 or 3."
    if cog.blocks is None:
        return "The tile has no blocks of 8-bit colours."
    if placement is None:
        return "The pixels of the tile are not those of the grid."
    if cog.has_mask_file:
        return "The mask of the tile lies in a file beside it."
    if cog.has_mask and cog.mask is None:
        return "The mask of the tile is not of one bit."
    if cog.has_nodata_value and not cog.has_mask:
        return "The tile has a value for no data instead of a mask."
    return None


def _why_not_passthrough(cog: Cog, placement: Placement | None, msg: ChippingMsg) -> str | None:
    """Why blocks, which can be decoded one by one, are no chips as they are, as a sentence."""
    if placement is None or cog.blocks is None:
        return "The tile has no blocks on the grid."
    pixels, block = placement.chip_pixels, (cog.blocks.block_width, cog.blocks.block_height)
    if block != (pixels, pixels):
        return (
            f"Blocks have {block[0]} x {block[1]} pixels, and chips of zoom {placement.zoom} have {pixels} x {pixels}."
        )
    if placement.column % pixels or placement.row % pixels:
        return "The blocks of the tile do not lie on the cells of the grid."
    if msg.size not in (None, pixels):
        return f"Chips of {msg.size} pixels are asked for, and blocks have {pixels}."
    if msg.quality is not None:
        return "A quality is asked for, and blocks have theirs."
    return None
