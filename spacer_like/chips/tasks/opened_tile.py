"""A tile that is being cut: its identity, the folder of its chips, and the chips made out of it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from spacer_like.chips.cutting.cog import Cog, read_cog
from spacer_like.chips.cutting.mask import check_mask_file, mask_beside
from spacer_like.chips.cutting.placement import Placement, placed
from spacer_like.chips.cutting.ways import PASSTHROUGH, STRIPS, Choice
from spacer_like.chips.grid import TILE_ZOOM, Cell
from spacer_like.chips.messages.tiles import ChipTileMsg
from spacer_like.chips.tree import TilePath
from spacer_like.exceptions import TileError
from spacer_like.location import DataLocation
from spacer_like.storage import open_file, storage_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacer_like.chips.cutting.cell_chips import CellChips, MadeChip


class OpenedTile(NamedTuple):
    """A tile that is cut.

    Fields:
        placement: None: its pixels are not those of the grid.
        version: of its bytes, and those of its mask.
        mask_loc: the file beside the tile that its mask is in; None: it has none, or in itself.
    """

    msg: ChipTileMsg
    cell: Cell
    acquisition: str
    cog: Cog
    placement: Placement | None
    version: str
    mask_loc: DataLocation | None


def opened_tile(msg: ChipTileMsg) -> OpenedTile:
    loc = msg.tile_loc
    if msg.manifest_loc == loc:
        raise TileError(f"The manifest would replace the tile '{loc.display_name}': give it a place of its own.")
    cell, acquisition = identity(msg)
    if msg.chips_loc is None and without_secrets(loc) != loc:
        raise TileError(
            f"The chips of '{loc.display_name}' cannot be left in it: its URL has a query or a password, which no "
            "manifest keeps. Give a folder for them."
        )
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    mask_loc = mask_beside(loc)
    version = version_of(loc, mask_loc)
    cog = read_cog(partial(storage.read_range, loc.key), storage.size(loc.key), loc.display_name)
    # As GDAL does, a tile's own mask is taken before one beside it.
    if cog.has_mask:
        mask_loc = None
    elif mask_loc is not None:
        check_mask_file(mask_loc, loc.display_name)
        cog = replace(cog, has_mask_file=True)
    return OpenedTile(msg, cell, acquisition, cog, placed(cog, cell, msg.zoom), version, mask_loc)


def identity(msg: ChipTileMsg) -> tuple[Cell, str]:
    """The cell of a tile and its acquisition: as the message says, else as the tile's path does."""
    zone, quadkey, acquisition = msg.zone, msg.quadkey, msg.acquisition
    if zone is None or quadkey is None or acquisition is None:
        path = without_secrets(msg.tile_loc).key
        try:
            found = TilePath.parse(path)
        except TileError as error:
            raise TileError(f"{error} Or give its zone, quadkey and acquisition.") from None
        zone = found.zone if zone is None else zone
        quadkey = found.quadkey if quadkey is None else quadkey
        acquisition = found.acquisition if acquisition is None else acquisition
    # Some programs take a quadkey for a number, and lose the zeros that it begins with.
    return Cell(zone, quadkey.zfill(TILE_ZOOM)), acquisition


def made_chips(tile: OpenedTile, choice: Choice, chips: CellChips) -> Iterator[MadeChip]:
    """The wanted chips, one after the other, as they are made."""
    msg, loc, cog, placement = tile.msg, tile.msg.tile_loc, tile.cog, tile.placement
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    read = partial(storage.read_range, loc.key)
    is_far = loc.storage_type not in ("filesystem", "memory")
    if choice.way == STRIPS or placement is None or cog.blocks is None:
        from spacer_like.chips.cutting.strips import strip_chips

        if loc.storage_type == "filesystem":
            # GDAL reads a local file in less time than a file object.
            mask_path = None if tile.mask_loc is None else os.path.realpath(tile.mask_loc.key)
            yield from strip_chips(
                os.path.realpath(loc.key), mask_path, cog, placement, chips, read, msg.size, msg.quality
            )
            return
        with open_file(loc) as file, nullcontext() if tile.mask_loc is None else open_file(tile.mask_loc) as mask:
            # The file object has what GDAL will read next.
            in_file = partial(_read_in, file)
            yield from strip_chips(file, mask, cog, placement, chips, in_file, msg.size, msg.quality)
    elif choice.way == PASSTHROUGH:
        from spacer_like.chips.cutting.block_chips import passed_through

        yield from passed_through(cog, cog.blocks, placement, chips, read, is_far=is_far, left=msg.chips_loc is None)
    else:
        from spacer_like.chips.cutting.decoded_blocks import encoded_anew

        yield from encoded_anew(
            cog, cog.blocks, placement, chips, read, is_far=is_far, size=msg.size, quality=msg.quality
        )


def _read_in(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def version_of(*locs: DataLocation | None) -> str:
    """A text that changes when any of some files does; None is none."""
    there = (loc for loc in locs if loc is not None)
    return " and ".join(storage_factory(loc.storage_type, loc.bucket_name).version(loc.key) for loc in there)


def chips_folder_of(msg: ChipTileMsg, cell: Cell) -> DataLocation | None:
    """The folder of a tile's chips, with its slash."""
    return None if msg.chips_loc is None else msg.chips_loc.below(f"{cell.zone:02d}", "")


def without_secrets(loc: DataLocation) -> DataLocation:
    """A location whose key holds no secret: a URL's query and password may be ones."""
    if loc.storage_type != "url":
        return loc
    parts = urlsplit(loc.key)
    return DataLocation("url", parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl())
