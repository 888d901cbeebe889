"""Pictures of rasters in Web Mercator: the first in front, and what it lacks filled by the next."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.rasters.pixels import lattice_pixels
from spacer_like.chips.rasters.places import web_lattice
from spacer_like.chips.tasks.opened_raster import opened_scene
from spacer_like.exceptions import SpacerError, TransientError
from spacer_like.tile_server.footprint import to_web_mercator
from spacer_like.tile_server.mosaic import Mosaic

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.mosaic import Choice
    from spacer_like.tile_server.open_tile import Picture
    from spacer_like.tile_server.raster_index import RasterIndex, ShownRaster

logger = logging.getLogger(__name__)

MOST_READ = 2**25
"""Pixels of rasters that are read for one tile; of more, where there are no overviews, only the outlines are shown."""
MOST_RASTERS = 64
"""Rasters that are looked into for one tile."""


def put_rasters_together(footprint: Footprint, index: RasterIndex, choice: Choice) -> Mosaic | None:
    """The picture of a tile of the web; None where too much would have to be read.

    Each raster shows the pixels that `cut_rasters` cuts of it there. One that cannot be read is passed over for a
    minute.
    """
    rasters = _rasters_at(footprint, index, choice)
    zoom = footprint.web_tile[0] if footprint.web_tile else 0
    if len(rasters) > MOST_RASTERS or sum(one.n_read(zoom, footprint.size) for one in rasters) > MOST_READ:
        return None
    mosaic = Mosaic.empty(footprint.size)
    for shown in rasters:
        try:
            pixels, valid = _read(footprint, shown)
        except SpacerError as error:
            logger.warning("The raster %s is passed over: %s", shown.loc.display_name, error)
            if isinstance(error, TransientError):
                mosaic.is_sure = False
            else:
                shown.broken_at = time.monotonic()
            continue
        fresh = valid & ~mosaic.has_data
        np.copyto(mosaic.pixels, pixels, where=fresh[..., None])
        mosaic.has_data |= fresh
        if mosaic.has_data.all():
            break
    return mosaic


def draw_outlines(footprint: Footprint, index: RasterIndex, choice: Choice) -> Image | None:
    """A transparent picture with the boxes of rasters; None where there are none of them in it."""
    rasters = _rasters_at(footprint, index, choice)
    if not rasters:
        return None
    from spacer_like.tile_server.coverage import draw_boxes

    west, _, _, north = footprint.bounds
    boxes = []
    for shown in rasters:
        left, bottom, right, top = shown.box
        # Across the 180th meridian: to its left and to its right.
        for begin, end in [(left, right)] if left <= right else [(left, right + 360), (left - 360, right)]:
            xs, ys = to_web_mercator(np.array([begin, end]), np.array([bottom, top]))
            boxes.append([*(xs - west), *(north - ys)[::-1]])
    pixels = np.array(boxes)[:, [0, 2, 1, 3]] / footprint.pixel
    return draw_boxes(pixels, footprint.size)


def _rasters_at(footprint: Footprint, index: RasterIndex, choice: Choice) -> list[ShownRaster]:
    if footprint.zone:
        return []
    box = footprint.degrees
    rasters = [one for one in index.rasters if one.may_show(box)]
    if choice.acquisition is None:
        return rasters
    first = [one for one in rasters if one.name == choice.acquisition]
    return first if choice.only else first + [one for one in rasters if one.name != choice.acquisition]


def _read(footprint: Footprint, shown: ShownRaster) -> Picture:
    zoom, column, row = footprint.web_tile or (0, 0, 0)
    lattice = web_lattice(shown.box, shown.raster.name, zoom, column, row, footprint.size)
    [place] = lattice.places
    with (
        opened_scene(shown.loc, shown.band_locs, shown.raster.band_names) as (members, raster),
        lattice_pixels(members, raster, lattice, shown.values) as read,
    ):
        pixels, valid = read.window(place)
    found: NDArray[np.uint8] = np.moveaxis(pixels, 0, -1)
    return (found if found.shape[-1] == 3 else found.repeat(3, axis=-1)), valid
