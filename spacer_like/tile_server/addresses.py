"""Addresses of tiles out of a URL, which are untrusted text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacer_like.chips.grid import Cell
from spacer_like.exceptions import DataNotFoundError, TileError
from spacer_like.tile_server.footprint import Footprint
from spacer_like.tile_server.mosaic import Choice

if TYPE_CHECKING:
    from spacer_like.tile_server.raster_index import RasterIndex
    from spacer_like.tile_server.renderer import Format
    from spacer_like.tile_server.tree_index import TreeIndex

_ENDINGS: dict[str, Format] = {"jpg": "jpg", "jpeg": "jpg", "png": "png", "webp": "webp"}
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_LAST = re.compile(r"([0-9]{1,26})(?:@([12])x)?(?:\.([a-z]{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class LastPart:
    """The last part of a tile's address, such as ``380@2x.jpg``.

    Fields:
        digits: a number, or a quadkey.
        scale: 2 for tiles with twice the pixels.
        format: None: the server may choose.
    """

    digits: str
    scale: int
    format: Format | None

    @classmethod
    def parse(cls, text: str) -> LastPart:
        """The parts of a text.

        Raises:
            TileError: not of that form.
        """
        found = _LAST.fullmatch(text)
        if found is None or (found[3] is not None and found[3] not in _ENDINGS):
            raise TileError("The address of a tile ends with a number, which .jpg, .png or .webp may follow.")
        return cls(found[1], int(found[2] or 1), _ENDINGS.get(found[3] or ""))


def web_tile(zoom: str, column: str, last: LastPart, rows_from_south: bool = False) -> Footprint:
    """The ground of a tile of Web Mercator.

    Raises:
        TileError: there is no such tile.
    """
    z, x, y = number(zoom), number(column), number(last.digits)
    if rows_from_south:
        # A zoom that is none is refused below; the number must not become endless before.
        y = 2 ** min(z, 40) - 1 - y
    return Footprint.of_web_tile(z, x, y, 256 * last.scale)


def zone_tile(zone: str, zoom: str, column: str, last: LastPart) -> Footprint:
    """The ground of a cell of a zone, by zoom, column and row.

    Raises:
        TileError: there is no such cell.
    """
    return Footprint.of_cell(Cell.at(number(zone), number(zoom), number(column), number(_plain(last))))


def quadkey_tile(zone: str, last: LastPart) -> Footprint:
    """The ground of a cell of a zone, by its quadkey.

    Raises:
        TileError: there is no such cell.
    """
    return Footprint.of_cell(Cell(number(zone), _plain(last)))


def number(text: str) -> int:
    """A number that is not negative.

    Raises:
        TileError: not a number, or far too large.
    """
    if not _NUMBER.fullmatch(text):
        raise TileError("Zones, zooms, columns and rows are whole numbers from 0 on.")
    return int(text)


def choice(index: TreeIndex | RasterIndex, acquisition: str | None, only: str | None) -> Choice:
    """Which tiles are in front.

    Args:
        acquisition: one of the tree's; None or empty: the newest.
        only: ``1`` or ``true``: nothing else is shown.

    Raises:
        DataNotFoundError: the tree has no such acquisition.
        TileError: `only` is something else, or says nothing of what.
    """
    if only not in (None, "", "0", "false", "1", "true"):
        raise TileError("The parameter only must be true or false.")
    if not acquisition:
        if only in ("1", "true"):
            raise TileError("The parameter only needs an acquisition.")
        return Choice()
    if acquisition not in index.acquisitions:
        raise DataNotFoundError("The tree has no acquisition of that name: /tree.json lists all of them.")
    return Choice(acquisition, only in ("1", "true"))


def _plain(last: LastPart) -> str:
    if last.scale != 1:
        raise TileError("Tiles of a zone's grid are 512 pixels wide: there is no larger kind.")
    return last.digits
