"""The tree that tiles lie in: ``<zone>/<quadkey>/<date>/<acquisition>-<kind>.tif``.

The zone has two digits, the quadkey twelve, and the date is like 2015-05-28. Whatever else lies in the tree is passed
over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date as Date

from typing_extensions import Self

from spacer_like.chips.grid import N_ZONES, TILE_ZOOM, Cell
from spacer_like.data_classes.chip_names import ACQUISITION
from spacer_like.exceptions import TileError
from spacer_like.location import DataLocation
from spacer_like.storage import list_keys

_PATH = re.compile(
    rf"(?:.*/)?(\d{{2}})/([0-3]{{{TILE_ZOOM}}})/(\d{{4}}-\d{{2}}-\d{{2}})/({ACQUISITION.pattern})-([a-z]+)\.tiff?",
    re.DOTALL,
)

_OF_CELL = re.compile(rf"[0-3]{{{TILE_ZOOM}}}/")


@dataclass(frozen=True, order=True)
class TilePath:
    """What the path of a tile says; its text is the path in the tree.

    Fields:
        zone: the UTM zone.
        quadkey: of the tile's cell, 12 digits.
        date: of the acquisition, like 2015-05-28.
        acquisition: which may have hyphens.
        kind: ``visual``, ``pan``, ``ms`` or another raster's.
    """

    zone: int
    quadkey: str
    date: str
    acquisition: str
    kind: str

    @classmethod
    def parse(cls, path: str) -> Self:
        """The parts of a path; folders above the tree are ignored.

        Raises:
            TileError: not of that form.
        """
        found = _PATH.fullmatch(path)
        if found is None or not 1 <= int(found[1]) <= N_ZONES or not _is_date(found[3]):
            shown = path if len(path) <= 200 else f"...{path[-197:]}"
            raise TileError(
                f"'{shown}' is no path of a tile: it must end like "
                "33/031111212322/2015-05-28/1050410012C31100-visual.tif."
            )
        return cls(int(found[1]), found[2], found[3], found[4], found[5])

    @property
    def cell(self) -> Cell:
        return Cell(self.zone, self.quadkey)

    def __str__(self) -> str:
        return f"{self.zone:02d}/{self.quadkey}/{self.date}/{self.acquisition}-{self.kind}.tif"


Tile = tuple[TilePath, DataLocation]


def find_tiles(ard_loc: DataLocation, zones: Iterable[int] | None = None, kind: str = "visual") -> list[Tile]:
    """The tiles of a tree with their locations, by zone, quadkey, date and acquisition.

    Args:
        ard_loc: the root of the tree, or a zone's folder in it; a tree of which there is nothing has no tiles.
        zones: None: all.

    Raises:
        InvalidKeyError: the storage cannot list what it holds.
        SpacerError: other errors of the storage.
    """
    zones = None if zones is None else set(zones)
    root = tree_of(ard_loc)
    if root != ard_loc:
        own = int(_last_folder(ard_loc))
        ard_loc, zones = root, {own} if zones is None else {own} & zones
    folders = [ard_loc.below("")] if zones is None else [ard_loc.below(f"{zone:02d}", "") for zone in zones]
    return sorted(
        (tile for folder in folders for tile in _tiles_in(folder, ard_loc, kind)),
        key=lambda tile: (tile[0], tile[1].key),
    )


def has_tiles(ard_loc: DataLocation, kind: str = "visual") -> bool:
    """Whether a location is a tree of tiles, or a tile whose path is that of one; errors as `find_tiles`."""
    if ard_loc.filename.lower().endswith((".tif", ".tiff")):
        return _parsed(ard_loc.key.partition("?")[0]) is not None
    root = tree_of(ard_loc)
    return next(iter(_tiles_in(ard_loc.below(""), root, kind)), None) is not None


def tiles_of(ard_loc: DataLocation, cell: Cell, acquisition: str | None = None, kind: str = "visual") -> list[Tile]:
    """The tiles of a cell of zoom 12, the newest first; errors as `find_tiles`.

    Args:
        acquisition: None: all.
    """
    ard_loc = tree_of(ard_loc)
    found = _tiles_in(cell_folder(ard_loc, cell.zone, cell.quadkey).below(""), ard_loc, kind)
    tiles = [tile for tile in found if acquisition is None or tile[0].acquisition == acquisition]
    # Tiles of one date in the order of their acquisitions.
    return sorted(sorted(tiles), key=lambda tile: tile[0].date, reverse=True)


def tree_of(ard_loc: DataLocation) -> DataLocation:
    """The root of a tree, of which a zone's own folder may be given: one called like a zone that holds cells.

    Raises:
        SpacerError: the storage cannot list what it holds.
    """
    name = _last_folder(ard_loc)
    if ard_loc.storage_type == "url" or not re.fullmatch(r"\d\d", name) or not 1 <= int(name) <= N_ZONES:
        return ard_loc
    folder = ard_loc.below("").key
    if not any(_OF_CELL.match(loc.key.removeprefix(folder)) for loc in list_keys(ard_loc.below(""))):
        return ard_loc
    return DataLocation(ard_loc.storage_type, folder[: -len(name) - 1], ard_loc.bucket_name)


def _last_folder(loc: DataLocation) -> str:
    return loc.key.removesuffix("/").rpartition("/")[2]


def cell_folder(ard_loc: DataLocation, zone: int, quadkey: str) -> DataLocation:
    """The folder of a cell of zoom 12; its labels lie in it, and its tiles in folders of it.

    Raises:
        TileError: not a cell of zoom 12.
    """
    cell = Cell(zone, quadkey)
    if cell.zoom != TILE_ZOOM:
        raise TileError(f"The cell {cell.name} is of zoom {cell.zoom}: folders are of cells of zoom {TILE_ZOOM}.")
    return ard_loc.below(f"{zone:02d}", quadkey)


def _tiles_in(folder: DataLocation, ard_loc: DataLocation, kind: str) -> Iterable[Tile]:
    root = ard_loc.below("").key
    endings = (f"-{kind}.tif", f"-{kind}.tiff")
    for loc in list_keys(folder):
        # Most of a tree is masks and descriptions.
        if not loc.key.endswith(endings):
            continue
        inside = loc.key.removeprefix(root)
        # A tree that lies deeper down is another one.
        if inside.count("/") == 3 and (path := _parsed(inside)):
            yield path, loc


def _parsed(path: str) -> TilePath | None:
    try:
        return TilePath.parse(path)
    except TileError:
        return None


def _is_date(text: str) -> bool:
    try:
        Date.fromisoformat(text)
    except ValueError:
        return False
    return True
