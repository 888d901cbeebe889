"""Chips and their labels in COCO's format of annotations: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely

if TYPE_CHECKING:
    from spacer_like.tables.label_table import LabelTable

_DECIMALS = 2
_LEAST_AREA = 0.01
"""In pixels: what has less is nothing that can be seen, and nothing when its points are rounded."""


class CocoImage(NamedTuple):
    """A chip.

    Fields:
        file: its name in the folder of chips.
        width, height: in pixels.
        row: of the table.
    """

    file: str
    width: int
    height: int
    row: int


def coco_json(
    table: LabelTable, images: Sequence[CocoImage], outlines: Mapping[tuple[str, str], Sequence[Any]], version: str
) -> tuple[bytes, int]:
    """The file, and the number of its annotations.

    A label of a chip is an annotation for each of its outlines there, and one of the whole chip where it has none.
    Areas with holes are cut into parts without: polygons of COCO have none.

    Args:
        outlines: by chip and label, polygons in pixels of the chip.
        version: of the data, a text.
    """
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        for label in np.flatnonzero(table.targets[image.row]).tolist():
            shapes = outlines.get((table.names[image.row], table.labels[label]))
            for found in _annotations(image, shapes):
                annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, **found})
    content = {
        "info": {"description": "Chips and their labels", "version": version},
        "licenses": [],
        "images": [
            {"id": number, "file_name": image.file, "width": image.width, "height": image.height}
            for number, image in enumerate(images, 1)
        ],
        "categories": [
            {"id": number, "name": label, "supercategory": ""} for number, label in enumerate(table.labels, 1)
        ],
        "annotations": annotations,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(), len(annotations)


def _annotations(image: CocoImage, shapes: Sequence[Any] | None) -> Iterator[dict[str, Any]]:
    whole = shapely.box(0, 0, image.width, image.height)
    for shape in [whole] if shapes is None else shapes:
        parts = [one for part in shapely.get_parts(shape) for one in without_holes(part)]
        parts = [part for part in parts if part.area >= _LEAST_AREA]
        if not parts:
            continue
        left, top, right, bottom = shapely.total_bounds(parts)
        yield {
            "segmentation": [_points(part) for part in parts],
            "area": round(float(sum(part.area for part in parts)), _DECIMALS),
            "bbox": [round(float(side), _DECIMALS) for side in (left, top, right - left, bottom - top)],
            "iscrowd": 0,
        }


def without_holes(polygon: Any) -> list[Any]:
    """Polygons without holes that cover what a polygon does, and nothing twice."""
    waiting, found = [polygon], []
    while waiting:
        shape = waiting.pop()
        if not shape.interiors:
            found.append(shape)
            continue
        # Through the middle of a hole, which is none in either half.
        left, _, right, _ = shape.interiors[0].bounds
        west, south, east, north = shape.bounds
        middle = (left + right) / 2
        for half in (shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)):
            parts = shapely.get_parts(shapely.intersection(shape, half))
            waiting += [part for part in parts if part.geom_type == "Polygon" and part.area]
    return found[::-1]


def _points(polygon: Any) -> list[float]:
    points = shapely.get_coordinates(polygon.exterior)[:-1]
    rounded: list[float] = np.round(points, _DECIMALS).ravel().tolist()
    return rounded
