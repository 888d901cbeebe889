"""Tiles of the zones' own grid that are blocks of a tile of the tree: nothing is decoded, and nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacer_like.chips.grid import TILE_ZOOM
from spacer_like.exceptions import SpacerError, TransientError

if TYPE_CHECKING:
    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.mosaic import Choice
    from spacer_like.tile_server.open_tiles import OpenTiles
    from spacer_like.tile_server.tree_index import TreeIndex

BLOCK_ZOOM = 17


def unchanged_block(footprint: Footprint, index: TreeIndex, choice: Choice, open_tiles: OpenTiles) -> bytes | None:
    """The JPEG that shows a footprint as it lies in the tree; None where a picture has to be put together.

    That is so where the first tile that has any data there has them everywhere, and has them as one block of JPEG.
    """
    cell = footprint.cell
    if cell is None or cell.zoom != BLOCK_ZOOM or cell.zone not in index.zones:
        return None
    zone = index.zones[cell.zone]
    tiles = [tile for tile in zone.tiles_of_cell(cell.parent(TILE_ZOOM)) if choice.admits(tile)]
    for tile in sorted(tiles, key=choice.order):
        try:
            with open_tiles.use(tile.loc, tile.cell) as open_tile:
                if (block := open_tile.block(cell)) is None:
                    return None
        except TransientError:
            return None
        except SpacerError:
            continue
        if block:
            return block
    return None
