"""The rasters that a server shows: what `chips cut` would cut, in the same bands and the same range of values."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacer_like.chips.messages.tiles import FailedTile
from spacer_like.chips.rasters.pixels import Values
from spacer_like.chips.rasters.places import web_box, web_lattice
from spacer_like.chips.rasters.warping import scales_of
from spacer_like.chips.tasks.opened_raster import check_rasters, opened_scene, scenes_in
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.chips.tasks.raster_sets import raster_messages
from spacer_like.chips.tasks.rasters import values_of
from spacer_like.exceptions import SpacerError, SpacerInputError, TransientError
from spacer_like.tile_server.tree_index import Acquisition

if TYPE_CHECKING:
    from spacer_like.chips.messages.rasters import CutRasterMsg, CutRastersMsg
    from spacer_like.chips.rasters.raster import Raster
    from spacer_like.location import DataLocation
    from spacer_like.tile_server.tree_index import ZoneIndex

Box = tuple[float, float, float, float]

_MOST_LATITUDE = 85.05
_SECONDS_BROKEN = 60.0
_TILE = 256


@dataclass
class ShownRaster:
    """A raster that is shown.

    Fields:
        name: as in the names of its chips.
        loc: where it lies; `band_locs`: the files of its further bands.
        raster: what it says of itself.
        values: its bands, and the values that become 0 and 255.
        box: west, south, east, north in degrees; the west is larger than the east across the 180th meridian.
        scale: width and height in its pixels of a pixel of the web's zoom 0.
        broken_at: when reading it failed, by `time.monotonic`; None: it did not.
    """

    name: str
    loc: DataLocation
    raster: Raster
    values: Values
    box: Box
    scale: tuple[float, float]
    broken_at: float | None = None
    band_locs: tuple[DataLocation, ...] = ()

    @property
    def zoom(self) -> int:
        """The zoom whose pixels are nearly as large as the raster's."""
        return max(round(math.log2(max(min(self.scale), 1.0))), 0)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of its middle."""
        west, south, east, north = self.box
        return (west + (east - west) % 360 / 2 + 180) % 360 - 180, (south + north) / 2

    def may_show(self, box: Box) -> bool:
        """Whether something of it may lie in a box of degrees, of which no side is beyond 180 degrees."""
        west, south, east, north = self.box
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        return (
            south <= box[3]
            and north >= box[1]
            and any(begin <= box[2] and end >= box[0] for begin, end in spans)
            and not (self.broken_at is not None and time.monotonic() - self.broken_at < _SECONDS_BROKEN)
        )

    def n_read(self, zoom: int, size: int) -> float:
        """How many of its pixels are read for a tile of a zoom, at most."""
        across, down = (side * _TILE / size / 2**zoom for side in self.scale)
        factor = max((one for one in self.raster.overviews if one <= min(across, down)), default=1)
        found: float = min(size * across, self.raster.width) * min(size * down, self.raster.height) / factor**2
        return found


class RasterIndex:
    """Rasters that are shown, the newest first.

    Attributes:
        failed: the rasters that are not shown, with the reasons.
        acquisitions: by the rasters' names, the newest first.
        zones: none.
    """

    def __init__(self, rasters: Sequence[ShownRaster], failed: Sequence[FailedTile] = ()) -> None:
        self.failed = failed
        self.rasters = sorted(rasters, key=lambda one: one.raster.date, reverse=True)
        self.zones: dict[int, ZoneIndex] = {}
        self.acquisitions = {
            one.name: Acquisition(one.name, {one.raster.date} if one.raster.date else set(), n_tiles=1)
            for one in self.rasters
        }
        self.n_tiles = self.n_cells = len(self.rasters)

    @property
    def box(self) -> Box:
        """West, south, east, north in degrees of all rasters; the whole width where 180 degrees lie in it."""
        boxes = [one.box for one in self.rasters]
        west, east = min(box[0] for box in boxes), max(box[2] for box in boxes)
        if any(box[0] > box[2] for box in boxes):
            west, east = -180.0, 180.0
        south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
        return west, max(south, -_MOST_LATITUDE), east, min(north, _MOST_LATITUDE)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of the newest raster."""
        return self.rasters[0].centre

    @property
    def native_zoom(self) -> int:
        return max(one.zoom for one in self.rasters)


class LiveRasters:
    """Rasters that are served; they are listed once.

    Args:
        msg: which rasters, in which bands and values, as `cut_rasters` takes it; nothing is written.

    Raises:
        SpacerInputError: no raster can be shown; the sentence is that of the first.
        SpacerError: as `scenes_in`.
    """

    def __init__(self, msg: CutRastersMsg) -> None:
        self.name = ", ".join(without_secrets(loc).display_name for loc in msg.raster_locs[:3])
        scenes = scenes_in(msg)
        check_rasters([scene.loc for scene in scenes])
        failed: dict[DataLocation, FailedTile] = {}
        shown = []
        for one in raster_messages(msg, scenes, failed):
            try:
                shown.append(_shown(one))
            except SpacerError as error:
                name = one.raster_loc.display_name
                transient = isinstance(error, TransientError)
                failed[one.raster_loc] = FailedTile(tile=name, reason=str(error), transient=transient)
        if not shown:
            first = next(iter(failed.values()))
            raise (TransientError if first.transient else SpacerInputError)(first.reason)
        self.index = RasterIndex(shown, list(failed.values()))

    def start(self) -> None:
        """Nothing is listed again."""

    def stop(self) -> None:
        """There is nothing to end."""


def _shown(msg: CutRasterMsg) -> ShownRaster:
    band_locs = tuple(msg.band_locs or ())
    with opened_scene(msg.raster_loc, band_locs, msg.bands or ()) as (members, raster):
        if raster.crs is None:
            raise SpacerInputError(f"The raster '{raster.name}' does not say where it lies: no map can show it.")
        box = web_box(raster)
        lattice = web_lattice(box, raster.name, 0, 0, 0, _TILE)
        values = values_of(msg, members)
        scales = scales_of(raster, lattice)
        return ShownRaster(msg.source or "", msg.raster_loc, raster, values, box, scales, band_locs=band_locs)
