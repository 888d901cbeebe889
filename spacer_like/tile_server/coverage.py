"""Where there is anything at all: what a picture shows whose ground has more cells than can be put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.grid import SOUTHERN_OFFSET
from spacer_like.tile_server.footprint import HALF_WORLD, to_web_mercator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.mosaic import Choice
    from spacer_like.tile_server.tree_index import TreeIndex, ZoneIndex

_FILL = (0, 114, 178, 110)
_INK = (0, 60, 100, 255)
_SMALLEST = 3.0
"""Pixels: a single cell is to be seen on a map of the world."""
_SIDEWAYS = np.array([1.0, 0.0, 1.0, 0.0])
_TEXT = "zoom in for pictures"


def draw_coverage(footprint: Footprint, index: TreeIndex, choice: Choice) -> Image | None:
    """A transparent picture with the cells that there are tiles of; None where there are none of them in it."""
    # What goes beyond the 180th meridian comes back on the other side.
    turns = [0.0] if footprint.zone else [-2 * HALF_WORLD, 0.0, 2 * HALF_WORLD]
    boxes = [
        _boxes(zone, footprint)[_admitted(zone, choice)] + turn / footprint.pixel * _SIDEWAYS
        for zone in index.zones.values()
        if footprint.may_show(zone)
        for turn in turns
    ]
    return draw_boxes(np.concatenate(boxes), footprint.size) if boxes else None


def draw_boxes(boxes: NDArray[np.float64], size: int) -> Image | None:
    """A transparent picture with boxes; None where there are none of them in it.

    Args:
        boxes: left, top, right and bottom in pixels of the picture, float64 [n, 4].
        size: width and height of the picture.
    """
    from PIL import Image, ImageDraw

    missing = np.maximum(_SMALLEST - (boxes[:, 2:] - boxes[:, :2]), 0) / 2
    boxes = _inside(np.hstack([boxes[:, :2] - missing, boxes[:, 2:] + missing]), size)
    if not len(boxes):
        return None
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    for box in np.unique(np.round(boxes, 0), axis=0).tolist():
        draw.rectangle(box, fill=_FILL)
    middle = size // 2
    draw.text((middle, middle), _TEXT, _INK, anchor="mm", stroke_width=2, stroke_fill=(255, 255, 255, 220))
    return picture


def _admitted(zone: ZoneIndex, choice: Choice) -> NDArray[np.bool_]:
    if not choice.only:
        return np.ones(len(zone.cell_numbers), bool)
    return np.array([any(choice.admits(tile) for tile in zone.tiles[number]) for number in zone.cell_numbers.tolist()])


def _boxes(zone: ZoneIndex, footprint: Footprint) -> NDArray[np.float64]:
    """Left, top, right and bottom of each cell in pixels of the picture, float64 [cells, 4]."""
    if footprint.zone:
        shift = SOUTHERN_OFFSET if footprint.cell is not None and footprint.cell.is_southern else 0.0
        lefts, rights = zone.bounds[:, [0]], zone.bounds[:, [2]]
        bottoms, tops = zone.bounds[:, [1]] + shift, zone.bounds[:, [3]] + shift
    else:
        xs, ys = to_web_mercator(*zone.corners)
        lefts, rights = xs.min(1, keepdims=True), xs.max(1, keepdims=True)
        bottoms, tops = ys.min(1, keepdims=True), ys.max(1, keepdims=True)
    west, _, _, north = footprint.bounds
    found: NDArray[np.float64] = np.hstack([lefts - west, north - tops, rights - west, north - bottoms])
    return found / footprint.pixel


def _inside(boxes: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Those that are in the picture at least in part, cut off a little outside of it."""
    seen = (boxes[:, :2] < size).all(1) & (boxes[:, 2:] > 0).all(1)
    return np.clip(boxes[seen], -_SMALLEST, size + _SMALLEST)
